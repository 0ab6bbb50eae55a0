"""Names, fields, subscripts and tables of the compiled language: what expressions read and assignments write."""

import ast
from types import FunctionType
from typing import TYPE_CHECKING, Any

import numpy as np
from llvmlite import ir

from fastatari.compiler import arithmetic, memory
from fastatari.compiler.flow import Flow
from fastatari.compiler.functions import I8, I64, PTR
from fastatari.compiler.source import Source, text_of
from fastatari.compiler.values import (
    Callee,
    Known,
    Reference,
    Unclear,
    Value,
    constant,
    has_attributes,
    python_integer,
    words,
)

if TYPE_CHECKING:
    from fastatari.compiler.language import Module

EXPRESSIONS = (
    "integers, True and False, names, constants, fields, subscripts, the operators + - * & | ^ ~ << >> // %, "
    "comparisons, `and`, `or`, `not`, `x if c else y`, and calls of functions, min, max, abs and int"
)
_METHODS: dict[type[ast.expr], str] = {
    ast.Constant: "constant",
    ast.Name: "name",
    ast.Attribute: "attribute",
    ast.Subscript: "subscript",
    ast.BinOp: "binary",
    ast.UnaryOp: "unary",
    ast.BoolOp: "logical",
    ast.Compare: "compare",
    ast.IfExp: "if_expression",
    ast.Call: "call",
}


