"""`FrameStack`: screens in, the stack of the last planes out."""

import math
from typing import Any

import gymnasium.error
import numpy as np
import numpy.typing as npt

from fastatari.checks import check_array, check_choice, check_flag, check_integer, check_pair
from fastatari.palette import PALETTES
from fastatari.preprocessing.machine_code import functions
from fastatari.preprocessing.plan import make_plan
from fastatari.preprocessing.stages import (
    MAX_SIDE,
    PADDINGS,
    Gray,
    Order,
    Padding,
    Palette,
    StackAxis,
    check_stack_axis,
    check_stages,
)
from fastatari.resources import check_memory

UInt8Array = npt.NDArray[np.uint8]


class FrameStack:
    """The last planes of a game, made from its screens.

    A screen is uint8[H, W], colour indices as ``ALEInterface.getScreen`` gives them. A plane is made of one screen, two
    or three, in three stages, in the order asked for: they turn gray, they are pooled to their pixelwise maximum (of
    each channel, while they are in colour), and they are area-resized. A plane is byte-identical to what cv2's
    ``cvtColor`` and ``resize`` (``INTER_AREA``) of OpenCV 4.14 and 5.0 on x86-64 make of the same screens; a resize
    whose size is the screen's is a copy.

    Rows of a plane are computed again only where the screens differ from those pushed before; a push costs the least
    when little moves. A stack can be copied and pickled. It is not to be shared between threads.

    Example:
        >>> import numpy as np
        >>> black, white = np.full((2, 210, 160), [[[0]], [[14]]], np.uint8)
        >>> stack = FrameStack((210, 160), size=(84, 84), stack_num=4)
        >>> stack.reset(black)
        >>> stack.push(black, white)
        >>> stack.push(black)
        >>> stack.read()[:, 0, 0]
        array([  0,   0, 236,   0], dtype=uint8)

    Args:
        screen_shape (tuple[int, int]): height H and width W of the screens, at most 256 each.
        size (tuple[int, int]): height h and width w of the planes, at most H and W.
        stack_num (int): how many planes the stack holds, K.
        order (str): the stages: "gray-resize-max", as labml; "gray-max-resize", as gymnasium; "max-gray-resize", as
            stable-baselines3; "max-resize-gray", as CleanRL.
        gray ("cv2" | "ale" | "gymnasium"): the gray formula: cv2's ``COLOR_RGB2GRAY``, the levels of
            ``ALEInterface.getScreenGrayscale``, which only the console's own colours have, or that of gymnasium's
            `GrayscaleObservation` since 1.0.
        palette ("ntsc" | "pal"): the television standard of the game, which gives the indices their colours.
        grayscale_obs (bool): whether planes are gray; if not, "gray" falls out of the order.
        padding_type ("reset" | "zero"): what a reset fills the older planes with: the new one, or zeros.
        stack_axis (0 | -1): along which axis the stack holds its planes: uint8[K, h, w], or uint8[h, w, K]. In colour,
            uint8[K, h, w, 3] or uint8[h, w, 3 * K].

    Attributes:
        shape (tuple[int, ...]): the shape of the stack.
        has_reset (bool): whether there was a `reset`, or a `restore`.

    Raises:
        TypeError: a shape or number is not made of integers, or a flag is not a boolean.
        ValueError: a shape, number or name is not allowed, `size` exceeds `screen_shape`, or `order` and `gray` or
            `grayscale_obs` do not go together.
        MemoryError: there is not enough memory for the planes.
    """

    def __init__(
        self,
        screen_shape: tuple[int, int] = (210, 160),
        size: tuple[int, int] = (84, 84),
        stack_num: int = 4,
        order: Order = "gray-resize-max",
        gray: Gray = "cv2",
        palette: Palette = "ntsc",
        grayscale_obs: bool = True,
        padding_type: Padding = "reset",
        stack_axis: StackAxis = 0,
    ) -> None:
        self._screen_shape = check_pair("screen_shape", screen_shape, (MAX_SIDE, MAX_SIDE))
        size = check_pair("size", size, self._screen_shape)
        self._stack_num = check_integer("stack_num", stack_num, least=1)
        check_stages(order, gray, grayscale_obs)
        check_choice("palette", palette, PALETTES)
        check_choice("padding_type", padding_type, PADDINGS)
        rules = self._stack_num, order, gray, palette, check_flag("grayscale_obs", grayscale_obs)
        stack_axis = check_stack_axis(stack_axis)
        self._arguments = self._screen_shape, size, *rules, padding_type, stack_axis
        self._padding = padding_type

        check_memory(self._stack_num * math.prod(size) * (1 if grayscale_obs else 3), f"a stack of {stack_num} planes")
        self._plan = make_plan(self._screen_shape, size, *rules, stack_axis)
        self._functions = functions()
        self.shape: tuple[int, ...] = self._plan.stack_shape
        self.has_reset: bool = False
        self._ring = np.zeros((self._stack_num, *self._plan.plane_shape), np.uint8)
        self._newest = 0
        # The two screens that the newest plane was made of, and the flags of their rows that changed since; if the
        # newest plane was made of others, the next one is computed from nothing.
        self._screens = np.zeros((2, *self._screen_shape), np.uint8)
        self._changed = np.zeros((2, self._screen_shape[0]), np.uint8)
        self._is_of_screens = False
        self._scratch = self._plan.make_scratch()
        # Addresses of arrays, because numpy takes as long as a kernel to tell them.
        self._planes_at = [plane.ctypes.data for plane in self._ring]
        self._screens_at = self._screens.ctypes.data
        self._changed_at = [flags.ctypes.data for flags in self._changed]
        self._scratch_at = self._scratch.ctypes.data

    def __getstate__(self) -> dict[str, Any]:
        return {"arguments": self._arguments, "planes": self.planes if self.has_reset else None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(*state["arguments"])  # type: ignore[misc]
        if state["planes"] is not None:
            self.restore(state["planes"])

    @property
    def newest(self) -> UInt8Array:
        """The newest plane: uint8[h, w] or uint8[h, w, 3], a fresh array.

        Raises:
            gymnasium.error.ResetNeeded: there was no `reset` yet.
        """
        self._check_reset("newest")
        newest: UInt8Array = self._ring[self._newest].copy()
        return newest

    @property
    def planes(self) -> UInt8Array:
        """All planes, the oldest first: uint8[K, h, w] or uint8[K, h, w, 3], a fresh array; for `restore`.

        Raises:
            gymnasium.error.ResetNeeded: there was no `reset` yet.
        """
        self._check_reset("planes")
        return np.roll(self._ring, -1 - self._newest, axis=0)

    def reset(self, screen: UInt8Array, second: UInt8Array | None = None) -> None:
        """Begin a new stack with the plane of one screen, or of two; the older planes are padding.

        Args:
            screen (uint8[H, W]): colour indices, C-contiguous; only read, not kept.
            second (uint8[H, W], optional): the same, of the frame after it.

        Raises:
            TypeError: a screen is not a uint8 array.
            ValueError: a screen has another shape or layout. The stack is as before.
        """
        screens = [self._check_screen("screen", screen)]
        if second is not None:
            screens.append(self._check_screen("second", second))
        self.has_reset = False  # an exception of a signal handler can come between any two lines
        self._push(screens)
        newest = self._ring[self._newest].copy()
        self._ring[:] = 0 if self._padding == "zero" else newest
        self._ring[self._newest] = newest
        self.has_reset = True

    def push(
        self, screen_a: UInt8Array, screen_b: UInt8Array | None = None, screen_c: UInt8Array | None = None
    ) -> None:
        """Add the plane of up to three screens to the stack, in the place of the oldest.

        Args:
            screen_a (uint8[H, W]): colour indices, C-contiguous; only read, not kept.
            screen_b (uint8[H, W], optional): the same, of the frame after it.
            screen_c (uint8[H, W], optional): the same, of the frame after that.

        Raises:
            TypeError: a screen is not a uint8 array.
            ValueError: a screen has another shape or layout, or there is a third and no second. The stack is as before.
            gymnasium.error.ResetNeeded: there was no `reset` yet.
        """
        self._check_reset("push")
        screens = [self._check_screen("screen_a", screen_a)]
        if screen_b is not None:
            screens.append(self._check_screen("screen_b", screen_b))
        if screen_c is not None:
            if screen_b is None:
                raise ValueError("`screen_b` must be given with `screen_c`, got None")
            screens.append(self._check_screen("screen_c", screen_c))
        self._push(screens)

    def repeat(self) -> None:
        """Add the newest plane to the stack once more, in the place of the oldest.

        Raises:
            gymnasium.error.ResetNeeded: there was no `reset` yet.
        """
        self._check_reset("repeat")
        place = (self._newest + 1) % self._stack_num
        self._ring[place] = self._ring[self._newest]
        self._newest = place

    def read(self, out: UInt8Array | None = None) -> UInt8Array:
        """Return the stack, the oldest plane first.

        Args:
            out (uint8[shape], optional): where to write it.

        Returns:
            uint8[shape]: `out`, or a fresh array.

        Raises:
            TypeError: `out` is not a uint8 array.
            ValueError: `out` has another shape or is read-only.
            gymnasium.error.ResetNeeded: there was no `reset` yet.
        """
        self._check_reset("read")
        if out is None:
            out = np.empty(self.shape, np.uint8)
        else:
            check_array("out", out, self.shape)
            if not out.flags.writeable:
                raise ValueError("`out` must be writeable, got a read-only array")
        if out.flags.c_contiguous:
            self._functions["read"](self._plan.address, self._planes_at[0], self._newest, out.ctypes.data)
        else:
            out[:] = self.read()
        return out

    def restore(self, planes: UInt8Array) -> None:
        """Bring the stack to where another one was.

        Args:
            planes (uint8[K, h, w] or uint8[K, h, w, 3]): that one's `planes`; only read.

        Raises:
            TypeError: `planes` is not a uint8 array.
            ValueError: `planes` has another shape. The stack is as before.
        """
        check_array("planes", planes, self._ring.shape)
        self.has_reset = self._is_of_screens = False
        self._ring[:] = planes
        self._newest = self._stack_num - 1
        self.has_reset = True

    def _push(self, screens: list[UInt8Array]) -> None:
        """Write the plane of one to three screens, which were checked, to the place of the oldest."""
        # Until all is done, the newest plane is not known to be of `_screens`: an exception of a signal handler can
        # come between any two lines.
        old = self._planes_at[self._newest] if self._is_of_screens else 0
        self._is_of_screens = False
        places = [screen.ctypes.data for screen in screens]
        is_kept = len(screens) < 3
        if is_kept:
            self._functions["note_changes"](
                self._plan.address, places[0], places[-1], self._screens_at, self._changed_at[0]
            )
        flags = self._changed_at if is_kept else (0, 0)
        places += [0] * (3 - len(places))
        newest = (self._newest + 1) % self._stack_num
        self._functions["push"](
            self._plan.address, self._scratch_at, *places, *flags, old, self._planes_at[newest]
        )  # fmt: skip
        self._newest = newest
        self._is_of_screens = is_kept

    def _check_screen(self, name: str, screen: UInt8Array) -> UInt8Array:
        check_array(name, screen, self._screen_shape)
        if not screen.flags.c_contiguous:
            raise ValueError(f"`{name}` must be C-contiguous, got strides {screen.strides}")
        return screen

    def _check_reset(self, name: str) -> None:
        if not self.has_reset:
            raise gymnasium.error.ResetNeeded(f"Cannot call `FrameStack.{name}` before calling `FrameStack.reset`.")
