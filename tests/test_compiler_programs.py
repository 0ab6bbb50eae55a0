"""The compiler: random programs give the same compiled and under CPython."""

import ctypes
import importlib.util
import random

import pytest
from compiling import compile_functions

HEAD = """
import ctypes
from typing import Annotated
from fastatari.compiler import Array, Ints, i8, i16, i32, i64, inline, structure, u8, u16, u32

@structure
class Inner(ctypes.Structure):
    a: u8
    b: i16

@structure
class Memory(ctypes.Structure):
    x8: i8
    x16: u16
    x32: i32
    w32: u32
    x64: i64
    ram: Annotated[Ints, ctypes.c_uint8 * 8]
    inner: Annotated[Inner, Inner]
    inners: Annotated[Array[Inner], Inner * 4]

TABLE = (3, -7, 260, 0)

def three(a: int) -> int:
    return a * 3 % 1000

@inline
def less(a: int) -> int:
    if a > 50:
        return a - 100
    return a + 7

CALLS = (three, less)
"""
NAMES = ["a", "b", "c", "d"]
FIELDS = ["m.x8", "m.x16", "m.x32", "m.w32", "m.x64", "m.inner.a", "m.inner.b", "m.ram[{}]", "m.inners[{3}].b", "r.a"]
FUNCTIONS = 10


