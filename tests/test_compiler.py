"""The compiler: each construct gives the same compiled and under CPython."""

import ctypes
import enum
import random
from typing import Annotated

import numpy as np
import pytest
from compiling import compile_functions
from hypothesis import given, settings
from hypothesis import strategies as st

from fastatari.compiler import (
    Array,
    Ints,
    Pointer,
    Pointer8,
    Pointer64,
    address,
    cold,
    copy_bytes,
    i8,
    i16,
    i32,
    i64,
    inline,
    pointer,
    structure,
    u8,
    u16,
    u32,
)

# Memory


@structure
class Registers(ctypes.Structure):
    a: u8
    pc: u16
    s: i8
    wide: i64


@structure
class Base(ctypes.Structure):
    first: u8
    clock: i32


@structure
class Machine(Base):
    b8: i8
    b16: i16
    w32: u32
    w64: i64
    ram: Annotated[Ints, ctypes.c_uint8 * 128]
    words: Annotated[Ints, ctypes.c_int32 * 5]
    registers: Annotated[Registers, Registers]
    others: Annotated[Array[Registers], Registers * 3]
    screen: Annotated[Ints, Pointer8]
    one: Annotated[Pointer[Registers], ctypes.POINTER(Registers)]
    screens: Annotated[Array[Ints], Pointer8 * 2]
    grid: Annotated[Array[Ints], (ctypes.c_uint16 * 3) * 4]


class Color(enum.IntEnum):
    RED = 3
    BLUE = 200


LIMIT = 37
SMALL = (1, 2, 300, -4)
BYTES = [0, 255, 128, 7]
WIDE = (1 << 62, -(1 << 63), 5)
GRID = np.arange(12, dtype=np.int64).reshape(3, 4) - 5
LINE = np.array([-1, 5, 127, -128, 0, 1, 2, 3], np.int8)
NESTED = ((1, 2), (3, 4))


# What is compiled. `number` functions take three integers, `machine` functions a Machine and two integers.


def sums(a: int, b: int, c: int) -> int:
    return (a + b * c - (a & b) | (c ^ a)) + ~b - -c + +a


def shifts(a: int, b: int, c: int) -> int:
    return (a << 7) ^ (a >> 3) ^ (b >> 63) ^ (1 << (c & 63)) ^ (b << (a & 63)) ^ (a >> (c & 63)) ^ (c << 0) ^ (-5 >> 1)


def divisions(a: int, b: int, c: int) -> int:
    return a // 3 + b // 8 * 5 + c % 7 + a % 16 + b % 1 + c // 1 + (a % 228) * 1000 + b // 228 + -7 // 2 + -7 % 3


def comparisons(a: int, b: int, c: int) -> int:
    return (
        (a < b)
        + (a <= b) * 2
        + (a == b) * 4
        + (a != c) * 8
        + (b > c) * 16
        + (b >= c) * 32
        + (a < b < c) * 64
        + (a >= b == c) * 128
        + (3 < LIMIT) * 256  # noqa: SIM300
        + (not a) * 512
        + (not a < b) * 1024
    )


def logic(a: int, b: int, c: int) -> int:
    x = a < b and b < c  # noqa: PLR1716
    y = a < b or SMALL[b & 3] == c or is_even(c)
    z = not (a and b) or (a > 5 and True)
    if a and not b or c > 3 and (b or a == 1):  # noqa: RUF021
        x += 100
    elif not a or (b < 0 and c):
        x -= 100
    else:
        y -= 7
    return x * 4 + y * 2 + z


def choices(a: int, b: int, c: int) -> int:
    small = a if a < b else b
    large = max(a, b, c) - min(a, b) if c & 1 else abs(c)
    return small * 3 + large + (SMALL[a & 3] if b > 0 else 7) + int(a < 3) + int(b) + (1 if LIMIT == 37 else UNKNOWN)  # noqa: F821


def is_even(a: int) -> bool:
    return a & 1 == 0


def assignments(a: int, b: int, c: int) -> int:
    a, b = b, a + b
    x = y = a * 3
    x += y
    x -= b
    x ^= 5
    x <<= 2
    x >>= 1
    x |= 1
    x &= 0xFFFF
    x //= 3
    x %= 100
    x *= c
    late: int = x
    y, x = x, y
    return x + late * 7 + y


