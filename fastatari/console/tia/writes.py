"""The TIA's registers that are written to: one function each, in the order of their addresses.

Each takes the console, the value and the clock of the write, and returns how many cycles the processor waits, with STOP
if the frame is over. What a write does begins some clocks later: it first draws, with the old values, up to there.
"""

from collections.abc import Callable

from fastatari.compiler import inline
from fastatari.console.state import BALL, MISSILE_0, NEVER, PLAYER_0, PLAYFIELD, Console
from fastatari.console.tia.drawing import LINE, draw, request
from fastatari.console.tia.objects import NORMAL
from fastatari.console.tia.positions import hmove, hpos, lock_missile, reset_ball, reset_missile, reset_player

Writer = Callable[[Console, int, int], int]

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
    """VSYNC: its end, at least a line after its beginning, ends the frame."""
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
    """VBLANK: black, and paddles to ground."""
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
    """WSYNC: wait for the next line, unless the last access was a write too."""
    request(c, clock)
    return 0 if c.after_write else (LINE - hpos(c, clock)) % LINE // 3


@inline
def write_nothing(c: Console, value: int, clock: int) -> int:
    """Registers without an effect that is seen."""
    request(c, clock)
    return 0


def write_nusiz(k: int) -> Writer:
    """NUSIZx: copies and widths."""

    @inline
    def write(c: Console, value: int, clock: int) -> int:
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

    return write


def write_colup(k: int) -> Writer:
    """COLUPx."""

    @inline
    def write(c: Console, value: int, clock: int) -> int:
        colour = value & 0xFE | c.colour_loss
        if c.colup[k] != colour:
            draw(c, clock)
            c.colup[k] = colour
        else:
            request(c, clock)
        return 0

    return write


@inline
def write_colupf(c: Console, value: int, clock: int) -> int:
    """COLUPF."""
    colour = value & 0xFE | c.colour_loss
    if c.colupf != colour:
        draw(c, clock)
        c.colupf = colour
    else:
        request(c, clock)
    return 0


@inline
def write_colubk(c: Console, value: int, clock: int) -> int:
    """COLUBK."""
    colour = value & 0xFE | c.colour_loss
    if c.colubk != colour:
        draw(c, clock)
        c.colubk = colour
    else:
        request(c, clock)
    return 0


@inline
def write_ctrlpf(c: Console, value: int, clock: int) -> int:
    """CTRLPF: reflection, score, priority, and the ball's width."""
    if c.ctrlpf != value or c.reflected != value & 1:
        draw(c, clock)
        c.ctrlpf = value
        if hpos(c, clock) < LATE:
            c.reflected = value & 1
        c.outdated |= 1 << PLAYFIELD | 1 << BALL
    else:
        request(c, clock)
    return 0


def write_refp(k: int) -> Writer:
    """REFPx: mirroring."""

    @inline
    def write(c: Console, value: int, clock: int) -> int:
        mirrored = value >> 3 & 1
        if c.refp[k] != mirrored:
            draw(c, clock + 1)
            c.refp[k] = mirrored
            c.outdated |= 1 << PLAYER_0 + k
        else:
            request(c, clock + 1)
        return 0

    return write


@inline
def set_playfield(c: Console, playfield: int, clock: int) -> int:
    """Let the playfield be another; how late that is seen depends on the clock."""
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
    """PF0."""
    return set_playfield(c, c.playfield & 0xFFFF0 | value >> 4, clock)


@inline
def write_pf1(c: Console, value: int, clock: int) -> int:
    """PF1."""
    return set_playfield(c, c.playfield & 0xFF00F | value << 4, clock)


@inline
def write_pf2(c: Console, value: int, clock: int) -> int:
    """PF2."""
    return set_playfield(c, c.playfield & 0x00FFF | value << 12, clock)


def write_resp(k: int) -> Writer:
    """RESPx: the player is where the beam is."""

    @inline
    def write(c: Console, value: int, clock: int) -> int:
        reset_player(c, k, clock)
        return 0

    return write


def write_resm(k: int) -> Writer:
    """RESMx: the missile is where the beam is."""

    @inline
    def write(c: Console, value: int, clock: int) -> int:
        reset_missile(c, k, clock)
        return 0

    return write


