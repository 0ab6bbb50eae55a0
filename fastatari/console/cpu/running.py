"""Running the handlers: each is emitted as a function that calls the next one at its tail, with registers as arguments.

So the processor's registers stay in registers of this computer, nothing returns before `leave`, and every handler ends
with a jump of its own, which is predicted by what follows that instruction.
"""

import ctypes
from collections.abc import Iterable

from llvmlite import ir

from fastatari.compiler import Module
from fastatari.console import bus
from fastatari.console.cpu.jumps import ALMOST_ALL, go_to, program_counter
from fastatari.console.cpu.variants import VARIANTS
from fastatari.console.state import Console, Registers

WORD, POINTER = ir.IntType(64), ir.PointerType()

# What handlers hand on to each other, beside the console and the decoded word; `bus` is only known within one.
HANDED_ON = ("pc", "a", "x", "y", "nz", "carry", "clock")
HANDLER = ir.FunctionType(ir.VoidType(), [POINTER, WORD, *(WORD,) * len(HANDED_ON)])

# LLVM's convention in which nearly all registers carry arguments.
CONVENTION = "preserve_nonecc"


def run(c: Console, r: Registers) -> None:
    """Run instructions for as long as they are plain. CPython has no such thing: `stepping` does all."""


def run_plain(c: Console, r: Registers) -> None:
    """Run instructions for as long as they are plain: compiled, this is `run`. While a reset is recorded, none is."""
    if c.recording == 0 and r.pc & bus.CARTRIDGE and r.clock < ALMOST_ALL:
        go_to(c, r, r.pc)
        call_handlers(c, r)
        r.pc = program_counter(c, r)


def call_handlers(c: Console, r: Registers) -> None:
    """Call the handler of the decoded word at `pc`, and with it all that follow; emitted by `emit_handlers`."""
    raise NotImplementedError


def emit_handlers(module: Module) -> None:
    """Put all handlers into a module, with `run`, and `handlers`, which returns the address of their addresses."""
    start = ir.Function(module.ir, ir.FunctionType(ir.VoidType(), [POINTER, POINTER]), "call_handlers")
    start.linkage = "internal"
    module.add_extern(call_handlers, start)
    module.add_extern(run, module.add(run_plain, "run"))
    leave = _emit_leaving(module)
    functions = [leave, *(_emit_handler(module, i, leave) for i in range(len(VARIANTS)))]
    _emit_start(start)
    _emit_table(module, functions)


def _field(builder: ir.IRBuilder, base: ir.Value, offset: int) -> ir.Value:
    return builder.gep(base, [ir.Constant(WORD, offset)], inbounds=True, source_etype=ir.IntType(8))


def _offset(kind: type, name: str) -> int:
    offset: int = getattr(kind, name).offset
    return offset


def _function(module: Module, name: str) -> ir.Function:
    function = ir.Function(module.ir, HANDLER, name)
    function.linkage = "internal"
    function.calling_convention = CONVENTION
    function.attributes.add("nounwind")
    return function


def _call_next(builder: ir.IRBuilder, console: ir.Value, registers: Iterable[ir.Value], tail: str | None) -> None:
    """Call the handler of the decoded word at `pc`, which is the first of the registers."""
    pc, *others = registers
    word = builder.load(builder.inttoptr(pc, POINTER), typ=WORD, align=8)
    handler = builder.inttoptr(builder.lshr(word, ir.Constant(WORD, 16)), ir.PointerType(HANDLER))
    builder.call(handler, [console, word, pc, *others], cconv=CONVENTION, tail=tail)
    builder.ret_void()


def _emit_leaving(module: Module) -> ir.Function:
    """Emit the handler that leaves: it puts the registers into the console's memory."""
    function = _function(module, "leave")
    builder = ir.IRBuilder(function.append_basic_block())
    console, _, *values = function.args
    registers = _field(builder, console, _offset(Console, "registers"))
    for name, value in zip(HANDED_ON, values, strict=True):
        builder.store(value, _field(builder, registers, _offset(Registers, name)), align=8)
    builder.ret_void()
    return function


def _emit_handler(module: Module, index: int, leave: ir.Function) -> ir.Function:
    """Emit a handler: its registers are memory of its own, which LLVM turns into registers."""
    opcode, kind, body = VARIANTS[index]
    function = _function(module, f"handler_{opcode:02X}_{kind}")
    builder = ir.IRBuilder(function.append_basic_block())
    console, word, *values = function.args
    registers = builder.alloca(WORD, size=ctypes.sizeof(Registers) // 8)
    places = [_field(builder, registers, _offset(Registers, name)) for name in HANDED_ON]
    for place, value in zip(places, values, strict=True):
        builder.store(value, place, align=8)
    leaves = builder.call(module.add(body, f"body_{opcode:02X}_{kind}"), [console, registers, word])
    results = [builder.load(place, typ=WORD, align=8) for place in places]
    leaving, going = builder.append_basic_block(), builder.append_basic_block()
    branch = builder.cbranch(builder.icmp_unsigned("!=", leaves, ir.Constant(WORD, 0)), leaving, going)
    branch.set_weights([1, 2000])
    builder.position_at_end(leaving)
    builder.store(ir.Constant(ir.IntType(8), opcode), _field(builder, console, _offset(Console, "opcode")))
    builder.call(leave, [console, word, *results], cconv=CONVENTION, tail="musttail")
    builder.ret_void()
    builder.position_at_end(going)
    _call_next(builder, console, results, "musttail")
    return function


def _emit_start(function: ir.Function) -> None:
    """Emit the function that enters the first handler, and returns from the last."""
    builder = ir.IRBuilder(function.append_basic_block())
    console, registers = function.args
    places = [_field(builder, registers, _offset(Registers, name)) for name in HANDED_ON]
    values = [builder.load(place, typ=WORD, align=8) for place in places]
    _call_next(builder, console, values, None)


def _emit_table(module: Module, functions: list[ir.Function]) -> None:
    table = ir.GlobalVariable(module.ir, ir.ArrayType(POINTER, len(functions)), "handler_addresses")
    table.initializer = ir.Constant(table.value_type, functions)
    table.global_constant, table.linkage = True, "internal"
    getter = ir.Function(module.ir, ir.FunctionType(WORD, []), "handlers")
    builder = ir.IRBuilder(getter.append_basic_block())
    builder.ret(builder.ptrtoint(table, WORD))
