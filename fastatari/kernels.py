"""Every compiled function of the package, and nothing else: arrays in, arrays out, nothing checked.

`frames` guarantees shapes, dtypes and layout. All functions stay in this one file, of which the key of their compiled
code is made.

Exactness: the kernels do cv2's float32 operations in cv2's order (see `area`), and LLVM must not reorder or fuse them,
which it does not without `fastmath`. A product with a factor of 0, where arrays are padded, changes no sum.

Speed: a row of a screen that is as it was on the screen before costs its comparison, 2 ns. Of any other, only the words
of eight pixels that differ are turned gray, and the row is summed to cells again; if it is like the row above it, that
one's gray levels and sums are copied. A row of the plane is computed again if a row of the screen changed that it is
made of. Of two screens that are pooled after the resize, the second is compared with the first, of the frame before,
from which it differs less than from the one four frames before.

Where one process plays many games, what a game keeps is no longer in the processor's caches when it is its turn, and
comes from memory at some 10 bytes a nanosecond. So as little as possible is kept: of the last two screens the second,
of the first only the rows that are not like those of the second; and only what changed is written. The new screens lie
where those of all games do.

Some operations are written in LLVM's own terms. On sixteen pixels at once, because LLVM does not vectorise loops as
short as these: six times as fast as numba's loops, and portable. And views of memory, because numba's own slices and
reshapes took a quarter of a push.
"""

import functools
import math
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from llvmlite import ir
from numba import types
from numba.core import cgutils

from fastatari.jit import emitted, jit

UInt8Array = npt.NDArray[np.uint8]
UInt16Array = npt.NDArray[np.uint16]
UInt32Array = npt.NDArray[np.uint32]
UInt64Array = npt.NDArray[np.uint64]
Float32Array = npt.NDArray[np.float32]
Float64Array = npt.NDArray[np.float64]
Int64Array = npt.NDArray[np.int64]

Index = int | np.uint64

# Sixteen pixels of a plane are computed at a time where a cell has at most so many rows and columns and the next begins
# two columns further: 160 columns to 84 or to 80.
LANES = 16
ROW_TAPS, COLUMN_TAPS = 4, 3

# Unsigned indices: for a signed one that may be negative numba counts from the end, and the loop does not vectorise.
ZERO, ONE, TWO = map(np.uint64, range(3))
WORD = np.uint64(8)  # bytes
LOW = np.uint64(0xFFFF)
BYTE = np.uint64(0xFF)
STEP = np.uint64(LANES)
RUN_SIZE = np.uint64(COLUMN_TAPS * LANES)


class Block(NamedTuple):
    """The arrays of a `FrameStack`. They lie in one block of memory, for numba needs 0.05 to 0.1 us for each argument.

    Attributes:
        images (uint64[2 + n, H + 1, W/8]): the last two screens, colour indices, eight to a word, zeros up to a whole
            word; of the first only the rows that are not `is_alike`. Then the n images that are resized: the gray one
            of the last screen, or the pooled gray one, or red, green and blue, pooled. The last row of each is 0.
        is_alike (uint8[H]): which rows of the last two screens are the same.
        resized (uint8[n, h, w]): the n images, resized.
        resized_first (uint8[h, w]): for the kernels' use: that of the first screen of a pair, or the three in gray.
        planes (uint8[K, h, c * w]): `PlaneRing.planes`, of c channels.
        plane_count (int64[1]): `PlaneRing.count`.
    """

    images: UInt64Array
    is_alike: UInt8Array
    resized: UInt8Array
    resized_first: UInt8Array
    planes: UInt8Array
    plane_count: Int64Array


