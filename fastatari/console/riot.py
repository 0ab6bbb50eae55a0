"""The RIOT, a 6532: a timer, the ports of the controllers and of the console's switches. Its RAM is `Console.ram`."""

from fastatari.compiler import inline
from fastatari.console.state import UINT32, Console

# By the two lowest bits of the address that is written to: the logarithm of the timer's interval.
INTERVALS = (0, 3, 6, 10)


@inline
def read(c: Console, address: int, cycle: int) -> int:
    """Return what a register holds; all else of the address is ignored."""
    if address & 4:
        return read_underflow(c, cycle) if address & 1 else read_timer(c, cycle)
    register = address & 3
    if register == 0:
        return c.port_a
    if register == 1:
        return c.ddra
    return c.port_b if register == 2 else 0


@inline
def write(c: Console, address: int, value: int, cycle: int) -> None:
    """Write a register. The ports ignore what is written to them, and port B has no direction register."""
    if address & 0x14 == 0x14:
        c.timer = value
        c.timer_shift = INTERVALS[address & 3]
        c.timer_set_cycle = cycle
        c.timer_read = 0
    elif address & 7 == 1:
        c.ddra = value


@inline
def elapsed(c: Console, cycle: int) -> int:
    """Return the cycles since the timer was set, as 32 bits without a sign."""
    return cycle - 1 - c.timer_set_cycle & UINT32


@inline
def read_timer(c: Console, cycle: int) -> int:
    """Return the timer: it counts intervals, and after its underflow single cycles until it is read."""
    cycles = elapsed(c, cycle)
    left = c.timer - (cycles >> c.timer_shift) - 1
    return left if left >= 0 else read_after_underflow(c, cycles, cycle)


def read_after_underflow(c: Console, cycles: int, cycle: int) -> int:
    """Return the timer after its underflow. From its first read on it goes on at the interval's pace."""
    full = c.timer << c.timer_shift
    if c.timer_read == 0 and cycles - full >= 1:
        c.timer_read = 1
        c.timer_read_cycle = cycle
    if c.timer_read:
        read_at = c.timer_read_cycle - c.timer_set_cycle - full
        return c.timer - (cycles >> c.timer_shift) - read_at & 0xFF
    return 0xFF


def read_underflow(c: Console, cycle: int) -> int:
    """Return bit 7 set from the timer's underflow to its next read or write."""
    left = c.timer - (elapsed(c, cycle) >> c.timer_shift) - 1
    return 0x80 if left < 0 and c.timer_read == 0 else 0
