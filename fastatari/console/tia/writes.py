"""The TIA's registers that are written to: one function each, in the order of their addresses.

Each takes the console, the value and the clock of the write, and returns how many cycles the processor waits, with STOP if
the frame is over. What a write does begins some clocks later: it first draws, with the old values, up to there.
"""

from collections.abc import Callable

from fastatari.compiler import inline
from fastatari.console.state import BALL, MISSILE_0, NEVER, PLAYER_0, PLAYFIELD, Console
from fastatari.console.tia.drawing import LINE, draw, request
from fastatari.console.tia.objects import NORMAL
from fastatari.console.tia.positions import hmove, hpos, lock_missile, reset_ball, reset_missile, reset_player

STOP = 0x100

# From which hpos on a CTRLPF write does not mirror the playfield before the next line.
LATE = 147
PLAYFIELD_DELAYS = (4, 5, 2, 3)

# The star field begins with a certain change of HMM0 a certain time after an HMOVE.
STARS_CLOCKS, STARS_OLD, STARS_NEW = 63, 7, 6


@inline
def end_long_frame(c: Console, result: int, clock: int) -> int:
    """Let any write that is too far down end the frame."""
    return result | STOP if clock >= c.limit_clock else result


def write(c: Console, register: int, value: int, cycle: int) -> int:
    """Write a register, at the cycle at which the store ends."""
    clock = 3 * cycle
    return end_long_frame(c, WRITERS[register & 0x3F](c, value, clock), clock)


@inline
def write_vsync(c: Console, value: int, clock: int) -> int:
    request(c, clock)
    c.vsync = value
    if value & 2:
        c.vsync_end = clock + LINE
    elif clock >= c.vsync_end:
        c.vsync_end = NEVER
        return STOP
    return 0


@inline
def write_vblank(c: Console, value: int, clock: int) -> int:
    if (c.vblank ^ value) & 2:
        draw(c, clock + 1)
    else:
        request(c, clock + 1)
    if value & 0x80:
        c.dump = 1
    elif c.dump:
        c.dump = 0
        c.dump_end_cycle = clock // 3
    c.vblank = value
    return 0


@inline
def write_wsync(c: Console, value: int, clock: int) -> int:
    request(c, clock)
    return 0 if c.after_write else (LINE - hpos(c, clock)) % LINE // 3


@inline
def write_nothing(c: Console, value: int, clock: int) -> int:
    request(c, clock)
    return 0


@inline
def write_nusiz(c: Console, k: int, value: int, clock: int) -> int:
    if c.nusiz[k] != value or c.suppressed[k] or (k == 0 and c.missile_0_shape != NORMAL):
        draw(c, clock + 8)
        c.nusiz[k] = value
        c.suppressed[k] = 0
        if k == 0:
            c.missile_0_shape = NORMAL
        c.outdated |= (1 << PLAYER_0 | 1 << MISSILE_0) << k
    else:
        request(c, clock + 8)
    return 0


@inline
def write_nusiz0(c: Console, value: int, clock: int) -> int:
    return write_nusiz(c, 0, value, clock)


@inline
def write_nusiz1(c: Console, value: int, clock: int) -> int:
    return write_nusiz(c, 1, value, clock)


@inline
def write_colup(c: Console, k: int, value: int, clock: int) -> int:
    colour = value & 0xFE | c.colour_loss
    if c.colup[k] != colour:
        draw(c, clock)
        c.colup[k] = colour
    else:
        request(c, clock)
    return 0


@inline
def write_colup0(c: Console, value: int, clock: int) -> int:
    return write_colup(c, 0, value, clock)


@inline
def write_colup1(c: Console, value: int, clock: int) -> int:
    return write_colup(c, 1, value, clock)


@inline
def write_colupf(c: Console, value: int, clock: int) -> int:
    colour = value & 0xFE | c.colour_loss
    if c.colupf != colour:
        draw(c, clock)
        c.colupf = colour
    else:
        request(c, clock)
    return 0


@inline
def write_colubk(c: Console, value: int, clock: int) -> int:
    colour = value & 0xFE | c.colour_loss
    if c.colubk != colour:
        draw(c, clock)
        c.colubk = colour
    else:
        request(c, clock)
    return 0