class Desk(NamedTuple):
    """The arrays that all stacks of the same arguments can use by turns, in one block of memory, too.

    Attributes:
        screens (uint64[2, H, W/8]): the two new screens.
        rows (uint32[2, H]): which rows of each of them differ.
        plane_rows (uint32[h]): which rows of a resized image are made of rows that differ.
        sums (float32[H + ROW_TAPS - 1, m]): the sums of the cells of rows of an image, as far as they are needed. The
            last rows are 0; rows are at least w + LANES long.
        cells (uint32[h + w + n, 2]): `AreaPlan.cells`.
        row_factors (float32[h, taps]): `AreaPlan.row_factors`.
        column_factors (float32[w, taps]): `AreaPlan.column_factors`.
        run_factors (float32[n, COLUMN_TAPS * LANES]): `AreaPlan.run_factors`.
        rounding (float32[2]): `AreaPlan.rounding`.
        luma (float64[4]): for planes that turn gray after the resize: a row of `palette.LUMA`.
        layout (uint8[1]): how stacks are read, one of `LAYOUTS`.
    """

    screens: UInt64Array
    rows: UInt32Array
    plane_rows: UInt32Array
    sums: Float32Array
    cells: UInt32Array
    row_factors: Float32Array
    column_factors: Float32Array
    run_factors: Float32Array
    rounding: Float32Array
    luma: Float64Array
    layout: UInt8Array


IMAGES, IS_ALIKE, RESIZED, RESIZED_FIRST, PLANES, PLANE_COUNT = map(np.uint64, range(len(Block._fields)))
(
    SCREENS, ROWS, PLANE_ROWS, SUMS, CELLS, ROW_FACTORS, COLUMN_FACTORS, RUN_FACTORS, ROUNDING, LUMA, LAYOUT,
) = map(np.uint64, range(len(Desk._fields)))  # fmt: skip
POOLED = np.uint64(2)  # the first of the images that are resized

# How a stack is read: one plane after the other, or four gray ones pixel by pixel, or not by the kernels.
LAYOUTS = STACKED, INTERLEAVED, OTHER = range(3)


class _Emitter:
    """The part of LLVM's language in which the operations on sixteen pixels are written."""

    floats = ir.VectorType(ir.FloatType(), LANES)
    integers = ir.VectorType(ir.IntType(32), LANES)
    shorts = ir.VectorType(ir.IntType(16), LANES)
    chars = ir.VectorType(ir.IntType(8), LANES)

    def __init__(self, context: Any, builder: Any, signature: Any, arguments: Any) -> None:
        self.builder = builder
        self._arrays: list[Any] = [
            context.make_array(kind)(context, builder, value) if isinstance(kind, types.Array) else None
            for kind, value in zip(signature.args, arguments, strict=True)
        ]

    def stride(self, array: int) -> Any:
        """Return how many elements a row of an argument has, a two-dimensional array."""
        return self.builder.extract_value(self._arrays[array].shape, 1)

    def load(self, array: int, index: Any, kind: Any) -> Any:
        """Read from an argument, at an element."""
        return self.builder.load(self._pointer(array, index, kind), align=1)

    def store(self, value: Any, array: int, index: Any) -> None:
        """Write to an argument, at an element."""
        self.builder.store(value, self._pointer(array, index, value.type), align=1)

    def weigh(self, terms: Iterator[tuple[Any, Any]]) -> Any:
        """Return the sum of the products of pairs, added one after the other."""
        products = (self.builder.fmul(*term) for term in terms)
        return functools.reduce(self.builder.fadd, products)

    def spread(self, value: Any) -> Any:
        """Return a float sixteen times."""
        single = self.builder.insert_element(ir.Constant(self.floats, ir.Undefined), value, ir.IntType(32)(0))
        return self.builder.shuffle_vector(single, single, ir.Constant(self.integers, [0] * LANES))

    def _pointer(self, array: int, index: Any, kind: Any) -> Any:
        return self.builder.bitcast(self.builder.gep(self._arrays[array].data, [index]), kind.as_pointer())


def _emit_view(_: Any, block: Any, begin: Any, shape: Any, dtype: Any) -> tuple[Any, Any]:
    kind = types.Array(dtype.dtype, len(shape), "C")

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        words = context.make_array(block)(context, builder, arguments[0])
        view = context.make_array(kind)(context, builder)
        data = builder.bitcast(builder.gep(words.data, [arguments[1]]), view.data.type)
        size = context.get_constant(types.intp, context.get_abi_sizeof(context.get_data_type(kind.dtype)))
        sides = cgutils.unpack_tuple(builder, arguments[2])  # type: ignore[no-untyped-call]
        strides = [size]
        for side in reversed(sides):
            strides.insert(0, builder.mul(strides[0], side))
        view.data, view.itemsize = data, size
        view.nitems = builder.udiv(strides[0], size)
        view.shape = cgutils.pack_array(builder, sides)  # type: ignore[no-untyped-call]
        view.strides = cgutils.pack_array(builder, strides[1:])  # type: ignore[no-untyped-call]
        for owner in ("meminfo", "parent"):
            setattr(view, owner, ir.Constant(getattr(view, owner).type, None))
        return view._getvalue()

    return kind(block, begin, shape, dtype), generate


