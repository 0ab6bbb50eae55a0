"""Starts: where the records of resets lie, which are made again where a reset would do the same: see `repeating`."""

import ctypes
import weakref
from typing import Any

import numpy as np

from fastatari.console import machine_code
from fastatari.console.memory import Consoles, Rom
from fastatari.console.recording import MOST, MOST_PICTURES, Start, StartTable
from fastatari.console.tia.pixels import PIXELS


class Starts:
    """The starts of a ROM, of all consoles of the process that show it on the same television.

    Memory is only used where starts are: at most 10 MB, and 2 MB of pictures in the few ROMs that need these.

    Args:
        rows (int): the rows of a screen's memory.

    Attributes:
        table (StartTable): what the compiled functions know of it.
        address (int): where that is.
    """

    def __init__(self, rows: int) -> None:
        size = rows * PIXELS
        self._starts = np.zeros(MOST * ctypes.sizeof(Start), np.uint8)
        self._pictures = np.zeros(MOST_PICTURES * size, np.uint8)
        self.table: Any = StartTable()
        self.table.starts, self.table.pictures = self._starts.ctypes.data, self._pictures.ctypes.data
        self.table.picture_size = size
        self.address = ctypes.addressof(self.table)


_ALL: "weakref.WeakKeyDictionary[Rom, dict[tuple[int, ...], Starts]]" = weakref.WeakKeyDictionary()


def find_starts(rom: Rom, c: Any) -> Starts:
    """Return the starts of a ROM for a console that was turned on."""
    own, kind = _ALL.setdefault(rom, {}), (c.is_pal, c.height, c.line_limit)
    if kind not in own:
        own[kind] = Starts(rom.rows)
    return own[kind]


class Resets:
    """Resets of a console: repeated where that gives the same, else emulated.

    Args:
        consoles (Consoles): some consoles.
        index (int): which of them; it was turned on.

    Attributes:
        starts (Starts): what is repeated.
    """

    __slots__ = ("_address", "_begin", "starts")

    def __init__(self, consoles: Consoles, index: int = 0) -> None:
        self._begin = machine_code.functions_with_gil().begin
        self._address = int(consoles.addresses[index])
        self.starts = find_starts(consoles.rom, consoles[index])

    def reset(self) -> int:
        """Begin a game.

        Returns:
            int: 0, or 1 if the game's mode was not reached.
        """
        return int(self._begin(self._address, self.starts.address, 0) < 0)
