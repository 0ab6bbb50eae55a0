"""`FrameStack`: two screens in, the stack of the last planes out."""

import functools
from collections.abc import Callable, Sequence
from typing import Any, Literal, get_args

import gymnasium.error
import numpy as np
import numpy.typing as npt

from fastatari import area, kernels
from fastatari.block import pack
from fastatari.checks import check_array, check_choice, check_flag, check_integer, check_pair
from fastatari.palette import GRAYS, LUMA, PALETTES, gray_pairs, pool_levels, pool_table, to_gray
from fastatari.ring import PlaneRing

UInt8Array = npt.NDArray[np.uint8]

# An array to which nothing is written.
NOWHERE: UInt8Array = np.empty(0, np.uint8)

Order = Literal["gray-resize-max", "gray-max-resize", "max-gray-resize", "max-resize-gray"]
Gray = Literal["cv2", "ale", "gymnasium"]
Palette = Literal["ntsc", "pal"]
Padding = Literal["reset", "zero"]
StackAxis = Literal[0, -1]

ORDERS: tuple[Order, ...] = get_args(Order)
PADDINGS: tuple[Padding, ...] = get_args(Padding)
STACK_AXES: tuple[StackAxis, ...] = get_args(StackAxis)


class FrameStack:
    """The last planes of a game, made from pairs of screens.

    A screen is uint8[H, W], colour indices as ``ALEInterface.getScreen`` gives them. A plane is made of two screens, in
    three stages, in the order asked for: they turn gray, they are pooled to their pixelwise maximum (of each channel,
    while they are in colour), and they are area-resized. A plane is byte-identical to what cv2's ``cvtColor`` and
    ``resize`` (``INTER_AREA``) of OpenCV 4.14 and 5.0 on x86-64 make of the same screens; a resize whose size is the
    screen's is a copy.

    Pixels of a plane are computed again only where a screen differs from the one before it; a push costs the least when
    little moves. A stack can be copied and pickled. It is not to be shared between threads.

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
        sibling (FrameStack, optional): another stack of the same arguments, whose `screens` are to be this one's, too.
            Of stacks that are used by turns, each then finds them in the processor's caches.

    Attributes:
        shape (tuple[int, ...]): the shape of the stack.
        screens (tuple[uint8[H, W], uint8[H, W]]): where the next two screens may be written, to be pushed by
            `push_screens` without a copy. Views, of undefined contents after a push or reset.
        push_into (Callable[[uint8[n], int], None]): does what `push_screens` does, and besides writes the stack in C
            order to an array, from a place on. Nothing is checked: that there was a `reset`, that the array is long
            enough, or empty for nothing to be written, and that this is a stack that `can_push_into`.
        has_reset (bool): whether there was a `reset`.

    Raises:
        TypeError: a shape or number is not made of integers, or a flag is not a boolean.
        ValueError: a shape, number or name is not allowed, `size` exceeds `screen_shape`, or `order` and `gray` or
            `grayscale_obs` do not go together.
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
        sibling: "FrameStack | None" = None,
    ) -> None:
        self.screen_shape = height, width = check_pair("screen_shape", screen_shape, (area.MAX_SIDE, area.MAX_SIDE))
        self.size = check_pair("size", size, self.screen_shape)
        self.stack_num = check_integer("stack_num", stack_num, least=1)
        check_stages(order, gray, grayscale_obs)
        check_choice("palette", palette, PALETTES)
        check_choice("padding_type", padding_type, PADDINGS)
        check_choice("stack_axis", stack_axis, STACK_AXES)
        self._order, self._gray, self._padding = order, gray if grayscale_obs else None, padding_type
        self._arguments = screen_shape, size, stack_num, order, gray, palette, grayscale_obs, padding_type, stack_axis
        if sibling is not None and sibling._arguments != self._arguments:
            raise ValueError(f"`sibling` must have the same arguments, {self._arguments}, got {sibling._arguments}")
        self._levels = pool_levels(order, palette, self._gray)
        plane_shape = self.size if grayscale_obs else (*self.size, 3)
        image_num = len(self._levels) if order != "max-gray-resize" or not grayscale_obs else 1

        self._layout = kernels.OTHER
        if stack_axis == 0:
            self._layout = kernels.STACKED
        elif self.stack_num == 4 and grayscale_obs:
            self._layout = kernels.INTERLEAVED

        # Rows are compared eight pixels at a time: they begin at multiples of 8 bytes, and what lies between is 0.
        images = np.zeros((2 + image_num, height + 1, -(-width // 8)), np.uint64)
        # All pixels of the first push differ from the pair before, so that later ones can go by what changed.
        images[1, :height] = 2**64 - 1
        block, arrays = pack(
            kernels.Block(
                images,
                np.ones(height, np.uint8),
                np.zeros((image_num, *self.size), np.uint8),
                np.zeros(self.size, np.uint8),
                np.zeros((self.stack_num, self.size[0], self.size[1] * (1 if grayscale_obs else 3)), np.uint8),
                np.zeros(1, np.int64),
            )
        )
        if sibling is None:
            self._plan = area.plan(self.screen_shape, self.size)
            self._desk, self._desk_arrays = self._make_desk(LUMA.get(gray, (0,) * 4))
        else:
            self._plan, self._desk, self._desk_arrays = sibling._plan, sibling._desk, sibling._desk_arrays
        self._desk_arrays.screens[:] = 0
        pixels = self._desk_arrays.screens.view(np.uint8)[:, :, :width]
        self.screens: tuple[UInt8Array, UInt8Array] = pixels[0], pixels[1]
        self._is_alike, self._last = arrays.is_alike, arrays.images.view(np.uint8)[:2, :height, :width]
        self.push_into: Callable[[UInt8Array, int], None]
        if order == "gray-resize-max":
            self.push_into = functools.partial(kernels.push_after_resize, block, self._desk, gray_pairs(palette, gray))
        else:
            table = pool_table(order, palette, self._gray)
            self.push_into = functools.partial(kernels.push_before_resize, block, self._desk, table)
        self._read_into: Callable[[UInt8Array, int], None] = functools.partial(kernels.read, block, self._desk)
        self._ring = PlaneRing(arrays.planes.reshape(-1, *plane_shape), arrays.plane_count)
        self.has_reset = False
        self.shape = stack_shape(self.size, self.stack_num, grayscale_obs, stack_axis)

        # The first of a process loads the kernels, or compiles them.
        self.push_into(NOWHERE, 0)
        self._read_into(np.empty(self.shape, np.uint8).reshape(-1), 0)

    def _make_desk(self, luma: Sequence[float]) -> tuple[npt.NDArray[np.uint64], kernels.Desk]:
        height, width = self.screen_shape
        sum_shape = height + kernels.ROW_TAPS - 1, kernels.LANES * (self.size[1] // kernels.LANES + 2)
        return pack(
            kernels.Desk(
                np.zeros((2, height, -(-width // 8)), np.uint64),
                np.zeros((2, height), np.uint32),
                np.zeros(self.size[0], np.uint32),
                np.zeros(sum_shape, np.float32),
                *self._plan,
                np.array(luma, np.float64),
                np.array([self._layout], np.uint8),
            )
        )

    def __getstate__(self) -> dict[str, Any]:
        planes = self.read_planes() if self.has_reset else None
        return {"arguments": self._arguments, "screens": self.last_screens, "planes": planes}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(*state["arguments"])  # type: ignore[misc]
        self.restore(state["screens"], state["planes"])

    @property
    def last_screens(self) -> UInt8Array:
        """The two screens pushed last, in a reset twice the same: uint8[2, H, W], a fresh array."""
        screens = self._last.copy()
        alike = self._is_alike.astype(np.bool_)
        screens[0, alike] = screens[1, alike]
        return screens

    @property
    def newest(self) -> UInt8Array:
        """The newest plane: uint8[h, w] or uint8[h, w, 3], a view as `screens` are; not to be written to."""
        return self._ring.newest

    def reset(self, screen: UInt8Array, second: UInt8Array | None = None) -> None:
        """Begin a new stack with the plane of one screen, or of two; the older planes are padding.

        Args:
            screen (uint8[H, W]): colour indices, C-contiguous; only read, not kept.
            second (uint8[H, W], optional): the same, of the frame after it. Not the first of `screens`.

        Raises:
            TypeError: a screen is not a uint8 array.
            ValueError: a screen has another shape or layout. The stack is as before.
        """
        self._check_screen("screen", screen)
        if second is None:
            second = screen
        else:
            self._check_screen("second", second)
        self.has_reset = False  # an exception of a signal handler can come between any two lines
        for target, source in zip(self.screens, (screen, second), strict=True):
            target[:] = source
        self.push_into(NOWHERE, 0)
        self._ring.fill(self._ring.newest, self._padding == "zero")
        self.has_reset = True

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
        if not self.has_reset:
            raise gymnasium.error.ResetNeeded("Cannot call `FrameStack.push` before calling `FrameStack.reset`.")
        self.push_into(NOWHERE, 0)

    @property
    def can_push_into(self) -> bool:
        """Whether `push_into` can write the stack somewhere: all but those along the last axis that are not four."""
        return self._layout != kernels.OTHER

    def push_pooled(self, screens: Sequence[UInt8Array]) -> None:
        """Add the plane of any number of screens to the stack, in the place of the oldest; in 0.5 ms.

        `last_screens` stay what they are.

        Args:
            screens (sequence of uint8[H, W]): colour indices; only read.
        """
        if self._order == "gray-resize-max":
            resized = [area.resize(self._levels[0][screen], self._plan) for screen in screens]
            return self._ring.push(np.maximum.reduce(resized))
        pooled = [np.maximum.reduce([levels[screen] for screen in screens]) for levels in self._levels]
        if self._order == "max-gray-resize" and self._gray:
            pooled = [to_gray(np.stack(pooled, axis=-1), self._gray)]
        planes = [area.resize(image, self._plan) for image in pooled]
        plane = planes[0] if len(planes) == 1 else np.stack(planes, axis=-1)
        return self._ring.push(to_gray(plane, self._gray) if plane.ndim > 2 and self._gray else plane)

    def repeat(self) -> None:
        """Add the newest plane to the stack once more, in the place of the oldest; `last_screens` stay."""
        self._ring.push(self._ring.newest)

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
        if not self.has_reset:
            raise gymnasium.error.ResetNeeded("Cannot call `FrameStack.read` before calling `FrameStack.reset`.")
        if out is None:
            out = np.empty(self.shape, np.uint8)
        else:
            check_array("out", out, self.shape)
            if not out.flags.writeable:
                raise ValueError("`out` must be writeable, got a read-only array")
        if self._layout == kernels.OTHER:
            planes = self._ring.read().reshape(self.stack_num, *self.size, -1)
            out[:] = np.moveaxis(planes, 0, 2).reshape(self.shape)
        elif out.flags.c_contiguous:
            self._read_into(out.reshape(-1), 0)
        else:
            out[:] = self.read()
        return out

    def read_planes(self) -> UInt8Array:
        """Return the stack, along its first axis: uint8[K, h, w] or uint8[K, h, w, 3], a fresh array."""
        return self._ring.read()

    def restore(self, screens: UInt8Array, planes: UInt8Array | None) -> None:
        """Bring the stack to where another one of the same arguments is.

        Args:
            screens (uint8[2, H, W]): that one's `last_screens`; only read.
            planes (uint8[K, h, w] or uint8[K, h, w, 3] | None): what that one's `read_planes` returned; only read. None
                if it was not `reset` yet.
        """
        self.reset(*screens)
        self.has_reset = planes is not None
        for plane in () if planes is None else planes:
            self._ring.push(plane)

    def _check_screen(self, name: str, screen: UInt8Array) -> None:
        check_array(name, screen, self.screen_shape)
        if not screen.flags.c_contiguous:
            raise ValueError(f"`{name}` must be C-contiguous, got strides {screen.strides}")


def stack_shape(size: tuple[int, int], stack_num: int, grayscale_obs: bool, stack_axis: StackAxis) -> tuple[int, ...]:
    """Return the shape of a stack of such planes."""
    if stack_axis == -1:
        return *size, stack_num * (1 if grayscale_obs else 3)
    return stack_num, *size, *(() if grayscale_obs else (3,))


def check_stages(order: str, gray: str, grayscale_obs: bool) -> None:
    """Check that the stages of a plane go together.

    Raises:
        TypeError: `grayscale_obs` is not a boolean.
        ValueError: a name is not allowed, or not together with the others.
    """
    check_choice("order", order, ORDERS)
    check_choice("gray", gray, GRAYS)
    if not check_flag("grayscale_obs", grayscale_obs):
        if order == "gray-resize-max":
            raise ValueError(
                "`grayscale_obs` must be True with `order` 'gray-resize-max', got False; planes in colour are pooled "
                "before they are resized: take another `order`"
            )
    elif gray == "ale" and order.startswith("max"):
        raise ValueError(
            f"`gray` must be 'cv2' or 'gymnasium' with `order` {order!r}, got 'ale', which has levels for the "
            "console's own colours only, not for a maximum of two"
        )
