"""What the kernels do with a row: its levels, its sums, and a row of the plane out of these."""

import numpy as np
import numpy.typing as npt

from fastatari.preprocessing import layout
from fastatari.preprocessing.jit import part
from fastatari.preprocessing.lanes import Index, round_lanes, row, sum_lanes, view, words
from fastatari.preprocessing.layout import Stages

Numbers = npt.NDArray[np.uint64]
UInt8Array = npt.NDArray[np.uint8]
UInt16Array = npt.NDArray[np.uint16]
Float32Array = npt.NDArray[np.float32]

# All numbers are unsigned. numba counts negative indices from the end, which takes time and hinders vectorising, and
# makes floats of signed and unsigned integers together.
ZERO, ONE, TWO, THREE = map(np.uint64, range(4))
BYTE, LOW, EIGHT = np.uint64(0xFF), np.uint64(0xFFFF), np.uint64(8)
LANES, PADDING, PAIRS = np.uint64(layout.LANES), np.uint64(layout.PADDING), np.uint64(layout.PAIRS)
(
    HEIGHT, WIDTH, PLANE_HEIGHT, PLANE_WIDTH, STACK_NUM, CHANNEL_NUM, STAGES, IS_STACKED_LAST,
    ROWS, COLUMNS, ROW_FACTORS, ROW_TAPS, COLUMN_FACTORS, COLUMN_TAPS, RUNS, RUN_FACTORS, RUN_NUM, ROUNDING,
    PAIR_LEVELS, PAIR_NUM, POOLED_LEVELS, LUMA, CHANGED, LEVELS, RESIZED, SUMS, SUM_NUM,
) = map(np.uint64, layout.Plan)  # fmt: skip
PLAN_SIZE = np.uint64(len(layout.Plan))
GRAY_RESIZE_MAX, GRAY_MAX_RESIZE, MAX_GRAY_RESIZE, MAX_RESIZE_GRAY, MAX_RESIZE = map(np.uint64, Stages)

Screens = tuple[Index, Index, Index]


@part
def _view_row(plan: Numbers, screens: Screens, k: Index, y: Index) -> UInt8Array:
    """Return a row of a screen (uint8[W])."""
    address = screens[0]
    if k == ONE:
        address = screens[1]
    elif k == TWO:
        address = screens[2]
    pixels: UInt8Array = row(view(address, (plan[HEIGHT], plan[WIDTH]), np.uint8), y)
    return pixels


@part
def differ(row_a: UInt8Array, row_b: UInt8Array) -> bool:
    """Return whether two rows are not the same."""
    words_a, words_b = words(row_a), words(row_b)
    difference = ZERO
    for k in range(np.uint64(words_a.size)):
        difference |= words_a[k] ^ words_b[k]
    for x in range(EIGHT * np.uint64(words_a.size), np.uint64(row_a.size)):
        difference |= np.uint64(row_a[x] ^ row_b[x])
    return bool(difference != ZERO)


@part
def _is_like_above(plan: Numbers, screens: Screens, count: Index, y: Index) -> bool:
    """Return whether a row of all screens is like the row above it."""
    is_alike = True
    for k in range(count):
        is_alike = is_alike and not differ(_view_row(plan, screens, k, y), _view_row(plan, screens, k, y - ONE))
    return is_alike


@part
def _look_up(word: Index, pairs: UInt16Array) -> Index:
    """Return the levels of eight pixels; a look-up serves two of them."""
    return (
        np.uint64(pairs[word & LOW])
        | np.uint64(pairs[word >> np.uint64(16) & LOW]) << np.uint64(16)
        | np.uint64(pairs[word >> np.uint64(32) & LOW]) << np.uint64(32)
        | np.uint64(pairs[word >> np.uint64(48)]) << np.uint64(48)
    )


