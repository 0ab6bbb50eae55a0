"""The instructions: one function a mnemonic.

Each takes the console, the registers, and `m`, which is what memory holds; of stores, which compute what is written, it
is the high byte of the address; of instructions without an operand, 0. It returns what is written, if anything is.
"""

from collections.abc import Callable

from fastatari.compiler import cold, inline
from fastatari.console.cpu.flags import flags
from fastatari.console.state import Console, Registers

Instruction = Callable[[Console, Registers, int], int]


# Loads, logic and transfers.


@inline
def LDA(c: Console, r: Registers, m: int) -> int:
    """Load A."""
    r.a = flags(r, m)
    return 0


@inline
def LDX(c: Console, r: Registers, m: int) -> int:
    """Load X."""
    r.x = flags(r, m)
    return 0


@inline
def LDY(c: Console, r: Registers, m: int) -> int:
    """Load Y."""
    r.y = flags(r, m)
    return 0


@inline
def ORA(c: Console, r: Registers, m: int) -> int:
    """OR with A."""
    r.a = flags(r, r.a | m)
    return 0


@inline
def AND(c: Console, r: Registers, m: int) -> int:
    """AND with A."""
    r.a = flags(r, r.a & m)
    return 0


@inline
def EOR(c: Console, r: Registers, m: int) -> int:
    """Exclusive OR with A."""
    r.a = flags(r, r.a ^ m)
    return 0


@inline
def NOP(c: Console, r: Registers, m: int) -> int:
    """Do nothing; those with an operand read it."""
    return 0


@inline
def BIT(c: Console, r: Registers, m: int) -> int:
    """Set N and V from memory's bits, and Z by an AND with A."""
    r.nz = r.a & m | (m & 0x80) << 1
    c.overflow = m >> 6 & 1
    return 0


@inline
def TAX(c: Console, r: Registers, m: int) -> int:
    """Transfer A to X."""
    r.x = flags(r, r.a)
    return 0


@inline
def TAY(c: Console, r: Registers, m: int) -> int:
    """Transfer A to Y."""
    r.y = flags(r, r.a)
    return 0


@inline
def TXA(c: Console, r: Registers, m: int) -> int:
    """Transfer X to A."""
    r.a = flags(r, r.x)
    return 0


@inline
def TYA(c: Console, r: Registers, m: int) -> int:
    """Transfer Y to A."""
    r.a = flags(r, r.y)
    return 0


@inline
def TSX(c: Console, r: Registers, m: int) -> int:
    """Transfer the stack pointer to X."""
    r.x = flags(r, c.sp)
    return 0


@inline
def TXS(c: Console, r: Registers, m: int) -> int:
    """Transfer X to the stack pointer."""
    c.sp = r.x
    return 0


@inline
def INX(c: Console, r: Registers, m: int) -> int:
    """Increment X."""
    r.x = flags(r, r.x + 1 & 0xFF)
    return 0


@inline
def INY(c: Console, r: Registers, m: int) -> int:
    """Increment Y."""
    r.y = flags(r, r.y + 1 & 0xFF)
    return 0


@inline
def DEX(c: Console, r: Registers, m: int) -> int:
    """Decrement X."""
    r.x = flags(r, r.x - 1 & 0xFF)
    return 0


@inline
def DEY(c: Console, r: Registers, m: int) -> int:
    """Decrement Y."""
    r.y = flags(r, r.y - 1 & 0xFF)
    return 0


# Flags.


@inline
def CLC(c: Console, r: Registers, m: int) -> int:
    """Clear carry."""
    r.carry = 0
    return 0


@inline
def SEC(c: Console, r: Registers, m: int) -> int:
    """Set carry."""
    r.carry = 1
    return 0


@inline
def CLD(c: Console, r: Registers, m: int) -> int:
    """Clear decimal mode."""
    c.decimal = 0
    return 0


@inline
def SED(c: Console, r: Registers, m: int) -> int:
    """Set decimal mode."""
    c.decimal = 1
    return 0


@inline
def CLI(c: Console, r: Registers, m: int) -> int:
    """Clear interrupt disable."""
    c.interrupt = 0
    return 0


@inline
def SEI(c: Console, r: Registers, m: int) -> int:
    """Set interrupt disable."""
    c.interrupt = 1
    return 0


@inline
def CLV(c: Console, r: Registers, m: int) -> int:
    """Clear overflow."""
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
    """Compare with A."""
    return compare(r, r.a, m)


@inline
def CPX(c: Console, r: Registers, m: int) -> int:
    """Compare with X."""
    return compare(r, r.x, m)


@inline
def CPY(c: Console, r: Registers, m: int) -> int:
    """Compare with Y."""
    return compare(r, r.y, m)


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
    """Add with carry."""
    if c.decimal:
        return add_decimal(c, r, m)
    return add(c, r, m)


@inline
def SBC(c: Console, r: Registers, m: int) -> int:
    """Subtract with borrow."""
    if c.decimal:
        return subtract_decimal(c, r, m)
    return add(c, r, m ^ 0xFF)


# Shifts and increments return what is written back.


@inline
def ASL(c: Console, r: Registers, m: int) -> int:
    """Shift left."""
    r.carry = m >> 7
    return flags(r, m << 1 & 0xFF)


@inline
def LSR(c: Console, r: Registers, m: int) -> int:
    """Shift right."""
    r.carry = m & 1
    return flags(r, m >> 1)


@inline
def ROL(c: Console, r: Registers, m: int) -> int:
    """Rotate left through carry."""
    result = m << 1 & 0xFF | r.carry
    r.carry = m >> 7
    return flags(r, result)


@inline
def ROR(c: Console, r: Registers, m: int) -> int:
    """Rotate right through carry."""
    result = m >> 1 | r.carry << 7
    r.carry = m & 1
    return flags(r, result)


@inline
def INC(c: Console, r: Registers, m: int) -> int:
    """Increment memory."""
    return flags(r, m + 1 & 0xFF)


@inline
def DEC(c: Console, r: Registers, m: int) -> int:
    """Decrement memory."""
    return flags(r, m - 1 & 0xFF)


# Stores: `m` is the high byte of the address.


@inline
def STA(c: Console, r: Registers, m: int) -> int:
    """Store A."""
    return r.a


@inline
def STX(c: Console, r: Registers, m: int) -> int:
    """Store X."""
    return r.x


@inline
def STY(c: Console, r: Registers, m: int) -> int:
    """Store Y."""
    return r.y
