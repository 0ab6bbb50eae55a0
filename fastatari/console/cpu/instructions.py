"""The instructions: one function a mnemonic, documented or not.

Each takes the console, the registers, and `m`, which is what memory holds; of stores, which compute what is written, the
high byte of the address; of instructions without an operand, 0. It returns what is written, if anything is.
"""

from collections.abc import Callable

from fastatari.compiler import cold, inline
from fastatari.console.state import Console, Registers

Instruction = Callable[[Console, Registers, int], int]


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
    return (
        is_negative(r) << 7 | c.overflow << 6 | 0x30 | c.decimal << 3 | c.interrupt << 2 | is_zero(r) << 1 | r.carry
    )


@inline
def unpack_flags(c: Console, r: Registers, value: int) -> None:
    """Set the flags from a byte that was pulled."""
    r.nz = (value & 0x80) << 1 | value >> 1 & 1 ^ 1
    r.carry = value & 1
    c.overflow = value >> 6 & 1
    c.decimal = value >> 3 & 1
    c.interrupt = value >> 2 & 1


# Loads, logic and transfers.


@inline
def LDA(c: Console, r: Registers, m: int) -> int:
    r.a = flags(r, m)
    return 0


@inline
def LDX(c: Console, r: Registers, m: int) -> int:
    r.x = flags(r, m)
    return 0


@inline
def LDY(c: Console, r: Registers, m: int) -> int:
    r.y = flags(r, m)
    return 0


@inline
def LAX(c: Console, r: Registers, m: int) -> int:
    r.a = r.x = flags(r, m)
    return 0


@inline
def LAS(c: Console, r: Registers, m: int) -> int:
    value = flags(r, c.sp & m)
    c.sp = value
    r.a = r.x = value
    return 0


@inline
def LXA(c: Console, r: Registers, m: int) -> int:
    r.a = r.x = flags(r, (r.a | 0xEE) & m)
    return 0


@inline
def ANE(c: Console, r: Registers, m: int) -> int:
    r.a = flags(r, (r.a | 0xEE) & r.x & m)
    return 0


@inline
def ORA(c: Console, r: Registers, m: int) -> int:
    r.a = flags(r, r.a | m)
    return 0


@inline
def AND(c: Console, r: Registers, m: int) -> int:
    r.a = flags(r, r.a & m)
    return 0


@inline
def EOR(c: Console, r: Registers, m: int) -> int:
    r.a = flags(r, r.a ^ m)
    return 0


@inline
def NOP(c: Console, r: Registers, m: int) -> int:
    return 0


@inline
def BIT(c: Console, r: Registers, m: int) -> int:
    r.nz = r.a & m | (m & 0x80) << 1
    c.overflow = m >> 6 & 1
    return 0


@inline
def TAX(c: Console, r: Registers, m: int) -> int:
    r.x = flags(r, r.a)
    return 0


@inline
def TAY(c: Console, r: Registers, m: int) -> int:
    r.y = flags(r, r.a)
    return 0


@inline
def TXA(c: Console, r: Registers, m: int) -> int:
    r.a = flags(r, r.x)
    return 0


@inline
def TYA(c: Console, r: Registers, m: int) -> int:
    r.a = flags(r, r.y)
    return 0


@inline
def TSX(c: Console, r: Registers, m: int) -> int:
    r.x = flags(r, c.sp)
    return 0


@inline
def TXS(c: Console, r: Registers, m: int) -> int:
    c.sp = r.x
    return 0


@inline
def INX(c: Console, r: Registers, m: int) -> int:
    r.x = flags(r, r.x + 1 & 0xFF)
    return 0


@inline
def INY(c: Console, r: Registers, m: int) -> int:
    r.y = flags(r, r.y + 1 & 0xFF)
    return 0


@inline
def DEX(c: Console, r: Registers, m: int) -> int:
    r.x = flags(r, r.x - 1 & 0xFF)
    return 0


@inline
def DEY(c: Console, r: Registers, m: int) -> int:
    r.y = flags(r, r.y - 1 & 0xFF)
    return 0


# Flags.


@inline
def CLC(c: Console, r: Registers, m: int) -> int:
    r.carry = 0
    return 0


@inline
def SEC(c: Console, r: Registers, m: int) -> int:
    r.carry = 1
    return 0


@inline
def CLD(c: Console, r: Registers, m: int) -> int:
    c.decimal = 0
    return 0


@inline
def SED(c: Console, r: Registers, m: int) -> int:
    c.decimal = 1
    return 0


@inline
def CLI(c: Console, r: Registers, m: int) -> int:
    c.interrupt = 0
    return 0


@inline
def SEI(c: Console, r: Registers, m: int) -> int:
    c.interrupt = 1
    return 0


@inline
def CLV(c: Console, r: Registers, m: int) -> int:
    c.overflow = 0
    return 0


# Comparisons.


@inline
def compare(r: Registers, register: int, m: int) -> int:
    """Set N, Z and C by the difference."""
    flags(r, register - m & 0xFF)
    r.carry = int(register >= m)
    return 0


@inline
def CMP(c: Console, r: Registers, m: int) -> int:
    return compare(r, r.a, m)


@inline
def CPX(c: Console, r: Registers, m: int) -> int:
    return compare(r, r.x, m)