def loops(a: int, b: int, c: int) -> int:
    total = 0
    i = -1
    for i in range(a & 15):
        if i == b & 7:
            continue
        if i > c & 15:
            break
        total += i * i
    for j in range(b & 7, -(c & 7), -2):
        total = total * 3 + j
        for k in range(2, 20, 5):
            total ^= k * j
            k = 100  # noqa: PLW2901
            total += k
    while total > 1000:
        total //= 3
        if total % 5 == 0:
            continue
        total -= 1
    while True:
        total += 1
        if total & 7 == 3:
            break
    return total + i * 1000


def unrolled(a: int, b: int, c: int) -> int:
    total = 0
    for x in (a, b, 3):
        if x == c:
            continue
        if x == 7:
            break
        total = total * 5 + x
    for x in SMALL:
        total += x * a
    for f in (triple, square):
        total += f(b)
    for f in FUNCTIONS:
        total ^= f(c)
    return total + x


def triple(a: int) -> int:
    return a * 3


@inline
def square(a: int) -> int:
    return a * a


@cold
def minus(a: int) -> int:
    """A docstring."""
    return -a


FUNCTIONS = (triple, square, minus)


def tables(a: int, b: int, c: int) -> int:
    f = FUNCTIONS[b % 3]
    row = a % 3
    total = SMALL[a & 3] * BYTES[b & 3] + WIDE[c % 3] + int(GRID[row, c & 3]) * 100 + int(GRID[1, 2]) + SMALL[2]
    total += NESTED[1][0] + NESTED[0][a & 1] + int(LINE[b & 7])
    return total + f(a) + FUNCTIONS[a % 3](b) * Color.BLUE + FUNCTIONS[1](c) * Color.RED


def recursive(a: int, b: int, c: int) -> int:
    return c if a & 15 == 0 else recursive((a & 15) - 1, c, b + c)


def early(a: int, b: int, c: int) -> int:
    if a > b:
        x = 1
    elif c:
        x = 2
    else:
        return a - b
    while x < 10:
        if c > 5:
            return x
        x += 3
    return x * 100


def adder(k: int, deep: bool) -> object:
    def add(a: int, b: int, c: int) -> int:
        if deep:
            return inner(a, b, c) + k
        return a * k + b + SMALL[k & 3] * c

    inner = adder(k + 1, False) if deep else None
    return add


CLOSURES = tuple(adder(k, bool(k & 1)) for k in range(6))


def closures(a: int, b: int, c: int) -> int:
    return CLOSURES[a % 6](a, b, c) * 3 + CLOSURES[3](b, c, a)


NUMBERS = [sums, shifts, divisions, comparisons, logic, choices, assignments, loops, unrolled, tables, recursive, early]
NUMBERS.append(closures)


def fields(m: Machine, a: int, b: int) -> int:
    m.first = a
    m.clock = b
    m.b8 = a
    m.b16 = b + 1
    m.w32 = a
    m.w64 = a ^ b
    m.first += b
    m.b8 -= a
    m.w32 *= 3
    m.w64 <<= 3
    m.words[a % 5] = b
    m.words[a % 5] += a
    m.words[1] ^= 0x1234
    m.b16 = m.words[2] = a
    m.ram[a & 127], m.ram[b & 127] = m.ram[b & 127], a == b
    m.registers.a = m.first + m.b8
    m.registers.wide = m.clock
    r = m.others[b % 3]
    r.s = a
    r.wide += m.w32
    m.others[2].pc = r.s
    m.grid[a & 3][b % 3] = a
    m.grid[1][2] += b
    return m.first + m.clock + m.b8 + m.b16 + m.w32 + m.w64 + m.words[b % 5] + r.s + m.grid[2][a % 3]


