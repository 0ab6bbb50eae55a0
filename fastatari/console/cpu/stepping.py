"""One instruction after the other, byte by byte over the bus: the plain form of the processor.

It is what CPython runs, and what the handlers (`handlers`) are held against. Compiled, it runs what they leave to it:
code outside of a cartridge's plain ROM, the end of a bank, and the last instructions before a frame is cut.
"""

from collections.abc import Callable

from fastatari.compiler import inline
from fastatari.console import bus, recording
from fastatari.console.cpu import branches, instructions, undocumented
from fastatari.console.cpu.flags import flags, pack_flags, unpack_flags
from fastatari.console.cpu.instructions import Instruction
from fastatari.console.cpu.opcodes import OPCODES, UNDOCUMENTED, Opcode
from fastatari.console.state import JAMMED, Console, Registers
from fastatari.console.tia.writes import STOP

# What a clock counts: cycles, and above them instructions.
CYCLES = 0xFFFFFFFF
INSTRUCTION = 1 << 32

# After so many instructions a frame is cut.
MOST_INSTRUCTIONS = 25000

BASE_CYCLES = tuple(opcode.cycles for opcode in OPCODES)
READ, WRITE, MODIFY = range(3)
ACCESS = tuple(("read", "write", "modify").index(opcode.access) for opcode in OPCODES)

Step = Callable[[Console, Registers, int], None]


def load(c: Console, r: Registers, address: int) -> int:
    """Return the byte at an address."""
    if c.recording and address & bus.CARTRIDGE == 0:
        recording.note_read(c, address)
    value = bus.read(c, address, r.bus, r.clock & CYCLES)
    r.bus = value
    return value


def load_in_vain(c: Console, r: Registers) -> None:
    """Read the byte that the stack pointer points to, on which nothing depends: the next access is another one."""
    r.bus = bus.read(c, 0x100 | c.sp, r.bus, r.clock & CYCLES)


def store(c: Console, r: Registers, address: int, value: int) -> None:
    """Write a byte to an address."""
    if c.recording and address & bus.CARTRIDGE == 0:
        recording.note_write(c, address)
    result = bus.write(c, address, value, r.clock & CYCLES)
    r.bus = value
    r.clock += result & 0xFF
    if result & STOP:
        c.stop = 1


def fetch(c: Console, r: Registers) -> int:
    """Return the byte at the program counter, which goes on."""
    value = load(c, r, r.pc)
    r.pc = r.pc + 1 & 0xFFFF
    return value


def fetch_word(c: Console, r: Registers) -> int:
    """Return two bytes at the program counter, low one first."""
    low = fetch(c, r)
    return low | fetch(c, r) << 8


# The stack.


def push(c: Console, r: Registers, value: int) -> None:
    """Push a byte."""
    at = 0x100 | c.sp
    c.sp = c.sp - 1
    store(c, r, at, value)


def pull(c: Console, r: Registers) -> int:
    """Pull a byte."""
    c.sp = c.sp + 1
    return load(c, r, 0x100 | c.sp)


def push_return(c: Console, r: Registers, address: int) -> None:
    """Push an address. The second push follows a write, which is all that WSYNC looks at."""
    push(c, r, address >> 8)
    c.after_write = 1
    push(c, r, address & 0xFF)


# The addressing modes: what an instruction does to memory at an address.


def work(c: Console, r: Registers, opcode: int, address: int) -> None:
    """Let an instruction work on the byte at an address."""
    access = ACCESS[opcode]
    if access == WRITE:
        store(c, r, address, EFFECTS[opcode](c, r, address >> 8))
    elif access == MODIFY:
        store(c, r, address, EFFECTS[opcode](c, r, load(c, r, address)))
    else:
        EFFECTS[opcode](c, r, load(c, r, address))


def index(c: Console, r: Registers, opcode: int, base: int, offset: int) -> int:
    """Return an indexed address. Reads take a cycle more if the page is another."""
    if ACCESS[opcode] == READ and (base & 0xFF) + offset > 0xFF:
        r.clock += 1
    return base + offset & 0xFFFF


def load_pointer(c: Console, r: Registers, where: int) -> int:
    """Return two bytes of page 0, or the first of page 1."""
    low = load(c, r, where)
    return low | load(c, r, where + 1) << 8


def implied(c: Console, r: Registers, opcode: int) -> None:
    """Work on registers only."""
    EFFECTS[opcode](c, r, 0)


def accumulator(c: Console, r: Registers, opcode: int) -> None:
    """Work on A."""
    r.a = EFFECTS[opcode](c, r, r.a)


def immediate(c: Console, r: Registers, opcode: int) -> None:
    """Work on the byte after the opcode."""
    EFFECTS[opcode](c, r, fetch(c, r))


def zero_page(c: Console, r: Registers, opcode: int) -> None:
    """Work at an address in page 0."""
    work(c, r, opcode, fetch(c, r))


def zero_page_x(c: Console, r: Registers, opcode: int) -> None:
    """Work in page 0, X further on, without leaving it."""
    work(c, r, opcode, fetch(c, r) + r.x & 0xFF)


def zero_page_y(c: Console, r: Registers, opcode: int) -> None:
    """Work in page 0, Y further on, without leaving it."""
    work(c, r, opcode, fetch(c, r) + r.y & 0xFF)


def absolute(c: Console, r: Registers, opcode: int) -> None:
    """Work at an address of two bytes."""
    work(c, r, opcode, fetch_word(c, r))


