"""The plan of an area resize: which pixels of a screen make up each pixel of a plane, and with what weight.

An area resize divides the screen into h x w equal cells and gives each pixel of the plane the mean of its cell. Cells
cut pixels, so a pixel at an edge counts in part. cv2 computes the mean in float32: for each row of a cell the sum of
``pixel * factor``, from left to right, then the sum of ``row sum * factor``, from top to bottom, rounded half to even.
The kernels do the same operations in the same order, and so give the same pixels.

Where both sides are divided by whole numbers, cv2 multiplies the integer sum of a cell by the float32 reciprocal of its
area; by 2 and 2, it adds 2 and shifts. Here these are factors of 1 and another rounding, for float32 holds such sums
exactly.

The factors follow OpenCV 4.14 and 5.0, modules/imgproc/src/resize.cpp (``computeResizeAreaTab``,
``ResizeArea_Invoker``, ``ResizeAreaFast_Invoker``).
"""

import math
import sys
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from fastatari.preprocessing.layout import COLUMN_TAPS, LANES, ROW_TAPS

# cv2 drops overlaps of at most this many pixels. An overlap is a multiple of 1/cells, so up to `stages.MAX_SIDE` none
# is that short, except those that float64 made out of nothing.
SHORTEST_OVERLAP = 1e-3


class AreaPlan(NamedTuple):
    """How a screen becomes a plane.

    A *run* is of at most `LANES` columns of the plane, each beginning two columns of the screen after the one before.

    Attributes:
        rows (uint64[h, 2]): for each row of the plane, the first row of the screen that it is made of, and how many.
        columns (uint64[w, 2]): the same of the columns.
        runs (uint64[n, 2]): the first column of each run, and the first column of the screen that it is made of. None
            if runs are too short to be of use.
        row_factors (float32[h, taps]): the factors of the rows of each row of the plane, padded with zeros.
        column_factors (float32[w, taps]): the factors of the columns of each column of the plane, padded with zeros.
        run_factors (float32[n, COLUMN_TAPS * LANES]): those of each run: of all first columns, then of all second ones,
            then of all third ones; and the same of the columns behind a run that is shorter.
        rounding (float32[2]): what a sum is multiplied by before it is rounded, and what is added then.
    """

    rows: npt.NDArray[np.uint64]
    columns: npt.NDArray[np.uint64]
    runs: npt.NDArray[np.uint64]
    row_factors: npt.NDArray[np.float32]
    column_factors: npt.NDArray[np.float32]
    run_factors: npt.NDArray[np.float32]
    rounding: npt.NDArray[np.float32]


def plan_area(screen_shape: tuple[int, int], size: tuple[int, int]) -> AreaPlan:
    """Plan the area resize of a screen.

    Args:
        screen_shape (tuple[int, int]): height H and width W of the screen, in pixels, at most `stages.MAX_SIDE`.
        size (tuple[int, int]): height h and width w of the plane, at most H and W.

    Returns:
        AreaPlan: the factors, in arrays of its own.
    """
    scales = [_cv2_scale(*axis) for axis in zip(screen_shape, size, strict=True)]
    is_whole = all(abs(scale - round(scale)) < sys.float_info.epsilon for scale in scales)
    rounding = 1.0, 0.0
    if is_whole:
        rows, columns = (_whole_factors(*axis) for axis in zip(screen_shape, size, strict=True))
        # (sum + 2) >> 2 is sum / 4 to the nearest, and from a half up.
        wholes = [round(scale) for scale in scales]
        rounding = 1 / math.prod(wholes), 0.125 if wholes == [2, 2] else 0.0
    else:
        rows, columns = (
            [_cv2_factors(side, scale, cell) for cell in range(cells)]
            for side, cells, scale in zip(screen_shape, size, scales, strict=True)
        )
    row_factors, column_factors = _pad(rows, ROW_TAPS), _pad(columns, COLUMN_TAPS)
    has_lanes = not is_whole and row_factors.shape[1] == ROW_TAPS and column_factors.shape[1] == COLUMN_TAPS
    runs = _find_runs([min(factors) for factors in columns]) if has_lanes else []
    behind = np.pad(column_factors, ((0, LANES), (0, 0)))
    return AreaPlan(
        np.array([(min(factors), len(factors)) for factors in rows], np.uint64),
        np.array([(min(factors), len(factors)) for factors in columns], np.uint64),
        np.array(runs, np.uint64).reshape(-1, 2),
        row_factors,
        column_factors,
        np.array([behind[x : x + LANES].T for x, _ in runs], np.float32).reshape(-1, COLUMN_TAPS * LANES),
        np.array(rounding, np.float32),
    )


def _find_runs(firsts: list[int]) -> list[tuple[int, int]]:
    """Return `AreaPlan.runs` of columns that are made of columns of the screen from `firsts` on."""
    runs = [(0, firsts[0])]
    for x, first in enumerate(firsts):
        begin, start = runs[-1]
        if x - begin == LANES or first - start != 2 * (x - begin):
            runs.append((x, first))
    # Each costs as much as four columns by themselves.
    return runs if len(firsts) >= LANES and 4 * len(runs) < len(firsts) else []


def _pad(cells: list[dict[int, float]], taps: int) -> npt.NDArray[np.float32]:
    """Return the factors of each cell as a row of an array, of `taps` columns or of more if a cell needs them."""
    padded = np.zeros((len(cells), max(taps, *map(len, cells))), np.float32)
    for row, factors in zip(padded, cells, strict=True):
        row[: len(factors)] = list(factors.values())
    return padded


def _whole_factors(side: int, cells: int) -> list[dict[int, float]]:
    """Return a 1 for each pixel of each cell."""
    pixels = side // cells
    return [dict.fromkeys(range(cell * pixels, (cell + 1) * pixels), 1.0) for cell in range(cells)]


def _cv2_scale(side: int, cells: int) -> float:
    """Return how many pixels make a cell, with the two float64 roundings of cv2: for 49, not 49 but 49 + 7e-15."""
    return 1.0 / (cells / side)


def _cv2_factors(side: int, scale: float, cell: int) -> dict[int, float]:
    """Return cv2's factor of each pixel of one cell, from left to right, by the float64 operations that cv2 does."""
    begin = cell * scale
    end = begin + scale
    length = min(scale, side - begin)
    last = min(math.floor(end), side - 1)
    first = min(math.ceil(begin), last)
    factors = {}
    if first - begin > SHORTEST_OVERLAP:
        factors[first - 1] = (first - begin) / length
    factors |= dict.fromkeys(range(first, last), 1.0 / length)
    if end - last > SHORTEST_OVERLAP:
        factors[last] = min(end - last, 1.0, length) / length
    return factors