def pointers(m: Machine, a: int, b: int) -> int:
    s = m.screen
    s[a & 63] = b
    m.screen[b & 63] += a
    m.one.contents.pc = a
    m.one[0].a += b
    m.screens[a & 1][5] ^= b
    total = fill(m.ram, 7, a) + fill(s, b & 31, 3) + base_clock(m) + touch(m.others[a % 3])
    r = pointer(Registers, address(m.others) + ctypes_size * (b % 3))
    r.wide = total
    p = pointer(Pointer64, address(m.registers) + 8)
    p[0] ^= a
    copy_bytes(address(m.ram) + 64, address(m.screen), 16)
    m.screens[1] = m.screens[0]
    m.screens[0] = pointer(Pointer8, address(s) + 1)
    nothing = pointer(Pointer8, 0)
    q = s if a & 1 else m.screen
    for i in range(3):
        q[i] += 1
        q = pointer(Pointer8, address(q) + 1)
    return total + (1 if nothing else 2) + (4 if s and not nothing else 8)


ctypes_size = ctypes.sizeof(Registers)


def fill(p: Pointer8, index: int, value: int) -> int:
    p[index] = value
    return p[index] * 2


def base_clock(m: Base) -> int:
    return m.clock


def touch(r: Registers) -> int:
    nothing(r, 5)
    return r.pc


def nothing(r: Registers, a: int) -> None:
    r.pc += a
    if r.pc > 1000:
        return
    r.a = r.pc


MACHINES = [fields, pointers]


def new_machine(seed: int) -> tuple[Machine, list[object]]:
    """A machine of random bytes, and the memory that it points to, at offsets that do not depend on addresses."""
    machine = Machine.from_buffer_copy(random.Random(seed).randbytes(ctypes.sizeof(Machine)))
    memory: list[object] = [(ctypes.c_uint8 * 64).from_buffer_copy(random.Random(n).randbytes(64)) for n in range(3)]
    one = Registers(1, 2, 3, 4)
    machine.screen = ctypes.cast(memory[0], Pointer8)
    machine.screens[0], machine.screens[1] = ctypes.cast(memory[1], Pointer8), ctypes.cast(memory[2], Pointer8)
    machine.one = ctypes.pointer(one)
    return machine, [*memory, one]


def plain(machine: Machine, memory: list[object]) -> tuple[object, ...]:
    """All that a machine holds but its addresses, which it gives relative to the memory they point to."""
    start, end = Machine.screen.offset, Machine.screens.offset + Machine.screens.size
    places = [address(machine.screen) - ctypes.addressof(memory[0])]
    places += [min(abs(address(p) - ctypes.addressof(x)) for x in memory[:3]) for p in machine.screens]
    return bytes(machine)[:start], bytes(machine)[end:], places, *map(bytes, memory)


def wrap(value: int) -> int:
    return (int(value) + (1 << 63)) % (1 << 64) - (1 << 63)


@pytest.fixture(scope="module", params=[0, 1, 3])
def compiled(request):
    """All functions above as ctypes functions, by name."""
    return compile_functions(NUMBERS + MACHINES, request.param)


BORDERS = sorted({s * (1 << n) + d for n in (0, 3, 7, 8, 15, 16, 31, 32, 60) for d in (-1, 0, 1) for s in (-1, 1)})
integers = st.one_of(st.sampled_from(BORDERS), st.integers(-20, 20), st.integers(-(1 << 61), (1 << 61) - 1))


@pytest.mark.parametrize("function", NUMBERS, ids=lambda f: f.__name__)
@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_numbers_are_cpythons(compiled, function, data):
    a, b, c = (data.draw(integers) for _ in range(3))
    if function in (loops, tables, unrolled):  # their results would feed on what CPython does not cut to 64 bits
        a, b, c = (x % 100000 - 50000 for x in (a, b, c))
    assert compiled[function.__name__](a, b, c) == wrap(function(a, b, c))


@pytest.mark.parametrize("function", MACHINES, ids=lambda f: f.__name__)
@settings(max_examples=150, deadline=None)
@given(a=integers, b=integers, seed=st.integers(0, 1000))
def test_memory_is_cpythons(compiled, function, a, b, seed):
    (slow, slow_memory), (fast, fast_memory) = new_machine(seed), new_machine(seed)
    expected = wrap(function(slow, a, b))
    assert compiled[function.__name__](ctypes.addressof(fast), a, b) == expected
    assert plain(fast, fast_memory) == plain(slow, slow_memory)
