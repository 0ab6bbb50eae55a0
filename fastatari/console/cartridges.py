"""The nine types of cartridges: which bytes are where in the 4096 that the processor sees, and what switches banks.

A hot spot works on any access. The bank changes first, and then the byte is read.
"""

from collections.abc import Callable

from fastatari.compiler import Pointer8, inline, pointer
from fastatari.console import dpc
from fastatari.console.generators import draw
from fastatari.console.state import Console

BANK_SIZE, SLICE_SIZE = 4096, 1024
TYPES = ("2K", "4K", "F8", "F8SC", "F6", "F6SC", "E0", "FE", "DPC")
ROM_2K, ROM_4K, F8, F8SC, F6, F6SC, E0, FE, DPC = range(9)
SIZES = (2048, 4096, 8192, 8192, 16384, 16384, 8192, 8192, 10495)

# Of a decoded bank: a word of 64 bits for each byte.
CHUNK_SIZE = 8 * BANK_SIZE

# Of a decoded program of E0: from one segment to the next there is room for so many slices, one more than there are.
NUM_SEGMENTS, NUM_SLICES, SLICE_PLACES = 4, 8, 9

# Which addresses of the cartridge are read without side effects; and those of them that are all in one bank at a time.
QUIET_START = (0x1000, 0x1000, 0x1000, 0x1100, 0x1000, 0x1100, 0x1000, 0x1000, 0x1080)
QUIET_END = (0x2000, 0x2000, 0x1FF8, 0x1FF8, 0x1FF6, 0x1FF6, 0x1FE0, 0x2000, 0x1FC0)
PLAIN_START = (0x1000, 0x1000, 0x1000, 0x1100, 0x1000, 0x1100, 0x1C00, 0x2000, 0x1080)
PLAIN_END = (0x2000, 0x2000, 0x1FF8, 0x1FF8, 0x1FF6, 0x1FF6, 0x1FE0, 0x2000, 0x1FC0)

Reader = Callable[[Console, int, int], int]
Writer = Callable[[Console, int, int], None]


@inline
def read_image(c: Console, offset: int) -> int:
    """Return a byte of the ROM's image."""
    return pointer(Pointer8, c.image)[offset]


@inline
def read_bank(c: Console, address: int) -> int:
    """Return a byte of the present bank."""
    return pointer(Pointer8, c.rom)[address & 0xFFF]


def select_bank(c: Console, bank: int) -> None:
    """Let the processor see another bank, in its decoded form, too."""
    old = c.bank_chunk
    c.bank = bank
    c.rom = c.image + BANK_SIZE * bank
    c.bank_chunk = c.program + CHUNK_SIZE * bank - CHUNK_SIZE
    if c.chunk == old:
        c.chunk = c.bank_chunk


def read_rom(c: Console, address: int, cycle: int) -> int:
    """2K, 4K."""
    return read_bank(c, address)


def ignore_write(c: Console, address: int, value: int) -> None:
    """2K, 4K, FE."""


@inline
def switch_f8(c: Console, address: int) -> None:
    """Switch the bank at FF8 and FF9."""
    spot = (address & 0xFFF) - 0xFF8
    if 0 <= spot < 2:
        select_bank(c, spot)


@inline
def switch_f6(c: Console, address: int) -> None:
    """Switch the bank at FF6 to FF9."""
    spot = (address & 0xFFF) - 0xFF6
    if 0 <= spot < 4:
        select_bank(c, spot)


def read_f8(c: Console, address: int, cycle: int) -> int:
    """F8: two banks."""
    switch_f8(c, address)
    return read_bank(c, address)


def write_f8(c: Console, address: int, value: int) -> None:
    """F8."""
    switch_f8(c, address)


def read_f6(c: Console, address: int, cycle: int) -> int:
    """F6: four banks."""
    switch_f6(c, address)
    return read_bank(c, address)


def write_f6(c: Console, address: int, value: int) -> None:
    """F6."""
    switch_f6(c, address)


@inline
def read_super_chip(c: Console, address: int) -> int:
    """Return a byte of RAM at 080 to 0FF, of the ROM elsewhere: a read at the port for writes changes nothing."""
    offset = address & 0xFFF
    if 0x80 <= offset < 0x100:
        return c.cartridge_ram[offset & 0x7F]
    return read_bank(c, offset)


@inline
def write_super_chip(c: Console, address: int, value: int) -> None:
    """Write a byte of RAM at 000 to 07F."""
    offset = address & 0xFFF
    if offset < 0x80:
        c.cartridge_ram[offset] = value


def read_f8sc(c: Console, address: int, cycle: int) -> int:
    """F8 with Super Chip: 128 bytes of RAM."""
    switch_f8(c, address)
    return read_super_chip(c, address)


def write_f8sc(c: Console, address: int, value: int) -> None:
    """F8 with Super Chip."""
    switch_f8(c, address)
    write_super_chip(c, address, value)


