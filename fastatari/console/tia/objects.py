"""What the TIA's objects light on a line: two players, two missiles, the ball and the playfield, each a mask of 160 bits.

`Console.lit` holds the masks, five words of 32 bits an object, pixel 0 in bit 0. They are made anew when pixels are asked
for after something changed; `Console.outdated` has a bit for each object that did.
"""

from fastatari.compiler import inline
from fastatari.console.state import (
    BALL,
    MISSILE_0,
    MISSILE_1,
    PLAYER_0,
    PLAYER_1,
    PLAYFIELD,
    Console,
)

# Between the masks of two objects in `Console.lit`.
WORDS = 8
LINE_WORDS = 5
ALL_OBJECTS = 0x3F

# By the copies mode, NUSIZ bits 0 to 2: how far a second and a third copy are from the first; 0 where there is none.
SECOND = (0, 16, 32, 16, 64, 0, 32, 0)
THIRD = (0, 0, 0, 32, 0, 0, 64, 0)
DOUBLE, QUADRUPLE = 5, 7

REVERSED = tuple(int(f"{byte:08b}"[::-1], 2) for byte in range(256))
DOUBLED = tuple(sum((byte >> i & 1) * 0b11 << 2 * i for i in range(8)) for byte in range(256))
QUADRUPLED = tuple(sum((byte >> i & 1) * 0b1111 << 4 * i for i in range(8)) for byte in range(256))

# The states of missile 0's shape in the star field.
NORMAL, WIDER, HIDDEN = 0, 1, 2


@inline
def clear(c: Console, item: int) -> None:
    """Let an object light nothing."""
    for word in range(LINE_WORDS):
        c.lit[WORDS * item + word] = 0


@inline
def light(c: Console, item: int, x: int, bits: int) -> None:
    """Light up to 32 pixels from x, of 0 to 319, on; around the right edge."""
    x = x - 160 if x >= 160 else x
    word = x >> 5
    following = word + 1 if word < LINE_WORDS - 1 else 0
    wide = bits << (x & 31)
    c.lit[WORDS * item + word] |= wide
    c.lit[WORDS * item + following] |= wide >> 32


@inline
def light_copies(c: Console, item: int, x: int, bits: int, mode: int, has_first: int) -> None:
    """Light all copies of an object."""
    if has_first:
        light(c, item, x, bits)
    if SECOND[mode]:
        light(c, item, x + SECOND[mode], bits)
        if THIRD[mode]:
            light(c, item, x + THIRD[mode], bits)


@inline
def shown_graphics(c: Console, k: int) -> int:
    """Return the byte that a player shows, before mirroring."""
    return c.old_grp[k] if c.vdelp[k] else c.grp[k]


@inline
def is_missile_enabled(c: Console, k: int) -> int:
    """Return whether a missile is on, by its registers."""
    return int(c.enam[k] != 0 and c.resmp[k] == 0)


@inline
def is_ball_enabled(c: Console) -> int:
    """Return whether the ball is on, by its registers."""
    return c.old_enabl if c.vdelbl else c.enabl


def light_player(c: Console, k: int, graphics: int) -> None:
    """Make the mask of a player that shows a byte. Wide ones are a pixel to the right."""
    clear(c, PLAYER_0 + k)
    if graphics == 0:
        return
    bits = graphics if c.refp[k] else REVERSED[graphics]
    x = c.position[PLAYER_0 + k]
    mode = c.nusiz[k] & 7
    if mode == DOUBLE:
        bits = DOUBLED[bits]
        x += 1
    elif mode == QUADRUPLE:
        bits = QUADRUPLED[bits]
        x += 1
    light_copies(c, PLAYER_0 + k, x, bits, mode, int(c.suppressed[k] == 0))


def light_missile(c: Console, k: int) -> None:
    """Make the mask of a missile."""
    clear(c, MISSILE_0 + k)
    if is_missile_enabled(c, k) == 0:
        return
    width = c.nusiz[k] >> 4 & 3
    if k == 0 and c.missile_0_shape != NORMAL:
        if c.missile_0_shape == HIDDEN:
            return
        width |= 1
    light_copies(c, MISSILE_0 + k, c.position[MISSILE_0 + k], (1 << (1 << width)) - 1, c.nusiz[k] & 7, 1)


def light_ball(c: Console) -> None:
    """Make the mask of the ball."""
    clear(c, BALL)
    if is_ball_enabled(c):
        light(c, BALL, c.position[BALL], (1 << (1 << (c.ctrlpf >> 4 & 3))) - 1)


def light_playfield(c: Console) -> None:
    """Make the mask of the playfield: twenty groups of four pixels, and the same again, mirrored or not."""
    at = WORDS * PLAYFIELD
    groups = c.playfield & 0xFF00F | REVERSED[c.playfield >> 4 & 0xFF] << 4
    c.lit[at] = QUADRUPLED[groups & 0xFF]
    c.lit[at + 1] = QUADRUPLED[groups >> 8 & 0xFF]
    middle = QUADRUPLED[groups >> 16]
    if c.reflected:
        groups = REVERSED[groups & 0xFF] << 12 | REVERSED[groups >> 8 & 0xFF] << 4 | REVERSED[groups >> 16] >> 4
    c.lit[at + 2] = middle | QUADRUPLED[groups & 0xF] << 16
    c.lit[at + 3] = QUADRUPLED[groups >> 4 & 0xFF]
    c.lit[at + 4] = QUADRUPLED[groups >> 12]


def light_outdated(c: Console) -> None:
    """Make the masks anew of all objects of which something changed."""
    outdated = c.outdated
    c.outdated = 0
    if outdated & 1 << PLAYER_0:
        light_player(c, 0, shown_graphics(c, 0))
    if outdated & 1 << PLAYER_1:
        light_player(c, 1, shown_graphics(c, 1))
    if outdated & 1 << MISSILE_0:
        light_missile(c, 0)
    if outdated & 1 << MISSILE_1:
        light_missile(c, 1)
    if outdated & 1 << BALL:
        light_ball(c)
    if outdated & 1 << PLAYFIELD:
        light_playfield(c)


def live_objects(c: Console) -> int:
    """Return which objects take part, by their registers: bits of P0 M0 P1 M1 BL PF, as in ale-py's states."""
    return (
        int(shown_graphics(c, 0) != 0)
        | is_missile_enabled(c, 0) << 1
        | int(shown_graphics(c, 1) != 0) << 2
        | is_missile_enabled(c, 1) << 3
        | is_ball_enabled(c) << 4
        | int(c.playfield != 0) << 5
    )
