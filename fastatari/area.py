"""The plan of an area resize: which pixels of a screen make up each pixel of a plane, and with what weight.

An area resize divides the screen into h x w equal cells and gives each pixel of the plane the mean of its cell. Cells
cut pixels, so a pixel at an edge counts in part. Two descriptions of the same weights are kept:

* **exact**: integers. With g = gcd(H, h), a source pixel is h/g units long and a cell is H/g units long, so every
  overlap is a whole number of units, and the weighted sum of a cell is an integer below 2**31.
* **cv2's**: the float32 factors of ``cv2.resize(..., interpolation=cv2.INTER_AREA)``. cv2 adds float32 products, so
  where the exact mean lies (almost) halfway between two gray levels, the rounding of cv2's sums decides. The kernels
  compute the integers everywhere and cv2's float32 sum only there.

The float32 factors follow OpenCV 4.14 and 5.0, modules/imgproc/src/resize.cpp (``computeResizeAreaTab``,
``ResizeArea_Invoker``, ``ResizeAreaFast_Invoker``).
"""

import math
import sys
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

# The kernels read at least this many weights of a cell, so that the common case needs no inner loop.
MIN_TAPS = 3

# cv2 drops overlaps of at most this many pixels. An overlap is a multiple of 1/cells, so up to MAX_SIDE none is that
# short, except those that float64 made out of nothing.
SHORTEST_OVERLAP = 1e-3

# The kernels note what changed in a row in 64 bits, one for eight pixels.
MAX_SIDE = 512


class AreaPlan(NamedTuple):
    """How a screen becomes a plane; all that the resize kernels need to know.

    The first h rows of the arrays are of the vertical axis, a row for each row of the plane; the other w are of the
    horizontal axis, a row for each column of the plane.

    Attributes:
        weights (uint32[h + w, 2 + taps]): the first pixel that a row or column of cells touches, how many it touches,
            and their exact weights, padded with zeros.
        spans (uint32[ceil(W / 8), 2]): for each word of eight pixels of a row: the first column of cells that overlaps
            it, and one beyond the last.
        factors (float32[h + w, taps]): cv2's factors of the same pixels, padded with zeros; all 0 if `scale` is not 1.
        total (int): the sum of the exact weights of a cell, so that a mean is ``sum / total``.
        near (int): a sum whose doubled distance from a tie is within ``near / 2`` is rounded as cv2's float32 sum is.
            -1: cv2 adds half and truncates, which needs no floats.
        scale (float): for whole factors, what cv2 multiplies the integer sum of a cell by; else 1.
    """

    weights: npt.NDArray[np.uint32]
    spans: npt.NDArray[np.uint32]
    factors: npt.NDArray[np.float32]
    total: int
    near: int
    scale: float


def plan(screen_shape: tuple[int, int], size: tuple[int, int]) -> AreaPlan:
    """Plan the area resize of a screen.

    Args:
        screen_shape (tuple[int, int]): height H and width W of the screen, in pixels, at most `MAX_SIDE`.
        size (tuple[int, int]): height h and width w of the plane, at most H and W.

    Returns:
        AreaPlan: the weights, in arrays of its own.
    """
    scales = [_cv2_scale(*axis) for axis in zip(screen_shape, size, strict=True)]
    whole = all(abs(scale - round(scale)) < sys.float_info.epsilon for scale in scales)
    axes = [_Axis(*axis) for axis in zip(screen_shape, size, [None if whole else s for s in scales], strict=True)]
    taps = [max(MIN_TAPS, *axis.count) for axis in axes]
    weights = np.zeros((sum(size), 2 + max(taps)), np.uint32)
    factors = np.zeros((sum(size), max(taps)), np.float32)
    axes[0].write(weights[: size[0]], factors[: size[0]])
    axes[1].write(weights[size[0] :], factors[size[0] :])
    spans = _spans(screen_shape[1], size[1])
    total = axes[0].cell * axes[1].cell
    if not whole:
        return AreaPlan(weights, spans, factors, total, _near(total, sum(taps) + 4), 1.0)
    # cv2 has a path of its own for whole factors: an integer sum times float32(1 / area); for 2x2, (sum + 2) >> 2.
    near = -1 if axes[0].cell == axes[1].cell == 2 else _near(total, 3)
    return AreaPlan(weights, spans, factors, total, near, float(np.float32(1) / np.float32(total)))


def _spans(width: int, cells: int) -> npt.NDArray[np.uint32]:
    """Return `AreaPlan.spans` of a row of `width` pixels and `cells` cells."""
    begins = range(0, width, 8)
    spans = [(begin * cells // width, -(-min(begin + 8, width) * cells // width)) for begin in begins]
    return np.array(spans, np.uint32)


def _near(total: int, roundings: int) -> int:
    """Return the width, in half units of a sum, of the band around a tie where float32 sums may round either way.

    Each of cv2's float32 operations is off by at most 2**-24 of a value below 256, so after n of them the mean is
    off by less than 256 * n * 2**-24, and the doubled sum by 2 * total times that. Twice that is allowed.
    """
    return 2 * math.floor(2 * 2 * total * 256 * roundings * 2.0**-24)


class _Axis:
    """One side of a screen, `side` pixels, divided into `cells` cells of `scale` pixels; None: cv2 uses no factors."""

    def __init__(self, side: int, cells: int, scale: float | None) -> None:
        divisor = math.gcd(side, cells)
        self.pixel, self.cell = cells // divisor, side // divisor
        self.first = [i * self.cell // self.pixel for i in range(cells)]
        self.count = [-(-(i + 1) * self.cell // self.pixel) - first for i, first in enumerate(self.first)]
        self.side, self.scale = side, scale

    def write(self, weights: npt.NDArray[np.uint32], factors: npt.NDArray[np.float32]) -> None:
        """Write the rows of this axis to the arrays of an `AreaPlan`."""
        for i, (first, count) in enumerate(zip(self.first, self.count, strict=True)):
            weights[i, :2] = first, count
            for k in range(count):
                begin = (first + k) * self.pixel
                overlap = min((i + 1) * self.cell, begin + self.pixel) - max(i * self.cell, begin)
                weights[i, 2 + k] = overlap
            if self.scale is not None:
                for j, factor in _cv2_factors(self.side, self.scale, i).items():
                    factors[i, j - first] = factor


def _cv2_scale(side: int, cells: int) -> float:
    """Return how many pixels make a cell, with the two float64 roundings of cv2: for 49, not 49 but 49 + 7e-15."""
    return 1.0 / (cells / side)


def _cv2_factors(side: int, scale: float, cell: int) -> dict[int, float]:
    """Return cv2's factor of each pixel of one cell, by the float64 operations that cv2 does."""
    begin = cell * scale
    end = begin + scale
    length = min(scale, side - begin)
    last = min(math.floor(end), side - 1)
    first = min(math.ceil(begin), last)
    factors = dict.fromkeys(range(first, last), 1.0 / length)
    if first - begin > SHORTEST_OVERLAP:
        factors[first - 1] = (first - begin) / length
    if end - last > SHORTEST_OVERLAP:
        factors[last] = min(end - last, 1.0, length) / length
    return factors
