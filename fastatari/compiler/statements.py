"""Statements of the compiled language: the body of one function."""

import ast
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from llvmlite import ir

from fastatari.compiler import memory
from fastatari.compiler.calls import Calls
from fastatari.compiler.flow import Label
from fastatari.compiler.functions import I1, I64, Signature
from fastatari.compiler.source import Source, text_of
from fastatari.compiler.values import Known, Nothing, Reference, Value, constant, is_integer, words

if TYPE_CHECKING:
    from fastatari.compiler.language import Module

STATEMENTS = (
    "assignments, `if`, `while`, `for` over range() or a tuple, `break`, `continue`, `return`, `pass`, and expressions"
)
TARGETS = "names, fields, elements of arrays and of what pointers point to, and tuples of these"


class Body(Calls):
    """The body of one function; it is compiled when this is made.

    Args:
        module: Where functions and tables are found.
        source: The function in Python.
        function: The function in LLVM, without a body.
        signature: The function's.
    """

    def __init__(self, module: "Module", source: Source, function: ir.Function, signature: Signature) -> None:
        super().__init__(module, source, function)
        self.signature = signature
        self.loops: list[tuple[Label, Label]] = []
        parameters = zip(source.node.args.args, function.args, signature.parameters, strict=True)
        self.names = {p.arg: a if kind is None else Reference(kind, a) for p, a, kind in parameters}
        self.statements(source.node.body)
        if self.names is not None:
            if signature.integer:
                self.refuse(source.node, f"`{source.node.name}` may end without `return`, but its result is an int")
            self.builder.ret_void()

    def statements(self, nodes: list[ast.stmt]) -> None:
        """Statements, as far as a way leads to them."""
        for node in nodes:
            if self.names is None:
                return
            method = _METHODS.get(type(node))
            if method is None:
                self.refuse(
                    node, f"{_keyword(node)} is not part of the compiled language; statements are: {STATEMENTS}"
                )
            method(self, node)

    def expression(self, node: ast.Expr) -> None:
        """A call, or a docstring."""
        if isinstance(node.value, ast.Call):
            self.value(node.value)
        elif not (isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)):
            self.refuse(node, f"{text_of(node.value)} has no effect; as a statement allowed is a call")

    def nothing(self, node: ast.Pass) -> None:
        """`pass`."""

    # Assignments

    def assign(self, node: ast.Assign) -> None:
        """One or more targets, or tuples of them."""
        if isinstance(node.value, ast.Tuple):
            values = [self.value(element) for element in node.value.elts]
            for target in node.targets:
                if not isinstance(target, ast.Tuple):
                    self.refuse(node, f"a tuple is assigned to {text_of(target)}; allowed is a tuple as long")
                if len(target.elts) != len(values):
                    self.refuse(node, f"{len(values)} values are assigned to {len(target.elts)} targets")
                for element, value in zip(target.elts, values, strict=True):
                    if isinstance(value, Reference) and value.of_field and not isinstance(element, ast.Name):
                        self.refuse(node, f"a pointer is stored out of a tuple; {_ALIAS}")
                    self.store(element, value)
            return
        value = self.value(node.value)
        if isinstance(value, Reference) and value.of_field and isinstance(node.value, ast.Name):
            for target in node.targets:
                if not isinstance(target, ast.Name):
                    self.refuse(node, f"`{node.value.id}` is the value of a pointer field; {_ALIAS}")
        for target in node.targets:
            self.store(target, value)

    def annotated(self, node: ast.AnnAssign) -> None:
        """`name: type = value`: the annotation is for type checkers."""
        if node.value is None:
            self.refuse(node, "an annotation without a value is not part of the compiled language")
        self.store(node.target, self.value(node.value))

    def store(self, target: ast.expr, value: Value) -> None:
        """Give a target a value."""
        if isinstance(target, ast.Name):
            self.bind(target, value)
            return
        kind, base, offset = self.place_of(target)
        self.write(target, kind, base, offset, value)

    def bind(self, target: ast.Name, value: Value) -> None:
        """Give a name a value."""
        if isinstance(value, Nothing):
            self.refuse(target, f"`{target.id}` is given {words(value)}")
        if isinstance(value, ir.Value) and value.type == I1:
            value = self.builder.zext(value, I64)
        assert self.names is not None
        self.names = {**self.names, target.id: value}

    def place_of(self, target: ast.expr) -> tuple[Any, ir.Value, int]:
        """Type, pointer and offset of a target in memory."""
        if isinstance(target, ast.Attribute | ast.Subscript):
            base = self.value(target.value)
            if isinstance(base, Known):
                self.refuse(target, f"{text_of(target.value)} is {words(base)}, a constant; targets are: {TARGETS}")
            if isinstance(target, ast.Attribute):
                return self.field(target, base)
            return self.element(target, base)
        return self.refuse(target, f"{text_of(target)} cannot be assigned here; targets are: {TARGETS}")

    def write(self, target: ast.expr, kind: Any, base: ir.Value, offset: int, value: Value) -> None:
        """Store a value, cut to the size of what holds it."""
        format = self.module.format(kind)
        if format is None and not memory.is_pointer(kind):
            self.refuse(target, f"{text_of(target)} is {memory.a_kind(kind)}; use copy_bytes to copy it")
        if format is None:
            if not (isinstance(value, Reference) and value.kind is kind):
                self.refuse(target, f"{text_of(target)} is given {words(value)}; allowed is {memory.a_kind(kind)}")
            self.builder.store(value.base, self.address_of(base, offset), align=memory.POINTER_SIZE)
            return
        if not is_integer(value):
            self.refuse(target, f"{text_of(target)} is given {words(value)} where an integer is needed")
        type_, _, size = format
        if type(value) is int:
            value = ir.Constant(type_, value & ((1 << type_.width) - 1))
        elif value.type == I1:
            value = self.builder.zext(value, type_)
        elif type_ is not I64:
            value = self.builder.trunc(value, type_)
        self.builder.store(value, self.address_of(base, offset), align=size)

    def augmented(self, node: ast.AugAssign) -> None:
        """`target op= value`: the target is read first, as in Python, and its index is computed once."""
        if isinstance(node.target, ast.Name):
            old = self.integer(ast.copy_location(ast.Name(node.target.id, ast.Load()), node.target))
            self.bind(node.target, self.operate(node, node.op, old, self.integer(node.value)))
            return
        kind, base, offset = self.place_of(node.target)
        if self.module.format(kind) is None:
            self.refuse(node, f"{text_of(node.target)} is {memory.a_kind(kind)} where an integer is needed")
        base, offset = self.address_of(base, offset), 0
        value = self.operate(node, node.op, self.load(kind, base), self.integer(node.value))
        self.write(node.target, kind, base, offset, value)

    # Control

    def branch(self, node: ast.If) -> None:
        """`if`, with `elif` and `else`."""
        yes, end = self.label(), self.label()
        no = self.label() if node.orelse else end
        self.condition(node.test, yes, no)
        self.place(yes)
        self.statements(node.body)
        self.goto(end)
        if node.orelse:
            self.place(no)
            self.statements(node.orelse)
            self.goto(end)
        self.place(end)

    def no_else(self, node: ast.For | ast.While) -> None:
        """Refuse `else` of a loop."""
        if node.orelse:
            self.refuse(node.orelse[0], "`else` of a loop is not part of the compiled language")

    def inside(self, node: ast.For | ast.While, again: Label, end: Label) -> None:
        """The statements in a loop."""
        self.loops.append((again, end))
        self.statements(node.body)
        self.loops.pop()

    def while_(self, node: ast.While) -> None:
        """`while`."""
        self.no_else(node)

        def repeat(again: Label, end: Label, back: Callable[[], None]) -> None:
            body = self.label()
            self.condition(node.test, body, end)
            self.place(body)
            self.inside(node, again, end)
            if again.incoming:
                self.goto(again)
                self.place(again)
            back()

        self.loop(node, repeat)

    def for_(self, node: ast.For) -> None:
        """`for` over a range, or over a tuple: then once for each element, one after the other."""
        self.no_else(node)
        if not isinstance(node.target, ast.Name):
            self.refuse(node, f"{text_of(node.target)} cannot be the target of `for`; allowed is a name")
        if isinstance(node.iter, ast.Call):
            callee = self.value(node.iter.func)
            if isinstance(callee, Known) and callee.object is range:
                self.for_range(node, node.target, node.iter)
                return
        elif isinstance(node.iter, ast.Tuple):
            self.unroll(node, node.target, [self.value(element) for element in node.iter.elts])
            return
        elif isinstance(node.iter, ast.Name | ast.Attribute):
            found = self.value(node.iter)
            if isinstance(found, Known) and isinstance(found.object, tuple | list):
                self.unroll(node, node.target, [self.known(node.iter, element) for element in found.object])
                return
        self.refuse(node, f"`for` over {text_of(node.iter)}; allowed are range() and tuples")

    def unroll(self, node: ast.For, target: ast.Name, values: list[Value]) -> None:
        """The body once for each value."""
        end = self.label()
        for value in values:
            if self.names is None:
                break
            self.bind(target, value)
            again = self.label()
            self.inside(node, again, end)
            self.goto(again)
            self.place(again)
        self.goto(end)
        self.place(end)

    def for_range(self, node: ast.For, target: ast.Name, call: ast.Call) -> None:
        """`for` over range(): the bounds are computed once, and the body cannot change how often it runs."""
        if call.keywords or not 1 <= len(call.args) <= 3:
            self.refuse(call, f"{text_of(call)}: allowed are range(stop), range(start, stop), range(start, stop, step)")
        bounds = [self.integer(argument) for argument in call.args]
        start, stop = (0, bounds[0]) if len(bounds) == 1 else bounds[:2]
        step = bounds[2] if len(bounds) == 3 else 1
        if type(step) is not int or step == 0:
            self.refuse(call, f"the step of {text_of(call)} is not a constant other than 0")
        before = self.builder.block

        def repeat(again: Label, end: Label, back: Callable[[], None]) -> None:
            counter = self.builder.phi(I64)
            counter.add_incoming(self.i64(start), before)
            body = self.label()
            self.choose(self.builder.icmp_signed("<" if step > 0 else ">", counter, self.i64(stop)), body, end)
            self.place(body)
            self.bind(target, counter)
            self.inside(node, again, end)
            if again.incoming:
                self.goto(again)
                self.place(again)
            if self.names is not None:
                counter.add_incoming(self.builder.add(counter, constant(step)), self.builder.block)
                back()

        self.loop(node, repeat)

    def leave(self, node: ast.Break | ast.Continue) -> None:
        """`break` and `continue`."""
        again, end = self.loops[-1]
        self.goto(end if isinstance(node, ast.Break) else again)

    def return_(self, node: ast.Return) -> None:
        """`return`, with a value or without."""
        name = self.source.node.name
        if self.signature.integer:
            if node.value is None:
                self.refuse(node, f"`{name}` returns nothing here, but its result is an int")
            self.builder.ret(self.i64(self.integer(node.value)))
        else:
            if node.value is not None and not (isinstance(node.value, ast.Constant) and node.value.value is None):
                self.refuse(node, f"`{name}` returns {text_of(node.value)}, but its result is None")
            self.builder.ret_void()
        self.names = None


_ALIAS = (
    "in CPython it stands for the field, not for what the field holds now: store `pointer(Kind, address(x))`, or the "
    "field itself in one assignment"
)


def _keyword(node: ast.stmt) -> str:
    """How a statement begins, in backticks."""
    return f"`{ast.unparse(node).split(chr(10), 1)[0].split(' ', 1)[0].rstrip(':')}`"


_METHODS: dict[type[ast.stmt], Any] = {
    ast.Expr: Body.expression,
    ast.Pass: Body.nothing,
    ast.Assign: Body.assign,
    ast.AnnAssign: Body.annotated,
    ast.AugAssign: Body.augmented,
    ast.If: Body.branch,
    ast.While: Body.while_,
    ast.For: Body.for_,
    ast.Break: Body.leave,
    ast.Continue: Body.leave,
    ast.Return: Body.return_,
}
