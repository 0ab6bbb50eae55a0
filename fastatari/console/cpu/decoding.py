"""Decoding a ROM: for each byte of a part of the program the handler of the instruction that begins there, and its operand.

A part is a bank, or a slice of a bank where several are seen at once. What is not plain has the handler that leaves to
`stepping`: instructions that reach out of their part or over what has side effects, and opcodes that are too rare.
"""

from fastatari.compiler import Pointer8, Pointer64, inline, pointer
from fastatari.console import bus
from fastatari.console.cpu.handlers import ANY, FAR, KINDS, NEAR, RAM, REGISTER, ROM, TIA, TIMER, VARIANTS
from fastatari.console.cpu.opcodes import LENGTHS, OPCODES

LENGTH = tuple(opcode.length for opcode in OPCODES)
MODE_NAMES = tuple(LENGTHS)
MODE = tuple(MODE_NAMES.index(opcode.mode) for opcode in OPCODES)
ZERO_PAGE, RELATIVE, ABSOLUTE = map(MODE_NAMES.index, ("zp", "rel", "abs"))
JUMP, CALL, INDEXED_X, INDEXED_Y = map(MODE_NAMES.index, ("jmp", "sub", "abx", "aby"))

# The handler that leaves comes first.
LEAVING = 0


def _numbers() -> tuple[int, ...]:
    numbers = [LEAVING] * (KINDS * len(OPCODES))
    for number, variant in enumerate(VARIANTS, LEAVING + 1):
        numbers[KINDS * variant.opcode + variant.kind] = number
    return tuple(numbers)


# By opcode and kind of operand: the number of the handler.
NUMBERS = _numbers()


def decode(
    words: int, image: int, first: int, size: int, handlers: int,
    quiet_start: int, quiet_end: int, plain_start: int, plain_end: int, jumps_far: int,
) -> None:  # fmt: skip
    """Decode a part of a program.

    Args:
        words: the address of what is written, int64[size].
        image: the address of the part's bytes.
        first: the address, of 13 bits, at which the processor sees the first of them.
        size: how many there are.
        handlers: the address of the handlers' addresses.
        quiet_start, quiet_end: which addresses of the cartridge have no side effects.
        plain_start, plain_end: which of them belong to the same bank as the part whenever that runs.
        jumps_far: whether an address within the part can be one of another part.
    """
    for i in range(size):
        pointer(Pointer64, words)[i] = decode_one(
            image, first, size, i, handlers, quiet_start, quiet_end, plain_start, plain_end, jumps_far
        )


def decode_one(
    image: int, first: int, size: int, i: int, handlers: int,
    quiet_start: int, quiet_end: int, plain_start: int, plain_end: int, jumps_far: int,
) -> int:  # fmt: skip
    """Return the decoded word of the instruction that begins at one byte."""
    rom = pointer(Pointer8, image)
    at = first + i
    opcode = rom[i]
    length = LENGTH[opcode]
    if i + length >= size or at < quiet_start or at + length > quiet_end:
        return handler(handlers, LEAVING) << 16
    operand = rom[i + 1] if length > 1 else 0
    if length > 2:
        operand |= rom[i + 2] << 8
    mode = MODE[opcode]
    kind = ANY
    if mode == ZERO_PAGE:
        kind = RAM if operand & 0x80 else TIA
        register = REGISTER + (operand & 0x3F)
        if kind == TIA and register < KINDS and NUMBERS[KINDS * opcode + register] != LEAVING:
            kind = register
    elif mode == ABSOLUTE:
        kind = absolute_kind(operand, plain_start, plain_end)
        if kind == ROM and NUMBERS[KINDS * opcode + ROM] != LEAVING:
            operand = rom[(operand & 0x1FFF) - first]
    elif mode == INDEXED_X or mode == INDEXED_Y:
        if plain_start <= operand & 0x1FFF and (operand & 0x1FFF) + 0xFF < plain_end:
            kind = ROM
    elif mode == RELATIVE:
        offset = operand - ((operand & 0x80) << 1)
        target = i + 2 + offset
        if target < 0 or target >= size:
            return handler(handlers, LEAVING) << 16
        kind = NEAR if first + target >> 8 == at + 2 >> 8 else FAR
        operand = 8 * (2 + offset) & 0xFFFF
    elif mode == JUMP or mode == CALL:
        if operand & bus.CARTRIDGE == 0:
            return handler(handlers, LEAVING) << 16
        target = (operand & 0x1FFF) - first
        kind = NEAR if jumps_far == 0 and 0 <= target < size else FAR
    if NUMBERS[KINDS * opcode + kind] == LEAVING and kind != ANY:
        kind = ANY
    return handler(handlers, NUMBERS[KINDS * opcode + kind]) << 16 | operand


@inline
def absolute_kind(operand: int, plain_start: int, plain_end: int) -> int:
    """Return which kind of operand is at an absolute address."""
    if plain_start <= operand & 0x1FFF < plain_end:
        return ROM
    if bus.is_ram(operand):
        return RAM
    return TIMER if operand & bus.DEVICE == bus.DEVICE & ~bus.CARTRIDGE else ANY


@inline
def handler(handlers: int, number: int) -> int:
    """Return the address of a handler."""
    return pointer(Pointer64, handlers)[number]
