"""Decoding a ROM: for each byte the handler of the instruction that begins there, and its operand.

A part of a program is a bank, or a slice of a bank where several are seen at once. What is not plain has the handler
that leaves to `stepping`: instructions that reach out of their part or over what has side effects, and opcodes without
another.
"""

from fastatari.compiler import Pointer8, Pointer64, inline, pointer
from fastatari.console import bus
from fastatari.console.cpu.opcodes import LENGTHS, OPCODES
from fastatari.console.cpu.part import Part
from fastatari.console.cpu.variants import ANY, FAR, KINDS, NEAR, RAM, REGISTER, ROM, TIA, TIMER, VARIANTS

LENGTH = tuple(opcode.length for opcode in OPCODES)
MODE_NAMES = tuple(LENGTHS)
MODE = tuple(MODE_NAMES.index(opcode.mode) for opcode in OPCODES)
ZERO_PAGE, RELATIVE, ABSOLUTE = map(MODE_NAMES.index, ("zp", "rel", "abs"))
JUMP, CALL, INDEXED_X, INDEXED_Y = map(MODE_NAMES.index, ("jmp", "sub", "abx", "aby"))

# The number of the handler that leaves.
LEAVING = 0


def _numbers() -> tuple[int, ...]:
    numbers = [LEAVING] * (KINDS * len(OPCODES))
    for number, variant in enumerate(VARIANTS, LEAVING + 1):
        numbers[KINDS * variant.opcode + variant.kind] = number
    return tuple(numbers)


# By opcode and kind of operand: the number of the handler.
NUMBERS = _numbers()


def decode(part: Part) -> None:
    """Decode a part of a program."""
    words = pointer(Pointer64, part.words)
    handlers = pointer(Pointer64, part.handlers)
    for i in range(part.size):
        word = decode_one(part, i)
        words[i] = handlers[word >> 16] << 16 | word & 0xFFFF


def decode_one(part: Part, i: int) -> int:
    """Return the number of the handler of the instruction that begins at a byte, shifted by 16, and its operand."""
    rom = pointer(Pointer8, part.image)
    at = part.first + i
    opcode = rom[i]
    length = LENGTH[opcode]
    if i + length >= part.size or at < part.quiet_start or at + length > part.quiet_end:
        return LEAVING
    operand = rom[i + 1] if length > 1 else 0
    if length > 2:
        operand |= rom[i + 2] << 8
    mode = MODE[opcode]
    if mode == RELATIVE:
        return branch(part, i, opcode, operand)
    kind = kind_of(part, opcode, mode, operand)
    number = NUMBERS[KINDS * opcode + kind]
    if number == LEAVING:
        return NUMBERS[KINDS * opcode + ANY] << 16 | operand
    if mode == ABSOLUTE and kind == ROM:
        operand = rom[(operand & 0x1FFF) - part.first]
    return number << 16 | operand


@inline
def branch(part: Part, i: int, opcode: int, operand: int) -> int:
    """Return the number of a branch's handler, and by how much it changes the program counter's address."""
    offset = operand - ((operand & 0x80) << 1)
    target = i + 2 + offset
    if target < 0 or target >= part.size:
        return LEAVING
    kind = NEAR if part.first + target >> 8 == part.first + i + 2 >> 8 else FAR
    return NUMBERS[KINDS * opcode + kind] << 16 | 8 * (2 + offset) & 0xFFFF


@inline
def kind_of(part: Part, opcode: int, mode: int, operand: int) -> int:
    """Return of which kind an operand is."""
    if mode == ZERO_PAGE:
        register = REGISTER + (operand & 0x3F)
        if operand & 0x80:
            return RAM
        return register if register < KINDS and NUMBERS[KINDS * opcode + register] != LEAVING else TIA
    if mode == ABSOLUTE:
        return absolute_kind(part, operand)
    if mode == INDEXED_X or mode == INDEXED_Y:
        start = operand & 0x1FFF
        return ROM if part.plain_start <= start and start + 0xFF < part.plain_end else ANY
    if mode == JUMP or mode == CALL:
        return jump_kind(part, operand)
    return ANY


@inline
def absolute_kind(part: Part, operand: int) -> int:
    """Return of which kind an absolute address is."""
    if part.plain_start <= operand & 0x1FFF < part.plain_end:
        return ROM
    if bus.is_ram(operand):
        return RAM
    return TIMER if operand & bus.DEVICE == bus.RIOT else ANY


@inline
def jump_kind(part: Part, operand: int) -> int:
    """Return of which kind a jump's target is; ANY, which has no handler, if it is not in the cartridge."""
    if operand & bus.CARTRIDGE == 0:
        return ANY
    target = (operand & 0x1FFF) - part.first
    return NEAR if part.jumps_far == 0 and 0 <= target < part.size else FAR
