"""The serialized states of ale-py 0.12.1, ``ALEState.serialize()``, from bytes to nested dictionaries and back.

An integer is 4 bytes, little endian, two's complement; a boolean is one of two such words; a string is an integer, its
length, and so many bytes. There is no padding, no tag and no checksum. The tables below name the fields in their order,
each with the values that it may have: a state can come from anywhere, so every field is checked as it is read.
"""

import re
import struct
from typing import Any

# Nested: str to int, bool, str, a list of these, or another such dictionary.
Fields = dict[str, Any]

# How booleans are written.
TRUE, FALSE = 0xFAB1FAB2, 0xBAD1BAD2

# What a field may hold: one of these, or `BOOLEAN`.
BOOLEAN = range(0)
BIT, BYTE, NIBBLE, POSITION = range(2), range(256), range(16), range(160)
INTEGER = range(-(2**31), 2**31)
NATURAL = range(2**31)
WORD = range(2**32)
# Of the cycles of a frame: three clocks each, and those of another frame, are still an integer.
CYCLE = range(700_000_000)

_Table = tuple[tuple[str, range], ...]

FRONT: _Table = (
    ("paddle_left", range(1_000_001)),
    ("paddle_right", range(1_000_001)),
    ("frame_number", NATURAL),
    ("episode_frame_number", NATURAL),
    ("mode", NATURAL),
    ("difficulty", NATURAL),
)
BACK: _Table = (("paddle_min", range(1_000_001)), ("paddle_max", range(1_000_001)))
CPU: _Table = (
    ("a", BYTE), ("x", BYTE), ("y", BYTE), ("sp", BYTE), ("ir", BYTE), ("pc", range(2**16)), ("n", BOOLEAN),
    ("v", BOOLEAN), ("b", BOOLEAN), ("d", BOOLEAN), ("i", BOOLEAN), ("not_z", BOOLEAN), ("c", BOOLEAN),
    ("status", range(3)),
)  # fmt: skip
RIOT: _Table = (
    ("timer", BYTE), ("interval_shift", range(11)), ("cycle_timer_set", INTEGER), ("cycle_timer_read", INTEGER),
    ("timer_read_after_underflow", BOOLEAN), ("ddra", BYTE), ("ddrb", BYTE),
)  # fmt: skip
TIA: _Table = (
    ("clock_frame_start", range(-227, 1)), ("clock_display_start", INTEGER), ("clock_display_stop", INTEGER),
    ("clock_drawn", INTEGER), ("clocks_left_in_line", range(229)), ("scanlines_last_frame", NATURAL),
    ("scanline", NATURAL), ("clock_vsync_end", INTEGER), ("enabled", range(64)), ("vsync", BYTE), ("vblank", BYTE),
    ("nusiz0", BYTE), ("nusiz1", BYTE), ("colup0", WORD), ("colup1", WORD), ("colupf", WORD), ("colubk", WORD),
    ("ctrlpf", BYTE), ("pf_priority_score", NATURAL), ("refp0", BOOLEAN), ("refp1", BOOLEAN), ("pf", range(2**20)),
    ("grp0", BYTE), ("grp1", BYTE), ("grp0_old", BYTE), ("grp1_old", BYTE), ("enam0", BOOLEAN), ("enam1", BOOLEAN),
    ("enabl", BOOLEAN), ("enabl_old", BOOLEAN), ("hmp0", NIBBLE), ("hmp1", NIBBLE), ("hmm0", NIBBLE),
    ("hmm1", NIBBLE), ("hmbl", NIBBLE), ("vdelp0", BOOLEAN), ("vdelp1", BOOLEAN), ("vdelbl", BOOLEAN),
    ("resmp0", BOOLEAN), ("resmp1", BOOLEAN), ("collisions", range(2**15)), ("pos_p0", POSITION),
    ("pos_p1", POSITION), ("pos_m0", POSITION), ("pos_m1", POSITION), ("pos_bl", POSITION), ("shown_grp0", BYTE),
    ("shown_grp1", BYTE), ("clock_hmove", INTEGER), ("hmove_blank", BOOLEAN), ("stars", BOOLEAN),
    ("stars_phase", range(4)), ("dump", BOOLEAN), ("cycle_dump_off", INTEGER),
)  # fmt: skip
# By type, without "Cartridge" before it: the fields, with their number where it stands before them.
CARTRIDGES: dict[str, tuple[tuple[str, range, int | None], ...]] = {
    "2K": (),
    "4K": (),
    "FE": (),
    "F8": (("bank", range(2), None),),
    "F6": (("bank", range(4), None),),
    "F8SC": (("bank", range(2), None), ("ram", BYTE, 128)),
    "F6SC": (("bank", range(4), None), ("ram", BYTE, 128)),
    "E0": (("slices", range(8), 4),),
    "DPC": (
        ("bank", range(2), None), ("tops", BYTE, 8), ("bottoms", BYTE, 8), ("counters", range(2048), 8),
        ("flags", BYTE, 8), ("music", BOOLEAN, 3), ("random", BYTE, None), ("cycle_music", INTEGER, None),
        ("fraction_e8", range(10**8), None),
    ),
}  # fmt: skip
# Six registers and a cycle, all 0 unless ale-py makes sound. Nothing that can be seen depends on them.
_SOUND_FIELDS = 7

