"""The handlers: what each opcode does when it is met in plain ROM, for each kind of operand that it can have there.

They do what `stepping` does, with the operand decoded beforehand and nothing looked at that is known. A handler returns
GO_ON, or LEAVE in one of three cases: the frame is over; it may soon be cut; or the case is a rare one, of which the
handler did nothing, so that `stepping` runs the instruction.
"""

from collections.abc import Callable

from fastatari.compiler import inline
from fastatari.console.cpu.instructions import Instruction
from fastatari.console.cpu.opcodes import Opcode
from fastatari.console.cpu.operands import (
    Addressing,
    Load,
    Store,
    add_crossing,
    is_pointer,
    load_any,
    load_pointer,
    store_any,
)
from fastatari.console.cpu.stepping import CYCLES, INSTRUCTION
from fastatari.console.state import Console, Registers
from fastatari.console.tia import writes
from fastatari.console.tia.writes import STOP

# A decoded word is an address, shifted by 16, and an operand; one a byte of the program.
WORD_SIZE = 8

GO_ON, LEAVE = 0, 1

Handler = Callable[[Console, Registers, int], int]


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
