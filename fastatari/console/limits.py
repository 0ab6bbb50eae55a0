"""What each field of a console may hold, for states from outside: no other value lets it read or write astray."""

import ctypes
from collections.abc import Container
from typing import Any

from fastatari.console import cartridges, dpc
from fastatari.console.games import NAMES
from fastatari.console.games.facts import DIFFICULTIES, MODES
from fastatari.console.inputs import NUM_ACTIONS
from fastatari.console.state import Console
from fastatari.console.tia.drawing import LINE
from fastatari.console.tia.pixels import PIXELS

_BIT, _BYTE, _NIBBLE, _NATURAL = range(2), range(256), range(16), range(2**31)
_INTEGER = range(-(2**31), 2**31)
# The bits of a double from 0 to less than 1.
_FRACTION = range(0x3FF0000000000000)
# Of a frame's cycles. A program that never writes to the TIA counts on, 25000 instructions a call.
_CYCLE = range(2**31)
# Of a paddle's movement in a frame, see `arguments.to_units`.
_UNITS = range(2**30)
_MOST_RESISTANCE = 1_000_000

# Of a machine. What is not named here may hold whatever fits into it.
MACHINE: dict[str, Container[int]] = {
    "music_fraction": _FRACTION,
    "cycle": _CYCLE,
    "frame_clock": range(-225, 1, 3),
    "scanlines": _NATURAL,
    "scanline": _NATURAL,
    "playfield": range(2**20),
    "paddles": range(_MOST_RESISTANCE + 1),
    "nz": range(2**9),
    "collisions": range(2**15),
    "carry": _BIT,
    "decimal": _BIT,
    "overflow": _BIT,
    "interrupt": _BIT,
    "status": range(3),
    "timer_shift": (0, 3, 6, 10),
    "timer_read": _BIT,
    "bank": range(4),
    "slices": range(8),
    "refp": _BIT,
    "enam": _BIT,
    "enabl": _BIT,
    "old_enabl": _BIT,
    "motion": _NIBBLE,
    "vdelp": _BIT,
    "vdelbl": _BIT,
    "resmp": _BIT,
    "position": range(PIXELS),
    "reflected": _BIT,
    "suppressed": _BIT,
    "comb": _BIT,
    "stars": _BIT,
    "stars_phase": range(4),
    "missile_0_shape": range(3),
    "dump": _BIT,
    "colour_loss": _BIT,
    "fire": (0, 0x80),
    "stop": _BIT,
    "cut": _BIT,
    "greyed": _BIT,
    "current": _BIT,
}
# Of what is around it.
AROUND: dict[str, Container[int]] = {
    "sticky_strength": _UNITS,
    "over": _BIT,
    "sticky_action": range(NUM_ACTIONS),
    "has_start": _BIT,
    "is_drawn": _BIT,
    "is_partial": _BIT,
}


def check_console(c: Any, like: Console) -> None:
    """Check that a console's state can be one of another console.

    Args:
        c (Console): whose state is looked at; its settings are not.
        like (Console): the other console, of the same ROM.

    Raises:
        ValueError: a field has a value that it cannot have.
    """
    game = NAMES[like.game]
    _check_fields(c, AROUND, "")
    _check("", "mode", c.mode, MODES[game])
    _check("", "difficulty", c.difficulty, sorted({0, *DIFFICULTIES[game]}))
    for name in ("system_generator", "action_generator"):
        _check(f"{name}.", "index", getattr(c, name).index, range(625))
    check_machine(c, like, "")
    for k in range(2):
        if c.has_start[k]:
            where = f"frame_starts[{k}]."
            check_machine(c.frame_starts[k], like, where)
            _check(where, "current", c.frame_starts[k].current, (1 - k,))
            _check(where, "cut", c.frame_starts[k].cut, (0,))
        else:
            _check("", f"is_drawn[{k}]", c.is_drawn[k], (1,))


def check_machine(m: Any, like: Console, where: str) -> None:
    """Check one machine; `where` is what stands before the names in messages."""
    _check_fields(m, MACHINE, where)
    _check(where, "window_start", m.window_start, (m.frame_clock + LINE * like.y_start,))
    _check(where, "window_end", m.window_end, (m.window_start + LINE * like.height,))
    _check(where, "limit_clock", m.limit_clock, (m.frame_clock + LINE * (like.line_limit + 1),))
    _check(where, "line_clock", m.line_clock, range(m.frame_clock, m.window_end, LINE))
    _check(where, "drawn", m.drawn, range(m.line_clock, m.line_clock + LINE + 1))
    # The picture begins with the window, or, of a frame that was not begun anew by a reset, with the first line.
    lines = (m.line_clock - m.frame_clock) // LINE
    rows = [PIXELS * row for row in (lines - like.y_start, lines) if row >= 0]
    _check(where, "row", m.row, rows or (0,))
    kind = like.cartridge
    _check(where, "bank", m.bank, range(max(1, cartridges.SIZES[kind] // cartridges.BANK_SIZE)))
    if kind == cartridges.E0:
        _check(where, "slices[3]", m.slices[3], (7,))
    if kind == cartridges.DPC:
        for i in range(8):
            _check(where, f"cartridge_ram[{dpc.HIGH + i}]", m.cartridge_ram[dpc.HIGH + i], range(8))
            _check(where, f"cartridge_ram[{dpc.MUSIC + i}]", m.cartridge_ram[dpc.MUSIC + i], _BIT)


def _check_fields(structure: Any, limits: dict[str, Container[int]], where: str) -> None:
    for name, allowed in limits.items():
        value = getattr(structure, name)
        if isinstance(value, ctypes.Array):
            for i, element in enumerate(value):
                _check(where, f"{name}[{i}]", element, allowed)
        else:
            _check(where, name, value, allowed)


def _check(where: str, name: str, value: int, allowed: Any) -> None:
    if value not in allowed:
        is_range = isinstance(allowed, range) and allowed.step == 1
        text = f"from {allowed[0]} to {allowed[-1]}" if is_range else f"one of {', '.join(map(str, allowed))}"
        raise ValueError(f"the state has {value} as `{where}{name}`, which must be {text}")
