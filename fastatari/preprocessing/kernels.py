"""The compiled functions: screens in, planes and stacks out. They take addresses and numbers, and check nothing.

Exactness: they do cv2's float32 operations in cv2's order (see `area`), and LLVM must not reorder or fuse them, which
it does not without `fastmath`. A product with a factor of 0, where arrays are padded, changes no sum.

Speed: of the plane before, only the rows that are made of rows of the screens that changed are computed again. Rows of
a screen that are like the row above have its sums. What is kept between rows is in the scratch memory of the thread;
nothing is kept between pushes.
"""

import numpy as np
import numpy.typing as npt

from fastatari.preprocessing.jit import part
from fastatari.preprocessing.lanes import Index, row, view
from fastatari.preprocessing.rows import (
    CHANGED,
    CHANNEL_NUM,
    GRAY_RESIZE_MAX,
    HEIGHT,
    IS_STACKED_LAST,
    MAX_RESIZE_GRAY,
    ONE,
    PLAN_SIZE,
    PLANE_HEIGHT,
    PLANE_WIDTH,
    RESIZED,
    ROWS,
    STACK_NUM,
    STAGES,
    SUM_NUM,
    SUMS,
    THREE,
    TWO,
    WIDTH,
    ZERO,
    differ,
    finish_row,
    round_row,
    sum_images,
)

UInt8Array = npt.NDArray[np.uint8]


@part
def _note_flags(changed: UInt8Array, address: Index) -> None:
    """Set what is set in flags of rows (uint8[H]), and clear these; none if the address is 0."""
    if address:
        flags = view(address, (np.uint64(changed.size),), np.uint8)
        for y in range(np.uint64(changed.size)):
            changed[y] |= flags[y]
            flags[y] = 0


@part
def _copy(source: Index, target: Index, size: Index) -> None:
    """Copy so many bytes from one address to another one, unless they are the same."""
    if source != target:
        sources, targets = view(source, (size,), np.uint8), view(target, (size,), np.uint8)
        for k in range(size):
            targets[k] = sources[k]


def push(
    plan: Index, scratch: Index, first: Index, second: Index, third: Index, changed_first: Index,
    changed_second: Index, old: Index, new: Index,
) -> None:  # fmt: skip
    """Make the plane of one, two or three screens.

    Args:
        plan (uint64): the address of the plan, `PicturePlan.address`.
        scratch (uint64): that of the scratch memory, `PicturePlan.make_scratch`.
        first (uint64): that of the first screen (uint8[H, W]).
        second (uint64): that of the second one; 0 if there is none.
        third (uint64): that of the third one; 0 if there is none.
        changed_first (uint64): that of flags (uint8[H]): which rows of the first screen differ from what `old` was made
            of; they are cleared. 0 if all may.
        changed_second (uint64): the same of the second screen; where there is none, 0 or more flags.
        old (uint64): the address of a plane, made of screens that differ from these in no other rows; 0 if there is
            none, and all is to be computed.
        new (uint64): where the plane is written to (uint8[h, w] or uint8[h, w, 3]); `old`, or apart from it.
    """
    numbers = view(plan, (PLAN_SIZE,), np.uint64)
    height, plane_height, width = numbers[HEIGHT], numbers[PLANE_HEIGHT], numbers[PLANE_WIDTH]
    screens = first, second, third
    count = ONE + np.uint64(second != ZERO) + np.uint64(third != ZERO)
    image_num = ONE
    if numbers[STAGES] == GRAY_RESIZE_MAX:
        image_num = count
    elif numbers[STAGES] >= MAX_RESIZE_GRAY:
        image_num = THREE

    changed = view(scratch + numbers[CHANGED], (height,), np.uint8)
    has_flags = changed_first != ZERO and (second == ZERO or changed_second != ZERO) and third == ZERO
    is_whole = old == ZERO or not has_flags
    for y in range(height):
        changed[y] = is_whole
    _note_flags(changed, changed_first)
    _note_flags(changed, changed_second)

    plane = view(new, (plane_height, numbers[CHANNEL_NUM] * width), np.uint8)
    if not is_whole:
        _copy(old, new, np.uint64(plane.size))
    rows = view(numbers[ROWS], (plane_height, TWO), np.uint64)
    resized = view(scratch + numbers[RESIZED], (THREE, width), np.uint8)
    # Each image has its rows of sums, and three more, which a plane's last rows are multiplied by 0.
    space = height + THREE
    sums = view(scratch + numbers[SUMS], (THREE * space, numbers[SUM_NUM]), np.float32)
    done = ZERO  # the row behind the last one that has its sums
    for i in range(plane_height):
        top, end = rows[i, 0], rows[i, 0] + rows[i, 1]
        is_changed = np.uint8(0)
        for y in range(top, end):
            is_changed |= changed[y]
        if is_changed:
            for y in range(max(top, done), end):
                has_above = bool(y == done and y > ZERO)
                sum_images(numbers, scratch, screens, count, image_num, y, has_above, sums)
                done = y + ONE
            for image in range(image_num):
                round_row(numbers, sums, top + image * space, i, row(resized, image))
            finish_row(numbers, resized, image_num, row(plane, i))