@emitted(_emit_view)
def _view(block: UInt64Array, begin: Index, shape: tuple[Index, ...], dtype: Any) -> Any:
    """Return an array that lies in a block, from a word on, and does not count who refers to it.

    As numba's own `view` and `reshape` make it, it would cost 0.1 us.
    """
    return block[begin:].view(dtype)[: math.prod(shape)].reshape(shape)


@jit
def _side(block: UInt64Array, number: Index, axis: int) -> np.uint64:
    """Return how long one of the last three axes of an array of a block is, as its head says."""
    side: np.uint64 = block[np.uint64(4) * number + np.uint64(axis)]
    return side


@jit
def _line(block: UInt64Array, number: Index, dtype: Any) -> Any:
    """Return an array of a block with all its axes made one."""
    size = _side(block, number, 1) * _side(block, number, 2) * _side(block, number, 3)
    return _view(block, block[np.uint64(4) * number], (size,), dtype)


@jit
def _table(block: UInt64Array, number: Index, dtype: Any) -> Any:
    """Return an array of a block that has two axes."""
    return _view(block, block[np.uint64(4) * number], (_side(block, number, 2), _side(block, number, 3)), dtype)


@jit
def _image(block: UInt64Array, number: Index) -> UInt64Array:
    """Return one of the images of a block, or one of the screens of a desk; both are the first array there."""
    height, width = _side(block, IMAGES, 2), _side(block, IMAGES, 3)
    image: UInt64Array = _view(block, block[0] + number * height * width, (height, width), np.uint64)
    return image


@jit
def _pixels(block: UInt64Array, number: Index) -> UInt8Array:
    """Return all pixels of one of the images of a block."""
    size = _side(block, IMAGES, 2) * _side(block, IMAGES, 3)
    pixels: UInt8Array = _view(block, block[0] + number * size, (WORD * size,), np.uint8)
    return pixels


def _emit_sum_lanes(_: Any, pixels: Any, start: Any, factors: Any, run: Any, sums: Any, place: Any) -> tuple[Any, Any]:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        _, start, _, run, _, place = arguments
        emitter = _Emitter(context, builder, signature, arguments)
        # Two pixels to a short: the lower and the upper byte are a column of cells each.
        low, eight = (ir.Constant(emitter.shorts, [number] * LANES) for number in (255, 8))
        pairs = emitter.load(0, start, emitter.shorts)
        beyond = emitter.load(0, builder.add(start, start.type(2)), emitter.shorts)
        taps = builder.and_(pairs, low), builder.lshr(pairs, eight), builder.and_(beyond, low)
        levels = (builder.uitofp(builder.zext(tap, emitter.integers), emitter.floats) for tap in taps)
        places = (builder.add(run, run.type(k * LANES)) for k in range(COLUMN_TAPS))
        weights = (emitter.load(2, index, emitter.floats) for index in places)
        emitter.store(emitter.weigh(zip(levels, weights, strict=True)), 4, place)
        return context.get_dummy_value()

    return types.void(pixels, start, factors, run, sums, place), generate


@emitted(_emit_sum_lanes)
def _sum_lanes(
    pixels: UInt8Array, start: Index, factors: Float32Array, run: Index, sums: Float32Array, place: Index
) -> None:
    """Write to `sums` (float32[n]) at `place` 16 sums of three pixels each, the first of which are two apart.

    Args:
        pixels (uint8[n]): gray levels, of which 34 are read.
        start (uint64): where they start.
        factors (float32[n]): the factors of all first, all second and all third pixels.
        run (uint64): where they start.
        sums (float32[n]): where the sums are written to.
        place (uint64): where in it.
    """
    triples = np.lib.stride_tricks.sliding_window_view(pixels[start : start + np.uint64(2 * LANES + 2)], COLUMN_TAPS)
    products = triples[: 2 * LANES : 2].T * factors[run : run + RUN_SIZE].reshape(COLUMN_TAPS, LANES)
    sums[place : place + STEP] = products[0] + products[1] + products[2]


