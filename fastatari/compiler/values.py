"""What a name or an expression can stand for while a function is compiled, and constants made of Python's objects.

An integer is a Python int where it is known, else an LLVM value of type i64 (i1 straight out of a comparison). All else
is one of the classes here.
"""

import enum
from types import FunctionType, ModuleType
from typing import Any

import numpy as np
from llvmlite import ir

from fastatari.compiler import memory
from fastatari.compiler.functions import I64, Signature

Value = Any


class Reference:
    """A structure or an array in memory, or what a pointer points to.

    Attributes:
        kind: The ctypes type: a structure, an array, or a pointer type (then `base` is the pointer's value).
        base: An LLVM pointer.
        offset: Bytes to add to it; 0 for a pointer.
        of_field: Whether it is the value of a pointer field: in CPython it then shows what the field holds later.
    """

    __slots__ = ("base", "kind", "of_field", "offset")

    def __init__(self, kind: Any, base: ir.Value, offset: int = 0, of_field: bool = False) -> None:
        self.kind = kind
        self.base = base
        self.offset = offset
        self.of_field = of_field


class Callee:
    """A function that is only known when the program runs: out of a table.

    It has what llvmlite's call instruction asks of a function, so that no typed pointers get into the text.
    """

    __slots__ = ("pointer", "signature")

    def __init__(self, pointer: ir.Value, signature: Signature) -> None:
        self.pointer = pointer
        self.signature = signature

    @property
    def function_type(self) -> ir.FunctionType:
        """LLVM's type of the function."""
        return self.signature.type

    @property
    def type(self) -> ir.Type:
        """LLVM's type of the pointer."""
        return self.pointer.type

    def get_reference(self) -> str:
        """The pointer as text."""
        return str(self.pointer.get_reference())


class Known:
    """An object of Python: a function, module, class, or table."""

    __slots__ = ("object",)

    def __init__(self, object: Any) -> None:
        self.object = object


class Unclear:
    """What a name stands for where it depends on the way there; reading it is refused."""

    __slots__ = ("why",)

    def __init__(self, why: str) -> None:
        self.why = why


class Nothing:
    """The result of a function that returns None."""


NOTHING = Nothing()


def is_integer(value: Value) -> bool:
    """Whether it is an integer, known or not."""
    return type(value) is int or isinstance(value, ir.Value)


def wrapped(value: int) -> int:
    """The integer as 64 bits with sign hold it."""
    return ((value + (1 << 63)) & ((1 << 64) - 1)) - (1 << 63)


def constant(value: int) -> ir.Constant:
    """An i64."""
    return ir.Constant(I64, value)


def same(a: Value, b: Value) -> bool:
    """Whether two values are surely one."""
    if a is b:
        return True
    if type(a) is not type(b):
        return False
    if type(a) is int:
        return bool(a == b)
    if isinstance(a, Reference):
        return a.kind is b.kind and a.base is b.base and a.offset == b.offset and a.of_field == b.of_field
    return isinstance(a, Known) and a.object is b.object


def words(value: Value) -> str:
    """What it is, for a message."""
    if is_integer(value):
        return "an integer"
    if isinstance(value, Reference):
        return memory.a_kind(value.kind)
    if isinstance(value, Callee):
        return f"a function {value.signature}"
    if isinstance(value, Nothing):
        return "nothing (the function returns None)"
    return str(value.why) if isinstance(value, Unclear) else _object_words(value.object)


def _object_words(found: Any) -> str:
    """What an object of Python is, for a message."""
    if isinstance(found, FunctionType):
        return f"the function `{found.__name__}`"
    if isinstance(found, type):
        return f"the class `{found.__name__}`"
    if isinstance(found, ModuleType):
        return f"the module `{found.__name__}`"
    return f"a {type(found).__name__}"


def python_integer(found: Any) -> int | None:
    """The integer that an object of Python is (int, bool, IntEnum, numpy's integers and bools), or None."""
    if isinstance(found, int | np.integer | np.bool_):
        return int(found)
    return None


def has_attributes(found: Any) -> bool:
    """Whether attributes of this object are constants for the compiler."""
    return isinstance(found, ModuleType | type | enum.Enum)


class Table:
    """A constant array of integers in the module.

    Attributes:
        variable: The LLVM array.
        element: LLVM's type of an element, the smallest that holds all of them.
        signed: Whether an element is read with sign.
    """

    __slots__ = ("element", "signed", "size", "variable")

    def __init__(self, variable: ir.GlobalVariable, element: ir.IntType, signed: bool) -> None:
        self.variable = variable
        self.element = element
        self.signed = signed
        self.size = element.width // 8


def table_format(low: int, high: int) -> tuple[int, bool] | None:
    """The fewest bits, and the signedness, that hold all from `low` to `high`; None if 64 bits with sign do not."""
    for bits in (8, 16, 32):
        if low >= 0 and high < 1 << bits:
            return bits, False
        if low >= -(1 << bits - 1) and high < 1 << bits - 1:
            return bits, True
    return (64, True) if low >= -(1 << 63) and high < 1 << 63 else None