class Writer:
    """Writes one random function: names hold at most 20 bits, so that CPython's integers stay below 64."""

    def __init__(self, seed):
        self.random = random.Random(seed)
        self.lines = []
        self.loops = 0

    def field(self, depth):
        text = self.random.choice(FIELDS)
        return text.replace("{}", f"({self.value(depth - 1)}) & 7").replace("{3}", f"({self.value(depth - 1)}) & 3")

    def value(self, depth):
        choice = self.random.randrange(16) if depth > 0 else self.random.randrange(3)
        one, two = (lambda: self.value(depth - 1)), (lambda: f"({self.value(depth - 1)})")
        if choice == 0:
            return str(self.random.choice([0, 1, -1, 2, 7, 100, 255, -256, 65535]))
        if choice < 3:
            return self.random.choice(NAMES)
        if choice < 5:
            return f"{self.field(depth)} % 1009"
        if choice < 8:
            return f"({one()} {self.random.choice('+-&|^')} {one()}) % 65537"
        forms = {
            8: lambda: f"{two()} * {self.random.randint(-9, 9)} % 9973",
            9: lambda: f"{two()} {self.random.choice(['//', '%'])} {self.random.choice([1, 3, 8, 228])}",
            10: lambda: f"({two()} << ({one()} & 7)) % 99991 + ({two()} >> ({one()} & 63))",
            11: lambda: f"({one()} if {self.condition(depth - 1)} else {one()})",
            12: lambda: f"{self.random.choice(['min', 'max'])}({one()}, {one()}) + abs({one()})",
            13: lambda: f"TABLE[{two()} & 3] + CALLS[{two()} & 1]({one()})",
            14: lambda: f"({self.condition(depth - 1, True)}) * {self.random.choice(NAMES)} - ~{two()}",
            15: lambda: f"{self.random.choice(['three', 'less'])}({one()})",
        }
        return f"({forms[choice]()})"

    def condition(self, depth, boolean=False):
        choice = self.random.randrange(6) if depth > 0 else 0
        if choice < 2:
            return f"{self.value(depth)} {self.random.choice(['<', '<=', '==', '!=', '>', '>='])} {self.value(depth)}"
        if choice == 2:
            return f"{self.value(depth)} < {self.value(depth)} <= {self.value(depth)}"
        if choice == 3:
            return f"not ({self.condition(depth - 1)})"
        if choice == 4 and not boolean:
            return self.random.choice(NAMES)
        operator = self.random.choice([" and ", " or "])
        return operator.join(f"({self.condition(depth - 1, boolean)})" for _ in range(self.random.randint(2, 3)))

    def target(self):
        return self.random.choice([self.random.choice(NAMES), self.field(1)])

    def statement(self, depth, indent, in_loop):
        def line(text, more=0):
            self.lines.append("    " * (indent + more) + text)

        def block(more=1):
            for _ in range(self.random.randint(1, 3)):
                self.statement(depth - 1, indent + more, in_loop)

        choice = self.random.randrange(12) if depth > 0 else self.random.randrange(5)
        if choice < 2:
            line(f"{self.target()} = {self.value(3)}")
        elif choice == 2:
            target = self.target()
            line(f"{target} {self.random.choice('+-&|^')}= {self.value(2)}")
            line(f"{target} %= {self.random.choice([1 << 7, 12345, 1 << 20])}")
        elif choice == 3:
            line(f"{self.target()}, {self.target()} = {self.value(1)}, {self.value(2)}")
        elif choice == 4:
            line(f"{self.target()} = {self.target()} = {self.value(2)}")
            line(f"r = {self.random.choice(['m.inner', f'm.inners[({self.value(1)}) & 3]'])}")
        elif choice < 8:
            line(f"if {self.condition(2)}:")
            block()
            if self.random.random() < 0.3:
                line(f"elif {self.condition(2)}:")
                block()
            if self.random.random() < 0.5:
                line("else:")
                block()
        elif choice == 8 and in_loop:
            line(f"if {self.condition(1)}:")
            line(self.random.choice(["break", "continue", f"return {self.value(2)}"]), 1)
        else:
            self.loops += 1
            name = f"i{self.loops}"
            if choice == 9:
                line(f"{name} = 0")
                line(f"while {self.random.choice(['True', self.condition(1)])}:")
                line(f"{name} += 1", 1)
                line(f"if {name} > 4:", 1)
                line("break", 2)
            elif choice == 10:
                line(f"for {name} in ({self.value(1)}, {self.value(2)}, 5):")
            else:
                start, stop = self.random.choice([("0", "5"), (f"{self.value(1)} & 3", "7"), ("a & 7", "b & 3")])
                line(f"for {name} in range({start}, {stop}, {self.random.choice(['1', '2', '-1', '-3'])}):")
            in_loop = True
            line(f"{self.random.choice(NAMES)} = ({name} + {self.value(1)}) % 4099", 1)
            block()

    def function(self, name):
        self.lines = [f"def {name}(m: Memory, a: int, b: int) -> int:", "    c, d, r = a, b * 3 % 777, m.inner"]
        for _ in range(self.random.randint(3, 6)):
            self.statement(3, 1, False)
        self.lines.append("    return a + b * 3 + c * 5 + d * 7 + r.b")
        return "\n".join(self.lines)


def check(path, seed, level):
    """Write some programs, compile them, and run both on random memory."""
    names = [f"f{n}" for n in range(FUNCTIONS)]
    path.write_text(HEAD + "\n\n".join(Writer(seed * 1000 + n).function(name) for n, name in enumerate(names)))
    spec = importlib.util.spec_from_file_location("programs", path)
    programs = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(programs)
    calls = compile_functions([getattr(programs, name) for name in names], level)
    random_ = random.Random(seed)
    for name, call in calls.items():
        for _ in range(8):
            start = random_.randbytes(ctypes.sizeof(programs.Memory))
            slow, fast = (programs.Memory.from_buffer_copy(start) for _ in range(2))
            slow.x64 = fast.x64 = random_.randint(-1000, 1000)
            a, b = random_.randint(-300, 300), random_.choice([0, 1, -1, 255, 256, 65535])
            assert call(ctypes.addressof(fast), a, b) == getattr(programs, name)(slow, a, b), (name, a, b, start)
            assert bytes(fast) == bytes(slow), (name, a, b, start)


@pytest.mark.parametrize("seed", range(6))
def test_random_programs(tmp_path, seed):
    check(tmp_path / "programs.py", seed, (0, 1, 3)[seed % 3])