@part
def _pool(first: UInt8Array, second: UInt8Array, pairs: UInt16Array, levels: UInt8Array) -> None:
    """Write the maximum of the levels of two rows of pixels, which may be the same.

    Most words of eight pixels are like those left of them, and need no look-up.
    """
    words_a, words_b, targets = words(first), words(second), words(levels)
    word_a = word_b = ZERO
    level: Index = ZERO
    for k in range(np.uint64(words_a.size)):
        if words_a[k] != word_a or words_b[k] != word_b or k == ZERO:
            word_a, word_b = words_a[k], words_b[k]
            level = _look_up(word_a, pairs)
            if word_a != word_b:
                other = _look_up(word_b, pairs)
                maxima = ZERO
                for shift in range(ZERO, np.uint64(64), EIGHT):
                    maxima |= max(level >> shift & BYTE, other >> shift & BYTE) << shift
                level = maxima
        targets[k] = level
    for x in range(EIGHT * np.uint64(words_a.size), np.uint64(first.size)):
        levels[x] = max(np.uint64(pairs[first[x]]) & BYTE, np.uint64(pairs[second[x]]) & BYTE)


@part
def _look_up_pooled(first: UInt8Array, second: UInt8Array, pooled: UInt8Array, levels: UInt8Array) -> None:
    """Write the levels of two rows of pixels that are pooled."""
    words_a, words_b, targets = words(first), words(second), words(levels)
    word_a = word_b = level = ZERO
    for k in range(np.uint64(words_a.size)):
        if words_a[k] != word_a or words_b[k] != word_b or k == ZERO:
            word_a, word_b = words_a[k], words_b[k]
            level = ZERO
            for shift in range(ZERO, np.uint64(64), EIGHT):
                pair = (word_a >> shift & BYTE) | (word_b >> shift & BYTE) << EIGHT
                level |= np.uint64(pooled[pair]) << shift
        targets[k] = level
    for x in range(EIGHT * np.uint64(words_a.size), np.uint64(first.size)):
        levels[x] = pooled[np.uint64(first[x]) | np.uint64(second[x]) << EIGHT]


@part
def _pool_row(
    plan: Numbers, screens: Screens, begin: Index, end: Index, y: Index, channel: Index, levels: UInt8Array,
    others: UInt8Array,
) -> None:  # fmt: skip
    """Write the maximum of the levels of a row of screens.

    Args:
        plan (uint64[n]): the plan.
        screens (tuple): the addresses of the screens.
        begin (uint64): the first of those that are pooled.
        end (uint64): the one behind the last.
        y (uint64): the row.
        channel (uint64): for which of the channels there are levels.
        levels (uint8[n]): where they are written to.
        others (uint8[n]): is written to.
    """
    pairs = row(view(plan[PAIR_LEVELS], (plan[PAIR_NUM], PAIRS), np.uint16), channel)
    first, second = _view_row(plan, screens, begin, y), _view_row(plan, screens, min(begin + ONE, end - ONE), y)
    _pool(first, second, pairs, levels)
    if end - begin > TWO:
        third = _view_row(plan, screens, TWO, y)
        _pool(third, third, pairs, others)
        for x in range(plan[WIDTH]):
            levels[x] = max(levels[x], others[x])


@part
def _turn_gray(plan: Numbers, reds: UInt8Array, greens: UInt8Array, blues: UInt8Array, levels: UInt8Array) -> None:
    """Write the gray levels of colours, as `palette.to_gray` does, as many as there are reds."""
    luma = view(plan[LUMA], (np.uint64(4),), np.float64)
    for x in range(np.uint64(levels.size)):
        red, green, blue = reds[x] * luma[0], greens[x] * luma[1], blues[x] * luma[2]
        levels[x] = np.uint8(red + green + blue + luma[3])


@part
def _make_levels(plan: Numbers, scratch: Index, screens: Screens, count: Index, image: Index, y: Index) -> UInt8Array:
    """Return the levels of a row of an image (uint8[n])."""
    width, stages = plan[WIDTH], plan[STAGES]
    rows = view(scratch + plan[LEVELS], (np.uint64(4), width + PADDING), np.uint8)
    levels: UInt8Array = row(rows, ZERO)
    if stages == MAX_GRAY_RESIZE and count <= TWO:
        pooled = view(plan[POOLED_LEVELS], (PAIRS,), np.uint8)
        first, second = _view_row(plan, screens, ZERO, y), _view_row(plan, screens, count - ONE, y)
        _look_up_pooled(first, second, pooled, levels)
    else:
        is_single = stages == GRAY_RESIZE_MAX  # an image for each screen, and not for each channel
        begin, end = (image, image + ONE) if is_single else (ZERO, count)
        channel = ZERO if is_single else image
        channel_num = THREE if stages == MAX_GRAY_RESIZE else ONE
        for k in range(channel_num):
            _pool_row(plan, screens, begin, end, y, channel + k, row(rows, k), row(rows, THREE))
        if channel_num == THREE:
            _turn_gray(plan, levels, row(rows, ONE), row(rows, TWO), levels)
    return levels