def _emit_round_lanes(
    _: Any,
    sums: Any,
    start: Any,
    stride: Any,
    factors: Any,
    row: Any,
    plane: Any,
    place: Any,
) -> tuple[Any, Any]:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        _, start, length, _, cell, _, place = arguments
        emitter = _Emitter(context, builder, signature, arguments)
        places = (builder.add(start, builder.mul(length, length.type(k))) for k in range(ROW_TAPS))
        levels = (emitter.load(0, index, emitter.floats) for index in places)
        begin = builder.mul(cell, emitter.stride(3))
        weights = (
            emitter.spread(emitter.load(3, builder.add(begin, begin.type(k)), ir.FloatType())) for k in range(ROW_TAPS)
        )
        mean = emitter.weigh(zip(levels, weights, strict=True))
        # The sum with 2**23 has no place for a fraction: it is rounded half to even, as everywhere in IEEE 754, and the
        # last eight bits are the gray level.
        magic = ir.Constant(emitter.floats, [float(2**23)] * LANES)
        rounded = builder.bitcast(builder.fadd(mean, magic), emitter.integers)
        emitter.store(builder.trunc(rounded, emitter.chars), 5, place)
        return context.get_dummy_value()

    return types.void(sums, start, stride, factors, row, plane, place), generate


@emitted(_emit_round_lanes)
def _round_lanes(
    sums: Float32Array,
    start: Index,
    stride: Index,
    factors: Float32Array,
    row: Index,
    plane: UInt8Array,
    place: Index,
) -> None:
    """Write to `plane` (uint8[n]) at `place` 16 gray levels, from sums of four rows, `stride` apart.

    Args:
        sums (float32[n]): the sums.
        start (uint64): where those of the first row are.
        stride (uint64): how many sums a row has.
        factors (float32[n, 4]): the factors of the rows.
        row (uint64): which of them are these rows'.
        plane (uint8[n]): where the gray levels are written to.
        place (uint64): where in it.
    """
    total = np.zeros(LANES, np.float32)
    for k in range(ROW_TAPS):
        begin = start + np.uint64(k) * stride
        total += sums[begin : begin + STEP] * factors[row, k]
    plane[place : place + STEP] = np.rint(total)


@jit
def _look_up(word: Index, pairs: UInt16Array) -> Index:
    """Return the gray levels of eight pixels."""
    return (
        np.uint64(pairs[word & LOW])
        | np.uint64(pairs[word >> np.uint64(16) & LOW]) << np.uint64(16)
        | np.uint64(pairs[word >> np.uint64(32) & LOW]) << np.uint64(32)
        | np.uint64(pairs[word >> np.uint64(48)]) << np.uint64(48)
    )


@jit
def _look_up_pooled(first: Index, second: Index, table: UInt32Array) -> tuple[Index, Index, Index]:
    """Return the pooled levels of eight pixels of two screens, in three channels."""
    red = green = blue = np.uint64(0)
    for shift in range(ZERO, np.uint64(64), WORD):
        colour = np.uint64(table[(first >> shift & BYTE) | (second >> shift & BYTE) << WORD])
        red |= (colour & BYTE) << shift
        green |= (colour >> WORD & BYTE) << shift
        blue |= (colour >> np.uint64(16)) << shift
    return red, green, blue


@jit
def _find_changes_one_by_one(block: UInt64Array, desk: UInt64Array) -> tuple[Index, Index]:
    """List the rows of the first new screen that differ from the last one, and of the second that do from the first.

    Args:
        block (uint64[n]): a `Block`.
        desk (uint64[n]): a `Desk`; `rows` is written to.

    Returns:
        tuple[uint64, uint64]: how many rows of the first and of the second screen differ.
    """
    first, second, last = _image(desk, ZERO), _image(desk, ONE), _image(block, ONE)
    height, width = _side(desk, SCREENS, 2), _side(desk, SCREENS, 3)
    rows = _table(desk, ROWS, np.uint32)
    count_a = count_b = np.uint64(0)
    for i in range(height):
        difference_a = difference_b = np.uint64(0)
        for k in range(width):
            difference_a |= first[i, k] ^ last[i, k]
        for k in range(width):
            difference_b |= second[i, k] ^ first[i, k]
        rows[0, count_a] = i
        rows[1, count_b] = i
        count_a += np.uint64(difference_a != 0)
        count_b += np.uint64(difference_b != 0)
    return count_a, count_b


