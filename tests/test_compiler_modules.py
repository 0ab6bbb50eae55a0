"""The compiler: closures, intrinsics, functions written by hand, names, attributes and targets of modules."""

import ctypes
import re
import runpy
from pathlib import Path

import numpy as np
import pytest
from compiling import compile_function
from llvmlite import ir

from fastatari.compiler import (
    CompileError,
    Module,
    Pointer64,
    cold,
    copy_bytes,
    inline,
    intrinsic,
    native,
    pointer,
    structure,
    u8,
    u16,
)

SMALL = (1, 2, 300, -4)
BYTES = [0, 255, 128, 7]
AGAIN = (0, 255, 128, 7)
WIDE = (1 << 62, -(1 << 63), 5)
GRID = np.arange(12, dtype=np.int64).reshape(3, 4) - 500


@structure
class Registers(ctypes.Structure):
    a: u8
    pc: u16


def triple(a: int) -> int:
    return a * 3


@inline
def square(a: int) -> int:
    return a * a


@cold
def minus(a: int) -> int:
    return -a


def recursive(a: int) -> int:
    return triple(a) if a < 2 else recursive(a - 2) + 1


def store(r: Registers, a: int) -> None:
    r.pc += a
    r.a = r.pc


def tables(a: int) -> int:
    return SMALL[a & 3] + BYTES[a & 3] + AGAIN[a & 3] + WIDE[a % 3] + int(GRID[a % 3, a & 3])


def compile_one(function, *arguments, level=1):
    """Compile one function and call it."""
    return compile_function(function, level)(*arguments)


def test_shift_counts_are_taken_modulo_64():
    def shift(a: int, n: int) -> int:
        return (a << n) + (a >> n)

    assert compile_one(shift, 5, 64) == 10
    assert compile_one(shift, -8, -63) == compile_one(shift, -8, 1) == -20


def test_closures_are_functions_of_their_own():
    def make(table: tuple[int, ...], inner: object) -> object:
        def closure(n: int) -> int:
            return inner(n) + table[n & 1]

        return closure

    assert compile_one(make((10, 20), make((1, 2), triple)), 3) == 31


def test_what_is_known_is_decided_when_compiled():
    def make(fast: bool) -> object:
        def closure(n: int) -> int:
            if fast:
                return n + 1
            return undefined(n)  # noqa: F821

        return closure

    assert compile_one(make(True), 3) == 4
    with pytest.raises(CompileError, match=r"test_compiler_modules.py:\d+: `undefined` is not defined"):
        compile_one(make(False), 3)


def test_many_closures_share_what_is_parsed():
    def make(k: int) -> object:
        def closure(n: int) -> int:
            return n * k

        return closure

    functions = tuple(make(k) for k in range(400))

    def choose(i: int, n: int) -> int:
        return functions[i](n)

    assert [compile_one(choose, i, 3, level=0) for i in (0, 399)] == [0, 1197]


@intrinsic(lambda builder, args: builder.add(args[0], builder.load(args[1], typ=ir.IntType(64))))
def add_first(a: int, p: Pointer64) -> int:
    return a + p[0]


@intrinsic(lambda builder, args: builder.trunc(args[0], ir.IntType(8)))
def low_byte(a: int) -> int:
    return a & 255


@intrinsic(lambda builder, args: builder.store(args[1], args[0]) and None)
def put(p: Pointer64, a: int) -> None:
    p[0] = a


def test_intrinsics():
    def use(where: int, a: int) -> int:
        p = pointer(Pointer64, where)
        put(p, a * 2)
        return add_first(low_byte(a), p)

    cell = ctypes.c_int64(0)
    for a in (0, 3, 255, 256, -1):
        assert compile_one(use, ctypes.addressof(cell), a) == use(ctypes.addressof(cell), a) == (a & 255) + a * 2


