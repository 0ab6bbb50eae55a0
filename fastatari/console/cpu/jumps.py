"""The handlers of branches, jumps and the stack.

They leave where something is rare: a stack outside of RAM, a target that is not plain.
"""

from fastatari.compiler import inline
from fastatari.console import bus, cartridges
from fastatari.console.cpu.flags import flags, pack_flags, unpack_flags
from fastatari.console.cpu.handlers import GO_ON, LEAVE, WORD_SIZE, Handler, finish_store
from fastatari.console.cpu.instructions import Instruction
from fastatari.console.cpu.opcodes import Opcode
from fastatari.console.cpu.operands import OPERAND
from fastatari.console.cpu.stepping import CYCLES, INSTRUCTION, MOST_INSTRUCTIONS
from fastatari.console.state import Console, Registers
from fastatari.console.tia import writes

# When so many instructions have run, jumps and branches leave: at most a whole bank of them follows without one.
ALMOST_ALL = (MOST_INSTRUCTIONS - cartridges.BANK_SIZE - 8) * INSTRUCTION


@inline
def program_counter(c: Console, r: Registers) -> int:
    """Return the 16-bit program counter of the decoded word that `pc` is the address of."""
    return r.pc - c.chunk >> 3 | c.pc_high


@inline
def go_to(c: Console, r: Registers, target: int) -> None:
    """Go on at an address of the cartridge."""
    chunk = c.bank_chunk
    if chunk == 0:
        chunk = cartridges.chunk_of(c, target)
    c.chunk = chunk
    c.pc_high = target & 0xE000
    r.pc = chunk + ((target & 0x1FFF) << 3)


@inline
def is_quiet(c: Console, address: int) -> int:
    """Return whether reading an address of the cartridge has no side effects."""
    return int(c.quiet_start <= address & 0x1FFF < c.quiet_end)


def branching(entry: Opcode, condition: Instruction, extra: int) -> Handler:
    """Return the handler of a branch; its operand is by how much `pc` changes, which has a sign."""
    cycles, step = entry.cycles, WORD_SIZE * entry.length

    @inline
    def handler(c: Console, r: Registers, word: int) -> int:
        r.clock += INSTRUCTION + cycles
        if condition(c, r, 0):
            r.clock += extra
            r.pc += (word & OPERAND ^ 0x8000) - 0x8000
            return int(r.clock >= ALMOST_ALL)
        r.pc += step
        return GO_ON

    return handler


@inline
def jump(c: Console, r: Registers, target: int) -> int:
    """Go on at an address of the same part of the program."""
    c.pc_high = target & 0xE000
    r.pc = c.chunk + ((target & 0x1FFF) << 3)
    return int(r.clock >= ALMOST_ALL)


@inline
def jump_far(c: Console, r: Registers, target: int) -> int:
    """Go on at an address of any part of the cartridge."""
    go_to(c, r, target)
    return int(r.clock >= ALMOST_ALL)


def jumping(entry: Opcode, is_near: bool) -> Handler:
    """Return the handler of JMP."""
    cycles = entry.cycles

    @inline
    def handler(c: Console, r: Registers, word: int) -> int:
        r.clock += INSTRUCTION + cycles
        return jump(c, r, word & OPERAND) if is_near else jump_far(c, r, word & OPERAND)

    return handler


def calling(entry: Opcode, is_near: bool) -> Handler:
    """Return the handler of JSR."""
    cycles = entry.cycles

    @inline
    def handler(c: Console, r: Registers, word: int) -> int:
        sp = c.sp
        if sp <= 0x80:
            return LEAVE
        r.clock += INSTRUCTION + cycles
        back = program_counter(c, r) + 2
        c.ram[sp & 0x7F] = back >> 8
        c.ram[sp - 1 & 0x7F] = back
        c.sp = sp - 2
        return jump(c, r, word & OPERAND) if is_near else jump_far(c, r, word & OPERAND)

    return handler


@inline
def return_from_subroutine(c: Console, r: Registers, word: int) -> int:
    """RTS."""
    sp = c.sp
    if sp < 0x80 or sp > 0xFD:
        return LEAVE
    pulled = c.ram[sp + 1 & 0x7F] | c.ram[sp + 2 & 0x7F] << 8
    if is_quiet(c, pulled) == 0 or is_quiet(c, pulled + 1) == 0:
        return LEAVE
    r.clock += INSTRUCTION + 6
    c.sp = sp + 2
    return jump_far(c, r, pulled + 1 & 0xFFFF)


@inline
def push_a(c: Console, r: Registers, word: int) -> int:
    """PHA."""
    sp = c.sp
    if sp < 0x80:
        return LEAVE
    r.clock += INSTRUCTION + 3
    c.ram[sp & 0x7F] = r.a
    c.sp = sp - 1
    r.pc += WORD_SIZE
    return GO_ON


@inline
def push_flags(c: Console, r: Registers, word: int) -> int:
    """PHP."""
    sp = c.sp
    if sp < 0x80:
        return push_flags_to_tia(c, r, sp)
    r.clock += INSTRUCTION + 3
    c.ram[sp & 0x7F] = pack_flags(c, r)
    c.sp = sp - 1
    r.pc += WORD_SIZE
    return GO_ON


@inline
def push_flags_to_tia(c: Console, r: Registers, sp: int) -> int:
    """Write the flags to a register: many games enable missiles and ball so."""
    r.clock += INSTRUCTION + 3
    result = writes.write(c, sp, pack_flags(c, r), r.clock & CYCLES)
    c.sp = sp - 1
    r.pc += WORD_SIZE
    return finish_store(c, r, result)


@inline
def pull_a(c: Console, r: Registers, word: int) -> int:
    """PLA."""
    sp = c.sp
    if sp < 0x80 or sp > 0xFE:
        return LEAVE
    r.clock += INSTRUCTION + 4
    c.sp = sp + 1
    r.a = flags(r, c.ram[sp + 1 & 0x7F])
    r.pc += WORD_SIZE
    return GO_ON


@inline
def pull_flags(c: Console, r: Registers, word: int) -> int:
    """PLP."""
    sp = c.sp
    if sp < 0x80 or sp > 0xFE:
        return LEAVE
    r.clock += INSTRUCTION + 4
    c.sp = sp + 1
    unpack_flags(c, r, c.ram[sp + 1 & 0x7F])
    r.pc += WORD_SIZE
    return GO_ON


@inline
def jump_indirect(c: Console, r: Registers, word: int) -> int:
    """JMP through a pointer in RAM or plain ROM."""
    where = word & OPERAND
    above = where & 0xFF00 | where + 1 & 0xFF
    if bus.is_ram(where) and bus.is_ram(above):
        target = c.ram[where & 0x7F] | c.ram[above & 0x7F] << 8
    elif bus.is_plain(c, where) and bus.is_plain(c, above):
        target = bus.read_plain(c, where) | bus.read_plain(c, above) << 8
    else:
        return LEAVE
    if target & bus.CARTRIDGE == 0:
        return LEAVE
    r.clock += INSTRUCTION + 5
    return jump_far(c, r, target)


STACK_HANDLERS: dict[str, Handler] = {
    "RTS": return_from_subroutine, "PHA": push_a, "PHP": push_flags, "PLA": pull_a, "PLP": pull_flags,
}  # fmt: skip