_MD5 = re.compile(rb"[0-9a-f]{32}")
_GENERATOR = re.compile(rb"\d{1,10}(?: \d{1,10}){624} ?")


class _Reader:
    """Reads a stream field by field; every error is a ValueError that says where it is."""

    def __init__(self, data: bytes, what: str) -> None:
        self._data, self._what, self.at = data, what, 0

    def fail(self, message: str) -> ValueError:
        return ValueError(f"{self._what} {message}")

    def take(self, name: str, allowed: range) -> int | bool:
        if self.at + 4 > len(self._data):
            raise self.fail(f"ends within `{name}`: it has {len(self._data)} bytes, at least {self.at + 4} are needed")
        word = int.from_bytes(self._data[self.at : self.at + 4], "little")
        self.at += 4
        if allowed is BOOLEAN:
            if word not in (TRUE, FALSE):
                raise self.fail(f"has {word:#x} as `{name}`, where {TRUE:#x} and {FALSE:#x} are true and false")
            return word == TRUE
        value = word if allowed is WORD or word < 2**31 else word - 2**32
        if value not in allowed:
            raise self.fail(f"has {value} as `{name}`, which must be from {allowed.start} to {allowed.stop - 1}")
        return value

    def take_text(self, name: str) -> bytes:
        length = int(self.take(f"length of {name}", NATURAL))
        text = self._data[self.at : self.at + length]
        if len(text) < length:
            raise self.fail(f"ends within `{name}`: of {length} bytes, {len(text)} are there")
        self.at += length
        return text

    def expect(self, name: str) -> None:
        text = self.take_text(name)
        if text != name.encode():
            raise self.fail(f"has {text[:40]!r} in place of `{name}`")

    def take_table(self, table: _Table) -> Fields:
        return {name: self.take(name, allowed) for name, allowed in table}

    def take_generator(self, name: str) -> list[int]:
        return parse_generator(self.take_text(name), f"{self._what} has a `{name}`")

    @property
    def rest(self) -> bytes:
        return self._data[self.at :]


def parse_generator(text: bytes, what: str) -> list[int]:
    """Return the 624 words of a Mersenne twister, and the index of the next one, as C++ writes them.

    Raises:
        ValueError: it is not that; `what` begins the message.
    """
    if not _GENERATOR.fullmatch(text):
        raise ValueError(f"{what} that is not of 625 decimal numbers: {text[:40]!r}, {len(text)} bytes")
    numbers = [int(number) for number in text.split()]
    if max(numbers) >= 2**32 or numbers[-1] > 624:
        raise ValueError(f"{what} that is not of 624 numbers below 2**32 and an index up to 624")
    return numbers


def read_state(data: bytes) -> Fields:
    """Read a state that ale-py has serialized.

    Args:
        data (bytes): what ``ALEState.serialize()`` returned.

    Returns:
        Fields: the fields by their names, in the stream's order: integers and booleans, ``md5`` and the cartridge's
        ``type`` as strings, generators as 625 integers; ``action_rng`` is None if it was left out; ``game`` holds the
        32-bit words of the game's bookkeeping, as unsigned integers.

    Raises:
        TypeError: `data` is not bytes.
        ValueError: it is not such a state, or a field has a value that none can have.
    """
    if not isinstance(data, bytes):
        raise TypeError(f"a state must be bytes, got {type(data).__name__}")
    outer = _Reader(data, "the state")
    state = outer.take_table(FRONT)
    inner = _Reader(outer.take_text("emulator"), "the state's emulator")
    state |= outer.take_table(BACK)
    if outer.rest:
        raise outer.fail(f"goes on after its end, with {len(outer.rest)} bytes")
    if not _MD5.fullmatch(md5 := inner.take_text("md5")):
        raise inner.fail(f"has {md5[:40]!r} as `md5`, which must be 32 hexadecimal digits")
    state["md5"] = md5.decode()
    inner.expect("System")
    state["cycles"] = inner.take("cycles", CYCLE)
    state["system_rng"] = inner.take_generator("system_rng")
    inner.expect("M6502Low")
    state["cpu"] = inner.take_table(CPU)
    inner.expect("M6532")
    state["riot"] = {"ram": _take_list(inner, "ram", BYTE, 128), **inner.take_table(RIOT)}
    if state["riot"]["interval_shift"] not in (0, 3, 6, 10):
        raise inner.fail(f"has {state['riot']['interval_shift']} as `interval_shift`, which must be 0, 3, 6 or 10")
    inner.expect("TIA")
    state["tia"] = inner.take_table(TIA)
    inner.expect("TIASound")
    state["sound"] = [inner.take("sound", INTEGER) for _ in range(_SOUND_FIELDS)]
    state["cart"] = _read_cartridge(inner)
    state["game"], state["action_rng"] = _read_game(inner)
    return state


