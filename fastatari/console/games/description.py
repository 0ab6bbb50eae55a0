"""The description of the 104 games in `games.json`, and the notation that it is written in.

A game is a list of assignments ``name = int(expression)`` that are executed in this order after each emulated frame:

====================  ====================================  =================================
name                  expression                            if the game has no such entry
====================  ====================================  =================================
the names of before   theirs                                nothing
total                 sum of weight * decode(byte): score   no score: these three fall away
score                 score_is                              total
end                   end                                   (every game has one)
lives                 lives                                 the game keeps no lives
reward                reward                                score - last
the names of after    theirs                                nothing
last                  last                                  score
====================  ====================================  =================================

A name that is read before it is assigned has its value of the frame before. At a reset a name gets the value of `init`,
else 0, but for the names of `kept_over_reset`; then the assignments of `from_mode` are executed, of the mode `m`.
`game_over()` shows `over`, by default `end`; `lives()` shows `lives_shown`, by default ``0 if over else lives``.

Expressions are Python over ``ram[0xNN]``, names and integers. Addresses 0 to 127 are the console's RAM, 128 to 255 the
RAM on a cartridge, which only klax reads. `fastatari.console.games.words` has the functions that they may call.

The other keys:

* `saved`: the variables at the end of one of ale-py's saved states, with their kinds.
* `minimal_actions`, `modes`, `difficulties`: as ale-py gives them; the first mode is the default one.
* `legal_actions`: where they are not 0 to 17.
* `starting_actions`: runs [frames, action] that end a reset; 40 is the console's RESET switch.
* `select`: how a reset reaches the mode `m`, see `Select`. Where there is none, a reset presses nothing.
* `paddles`: the lowest and the highest position, where the game is played with paddles.
"""

import json
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

Assignments = tuple[tuple[str, str], ...]

ALL_ACTIONS = tuple(range(18))


@dataclass(frozen=True, slots=True)
class Select:
    """How a reset reaches a mode.

    First `first_select` frames of SELECT (as one press), `first_reset` frames of RESET and `first_acts` no-ops. Then
    SELECT is pressed for `press` frames, and `acts_after_press` no-ops are played, until the condition `until` holds.

    Attributes:
        until (str): an expression of the RAM and of `m`, the wanted mode.
        press (int | str): frames of SELECT; "random" for 2 to 257 of them, drawn from the generator of the actions.
        most (int): the number of presses after which ale-py gives up; 0 where it does not.
        script (str): the name of a function of `fastatari.console.games.modes` that does it instead of all this.
    """

    until: str = "1"
    press: int | str = 0
    first_select: int = 0
    first_reset: int = 0
    first_acts: int = 0
    acts_after_press: int = 0
    most: int = 0
    script: str = ""


@dataclass(frozen=True, slots=True)
class Description:
    """One game, as the module's docstring describes it."""

    name: str
    end: str
    saved: tuple[tuple[str, str], ...]
    minimal_actions: tuple[int, ...]
    modes: tuple[int, ...]
    difficulties: tuple[int, ...]
    before: Assignments = ()
    score: tuple[tuple[str, int, int], ...] = ()
    score_is: str = "total"
    lives: str = ""
    reward: str = "score - last"
    after: Assignments = ()
    last: str = "score"
    over: str = "end"
    lives_shown: str = "0 if over else lives"
    init: Mapping[str, int] = field(default_factory=dict)
    kept_over_reset: tuple[str, ...] = ()
    from_mode: Assignments = ()
    legal_actions: tuple[int, ...] = ALL_ACTIONS
    starting_actions: tuple[tuple[int, int], ...] = ()
    select: Select | None = None
    paddles: tuple[int, int] | None = None

    @property
    def has_score(self) -> bool:
        """Whether the game keeps a score."""
        return bool(self.score) or self.score_is != "total"

    def assignments(self) -> Iterator[tuple[str, str]]:
        """Yield what is assigned after a frame, in order, without the sum of `score`: names and expressions."""
        yield from self.before
        if self.has_score:
            yield "score", self.score_is
        yield "end", self.end
        if self.lives:
            yield "lives", self.lives
        yield "reward", self.reward
        yield from self.after
        if self.has_score:
            yield "last", self.last


def _parse(name: str, entry: dict[str, Any]) -> Description:
    """Return the game of an entry of the file."""
    fields = {key: _freeze(value) for key, value in entry.items() if key not in {"init", "saved", "select"}}
    saved = tuple((kind, variable) for kind, variable in (text.split() for text in entry["saved"].split(", ")))
    select = Select(**entry["select"]) if "select" in entry else None
    return Description(name=name, init=entry.get("init", {}), saved=saved, select=select, **fields)


def _freeze(value: Any) -> Any:
    """Return a value of the file with tuples for its lists."""
    return tuple(_freeze(item) for item in value) if isinstance(value, list) else value


_DATA = Path(__file__).with_name("games.json").read_bytes()
# Changes with anything that the descriptions say.
GAMES_CRC = zlib.crc32(_DATA)

DESCRIPTIONS = tuple(_parse(name, entry) for name, entry in sorted(json.loads(_DATA).items()))
"""The games, in the order of their names."""
NAMES = tuple(description.name for description in DESCRIPTIONS)