@inline
def write_ctrlpf(c: Console, value: int, clock: int) -> int:
    if c.ctrlpf != value or c.reflected != value & 1:
        draw(c, clock)
        c.ctrlpf = value
        if hpos(c, clock) < LATE:
            c.reflected = value & 1
        c.outdated |= 1 << PLAYFIELD | 1 << BALL
    else:
        request(c, clock)
    return 0


@inline
def write_refp(c: Console, k: int, value: int, clock: int) -> int:
    mirrored = value >> 3 & 1
    if c.refp[k] != mirrored:
        draw(c, clock + 1)
        c.refp[k] = mirrored
        c.outdated |= 1 << PLAYER_0 + k
    else:
        request(c, clock + 1)
    return 0


@inline
def write_refp0(c: Console, value: int, clock: int) -> int:
    return write_refp(c, 0, value, clock)


@inline
def write_refp1(c: Console, value: int, clock: int) -> int:
    return write_refp(c, 1, value, clock)


@inline
def write_playfield(c: Console, playfield: int, clock: int) -> int:
    until = clock + PLAYFIELD_DELAYS[hpos(c, clock) // 3 & 3]
    if c.playfield != playfield:
        draw(c, until)
        c.playfield = playfield
        c.outdated |= 1 << PLAYFIELD
    else:
        request(c, until)
    return 0


@inline
def write_pf0(c: Console, value: int, clock: int) -> int:
    return write_playfield(c, c.playfield & 0xFFFF0 | value >> 4, clock)


@inline
def write_pf1(c: Console, value: int, clock: int) -> int:
    return write_playfield(c, c.playfield & 0xFF00F | value << 4, clock)


@inline
def write_pf2(c: Console, value: int, clock: int) -> int:
    return write_playfield(c, c.playfield & 0x00FFF | value << 12, clock)


@inline
def write_resp0(c: Console, value: int, clock: int) -> int:
    reset_player(c, 0, clock)
    return 0


@inline
def write_resp1(c: Console, value: int, clock: int) -> int:
    reset_player(c, 1, clock)
    return 0


@inline
def write_resm0(c: Console, value: int, clock: int) -> int:
    reset_missile(c, 0, clock)
    return 0


@inline
def write_resm1(c: Console, value: int, clock: int) -> int:
    reset_missile(c, 1, clock)
    return 0


@inline
def write_resbl(c: Console, value: int, clock: int) -> int:
    reset_ball(c, clock)
    return 0


@inline
def write_grp(c: Console, k: int, value: int, clock: int) -> int:
    """GRPx. The other player's byte becomes its old one."""
    j = 1 - k
    changes_ball = int(k == 1 and c.old_enabl != c.enabl)
    if c.grp[k] != value or c.old_grp[j] != c.grp[j] or changes_ball:
        draw(c, clock + 1)
        if c.vdelp[k] == 0:
            c.outdated |= 1 << PLAYER_0 + k
        if c.vdelp[j]:
            c.outdated |= 1 << PLAYER_0 + j
        c.grp[k] = value
        c.old_grp[j] = c.grp[j]
        if changes_ball:
            c.old_enabl = c.enabl
            c.outdated |= 1 << BALL
    else:
        request(c, clock + 1)
    return 0


@inline
def write_grp0(c: Console, value: int, clock: int) -> int:
    return write_grp(c, 0, value, clock)


@inline
def write_grp1(c: Console, value: int, clock: int) -> int:
    """GRP1. The ball's enabling becomes its old one, too."""
    return write_grp(c, 1, value, clock)


@inline
def write_enam(c: Console, k: int, value: int, clock: int) -> int:
    enabled = value >> 1 & 1
    if c.enam[k] != enabled:
        draw(c, clock)
        c.enam[k] = enabled
        c.outdated |= 1 << MISSILE_0 + k
    else:
        request(c, clock)
    return 0


@inline
def write_enam0(c: Console, value: int, clock: int) -> int:
    return write_enam(c, 0, value, clock)


@inline
def write_enam1(c: Console, value: int, clock: int) -> int:
    return write_enam(c, 1, value, clock)


@inline
def write_enabl(c: Console, value: int, clock: int) -> int:
    enabled = value >> 1 & 1
    if c.enabl != enabled:
        draw(c, clock)
        c.enabl = enabled
        c.outdated |= 1 << BALL
    else:
        request(c, clock)
    return 0


@inline
def write_motion(c: Console, item: int, value: int, clock: int) -> int:
    request(c, clock)
    c.motion[item] = value >> 4
    return 0


@inline
def write_hmp0(c: Console, value: int, clock: int) -> int:
    return write_motion(c, 0, value, clock)


@inline
def write_hmp1(c: Console, value: int, clock: int) -> int:
    return write_motion(c, 1, value, clock)


@inline
def write_hmm0(c: Console, value: int, clock: int) -> int:
    """HMM0. In the middle of a motion it can begin the star field."""
    if clock == c.hmove_clock + STARS_CLOCKS and c.motion[MISSILE_0] == STARS_OLD and value >> 4 == STARS_NEW:
        draw(c, clock)
        c.stars = 1
        c.stars_phase = 0
    return write_motion(c, MISSILE_0, value, clock)


@inline
def write_hmm1(c: Console, value: int, clock: int) -> int:
    return write_motion(c, 3, value, clock)


@inline
def write_hmbl(c: Console, value: int, clock: int) -> int:
    return write_motion(c, 4, value, clock)


@inline
def write_vdelp(c: Console, k: int, value: int, clock: int) -> int:
    delayed = value & 1
    if c.vdelp[k] != delayed:
        draw(c, clock)
        c.vdelp[k] = delayed
        c.outdated |= 1 << PLAYER_0 + k
    else:
        request(c, clock)
    return 0


@inline
def write_vdelp0(c: Console, value: int, clock: int) -> int:
    return write_vdelp(c, 0, value, clock)


@inline
def write_vdelp1(c: Console, value: int, clock: int) -> int:
    return write_vdelp(c, 1, value, clock)


@inline
def write_vdelbl(c: Console, value: int, clock: int) -> int:
    delayed = value & 1
    if c.vdelbl != delayed:
        draw(c, clock)
        c.vdelbl = delayed
        c.outdated |= 1 << BALL
    else:
        request(c, clock)
    return 0


@inline
def write_resmp(c: Console, k: int, value: int, clock: int) -> int:
    locked = value >> 1 & 1
    if c.resmp[k] != locked:
        lock_missile(c, k, locked, clock)
    else:
        request(c, clock)
    return 0


@inline
def write_resmp0(c: Console, value: int, clock: int) -> int:
    return write_resmp(c, 0, value, clock)


@inline
def write_resmp1(c: Console, value: int, clock: int) -> int:
    return write_resmp(c, 1, value, clock)


@inline
def write_hmove(c: Console, value: int, clock: int) -> int:
    hmove(c, clock)
    return 0


@inline
def write_hmclr(c: Console, value: int, clock: int) -> int:
    request(c, clock)
    for item in range(5):
        c.motion[item] = 0
    return 0


@inline
def write_cxclr(c: Console, value: int, clock: int) -> int:
    draw(c, clock)
    c.collisions = 0
    return 0


Writer = Callable[[Console, int, int], int]

# By address. What is missing from the hardware does nothing: RSYNC, sound, and addresses that are not used.
WRITERS: tuple[Writer, ...] = (
    write_vsync, write_vblank, write_wsync, write_nothing,
    write_nusiz0, write_nusiz1, write_colup0, write_colup1, write_colupf, write_colubk, write_ctrlpf,
    write_refp0, write_refp1, write_pf0, write_pf1, write_pf2,
    write_resp0, write_resp1, write_resm0, write_resm1, write_resbl,
    *(write_nothing,) * 6,
    write_grp0, write_grp1, write_enam0, write_enam1, write_enabl,
    write_hmp0, write_hmp1, write_hmm0, write_hmm1, write_hmbl, write_vdelp0, write_vdelp1, write_vdelbl,
    write_resmp0, write_resmp1, write_hmove, write_hmclr, write_cxclr,
    *(write_nothing,) * 19,
)  # fmt: skip
assert len(WRITERS) == 64
NUM_REGISTERS = 0x2D
