"""Slow, obvious twins of what the package does fast."""

import functools
import math

import ale_py
import ale_py.roms
import cv2
import numpy as np
import pytest

from fastatari.cli.reference import ReferenceGame, ReferenceWorker
from fastatari.palette import rgb_table

__all__ = [
    "ROMS",
    "ReferenceGame",
    "ReferenceWorker",
    "StackTwin",
    "a_third_of_roms",
    "area_sums",
    "cv2_gray",
    "make_plane",
    "overlaps",
    "tie_count",
]

# Those that ale-py can load. It refuses combat, joust, maze_craze and warlords.
ROMS = [
    rom
    for rom in ale_py.roms.get_all_rom_ids()
    if ale_py.ALEInterface.isSupportedROM(ale_py.roms.get_rom_path(rom)) is not None
]


def a_third_of_roms(first):
    """All ROMs as parameters, of which every third from one on is tested always, and the others in a sweep."""
    return [
        pytest.param(rom, marks=[] if number % 3 == first else pytest.mark.sweep) for number, rom in enumerate(ROMS)
    ]


def cv2_gray(rgb):
    return cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY)


def gymnasium_gray(rgb):
    """What `gymnasium.wrappers.GrayscaleObservation` does."""
    return np.sum(np.multiply(rgb, np.array([0.2125, 0.7154, 0.0721])), axis=-1).astype(np.uint8)


def ale_gray(rgb):
    """What ale-py's palette holds for its own colours, of even indices."""
    return np.floor(rgb @ np.array([0.2989, 0.5870, 0.1140]) + 0.5).astype(np.uint8)


TO_GRAY = {"cv2": cv2_gray, "gymnasium": gymnasium_gray, "ale": ale_gray}


def make_plane(screens, size, order, gray="cv2", palette="ntsc", grayscale_obs=True):
    """Screens of colour indices to a plane, stage by stage, by numpy and cv2."""
    images = [rgb_table(palette)[screen] for screen in screens]
    for stage in order.split("-"):
        if stage == "max":
            images = [np.maximum.reduce(images)]
        elif stage == "resize":
            images = [cv2.resize(image, size[::-1], interpolation=cv2.INTER_AREA) for image in images]
        elif grayscale_obs:
            images = [TO_GRAY[gray](image) for image in images]
    (plane,) = images
    return plane


class StackTwin:
    """`FrameStack` as a list of planes, each made from nothing."""

    def __init__(
        self, size=(84, 84), stack_num=4, order="gray-resize-max", padding_type="reset", stack_axis=0, **kwargs
    ):
        self.stack_num, self.padding_type, self.stack_axis = stack_num, padding_type, stack_axis
        self.make_plane = functools.partial(make_plane, size=size, order=order, **kwargs)
        self.planes = []

    def reset(self, screen, second=None):
        plane = self.make_plane([screen, screen if second is None else second])
        padding = plane if self.padding_type == "reset" else np.zeros_like(plane)
        self.planes = [padding] * (self.stack_num - 1) + [plane]

    def push(self, *screens):
        self.planes = [*self.planes[1:], self.make_plane(screens)]

    def push_pooled(self, screens):
        self.push(*screens)

    def read(self):
        if self.stack_axis == 0:
            return np.stack(self.planes)
        return np.concatenate([np.atleast_3d(plane) for plane in self.planes], axis=-1)


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
