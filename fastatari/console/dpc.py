"""DPC, the coprocessor of Pitfall II: eight fetchers of display data, music by three of them, and random numbers.

Its registers lie in `Console.cartridge_ram`: a byte each of eight fetchers, and more.
"""

import math
import struct

from llvmlite import ir

from fastatari.compiler import Pointer8, intrinsic, pointer
from fastatari.console.state import Console

# Where the registers of fetcher 0 lie; of the music marks, those of fetchers 5, 6 and 7 count.
TOP, BOTTOM, LOW, HIGH, FLAG, MUSIC, RANDOM = 0, 8, 16, 24, 32, 40, 48

# The image: two banks of program, and the display data.
DISPLAY, DISPLAY_SIZE = 8192, 2048

# The volume, by which of the three voices are on.
AMPLITUDES = (0, 4, 5, 9, 6, 10, 11, 15)

# The music's clock and the processor's, in Hz.
MUSIC_RATE, CPU_RATE = 15750.0, 1193191.66666667


def _emit_clocks(builder: ir.IRBuilder, args: list[ir.Value]) -> ir.Value:
    double = ir.DoubleType()
    cycles, fraction = builder.sitofp(args[0], double), builder.bitcast(args[1], double)
    scaled = builder.fdiv(builder.fmul(ir.Constant(double, MUSIC_RATE), cycles), ir.Constant(double, CPU_RATE))
    return builder.bitcast(builder.fadd(scaled, fraction), ir.IntType(64))


@intrinsic(_emit_clocks)
def music_clocks(cycles: int, fraction: int) -> int:
    """Return how many clocks of the music some cycles are, and a fraction; the bits of doubles."""
    return to_bits(MUSIC_RATE * cycles / CPU_RATE + from_bits(fraction))


def _emit_floor(builder: ir.IRBuilder, args: list[ir.Value]) -> ir.Value:
    # Music goes forward, so that a floor is what is left of the point.
    return builder.fptosi(builder.bitcast(args[0], ir.DoubleType()), ir.IntType(64))


@intrinsic(_emit_floor)
def whole(clocks: int) -> int:
    """Return the whole number below a double, given by its bits, that is not negative."""
    return math.floor(from_bits(clocks))


def _emit_less(builder: ir.IRBuilder, args: list[ir.Value]) -> ir.Value:
    double = ir.DoubleType()
    less = builder.fsub(builder.bitcast(args[0], double), builder.sitofp(args[1], double))
    return builder.bitcast(less, ir.IntType(64))


@intrinsic(_emit_less)
def less(clocks: int, number: int) -> int:
    """Return a double, given by its bits, less an integer; its bits."""
    return to_bits(from_bits(clocks) - number)


def _emit_remainder(builder: ir.IRBuilder, args: list[ir.Value]) -> ir.Value:
    return builder.urem(*args)


@intrinsic(_emit_remainder)
def remainder(number: int, divisor: int) -> int:
    """Return the remainder of a division; neither is negative, and the divisor is not 0."""
    return number % divisor


def to_bits(number: float) -> int:
    """Return the bits of a double as a signed integer."""
    bits: int = struct.unpack("<q", struct.pack("<d", number))[0]
    return bits


def from_bits(bits: int) -> float:
    """Return the double of some bits."""
    number: float = struct.unpack("<d", struct.pack("<q", bits))[0]
    return number


def reset(c: Console) -> None:
    """Begin the music anew; all else keeps its value."""
    c.music_cycle = c.cycle
    c.music_fraction = 0


def start(c: Console) -> None:
    """Set the registers as they are when the cartridge is put in."""
    for i in range(128):
        c.cartridge_ram[i] = 0
    c.cartridge_ram[RANDOM] = 1


def clock_random(c: Console) -> None:
    """Shift the random register, whose new bit 0 is the inverse of four of its bits."""
    old = c.cartridge_ram[RANDOM]
    bit = (old >> 7 ^ old >> 5 ^ old >> 4 ^ old >> 3 ^ 1) & 1
    c.cartridge_ram[RANDOM] = old << 1 | bit


def read_fetcher(c: Console, offset: int, cycle: int) -> int:
    """Return what a read of a register gives: random numbers or music, or display data at the fetcher's counter."""
    i, function = offset & 7, offset >> 3
    low = c.cartridge_ram[LOW + i]
    if low == c.cartridge_ram[TOP + i]:
        c.cartridge_ram[FLAG + i] = 0xFF
    elif low == c.cartridge_ram[BOTTOM + i]:
        c.cartridge_ram[FLAG + i] = 0
    counter = c.cartridge_ram[HIGH + i] << 8 | low
    flag = c.cartridge_ram[FLAG + i]
    result = 0
    if function == 0:
        if i < 4:
            result = c.cartridge_ram[RANDOM]
        else:
            play_music(c, cycle)
            result = amplitude(c)
    elif function <= 2:
        result = pointer(Pointer8, c.image)[DISPLAY + DISPLAY_SIZE - 1 - counter]
        if function == 2:
            result &= flag
    elif function == 7:
        result = flag
    if c.cartridge_ram[MUSIC + i] == 0:
        counter = counter - 1 & DISPLAY_SIZE - 1
        c.cartridge_ram[LOW + i] = counter
        c.cartridge_ram[HIGH + i] = counter >> 8
    return result


def write_fetcher(c: Console, offset: int, value: int) -> None:
    """Write a register, at 040 to 07F."""
    i, function = offset & 7, offset >> 3 & 7
    if function == 0:
        c.cartridge_ram[TOP + i] = value
        c.cartridge_ram[FLAG + i] = 0
    elif function == 1:
        c.cartridge_ram[BOTTOM + i] = value
    elif function == 2:
        c.cartridge_ram[LOW + i] = c.cartridge_ram[TOP + i] if c.cartridge_ram[MUSIC + i] else value
    elif function == 3:
        c.cartridge_ram[HIGH + i] = value & 7
        if i >= 5:
            c.cartridge_ram[MUSIC + i] = value >> 4 & 1
    elif function == 6:
        c.cartridge_ram[RANDOM] = 1


def play_music(c: Console, cycle: int) -> None:
    """Bring the fetchers that play music to a cycle: each counts down from its top, and is on above its bottom."""
    clocks = music_clocks(cycle - c.music_cycle, c.music_fraction)
    count = whole(clocks)
    c.music_cycle = cycle
    c.music_fraction = less(clocks, count)
    if count <= 0:
        return
    for i in range(5, 8):
        if c.cartridge_ram[MUSIC + i]:
            top = c.cartridge_ram[TOP + i]
            low = 0
            if top:
                low = c.cartridge_ram[LOW + i] - remainder(count, top + 1)
                low = low + top + 1 if low < 0 else low
            c.cartridge_ram[LOW + i] = low
            if low <= c.cartridge_ram[BOTTOM + i]:
                c.cartridge_ram[FLAG + i] = 0
            elif low <= top:
                c.cartridge_ram[FLAG + i] = 0xFF


def amplitude(c: Console) -> int:
    """Return the volume of the voices that are on."""
    voices = 0
    for i in range(5, 8):
        if c.cartridge_ram[MUSIC + i] and c.cartridge_ram[FLAG + i]:
            voices |= 1 << i - 5
    return AMPLITUDES[voices]
