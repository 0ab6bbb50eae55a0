"""The controllers and switches: joysticks, paddles, and the console's RESET, SELECT and difficulty switches."""

from fastatari.compiler import inline
from fastatari.console.state import Console
from fastatari.console.tia.reads import NO_POT, OPEN_POT

JOYSTICKS, PADDLES = 0, 1

# The keys of ale-py's eighteen actions: bits of port A, from the left port, that are 0 while pressed; and the button.
RIGHT, LEFT, DOWN, UP = 0x80, 0x40, 0x20, 0x10
_DIRECTIONS = (0, 0, UP, RIGHT, LEFT, DOWN, UP | RIGHT, UP | LEFT, DOWN | RIGHT, DOWN | LEFT)
KEYS = (*_DIRECTIONS, *_DIRECTIONS[2:])
FIRES = (0, 1, *(0,) * 8, *(1,) * 8)
NOOP, FIRE, NUM_ACTIONS = 0, 1, 18

# Port B: bits are 0 while a switch is pressed; the difficulty switches are 1 at A.
RESET_SWITCH, SELECT_SWITCH, RELEASED = 0x01, 0x02, 0x3F

# The paddle's resistance changes by so much a frame, times the strength of the action.
PADDLE_STEP = 23000


@inline
def charge_cycles(resistance: int) -> int:
    """Return how many cycles a paddle's capacitor takes: floor((1.6 * r * 1e-8) * 1.19e6), which is r * 0.01904."""
    return resistance * 1904 // 100000


def set_switches(c: Console, pressed: int, difficulty: int) -> None:
    """Set port B: some switches are pressed, and the difficulty switches stand as a difficulty's number says."""
    c.port_b = RELEASED & ~pressed | (difficulty & 3) << 6


def release_keys(c: Console) -> None:
    """Let go of all keys and buttons."""
    c.port_a = 0xFF
    c.fire[0] = 0x80
    c.fire[1] = 0x80


def press_keys(c: Console, action: int) -> None:
    """Press an action's keys, of the first joystick or the first paddle, and no others."""
    release_keys(c)
    if c.controllers == PADDLES:
        if FIRES[action]:
            c.port_a = 0xFF & ~(0x40 if c.paddles_swapped else 0x80)
    elif c.ports_swapped:
        c.port_a = 0xFF & ~(KEYS[action] >> 4)
        c.fire[1] = 0 if FIRES[action] else 0x80
    else:
        c.port_a = 0xFF & ~KEYS[action]
        c.fire[0] = 0 if FIRES[action] else 0x80


def move_paddle(c: Console, action: int, units: int) -> None:
    """Move the first paddle by an action, by so many units of resistance. The second one never moves."""
    if KEYS[action] & RIGHT:
        c.paddles[0] -= units
    elif KEYS[action] & LEFT:
        c.paddles[0] += units
    for i in range(2):
        c.paddles[i] = min(max(c.paddles[i], c.paddle_minimum), c.paddle_maximum)
    connect_paddles(c)


def center_paddles(c: Console) -> None:
    """Put both paddles into the middle."""
    c.paddles[0] = c.paddles[1] = (c.paddle_minimum + c.paddle_maximum) // 2


@inline
def pot(resistance: int) -> int:
    """Return what `Console.pots` holds of a paddle."""
    return charge_cycles(resistance) if resistance else OPEN_POT


def connect_paddles(c: Console) -> None:
    """Set the cycles of INPT0 to INPT3 from where the paddles are."""
    if c.controllers == PADDLES:
        first = 1 if c.paddles_swapped else 0
        c.pots[first] = pot(c.paddles[0])
        c.pots[1 - first] = pot(c.paddles[1])
        c.pots[2] = c.pots[3] = OPEN_POT if c.right_paddles else NO_POT
    else:
        for i in range(4):
            c.pots[i] = NO_POT
