"""Operations that the kernels have in LLVM's own terms: arrays over addresses, and eight pixels at once.

LLVM does not vectorise loops as short as those over three or four pixels. Each operation has a twin in plain Python,
which runs where numba compiles nothing (NUMBA_DISABLE_JIT). Those on eight pixels are compiled from it where numba is
to check bounds (NUMBA_BOUNDSCHECK), because they check none.
"""

import ctypes
import functools
import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
from llvmlite import ir
from numba.core import cgutils, types

from fastatari.preprocessing.jit import emitted, emitted_unchecked
from fastatari.preprocessing.layout import COLUMN_TAPS, LANES, ROW_TAPS

UInt8Array = npt.NDArray[np.uint8]
Float32Array = npt.NDArray[np.float32]

Index = int | np.uint64


def _make_view(context: Any, builder: Any, kind: Any, data: Any, sides: list[Any]) -> Any:
    """Return an array (kind) over memory that it neither owns nor keeps."""
    view = context.make_array(kind)(context, builder)
    size = context.get_constant(types.intp, context.get_abi_sizeof(context.get_data_type(kind.dtype)))
    strides = [size]
    for side in reversed(sides):
        strides.insert(0, builder.mul(strides[0], side))
    view.data, view.itemsize = data, size
    view.nitems = functools.reduce(builder.mul, sides)
    view.shape = cgutils.pack_array(builder, sides)  # type: ignore[no-untyped-call]
    view.strides = cgutils.pack_array(builder, strides[1:])  # type: ignore[no-untyped-call]
    for owner in ("meminfo", "parent"):
        setattr(view, owner, ir.Constant(getattr(view, owner).type, None))
    return view._getvalue()


def _emit_view(_: Any, address: Any, shape: Any, dtype: Any) -> tuple[Any, Any]:
    # Not aligned: a row of an odd number of pixels begins anywhere.
    kind = types.Array(dtype.dtype, len(shape), "C", aligned=False)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        data = builder.inttoptr(arguments[0], context.get_data_type(kind.dtype).as_pointer())
        sides = cgutils.unpack_tuple(builder, arguments[1])  # type: ignore[no-untyped-call]
        return _make_view(context, builder, kind, data, sides)

    return kind(address, shape, dtype), generate


@emitted(_emit_view)
def view(address: Index, shape: tuple[Index, ...], dtype: Any) -> Any:
    """Return an array of a shape over the memory at an address."""
    size = math.prod(map(int, shape)) * np.dtype(dtype).itemsize
    return np.frombuffer((ctypes.c_char * size).from_address(int(address)), dtype).reshape(shape)


def _emit_row(_: Any, matrix: Any, index: Any) -> tuple[Any, Any]:
    kind = types.Array(matrix.dtype, 1, "C", aligned=False)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        rows = context.make_array(matrix)(context, builder, arguments[0])
        row_num, length = cgutils.unpack_tuple(builder, rows.shape)  # type: ignore[no-untyped-call]
        place = context.cast(builder, arguments[1], signature.args[1], types.intp)
        if context.enable_boundscheck:
            cgutils.do_boundscheck(context, builder, place, row_num, 0)  # type: ignore[no-untyped-call]
        data = builder.gep(rows.data, [builder.mul(place, length)])
        return _make_view(context, builder, kind, data, [length])

    return kind(matrix, index), generate


@emitted(_emit_row)
def row(matrix: npt.NDArray[Any], index: Index) -> Any:
    """Return a row of an array of two axes, which nobody counts references to, as numba does of its own."""
    return matrix[index]


def _emit_words(_: Any, levels: Any) -> tuple[Any, Any]:
    kind = types.Array(types.uint64, 1, "C", aligned=False)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        array = context.make_array(levels)(context, builder, arguments[0])
        data = builder.bitcast(array.data, context.get_data_type(kind.dtype).as_pointer())
        return _make_view(context, builder, kind, data, [builder.lshr(array.nitems, array.nitems.type(3))])

    return kind(levels), generate


