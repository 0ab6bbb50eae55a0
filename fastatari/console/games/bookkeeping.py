"""Reward, lives and the end of the game: functions that follow them in the console's RAM after each frame.

The descriptions are turned into source text, one function a game, which runs under CPython and is compiled as it
stands. Print `SOURCE` to read it.
"""

import linecache
from collections.abc import Callable, Iterator
from typing import Any

from fastatari.console.games import words
from fastatari.console.games.description import DESCRIPTIONS, NAMES, Description
from fastatari.console.games.expressions import names_of, translate
from fastatari.console.state import Console


def _list_variables(game: Description) -> tuple[str, ...]:
    """Return the variables that keep a value between frames, but for `reward`, which the console has a field for."""
    assigned: set[str] = {"total"}
    kept = {"end"} | {variable for _, variable in game.saved} | names_of(game.over) | names_of(game.lives_shown)
    for name, text in game.assignments():
        kept |= names_of(text) - assigned
        assigned.add(name)
    common = [name for name in ("last", "end", "lives") if name in kept]
    return (*common, *sorted(kept - {*common, "reward", "over"}))


VARIABLES = {game.name: _list_variables(game) for game in DESCRIPTIONS}
"""Per game, the names of the console's `variables`, in order."""

SAVED = {game.name: game.saved for game in DESCRIPTIONS}
"""Per game, what one of ale-py's states ends with: pairs of a kind ("int", "char", "bool" or "flag") and a name."""

SLOTS = max(len(names) for names in VARIABLES.values())
"""How many variables the games need at most."""


def _places_of(game: Description) -> dict[str, str]:
    """Return where a game's variables are between frames."""
    places = {name: f"c.variables[{slot}]" for slot, name in enumerate(VARIABLES[game.name])}
    return places | {"reward": "c.reward"}


def _write_frame(game: Description, first_term: int) -> Iterator[str]:
    """Yield the lines of the function that keeps a game's books after a frame."""
    kept = _places_of(game)
    places = dict(kept)
    yield f"def frame_{game.name}(c: Console) -> None:"
    if game.score:
        terms = " + ".join(f"{weight} * {decode} {address:#04x}" for decode, address, weight in game.score)
        yield f"    total = sum_terms(c, {first_term}, {first_term + len(game.score)})  # {terms}"
        places["total"] = "total"
    settling = _write_settling(game)
    for name, text in game.assignments():
        if name == text or (settling and name in {"reward", "last"}):
            continue
        yield f"    {name} = {translate(text, places)}"
        places[name] = name
    settled = {"last", "end", "lives", "reward"} if settling else {}
    for name in (*VARIABLES[game.name], "reward"):
        if places[name] != kept[name] and name not in settled:
            yield f"    {kept[name]} = {places[name]}"
    if settling:
        yield settling
    else:
        yield from _write_shown(game, places)


def _write_settling(game: Description) -> str:
    """Return the line that most functions end with, which calls what they share; empty where a game is special."""
    if (game.has_score, game.reward, game.last, game.over) != (True, "score - last", "score", "end"):
        return ""
    if game.lives_shown == "0 if over else lives" and game.lives not in {"", "lives"}:
        return "    settle(c, score, end, lives)"
    shown = {"0": "0", "0 if over else 1": "1"}.get(game.lives_shown)
    return f"    settle_shown(c, score, end, {shown})" if shown else ""


def _write_shown(game: Description, places: dict[str, str]) -> Iterator[str]:
    """Yield the lines that set what is shown, from the variables."""
    yield f"    over = {translate(game.over, places)}"
    yield "    c.over = over"
    yield f"    c.lives = {translate(game.lives_shown, places | {'over': 'over'})}"


def _write_start(index: int, game: Description) -> Iterator[str]:
    """Yield the lines of what a reset does in one game only."""
    places = _places_of(game)
    lines = [f"        {places[name]} = {translate(text, places | {'m': 'c.mode'})}" for name, text in game.from_mode]
    if set(game.kept_over_reset) & (names_of(game.lives_shown) | names_of(game.over)):
        lines += [f"        c.lives = {translate(game.lives_shown, places | {'over': '0'})}"]
    if lines:
        yield f"    if c.game == {index}:  # {game.name}"
        yield from lines


def _write() -> str:
    """Return the source text of all functions."""
    lines: list[str] = []
    term = 0
    for game in DESCRIPTIONS:
        lines += [*_write_frame(game, term), ""]
        lines += [f"def show_{game.name}(c: Console) -> None:", *_write_shown(game, _places_of(game)), ""]
        term += len(game.score)
    lines += ["def start_specials(c: Console) -> None:"]
    for index, game in enumerate(DESCRIPTIONS):
        lines += _write_start(index, game)
    return "\n".join(lines) + "\n"


def execute(source: str, filename: str) -> dict[str, Callable[[Console], Any]]:
    """Return the functions of a source text, which tracebacks and `inspect` can read under the name of a file."""
    linecache.cache[filename] = (len(source), None, source.splitlines(keepends=True), filename)
    namespace = {**vars(words), "__name__": f"{__name__}.generated"}
    exec(compile(source, filename, "exec"), namespace)
    return namespace


SOURCE = _write()
_FUNCTIONS = execute(SOURCE, f"<bookkeeping of the games, made by {__name__}>")

FRAME_RULES: tuple[Callable[[Console], None], ...] = tuple(_FUNCTIONS[f"frame_{name}"] for name in NAMES)
"""Per game, in the order of `NAMES`: ``rules(c)`` keeps the books after a frame.

It reads the RAM, and sets `reward`, `over`, `lives` and `variables`.
"""

SHOW_RULES: tuple[Callable[[Console], None], ...] = tuple(_FUNCTIONS[f"show_{name}"] for name in NAMES)
"""Per game: ``show(c)`` sets `over` and `lives` from `variables`, after these were set from outside."""

start_specials: Callable[[Console], None] = _FUNCTIONS["start_specials"]


def _list_starts() -> Iterator[tuple[bool, int]]:
    """Yield per game and slot whether a reset sets it, and to what."""
    for game in DESCRIPTIONS:
        names = VARIABLES[game.name]
        for slot in range(SLOTS):
            name = names[slot] if slot < len(names) else ""
            yield name not in game.kept_over_reset, game.init.get(name, 0)


def _list_start_lives() -> Iterator[int]:
    """Yield per game the lives that are shown after a reset."""
    for index in range(len(NAMES)):
        c = Console()
        for slot in range(SLOTS):
            c.variables[slot] = START_VALUES[SLOTS * index + slot]
        SHOW_RULES[index](c)
        yield c.lives


IS_SET_AT_START = tuple(int(is_set) for is_set, _ in _list_starts())
START_VALUES = tuple(value for _, value in _list_starts())
START_LIVES = tuple(_list_start_lives())


def start_books(c: Console) -> None:
    """Set the bookkeeping of the console's game as a reset does."""
    for slot in range(SLOTS):
        if IS_SET_AT_START[SLOTS * c.game + slot]:
            c.variables[slot] = START_VALUES[SLOTS * c.game + slot]
    c.reward = 0
    c.over = 0
    c.lives = START_LIVES[c.game]
    start_specials(c)