def read(plan: Index, planes: Index, newest: Index, out: Index) -> None:
    """Write the stack, the oldest plane first.

    Args:
        plan (uint64): the address of the plan, `PicturePlan.address`.
        planes (uint64): that of the ring of planes (uint8[K, h, w] or uint8[K, h, w, 3]).
        newest (uint64): which of them is the newest; the one behind it is the oldest, and behind the last is the first.
        out (uint64): where the stack is written to (uint8[K, h, w] or uint8[K, h, w, 3], or along the last axis).
    """
    numbers = view(plan, (PLAN_SIZE,), np.uint64)
    num, channel_num = numbers[STACK_NUM], numbers[CHANNEL_NUM]
    pixel_num = numbers[PLANE_HEIGHT] * numbers[PLANE_WIDTH]
    size = channel_num * pixel_num
    ring = view(planes, (num, size), np.uint8)
    if not numbers[IS_STACKED_LAST]:
        for k in range(num):
            _copy(planes + (newest + ONE + k) % num * size, out + k * size, size)
    elif num == np.uint64(4) and channel_num == ONE:
        # Apart, because LLVM vectorises it.
        first, second = row(ring, (newest + ONE) % num), row(ring, (newest + TWO) % num)
        third, fourth = row(ring, (newest + THREE) % num), row(ring, newest)
        flat = view(out, (num * size,), np.uint8)
        for x in range(size):
            flat[num * x] = first[x]
            flat[num * x + ONE] = second[x]
            flat[num * x + TWO] = third[x]
            flat[num * x + THREE] = fourth[x]
    else:
        pixels = view(out, (pixel_num, num * channel_num), np.uint8)
        for k in range(num):
            source = row(ring, (newest + ONE + k) % num)
            for x in range(pixel_num):
                for channel in range(channel_num):
                    pixels[x, k * channel_num + channel] = source[x * channel_num + channel]


def note_changes(plan: Index, first: Index, second: Index, kept: Index, changed: Index) -> None:
    """Set the flags of the rows in which two screens differ from those that are kept, and keep them instead.

    Args:
        plan (uint64): the address of the plan, `PicturePlan.address`.
        first (uint64): that of the first screen (uint8[H, W]).
        second (uint64): that of the second one.
        kept (uint64): that of the screens that are kept (uint8[2, H, W]).
        changed (uint64): that of the flags of their rows (uint8[2, H]).
    """
    numbers = view(plan, (PLAN_SIZE,), np.uint64)
    height, width = numbers[HEIGHT], numbers[WIDTH]
    screens, flags = view(kept, (TWO * height, width), np.uint8), view(changed, (TWO * height,), np.uint8)
    for k in range(TWO):
        screen = view(first if k == ZERO else second, (height, width), np.uint8)
        for y in range(height):
            this, other = row(screen, y), row(screens, k * height + y)
            if differ(this, other):
                flags[k * height + y] = 1
                for x in range(width):
                    other[x] = this[x]
