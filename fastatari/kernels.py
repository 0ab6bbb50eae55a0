"""Every compiled function of the package, and nothing else: arrays in, arrays out, nothing checked.

`frames` guarantees shapes, dtypes and layout. All functions stay in this one file because numba's cache notices the
changes of a function's own file only.

Exactness: a mean is ``sum / total`` with integers, rounded to the nearest gray level. Where the mean lies (almost)
halfway between two, the float32 sum of cv2 decides, computed in cv2's order of operations (see `area`).

Speed: a pixel of a plane is computed again only if the screen differs from the one before it, by comparison of the
contents, in the eight columns that it lies in. Of two screens that are pooled after the resize, the second is compared
with the first, of the frame before, from which it differs less than from the one four frames before. The vertical sum
comes first, because it leaves 84 instead of 210 rows for the horizontal one.
"""

import contextlib
import sys
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

import numba
import numpy as np
import numpy.typing as npt
from numba.core import event

P = ParamSpec("P")
R = TypeVar("R")

UInt8Array = npt.NDArray[np.uint8]
UInt32Array = npt.NDArray[np.uint32]
UInt64Array = npt.NDArray[np.uint64]
Int32Array = npt.NDArray[np.int32]
Int64Array = npt.NDArray[np.int64]
Float32Array = npt.NDArray[np.float32]

# Unsigned indices: for a signed one that may be negative numba counts from the end, and the loop does not vectorise.
ONE = np.uint64(1)
TWO = np.uint64(2)
TAPS = 3  # as many weights of a cell there are at least: `area.MIN_TAPS`

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


class _Notice(event.Listener):
    """Says once on stderr what takes so long."""

    is_given = False

    def on_start(self, _: Any) -> None:
        if not self.is_given:
            sys.stderr.write("fastatari: compiling its kernels for this machine, once; this takes some seconds\n")
            self.is_given = True

    def on_end(self, _: Any) -> None:
        pass


@contextlib.contextmanager
def notice_of_compilation() -> Iterator[None]:
    """Say on stderr that the kernels are being compiled, if they are not found on disk."""
    with event.install_listener("numba:compile", _NOTICE):
        yield


_NOTICE = _Notice()


@_jit
def _find_changes(words: UInt64Array, previous: UInt64Array, changes: UInt64Array) -> None:
    """Set bit k of a row's `changes` (uint64[H]) if its word k differs from that of `previous` (uint64[H, W/8])."""
    for i in range(words.shape[0]):
        difference = np.uint64(0)
        for k in range(words.shape[1]):
            difference |= words[i, k] ^ previous[i, k]
        bits = np.uint64(0)
        if difference:
            for k in range(np.uint64(words.shape[1])):
                bits |= np.uint64(words[i, k] != previous[i, k]) << k
        changes[i] = bits


@_jit
def _next_run(bits: np.uint64, start: int, word_num: int) -> tuple[int, int]:
    """Return where the first run of ones at or after `start` begins and ends; (word_num, word_num) if there is none."""
    begin = start
    while begin < word_num and not bits >> np.uint64(begin) & ONE:
        begin += 1
    end = begin
    while end < word_num and bits >> np.uint64(end) & ONE:
        end += 1
    return begin, end


@_jit
def _gray_changes(
    screen_a: UInt8Array,
    screen_b: UInt8Array,
    is_pooled: bool,
    changes: UInt64Array,
    levels: UInt8Array,
    gray: UInt8Array,
) -> None:
    """Bring `gray` (uint8[H, W]), of `screen_a` or the maximum of both, up to date where they have `changes`."""
    word_num = gray.shape[1] // 8
    for i in range(np.uint64(gray.shape[0])):
        if not changes[i]:
            continue
        begin, end = _next_run(changes[i], 0, word_num)
        while begin < word_num:
            for c in range(np.uint64(8 * begin), np.uint64(8 * end)):
                level = levels[screen_a[i, c]]
                gray[i, c] = max(level, levels[screen_b[i, c]]) if is_pooled else level
            begin, end = _next_run(changes[i], end, word_num)