def read_f6sc(c: Console, address: int, cycle: int) -> int:
    """F6 with Super Chip: 128 bytes of RAM."""
    switch_f6(c, address)
    return read_super_chip(c, address)


def write_f6sc(c: Console, address: int, value: int) -> None:
    """F6 with Super Chip."""
    switch_f6(c, address)
    write_super_chip(c, address, value)


def select_slice(c: Console, segment: int, number: int) -> None:
    """Let the processor see another slice in one of the four segments of E0."""
    old = slice_chunk(c, segment)
    c.slices[segment] = number
    if c.chunk == old:
        c.chunk = slice_chunk(c, segment)


def slice_chunk(c: Console, segment: int) -> int:
    """Return where the decoded word of address 0 would lie, of the slice that a segment shows.

    It is another for each segment and slice, so that `Console.chunk` says which of them runs.
    """
    decoded = 8 * SLICE_SIZE * (SLICE_PLACES * segment + c.slices[segment])
    return c.program + decoded - CHUNK_SIZE - 8 * SLICE_SIZE * segment


@inline
def switch_e0(c: Console, address: int) -> None:
    """Switch a slice at FE0 to FF7: eight hot spots for each of three segments."""
    spot = (address & 0xFFF) - 0xFE0
    if 0 <= spot < 24:
        select_slice(c, spot >> 3, spot & 7)


def read_e0(c: Console, address: int, cycle: int) -> int:
    """E0: four segments, of which three show any of eight slices, and the last one always shows the last."""
    switch_e0(c, address)
    offset = address & 0xFFF
    return read_image(c, SLICE_SIZE * c.slices[offset >> 10] + (offset & SLICE_SIZE - 1))


def write_e0(c: Console, address: int, value: int) -> None:
    """E0."""
    switch_e0(c, address)


def read_fe(c: Console, address: int, cycle: int) -> int:
    """FE: bit 13 of the address is the bank, so that it follows the program counter."""
    return read_image(c, (0 if address & 0x2000 else BANK_SIZE) + (address & 0xFFF))


def read_dpc(c: Console, address: int, cycle: int) -> int:
    """DPC: two banks, and registers at 000 to 07F. Reads there and in the last 64 bytes clock the random register."""
    offset = address & 0xFFF
    switch_f8(c, offset)
    if offset < 0x80 or offset >= 0xFC0:
        dpc.clock_random(c)
    if offset < 0x40:
        return dpc.read_fetcher(c, offset, cycle)
    return read_bank(c, offset)


def write_dpc(c: Console, address: int, value: int) -> None:
    """DPC."""
    offset = address & 0xFFF
    switch_f8(c, offset)
    dpc.clock_random(c)
    if 0x40 <= offset < 0x80:
        dpc.write_fetcher(c, offset, value)


def chunk_of(c: Console, address: int) -> int:
    """Return where the decoded word of address 0 would lie, of the part of the program that an address is in."""
    if c.cartridge == E0:
        return slice_chunk(c, address >> 10 & 3)
    if c.cartridge == FE:
        return c.program + (0 if address & 0x2000 else CHUNK_SIZE) - CHUNK_SIZE
    return c.bank_chunk


def reset(c: Console) -> None:
    """Do what a cartridge does at a reset of the console."""
    if c.cartridge == E0:
        c.bank_chunk = 0
        for segment in range(4):
            c.slices[segment] = segment + 4
    elif c.cartridge == FE:
        c.bank_chunk = 0
    else:
        select_bank(c, 1 if c.cartridge == F8 or c.cartridge == F8SC or c.cartridge == DPC else 0)
    if c.cartridge == F8SC or c.cartridge == F6SC:
        for i in range(128):
            c.cartridge_ram[i] = draw(c.system_generator)
    elif c.cartridge == DPC:
        dpc.reset(c)


def connect(c: Console) -> None:
    """Set what follows from the cartridge's state, after another was put into its place."""
    c.quiet_start = QUIET_START[c.cartridge]
    c.quiet_end = QUIET_END[c.cartridge]
    c.plain_start = PLAIN_START[c.cartridge]
    c.plain_end = PLAIN_END[c.cartridge]
    c.chunk = 0
    if c.cartridge == E0:
        c.bank_chunk = 0
        c.rom = c.image + 4 * SLICE_SIZE  # the last slice, from which it is read by addresses of the last segment
    elif c.cartridge == FE:
        c.bank_chunk = 0
        c.rom = c.image
    else:
        select_bank(c, c.bank)


READERS: tuple[Reader, ...] = (
    read_rom, read_rom, read_f8, read_f8sc, read_f6, read_f6sc, read_e0, read_fe, read_dpc,
)  # fmt: skip
WRITERS: tuple[Writer, ...] = (
    ignore_write, ignore_write, write_f8, write_f8sc, write_f6, write_f6sc, write_e0, ignore_write, write_dpc,
)  # fmt: skip
