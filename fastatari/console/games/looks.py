"""Which bytes of RAM the bookkeeping of a game can look at, and which games' resets can be repeated: by their sources.

What a function of the bookkeeping reads is found in its syntax tree. A read that is not understood is an error here, so
that none is ever missed.
"""

import ast
from collections.abc import Callable, Iterable, Iterator

from fastatari.compiler import cold
from fastatari.console.games import words
from fastatari.console.games.bookkeeping import SOURCE
from fastatari.console.games.description import DESCRIPTIONS, Description
from fastatari.console.games.expressions import names_of, translate
from fastatari.console.recording import note_look
from fastatari.console.state import Console

# The memories, and the addresses of their first bytes.
_FIRST = {"ram": 0, "cartridge_ram": 128}
# Fields of a console that are read by functions which look at RAM, and are no RAM.
_OTHER_FIELDS = {"variables", "reward", "over", "lives", "mode", "game"}
# Functions that are given the console, and look at no RAM.
_BLIND = {"settle", "settle_shown"}


def find_looks(tree: ast.AST) -> set[int]:
    """Return the addresses of RAM that a function, statement or expression over a console `c` can look at.

    Args:
        tree (ast.AST): its syntax tree.

    Returns:
        set[int]: addresses, as in `description`: 0 to 127 the console's RAM, above the cartridge's.

    Raises:
        ValueError: it uses the console in another way than the bookkeeping does.
    """
    known: set[int] = set()
    found: set[int] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and any(_is_console(argument) for argument in node.args):
            found.update(_find_looks_of_call(node))
            known.add(id(node.args[0]))
        elif isinstance(node, ast.Subscript) and type(node.ctx) is ast.Load and _field_of(node.value) in _FIRST:
            found.add(_FIRST[node.value.attr] + _literal(node.slice))  # type: ignore[attr-defined]
            known |= {id(node.value), id(node.value.value)}  # type: ignore[attr-defined]
        elif _field_of(node) in _OTHER_FIELDS:
            known |= {id(node), id(node.value)}  # type: ignore[attr-defined]
    for node in ast.walk(tree):
        if id(node) not in known and (_is_console(node) or _field_of(node) is not None):
            raise ValueError(f"it is not known which RAM `{ast.unparse(tree)}` looks at: `{ast.unparse(node)}`")
    return found


def _is_console(node: ast.AST) -> bool:
    return isinstance(node, ast.Name) and node.id == "c"


def _field_of(node: ast.AST) -> str | None:
    """Return the name of a field of the console; None if a node is none."""
    return node.attr if isinstance(node, ast.Attribute) and _is_console(node.value) else None


def _literal(node: ast.expr) -> int:
    """Return the value of a literal integer."""
    if not (isinstance(node, ast.Constant) and type(node.value) is int):
        raise ValueError(f"an address of RAM is not a number: `{ast.unparse(node)}`")
    return node.value


def _find_looks_of_call(node: ast.Call) -> Iterable[int]:
    """Return the addresses that a function of `words` looks at."""
    name = ast.unparse(node.func)
    if name in _BLIND:
        return ()
    if name not in _RANGES:
        raise ValueError(f"it is not known which RAM `{ast.unparse(node)}` looks at")
    return _RANGES[name](_literal(node.args[1]), _literal(node.args[2]))


_RANGES: dict[str, Callable[[int, int], Iterable[int]]] = {
    "count": lambda first, last: range(first, last + 1),
    "positives": lambda first, last: range(first, last + 1),
    "negatives": lambda first, last: range(first, last + 1),
    "same": lambda first, number: range(first, first + number),
    "sum_terms": lambda first, end: words.TERM_ADDRESSES[first:end],
}


def _list_looks() -> Iterator[set[int]]:
    """Yield per game what its rules and the condition of its mode can look at."""
    functions = {node.name: node for node in ast.parse(SOURCE).body if isinstance(node, ast.FunctionDef)}
    for game in DESCRIPTIONS:
        looks = find_looks(functions[f"frame_{game.name}"])
        if game.select:
            looks |= find_looks(ast.parse(translate(game.select.until, {"m": "c.mode"}), mode="eval"))
        yield looks
    if find_looks(functions["start_specials"]):
        raise ValueError("`start_specials` looks at RAM")


def forgets(game: Description) -> bool:
    """Return whether a reset leaves nothing of what a game's variables held before.

    That is so for those which it sets. One that it keeps must be overwritten in each frame, or at last, with what only
    depends on the RAM and the mode.
    """
    pure = {"total"}
    for name, text in game.assignments():
        if names_of(text) <= pure:
            pure.add(name)
        else:
            pure.discard(name)
    pure |= {name for name, text in game.from_mode if not names_of(text)}
    return set(game.kept_over_reset) <= pure


LOOKS = tuple(_list_looks())
"""Per game, the addresses of RAM that its bookkeeping can look at."""

IS_LOOKED_AT = tuple(int(address in looks) for looks in LOOKS for address in range(128))

IS_REPEATABLE = tuple(
    int(max(looks, default=0) < 128 and forgets(game) and not (game.select and game.select.script))
    for game, looks in zip(DESCRIPTIONS, LOOKS, strict=True)
)
"""Per game, whether its resets can be repeated, if they draw nothing and its cartridge has no RAM.

Not those whose modes are reached by a function of their own, nor those that look at a cartridge's RAM."""


@cold
def note_looks(c: Console) -> None:
    """Note that the bookkeeping looks at whatever it can look at."""
    for address in range(128):
        if IS_LOOKED_AT[128 * c.game + address]:
            note_look(c, address)