@_jit
def _round_as_cv2(
    gray: UInt8Array,
    row: UInt32Array,
    column: UInt32Array,
    row_factors: Float32Array,
    column_factors: Float32Array,
    scale: np.float32,
) -> np.uint8:
    """Return the gray level of one cell as cv2 computes it: float32 sums, then round half to even.

    With a `scale` other than 1 the factors are whole, and cv2 multiplies an integer sum by it.
    """
    if scale != np.float32(1):
        whole = np.int64(0)
        for j in range(row[1]):
            for k in range(column[1]):
                whole += np.int64(gray[row[0] + j, column[0] + k])
        return np.uint8(np.rint(np.float32(whole) * scale))
    total = np.float32(0)
    for j in range(row[1]):
        row_sum = np.float32(0)
        for k in range(column[1]):
            row_sum += np.float32(gray[row[0] + j, column[0] + k]) * column_factors[k]
        total += row_factors[j] * row_sum
    return np.uint8(np.rint(total))


@_jit
def _resize_changes(
    gray: UInt8Array,
    changes: UInt64Array,
    weights: UInt32Array,
    spans: UInt32Array,
    factors: Float32Array,
    total: int,
    near: int,
    scale: float,
    plane: UInt8Array,
) -> None:
    """Bring `plane` (uint8[h, w]), the area-resized `gray` (uint8[H, W]), up to date where that has `changes`."""
    height = np.uint64(plane.shape[0])
    taps = factors.shape[1]
    column_sums = np.empty(gray.shape[1] + taps, np.int32)
    remainders = np.empty(plane.shape[1], np.int32)
    divisor = np.int32(2 * total)
    offset = np.int32(total + (near >> 1 if near > 0 else 0))
    limit = np.int32(near)
    # Multiplying by 1 / divisor instead of dividing: the dividend is an integer plus a half and below 2**31, so the
    # quotient is at least 2**-32 relative away from a whole number, and float64 truncates it exactly.
    inverse = 1.0 / divisor
    word_num = spans.shape[0]
    for i in range(height):
        top, count = np.uint64(weights[i, 0]), np.uint64(weights[i, 1])
        bits = np.uint64(0)
        for j in range(top, top + count):
            bits |= changes[j]
        begin, end = _next_run(bits, 0, word_num) if bits else (word_num, word_num)
        while begin < word_num:
            # The cells that overlap the changed pixels, and the pixels of these cells.
            first, last = np.uint64(spans[begin, 0]), np.uint64(spans[end - 1, 1])
            left = np.uint64(weights[height + first, 0])
            right = np.uint64(weights[height + last - ONE, 0] + weights[height + last - ONE, 1])
            weight, weight_b, weight_c = np.int32(weights[i, 2]), np.int32(weights[i, 3]), np.int32(weights[i, 4])
            row_b, row_c = min(top + ONE, top + count - ONE), min(top + TWO, top + count - ONE)
            for c in range(left, right):
                column_sums[c] = np.int32(
                    np.int32(gray[top, c]) * weight
                    + np.int32(gray[row_b, c]) * weight_b
                    + np.int32(gray[row_c, c]) * weight_c
                )
            for j in range(np.uint64(3), count):
                weight = np.int32(weights[i, TWO + j])
                for c in range(left, right):
                    column_sums[c] = np.int32(column_sums[c] + np.int32(np.int32(gray[top + j, c]) * weight))

            for x in range(first, last):
                start = np.uint64(weights[height + x, 0])
                value = column_sums[start] * np.int32(weights[height + x, 2])
                value += column_sums[start + ONE] * np.int32(weights[height + x, 3])
                value += column_sums[start + TWO] * np.int32(weights[height + x, 4])
                for k in range(TAPS, taps):
                    value += column_sums[start + np.uint64(k)] * np.int32(weights[height + x, 2 + k])
                remainders[x] = value

            has_ties = np.int32(0)
            for x in range(first, last):
                doubled = np.int32(np.int32(2) * remainders[x] + offset)
                level = np.int32((np.float64(doubled) + 0.5) * inverse)
                plane[i, x] = level
                remainder = np.int32(doubled - np.int32(level * divisor))
                remainders[x] = remainder
                has_ties |= np.int32(remainder <= limit)
            if has_ties:
                for x in range(first, last):
                    if remainders[x] <= limit:
                        plane[i, x] = _round_as_cv2(
                            gray, weights[i], weights[height + x], factors[i], factors[height + x], np.float32(scale)
                        )
            begin, end = _next_run(bits, end, word_num)


