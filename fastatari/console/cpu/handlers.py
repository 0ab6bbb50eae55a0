"""The handlers: what each opcode does when it is met in plain ROM, for each kind of operand that it can have there.

They do what `stepping` does, with the operand decoded beforehand and nothing looked at that is known. A handler returns
whether its successor may not be run at once: the frame is over, or may soon be cut, or this handler did nothing at all,
because the case is rare: then `stepping` runs that one instruction.
"""

from collections.abc import Callable, Iterator
from typing import NamedTuple

from fastatari.compiler import inline
from fastatari.console import bus, cartridges, riot
from fastatari.console.cpu import instructions
from fastatari.console.cpu.instructions import Instruction, flags, pack_flags, unpack_flags
from fastatari.console.cpu.opcodes import OPCODES, UNDOCUMENTED, Opcode
from fastatari.console.cpu.stepping import CYCLES, INSTRUCTION
from fastatari.console.state import Console, Registers
from fastatari.console.tia import reads, writes
from fastatari.console.tia.writes import STOP

# A decoded word is an address, shifted by 16, and an operand; one a byte of the program.
WORD_SIZE = 8
OPERAND = 0xFFFF

GO_ON, LEAVE = 0, 1

# When so many instructions have run, jumps and branches leave: at most a whole bank of instructions follows without one.
ALMOST_ALL = (25000 - 4096 - 8) * INSTRUCTION

# The kinds of operands; a decoder chooses by the operand's value.
ANY, ROM, RAM, TIA, TIMER, NEAR, FAR = range(7)
# Kinds from this one on are the TIA's registers, of the stores that have a handler for each.
REGISTER = 7
KINDS = REGISTER + writes.NUM_REGISTERS

Handler = Callable[[Console, Registers, int], int]
Addressing = Callable[[Console, Registers, int], int]
Load = Callable[[Console, Registers, int], int]
Store = Callable[[Console, Registers, int, int], int]


# Where the program is.


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


# Addresses. The last byte that was read before the data goes to `bus`.


@inline
def operand(c: Console, r: Registers, word: int) -> int:
    return word & OPERAND


@inline
def zero_page(c: Console, r: Registers, word: int) -> int:
    r.bus = word & 0xFF
    return word & 0xFF


@inline
def zero_page_x(c: Console, r: Registers, word: int) -> int:
    r.bus = word & 0xFF
    return word + r.x & 0xFF


@inline
def zero_page_y(c: Console, r: Registers, word: int) -> int:
    r.bus = word & 0xFF
    return word + r.y & 0xFF


@inline
def absolute(c: Console, r: Registers, word: int) -> int:
    r.bus = word >> 8 & 0xFF
    return word & OPERAND


@inline
def absolute_x(c: Console, r: Registers, word: int) -> int:
    r.bus = word >> 8 & 0xFF
    return (word & OPERAND) + r.x & 0xFFFF


@inline
def absolute_y(c: Console, r: Registers, word: int) -> int:
    r.bus = word >> 8 & 0xFF
    return (word & OPERAND) + r.y & 0xFFFF


@inline
def add_crossing(r: Registers, base: int, offset: int) -> None:
    """Count a cycle if an index leads to another page."""
    r.clock += (base & 0xFF) + offset >> 8


@inline
def absolute_x_crossing(c: Console, r: Registers, word: int) -> int:
    add_crossing(r, word, r.x)
    return absolute_x(c, r, word)


@inline
def absolute_y_crossing(c: Console, r: Registers, word: int) -> int:
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


# Loads and stores.


@inline
def load_constant(c: Console, r: Registers, address: int) -> int:
    return address & 0xFF


@inline
def load_ram(c: Console, r: Registers, address: int) -> int:
    return c.ram[address & 0x7F]


@inline
def load_tia(c: Console, r: Registers, address: int) -> int:
    return reads.read(c, address, r.bus, r.clock & CYCLES)


@inline
def load_timer(c: Console, r: Registers, address: int) -> int:
    return riot.read(c, address, r.clock & CYCLES)


@inline
def load_rom(c: Console, r: Registers, address: int) -> int:
    return bus.read_plain(c, address)


