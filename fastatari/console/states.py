"""Conversion of a console from and to the saved states of ale-py 0.12.1.

A state of ale-py's is less than a console: it leaves out which first copies of the players are suppressed, the latch of
the playfield's reflection, the shape of missile 0, both screens, whether the last frame was cut short, the byte on the
bus, the keys, and which action would be repeated. `from_ale_state` sets these as they are most of the time: as after a
frame that the processor's status tells of, nothing suppressed, nothing pressed, and no operation to be repeated. The
screens stay.
"""

import math
from collections.abc import Sequence

from fastatari.compiler import Ints
from fastatari.console import cartridges, dpc, games
from fastatari.console.ale_stream import BOOLEAN, CPU, FALSE, RIOT, TIA, TRUE, Fields, read_state, write_state
from fastatari.console.games.facts import DIFFICULTIES, MODES
from fastatari.console.state import STOPPED, Console, Generator
from fastatari.console.tia.drawing import LINE
from fastatari.console.tia.objects import ALL_OBJECTS
from fastatari.console.tia.pixels import PIXELS

__all__ = ["from_ale_state", "read_state", "to_ale_state", "to_fields", "write_state"]

# Games whose states have lost what their bookkeeping needs.
NOT_CONVERTIBLE = ("miniature_golf",)

# Variables that ale-py does not save, and that are set for good once a reset has ended.
_LATCHED = {"chopper_command": {"started": 1}}

_BOOLEANS = {name for table in (CPU, RIOT, TIA) for name, allowed in table if allowed is BOOLEAN}
_BANKED, _WITH_RAM = ("F8", "F6", "F8SC", "F6SC", "DPC"), ("F8SC", "F6SC")

# The idle ports: nothing is pressed.
_PORT_A_IDLE, _PORT_B_IDLE, _FIRE_IDLE = 0xFF, 0x3F, 0x80

# A field of ale-py's, and the console's with its index, if it is an array.
_Pairs = tuple[tuple[str, str, int | None], ...]

_PROCESSOR: _Pairs = (
    ("a", "a", None), ("x", "x", None), ("y", "y", None), ("sp", "sp", None), ("ir", "opcode", None),
    ("pc", "pc", None), ("v", "overflow", None), ("d", "decimal", None), ("i", "interrupt", None),
    ("c", "carry", None), ("status", "status", None),
)  # fmt: skip
_RIOT: _Pairs = (
    ("timer", "timer", None), ("interval_shift", "timer_shift", None), ("cycle_timer_set", "timer_set_cycle", None),
    ("cycle_timer_read", "timer_read_cycle", None), ("timer_read_after_underflow", "timer_read", None),
    ("ddra", "ddra", None),
)  # fmt: skip
_TIA: _Pairs = (
    ("clock_frame_start", "frame_clock", None), ("clock_display_start", "window_start", None),
    ("clock_display_stop", "window_end", None), ("clock_drawn", "drawn", None),
    ("scanlines_last_frame", "scanlines", None), ("scanline", "scanline", None),
    ("clock_vsync_end", "vsync_end", None), ("vsync", "vsync", None), ("vblank", "vblank", None),
    ("nusiz0", "nusiz", 0), ("nusiz1", "nusiz", 1), ("ctrlpf", "ctrlpf", None), ("refp0", "refp", 0),
    ("refp1", "refp", 1), ("pf", "playfield", None), ("grp0", "grp", 0), ("grp1", "grp", 1),
    ("grp0_old", "old_grp", 0), ("grp1_old", "old_grp", 1), ("enam0", "enam", 0), ("enam1", "enam", 1),
    ("enabl", "enabl", None), ("enabl_old", "old_enabl", None), ("hmp0", "motion", 0), ("hmp1", "motion", 1),
    ("hmm0", "motion", 2), ("hmm1", "motion", 3), ("hmbl", "motion", 4), ("vdelp0", "vdelp", 0),
    ("vdelp1", "vdelp", 1), ("vdelbl", "vdelbl", None), ("resmp0", "resmp", 0), ("resmp1", "resmp", 1),
    ("collisions", "collisions", None), ("pos_p0", "position", 0), ("pos_p1", "position", 1),
    ("pos_m0", "position", 2), ("pos_m1", "position", 3), ("pos_bl", "position", 4),
    ("clock_hmove", "hmove_clock", None), ("hmove_blank", "comb", None), ("stars", "stars", None),
    ("stars_phase", "stars_phase", None), ("dump", "dump", None), ("cycle_dump_off", "dump_end_cycle", None),
)  # fmt: skip
_COLOURS: _Pairs = (
    ("colup0", "colup", 0), ("colup1", "colup", 1), ("colupf", "colupf", None), ("colubk", "colubk", None),
)  # fmt: skip
_FRONT: _Pairs = (
    ("paddle_left", "paddles", 0), ("paddle_right", "paddles", 1), ("frame_number", "frame_number", None),
    ("episode_frame_number", "episode_frame_number", None), ("mode", "mode", None),
    ("difficulty", "difficulty", None), ("paddle_min", "paddle_minimum", None),
    ("paddle_max", "paddle_maximum", None),
)  # fmt: skip