class Accesses(Flow):
    """What expressions read, in one function; the rest of the expressions is in derived classes.

    Args:
        module: Where functions and tables are found.
        source: The function in Python.
        function: The function in LLVM, without a body.
    """

    def __init__(self, module: "Module", source: Source, function: ir.Function) -> None:
        super().__init__(source, function)
        self.module = module

    def value(self, node: ast.expr) -> Value:
        """What an expression stands for; instructions for it are written."""
        method = _METHODS.get(type(node))
        if method is None:
            self.refuse(node, f"{text_of(node)} is not part of the compiled language; expressions are: {EXPRESSIONS}")
        value = getattr(self, method)(node)
        if isinstance(value, Unclear):
            self.refuse(node, f"{text_of(node)} is {value.why}; allowed is one thing only")
        return value

    def integer(self, node: ast.expr) -> Value:
        """An expression that must be an integer: an int, or an i64."""
        value = self.value(node)
        if type(value) is int:
            return value
        if not isinstance(value, ir.Value):
            self.refuse(node, f"{text_of(node)} is {words(value)} where an integer is needed")
        return value if value.type == I64 else self.builder.zext(value, I64)

    def constant(self, node: ast.Constant) -> Value:
        """A number, True or False."""
        if not isinstance(node.value, int):
            self.refuse(node, f"{text_of(node)} is not part of the compiled language; constants are integers and bools")
        return self.checked(node, int(node.value))

    def checked(self, node: ast.expr, number: int) -> int:
        """The number, if 64 bits with sign hold it."""
        if not -(1 << 63) <= number < 1 << 63:
            self.refuse(node, f"{text_of(node)} is {number}; allowed are integers of 64 bits with sign")
        return number

    def name(self, node: ast.Name) -> Value:
        """A name: of the function, of those around it, of its module, or of Python."""
        assert self.names is not None
        value = self.names.get(node.id)
        if value is not None:
            return value
        if node.id in self.source.locals:
            self.refuse(node, f"`{node.id}` may not be assigned yet here")
        return self.known(node, self.source.lookup(node, node.id))

    def known(self, node: ast.expr, found: Any) -> Value:
        """An object of Python as a value."""
        number = python_integer(found)
        return Known(found) if number is None else self.checked(node, number)

    def attribute(self, node: ast.Attribute) -> Value:
        """A field, or a constant of a module or class."""
        base = self.value(node.value)
        if isinstance(base, Known):
            if not has_attributes(base.object):
                self.refuse(
                    node,
                    f"{text_of(node.value)} is {words(base)}; attributes are read of structures, modules and classes",
                )
            try:
                return self.known(node, getattr(base.object, node.attr))
            except AttributeError:
                self.refuse(node, f"{text_of(node.value)} is {words(base)}, which has no attribute `{node.attr}`")
        return self.load(*self.field(node, base))

    def field(self, node: ast.Attribute, base: Value) -> tuple[Any, ir.Value, int]:
        """Type, pointer and offset of a field of a structure."""
        if isinstance(base, Reference):
            if memory.is_structure(base.kind):
                kind, offset = self.module.field(self, node, base.kind)
                return kind, base.base, base.offset + offset
            if memory.is_pointer(base.kind) and node.attr == "contents" and memory.is_structure(base.kind._type_):
                return base.kind._type_, base.base, 0
        return self.refuse(node, f"{text_of(node.value)} is {words(base)}, which has no field `{node.attr}`")

    def load(self, kind: Any, base: ir.Value, offset: int = 0) -> Value:
        """What memory of a ctypes type holds: integers and pointers are read, the rest is referred to."""
        format = self.module.format(kind)
        if format is not None:
            type_, signed, size = format
            value = self.builder.load(self.address_of(base, offset), align=size, typ=type_)
            return value if type_ is I64 else (self.builder.sext if signed else self.builder.zext)(value, I64)
        if memory.is_pointer(kind):
            value = self.builder.load(self.address_of(base, offset), align=memory.POINTER_SIZE, typ=PTR)
            return Reference(kind, value, 0, True)
        return Reference(kind, base, offset)

    def address_of(self, base: ir.Value, offset: int) -> ir.Value:
        """A pointer so many bytes further."""
        if offset == 0:
            return base
        return self.builder.gep(base, [constant(offset)], inbounds=True, source_etype=I8)

    def subscript(self, node: ast.Subscript) -> Value:
        """An element of an array field, of what a pointer points to, or of a table."""
        base = self.value(node.value)
        if isinstance(base, Known):
            return self.table_element(node, base.object)
        return self.load(*self.element(node, base))

    def element(self, node: ast.Subscript, base: Value) -> tuple[Any, ir.Value, int]:
        """Type, pointer and offset of an element in memory."""
        if not (isinstance(base, Reference) and (memory.is_array(base.kind) or memory.is_pointer(base.kind))):
            self.refuse(
                node,
                f"{text_of(node.value)} is {words(base)}; subscripts are read of arrays, pointers and tables",
            )
        kind = base.kind._type_
        index = self.integer(node.slice)
        size = memory.sizeof(kind)
        if type(index) is int:
            if memory.is_array(base.kind):
                self.in_range(node, index, base.kind._length_)
            return kind, base.base, base.offset + index * size
        format = self.module.format(kind)
        type_ = ir.ArrayType(I8, size) if format is None else format[0]
        start = self.address_of(base.base, base.offset)
        return kind, self.builder.gep(start, [index], inbounds=True, source_etype=type_), 0

    def in_range(self, node: ast.expr, index: int, length: int) -> None:
        """Refuse a known index that is outside."""
        if not 0 <= index < length:
            self.refuse(node, f"index {index} of {text_of(node)} is outside; allowed are 0 to {length - 1}")

    def table_element(self, node: ast.Subscript, found: Any) -> Value:
        """An element of a constant tuple, list or array of numpy."""
        if not _is_table(found):
            self.refuse(
                node, f"{text_of(node.value)} is {words(Known(found))}; tables are tuples, lists and arrays of numpy"
            )
        shape: tuple[int, ...] = found.shape if isinstance(found, np.ndarray) else (len(found),)
        parts = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
        if len(parts) != len(shape) or len(shape) not in (1, 2):
            self.refuse(
                node,
                f"{text_of(node)} has {len(parts)} indices for {len(shape)} dimensions; allowed are 1 of 1 and 2 of 2",
            )
        indices = [self.integer(part) for part in parts]
        for index, length in zip(indices, shape, strict=True):
            if type(index) is int:
                self.in_range(node, index, length)
        if all(type(index) is int for index in indices):
            return self.known(node, found[tuple(indices) if isinstance(found, np.ndarray) else indices[0]])
        index = indices[0]
        if len(indices) == 2:
            row = arithmetic.binary(self.builder, ast.Mult(), index, shape[1])
            index = arithmetic.binary(self.builder, ast.Add(), row, indices[1])
        if len(found) and isinstance(found[0], FunctionType):
            variable, signature = self.module.function_table(self, node, found)
            place = self.builder.gep(variable, [index], inbounds=True, source_etype=PTR)
            pointer = self.builder.load(place, align=memory.POINTER_SIZE, typ=PTR)
            return Callee(pointer, signature)
        table = self.module.table(self, node, found)
        place = self.builder.gep(table.variable, [self.i64(index)], inbounds=True, source_etype=table.element)
        value = self.builder.load(place, align=table.size, typ=table.element)
        if table.element.width == 64:
            return value
        return (self.builder.sext if table.signed else self.builder.zext)(value, I64)


def _is_table(found: Any) -> bool:
    return isinstance(found, tuple | list | np.ndarray)
