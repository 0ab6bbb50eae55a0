"""Operators and conditions of the compiled language."""

import ast
from types import FunctionType

from llvmlite import ir

from fastatari.compiler import arithmetic, memory
from fastatari.compiler.accesses import Accesses
from fastatari.compiler.arithmetic import Refused
from fastatari.compiler.flow import Label
from fastatari.compiler.functions import I1, PTR
from fastatari.compiler.source import text_of
from fastatari.compiler.values import Known, Reference, Value, constant, is_integer, words

_CHEAP = (ast.Name, ast.Constant, ast.Compare, ast.UnaryOp, ast.BinOp, ast.BoolOp)
_LEAVES = (ast.operator, ast.unaryop, ast.cmpop, ast.boolop, ast.expr_context)


class Operators(Accesses):
    """Operators and conditions, in one function."""

    def operate(self, node: ast.AST, operator: ast.operator, a: Value, b: Value) -> Value:
        """`a operator b` of two integers."""
        try:
            return arithmetic.binary(self.builder, operator, a, b)
        except Refused as error:
            return self.refuse(node, str(error))

    def binary(self, node: ast.BinOp) -> Value:
        """Two integers and an operator."""
        left = self.integer(node.left)
        return self.operate(node, node.op, left, self.integer(node.right))

    def unary(self, node: ast.UnaryOp) -> Value:
        """A minus, `~`, or `not`."""
        if isinstance(node.op, ast.Not):
            truth = self.truth(node.operand)
            return int(not truth) if type(truth) is int else self.builder.xor(truth, ir.Constant(I1, 1))
        if isinstance(node.op, ast.USub) and isinstance(node.operand, ast.Constant):
            number = node.operand.value
            if isinstance(number, int):  # -2**63 is an integer of 64 bits, 2**63 is not
                return self.checked(node, -number)
        value = self.integer(node.operand)
        if isinstance(node.op, ast.USub):
            return arithmetic.negative(self.builder, value)
        return arithmetic.inverted(self.builder, value) if isinstance(node.op, ast.Invert) else value

    def compare(self, node: ast.Compare) -> Value:
        """A comparison, or a chain of them."""
        if len(node.ops) > 1:
            return self.logical(node)
        left = self.integer(node.left)
        return self.compare_two(node, node.ops[0], left, self.integer(node.comparators[0]))

    def compare_two(self, node: ast.Compare, operator: ast.cmpop, a: Value, b: Value) -> Value:
        """One comparison of two integers."""
        try:
            return arithmetic.compare(self.builder, operator, a, b)
        except Refused as error:
            return self.refuse(node, str(error))

    def logical(self, node: ast.expr) -> Value:
        """`and`, `or` or a chain as a value: 0 or 1."""
        for part in node.values if isinstance(node, ast.BoolOp) else ():
            if not self.is_boolean(part):
                self.refuse(
                    part,
                    f"{text_of(part)} is not a comparison: `and` and `or` are values only of comparisons, `not`, "
                    "bools and calls of functions that return bool",
                )
        return self.truth_of_parts(node)

    def truth_of_parts(self, node: ast.expr) -> Value:
        """`and`, `or` or a chain as a condition; what is cheap is computed without branches."""
        if isinstance(node, ast.BoolOp) and all(_cheap(part) for part in node.values[1:]):
            return self.combined(isinstance(node.op, ast.And), [self.truth(part) for part in node.values])
        return self.either(node, lambda: ir.Constant(I1, 1), lambda: ir.Constant(I1, 0), node)

    def combined(self, all_of: bool, parts: list[Value]) -> Value:
        """Bools joined by `and` or `or`, all of them computed."""
        unknown = []
        for part in parts:
            if type(part) is not int:
                unknown.append(part)
            elif bool(part) is not all_of:
                return int(not all_of)
        if not unknown:
            return int(all_of)
        result = unknown[0]
        for part in unknown[1:]:
            result = self.builder.and_(result, part) if all_of else self.builder.or_(result, part)
        return result

    def is_boolean(self, node: ast.expr) -> bool:
        """Whether an expression is 0 or 1 by its form."""
        if isinstance(node, ast.BoolOp):
            return all(self.is_boolean(part) for part in node.values)
        if isinstance(node, ast.IfExp):
            return self.is_boolean(node.body) and self.is_boolean(node.orelse)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name | ast.Attribute):
            callee = self.value(node.func)
            found = callee.object if isinstance(callee, Known) else None
            return isinstance(found, FunctionType) and self.module.signature(found).boolean
        return (
            isinstance(node, ast.Compare)
            or (isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not))
            or (isinstance(node, ast.Constant) and isinstance(node.value, bool))
        )

    def truth(self, node: ast.expr) -> Value:
        """An expression as a condition: 0 or 1 where it is known, else an i1."""
        value = self.truth_of_parts(node) if isinstance(node, ast.BoolOp) else self.value(node)
        if type(value) is int:
            return int(value != 0)
        if isinstance(value, ir.Value):
            return value if value.type == I1 else self.builder.icmp_signed("!=", value, constant(0))
        if isinstance(value, Reference) and memory.is_pointer(value.kind):
            return self.builder.icmp_unsigned("!=", value.base, ir.Constant(PTR, None))
        return self.refuse(node, f"{text_of(node)} is {words(value)}; conditions are integers and pointers")

    def condition(self, node: ast.expr, yes: Label, no: Label) -> None:
        """Go to one of two labels by a condition; what is known is decided here, and the other way is not compiled."""
        if isinstance(node, ast.BoolOp):
            for part in node.values[:-1]:
                on = self.label()
                self.condition(part, *((on, no) if isinstance(node.op, ast.And) else (yes, on)))
                self.place(on)
                if self.names is None:
                    return
            self.condition(node.values[-1], yes, no)
        elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
            self.condition(node.operand, no, yes)
        elif isinstance(node, ast.Compare) and len(node.ops) > 1:
            left = self.integer(node.left)
            for operator, comparator in zip(node.ops[:-1], node.comparators[:-1], strict=True):
                right = self.integer(comparator)
                on = self.label()
                self.decide(self.compare_two(node, operator, left, right), on, no)
                self.place(on)
                if self.names is None:
                    return
                left = right
            self.decide(self.compare_two(node, node.ops[-1], left, self.integer(node.comparators[-1])), yes, no)
        else:
            self.decide(self.truth(node), yes, no)

    def decide(self, truth: Value, yes: Label, no: Label) -> None:
        """Go to one of two labels by what `truth` gave."""
        if type(truth) is int:
            self.goto(yes if truth else no)
        else:
            self.choose(truth, yes, no)

    def if_expression(self, node: ast.IfExp) -> Value:
        """`x if c else y`."""
        if isinstance(node.body, ast.Name | ast.Constant) and isinstance(node.orelse, ast.Name | ast.Constant):
            truth = self.truth(node.test)
            if type(truth) is int:
                return self.value(node.body if truth else node.orelse)
            yes, no = self.value(node.body), self.value(node.orelse)
            if is_integer(yes) and is_integer(no):
                return self.builder.select(truth, self.i64(yes), self.i64(no))
        return self.either(node.test, lambda: self.value(node.body), lambda: self.value(node.orelse), node)


def _cheap(node: ast.AST) -> bool:
    """Whether an expression can be computed even if its value is not wanted: it calls nothing and reads no memory."""
    return isinstance(node, _CHEAP + _LEAVES) and all(_cheap(child) for child in ast.iter_child_nodes(node))
