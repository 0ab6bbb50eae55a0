"""Every compiled function of the package, and nothing else: arrays in, arrays out, nothing checked.

`frames` guarantees shapes, dtypes and layout. All functions stay in this one file because numba's cache notices the
changes of a function's own file only.

Exactness: a mean is ``sum / total`` with integers, rounded to the nearest gray level. Where the mean lies (almost)
halfway between two, the float32 sum of cv2 decides, computed in cv2's order of operations (see `area`).

Speed: a row of the plane is computed again only if one of its source rows differs from the screen two calls before,
by comparison of the contents. The vertical sum comes first, because it runs over contiguous columns and leaves 84
instead of 210 rows for the horizontal sum, which does not vectorise.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, ParamSpec, TypeVar

import numba
import numpy as np
import numpy.typing as npt

P = ParamSpec("P")
R = TypeVar("R")

UInt8Array = npt.NDArray[np.uint8]
UInt32Array = npt.NDArray[np.uint32]
UInt64Array = npt.NDArray[np.uint64]
Int32Array = npt.NDArray[np.int32]
Float32Array = npt.NDArray[np.float32]

# Unsigned indices: for a signed one numba checks whether it counts from the end.
ONE = np.uint64(1)
TWO = np.uint64(2)

if TYPE_CHECKING:

    def _jit(function: Callable[P, R]) -> Callable[P, R]: ...

else:

    def _jit(function):  # noqa: ANN001, ANN202 -- typed above
        """Compile `function` on its first call and keep the machine code on disk where that is possible.

        No `fastmath`: it would reorder the float32 sums that decide ties. No `parallel`: processes own the cores.
        """
        options = {"nogil": True, "error_model": "numpy"}
        try:
            return numba.njit(cache=True, **options)(function)
        except RuntimeError:  # no folder that numba could keep its cache in is writable: compile in every process
            return numba.njit(**options)(function)


@_jit
def _find_changed(words: UInt64Array, previous: UInt64Array, changed: Int32Array) -> None:
    """Set `changed` (int32[H]) where a row of `words` differs from `previous` (uint64[H, W/8])."""
    for row in range(words.shape[0]):
        difference = np.uint64(0)
        for k in range(words.shape[1]):
            difference |= words[row, k] ^ previous[row, k]
        changed[row] = difference != 0


@_jit
def _cv2_round(
    gray: UInt8Array,
    row: UInt32Array,
    column: UInt32Array,
    row_factors: Float32Array,
    column_factors: Float32Array,
    scale: np.float32,
) -> np.uint8:
    """Return the gray level of one cell as cv2 computes it: float32 sums, then round half to even."""
    total = np.float32(0)
    for j in range(row[1]):
        row_sum = np.float32(0)
        for k in range(column[1]):
            row_sum += np.float32(gray[row[0] + j, column[0] + k]) * column_factors[k]
        total += row_factors[j] * row_sum
    return np.uint8(np.rint(total * scale))


@_jit
def _resize_changed(
    gray: UInt8Array,
    changed: Int32Array,
    rows: UInt32Array,
    columns: UInt32Array,
    row_factors: Float32Array,
    column_factors: Float32Array,
    column_sums: Int32Array,
    sums: Int32Array,
    total: int,
    near: int,
    scale: float,
    plane: UInt8Array,
) -> None:
    """Area-resize `gray` (uint8[H, W]) into `plane` (uint8[h, w]), those rows only whose source rows changed.

    `column_sums` (int32[W + 2], the last two 0) and `sums` (int32[w]) are scratch.
    """
    divisor = np.int32(2 * total)
    offset = np.int32(total + (near >> 1 if near > 0 else 0))
    limit = np.int32(near)
    # Multiplying by 1 / divisor instead of dividing: the dividend is an integer plus a half and below 2**31, so the
    # quotient is at least 2**-32 relative away from a whole number, and float64 truncates it exactly.
    inverse = 1.0 / divisor
    taps = columns.shape[1] - 2
    width = gray.shape[1]
    for i in range(plane.shape[0]):
        row = rows[i]
        touched = np.int32(0)
        for j in range(row[1]):
            touched |= changed[row[0] + j]
        if touched == 0:
            continue

        source, weight = gray[row[0]], np.int32(row[2])
        for c in range(width):
            column_sums[c] = np.int32(source[c]) * weight
        for j in range(1, row[1]):
            source, weight = gray[row[0] + j], np.int32(row[2 + j])
            for c in range(width):
                column_sums[c] = np.int32(column_sums[c] + np.int32(np.int32(source[c]) * weight))

        for x in range(columns.shape[0]):
            first = np.uint64(columns[x, 0])
            value = column_sums[first] * np.int32(columns[x, 2])
            value += column_sums[first + ONE] * np.int32(columns[x, 3])
            value += column_sums[first + TWO] * np.int32(columns[x, 4])
            for k in range(3, taps):
                value += column_sums[first + np.uint64(k)] * np.int32(columns[x, 2 + k])
            sums[x] = value

        ties = np.int32(0)
        for x in range(columns.shape[0]):
            doubled = np.int32(2) * sums[x] + offset
            level = np.int32((np.float64(doubled) + 0.5) * inverse)
            plane[i, x] = level
            remainder = np.int32(doubled - level * divisor)
            sums[x] = remainder
            ties |= np.int32(remainder <= limit)
        if ties:
            for x in range(columns.shape[0]):
                if sums[x] <= limit:
                    plane[i, x] = _cv2_round(
                        gray, row, columns[x], row_factors[i], column_factors[x], np.float32(scale)
                    )


@_jit
def push_after_resize(
    screens: UInt64Array,
    newest: int,
    everything: bool,
    levels: UInt8Array,
    gray: UInt8Array,
    rows: UInt32Array,
    columns: UInt32Array,
    row_factors: Float32Array,
    column_factors: Float32Array,
    total: int,
    near: int,
    scale: float,
    resized: UInt8Array,
    ring: UInt8Array,
    slot: int,
) -> None:
    """Gray and area-resize two screens, and write the pixelwise maximum of the two into the ring.

    Args:
        screens (uint64[2, 2, H, W/8]): two pairs of screens, colour indices, eight to a word; W a multiple of 8.
        newest (int): which pair is new; the other is the pair before it.
        everything (bool): compute all rows, whatever the pair before holds.
        levels (uint8[256]): the gray level of each colour index.
        gray (uint8[2, H, W]): the gray levels of the pair before; made those of the new pair.
        rows (uint32[h, 2 + taps]): `AxisPlan.weights` of the vertical axis.
        columns (uint32[w, 2 + taps]): `AxisPlan.weights` of the horizontal axis.
        row_factors (float32[h, taps]): `AxisPlan.factors` of the vertical axis.
        column_factors (float32[w, taps]): `AxisPlan.factors` of the horizontal axis.
        total (int): `AreaPlan.total`.
        near (int): `AreaPlan.near`.
        scale (float): `AreaPlan.scale`.
        resized (uint8[2, h, w]): the pair before, resized; made that of the new pair.
        ring (uint8[K, h, w]): planes; one is written.
        slot (int): which plane of the ring to write.
    """
    changed = np.empty(screens.shape[2], np.int32)
    column_sums = np.zeros(gray.shape[2] + 2, np.int32)
    sums = np.empty(columns.shape[0], np.int32)
    for n in range(2):
        _find_changed(screens[newest, n], screens[1 - newest, n], changed)
        screen = screens[newest, n].view(np.uint8)
        for row in range(screen.shape[0]):
            changed[row] |= everything
            if changed[row]:
                for c in range(screen.shape[1]):
                    gray[n, row, c] = levels[screen[row, c]]
        _resize_changed(
            gray[n],
            changed,
            rows,
            columns,
            row_factors,
            column_factors,
            column_sums,
            sums,
            total,
            near,
            scale,
            resized[n],
        )
    for i in range(ring.shape[1]):
        for x in range(ring.shape[2]):
            ring[slot, i, x] = max(resized[0, i, x], resized[1, i, x])


@_jit
def push_before_resize(
    screens: UInt64Array,
    newest: int,
    everything: bool,
    levels: UInt8Array,
    gray: UInt8Array,
    rows: UInt32Array,
    columns: UInt32Array,
    row_factors: Float32Array,
    column_factors: Float32Array,
    total: int,
    near: int,
    scale: float,
    resized: UInt8Array,
    ring: UInt8Array,
    slot: int,
) -> None:
    """Gray two screens, take their pixelwise maximum, and area-resize that into the ring.

    The arguments are those of `push_after_resize`; of `gray` and `resized` only the first of two is used.
    """
    changed = np.empty(screens.shape[2], np.int32)
    changed_b = np.empty(screens.shape[2], np.int32)
    column_sums = np.zeros(gray.shape[2] + 2, np.int32)
    sums = np.empty(columns.shape[0], np.int32)
    _find_changed(screens[newest, 0], screens[1 - newest, 0], changed)
    _find_changed(screens[newest, 1], screens[1 - newest, 1], changed_b)
    screen_a = screens[newest, 0].view(np.uint8)
    screen_b = screens[newest, 1].view(np.uint8)
    for row in range(screen_a.shape[0]):
        changed[row] |= changed_b[row] | everything
        if changed[row]:
            for c in range(screen_a.shape[1]):
                gray[0, row, c] = max(levels[screen_a[row, c]], levels[screen_b[row, c]])
    _resize_changed(
        gray[0],
        changed,
        rows,
        columns,
        row_factors,
        column_factors,
        column_sums,
        sums,
        total,
        near,
        scale,
        resized[0],
    )
    for i in range(ring.shape[1]):
        for x in range(ring.shape[2]):
            ring[slot, i, x] = resized[0, i, x]