def _take_list(reader: _Reader, name: str, allowed: range, count: int) -> list[int | bool]:
    reader.take(f"number of {name}", range(count, count + 1))
    return [reader.take(name, allowed) for _ in range(count)]


def _read_cartridge(reader: _Reader) -> Fields:
    name = reader.take_text("cartridge").decode("latin1")
    kind = name.removeprefix("Cartridge")
    if kind == name or kind not in CARTRIDGES:
        raise reader.fail(f"is of the cartridge {name[:40]!r}, where these are known: {', '.join(CARTRIDGES)}")
    cartridge: Fields = {"type": name}
    for field, allowed, count in CARTRIDGES[kind]:
        cartridge[field] = reader.take(field, allowed) if count is None else _take_list(reader, field, allowed, count)
    return cartridge


def _read_game(reader: _Reader) -> tuple[list[int], list[int] | None]:
    """Read the rest: words whose number depends on the game, then the action generator or the mark of its absence."""
    rest = reader.rest
    words = struct.unpack(f"<{len(rest) // 4}I", rest[: len(rest) // 4 * 4])
    if len(rest) % 4 == 0 and words and words[-1] == FALSE:
        return list(words[:-1]), None
    for place in range(len(words) - 1):
        if words[place] == TRUE and words[place + 1] == len(rest) - 4 * place - 8:
            text = rest[4 * place + 8 :]
            return list(words[:place]), parse_generator(text, "the state's emulator has an `action_rng`")
    raise reader.fail("holds neither an action generator nor the mark of its absence")


def write_state(state: Fields) -> bytes:
    """Return the bytes of a state: the inverse of `read_state`.

    Args:
        state (Fields): as `read_state` returns it.

    Returns:
        bytes: as ``ALEState.serialize()`` returns them.
    """
    parts = [_text(state["md5"]), _text("System"), _word(state["cycles"]), _text(_join(state["system_rng"]))]
    parts += [_text("M6502Low"), *(_field(state["cpu"][name], allowed) for name, allowed in CPU)]
    parts += [_text("M6532"), *_list(state["riot"]["ram"], BYTE)]
    parts += [_field(state["riot"][name], allowed) for name, allowed in RIOT]
    parts += [_text("TIA"), *(_field(state["tia"][name], allowed) for name, allowed in TIA)]
    parts += [_text("TIASound"), *map(_word, state["sound"])]
    cartridge = state["cart"]
    parts.append(_text(cartridge["type"]))
    for name, allowed, count in CARTRIDGES[cartridge["type"].removeprefix("Cartridge")]:
        parts += [_field(cartridge[name], allowed)] if count is None else _list(cartridge[name], allowed)
    parts += map(_word, state["game"])
    generator = state["action_rng"]
    parts.append(_field(generator is not None, BOOLEAN))
    if generator is not None:
        parts.append(_text(_join(generator)))
    front = [_word(state[name]) for name, _ in FRONT]
    return b"".join([*front, _text(b"".join(parts)), *(_word(state[name]) for name, _ in BACK)])


def _word(value: int) -> bytes:
    return (value & 0xFFFFFFFF).to_bytes(4, "little")


def _field(value: int | bool, allowed: range) -> bytes:
    return _word((TRUE if value else FALSE) if allowed is BOOLEAN else value)


def _list(values: list[int], allowed: range) -> list[bytes]:
    return [_word(len(values)), *(_field(value, allowed) for value in values)]


def _text(value: str | bytes) -> bytes:
    raw = value.encode() if isinstance(value, str) else value
    return _word(len(raw)) + raw


def _join(numbers: list[int]) -> str:
    return " ".join(map(str, numbers))