def absolute_x(c: Console, r: Registers, opcode: int) -> None:
    """Work at an address, X further on."""
    work(c, r, opcode, index(c, r, opcode, fetch_word(c, r), r.x))


def absolute_y(c: Console, r: Registers, opcode: int) -> None:
    """Work at an address, Y further on."""
    work(c, r, opcode, index(c, r, opcode, fetch_word(c, r), r.y))


def indexed_indirect(c: Console, r: Registers, opcode: int) -> None:
    """Work where a pointer points that lies in page 0, X further on."""
    work(c, r, opcode, load_pointer(c, r, fetch(c, r) + r.x & 0xFF))


def indirect_indexed(c: Console, r: Registers, opcode: int) -> None:
    """Work Y further on than where a pointer in page 0 points."""
    work(c, r, opcode, index(c, r, opcode, load_pointer(c, r, fetch(c, r)), r.y))


def relative(c: Console, r: Registers, opcode: int) -> None:
    """A branch takes a cycle more if it is taken, and one more if it leads to another page."""
    offset = fetch(c, r)
    if EFFECTS[opcode](c, r, 0):
        target = r.pc + offset - ((offset & 0x80) << 1) & 0xFFFF
        r.clock += 1 if target >> 8 == r.pc >> 8 else 2
        r.pc = target


def jump(c: Console, r: Registers, opcode: int) -> None:
    """Jump."""
    r.pc = fetch_word(c, r)


def jump_indirect(c: Console, r: Registers, opcode: int) -> None:
    """The target's high byte is of the same page as its low one."""
    where = fetch_word(c, r)
    low = load(c, r, where)
    r.pc = low | load(c, r, where & 0xFF00 | where + 1 & 0xFF) << 8


def jump_subroutine(c: Console, r: Registers, opcode: int) -> None:
    """Call: the return address is pushed before the target's high byte is read."""
    low = fetch(c, r)
    load_in_vain(c, r)
    push_return(c, r, r.pc)
    c.after_write = 0
    r.pc = low | fetch(c, r) << 8


# Instructions that use the stack, or stop, have the implied mode.


def PHA(c: Console, r: Registers, m: int) -> int:
    """Push A."""
    push(c, r, r.a)
    return 0


def PHP(c: Console, r: Registers, m: int) -> int:
    """Push the flags."""
    push(c, r, pack_flags(c, r))
    return 0


def PLA(c: Console, r: Registers, m: int) -> int:
    """Pull A."""
    load_in_vain(c, r)
    r.a = flags(r, pull(c, r))
    return 0


def PLP(c: Console, r: Registers, m: int) -> int:
    """Pull the flags."""
    load_in_vain(c, r)
    unpack_flags(c, r, pull(c, r))
    return 0


def RTS(c: Console, r: Registers, m: int) -> int:
    """Return from a subroutine."""
    load_in_vain(c, r)
    low = pull(c, r)
    r.pc = low | pull(c, r) << 8
    fetch(c, r)
    return 0


def RTI(c: Console, r: Registers, m: int) -> int:
    """Return from an interrupt."""
    load_in_vain(c, r)
    unpack_flags(c, r, pull(c, r))
    low = pull(c, r)
    r.pc = low | pull(c, r) << 8
    return 0


def BRK(c: Console, r: Registers, m: int) -> int:
    """Break: push where to go on and the flags, and go to the vector."""
    fetch(c, r)
    push_return(c, r, r.pc)
    push(c, r, pack_flags(c, r))
    c.after_write = 0
    c.interrupt = 1
    low = load(c, r, 0xFFFE)
    r.pc = low | load(c, r, 0xFFFF) << 8
    return 0


def STP(c: Console, r: Registers, m: int) -> int:
    """Stop for ever."""
    c.status = JAMMED
    return 0


MODES: dict[str, Step] = {
    "imp": implied, "acc": accumulator, "imm": immediate, "zp": zero_page, "zpx": zero_page_x, "zpy": zero_page_y,
    "abs": absolute, "abx": absolute_x, "aby": absolute_y, "izx": indexed_indirect, "izy": indirect_indexed,
    "rel": relative, "jmp": jump, "ind": jump_indirect, "sub": jump_subroutine,
}  # fmt: skip
STACK: dict[str, Instruction] = {f.__name__: f for f in (PHA, PHP, PLA, PLP, RTS, RTI, BRK, STP)}


def effect_of(opcode: Opcode) -> Instruction:
    """Return the function of an opcode's mnemonic; those that jump do all in their mode."""
    if opcode.mnemonic in STACK:
        return STACK[opcode.mnemonic]
    module = branches if opcode.mode == "rel" else undocumented if opcode.mnemonic in UNDOCUMENTED else instructions
    name = "NOP" if opcode.mode in {"jmp", "ind", "sub"} else opcode.mnemonic
    effect: Instruction = getattr(module, name)
    return effect


STEPS: tuple[Step, ...] = tuple(MODES[opcode.mode] for opcode in OPCODES)
EFFECTS: tuple[Instruction, ...] = tuple(effect_of(opcode) for opcode in OPCODES)


@inline
def step(c: Console, r: Registers) -> None:
    """Run one instruction. All its cycles pass before its operand is read."""
    opcode = fetch(c, r)
    c.opcode = opcode
    r.clock += INSTRUCTION + BASE_CYCLES[opcode]
    STEPS[opcode](c, r, opcode)
