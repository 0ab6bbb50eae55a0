"""The 104 games that can be played: what their RAM means, and how a reset reaches one of their modes.

* `description`: the games' descriptions, of `games.json`, and the notation that they are written in.
* `words`: the functions of that notation.
* `expressions`: expressions of the notation, as the compiled language has them.
* `bookkeeping`: reward, lives and the end of the game, after each frame.
* `facts`: which actions, modes and difficulties there are, the starting actions, the paddles.
* `looks`: which bytes of RAM the bookkeeping can look at, and whose resets can be repeated.
* `modes`: how a reset reaches a mode. It plays frames, so it is imported from there.
"""

from typing import TYPE_CHECKING, Any

from fastatari.console.games.description import NAMES

if TYPE_CHECKING:
    from fastatari.console.games.bookkeeping import FRAME_RULES, SAVED, SHOW_RULES, VARIABLES, start_books

__all__ = ["FRAME_RULES", "NAMES", "SAVED", "SHOW_RULES", "VARIABLES", "start_books"]


def __getattr__(name: str) -> Any:
    """Import `bookkeeping` when it is asked for: who plays compiled code does without its hundreds of functions."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from fastatari.console.games import bookkeeping  # noqa: PLC0415

    return getattr(bookkeeping, name)