@jit
def _find_changes_of_pairs(block: UInt64Array, desk: UInt64Array) -> Index:
    """List the rows in which the two new screens differ from the last two.

    Args:
        block (uint64[n]): a `Block`.
        desk (uint64[n]): a `Desk`; `rows` is written to.

    Returns:
        uint64: how many rows.
    """
    first, second = _image(desk, ZERO), _image(desk, ONE)
    first_before, second_before = _image(block, ZERO), _image(block, ONE)
    is_alike, rows = _line(block, IS_ALIKE, np.uint8), _table(desk, ROWS, np.uint32)
    height, width = _side(desk, SCREENS, 2), _side(desk, SCREENS, 3)
    count = np.uint64(0)
    for i in range(height):
        difference = np.uint64(0)
        if is_alike[i]:
            for k in range(width):
                difference |= (second[i, k] ^ second_before[i, k]) | (second[i, k] ^ first[i, k])
        else:
            for k in range(width):
                difference |= (second[i, k] ^ second_before[i, k]) | (first[i, k] ^ first_before[i, k])
        rows[0, count] = i
        count += np.uint64(difference != 0)
    return count


@jit
def _keep(block: UInt64Array, desk: UInt64Array, which: Index, count: Index) -> None:
    """Bring the last two screens up to date in rows that differ.

    Args:
        block (uint64[n]): a `Block`; `images` and `is_alike` are written to.
        desk (uint64[n]): a `Desk`.
        which (uint64): which list of `rows` it is.
        count (uint64): how many rows it has.
    """
    first, second = _image(desk, ZERO), _image(desk, ONE)
    first_before, second_before = _image(block, ZERO), _image(block, ONE)
    is_alike, rows = _line(block, IS_ALIKE, np.uint8), _table(desk, ROWS, np.uint32)
    width = _side(desk, SCREENS, 3)
    for n in range(count):
        i = np.uint64(rows[which, n])
        distance = np.uint64(0)
        for k in range(width):
            second_before[i, k] = second[i, k]
            distance |= second[i, k] ^ first[i, k]
        is_alike[i] = distance == 0
        if distance:
            for k in range(width):
                first_before[i, k] = first[i, k]


@jit
def _gray_changes(
    block: UInt64Array, desk: UInt64Array, pairs: UInt16Array, which: Index, before: UInt64Array, count: Index
) -> None:
    """Bring the gray image up to date with a screen in the rows that differ.

    Args:
        block (uint64[n]): a `Block`; `images` is written to.
        desk (uint64[n]): a `Desk`.
        pairs (uint16[65536]): the gray levels of two colour indices.
        which (uint64): 0 for the first new screen, 1 for the second.
        before (uint64[H, W/8]): the screen of which the gray image is.
        count (uint64): how many rows differ.
    """
    screen, gray, rows = _image(desk, which), _image(block, POOLED), _table(desk, ROWS, np.uint32)
    width = _side(desk, SCREENS, 3)
    for n in range(count):
        i = np.uint64(rows[which, n])
        above = i - min(i, ONE)
        difference = np.uint64(i == 0)
        for k in range(width):
            difference |= screen[i, k] ^ screen[above, k]
        for k in range(width):
            if difference == 0:
                gray[i, k] = gray[above, k]
            elif screen[i, k] != before[i, k]:
                gray[i, k] = _look_up(screen[i, k], pairs)


