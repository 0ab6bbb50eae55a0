"""The processor's flags. N and Z are kept as the value that set them: they are only made when something asks."""

from fastatari.compiler import inline
from fastatari.console.state import Console, Registers


@inline
def flags(r: Registers, value: int) -> int:
    """Set N and Z by a byte, which is returned."""
    r.nz = value
    return value


@inline
def is_negative(r: Registers) -> int:
    """Return N as 0 or 1."""
    return int(r.nz & 0x180 != 0)


@inline
def is_zero(r: Registers) -> int:
    """Return Z as 0 or 1."""
    return int(r.nz & 0xFF == 0)


@inline
def pack_flags(c: Console, r: Registers) -> int:
    """Return the flags as PHP pushes them: N V 1 B D I Z C, where B is 1."""
    return is_negative(r) << 7 | c.overflow << 6 | 0x30 | c.decimal << 3 | c.interrupt << 2 | is_zero(r) << 1 | r.carry


@inline
def unpack_flags(c: Console, r: Registers, value: int) -> None:
    """Set the flags from a byte that was pulled."""
    r.nz = (value & 0x80) << 1 | value >> 1 & 1 ^ 1
    r.carry = value & 1
    c.overflow = value >> 6 & 1
    c.decimal = value >> 3 & 1
    c.interrupt = value >> 2 & 1