@inline
def CPY(c: Console, r: Registers, m: int) -> int:
    return compare(r, r.y, m)


@inline
def SBX(c: Console, r: Registers, m: int) -> int:
    both = r.a & r.x
    r.x = both - m & 0xFF
    return compare(r, both, m)


# Arithmetic.


@inline
def add(c: Console, r: Registers, m: int) -> int:
    """Add a byte and the carry to A, in binary."""
    total = r.a + m + r.carry
    c.overflow = ((r.a ^ total) & (m ^ total)) >> 7 & 1
    r.carry = total >> 8
    r.a = flags(r, total & 0xFF)
    return 0


@inline
def from_bcd(value: int) -> int:
    """Return what two decimal digits stand for; the digits may be over nine."""
    return 10 * (value >> 4) + (value & 15)


@inline
def to_bcd(number: int) -> int:
    """Return the last two decimal digits of a number, packed."""
    digits = number % 100
    return digits // 10 << 4 | digits % 10


@cold
def add_decimal(c: Console, r: Registers, m: int) -> int:
    """Add a byte and the carry to A, in decimal. The flags are not those of the hardware."""
    total = from_bcd(r.a) + from_bcd(m) + r.carry
    result = to_bcd(total & 0xFF)
    r.carry = int(total > 99)
    c.overflow = ((r.a ^ result) & (result ^ m)) >> 7 & 1
    r.a = flags(r, result)
    return 0


@cold
def subtract_decimal(c: Console, r: Registers, m: int) -> int:
    """Subtract a byte and the borrow from A, in decimal. The flags are not those of the hardware."""
    borrow = 1 - r.carry
    total = from_bcd(r.a) - from_bcd(m) - borrow
    if total < 0:
        total += 100
    result = to_bcd(total) if total >= 0 else from_bcd(256 + total) & 0xFF
    r.carry = int(r.a >= m + borrow)
    c.overflow = ((r.a ^ result) & (result ^ m)) >> 7 & 1
    r.a = flags(r, result)
    return 0


@inline
def ADC(c: Console, r: Registers, m: int) -> int:
    if c.decimal:
        return add_decimal(c, r, m)
    return add(c, r, m)


@inline
def SBC(c: Console, r: Registers, m: int) -> int:
    if c.decimal:
        return subtract_decimal(c, r, m)
    return add(c, r, m ^ 0xFF)


# Shifts, increments, and their combinations with a second instruction. They return what is written back.


@inline
def ASL(c: Console, r: Registers, m: int) -> int:
    r.carry = m >> 7
    return flags(r, m << 1 & 0xFF)


@inline
def LSR(c: Console, r: Registers, m: int) -> int:
    r.carry = m & 1
    return flags(r, m >> 1)


@inline
def ROL(c: Console, r: Registers, m: int) -> int:
    result = m << 1 & 0xFF | r.carry
    r.carry = m >> 7
    return flags(r, result)


@inline
def ROR(c: Console, r: Registers, m: int) -> int:
    result = m >> 1 | r.carry << 7
    r.carry = m & 1
    return flags(r, result)


@inline
def INC(c: Console, r: Registers, m: int) -> int:
    return flags(r, m + 1 & 0xFF)


@inline
def DEC(c: Console, r: Registers, m: int) -> int:
    return flags(r, m - 1 & 0xFF)


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
    r.a = flags(r, r.a & m)
    r.carry = r.a >> 7
    return 0


@inline
def ASR(c: Console, r: Registers, m: int) -> int:
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


# Stores: `m` is the high byte of the address.


@inline
def STA(c: Console, r: Registers, m: int) -> int:
    return r.a


@inline
def STX(c: Console, r: Registers, m: int) -> int:
    return r.x


@inline
def STY(c: Console, r: Registers, m: int) -> int:
    return r.y


@inline
def SAX(c: Console, r: Registers, m: int) -> int:
    return r.a & r.x


@inline
def SHA(c: Console, r: Registers, m: int) -> int:
    return r.a & r.x & m + 1


@inline
def SHX(c: Console, r: Registers, m: int) -> int:
    return r.x & m + 1


@inline
def SHY(c: Console, r: Registers, m: int) -> int:
    return r.y & m + 1


@inline
def SHS(c: Console, r: Registers, m: int) -> int:
    c.sp = r.a & r.x
    return r.a & r.x & m + 1


# Branches return whether they are taken.


@inline
def BPL(c: Console, r: Registers, m: int) -> int:
    return int(r.nz & 0x180 == 0)


@inline
def BMI(c: Console, r: Registers, m: int) -> int:
    return int(r.nz & 0x180 != 0)


@inline
def BVC(c: Console, r: Registers, m: int) -> int:
    return int(c.overflow == 0)


@inline
def BVS(c: Console, r: Registers, m: int) -> int:
    return int(c.overflow != 0)


@inline
def BCC(c: Console, r: Registers, m: int) -> int:
    return int(r.carry == 0)


@inline
def BCS(c: Console, r: Registers, m: int) -> int:
    return int(r.carry != 0)


@inline
def BNE(c: Console, r: Registers, m: int) -> int:
    return int(r.nz & 0xFF != 0)


@inline
def BEQ(c: Console, r: Registers, m: int) -> int:
    return int(r.nz & 0xFF == 0)