def to_fields(c: Console, md5: str = "", *, include_rng: bool = True) -> Fields:
    """Return a console between two frames as the fields of ale-py's state.

    Args:
        c (Console): the console.
        md5 (str): the MD5 of its ROM, 32 hexadecimal digits.
        include_rng (bool): whether the generator of the actions is part of the state.

    Returns:
        Fields: what `read_state` would return of ale-py's state.
    """
    return {
        **_get(c, _FRONT[:6]),
        **_get(c, _FRONT[6:]),
        "md5": md5,
        "cycles": c.cycle,
        "system_rng": _numbers(c.system_generator),
        "cpu": {
            **_get(c, _PROCESSOR), "n": c.nz & 0x180 != 0, "b": True, "not_z": c.nz & 0xFF != 0,
        },
        "riot": {"ram": _list(c.ram, 128), **_get(c, _RIOT), "ddrb": 0},
        "tia": {**_get(c, _TIA), **_colours(c), **_derived(c)},
        "sound": [0] * 7,
        "cart": _get_cartridge(c),
        "game": _get_words(c),
        "action_rng": _numbers(c.action_generator) if include_rng else None,
    }  # fmt: skip


def to_ale_state(c: Console, md5: str, *, include_rng: bool = True) -> bytes:
    """Return a console as ale-py serializes it.

    Args:
        c (Console): the console.
        md5 (str): the MD5 of its ROM, 32 hexadecimal digits.
        include_rng (bool): whether the generator of the actions is part of the state.

    Returns:
        bytes: what ``ALEState.serialize()`` would return, for ``ALEState(bytes)``. How ale-py goes on from it is not
        exact, because of what its states leave out.
    """
    return write_state(to_fields(c, md5, include_rng=include_rng))


def from_ale_state(c: Console, data: bytes | Fields, md5: str) -> None:
    """Bring a console to a state of ale-py's.

    Args:
        c (Console): a loaded console; untouched where there is an error.
        data (bytes | Fields): what ``ALEState.serialize()`` returned, or `read_state` of it.
        md5 (str): the MD5 of the console's ROM.

    Raises:
        TypeError: `data` is not bytes.
        ValueError: it is no state of ale-py's, is of another ROM, or holds what no such console can.
    """
    fields = data if isinstance(data, dict) else read_state(data)
    saved = _check(c, fields, md5)
    tia, cpu = fields["tia"], fields["cpu"]
    for part, pairs in ((fields, _FRONT), (cpu, _PROCESSOR), (fields["riot"], _RIOT), (tia, _TIA)):
        for name, attribute, index in pairs:
            _set(c, attribute, index, int(part[name]))
    for name, attribute, index in _COLOURS:
        _set(c, attribute, index, tia[name] & 0xFF)
    c.cycle = fields["cycles"]
    c.nz = 0x80 * cpu["n"] | cpu["not_z"] if cpu["not_z"] else 0x100 * cpu["n"]
    _copy(fields["riot"]["ram"], c.ram)
    _set_cartridge(c, fields["cart"])
    _set_generator(c.system_generator, fields["system_rng"])
    if fields["action_rng"] is not None:
        _set_generator(c.action_generator, fields["action_rng"])
    _set_unsaved(c)
    _set_books(c, saved)
    cartridges.connect(c)
    c.outdated = ALL_OBJECTS


def _get(c: Console, pairs: _Pairs) -> Fields:
    """Return fields of the console that ale-py's states have under other names."""
    values = ((name, getattr(c, attribute), index) for name, attribute, index in pairs)
    plain = {name: value if index is None else value[index] for name, value, index in values}
    return {name: bool(value) if name in _BOOLEANS else value for name, value in plain.items()}


def _list(array: Ints, count: int) -> list[int]:
    return [array[i] for i in range(count)]


def _copy(values: Sequence[int], array: Ints) -> None:
    for i, value in enumerate(values):
        array[i] = value


def _set(c: Console, attribute: str, index: int | None, value: int) -> None:
    if index is None:
        setattr(c, attribute, value)
    else:
        getattr(c, attribute)[index] = value


def _numbers(generator: Generator) -> list[int]:
    return [*_list(generator.words, 624), generator.index]


def _set_generator(generator: Generator, numbers: Sequence[int]) -> None:
    _copy(numbers[:624], generator.words)
    generator.index = numbers[624]


