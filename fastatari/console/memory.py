"""The memory of consoles, and what consoles of one ROM share: its bytes and its decoded program."""

import ctypes
import functools
import hashlib
from typing import Any

import numpy as np
import numpy.typing as npt

from fastatari.console import cartridges, machine_code
from fastatari.console.cpu.part import Part
from fastatari.console.games import NAMES
from fastatari.console.games.facts import MODES, PADDLE_LIMITS
from fastatari.console.inputs import JOYSTICKS, PADDLES
from fastatari.console.properties import PAL_HEIGHT, TV_FORMATS, Properties, detect_cartridge, find_properties
from fastatari.console.state import ALIGNMENT, Console
from fastatari.console.tia.pixels import PIXELS


def allocate(size: int) -> npt.NDArray[np.uint8]:
    """Return zeros, uint8[size], that begin at a multiple of `ALIGNMENT`."""
    memory = np.zeros(size + ALIGNMENT, np.uint8)
    start = -memory.ctypes.data % ALIGNMENT
    return memory[start : start + size]


class Rom:
    """A ROM as consoles need it. Not to be written to.

    Args:
        image (bytes): its bytes.
        game (str): whose bookkeeping it has, one of `games.NAMES`.

    Attributes:
        md5 (str): of `image`.
        game (str): as the argument.
        properties (Properties): what is known of it.
        cartridge (int): its type, an index of `cartridges.TYPES`.
        image (uint8[n]): its bytes; those of 2K twice.
        program (int64[n]): the decoded program, see `cpu.decoding`.

    Raises:
        ValueError: it has the size of no supported cartridge, or there is no such game.
    """

    def __init__(self, image: bytes, game: str) -> None:
        if game not in NAMES:
            raise ValueError(f"`game` {game!r} is not one of the {len(NAMES)} games that are played")
        self.md5 = hashlib.md5(image, usedforsecurity=False).hexdigest()
        self.game = game
        self.properties: Properties = find_properties(image)
        self.cartridge = cartridges.TYPES.index(detect_cartridge(image))
        whole = image * 2 if self.cartridge == cartridges.ROM_2K else image
        self.image = np.frombuffer(whole, np.uint8)
        self.program: npt.NDArray[np.int64] = _decode(self.cartridge, self.image)

    @property
    def rows(self) -> int:
        """How many rows a screen's memory has. After a reset in a cut frame, more are drawn than are shown."""
        return max(self.properties.height, PAL_HEIGHT) + self.properties.y_start


def _decode(cartridge: int, image: npt.NDArray[np.uint8]) -> npt.NDArray[np.int64]:
    """Return the decoded program of a ROM: of each bank; of E0, of each slice in each segment."""
    functions = machine_code.functions()
    quiet = cartridges.QUIET_START[cartridge], cartridges.QUIET_END[cartridge]
    if cartridge == cartridges.E0:
        size, several = cartridges.SLICE_SIZE, True
        segments, numbers = range(cartridges.NUM_SEGMENTS), range(cartridges.NUM_SLICES)
        places = [cartridges.SLICE_PLACES * segment + number for segment in segments for number in numbers]
        parts = [(size * number, 0x1000 + size * segment) for segment in segments for number in numbers]
    else:
        size, several = cartridges.BANK_SIZE, cartridge == cartridges.FE
        parts = [(size * bank, 0x1000) for bank in range(len(image) // size)]
        places = list(range(len(parts)))
    plain = (0, 0) if several else quiet
    jumps_far = int(cartridge == cartridges.FE)
    program = np.zeros((places[-1] + 1, size), np.int64)
    for place, (start, first) in zip(places, parts, strict=True):
        words = program[place]
        part = Part(
            words.ctypes.data, image[start:].ctypes.data, functions.handlers, first, size, *quiet, *plain, jumps_far
        )
        functions.decode(ctypes.addressof(part))
    return program


@functools.lru_cache(maxsize=256)
def load_rom(image: bytes, game: str) -> Rom:
    """Return the ROM of some bytes, the same one for the same bytes."""
    return Rom(image, game)


class Consoles:
    """The memory of some consoles of one ROM, which are not turned on yet.

    Args:
        rom (Rom): the ROM.
        number (int): how many.

    Attributes:
        rom (Rom): the ROM.
        blocks (uint8[number, n]): the consoles.
        screens (uint8[number, 2, rows, 160]): their screens.
        changed (uint8[number, 2, rows]): which rows of these were drawn differently; nobody clears them here.
        addresses (int64[number]): where the consoles are.
    """

    def __init__(self, rom: Rom, number: int = 1) -> None:
        self.rom = rom
        stride = -(-ctypes.sizeof(Console) // ALIGNMENT) * ALIGNMENT
        self.blocks = allocate(number * stride).reshape(number, stride)
        screen = rom.rows * PIXELS
        self.screens = allocate(number * 2 * screen).reshape(number, 2, rom.rows, PIXELS)
        self.changed = np.ones((number, 2, rom.rows), np.uint8)
        self.addresses = self.blocks.ctypes.data + stride * np.arange(number)
        for i in range(number):
            self._connect(self[i], self.screens[i], self.changed[i])

    def __len__(self) -> int:
        return len(self.blocks)

    def __getitem__(self, index: int) -> Console:
        """Return a console: a view of its block."""
        return Console.from_buffer(self.blocks[index].data)

    def _connect(self, c: Any, screens: npt.NDArray[np.uint8], changed: npt.NDArray[np.uint8]) -> None:
        rom, properties = self.rom, self.rom.properties
        c.cartridge = rom.cartridge
        c.game = NAMES.index(rom.game)
        c.mode = MODES[rom.game][0]
        c.y_start, c.height = properties.y_start, properties.height
        c.tv_format = TV_FORMATS.index(properties.tv_format)
        c.has_combs = properties.has_combs
        c.controllers = PADDLES if properties.has_paddles else JOYSTICKS
        c.ports_swapped, c.paddles_swapped = properties.ports_swapped, properties.paddles_swapped
        c.right_paddles = properties.right_paddles
        c.switches = properties.switches
        c.paddle_minimum, c.paddle_maximum = PADDLE_LIMITS[rom.game]
        for k in range(2):
            c.screens[k], c.changed[k] = screens[k].ctypes.data, changed[k].ctypes.data
        c.image = rom.image.ctypes.data
        c.program = rom.program.ctypes.data
        cartridges.connect(c)
