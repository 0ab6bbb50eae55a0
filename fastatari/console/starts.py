"""Starts: what resets made, to be made again where a reset would do the same, instead of emulating its frames.

A reset is a function of what it reads before it writes: some bytes of the RAM, and in some games the timer, which is
set to a random value. `Starts` records which these are, and keeps what the reset made under their values. A reset that
finds the same values makes the same, but for the bytes of the RAM that it neither reads nor writes, which stay.

What else could matter is part of the key, is always the same in consoles that share a `Starts`, or is why a reset is
not repeated: one of a frame that was cut, of a cartridge with memory of its own, and one that draws actions.
"""

import ctypes
import weakref
from typing import Any, NamedTuple

from fastatari.console import machine_code
from fastatari.console.memory import Consoles, Rom
from fastatari.console.recording import LATE_BITS, PLACES, READ, TIMER, WRITTEN, Start
from fastatari.console.state import Console, Episode
from fastatari.console.tia.pixels import PIXELS

# How many starts are kept of a ROM, and how many more than the resets that were repeated: recording takes time.
MOST, MOST_IN_VAIN = 256, 16


def _slice(first: str, last: str) -> slice:
    """Return where fields of a console are, which follow each other."""
    begin, end = getattr(Console, first), getattr(Console, last)
    return slice(begin.offset, end.offset + end.size)


_RAM, _CUT = _slice("ram", "ram"), _slice("cut", "cut").start
# What the caller has chosen.
_CHOICES, _PADDLES = _slice("mode", "difficulty"), _slice("paddle_minimum", "paddle_maximum")
_ACTIONS = _slice("action_generator", "action_generator")
_SIZE, _EPISODE = ctypes.sizeof(Console), ctypes.sizeof(Episode)


class Group(NamedTuple):
    """Starts whose resets read the same places.

    Attributes:
        mask (int): all bits of the bytes of the RAM that they read; byte 0 is the lowest.
        has_timer (bool): whether they read the timer.
        addresses (dict[int, int]): the addresses of the starts, by what was read.
    """

    mask: int
    has_timer: bool
    addresses: dict[int, int]


class Starts:
    """The starts of a ROM, of all consoles of the process that show it on the same television.

    Several threads may use it: what is shared is only changed by single operations of dicts and lists, without a lock
    that a fork could find taken.

    Attributes:
        groups (dict[bytes, list[Group]]): the starts, by mode, difficulty and limits of the paddles.
        refused (set[bytes]): with which of these resets cannot be repeated.
        hits (int): how many resets were repeated.
        recorded (list[Start]): all starts, which the addresses in `groups` are of.
    """

    def __init__(self) -> None:
        self.groups: dict[bytes, list[Group]] = {}
        self.refused: set[bytes] = set()
        self.hits = 0
        self.recorded: list[Any] = []
        self._pictures: dict[bytes, Any] = {}

    def can_record(self, choices: bytes) -> bool:
        """Return whether another start may be recorded."""
        return len(self.recorded) < min(MOST, MOST_IN_VAIN + self.hits) and choices not in self.refused

    def add(self, choices: bytes, notes: bytes, before: Any, after: Any) -> None:
        """Keep what a reset made.

        Args:
            choices (bytes): the key of `groups`.
            notes (bytes): what was noted of each place: see `recording`.
            before (Console): the console before the reset.
            after (Console): the console after it.
        """
        is_read = [bool(note & READ or (note & WRITTEN and note & LATE_BITS)) for note in notes]
        has_timer = is_read[TIMER]
        mask = int.from_bytes(bytes(255 * flag for flag in is_read[:TIMER]), "little")
        value = int.from_bytes(bytes(before.ram), "little") & mask
        if has_timer:
            value |= machine_code.functions_with_gil().next_timer(ctypes.addressof(before)) << 8 * TIMER
        start = self._make_start(notes, is_read, before, after)
        self.recorded.append(start)
        groups = self.groups.setdefault(choices, [])
        group = next((group for group in groups if group[:2] == (mask, has_timer)), None)
        if group is None:
            group = Group(mask, has_timer, {})
            groups.append(group)
        group.addresses[value] = ctypes.addressof(start)

    def _make_start(self, notes: bytes, is_read: list[bool], before: Any, after: Any) -> Any:
        start: Any = Start()
        ctypes.memmove(ctypes.addressof(start), ctypes.addressof(after), _EPISODE)
        start.frame_number -= before.frame_number
        for machine in (start, *start.frame_starts):
            machine.music_cycle -= before.music_cycle
        start.first_screen = before.current
        is_kept = [not read and not note & WRITTEN for read, note in zip(is_read, notes, strict=True)]
        kept = [place for place in range(TIMER) if is_kept[place]]
        start.keeps_timer = is_kept[TIMER]
        start.number_kept = len(kept)
        start.kept[: len(kept)] = kept
        for k in range(2):
            if not after.has_start[k]:
                data = ctypes.string_at(after.screens[k], PIXELS * after.height)
                picture = self._pictures.setdefault(data, ctypes.create_string_buffer(data, len(data)))
                start.pictures[k] = ctypes.addressof(picture)
        return start


