"""Where operands of handlers are, and how they are loaded and stored: for each kind, without looking at what is known.

An address function leaves on `bus` the last byte that is read before the data.
"""

from collections.abc import Callable

from fastatari.compiler import inline
from fastatari.console import bus, riot
from fastatari.console.cpu.stepping import CYCLES
from fastatari.console.state import Console, Registers
from fastatari.console.tia import reads, writes

Addressing = Callable[[Console, Registers, int], int]
Load = Callable[[Console, Registers, int], int]
Store = Callable[[Console, Registers, int, int], int]

# In a decoded word, the bits of the operand.
OPERAND = 0xFFFF


@inline
def zero_page(c: Console, r: Registers, word: int) -> int:
    """An address in page 0."""
    r.bus = word & 0xFF
    return word & 0xFF


@inline
def zero_page_x(c: Console, r: Registers, word: int) -> int:
    """An address in page 0, X further on."""
    r.bus = word & 0xFF
    return word + r.x & 0xFF


@inline
def zero_page_y(c: Console, r: Registers, word: int) -> int:
    """An address in page 0, Y further on."""
    r.bus = word & 0xFF
    return word + r.y & 0xFF


@inline
def absolute(c: Console, r: Registers, word: int) -> int:
    """An address of two bytes."""
    r.bus = word >> 8 & 0xFF
    return word & OPERAND


@inline
def absolute_x(c: Console, r: Registers, word: int) -> int:
    """An address, X further on."""
    r.bus = word >> 8 & 0xFF
    return (word & OPERAND) + r.x & 0xFFFF


@inline
def absolute_y(c: Console, r: Registers, word: int) -> int:
    """An address, Y further on."""
    r.bus = word >> 8 & 0xFF
    return (word & OPERAND) + r.y & 0xFFFF


@inline
def add_crossing(r: Registers, base: int, offset: int) -> None:
    """Count a cycle if an index leads to another page."""
    r.clock += (base & 0xFF) + offset >> 8


@inline
def absolute_x_crossing(c: Console, r: Registers, word: int) -> int:
    """The same, where crossing a page takes a cycle."""
    add_crossing(r, word, r.x)
    return absolute_x(c, r, word)


@inline
def absolute_y_crossing(c: Console, r: Registers, word: int) -> int:
    """The same, where crossing a page takes a cycle."""
    add_crossing(r, word, r.y)
    return absolute_y(c, r, word)


@inline
def is_pointer(where: int) -> int:
    """Return whether two bytes of page 0 lie in RAM."""
    return int(0x80 <= where < 0xFF)


@inline
def load_pointer(c: Console, r: Registers, where: int) -> int:
    """Return two bytes of RAM."""
    high = c.ram[where + 1 & 0x7F]
    r.bus = high
    return c.ram[where & 0x7F] | high << 8


@inline
def load_constant(c: Console, r: Registers, address: int) -> int:
    """The byte itself, which the word carries."""
    return address & 0xFF


@inline
def load_ram(c: Console, r: Registers, address: int) -> int:
    """A byte of RAM."""
    return c.ram[address & 0x7F]


@inline
def load_tia(c: Console, r: Registers, address: int) -> int:
    """A register of the TIA."""
    return reads.read(c, address, r.bus, r.clock & CYCLES)


@inline
def load_timer(c: Console, r: Registers, address: int) -> int:
    """A register of the RIOT."""
    return riot.read(c, address, r.clock & CYCLES)


@inline
def load_rom(c: Console, r: Registers, address: int) -> int:
    """A byte of plain ROM."""
    return bus.read_plain(c, address)


@inline
def load_zero_page(c: Console, r: Registers, address: int) -> int:
    """A byte of page 0."""
    if address & 0x80:
        return load_ram(c, r, address)
    return load_tia(c, r, address)


@inline
def load_any(c: Console, r: Registers, address: int) -> int:
    """Return the byte at any address; the bank may change, and where the program goes on with it."""
    if bus.is_plain(c, address):
        return load_rom(c, r, address)
    if bus.is_ram(address):
        return load_ram(c, r, address)
    chunk = c.chunk
    value = bus.read(c, address, r.bus, r.clock & CYCLES)
    r.pc += c.chunk - chunk
    return value


@inline
def store_ram(c: Console, r: Registers, address: int, value: int) -> int:
    """Write RAM."""
    c.ram[address & 0x7F] = value
    return 0


@inline
def store_tia(c: Console, r: Registers, address: int, value: int) -> int:
    """Write a register of the TIA."""
    return writes.write(c, address, value, r.clock & CYCLES)


@inline
def store_zero_page(c: Console, r: Registers, address: int, value: int) -> int:
    """Write page 0."""
    if address & 0x80:
        return store_ram(c, r, address, value)
    return store_tia(c, r, address, value)


@inline
def store_any(c: Console, r: Registers, address: int, value: int) -> int:
    """Write any address; the bank may change."""
    if bus.is_ram(address):
        return store_ram(c, r, address, value)
    chunk = c.chunk
    result = bus.write(c, address, value, r.clock & CYCLES)
    r.pc += c.chunk - chunk
    return result
