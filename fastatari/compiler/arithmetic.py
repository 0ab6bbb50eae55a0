"""Arithmetic on integers of 64 bits: known ones are computed here, others where the program runs."""

import ast
from collections.abc import Callable
from typing import Any

from llvmlite import ir

from fastatari.compiler.functions import I1, I64
from fastatari.compiler.values import Value, constant, wrapped

SYMBOLS: dict[type[ast.AST], str] = {
    ast.Add: "+",
    ast.Sub: "-",
    ast.Mult: "*",
    ast.BitAnd: "&",
    ast.BitOr: "|",
    ast.BitXor: "^",
    ast.LShift: "<<",
    ast.RShift: ">>",
    ast.FloorDiv: "//",
    ast.Mod: "%",
    ast.Div: "/",
    ast.Pow: "**",
    ast.MatMult: "@",
    ast.Eq: "==",
    ast.NotEq: "!=",
    ast.Lt: "<",
    ast.LtE: "<=",
    ast.Gt: ">",
    ast.GtE: ">=",
    ast.In: "in",
    ast.NotIn: "not in",
    ast.Is: "is",
    ast.IsNot: "is not",
}
BINARY = "+ - * & | ^ << >> // %"
COMPARISONS = "== != < <= > >="

_KNOWN: dict[str, Callable[[int, int], Any]] = {
    "+": lambda a, b: a + b,
    "-": lambda a, b: a - b,
    "*": lambda a, b: a * b,
    "&": lambda a, b: a & b,
    "|": lambda a, b: a | b,
    "^": lambda a, b: a ^ b,
    "==": lambda a, b: a == b,
    "!=": lambda a, b: a != b,
    "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b,
    ">": lambda a, b: a > b,
    ">=": lambda a, b: a >= b,
}
_METHODS = {"+": "add", "-": "sub", "*": "mul", "&": "and_", "|": "or_", "^": "xor"}


class Refused(Exception):
    """An operation that the language has not; its text says why."""


def binary(builder: ir.IRBuilder, operator: ast.operator, a: Value, b: Value) -> Value:
    """`a operator b` of two integers.

    Args:
        builder: Where to write instructions.
        operator: Python's.
        a: An int, or a value of type i64.
        b: The same.

    Raises:
        Refused: The operator is not in the language, or its right side is not as it must be.
    """
    symbol = SYMBOLS[type(operator)]
    if symbol in _METHODS:
        if type(a) is int and type(b) is int:
            return wrapped(_KNOWN[symbol](a, b))
        if b == 0 and type(b) is int and symbol in "+-|^":
            return a
        return getattr(builder, _METHODS[symbol])(_i64(a), _i64(b))
    if symbol in ("<<", ">>"):
        return _shift(builder, symbol, a, b)
    if symbol in ("//", "%"):
        return _divide(builder, symbol, a, b)
    raise Refused(f"operator `{symbol}` is not part of the compiled language; operators are: {BINARY}")


def compare(builder: ir.IRBuilder, operator: ast.cmpop, a: Value, b: Value) -> Value:
    """`a operator b` of two integers: 0 or 1 where it is known, else an i1.

    Raises:
        Refused: The operator is not in the language.
    """
    symbol = SYMBOLS[type(operator)]
    if symbol not in _KNOWN:
        raise Refused(f"operator `{symbol}` is not part of the compiled language; comparisons are: {COMPARISONS}")
    if type(a) is int and type(b) is int:
        return int(_KNOWN[symbol](a, b))
    return builder.icmp_signed(symbol, _i64(a), _i64(b))


def negative(builder: ir.IRBuilder, a: Value) -> Value:
    """`-a`."""
    return wrapped(-a) if type(a) is int else builder.sub(constant(0), a)


def inverted(builder: ir.IRBuilder, a: Value) -> Value:
    """`~a`."""
    return ~a if type(a) is int else builder.xor(a, constant(-1))


def absolute(builder: ir.IRBuilder, a: Value) -> Value:
    """`abs(a)`."""
    if type(a) is int:
        return wrapped(abs(a))
    type_ = ir.FunctionType(I64, [I64, I1])
    return builder.call(builder.module.declare_intrinsic("llvm.abs", [I64], type_), [a, ir.Constant(I1, 0)])


def extreme(builder: ir.IRBuilder, name: str, a: Value, b: Value) -> Value:
    """`min(a, b)` or `max(a, b)`."""
    if type(a) is int and type(b) is int:
        return min(a, b) if name == "min" else max(a, b)
    type_ = ir.FunctionType(I64, [I64, I64])
    return builder.call(builder.module.declare_intrinsic(f"llvm.s{name}", [I64], type_), [_i64(a), _i64(b)])


def _i64(value: Value) -> ir.Value:
    return ir.Constant(I64, value) if type(value) is int else value


def _shift(builder: ir.IRBuilder, symbol: str, a: Value, count: Value) -> Value:
    if type(count) is int:
        if not 0 <= count <= 63:
            raise Refused(f"the count of `{symbol}` is {count}; allowed are 0 to 63")
        if type(a) is int:
            return wrapped(a << count) if symbol == "<<" else a >> count
        if count == 0:
            return a
    else:
        count = builder.and_(count, constant(63))
    return (builder.shl if symbol == "<<" else builder.ashr)(_i64(a), _i64(count))


def _divide(builder: ir.IRBuilder, symbol: str, a: Value, divisor: Value) -> Value:
    """Rounded down, as in Python; LLVM's division rounds to zero."""
    if type(divisor) is not int or divisor <= 0:
        what = divisor if type(divisor) is int else "not known when compiled"
        raise Refused(f"the right side of `{symbol}` is {what}; allowed is a constant of at least 1")
    if type(a) is int:
        return a // divisor if symbol == "//" else a % divisor
    power = divisor.bit_length() - 1
    if divisor == 1 << power:
        if symbol == "%":
            return builder.and_(a, constant(divisor - 1))
        return builder.ashr(a, constant(power)) if power else a
    rest = builder.srem(a, constant(divisor))
    below = builder.ashr(rest, constant(63))  # -1 where the rest is below zero, else 0
    if symbol == "//":
        return builder.add(builder.sdiv(a, constant(divisor)), below)
    return builder.add(rest, builder.and_(below, constant(divisor)))
