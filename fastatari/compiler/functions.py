"""How functions are marked for the compiler, and what their annotations say about their arguments and results."""

import ctypes
from collections.abc import Callable
from typing import Any, TypeVar

from llvmlite import ir

from fastatari.compiler import memory
from fastatari.compiler.source import ALLOWED_ANNOTATIONS, Source

F = TypeVar("F", bound=Callable[..., Any])
Emit = Callable[[ir.IRBuilder, list[ir.Value]], ir.Value | None]

I1, I8, I64 = ir.IntType(1), ir.IntType(8), ir.IntType(64)
PTR = ir.PointerType()
VOID = ir.VoidType()


def inline(function: F) -> F:
    """Put the function's body where it is called, always; a decorator."""
    _mark(function, "inline")
    return function


def outlined(function: F) -> F:
    """Never put the function's body where it is called, so that its caller stays small; a decorator."""
    _mark(function, "outlined")
    return function


def cold(function: F) -> F:
    """Say that the function is rarely called: it is never inlined, and kept away from what is hot; a decorator."""
    _mark(function, "cold")
    return function


def intrinsic(emit: Emit) -> Callable[[F], F]:
    """Let `emit` write LLVM's language where the function is called; a decorator with one argument.

    The decorated body is what CPython runs, and is not compiled.

    Args:
        emit: Called with a builder at the place of the call and the arguments, values of type i64 or ptr. It may begin
            new blocks as long as the builder ends in one that is open. Returns an integer of at most 64 bits (fewer
            are taken as unsigned), or None where the annotation of the result is None.
    """

    def mark(function: F) -> F:
        _mark(function, emit)
        return function

    return mark


def _mark(function: Any, mark: Any) -> None:
    function._compiled_as = mark


def marked(function: Any) -> Any:
    """What the function is marked as: "inline", "outlined", "cold", the `emit` of an intrinsic, or None."""
    return getattr(function, "_compiled_as", None)


class Signature:
    """What a function takes and returns.

    Attributes:
        parameters: A ctypes type (structure or pointer) for each pointer, None for each integer.
        integer: Whether it returns an integer; otherwise nothing.
        boolean: Whether that integer is annotated as a bool.
        type: LLVM's type of it.
    """

    __slots__ = ("boolean", "integer", "parameters", "type")

    def __init__(self, source: Source) -> None:
        arguments = source.node.args
        if arguments.vararg or arguments.kwarg or arguments.kwonlyargs or arguments.posonlyargs:
            source.refuse(source.node, f"`{source.node.name}` has more than plain parameters; allowed is `name: type`")
        if arguments.defaults:
            source.refuse(source.node, f"`{source.node.name}` has default values; they are not part of the language")
        self.parameters = tuple(_parameter(source, a.arg, a) for a in arguments.args)
        result = source.annotation(source.node, "return")
        if not (result is int or result is bool or result is None):
            source.refuse(source.node, f"the result of `{source.node.name}` is {result!r}; allowed are int, bool, None")
        self.integer = result is not None
        self.boolean = result is bool
        self.type = ir.FunctionType(
            I64 if self.integer else VOID, [I64 if kind is None else PTR for kind in self.parameters]
        )

    def same(self, other: "Signature") -> bool:
        """Whether a function of this signature can be called as one of the other."""
        return self.parameters == other.parameters and self.integer == other.integer

    def __str__(self) -> str:
        parameters = ", ".join("int" if kind is None else memory.kind_name(kind) for kind in self.parameters)
        return f"({parameters}) -> {'int' if self.integer else 'None'}"


def _parameter(source: Source, name: str, node: Any) -> Any:
    """The ctypes type of a pointer parameter, None for an integer."""
    annotation = source.annotation(node, name)
    if annotation is int or annotation is bool:
        return None
    kind = memory.kind_of(annotation)
    if (memory.is_structure(kind) or memory.is_pointer(kind)) and memory.allowed(kind):
        return kind
    return source.refuse(node, f"parameter `{name}` is {annotation!r}; {ALLOWED_ANNOTATIONS}")


def declare(module: ir.Module, name: str, signature: Signature, mark: Any) -> ir.Function:
    """A function in the module, still without a body, with all attributes that hold for every function here."""
    function = ir.Function(module, signature.type, name)
    function.linkage = "internal"
    function.attributes.add("nounwind")
    if mark == "inline":
        function.attributes.add("alwaysinline")
    elif mark in {"outlined", "cold"}:
        function.attributes.add("noinline")
        if mark == "cold":
            function.attributes.add("cold")
    for argument, kind in zip(function.args, signature.parameters, strict=True):
        if memory.is_structure(kind):
            # An instance of ctypes is whole, aligned, and lives as long as the call. Two may be the same: no `noalias`.
            argument.attributes.add("nonnull")
            argument.attributes.add("noundef")
            argument.attributes.dereferenceable = ctypes.sizeof(kind)
            argument.attributes.align = ctypes.alignment(kind)
    return function