@_jit
def push_after_resize(
    screens: UInt64Array,
    levels: UInt8Array,
    gray: UInt8Array,
    weights: UInt32Array,
    spans: UInt32Array,
    factors: Float32Array,
    total: int,
    near: int,
    scale: float,
    resized: UInt8Array,
    planes: UInt8Array,
    slot: Int64Array,
    newest: Int64Array,
) -> None:
    """Gray and area-resize two screens, and write the pixelwise maximum of the two into the ring.

    Args:
        screens (uint64[2, 2, H, W/8]): two pairs of screens, colour indices, eight to a word, zeros up to a whole word.
        levels (uint8[256]): the gray level of each colour index.
        gray (uint8[H, W]): the gray levels of the screen before; made those of the last. W is a multiple of 8.
        weights (uint32[h + w, 2 + taps]): `AreaPlan.weights`.
        spans (uint32[n, 2]): `AreaPlan.spans`.
        factors (float32[h + w, taps]): `AreaPlan.factors`.
        total (int): `AreaPlan.total`.
        near (int): `AreaPlan.near`.
        scale (float): `AreaPlan.scale`.
        resized (uint8[2, h, w]): the second is the screen before, resized; made those of the new pair.
        planes (uint8[2 * K, h, w]): `PlaneRing.planes`; one plane is written, twice.
        slot (int64[1]): `PlaneRing.slot`; moved on.
        newest (int64[1]): which pair is new; the other is the pair before it. Made the other; here and not by the
            caller, because an exception of a signal handler can come between any two lines of Python.
    """
    changes = np.empty(screens.shape[2], np.uint64)
    new = newest[0]
    first, second = screens[new, 0], screens[new, 1]
    _find_changes(first, screens[1 - new, 1], changes)
    _gray_changes(first.view(np.uint8), first.view(np.uint8), False, changes, levels, gray)
    _resize_changes(gray, changes, weights, spans, factors, total, near, scale, resized[1])
    # Over flat arrays: numba assigns `resized[0] = resized[1]` in 2 us instead of 0.1.
    kept, plane = resized[0].ravel(), resized[1].ravel()
    for i in range(plane.size):
        kept[i] = plane[i]
    _find_changes(second, first, changes)
    _gray_changes(second.view(np.uint8), second.view(np.uint8), False, changes, levels, gray)
    _resize_changes(gray, changes, weights, spans, factors, total, near, scale, resized[1])
    num = planes.shape[0] // 2
    place, twin = slot[0], slot[0] + num
    for i in range(planes.shape[1]):
        for x in range(planes.shape[2]):
            level = max(resized[0, i, x], resized[1, i, x])
            planes[place, i, x] = level
            planes[twin, i, x] = level
    slot[0] = (place + 1) % num
    newest[0] = 1 - new


@_jit
def push_before_resize(
    screens: UInt64Array,
    levels: UInt8Array,
    gray: UInt8Array,
    weights: UInt32Array,
    spans: UInt32Array,
    factors: Float32Array,
    total: int,
    near: int,
    scale: float,
    resized: UInt8Array,
    planes: UInt8Array,
    slot: Int64Array,
    newest: Int64Array,
) -> None:
    """Gray two screens, take their pixelwise maximum, and area-resize that into the ring.

    The arguments are those of `push_after_resize`; `gray` and the second of `resized` are of the maximum.
    """
    changes = np.empty(screens.shape[2], np.uint64)
    changes_b = np.empty(screens.shape[2], np.uint64)
    new = newest[0]
    _find_changes(screens[new, 0], screens[1 - new, 0], changes)
    _find_changes(screens[new, 1], screens[1 - new, 1], changes_b)
    for i in range(changes.size):
        changes[i] |= changes_b[i]
    screen_a, screen_b = screens[new, 0].view(np.uint8), screens[new, 1].view(np.uint8)
    _gray_changes(screen_a, screen_b, True, changes, levels, gray)
    _resize_changes(gray, changes, weights, spans, factors, total, near, scale, resized[1])
    num = planes.shape[0] // 2
    place, twin = slot[0], slot[0] + num
    for i in range(planes.shape[1]):
        for x in range(planes.shape[2]):
            planes[place, i, x] = resized[1, i, x]
            planes[twin, i, x] = resized[1, i, x]
    slot[0] = (place + 1) % num
    newest[0] = 1 - new
