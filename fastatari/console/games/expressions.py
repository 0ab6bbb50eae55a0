"""Expressions of the games' descriptions, turned into the language that `fastatari.compiler` compiles."""

import ast
from collections.abc import Mapping

_DECODES = {"bcd", "byte", "lo", "hi", "lo_blank", "hi_blank", "alien", "river", "boxing"}
WORDS = _DECODES | {"s8", "count", "same", "positives", "negatives", "min", "max"}
_TRUTHS = (ast.Compare, ast.BoolOp)


def names_of(text: str) -> set[str]:
    """Return the variables that an expression reads."""
    nodes = ast.walk(ast.parse(text, mode="eval"))
    return {node.id for node in nodes if isinstance(node, ast.Name)} - WORDS - {"ram", "m"}


def translate(text: str, places: Mapping[str, str]) -> str:
    """Return an expression of the description as one of the compiled language.

    Args:
        text (str): the expression.
        places (Mapping[str, str]): where each variable is found, as source text.

    Returns:
        str: an expression with an integer value, true ones 1, over a console `c`.
    """
    return _value(_Translation(places).visit(ast.parse(text, mode="eval").body))


class _Translation(ast.NodeTransformer):
    """Puts places for variables, fields of the console for `ram`, and comparisons where truth is asked."""

    def __init__(self, places: Mapping[str, str]) -> None:
        self._places = places

    def visit_Name(self, node: ast.Name) -> ast.expr:
        return _parse(self._places[node.id])

    def visit_Subscript(self, node: ast.Subscript) -> ast.expr:
        address: int = ast.literal_eval(node.slice)
        return _parse(f"c.ram[{address}]" if address < 128 else f"c.cartridge_ram[{address - 128}]")

    def visit_Call(self, node: ast.Call) -> ast.expr:
        name = ast.unparse(node.func)
        if not (node.args and ast.unparse(node.args[0]) == "ram"):
            return ast.Call(node.func, [_parse(_value(self.visit(argument))) for argument in node.args], [])
        numbers = [ast.unparse(argument) for argument in node.args[1:]]
        if name != "count":
            return _parse(f"{name}(c, {', '.join(numbers)})")
        first, last, *values = numbers
        return _parse(" + ".join(f"count(c, {first}, {last}, {value})" for value in values))

    def visit_BoolOp(self, node: ast.BoolOp) -> ast.expr:
        return ast.BoolOp(node.op, [_truth(self.visit(value)) for value in node.values])

    def visit_UnaryOp(self, node: ast.UnaryOp) -> ast.expr:
        operand = self.visit(node.operand)
        return ast.UnaryOp(node.op, _truth(operand) if isinstance(node.op, ast.Not) else operand)

    def visit_IfExp(self, node: ast.IfExp) -> ast.expr:
        test, body, orelse = (self.visit(part) for part in (node.test, node.body, node.orelse))
        return ast.IfExp(_truth(test), _parse(_value(body)), _parse(_value(orelse)))

    def visit_BinOp(self, node: ast.BinOp) -> ast.expr:
        left, right = (_parse(_value(self.visit(side))) for side in (node.left, node.right))
        return ast.BinOp(left, node.op, right)


def _parse(text: str) -> ast.expr:
    return ast.parse(text, mode="eval").body


def _is_truth(node: ast.expr) -> bool:
    """Whether a node has a truth value, not a number."""
    return isinstance(node, _TRUTHS) or (isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not))


def _truth(node: ast.expr) -> ast.expr:
    """Return a node as a condition."""
    return node if _is_truth(node) else _parse(f"({ast.unparse(node)}) != 0")


def _value(node: ast.expr) -> str:
    """Return the text of a node as an integer."""
    return f"int({ast.unparse(node)})" if _is_truth(node) else ast.unparse(node)
