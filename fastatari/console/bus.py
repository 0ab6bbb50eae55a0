"""The bus: which device answers at an address. Thirteen bits of it count, sixteen for the cartridge.

| A12 | A7 | A9 | device |
|---|---|---|---|
| 1 | | | cartridge |
| 0 | 0 | | TIA |
| 0 | 1 | 0 | RAM |
| 0 | 1 | 1 | RIOT |
"""

from fastatari.compiler import Pointer8, inline, pointer
from fastatari.console import cartridges, riot
from fastatari.console.state import Console
from fastatari.console.tia import reads, writes

# Bits of an address, and those of DEVICE that the RAM and the RIOT have.
CARTRIDGE, DEVICE, RAM, RIOT = 0x1000, 0x1280, 0x0080, 0x0280


@inline
def is_ram(address: int) -> int:
    """Return whether an address is one of the RAM's."""
    return int(address & DEVICE == RAM)


@inline
def is_plain(c: Console, address: int) -> int:
    """Return whether an address is one of the cartridge's without side effects, which `Console.rom` has."""
    return int(c.plain_start <= address & 0x1FFF < c.plain_end)


@inline
def read_plain(c: Console, address: int) -> int:
    """Return a byte of the cartridge, where that has no side effects."""
    return pointer(Pointer8, c.rom)[address & 0xFFF]


def read(c: Console, address: int, bus: int, cycle: int) -> int:
    """Return the byte at an address. `bus` is what the last access left there."""
    if address & CARTRIDGE:
        if is_plain(c, address):
            return read_plain(c, address)
        return cartridges.READERS[c.cartridge](c, address, cycle)
    if address & 0x80 == 0:
        return reads.read(c, address, bus, cycle)
    if address & 0x200 == 0:
        return c.ram[address & 0x7F]
    return riot.read(c, address, cycle)


def write(c: Console, address: int, value: int, cycle: int) -> int:
    """Write a byte to an address; return how many cycles the processor waits, with `writes.STOP`."""
    if address & CARTRIDGE:
        cartridges.WRITERS[c.cartridge](c, address, value)
    elif address & 0x80 == 0:
        return writes.write(c, address, value, cycle)
    elif address & 0x200 == 0:
        c.ram[address & 0x7F] = value
    else:
        riot.write(c, address, value, cycle)
    return 0