@jit
def _pool_changes(block: UInt64Array, desk: UInt64Array, table: UInt32Array, count: Index) -> None:
    """Bring the pooled images up to date with the two new screens in the rows that differ.

    Args:
        block (uint64[n]): a `Block`; `images` is written to.
        desk (uint64[n]): a `Desk`.
        table (uint32[65536]): `palette.pool_table`.
        count (uint64): how many rows differ.
    """
    first, second = _image(desk, ZERO), _image(desk, ONE)
    first_before, second_before = _image(block, ZERO), _image(block, ONE)
    # Where there is one image, all three names are its.
    has_colour = _side(block, RESIZED, 1) > ONE
    reds = _image(block, POOLED)
    greens, blues = _image(block, POOLED + has_colour), _image(block, POOLED + TWO * has_colour)
    is_alike, rows = _line(block, IS_ALIKE, np.uint8), _table(desk, ROWS, np.uint32)
    width = _side(desk, SCREENS, 3)
    for n in range(count):
        i = np.uint64(rows[0, n])
        above = i - min(i, ONE)
        difference = np.uint64(i == 0)
        for k in range(width):
            difference |= (first[i, k] ^ first[above, k]) | (second[i, k] ^ second[above, k])
        for k in range(width):
            before = second_before[i, k] if is_alike[i] else first_before[i, k]
            if difference == 0:
                red, green, blue = reds[above, k], greens[above, k], blues[above, k]
            elif first[i, k] != before or second[i, k] != second_before[i, k]:
                red, green, blue = _look_up_pooled(first[i, k], second[i, k], table)
            else:
                continue
            if has_colour:
                greens[i, k] = green
                blues[i, k] = blue
            reds[i, k] = red


@jit
def _find_plane_rows(desk: UInt64Array, which: Index, count: Index) -> Index:
    """List the rows of a resized image that are made of rows that differ.

    Args:
        desk (uint64[n]): a `Desk`; `plane_rows` is written to.
        which (uint64): 0 for the rows of the first screen, 1 for those of the second.
        count (uint64): how many rows differ.

    Returns:
        uint64: how many rows of the resized image.
    """
    rows, cells = _table(desk, ROWS, np.uint32), _table(desk, CELLS, np.uint32)
    plane_rows = _line(desk, PLANE_ROWS, np.uint32)
    height = np.uint64(plane_rows.size)
    i = plane_count = np.uint64(0)
    for n in range(count):
        row = np.uint64(rows[which, n])
        while i < height and np.uint64(cells[i, 0]) + np.uint64(cells[i, 1]) <= row:
            i += ONE
        while i < height and np.uint64(cells[i, 0]) <= row:
            plane_rows[plane_count] = i
            plane_count += ONE
            i += ONE
    return plane_count


@jit
def _sum_rows(block: UInt64Array, desk: UInt64Array, channel: Index, count: Index) -> None:
    """Sum the cells of all rows of an image that its changed plane rows are made of.

    Not only of those that differ, with the sums of the others kept: these would be read from memory, at 448 bytes a
    row, where a row's pixels are 160.

    Args:
        block (uint64[n]): a `Block`.
        desk (uint64[n]): a `Desk`; `sums` is written to.
        channel (uint64): which of the images that are resized.
        count (uint64): how many plane rows there are.
    """
    plane_rows, cells = _line(desk, PLANE_ROWS, np.uint32), _table(desk, CELLS, np.uint32)
    factors, run_factors = _table(desk, COLUMN_FACTORS, np.float32), _line(desk, RUN_FACTORS, np.float32)
    sums, stride = _line(desk, SUMS, np.float32), _side(desk, SUMS, 3)
    words, pixels = _image(block, POOLED + channel), _pixels(block, POOLED + channel)
    height, width, run_num = _side(block, RESIZED, 2), _side(block, RESIZED, 3), _side(desk, RUN_FACTORS, 2)
    done = np.uint64(0)
    for n in range(count):
        cell = np.uint64(plane_rows[n])
        first = np.uint64(cells[cell, 0])
        end = first + np.uint64(cells[cell, 1])
        for i in range(max(first, done), end):
            place = i * stride
            # A row like the one above it has the same sums, if these are there.
            difference = np.uint64(i != done or i == 0)
            if difference == 0:
                for k in range(_side(desk, SCREENS, 3)):
                    difference |= words[i, k] ^ words[i - ONE, k]
            start = i * WORD * _side(desk, SCREENS, 3)
            done = i + ONE
            if difference == 0:
                for x in range(stride):
                    sums[place + x] = sums[place - stride + x]
            elif run_num:
                # The lanes beyond a run's end hold nonsense, which the next run overwrites.
                for run in range(run_num):
                    begin, column = np.uint64(cells[height + width + run, 0]), np.uint64(cells[height + width + run, 1])
                    _sum_lanes(pixels, start + column, run_factors, run * RUN_SIZE, sums, place + begin)
            else:
                for x in range(width):
                    column = start + np.uint64(cells[height + x, 0])
                    total = np.float32(pixels[column]) * factors[x, 0]
                    for k in range(ONE, np.uint64(cells[height + x, 1])):
                        total += np.float32(pixels[column + k]) * factors[x, k]
                    sums[place + x] = total


