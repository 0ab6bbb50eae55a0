"""Calls of the compiled language: functions, intrinsics, and the few builtins."""

import ast
from types import FunctionType
from typing import Any

from llvmlite import ir

from fastatari.compiler import arithmetic, memory
from fastatari.compiler.flow import kind_words
from fastatari.compiler.functions import I1, I64, PTR, Signature, marked
from fastatari.compiler.operators import Operators
from fastatari.compiler.source import text_of
from fastatari.compiler.values import NOTHING, Callee, Known, Reference, Value, words

_BUILTINS = (min, max, abs, int)


class Calls(Operators):
    """Calls, in one function."""

    def call(self, node: ast.Call) -> Value:
        """A call of a function, of a function out of a table, or of one of the few builtins."""
        if node.keywords or any(isinstance(argument, ast.Starred) for argument in node.args):
            self.refuse(node, f"{text_of(node)} has more than plain arguments; allowed are arguments by position")
        callee = self.value(node.func)
        if isinstance(callee, Callee):
            return self.emit_call(node, callee, callee.signature)
        found = callee.object if isinstance(callee, Known) else None
        if isinstance(found, FunctionType):
            special = _SPECIAL.get(found)
            if special is not None:
                return special(self, node)
            mark = marked(found)
            if callable(mark):
                signature = self.module.signature(found)
                return self.emit_intrinsic(node, mark, signature)
            return self.emit_call(node, self.module.function(found), self.module.signature(found))
        if any(found is builtin for builtin in _BUILTINS):
            return self.builtin(node, found)
        return self.refuse(
            node,
            f"{text_of(node.func)} is {words(callee)}; called are functions written in Python, min, max, abs and int",
        )

    def builtin(self, node: ast.Call, found: Any) -> Value:
        """`min`, `max`, `abs` or `int`."""
        name = found.__name__
        values = [self.integer(argument) for argument in node.args]
        if found in (abs, int):
            if len(values) != 1:
                self.refuse(node, f"`{name}` has {len(values)} arguments; allowed is 1")
            return values[0] if found is int else arithmetic.absolute(self.builder, values[0])
        if len(values) < 2:
            self.refuse(node, f"`{name}` has {len(values)} arguments; allowed are 2 and more")
        result = values[0]
        for value in values[1:]:
            result = arithmetic.extreme(self.builder, name, result, value)
        return result

    def arguments(self, node: ast.Call, signature: Signature) -> list[ir.Value]:
        """The arguments of a call as the signature wants them."""
        if len(node.args) != len(signature.parameters):
            self.refuse(node, f"{text_of(node.func)} takes {len(signature.parameters)} arguments, not {len(node.args)}")
        result = []
        for number, (argument, kind) in enumerate(zip(node.args, signature.parameters, strict=True), 1):
            if kind is None:
                value = self.integer(argument)
                result.append(ir.Constant(I64, value) if type(value) is int else value)
                continue
            value = self.value(argument)
            if not (isinstance(value, Reference) and _fits(value.kind, kind)):
                self.refuse(
                    argument,
                    f"argument {number} of {text_of(node.func)} is {words(value)}; allowed is {kind_words(kind)}",
                )
            result.append(self.address(value))
        return result

    def emit_call(self, node: ast.Call, function: ir.Value, signature: Signature) -> Value:
        """A call that is an instruction."""
        result = self.builder.call(function, self.arguments(node, signature))
        return result if signature.integer else NOTHING

    def emit_intrinsic(self, node: ast.Call, emit: Any, signature: Signature) -> Value:
        """What an intrinsic writes."""
        result = emit(self.builder, self.arguments(node, signature))
        if not signature.integer:
            return NOTHING
        if not (isinstance(result, ir.Value) and isinstance(result.type, ir.IntType) and result.type.width <= 64):
            self.refuse(node, f"the intrinsic {text_of(node.func)} wrote {result!r}; allowed is an integer of 64 bits")
        return result if result.type.width in (1, 64) else self.builder.zext(result, I64)

    def address_call(self, node: ast.Call) -> Value:
        """`address(x)`."""
        self.count_arguments(node, 1)
        value = self.value(node.args[0])
        if not isinstance(value, Reference):
            self.refuse(node, f"{text_of(node.args[0])} is {words(value)}; allowed is a structure, array or pointer")
        return self.builder.ptrtoint(self.address(value), I64)

    def pointer_call(self, node: ast.Call) -> Value:
        """`pointer(Kind, address)`."""
        self.count_arguments(node, 2)
        value = self.value(node.args[0])
        kind = memory.kind_of(value.object) if isinstance(value, Known) else None
        if not ((memory.is_structure(kind) or memory.is_pointer(kind)) and memory.allowed(kind)):
            self.refuse(node, f"{text_of(node.args[0])} is {words(value)}; allowed is a structure or pointer type")
        return Reference(kind, self.builder.inttoptr(self.i64(self.integer(node.args[1])), PTR))

    def copy_call(self, node: ast.Call) -> Value:
        """`copy_bytes(target, source, count)`."""
        self.count_arguments(node, 3)
        values = [self.i64(self.integer(argument)) for argument in node.args]
        pointers = [self.builder.inttoptr(value, PTR) for value in values[:2]]
        type_ = ir.FunctionType(ir.VoidType(), [PTR, PTR, I64, I1])
        copy = self.module.ir.declare_intrinsic("llvm.memcpy", [PTR, PTR, I64], type_)
        self.builder.call(copy, [*pointers, values[2], ir.Constant(I1, 0)])
        return NOTHING

    def count_arguments(self, node: ast.Call, count: int) -> None:
        """Refuse another number of arguments."""
        if len(node.args) != count:
            self.refuse(node, f"{text_of(node.func)} takes {count} arguments, not {len(node.args)}")


def _fits(kind: Any, wanted: Any) -> bool:
    """Whether what refers to a `kind` can be passed for the other: the same, a derived structure, an array's start."""
    if kind is wanted or (memory.is_structure(kind) and memory.is_structure(wanted) and issubclass(kind, wanted)):
        return True
    return bool(memory.is_array(kind) and memory.is_pointer(wanted) and kind._type_ is wanted._type_)


_SPECIAL: dict[Any, Any] = {
    memory.address: Calls.address_call,
    memory.pointer: Calls.pointer_call,
    memory.copy_bytes: Calls.copy_call,
}
