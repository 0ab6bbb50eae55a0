"""The instructions that the makers of the processor did not document: mostly two of the others at once."""

from fastatari.compiler import cold, inline
from fastatari.console.cpu.flags import flags
from fastatari.console.cpu.instructions import (
    ADC,
    AND,
    ASL,
    CMP,
    DEC,
    EOR,
    INC,
    LSR,
    ORA,
    ROL,
    ROR,
    SBC,
    Instruction,
    compare,
)
from fastatari.console.state import Console, Registers


@inline
def LAX(c: Console, r: Registers, m: int) -> int:
    """Load A and X."""
    r.a = r.x = flags(r, m)
    return 0


@inline
def LAS(c: Console, r: Registers, m: int) -> int:
    """AND the stack pointer with memory, into A, X and itself."""
    value = flags(r, c.sp & m)
    c.sp = value
    r.a = r.x = value
    return 0


@inline
def LXA(c: Console, r: Registers, m: int) -> int:
    """Load A and X, by way of some of A's bits."""
    r.a = r.x = flags(r, (r.a | 0xEE) & m)
    return 0


@inline
def ANE(c: Console, r: Registers, m: int) -> int:
    """Load A with X AND memory, by way of some of A's bits."""
    r.a = flags(r, (r.a | 0xEE) & r.x & m)
    return 0


@inline
def SBX(c: Console, r: Registers, m: int) -> int:
    """Subtract from A AND X, into X, without borrow."""
    both = r.a & r.x
    r.x = both - m & 0xFF
    return compare(r, both, m)


def both(first: Instruction, second: Instruction) -> Instruction:
    """Return the instruction that changes memory by one, and then does another with what came out."""

    @inline
    def instruction(c: Console, r: Registers, m: int) -> int:
        result = first(c, r, m)
        second(c, r, result)
        return result

    return instruction


SLO = both(ASL, ORA)
RLA = both(ROL, AND)
SRE = both(LSR, EOR)
RRA = both(ROR, ADC)
DCP = both(DEC, CMP)
ISB = both(INC, SBC)


@inline
def ANC(c: Console, r: Registers, m: int) -> int:
    """AND with A; carry is N."""
    r.a = flags(r, r.a & m)
    r.carry = r.a >> 7
    return 0


@inline
def ASR(c: Console, r: Registers, m: int) -> int:
    """AND with A, then shift A right."""
    r.a = LSR(c, r, r.a & m)
    return 0


@cold
def ARR(c: Console, r: Registers, m: int) -> int:
    """AND, then ROR, with flags of its own."""
    value = r.a & m
    result = value >> 1 | r.carry << 7
    if c.decimal == 0:
        r.a = flags(r, result)
        r.carry = result >> 6 & 1
        c.overflow = (result >> 6 ^ result >> 5) & 1
        return 0
    r.nz = r.carry << 8 | int(result != 0)
    c.overflow = (value ^ result) >> 6 & 1
    if (value & 0x0F) + (value & 0x01) > 0x05:
        result = result & 0xF0 | result + 6 & 0x0F
    if (value & 0xF0) + (value & 0x10) > 0x50:
        result = result + 0x60 & 0xFF
        r.carry = 1
    else:
        r.carry = 0
    r.a = result
    return 0


@inline
def SAX(c: Console, r: Registers, m: int) -> int:
    """Store A AND X."""
    return r.a & r.x


@inline
def SHA(c: Console, r: Registers, m: int) -> int:
    """Store A AND X AND the high byte of the address plus 1."""
    return r.a & r.x & m + 1


@inline
def SHX(c: Console, r: Registers, m: int) -> int:
    """Store X AND the high byte of the address plus 1."""
    return r.x & m + 1


@inline
def SHY(c: Console, r: Registers, m: int) -> int:
    """Store Y AND the high byte of the address plus 1."""
    return r.y & m + 1


@inline
def SHS(c: Console, r: Registers, m: int) -> int:
    """Transfer A AND X to the stack pointer; store that AND the high byte of the address plus 1."""
    c.sp = r.a & r.x
    return r.a & r.x & m + 1
