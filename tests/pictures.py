"""Screens for tests, and the kernels with guards around all that they write to."""

import numpy as np
from reference import make_plane

from fastatari.preprocessing import machine_code
from fastatari.preprocessing.plan import make_plan

ORDERS = ["gray-resize-max", "gray-max-resize", "max-gray-resize", "max-resize-gray"]
# One of each way through the kernels.
KINDS = [*({"order": order} for order in ORDERS), {"order": "gray-max-resize", "grayscale_obs": False}]
SIZES = [(84, 84), (64, 64), (96, 96), (42, 42), (105, 80), (70, 88), (210, 160)]
HEIGHTS = [210, 214, 220, 230, 250]
GUARD = 0xA5  # in memory that nobody may write to


def noise(rng, shape):
    return rng.integers(0, 256, shape, dtype=np.uint8)


def stripes(rng, shape):
    """Two colours in vertical stripes: with 160 columns to 84, one cell in forty is a tie where the two differ by 1."""
    return np.broadcast_to(rng.choice(rng.integers(0, 256, 2, dtype=np.uint8), shape[1]), shape).copy()


def speckles(rng, shape):
    return rng.choice(rng.integers(0, 256, 2, dtype=np.uint8), shape)


def blocks(rng, shape):
    screen = np.full(shape, rng.integers(256), np.uint8)
    for _ in range(12):
        top, left = rng.integers(shape[0]), rng.integers(shape[1])
        screen[top : top + rng.integers(1, 20), left : left + rng.integers(1, 20)] = rng.integers(256)
    return screen


def bands(rng, shape):
    """Rows that are mostly like the one above them."""
    rows = speckles(rng, shape)
    return rows[np.cumsum(rng.random(shape[0]) < 0.3) % shape[0]]


MAKERS = [noise, stripes, speckles, blocks, bands]


class Bench:
    """The kernels with all the arrays that they read and write, each between guards, at any address.

    Args:
        shape: Of the screens.
        size: Of the planes.
        stack_num: How many.
        stack_axis: Of the stack.
        functions: The kernels, by name.
        kind: The other arguments of a plan.
    """

    def __init__(self, shape, size, stack_num=4, stack_axis=0, functions=None, **kind):
        self.kind = {"gray": "cv2", "palette": "ntsc", "grayscale_obs": True} | kind
        self.size, self.stack_axis = size, stack_axis
        self.functions = functions or machine_code.functions()
        self.plan = make_plan(
            shape, size, stack_num, *(self.kind[name] for name in ("order", "gray", "palette", "grayscale_obs")),
            stack_axis,
        )  # fmt: skip
        self.guarded = []
        self.scratch = self.place(self.plan.make_scratch(), 64)
        self.ring = self.place(np.zeros((stack_num, *self.plan.plane_shape), np.uint8), 3)
        self.out = self.place(np.zeros(self.plan.stack_shape, np.uint8), 5)
        self.screens = self.place(np.zeros((3, *shape), np.uint8), 1)
        self.flags = self.place(np.zeros((2, shape[0]), np.uint8), 7)
        self.newest = 0

    def place(self, array, offset):
        """Return a copy of an array at an address that is `offset` behind a multiple of 64, between guards."""
        memory = np.full(array.nbytes + 256, GUARD, np.uint8)
        begin = 64 + (offset - memory.ctypes.data) % 64
        self.guarded.append((memory, begin, begin + array.nbytes))
        view = memory[begin : begin + array.nbytes].view(array.dtype).reshape(array.shape)
        view[...] = array
        return view

    def push(self, *screens, flags=None, old=True):
        """Push screens, of which rows changed since the plane before as the flags say; assert that the plane is right.

        Args:
            screens: One to three.
            flags: uint8[2, H], to be cleared; None for none.
            old: Whether the plane before is told.
        """
        self.screens[: len(screens)] = screens
        self.flags[:] = 0 if flags is None else flags
        before = self.screens.copy()
        expected = np.roll(self.ring, 0)
        new = (self.newest + 1) % len(self.ring)
        expected[new] = self.expect(screens)
        flags_at = (0, 0) if flags is None else self.flags.ctypes.data + self.flags.shape[1] * np.arange(2)
        self.functions["push"](
            self.plan.address, self.scratch.ctypes.data,
            *(self.screens[k].ctypes.data if k < len(screens) else 0 for k in range(3)),
            *map(int, flags_at), self.ring[self.newest].ctypes.data if old else 0, self.ring[new].ctypes.data,
        )  # fmt: skip
        self.newest = new
        np.testing.assert_array_equal(self.ring, expected)
        assert np.array_equal(self.screens, before)
        assert not self.flags.any()
        self.check()

    def expect(self, screens):
        return make_plane(screens, self.size, **self.kind)

    def read(self):
        """Read the stack; assert that it is right."""
        self.functions["read"](self.plan.address, self.ring.ctypes.data, self.newest, self.out.ctypes.data)
        planes = np.roll(self.ring, -1 - self.newest, axis=0)
        expected = planes
        if self.stack_axis == -1:
            expected = np.concatenate([plane.reshape(*self.size, -1) for plane in planes], axis=-1)
        np.testing.assert_array_equal(self.out, expected)
        self.check()

    def check(self):
        for memory, begin, end in self.guarded:
            assert (memory[:begin] == GUARD).all()
            assert (memory[end:] == GUARD).all()


def edit(rng, screens, even):
    """Return other screens that differ in some rows."""
    edited = screens.copy()
    height, width = screens.shape[1:]
    for screen in edited:
        for _ in range(rng.integers(4)):
            y, kind = rng.integers(height), rng.integers(5)
            if kind == 0:
                screen[y, rng.integers(width)] ^= 2
            elif kind == 1:
                screen[y] = screen[y - 1]
            elif kind == 2:
                screen[y : y + rng.integers(30)] = rng.integers(256) & even
            elif kind == 3:
                screen[y:] = np.roll(screen[y:], rng.integers(1, 5), axis=rng.integers(2))
            else:
                screen[:, rng.integers(width)] = rng.integers(256) & even
    return edited