def _colours(c: Console) -> Fields:
    """Return the colour registers as ale-py keeps them, each byte four times."""
    return {name: value * 0x01010101 for name, value in _get(c, _COLOURS).items()}


def _derived(c: Console) -> Fields:
    """Return those fields of the TIA that follow from others."""
    players = [c.old_grp[i] if c.vdelp[i] else c.grp[i] for i in range(2)]
    missiles = [c.enam[i] and not c.resmp[i] for i in range(2)]
    ball = c.old_enabl if c.vdelbl else c.enabl
    live = (players[0], missiles[0], players[1], missiles[1], ball, c.playfield)
    shown = [int(f"{graphics:08b}"[::-1], 2) if c.refp[i] else graphics for i, graphics in enumerate(players)]
    return {
        "clocks_left_in_line": c.line_clock + LINE - c.drawn,
        "enabled": sum(1 << i for i, value in enumerate(live) if value),
        "pf_priority_score": (c.ctrlpf & 6) << 5,
        "shown_grp0": shown[0],
        "shown_grp1": shown[1],
    }


def _get_cartridge(c: Console) -> Fields:
    kind = cartridges.TYPES[c.cartridge]
    fields: Fields = {"type": f"Cartridge{kind}"}
    if kind in _BANKED:
        fields["bank"] = c.bank
    if kind in _WITH_RAM:
        fields["ram"] = _list(c.cartridge_ram, 128)
    if kind == "E0":
        fields["slices"] = _list(c.slices, 4)
    if kind == "DPC":
        registers = _list(c.cartridge_ram, 128)
        low, high = (registers[place : place + 8] for place in (dpc.LOW, dpc.HIGH))
        fields["tops"] = registers[dpc.TOP : dpc.TOP + 8]
        fields["bottoms"] = registers[dpc.BOTTOM : dpc.BOTTOM + 8]
        fields["counters"] = [high[i] << 8 | low[i] for i in range(8)]
        fields["flags"] = registers[dpc.FLAG : dpc.FLAG + 8]
        fields["music"] = [bool(registers[dpc.MUSIC + i]) for i in (5, 6, 7)]
        fields["random"] = registers[dpc.RANDOM]
        fields["cycle_music"] = c.music_cycle
        fields["fraction_e8"] = math.floor(dpc.from_bits(c.music_fraction) * 1e8)
    return fields


def _set_cartridge(c: Console, fields: Fields) -> None:
    c.bank = fields.get("bank", 0)
    if "ram" in fields:
        _copy(fields["ram"], c.cartridge_ram)
    if "slices" in fields:
        _copy(fields["slices"], c.slices)
    if "music" in fields:
        registers = c.cartridge_ram
        for i in range(8):
            registers[dpc.TOP + i] = fields["tops"][i]
            registers[dpc.BOTTOM + i] = fields["bottoms"][i]
            registers[dpc.LOW + i] = fields["counters"][i] & 0xFF
            registers[dpc.HIGH + i] = fields["counters"][i] >> 8
            registers[dpc.FLAG + i] = fields["flags"][i]
            registers[dpc.MUSIC + i] = i >= 5 and fields["music"][i - 5]
        registers[dpc.RANDOM] = fields["random"]
        c.music_cycle = fields["cycle_music"]
        c.music_fraction = dpc.to_bits(_to_fraction(fields["fraction_e8"]))


def _to_fraction(count: int) -> float:
    """Return a number of 1e-8, of which ale-py's rounding gives the same number again."""
    fraction = count / 1e8
    return fraction if math.floor(fraction * 1e8) == count else math.nextafter(fraction, 1.0)


def _set_books(c: Console, saved: dict[str, int]) -> None:
    """Set the bookkeeping. Variables that ale-py does not save are those that the last frame left, if they can be."""
    variables = saved | _LATCHED.get(games.NAMES[c.game], {})
    games.start_books(c)
    _set_variables(c, variables)
    games.FRAME_RULES[c.game](c)
    _set_variables(c, variables)
    games.SHOW_RULES[c.game](c)


def _set_variables(c: Console, variables: dict[str, int]) -> None:
    names = games.VARIABLES[games.NAMES[c.game]]
    for name, value in variables.items():
        if name == "reward":
            c.reward = value
        else:
            c.variables[names.index(name)] = value


def _set_place(c: Console) -> None:
    """Set where the picture is drawn to, from the clock up to which it exists."""
    within = (c.drawn - c.frame_clock) % LINE
    # The end of a line that was drawn to its end is still to come.
    is_at_end = within == 0 and c.drawn not in (c.window_start, c.frame_clock)
    c.line_clock = c.drawn - (LINE if is_at_end else within)
    # A picture that begins before the window is one that a reset did not begin anew.
    first = c.window_start if c.line_clock >= c.window_start else c.frame_clock
    c.row = (c.line_clock - first) // LINE * PIXELS
    c.requested = c.drawn
    c.limit_clock = c.frame_clock + LINE * (c.line_limit + 1)


