"""Operations that the compiled language has no words for: atomic ones, calls by address, and floats at its borders.

Under CPython each has a plain body, which is right in a program of one thread.
"""

import ctypes
import struct
from typing import Any

from llvmlite import ir

from fastatari.compiler.functions import I64, PTR, intrinsic
from fastatari.compiler.memory import Pointer64, pointer

_DOUBLE = ir.DoubleType()
_ORDER = "seq_cst"


def _to_pointer(builder: ir.IRBuilder, value: ir.Value) -> ir.Value:
    return builder.inttoptr(value, ir.PointerType(I64))  # llvmlite asks pointers of atomic operations for their type


def _emit_atomic_load(builder: ir.IRBuilder, args: list[ir.Value]) -> ir.Value:
    return builder.load_atomic(_to_pointer(builder, args[0]), _ORDER, 8)


@intrinsic(_emit_atomic_load)
def atomic_load(place: int) -> int:
    """Return the int64 at an address, which other threads may write to."""
    return pointer(Pointer64, place)[0]


def _emit_atomic_store(builder: ir.IRBuilder, args: list[ir.Value]) -> None:
    builder.store_atomic(args[1], _to_pointer(builder, args[0]), _ORDER, 8)


@intrinsic(_emit_atomic_store)
def atomic_store(place: int, value: int) -> None:
    """Write an int64 that other threads may read; they then see all that was written before."""
    pointer(Pointer64, place)[0] = value


def _emit_atomic_add(builder: ir.IRBuilder, args: list[ir.Value]) -> ir.Value:
    return builder.atomic_rmw("add", _to_pointer(builder, args[0]), args[1], _ORDER)


@intrinsic(_emit_atomic_add)
def atomic_add(place: int, value: int) -> int:
    """Add to the int64 at an address, and return what it was."""
    words = pointer(Pointer64, place)
    old = words[0]
    words[0] = old + value
    return old


def _emit_atomic_exchange(builder: ir.IRBuilder, args: list[ir.Value]) -> ir.Value:
    return builder.atomic_rmw("xchg", _to_pointer(builder, args[0]), args[1], _ORDER)


@intrinsic(_emit_atomic_exchange)
def atomic_exchange(place: int, value: int) -> int:
    """Write an int64, and return what it was."""
    words = pointer(Pointer64, place)
    old = words[0]
    words[0] = value
    return old


def _emit_atomic_replace(builder: ir.IRBuilder, args: list[ir.Value]) -> ir.Value:
    place, old, new = args
    result = builder.cmpxchg(_to_pointer(builder, place), old, new, _ORDER, _ORDER)
    return builder.zext(builder.extract_value(result, 1), I64)


@intrinsic(_emit_atomic_replace)
def atomic_replace(place: int, old: int, new: int) -> int:
    """Write an int64 if it is `old`, and return whether it was."""
    words = pointer(Pointer64, place)
    is_old = int(words[0] == old)
    if is_old:
        words[0] = new
    return is_old


def _emit_pause(builder: ir.IRBuilder, args: list[ir.Value]) -> None:
    # An empty statement that LLVM may not remove; what processors have for it differs, and is not needed.
    kind = ir.FunctionType(ir.VoidType(), [])
    builder.asm(kind, "", "~{memory}", [], side_effect=True)


@intrinsic(_emit_pause)
def pause() -> None:
    """Let a loop that waits read memory anew."""


def _emit_call(builder: ir.IRBuilder, args: list[ir.Value]) -> ir.Value:
    function, *arguments = args
    kind = ir.FunctionType(I64, [I64] * len(arguments))
    return builder.call(builder.inttoptr(function, ir.PointerType(kind)), arguments)


def _call(function: int, *arguments: int) -> int:
    prototype: Any = ctypes.CFUNCTYPE(ctypes.c_int64, *[ctypes.c_int64] * len(arguments))
    result: int = prototype(function)(*arguments)
    return result


@intrinsic(_emit_call)
def call_1(function: int, a: int) -> int:
    """Call a C function of one int64 by its address."""
    return _call(function, a)


@intrinsic(_emit_call)
def call_2(function: int, a: int, b: int) -> int:
    """Call a C function of two int64."""
    return _call(function, a, b)


@intrinsic(_emit_call)
def call_3(function: int, a: int, b: int, c: int) -> int:
    """Call a C function of three int64."""
    return _call(function, a, b, c)


@intrinsic(_emit_call)
def call_4(function: int, a: int, b: int, c: int, d: int) -> int:
    """Call a C function of four int64."""
    return _call(function, a, b, c, d)


@intrinsic(_emit_call)
def call_5(function: int, a: int, b: int, c: int, d: int, e: int) -> int:
    """Call a C function of five int64."""
    return _call(function, a, b, c, d, e)


@intrinsic(_emit_call)
def call_9(function: int, a: int, b: int, c: int, d: int, e: int, f: int, g: int, h: int, i: int) -> int:
    """Call a C function of nine int64."""
    return _call(function, a, b, c, d, e, f, g, h, i)


def _emit_draw_below(builder: ir.IRBuilder, args: list[ir.Value]) -> ir.Value:
    function, state, bits = args
    kind = ir.FunctionType(_DOUBLE, [I64])
    number = builder.call(builder.inttoptr(function, ir.PointerType(kind)), [state])
    return builder.zext(builder.fcmp_ordered("<", number, builder.bitcast(bits, _DOUBLE)), I64)


@intrinsic(_emit_draw_below)
def draw_below(function: int, state: int, bits: int) -> int:
    """Call a C function that draws a double, and return whether that is below the double of some bits."""
    draw: Any = ctypes.CFUNCTYPE(ctypes.c_double, ctypes.c_int64)(function)
    return int(draw(state) < struct.unpack("<d", struct.pack("<q", bits))[0])


def _emit_draw_word(builder: ir.IRBuilder, args: list[ir.Value]) -> ir.Value:
    function, state = args
    kind = ir.FunctionType(ir.IntType(32), [I64])
    return builder.zext(builder.call(builder.inttoptr(function, ir.PointerType(kind)), [state]), I64)


@intrinsic(_emit_draw_word)
def draw_word(function: int, state: int) -> int:
    """Call a C function that draws a word of 32 bits."""
    draw: Any = ctypes.CFUNCTYPE(ctypes.c_uint32, ctypes.c_int64)(function)
    return int(draw(state))


def _emit_store_double(builder: ir.IRBuilder, args: list[ir.Value]) -> None:
    builder.store(builder.sitofp(args[1], _DOUBLE), builder.inttoptr(args[0], PTR), align=8)


@intrinsic(_emit_store_double)
def store_double(place: int, value: int) -> None:
    """Write an integer to an address, as a double."""
    ctypes.c_double.from_address(place).value = value