@emitted(_emit_words)
def words(levels: UInt8Array) -> npt.NDArray[np.uint64]:
    """Return a view of bytes as words of eight; of no words for the last ones, if these are less than eight."""
    return levels[: levels.size // 8 * 8].view(np.uint64)


class _Emitter:
    """The part of LLVM's language in which the operations on eight pixels are written."""

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
        """Return a float eight times."""
        single = self.builder.insert_element(ir.Constant(self.floats, ir.Undefined), value, ir.IntType(32)(0))
        return self.builder.shuffle_vector(single, single, ir.Constant(self.integers, [0] * LANES))

    def _pointer(self, array: int, index: Any, kind: Any) -> Any:
        return self.builder.bitcast(self.builder.gep(self._arrays[array].data, [index]), kind.as_pointer())


def _emit_sum_lanes(_: Any, levels: Any, start: Any, factors: Any, sums: Any, place: Any) -> tuple[Any, Any]:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        _, start, _, _, place = arguments
        emitter = _Emitter(context, builder, signature, arguments)
        # Two pixels to a short: the lower and the upper byte.
        low, eight = (ir.Constant(emitter.shorts, [number] * LANES) for number in (255, 8))
        pairs = emitter.load(0, start, emitter.shorts)
        beyond = emitter.load(0, builder.add(start, start.type(2)), emitter.shorts)
        taps = builder.and_(pairs, low), builder.lshr(pairs, eight), builder.and_(beyond, low)
        values = (builder.uitofp(builder.zext(tap, emitter.integers), emitter.floats) for tap in taps)
        weights = (emitter.load(2, start.type(k * LANES), emitter.floats) for k in range(COLUMN_TAPS))
        emitter.store(emitter.weigh(zip(values, weights, strict=True)), 3, place)
        return context.get_dummy_value()

    return types.void(levels, start, factors, sums, place), generate


@emitted_unchecked(_emit_sum_lanes)
def sum_lanes(levels: UInt8Array, start: Index, factors: Float32Array, sums: Float32Array, place: Index) -> None:
    """Write eight sums of three pixels each, the first of which are two apart.

    Args:
        levels (uint8[n]): gray levels, of which 18 are read.
        start (uint64): where they start.
        factors (float32[24]): the factors of all first, all second and all third pixels.
        sums (float32[n]): where the sums are written to.
        place (uint64): where in it.
    """
    for lane in range(np.uint64(LANES)):
        pixel = start + np.uint64(2) * lane
        total = np.float32(levels[pixel]) * factors[lane]
        for k in range(np.uint64(1), np.uint64(COLUMN_TAPS)):
            total += np.float32(levels[pixel + k]) * factors[k * np.uint64(LANES) + lane]
        sums[place + lane] = total


def _emit_round_lanes(_: Any, sums: Any, top: Any, factors: Any, resized: Any, place: Any) -> tuple[Any, Any]:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        _, top, _, _, place = arguments
        emitter = _Emitter(context, builder, signature, arguments)
        length = emitter.stride(0)
        starts = (builder.mul(builder.add(top, top.type(k)), length) for k in range(ROW_TAPS))
        values = (emitter.load(0, builder.add(start, place), emitter.floats) for start in starts)
        weights = (emitter.spread(emitter.load(2, top.type(k), ir.FloatType())) for k in range(ROW_TAPS))
        mean = emitter.weigh(zip(values, weights, strict=True))
        # The sum with 2**23 has no place for a fraction: it is rounded half to even, as everywhere in IEEE 754, and the
        # last eight bits are the gray level.
        magic = ir.Constant(emitter.floats, [float(2**23)] * LANES)
        rounded = builder.bitcast(builder.fadd(mean, magic), emitter.integers)
        emitter.store(builder.trunc(rounded, emitter.chars), 3, place)
        return context.get_dummy_value()

    return types.void(sums, top, factors, resized, place), generate


@emitted_unchecked(_emit_round_lanes)
def round_lanes(sums: Float32Array, top: Index, factors: Float32Array, resized: UInt8Array, place: Index) -> None:
    """Write eight gray levels, the means of sums of four rows.

    Args:
        sums (float32[m, n]): the sums.
        top (uint64): the first of the rows.
        factors (float32[4]): the factors of the rows.
        resized (uint8[w]): where the gray levels are written to.
        place (uint64): where in it, and where in the rows of `sums`.
    """
    for x in range(place, place + np.uint64(LANES)):
        total = sums[top, x] * factors[0]
        for k in range(np.uint64(1), np.uint64(ROW_TAPS)):
            total += sums[top + k, x] * factors[k]
        resized[x] = np.uint8(np.rint(total))