@inline
def load_zero_page(c: Console, r: Registers, address: int) -> int:
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
    c.ram[address & 0x7F] = value
    return 0


@inline
def store_tia(c: Console, r: Registers, address: int, value: int) -> int:
    return writes.write(c, address, value, r.clock & CYCLES)


@inline
def store_zero_page(c: Console, r: Registers, address: int, value: int) -> int:
    if address & 0x80:
        return store_ram(c, r, address, value)
    return store_tia(c, r, address, value)


@inline
def store_any(c: Console, r: Registers, address: int, value: int) -> int:
    if bus.is_ram(address):
        return store_ram(c, r, address, value)
    chunk = c.chunk
    result = bus.write(c, address, value, r.clock & CYCLES)
    r.pc += c.chunk - chunk
    return result


# Handlers of instructions with an operand in memory, or none.


@inline
def finish_store(c: Console, r: Registers, result: int) -> int:
    """Let the processor wait, as a store to the TIA may have it, and leave if that ended the frame."""
    r.clock += result & 0xFF
    if result & STOP:
        c.stop = 1
        return LEAVE
    return GO_ON


def simple(entry: Opcode, effect: Instruction) -> Handler:
    """Return the handler of an instruction without a memory operand."""
    cycles, step = entry.cycles, WORD_SIZE * entry.length
    is_accumulator = entry.mode == "acc"

    @inline
    def handler(c: Console, r: Registers, word: int) -> int:
        r.clock += INSTRUCTION + cycles
        if is_accumulator:
            r.a = effect(c, r, r.a)
        else:
            effect(c, r, word & 0xFF)
        r.pc += step
        return GO_ON

    return handler


def reading(entry: Opcode, effect: Instruction, address: Addressing, load: Load) -> Handler:
    """Return the handler of an instruction that reads memory."""
    cycles, step = entry.cycles, WORD_SIZE * entry.length

    @inline
    def handler(c: Console, r: Registers, word: int) -> int:
        r.clock += INSTRUCTION + cycles
        effect(c, r, load(c, r, address(c, r, word)))
        r.pc += step
        return GO_ON

    return handler


def writing(entry: Opcode, effect: Instruction, address: Addressing, store: Store) -> Handler:
    """Return the handler of an instruction that writes memory."""
    cycles, step = entry.cycles, WORD_SIZE * entry.length

    @inline
    def handler(c: Console, r: Registers, word: int) -> int:
        r.clock += INSTRUCTION + cycles
        where = address(c, r, word)
        result = store(c, r, where, effect(c, r, where >> 8))
        r.pc += step
        return finish_store(c, r, result)

    return handler


def writing_register(entry: Opcode, effect: Instruction, register: int) -> Handler:
    """Return the handler of a store to one register of the TIA, by far the most frequent kind of store."""
    cycles, step = entry.cycles, WORD_SIZE * entry.length
    writer = writes.WRITERS[register]

    @inline
    def handler(c: Console, r: Registers, word: int) -> int:
        r.clock += INSTRUCTION + cycles
        clock = 3 * (r.clock & CYCLES)
        result = writer(c, effect(c, r, 0), clock)
        r.pc += step
        return finish_store(c, r, writes.end_long_frame(c, result, clock))

    return handler


def modifying(entry: Opcode, effect: Instruction, address: Addressing, load: Load, store: Store) -> Handler:
    """Return the handler of an instruction that reads memory and writes to it."""
    cycles, step = entry.cycles, WORD_SIZE * entry.length

    @inline
    def handler(c: Console, r: Registers, word: int) -> int:
        r.clock += INSTRUCTION + cycles
        where = address(c, r, word)
        result = store(c, r, where, effect(c, r, load(c, r, where)))
        r.pc += step
        return finish_store(c, r, result)

    return handler


