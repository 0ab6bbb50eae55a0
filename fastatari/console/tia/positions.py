"""Where objects are: RESxx puts them where the beam is, HMOVE moves all five, and RESMPx locks missiles to players."""

from fastatari.compiler import inline, outlined
from fastatari.console.state import BALL, MISSILE_0, MISSILE_1, PLAYER_0, PLAYER_1, Console
from fastatari.console.tia.drawing import BLANK, LINE, draw
from fastatari.console.tia.objects import DOUBLE, NORMAL, QUADRUPLE, SECOND, THIRD
from fastatari.console.tia.pixels import PIXELS

COPY_WIDTH = tuple(16 if mode == DOUBLE else 32 if mode == QUADRUPLE else 8 for mode in range(8))
# Where a missile is let go from its player, by the copies mode.
MISSILE_OFFSET = tuple(width // 2 if width > 8 else 4 for width in COPY_WIDTH)

# At which cycles of a line an HMOVE sets the comb.
COMB_CYCLES = tuple(int(cycle <= 20 or cycle == 75) for cycle in range(76))


def _motions() -> tuple[tuple[int, ...], ...]:
    """Return how far HMOVE moves to the right, by the cycle of its line and the nibble of HMxx."""
    least = (-7,) * 4 + (-6, -5, -5, -4, -3, -2, -2, -1, 0, 1, 1, 2, 3, 4, 4, 5, 6)
    late = (6, 5, 4, 4, 3, 2, 1, 1, 0, -1, -2, -2, -3, -4, -5, -5, -6, -7, -8, -8)
    rows = []
    for cycle in range(76):
        wanted = [-nibble if nibble < 8 else 16 - nibble for nibble in range(16)]
        if cycle <= 20:
            wanted = [max(motion, least[cycle]) for motion in wanted]
        elif cycle < 55:
            wanted = [0] * 16
        elif cycle < 75:
            wanted = [min(0, motion + late[cycle - 55]) for motion in wanted]
        rows.append(tuple(wanted))
    return tuple(rows)


MOTIONS = tuple(motion for row in _motions() for motion in row)


@inline
def hpos(c: Console, clock: int) -> int:
    """Return how far a clock is in its line. The mask says that it is not before the frame, which divides faster."""
    return (clock - c.frame_clock & 0x7FFFFFFF) % LINE


@outlined
def hmove(c: Console, clock: int) -> None:
    """Move all five objects at once, by what HMxx says and when in its line that is."""
    draw(c, clock)
    cycle = hpos(c, clock) // 3
    if c.has_combs and COMB_CYCLES[cycle]:
        c.comb = 1
    outdated = 0
    for item in (PLAYER_0, PLAYER_1, MISSILE_0, MISSILE_1, BALL):
        # Without branches: which objects move changes from line to line.
        motion = MOTIONS[16 * cycle + c.motion[item]]
        x = c.position[item] + motion
        x += PIXELS if x < 0 else 0
        c.position[item] = x - (PIXELS if x >= PIXELS else 0)
        outdated |= int(motion != 0) << item
    if c.suppressed[0] | c.suppressed[1]:
        c.suppressed[0] = 0
        c.suppressed[1] = 0
        outdated |= 1 << PLAYER_0 | 1 << PLAYER_1
    if c.stars | c.missile_0_shape:
        c.stars = 0
        c.missile_0_shape = NORMAL
        outdated |= 1 << MISSILE_0
    c.outdated |= outdated
    c.hmove_clock = clock


@outlined
def reset_player(c: Console, k: int, clock: int) -> None:
    """RESPx. The first copy is not shown for the rest of the line, unless the beam is within a shown one."""
    draw(c, clock)
    h = hpos(c, clock)
    x = 3 if h < BLANK else (h - BLANK + 5) % PIXELS
    distance = (x - c.position[PLAYER_0 + k]) % PIXELS
    mode = c.nusiz[k] & 7
    suppressed = 1
    if is_within(mode, distance, 0, 4):
        suppressed = 0
    elif is_within(mode, distance, 4, 4 + COPY_WIDTH[mode]):
        draw(c, clock + 11)
    c.suppressed[k] = suppressed
    c.position[PLAYER_0 + k] = x
    c.outdated |= 1 << PLAYER_0 + k


@inline
def is_within(mode: int, distance: int, begin: int, end: int) -> int:
    """Return whether a distance from the first copy is within some pixels of any copy."""
    found = int(begin <= distance < end)
    if SECOND[mode]:
        found |= int(begin <= distance - SECOND[mode] < end)
        if THIRD[mode]:
            found |= int(begin <= distance - THIRD[mode] < end)
    return found


@outlined
def reset_missile(c: Console, k: int, clock: int) -> None:
    """RESMx."""
    draw(c, clock + 8)
    h = hpos(c, clock)
    since_hmove = clock - c.hmove_clock
    x = 2 if h < BLANK else (h - BLANK + 4) % PIXELS
    if k == 0 and since_hmove == 60 and h == 69:
        x = 8
    elif k == 1 and since_hmove == 9 and h == 18:
        x = 3
    c.position[MISSILE_0 + k] = x
    if k == 0:
        c.missile_0_shape = NORMAL
    c.outdated |= 1 << MISSILE_0 + k


@outlined
def reset_ball(c: Console, clock: int) -> None:
    """RESBL."""
    draw(c, clock)
    h = hpos(c, clock)
    since_hmove = clock - c.hmove_clock
    x = 2 if h < BLANK else (h - BLANK + 4) % PIXELS
    if since_hmove == 54 and (h == 60 or h == 69):
        x = 10
    elif since_hmove == 9 and h == 18:
        x = 3
    elif since_hmove == 21 and h == 30:
        x = 6
    elif since_hmove == 18 and h == 27:
        x = 5
    c.position[BALL] = x
    c.outdated |= 1 << BALL


@outlined
def lock_missile(c: Console, k: int, is_locked: int, clock: int) -> None:
    """RESMPx: a locked missile is not shown; when it is let go, it is in the middle of its player."""
    draw(c, clock)
    if is_locked == 0:
        c.position[MISSILE_0 + k] = (c.position[PLAYER_0 + k] + MISSILE_OFFSET[c.nusiz[k] & 7]) % PIXELS
        if k == 0:
            c.missile_0_shape = NORMAL
    c.resmp[k] = is_locked
    c.outdated |= 1 << MISSILE_0 + k
