"""`FrameStack`: two screens in, the stack of the last planes out."""

import functools
from typing import Any, Literal

import gymnasium.error
import numpy as np
import numpy.typing as npt

from fastatari import area, kernels
from fastatari.block import pack
from fastatari.checks import check_array, check_choice, check_integer, check_pair
from fastatari.jit import notice_of_compilation
from fastatari.palette import GRAYS, PALETTES, gray_pairs
from fastatari.ring import PlaneRing

UInt8Array = npt.NDArray[np.uint8]

Pool = Literal["after_resize", "before_resize"]
Gray = Literal["cv2", "ale"]
Palette = Literal["ntsc", "pal"]

_PUSHES = {"after_resize": kernels.push_after_resize, "before_resize": kernels.push_before_resize}
_BOUND = {"_push", "_ring", "_screens"}


class FrameStack:
    """The last planes of a game, made from pairs of screens.

    A screen is uint8[H, W], colour indices as ``ALEInterface.getScreen`` gives them. A plane is uint8[h, w], made of
    two screens: each is turned gray, the two are pooled to their pixelwise maximum, and the result is area-resized; or
    each is resized first. A plane is byte-identical to what cv2's ``cvtColor`` and ``resize`` (``INTER_AREA``) of
    OpenCV 4.14 and 5.0 on x86-64 make of the same screens; a resize whose size is the screen's is a copy.

    Pixels of a plane are computed again only where a screen differs from the one before it; a push costs the least when
    little moves. A stack can be copied and pickled. It is not to be shared between threads.

    Args:
        screen_shape (tuple[int, int]): height H and width W of the screens, at most 256 each.
        size (tuple[int, int]): height h and width w of the planes, at most H and W.
        stack_num (int): how many planes the stack holds, K.
        pool ("after_resize" | "before_resize"): where the maximum is taken: of resized screens, as labml does, or of
            gray screens before resizing, as gymnasium does.
        gray ("cv2" | "ale"): the gray formula: cv2's ``COLOR_RGB2GRAY`` or ``ALEInterface.getScreenGrayscale``.
        palette ("ntsc" | "pal"): the television standard of the game, which gives the indices their colours.

    Raises:
        TypeError: a shape or number is not made of integers.
        ValueError: a shape, number or name is not allowed, or `size` exceeds `screen_shape`.
    """

    def __init__(
        self,
        screen_shape: tuple[int, int] = (210, 160),
        size: tuple[int, int] = (84, 84),
        stack_num: int = 4,
        pool: Pool = "after_resize",
        gray: Gray = "cv2",
        palette: Palette = "ntsc",
    ) -> None:
        self.screen_shape = height, width = check_pair("screen_shape", screen_shape, (area.MAX_SIDE, area.MAX_SIDE))
        self.size = check_pair("size", size, self.screen_shape)
        self.stack_num = check_integer("stack_num", stack_num, least=1)
        check_choice("pool", pool, tuple(_PUSHES))
        check_choice("gray", gray, GRAYS)
        check_choice("palette", palette, PALETTES)

        # Rows are compared eight pixels at a time: they begin at multiples of 8 bytes, and what lies between is 0.
        images = np.zeros((7, height + 1, -(-width // 8)), np.uint64)
        # All pixels of the first push differ from the pair before, so that later ones can go by what changed.
        images[2:4, :height] = 2**64 - 1
        arrays = kernels.Block(
            images,
            np.zeros((height + kernels.ROW_TAPS - 1, kernels.LANES * (self.size[1] // kernels.LANES + 2)), np.float32),
            np.zeros(self.size, np.uint8),
            np.zeros(self.size, np.uint8),
            np.zeros((2 * self.stack_num, *self.size), np.uint8),
            np.zeros(1, np.int64),
            np.zeros((2, height), np.uint32),
            np.zeros((2, height), np.uint8),
            *area.plan(self.screen_shape, self.size),
        )
        self._has_reset = False
        self._pool, self._palette, self._gray = pool, palette, gray
        self._adopt(arrays)
        with notice_of_compilation():
            self._push()
        self._arrays.images[2:4] = 0

    def _adopt(self, arrays: kernels.Block) -> None:
        """Copy all state that pushes change into a block, and bind to it what works on it."""
        block, self._arrays = pack(arrays)
        self._push = functools.partial(_PUSHES[self._pool], block, gray_pairs(self._palette, self._gray))
        self._ring = PlaneRing(self._arrays.planes, self._arrays.plane_count)
        # Made once, because making the one that is written to would cost a step 1 us.
        height, width = self.screen_shape
        screens = self._arrays.images.view(np.uint8)[:4, :height, :width]
        self._screens = (screens[0], screens[1]), (screens[2], screens[3])

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name not in _BOUND}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__ |= state
        self._adopt(self._arrays)

    @property
    def screens(self) -> tuple[UInt8Array, UInt8Array]:
        """Where the next two screens may be written, to be pushed by `push_screens` without a copy.

        Two of uint8[H, W], views into the stack's own memory, of undefined contents; valid until the next push or
        reset.
        """
        return self._screens[self._arrays.plane_count.item() % 2]

    @property
    def newest(self) -> UInt8Array:
        """The newest plane: uint8[h, w], a view that is valid until the next push or reset; not to be written to."""
        return self._ring.newest

    def reset(self, screen: UInt8Array) -> None:
        """Fill the stack with the plane of one screen.

        Args:
            screen (uint8[H, W]): colour indices, C-contiguous; only read, not kept.

        Raises:
            TypeError: `screen` is not a uint8 array.
            ValueError: `screen` has another shape or layout. The stack is as before.
        """
        self._check_screen("screen", screen)
        self._has_reset = False  # an exception of a signal handler can come between any two lines
        for each in self.screens:
            each[:] = screen
        self._push()
        self._ring.fill(self._ring.newest)
        self._has_reset = True

    def push(self, screen_a: UInt8Array, screen_b: UInt8Array) -> None:
        """Add the plane of two screens to the stack, in the place of the oldest.

        Args:
            screen_a (uint8[H, W]): colour indices, C-contiguous; only read, not kept. Not one of `screens`.
            screen_b (uint8[H, W]): the same, of the frame after it.

        Raises:
            TypeError: a screen is not a uint8 array.
            ValueError: a screen has another shape or layout. The stack is as before.
            gymnasium.error.ResetNeeded: there was no `reset` yet.
        """
        self._check_screen("screen_a", screen_a)
        self._check_screen("screen_b", screen_b)
        first, second = self.screens
        first[:] = screen_a
        second[:] = screen_b
        self.push_screens()

    def push_screens(self) -> None:
        """Add the plane of ``screens[0]`` and ``screens[1]`` to the stack, in the place of the oldest.

        Raises:
            gymnasium.error.ResetNeeded: there was no `reset` yet.
        """
        if not self._has_reset:
            raise gymnasium.error.ResetNeeded("Cannot call `FrameStack.push` before calling `FrameStack.reset`.")
        self._push()

    def read(self, out: UInt8Array | None = None) -> UInt8Array:
        """Return the stack, the oldest plane first.

        Args:
            out (uint8[K, h, w], optional): where to write it.

        Returns:
            uint8[K, h, w]: `out`, or a fresh array.

        Raises:
            TypeError: `out` is not a uint8 array.
            ValueError: `out` has another shape or is read-only.
            gymnasium.error.ResetNeeded: there was no `reset` yet.
        """
        if not self._has_reset:
            raise gymnasium.error.ResetNeeded("Cannot call `FrameStack.read` before calling `FrameStack.reset`.")
        stack = self._ring.stack
        if out is None:
            return stack.copy()
        check_array("out", out, stack.shape)
        if not out.flags.writeable:
            raise ValueError("`out` must be writeable, got a read-only array")
        out[:] = stack
        return out

    def _check_screen(self, name: str, screen: UInt8Array) -> None:
        check_array(name, screen, self.screen_shape)
        if not screen.flags.c_contiguous:
            raise ValueError(f"`{name}` must be C-contiguous, got strides {screen.strides}")
