"""The TIA's registers that are read: collisions, paddles and buttons."""

from fastatari.compiler import inline
from fastatari.console.state import UINT32, Console
from fastatari.console.tia.drawing import draw, request

# By address: which latches of `Console.collisions` are bits 7 and 6; 15 for none.
BIT_7 = (0, 2, 4, 6, 8, 10, 12, 13)
BIT_6 = (1, 3, 5, 7, 9, 11, 15, 14)

# What `Console.pots` holds where there is no paddle, and where one has no resistance.
NO_POT, OPEN_POT = -2, -1


def read(c: Console, address: int, bus: int, cycle: int) -> int:
    """Return a register; bits 0 to 5 are those that the last access left on the bus."""
    register = address & 15
    low = bus & 0x3F
    if register < 8:
        draw(c, 3 * cycle)
        return low | (c.collisions >> BIT_7[register] & 1) << 7 | (c.collisions >> BIT_6[register] & 1) << 6
    request(c, 3 * cycle)
    if register < 12:
        return low | read_pot(c, c.pots[register - 8], cycle)
    if register < 14:
        return low | c.fire[register - 12]
    return low


@inline
def read_pot(c: Console, charge_cycles: int, cycle: int) -> int:
    """Return 0x80 if a paddle's capacitor is charged. The cycles are compared without a sign."""
    if charge_cycles == NO_POT:
        return 0
    if charge_cycles == OPEN_POT:
        return 0x80
    if c.dump:
        return 0
    return 0x80 if cycle & UINT32 > c.dump_end_cycle + charge_cycles & UINT32 else 0
