"""Slow, obvious twins of what the package does fast."""

import math

import ale_py
import ale_py.roms
import cv2
import numpy as np

from fastatari.cli.reference import ReferenceGame, ReferenceWorker
from fastatari.palette import rgb_table

__all__ = [
    "ROMS",
    "ReferenceGame",
    "ReferenceWorker",
    "StackTwin",
    "area_sums",
    "cv2_gray",
    "cv2_plane",
    "overlaps",
    "tie_count",
]

# Those that ale-py can load. It refuses combat, joust, maze_craze and warlords.
ROMS = [
    rom
    for rom in ale_py.roms.get_all_rom_ids()
    if ale_py.ALEInterface.isSupportedROM(ale_py.roms.get_rom_path(rom)) is not None
]


def cv2_gray(screen, palette="ntsc"):
    """Colour indices to gray levels, by way of RGB and cv2."""
    return cv2.cvtColor(rgb_table(palette)[screen], cv2.COLOR_RGB2GRAY)


def cv2_plane(gray_a, gray_b, size, pool):
    """Two gray screens to a plane, by cv2."""

    def resize(gray):
        return cv2.resize(gray, size[::-1], interpolation=cv2.INTER_AREA)

    if pool == "after_resize":
        return np.maximum(resize(gray_a), resize(gray_b))
    return resize(np.maximum(gray_a, gray_b))


class StackTwin:
    """`FrameStack` as a list of planes, each made from nothing."""

    def __init__(self, size=(84, 84), stack_num=4, pool="after_resize", to_gray=cv2_gray):
        self.size, self.stack_num, self.pool, self.to_gray = size, stack_num, pool, to_gray
        self.planes = []

    def reset(self, screen):
        gray = self.to_gray(screen)
        self.planes = [cv2_plane(gray, gray, self.size, self.pool)] * self.stack_num

    def push(self, screen_a, screen_b):
        plane = cv2_plane(self.to_gray(screen_a), self.to_gray(screen_b), self.size, self.pool)
        self.planes = [*self.planes[1:], plane]

    def read(self):
        return np.stack(self.planes)


def area_sums(gray, size):
    """The exact weighted sum of each cell, and the sum of its weights, by integer matrix products."""
    rows, columns = (overlaps(side, cells) for side, cells in zip(gray.shape, size, strict=True))
    return rows @ gray.astype(np.int64) @ columns.T, int(rows[0].sum() * columns[0].sum())


def tie_count(gray, size):
    """How many cells have a mean exactly halfway between two gray levels."""
    sums, total = area_sums(gray, size)
    return int(np.count_nonzero(2 * sums % (2 * total) == total))


def overlaps(side, cells):
    """int64[cells, side]: how many of 1/lcm(side, cells) of a side cell i and pixel j share."""
    unit = math.lcm(side, cells)
    begin_cell, begin_pixel = np.arange(cells) * (unit // cells), np.arange(side) * (unit // side)
    begin = np.maximum(begin_cell[:, None], begin_pixel)
    end = np.minimum(begin_cell[:, None] + unit // cells, begin_pixel + unit // side)
    return np.maximum(end - begin, 0)