@part
def _sum_row(plan: Numbers, levels: UInt8Array, sums: Float32Array) -> None:
    """Write the weighted sum of each pixel of a plane in a row of an image."""
    run_num = plan[RUN_NUM]
    if run_num:
        runs = view(plan[RUNS], (run_num, TWO), np.uint64)
        factors = view(plan[RUN_FACTORS], (run_num, np.uint64(layout.COLUMN_TAPS) * LANES), np.float32)
        # The lanes beyond a run's end hold nonsense, which the next run overwrites.
        for k in range(run_num):
            sum_lanes(levels, runs[k, 1], row(factors, k), sums, runs[k, 0])
    else:
        columns = view(plan[COLUMNS], (plan[PLANE_WIDTH], TWO), np.uint64)
        weights = view(plan[COLUMN_FACTORS], (plan[PLANE_WIDTH], plan[COLUMN_TAPS]), np.float32)
        for x in range(plan[PLANE_WIDTH]):
            left = columns[x, 0]
            total = np.float32(levels[left]) * weights[x, 0]
            for k in range(ONE, columns[x, 1]):
                total += np.float32(levels[left + k]) * weights[x, k]
            sums[x] = total


@part
def round_row(plan: Numbers, sums: Float32Array, top: Index, i: Index, resized: UInt8Array) -> None:
    """Write row i of a resized image (uint8[w]), the means of the sums from the row `top` of `sums` on."""
    width = plan[PLANE_WIDTH]
    factors = row(view(plan[ROW_FACTORS], (plan[PLANE_HEIGHT], plan[ROW_TAPS]), np.float32), i)
    if plan[RUN_NUM]:
        for x in range(ZERO, width, LANES):
            round_lanes(sums, top, factors, resized, min(x, width - LANES))
    else:
        rounding = view(plan[ROUNDING], (TWO,), np.float32)
        count = view(plan[ROWS], (plan[PLANE_HEIGHT], TWO), np.uint64)[i, 1]
        for x in range(width):
            total = sums[top, x] * factors[0]
            for k in range(ONE, count):
                total += sums[top + k, x] * factors[k]
            resized[x] = np.uint8(np.rint(total * rounding[0] + rounding[1]))


@part
def finish_row(plan: Numbers, resized: UInt8Array, image_num: Index, plane: UInt8Array) -> None:
    """Write a row of a plane (uint8[c * w]) from those of the resized images."""
    first = row(resized, ZERO)
    width = plan[PLANE_WIDTH]
    if plan[STAGES] == MAX_RESIZE_GRAY:
        _turn_gray(plan, first, row(resized, ONE), row(resized, TWO), plane)
    elif plan[STAGES] == MAX_RESIZE:
        for channel in range(THREE):
            levels = row(resized, channel)
            for x in range(width):
                plane[THREE * x + channel] = levels[x]
    else:
        for x in range(width):
            plane[x] = first[x]
        for image in range(ONE, image_num):
            levels = row(resized, image)
            for x in range(width):
                plane[x] = max(plane[x], levels[x])


@part
def sum_images(
    plan: Numbers, scratch: Index, screens: Screens, count: Index, image_num: Index, y: Index, has_above: bool,
    sums: Float32Array,
) -> None:  # fmt: skip
    """Write the sums of a row of all images.

    Args:
        plan (uint64[n]): the plan.
        scratch (uint64): the address of the scratch memory.
        screens (tuple): the addresses of the screens.
        count (uint64): how many screens there are.
        image_num (uint64): how many images.
        y (uint64): the row.
        has_above (bool): whether the sums of the row above are there.
        sums (float32[m, n]): where they are written to.
    """
    is_alike = has_above and _is_like_above(plan, screens, count, y)
    for image in range(image_num):
        place = y + image * (plan[HEIGHT] + THREE)
        here = row(sums, place)
        if is_alike:
            above = row(sums, place - ONE)
            for x in range(plan[SUM_NUM]):
                here[x] = above[x]
        else:
            _sum_row(plan, _make_levels(plan, scratch, screens, count, image, y), here)
