"""Drawing to a clock: the picture is made up to where the beam is when something is about to change.

What is drawn is compared with what the screen showed before, two frames ago: `Console.changed` has a flag for each row,
set where a pixel changed, and cleared by who makes something of the screens.

A write to a register draws up to its clock, and then takes effect for all later pixels; drawing never goes back. A
write that changes nothing only notes its request, and whatever draws next draws up to there first.
"""

from fastatari.compiler import Pointer8, cold, inline, outlined, pointer
from fastatari.console.state import BALL, MISSILE_0, NEVER, PLAYER_0, PLAYER_1, PLAYFIELD, Console
from fastatari.console.tia import objects
from fastatari.console.tia.objects import HIDDEN, NORMAL, WIDER
from fastatari.console.tia.pixels import PIXELS, blacken, collide, paint

LINE, BLANK = 228, 68  # clocks of a line, and of its horizontal blank
COMB_END = 76  # the comb covers eight pixels
COMB_PIXELS = COMB_END - BLANK

# How much is drawn of a frame. With EVERYTHING, what the emulator stores beyond the clock, too: that is only seen of a
# frame that ends, or is cut, within the picture.
NOTHING, PIXELS_ONLY, EVERYTHING = range(3)

# How far missile 0 moves left at the end of a line with stars, by the new phase.
STAR_MOVES = (18, 33, 0, 17)

# Sets of live objects (see `objects.live_objects`) that are stored beyond the clock; the last three without the score
# bit.
OVERSHOOTING = (0x20, 0x01, 0x04, 0x02, 0x08, 0x10, 0x05, 0x0A, 0x12, 0x18, 0x14, 0x21, 0x24, 0x30)
WITH_SCORE = 11  # the index of these three
NUM_OVERSHOOTING = len(OVERSHOOTING)


@inline
def request(c: Console, clock: int) -> None:
    """Ask for all pixels before a clock, at the latest when something changes.

    With EVERYTHING at once: what a request stores beyond its clock depends on where the last one ended.
    """
    if clock > c.requested:
        c.requested = clock
        if c.drawing == EVERYTHING:
            draw_to(c, clock)


@inline
def draw(c: Console, clock: int) -> None:
    """Make all pixels before a clock, because something is about to change."""
    request(c, clock)
    if c.requested > c.next_clock:
        draw_to(c, c.requested)


@outlined
def draw_to(c: Console, clock: int) -> None:
    """Make all pixels of the window before a clock. A line's end comes with the first pixel after it."""
    drawn, line = c.drawn, c.line_clock
    end = min(clock, c.window_end)
    if end < c.window_start or drawn >= end:
        return
    while True:
        if drawn - line == LINE:
            line += LINE
            c.row += PIXELS
            end_line(c)
        begin = drawn - line
        stop = min(end - line, LINE)
        if stop > BLANK:
            draw_stretch(c, max(begin, BLANK) - BLANK, stop - BLANK)
        if c.comb:
            draw_comb(c, begin, stop)
        drawn = line + stop
        if drawn >= end:
            break
    c.drawn = drawn
    c.next_clock = drawn if drawn < c.window_end else NEVER
    c.line_clock = line


@inline
def draw_stretch(c: Console, first: int, last: int) -> None:
    """Make the pixels from `first` on and before `last` of the present line."""
    if c.vblank & 2 == 0:
        if c.outdated:
            objects.light_outdated(c)
        collide(c, first, last)
        if c.drawing == PIXELS_ONLY and c.comb:
            # The comb is drawn at once, not over pixels: these would differ from those before again and again.
            first = max(first, COMB_PIXELS)
            if first < last:
                paint(c, first, last)
        elif c.drawing:
            paint(c, first, last)
            if c.drawing == EVERYTHING and last & 3:
                overshoot(c, first, last)
    elif c.drawing:
        blacken(c, first, last)


@cold
def draw_comb(c: Console, begin: int, stop: int) -> None:
    """Blacken the left edge, as far as it was drawn from `begin` to `stop`, clocks of the present line."""
    if begin >= COMB_END:
        return
    if c.drawing:
        first = max(begin - BLANK, 0)
        if c.drawing == EVERYTHING:
            # Ahead of the beam, and even more of it while that is in the blank.
            blacken(c, first, COMB_PIXELS if stop > BLANK else COMB_END - stop)
        elif stop > BLANK:
            blacken(c, first, min(stop, COMB_END) - BLANK)
    if stop >= COMB_END:
        c.comb = 0


@cold
def overshoot(c: Console, first: int, last: int) -> None:
    """Store the rest of a group of four pixels: background or playfield, where nothing else could be lit."""
    group = last & ~3
    live = objects.live_objects(c)
    score = c.ctrlpf & 2
    is_among = 0
    for i in range(WITH_SCORE if score else NUM_OVERSHOOTING):
        if live == OVERSHOOTING[i]:
            is_among = 1
    if group < first or is_among == 0:
        return
    word, bits = group >> 5, 0xF << (group & 31)
    if could_light(c, live, word, bits):
        return
    colour = c.colubk
    if c.lit[objects.WORDS * PLAYFIELD + word] & bits:
        colour = c.colupf
        if score and live == 1 << PLAYFIELD:
            colour = c.colup[0] if last < PIXELS // 2 else c.colup[1]
    screen = pointer(Pointer8, c.screens[c.current] + c.row)
    for x in range(last, group + 4):
        screen[x] = colour


def could_light(c: Console, live: int, word: int, bits: int) -> int:
    """Return whether one of the live movable objects has a copy in some pixels, whatever its graphics."""
    found = 0
    for k in (0, 1):
        if live & 1 << 2 * k:
            objects.light_player(c, k, 0xFF)
            found |= c.lit[objects.WORDS * (PLAYER_0 + k) + word] & bits
            objects.light_player(c, k, objects.shown_graphics(c, k))
        if live & 2 << 2 * k:
            found |= c.lit[objects.WORDS * (MISSILE_0 + k) + word] & bits
    if live & 0x10:
        found |= c.lit[objects.WORDS * BALL + word] & bits
    return found


@inline
def end_line(c: Console) -> None:
    """Do what happens between two lines of the window."""
    if c.reflected != c.ctrlpf & 1:
        c.reflected = c.ctrlpf & 1
        c.outdated |= 1 << PLAYFIELD
    if c.suppressed[0] | c.suppressed[1] | c.stars:
        end_suppression(c)
        if c.stars:
            move_star(c)


@cold
def end_suppression(c: Console) -> None:
    """Let both players show their first copy again."""
    if c.suppressed[0] | c.suppressed[1]:
        c.suppressed[0] = 0
        c.suppressed[1] = 0
        c.outdated |= 1 << PLAYER_0 | 1 << PLAYER_1


@cold
def move_star(c: Console) -> None:
    """Move missile 0 from line to line: the star field of Cosmic Ark."""
    phase = c.stars_phase + 1 & 3
    c.stars_phase = phase
    c.position[MISSILE_0] = (c.position[MISSILE_0] - STAR_MOVES[phase]) % PIXELS
    c.missile_0_shape = WIDER if phase == 1 else HIDDEN if phase == 2 else NORMAL
    c.outdated |= 1 << MISSILE_0