@jit
def _round_rows(block: UInt64Array, desk: UInt64Array, channel: Index, count: Index) -> None:
    """Bring a resized image, the means of the cells, up to date from the sums.

    Args:
        block (uint64[n]): a `Block`; `resized` is written to.
        desk (uint64[n]): a `Desk`.
        channel (uint64): which of the images that are resized.
        count (uint64): how many rows of the resized image `plane_rows` lists.
    """
    plane_rows, cells = _line(desk, PLANE_ROWS, np.uint32), _table(desk, CELLS, np.uint32)
    factors, rounding = _table(desk, ROW_FACTORS, np.float32), _line(desk, ROUNDING, np.float32)
    sums, stride = _line(desk, SUMS, np.float32), _side(desk, SUMS, 3)
    resized = _line(block, RESIZED, np.uint8)
    height, width, run_num = _side(block, RESIZED, 2), _side(block, RESIZED, 3), _side(desk, RUN_FACTORS, 2)
    for n in range(count):
        i = np.uint64(plane_rows[n])
        top, place = np.uint64(cells[i, 0]) * stride, (channel * height + i) * width
        if run_num:
            done = np.uint64(0)
            while done < width:
                left = min(done, width - STEP)
                _round_lanes(sums, top + left, stride, factors, i, resized, place + left)
                done += STEP
        else:
            for x in range(width):
                total = sums[top + x] * factors[i, 0]
                for k in range(ONE, np.uint64(cells[i, 1])):
                    total += sums[top + k * stride + x] * factors[i, k]
                resized[place + x] = np.uint8(np.rint(total * rounding[0] + rounding[1]))


@jit
def _gray_plane_rows(block: UInt64Array, desk: UInt64Array, count: Index) -> None:
    """Turn a resized image gray, where it changed.

    Args:
        block (uint64[n]): a `Block`; `resized_first` is written to.
        desk (uint64[n]): a `Desk`.
        count (uint64): how many rows of the resized image `plane_rows` lists.
    """
    plane_rows, luma = _line(desk, PLANE_ROWS, np.uint32), _line(desk, LUMA, np.float64)
    resized, plane = _line(block, RESIZED, np.uint8), _line(block, RESIZED_FIRST, np.uint8)
    width, size = _side(block, RESIZED, 3), np.uint64(plane.size)
    for n in range(count):
        place = np.uint64(plane_rows[n]) * width
        for x in range(place, place + width):
            red, green, blue = resized[x] * luma[0], resized[size + x] * luma[1], resized[TWO * size + x] * luma[2]
            plane[x] = np.uint8(red + green + blue + luma[3])


@jit
def _count(block: UInt64Array) -> np.uint64:
    """Count a plane, and return where in the ring it belongs.

    Counted here and not by the caller, because an exception of a signal handler can come between any two lines of
    Python.
    """
    count = _line(block, PLANE_COUNT, np.int64)
    place = np.uint64(count[0]) % _side(block, PLANES, 1) * _side(block, PLANES, 2) * _side(block, PLANES, 3)
    count[0] += 1
    return place


@jit
def _add_plane(block: UInt64Array, plane_a: UInt8Array, plane_b: UInt8Array) -> None:
    """Write the pixelwise maximum of two planes (uint8[h * w]) into the ring."""
    planes = _line(block, PLANES, np.uint8)
    place = _count(block)
    for i in range(np.uint64(plane_a.size)):
        planes[place + i] = max(plane_a[i], plane_b[i])


@jit
def _read(block: UInt64Array, desk: UInt64Array, out: UInt8Array, begin: Index) -> None:
    """Write the stack, the oldest plane first, to `out` (uint8[n]) from a place on."""
    planes, num = _line(block, PLANES, np.uint8), _side(block, PLANES, 1)
    size = _side(block, PLANES, 2) * _side(block, PLANES, 3)
    oldest = np.uint64(_line(block, PLANE_COUNT, np.int64)[0]) % num
    if _line(desk, LAYOUT, np.uint8)[0] == INTERLEAVED:
        first, second = oldest * size, (oldest + ONE) % num * size
        third, fourth = (oldest + TWO) % num * size, (oldest + TWO + ONE) % num * size
        for i in range(size):
            place = begin + np.uint64(4) * i
            out[place] = planes[first + i]
            out[place + ONE] = planes[second + i]
            out[place + TWO] = planes[third + i]
            out[place + TWO + ONE] = planes[fourth + i]
    else:
        older, newer = (num - oldest) * size, oldest * size
        for i in range(older):
            out[begin + i] = planes[newer + i]
        for i in range(newer):
            out[begin + older + i] = planes[i]


