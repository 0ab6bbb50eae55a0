"""The conditions of branches: each returns whether its branch is taken."""

from fastatari.compiler import inline
from fastatari.console.state import Console, Registers


@inline
def BPL(c: Console, r: Registers, m: int) -> int:
    """Branch if N is clear."""
    return int(r.nz & 0x180 == 0)


@inline
def BMI(c: Console, r: Registers, m: int) -> int:
    """Branch if N is set."""
    return int(r.nz & 0x180 != 0)


@inline
def BVC(c: Console, r: Registers, m: int) -> int:
    """Branch if V is clear."""
    return int(c.overflow == 0)


@inline
def BVS(c: Console, r: Registers, m: int) -> int:
    """Branch if V is set."""
    return int(c.overflow != 0)


@inline
def BCC(c: Console, r: Registers, m: int) -> int:
    """Branch if carry is clear."""
    return int(r.carry == 0)


@inline
def BCS(c: Console, r: Registers, m: int) -> int:
    """Branch if carry is set."""
    return int(r.carry != 0)


@inline
def BNE(c: Console, r: Registers, m: int) -> int:
    """Branch if Z is clear."""
    return int(r.nz & 0xFF != 0)


@inline
def BEQ(c: Console, r: Registers, m: int) -> int:
    """Branch if Z is set."""
    return int(r.nz & 0xFF == 0)
