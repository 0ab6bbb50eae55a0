"""Which handlers there are: one for each opcode that games use and each kind of operand that it can have."""

from collections.abc import Iterator
from typing import NamedTuple

from fastatari.console.cpu.handlers import (
    Handler,
    modifying,
    reading,
    simple,
    through_pointer,
    writing,
    writing_register,
)
from fastatari.console.cpu.instructions import Instruction
from fastatari.console.cpu.jumps import STACK_HANDLERS, branching, calling, jump_indirect, jumping
from fastatari.console.cpu.opcodes import OPCODES, UNDOCUMENTED, Opcode
from fastatari.console.cpu.operands import (
    absolute,
    absolute_x,
    absolute_x_crossing,
    absolute_y,
    absolute_y_crossing,
    load_any,
    load_constant,
    load_ram,
    load_rom,
    load_tia,
    load_timer,
    load_zero_page,
    store_any,
    store_ram,
    store_tia,
    store_zero_page,
    zero_page,
    zero_page_x,
    zero_page_y,
)
from fastatari.console.cpu.stepping import effect_of
from fastatari.console.tia import writes

# The kinds of operands; a decoder chooses by the operand's value.
ANY, ROM, RAM, TIA, TIMER, NEAR, FAR = range(7)
# Kinds from this one on are the TIA's registers, of the stores that have a handler for each.
REGISTER = 7
KINDS = REGISTER + writes.NUM_REGISTERS


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
    effect = effect_of(entry)
    match entry.mode:
        case "imp" if entry.mnemonic in STACK_HANDLERS:
            yield ANY, STACK_HANDLERS[entry.mnemonic]
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