@jit
def read(block: UInt64Array, desk: UInt64Array, out: UInt8Array, begin: int) -> None:
    """Write the stack to a place, in one of `LAYOUTS` but the last.

    Args:
        block (uint64[n]): a `Block`, as `block.pack` packs it.
        desk (uint64[n]): a `Desk`, the same.
        out (uint8[n]): where to.
        begin (int): from which of its bytes on.
    """
    _read(block, desk, out, np.uint64(begin))


@jit
def push_after_resize(block: UInt64Array, desk: UInt64Array, pairs: UInt16Array, out: UInt8Array, begin: int) -> None:
    """Gray and area-resize two screens, and write the pixelwise maximum of the two into the ring; read the stack.

    Args:
        block (uint64[n]): a `Block`, as `block.pack` packs it.
        desk (uint64[n]): a `Desk`, the same.
        pairs (uint16[65536]): `palette.gray_pairs`.
        out (uint8[n]): where the stack is to be written to; not at all if it is empty.
        begin (int): from which of its bytes on.
    """
    before = _image(block, ONE)
    counts = _find_changes_one_by_one(block, desk)
    resized, resized_first = _line(block, RESIZED, np.uint8), _line(block, RESIZED_FIRST, np.uint8)
    # A loop, because a smaller kernel is sooner read after an emulator was in the processor's caches.
    for k in range(TWO):
        if k and counts[k]:
            for i in range(np.uint64(resized.size)):
                resized_first[i] = resized[i]
        if counts[k]:
            _gray_changes(block, desk, pairs, k, before, counts[k])
            plane_count = _find_plane_rows(desk, k, counts[k])
            _sum_rows(block, desk, ZERO, plane_count)
            _round_rows(block, desk, ZERO, plane_count)
        before = _image(desk, ZERO)
    is_alike = _line(block, IS_ALIKE, np.uint8)
    for i in range(np.uint64(is_alike.size)):
        is_alike[i] = 1
    for k in range(TWO):
        _keep(block, desk, k, counts[k])
    _add_plane(block, resized_first if counts[1] else resized, resized)
    if out.size:
        _read(block, desk, out, np.uint64(begin))


@jit
def push_before_resize(block: UInt64Array, desk: UInt64Array, table: UInt32Array, out: UInt8Array, begin: int) -> None:
    """Pool two screens, area-resize the result, turn it gray now or before or never, write it into the ring; read that.

    Args:
        block (uint64[n]): a `Block`, as `block.pack` packs it.
        desk (uint64[n]): a `Desk`, the same.
        table (uint32[65536]): `palette.pool_table`.
        out (uint8[n]): where the stack is to be written to; not at all if it is empty.
        begin (int): from which of its bytes on.
    """
    count = _find_changes_of_pairs(block, desk)
    plane_count = _find_plane_rows(desk, ZERO, count)
    channel_num, width = _side(block, RESIZED, 1), _side(block, RESIZED, 3)
    _pool_changes(block, desk, table, count)
    _keep(block, desk, ZERO, count)
    for channel in range(channel_num):
        _sum_rows(block, desk, channel, plane_count)
        _round_rows(block, desk, channel, plane_count)
    resized, plane = _line(block, RESIZED, np.uint8), _line(block, RESIZED_FIRST, np.uint8)
    if channel_num == ONE:
        _add_plane(block, resized, resized)
    elif _side(block, PLANES, 3) == width:
        _gray_plane_rows(block, desk, plane_count)
        _add_plane(block, plane, plane)
    else:
        planes, size = _line(block, PLANES, np.uint8), np.uint64(plane.size)
        place = _count(block)
        for i in range(size):
            for channel in range(channel_num):
                planes[place + channel_num * i + channel] = resized[channel * size + i]
    if out.size:
        _read(block, desk, out, np.uint64(begin))