@inline
def write_resbl(c: Console, value: int, clock: int) -> int:
    """RESBL: the ball is where the beam is."""
    reset_ball(c, clock)
    return 0


def write_grp(k: int) -> Writer:
    """GRPx. The other player's byte becomes its old one; with GRP1 the ball's enabling, too."""

    @inline
    def write(c: Console, value: int, clock: int) -> int:
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

    return write


def write_enam(k: int) -> Writer:
    """ENAMx."""

    @inline
    def write(c: Console, value: int, clock: int) -> int:
        enabled = value >> 1 & 1
        if c.enam[k] != enabled:
            draw(c, clock)
            c.enam[k] = enabled
            c.outdated |= 1 << MISSILE_0 + k
        else:
            request(c, clock)
        return 0

    return write


@inline
def write_enabl(c: Console, value: int, clock: int) -> int:
    """ENABL."""
    enabled = value >> 1 & 1
    if c.enabl != enabled:
        draw(c, clock)
        c.enabl = enabled
        c.outdated |= 1 << BALL
    else:
        request(c, clock)
    return 0


def write_motion(item: int) -> Writer:
    """HMxx: how far HMOVE moves an object."""

    @inline
    def write(c: Console, value: int, clock: int) -> int:
        request(c, clock)
        c.motion[item] = value >> 4
        return 0

    return write


@inline
def write_hmm0(c: Console, value: int, clock: int) -> int:
    """HMM0. In the middle of a motion it can begin the star field."""
    if clock == c.hmove_clock + STARS_CLOCKS and c.motion[MISSILE_0] == STARS_OLD and value >> 4 == STARS_NEW:
        draw(c, clock)
        c.stars = 1
        c.stars_phase = 0
    request(c, clock)
    c.motion[MISSILE_0] = value >> 4
    return 0


def write_vdelp(k: int) -> Writer:
    """VDELPx."""

    @inline
    def write(c: Console, value: int, clock: int) -> int:
        delayed = value & 1
        if c.vdelp[k] != delayed:
            draw(c, clock)
            c.vdelp[k] = delayed
            c.outdated |= 1 << PLAYER_0 + k
        else:
            request(c, clock)
        return 0

    return write


@inline
def write_vdelbl(c: Console, value: int, clock: int) -> int:
    """VDELBL."""
    delayed = value & 1
    if c.vdelbl != delayed:
        draw(c, clock)
        c.vdelbl = delayed
        c.outdated |= 1 << BALL
    else:
        request(c, clock)
    return 0


def write_resmp(k: int) -> Writer:
    """RESMPx."""

    @inline
    def write(c: Console, value: int, clock: int) -> int:
        locked = value >> 1 & 1
        if c.resmp[k] != locked:
            lock_missile(c, k, locked, clock)
        else:
            request(c, clock)
        return 0

    return write


@inline
def write_hmove(c: Console, value: int, clock: int) -> int:
    """HMOVE: move all objects."""
    hmove(c, clock)
    return 0


@inline
def write_hmclr(c: Console, value: int, clock: int) -> int:
    """HMCLR: no motion."""
    request(c, clock)
    for item in range(5):
        c.motion[item] = 0
    return 0


@inline
def write_cxclr(c: Console, value: int, clock: int) -> int:
    """CXCLR: no collisions."""
    draw(c, clock)
    c.collisions = 0
    return 0


# By address. What is missing from the hardware does nothing: RSYNC, sound, and addresses that are not used.
WRITERS: tuple[Writer, ...] = (
    write_vsync, write_vblank, write_wsync, write_nothing, write_nusiz(0), write_nusiz(1), write_colup(0),
    write_colup(1), write_colupf, write_colubk, write_ctrlpf, write_refp(0), write_refp(1), write_pf0, write_pf1,
    write_pf2, write_resp(0), write_resp(1), write_resm(0), write_resm(1), write_resbl, *(write_nothing,) * 6,
    write_grp(0), write_grp(1), write_enam(0), write_enam(1), write_enabl, write_motion(0), write_motion(1), write_hmm0,
    write_motion(3), write_motion(4), write_vdelp(0), write_vdelp(1), write_vdelbl, write_resmp(0), write_resmp(1),
    write_hmove, write_hmclr, write_cxclr, *(write_nothing,) * 19,
)  # fmt: skip
assert len(WRITERS) == 64
NUM_REGISTERS = 0x2D