_ALL: "weakref.WeakKeyDictionary[Rom, dict[tuple[int, ...], Starts]]" = weakref.WeakKeyDictionary()


def find_starts(rom: Rom, c: Console) -> Starts:
    """Return the starts of a ROM for a console that was turned on."""
    return _ALL.setdefault(rom, {}).setdefault((c.is_pal, c.height, c.line_limit), Starts())


class Resets:
    """Resets of a console: repeated where that gives the same, else emulated.

    Args:
        consoles (Consoles): whose first console it is; it was turned on.

    Attributes:
        starts (Starts): what is repeated.
    """

    __slots__ = ("_address", "_consoles", "_memory", "_next_timer", "_repeat", "_reset", "starts")

    def __init__(self, consoles: Consoles) -> None:
        functions = machine_code.functions_with_gil()
        self._consoles, self._address = consoles, int(consoles.addresses[0])
        self._memory = consoles.blocks[0].data
        self._next_timer, self._repeat, self._reset = (
            functions.next_timer, functions.repeat_reset, functions.reset_game,
        )  # fmt: skip
        self.starts = find_starts(consoles.rom, consoles[0])

    def reset(self) -> int:
        """Begin a game.

        Returns:
            int: as `reset.reset_game`.
        """
        memory, starts = self._memory, self.starts
        if memory[_CUT]:
            return self._reset(self._address)
        ram = int.from_bytes(memory[_RAM], "little")
        choices = memory[_CHOICES].tobytes() + memory[_PADDLES].tobytes()
        timer = -1
        for mask, has_timer, addresses in starts.groups.get(choices, ()):
            value = ram & mask
            if has_timer:
                if timer < 0:
                    timer = self._next_timer(self._address) << 8 * TIMER
                value |= timer
            if value in addresses:
                self._repeat(self._address, addresses[value])
                starts.hits += 1
                return 0
        if starts.can_record(choices):
            return self._record(choices)
        return self._reset(self._address)

    def _record(self, choices: bytes) -> int:
        """Begin a game, twice: once to find out what that depends on, and then as always."""
        address, c = self._address, self._consoles[0]
        block = ctypes.create_string_buffer(ctypes.string_at(address, _SIZE), _SIZE)
        notes = ctypes.create_string_buffer(PLACES)
        is_known = machine_code.functions_with_gil().record_reset(address, ctypes.addressof(notes))
        ctypes.memmove(address, block, _SIZE)
        failure = self._reset(address)
        is_drawing = self._memory[_ACTIONS] != block.raw[_ACTIONS]
        if is_drawing or failure or not is_known:
            self.starts.refused.add(choices)
        else:
            self.starts.add(choices, notes.raw, Console.from_buffer(block), c)
        return failure
