"""The blocks of a function that is compiled, and which value each name has where.

Names are never put in memory: where ways join, a name that differs gets a phi. `names` is None where no way leads to,
and a dictionary in it is never changed, only replaced, so that ways can share one.
"""

import ast
from collections.abc import Callable, Iterable
from typing import Any, cast

from llvmlite import ir

from fastatari.compiler import memory
from fastatari.compiler.functions import I1, I8, I64, PTR
from fastatari.compiler.source import Source
from fastatari.compiler.values import Known, Reference, Unclear, Value, constant, is_integer, same, words

Names = dict[str, Value]


class Label:
    """A place that ways lead to: all of them are known before the block begins."""

    __slots__ = ("block", "incoming")

    def __init__(self, function: ir.Function) -> None:
        self.block = ir.Block(function)
        self.incoming: list[tuple[ir.Block, Names]] = []


class Flow:
    """The builder of a function with the values of its names.

    Args:
        source: The function in Python.
        function: The function in LLVM, without a body.
    """

    def __init__(self, source: Source, function: ir.Function) -> None:
        self.source = source
        self.function = function
        self.builder = ir.IRBuilder(function.append_basic_block())
        self.names: Names | None = {}
        self.refuse = source.refuse

    def label(self) -> Label:
        """A place to go to later."""
        return Label(self.function)

    def goto(self, label: Label) -> None:
        """Go to the label; nothing follows."""
        if self.names is not None:
            label.incoming.append((self.builder.block, self.names))
            self.builder.branch(label.block)
            self.names = None

    def choose(self, test: ir.Value, yes: Label, no: Label) -> None:
        """Go to one of two labels by an i1."""
        assert self.names is not None
        block = self.builder.block
        yes.incoming.append((block, self.names))
        no.incoming.append((block, self.names))
        self.builder.cbranch(test, yes.block, no.block)
        self.names = None

    def place(self, label: Label) -> None:
        """Go on at the label: every way that leads there is known by now."""
        incoming = label.incoming
        if not incoming:
            self.names = None
            return
        block, names = incoming[0]
        if len(incoming) == 1 and len(block.terminator.operands) == 1:  # nothing else comes in between: go on there
            block.instructions.pop()
            block.terminator = None
            self.builder.position_at_end(block)
            self.names = names
            return
        self.function.blocks.append(label.block)
        self.builder.position_at_end(label.block)
        if all(other is names for _, other in incoming):
            self.names = names
            return
        blocks = [block for block, _ in incoming]
        merged = {}
        for name, value in names.items():
            values = [value]
            for _, other in incoming[1:]:
                if name not in other:
                    break
                values.append(other[name])
            else:
                merged[name] = self.join(values, blocks)
        self.names = merged

    def join(self, values: list[Value], blocks: list[ir.Block]) -> Value:
        """One value for what comes from several blocks; an Unclear one where there is none."""
        first = values[0]
        if all(same(first, other) for other in values):
            return first
        if all(is_integer(value) for value in values):
            type_ = I1 if all(isinstance(v, ir.Value) and v.type == I1 for v in values) else I64
            phi = self.builder.phi(type_)
            for value, block in zip(values, blocks, strict=True):
                with self.builder.goto_block(block):
                    phi.add_incoming(self.i64(value) if type_ is I64 else value, block)
            return phi
        if all(isinstance(value, Reference) and value.kind is first.kind for value in values):
            phi = self.builder.phi(PTR)
            for value, block in zip(values, blocks, strict=True):
                with self.builder.goto_block(block):
                    phi.add_incoming(self.address(value), block)
            return Reference(first.kind, phi, 0, any(value.of_field for value in values))
        for value in values:
            if isinstance(value, Unclear):
                return value
        other = next(value for value in values if not same(first, value))
        return Unclear(f"{words(first)} or {words(other)}, depending on the way there")

    def address(self, reference: Reference, offset: int = 0) -> ir.Value:
        """The pointer to a reference, and so many bytes further."""
        offset += reference.offset
        if offset == 0:
            return reference.base
        return self.builder.gep(reference.base, [constant(offset)], inbounds=True, source_etype=I8)

    def i64(self, value: Value) -> ir.Value:
        """An integer as LLVM's i64."""
        if type(value) is int:
            return ir.Constant(I64, value)
        return value if value.type == I64 else self.builder.zext(value, I64)

    def either(self, test: ast.expr, yes: Callable[[], Value], no: Callable[[], Value], node: ast.expr) -> Value:
        """One of two values, by a condition; only the one that is wanted is computed."""
        names = self.names
        on_yes, on_no, end = self.label(), self.label(), self.label()
        self.condition(test, on_yes, on_no)
        values, blocks = [], []
        for label, value in ((on_yes, yes), (on_no, no)):
            self.place(label)
            if self.names is not None:
                values.append(value())
                blocks.append(self.builder.block)
                self.goto(end)
        self.place(end)
        self.names = names
        if len(values) == 1:
            return values[0]
        value = self.join(values, blocks)
        if isinstance(value, Unclear):
            self.refuse(node, f"the two values are {value.why}; allowed are two of the same kind")
        return value

    def condition(self, node: ast.expr, yes: Label, no: Label) -> None:
        """Go to one of two labels by a condition."""
        raise NotImplementedError

    def loop(self, node: ast.For | ast.While, repeat: Callable[[Label, Label, Callable[[], None]], None]) -> None:
        """A loop: a head that ways lead back to, and an end.

        Args:
            node: The statement.
            repeat: Called at the head, with the label for `continue`, the one of the end, and a function that goes
                back to the head from where the builder is.
        """
        assert self.names is not None
        carried: dict[str, ir.Value] = {}
        names = dict(self.names)
        start = self.builder.block
        initial = {name: names[name] for name in assigned(node) if name in names}
        for name, value in initial.items():
            if isinstance(value, Reference):
                initial[name] = self.address(value)
        head = self.function.append_basic_block()
        self.builder.branch(head)
        self.builder.position_at_end(head)
        for name, value in initial.items():
            before = names[name]
            if isinstance(before, Known | Unclear) or not isinstance(before, Reference | int | ir.Value):
                names[name] = Unclear(f"{words(before)} before the loop and may be another thing in it")
                continue
            phi = carried[name] = self.builder.phi(PTR if isinstance(before, Reference) else I64)
            phi.add_incoming(constant(value) if type(value) is int else value, start)
            names[name] = Reference(before.kind, phi, 0, before.of_field) if isinstance(before, Reference) else phi
        self.names = names

        def back() -> None:
            if self.names is None:
                return
            for name, phi in carried.items():
                value, at_head = self.names[name], names[name]
                if is_integer(value) and is_integer(at_head):
                    value = self.i64(value)
                elif isinstance(value, Reference) and isinstance(at_head, Reference) and value.kind is at_head.kind:
                    at_head.of_field |= value.of_field
                    value = self.address(value)
                else:
                    self.refuse(node, f"`{name}` is {words(at_head)} before the loop and {words(value)} after a round")
                phi.add_incoming(value, self.builder.block)
            self.builder.branch(head)
            self.names = None

        again, end = self.label(), self.label()
        repeat(again, end, back)
        self.place(end)


def assigned(node: ast.AST) -> Iterable[str]:
    """The names that are assigned within a statement, each once; remembered with the node."""
    known: dict[str, None] | None = getattr(node, "_assigned", None)
    if known is None:
        known = {n.id: None for n in ast.walk(node) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}
        cast("Any", node)._assigned = known
    return known


def kind_words(kind: Any) -> str:
    """A parameter's type for a message."""
    return "an integer" if kind is None else memory.a_kind(kind)