@pytest.mark.parametrize("level", [0, 1, 3])
def test_what_is_guarded_is_not_read(level):
    def guarded(where: int, index: int) -> int:
        r = pointer(Registers, where)
        p = pointer(Pointer64, where)
        known = where != 0 and r.a == 3
        other = index < 4 and index >= 0 and SMALL[index] == 300
        return known + other * 2 + (not (p and p[0])) * 4 + (r.pc if where else 8)

    registers = Registers(3, 100)
    cells = (ctypes.c_uint64 * 1)()
    ctypes.memmove(cells, ctypes.addressof(registers), ctypes.sizeof(registers))
    assert compile_one(guarded, 0, 1 << 50, level=level) == guarded(0, 1 << 50) == 12
    assert compile_one(guarded, ctypes.addressof(cells), 2, level=level) == guarded(ctypes.addressof(cells), 2) == 103


def test_externs():
    def twice(a: int) -> int:
        return a * 2

    def use(a: int) -> int:
        return twice(a) + 1

    module = Module("extern")
    hand = ir.Function(module.ir, ir.FunctionType(ir.IntType(64), [ir.IntType(64)]), "hand")
    hand.linkage = "internal"
    builder = ir.IRBuilder(hand.append_basic_block())
    builder.ret(builder.mul(hand.args[0], ir.Constant(ir.IntType(64), 1000)))
    module.add_extern(twice, hand)
    module.add(use, export=True)
    loaded = native.load(native.compile_module(str(module.ir), native.Target.generic()))
    assert ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_int64)(loaded.address("use"))(5) == 5001


def test_names_and_exports():
    module = Module("names")
    inner = module.add(triple)
    assert module.add(triple) is inner
    assert inner.linkage == "internal"
    module.add(recursive, export=True)
    module.add(triple, "three", export=True)  # compiled before: called through another function
    module.add(store, "none", export=True)
    loaded = native.load(native.compile_module(str(module.ir), native.Target.from_name("host")))
    assert ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_int64)(loaded.address("three"))(5) == 15
    registers = Registers(0, 10)
    ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_int64)(loaded.address("none"))(ctypes.addressof(registers), 7)
    assert (registers.pc, registers.a) == (17, 17)
    with pytest.raises(KeyError, match=r"no function 'triple'"):
        loaded.address("triple")


def test_marks_and_attributes():
    module = Module("marks")
    assert "alwaysinline" in module.add(square).attributes
    assert {"noinline", "cold"} <= set(module.add(minus).attributes)
    argument = module.add(store).args[0]
    assert "nonnull" in argument.attributes
    assert argument.attributes.dereferenceable == ctypes.sizeof(Registers)


def test_a_module_is_the_same_text_each_time():
    def text():
        module = Module("same")
        for function in [recursive, tables, store, square]:
            module.add(function)
        return str(module.ir)

    assert text() == text()


def test_tables_are_as_small_as_they_can_be_and_shared():
    module = Module("tables")
    module.add(tables)
    texts = [line for line in str(module.ir).split("\n") if line.startswith('@"table')]
    assert sorted(line.split("constant ")[1].split("]")[0] for line in texts) == sorted(
        ["[4 x i16", "[4 x i8", "[3 x i64", "[12 x i16"]
    )


def test_targets():
    host, generic = native.Target.host(), native.Target.generic()
    assert host == native.Target.from_name("host")
    assert hash(host) == hash(native.Target.host())
    assert generic == native.Target.from_name("generic")
    assert str(generic) == f"{generic.triple} {generic.cpu}"
    module = Module("target")
    module.add(tables, export=True)
    code = [native.compile_module(str(module.ir), target, 2) for target in (generic, generic)]
    assert code[0] == code[1]


def test_copies_of_any_length():
    def copy(target: int, source: int, count: int) -> int:
        copy_bytes(target, source, count)
        return count

    source, target = np.arange(1 << 20, dtype=np.uint8), np.zeros(1 << 20, np.uint8)
    for count in (0, 1, 1000, 1 << 20):
        target[:] = 0
        compile_one(copy, target.ctypes.data, source.ctypes.data, count)
        np.testing.assert_array_equal(target, np.where(np.arange(1 << 20) < count, source, 0))


def test_the_example_of_the_documentation(tmp_path):
    text = (Path(__file__).parent.parent / "docs" / "compiler.md").read_text()
    example = tmp_path / "example.py"
    example.write_text(re.findall(r"```python\n(.*?)```", text, re.DOTALL)[0])
    found = runpy.run_path(str(example))
    assert found["counter"].total == sum(range(0, 100, 3))