def _set_unsaved(c: Console) -> None:
    """Set what ale-py's states leave out, once all else is set."""
    c.reflected = c.ctrlpf & 1
    c.suppressed[0] = c.suppressed[1] = 0
    c.missile_0_shape = c.stars_phase if c.stars and c.stars_phase in (1, 2) else 0
    c.cut = c.greyed = int(c.status != STOPPED)
    _set_place(c)
    c.stop = 0
    c.colour_loss = c.scanlines & 1 if c.is_pal else 0
    c.bus = c.ram[127]
    c.port_a, c.port_b = _PORT_A_IDLE, _PORT_B_IDLE | (c.difficulty & 3) << 6
    c.fire[0] = c.fire[1] = _FIRE_IDLE
    c.sticky_action = c.sticky_strength = 0
    # What is in the screens stays, and cannot be made again.
    for i in range(2):
        c.has_start[i], c.is_drawn[i] = 0, 1
    c.is_partial = int(c.cut or c.drawn < c.window_end)


def _check(c: Console, fields: Fields, md5: str) -> dict[str, int]:
    """Check that a state can be one of this console, and return the variables of its bookkeeping."""
    game, kind, tia = games.NAMES[c.game], cartridges.TYPES[c.cartridge], fields["tia"]
    if game in NOT_CONVERTIBLE:
        raise ValueError(f"a state of {game} cannot be taken over from ale-py: it has lost what the rewards depend on")
    window = (
        tia["clock_display_start"] - tia["clock_frame_start"],
        tia["clock_display_stop"] - tia["clock_display_start"],
    )
    lowest, highest = fields["paddle_min"], fields["paddle_max"]
    drawn = range(tia["clock_frame_start"], tia["clock_display_stop"] + 1)
    checks = (
        ("md5", fields["md5"], (md5,)),
        ("type of cartridge", fields["cart"]["type"], (f"Cartridge{kind}",)),
        ("mode", fields["mode"], MODES[game]),
        ("difficulty", fields["difficulty"], sorted({0, *DIFFICULTIES[game]})),
        ("paddle_max", highest, range(lowest, 1_000_001)),
        ("paddle_left", fields["paddle_left"], range(lowest, highest + 1)),
        ("paddle_right", fields["paddle_right"], range(lowest, highest + 1)),
        ("clock_frame_start", tia["clock_frame_start"], range(-225, 1, 3)),
        ("lines before the picture, in clocks", window[0], (LINE * c.y_start,)),
        ("lines of the picture, in clocks", window[1], (LINE * c.height,)),
        ("clock_drawn", tia["clock_drawn"], drawn),
        *((name, tia[name], (tia[name] % 256 * 0x01010101,)) for name, _, _ in _COLOURS),
        ("last of the slices", fields["cart"].get("slices", [7])[-1], (7,)),
    )
    for name, value, allowed in checks:
        if value not in allowed:
            raise ValueError(f"the state has {value!r} as `{name}`, where this console needs {_describe(allowed)}")
    return _read_words(game, fields["game"])


def _describe(allowed: Sequence[int | str]) -> str:
    """Say which values are allowed."""
    if isinstance(allowed, range):
        return f"one from {allowed[0]} to {allowed[-1]}" + (f" in steps of {allowed.step}" if allowed.step > 1 else "")
    return " or ".join(map(repr, allowed))


def _read_words(game: str, words: Sequence[int]) -> dict[str, int]:
    """Return the variables of a game's bookkeeping, of the words at the end of ale-py's state."""
    saved = games.SAVED[game]
    if len(words) != len(saved):
        raise ValueError(f"the state has {len(words)} words for {game}, which has {len(saved)}")
    variables = {}
    for (kind, name), word in zip(saved, words, strict=True):
        if kind == "bool":
            if word not in (TRUE, FALSE):
                raise ValueError(f"the state has {word:#x} as `{name}`, where {TRUE:#x} and {FALSE:#x} are booleans")
            variables[name] = int(word == TRUE)
        elif kind == "char":
            variables[name] = (word + 128) % 256 - 128
        else:
            variables[name] = word - (word >> 31 << 32)
    return variables


def _get_words(c: Console) -> list[int]:
    """Return the bookkeeping as the words at the end of ale-py's state, without signs."""
    game = games.NAMES[c.game]
    words = []
    for kind, name in games.SAVED[game]:
        value = c.reward if name == "reward" else c.variables[games.VARIABLES[game].index(name)]
        words.append((TRUE if value else FALSE) if kind in {"bool", "flag"} else value & 0xFFFFFFFF)
    return words