def through_pointer(entry: Opcode, effect: Instruction) -> Handler:
    """Return the handler of an instruction whose operand's address lies in RAM."""
    cycles, step = entry.cycles, WORD_SIZE * entry.length
    index_first = entry.mode == "izx"
    is_store, is_read = entry.access == "write", entry.access == "read"

    @inline
    def handler(c: Console, r: Registers, word: int) -> int:
        where = word + r.x & 0xFF if index_first else word & 0xFF
        if is_pointer(where) == 0:
            return LEAVE
        r.clock += INSTRUCTION + cycles
        at = load_pointer(c, r, where)
        if index_first == 0:
            if is_read:
                add_crossing(r, at, r.y)
            at = at + r.y & 0xFFFF
        if is_read:
            effect(c, r, load_any(c, r, at))
            r.pc += step
            return GO_ON
        result = store_any(c, r, at, effect(c, r, at >> 8 if is_store else load_any(c, r, at)))
        r.pc += step
        return finish_store(c, r, result)

    return handler


# Handlers of branches and jumps.


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


STACK: dict[str, Handler] = {
    "RTS": return_from_subroutine, "PHA": push_a, "PHP": push_flags, "PLA": pull_a, "PLP": pull_flags,
}  # fmt: skip


class Variant(NamedTuple):
    """A handler and when it is chosen.

    Attributes:
        opcode (int): its opcode.
        kind (int): the kind of its operand.
        function (Handler): what it does.
    """

    opcode: int
    kind: int
    function: Handler


def _memory_variants(entry: Opcode, effect: Instruction) -> Iterator[tuple[int, Handler]]:
    """Yield the handlers of an instruction with an address, by kind of operand."""
    loads = {RAM: load_ram, TIA: load_tia, TIMER: load_timer, ROM: load_rom, ANY: load_any}
    stores = {RAM: store_ram, TIA: store_tia, ANY: store_any}
    kinds = [ANY]
    match entry.mode:
        case "zp":
            address, kinds = zero_page, [RAM, TIA]
        case "zpx" | "zpy":
            address = zero_page_x if entry.mode == "zpx" else zero_page_y
            loads, stores = {ANY: load_zero_page}, {ANY: store_zero_page}
        case "abs":
            address, kinds = absolute, [RAM, ANY]
            if entry.access == "read":
                kinds += [TIMER, ROM]
                loads[ROM] = load_constant
        case _:
            crossing = {"abx": absolute_x_crossing, "aby": absolute_y_crossing}
            plain = {"abx": absolute_x, "aby": absolute_y}
            address = (crossing if entry.access == "read" else plain)[entry.mode]
            if entry.access == "read":
                kinds += [ROM]
    if entry.mode == "zp" and entry.access == "write":
        for register in range(writes.NUM_REGISTERS):
            yield REGISTER + register, writing_register(entry, effect, register)
    for kind in kinds:
        match entry.access:
            case "read":
                yield kind, reading(entry, effect, address, loads[kind])
            case "write":
                yield kind, writing(entry, effect, address, stores[kind])
            case "modify":
                yield kind, modifying(entry, effect, address, loads[kind], stores[kind])


def _variants(entry: Opcode) -> Iterator[tuple[int, Handler]]:
    """Yield the handlers of an opcode; none where it is too rare for its own: no game was seen to use those."""
    if entry.mnemonic in UNDOCUMENTED or (entry.mnemonic == "NOP" and entry.mode != "imp"):
        return
    effect = getattr(instructions, entry.mnemonic, instructions.NOP)
    match entry.mode:
        case "imp" if entry.mnemonic in STACK:
            yield ANY, STACK[entry.mnemonic]
        case "imp" if entry.mnemonic in {"BRK", "RTI", "STP"}:
            return
        case "imp" | "acc" | "imm":
            yield ANY, simple(entry, effect)
        case "rel":
            yield NEAR, branching(entry, effect, 1)
            yield FAR, branching(entry, effect, 2)
        case "jmp":
            yield NEAR, jumping(entry, True)
            yield FAR, jumping(entry, False)
        case "sub":
            yield NEAR, calling(entry, True)
            yield FAR, calling(entry, False)
        case "ind":
            yield ANY, jump_indirect
        case "izx" | "izy":
            yield ANY, through_pointer(entry, effect)
        case _:
            yield from _memory_variants(entry, effect)


VARIANTS = tuple(
    Variant(opcode, kind, function) for opcode, entry in enumerate(OPCODES) for kind, function in _variants(entry)
)
