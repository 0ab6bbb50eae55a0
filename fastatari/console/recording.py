"""Recording a reset: which bytes of RAM, and whether the timer, are read before they are written.

All else that a reset reads it has set itself, or it does not change between resets. So where these have the same values
again, the reset does the same again: see `repeating`. While `Console.recording` is not 0, it is the address of a byte
for each byte of the RAM and one for the timer. The processor then runs by `cpu.stepping` alone, and notes there what it
does; the bookkeeping notes what it may look at.
"""

import ctypes
from ctypes import c_int64, c_uint8
from typing import Annotated

from fastatari.compiler import Ints, Pointer8, cold, i32, i64, pointer, structure, u8
from fastatari.console.state import Console, Episode

# The place of the timer, behind those of the RAM; and how many there are.
TIMER, PLACES = 128, 129

# What is noted of a place, bits: it was read before it was written; it was written; that was not yet so when the last
# kept frame began; and, for each of the two screens, it was not yet written when the frame began that is kept of it.
READ, WRITTEN, FRESH, LATE = 1, 2, 4, 8
LATE_BITS = LATE | LATE << 1


# How many starts are kept of a ROM; how many more than were repeated, because recording takes time; and how many
# pictures, which few ROMs need.
MOST, MOST_IN_VAIN, MOST_PICTURES = 4096, 64, 64


@structure
class Start(Episode):
    """What a reset made, and the frames after it, to be made again; counters hold by how much they grew."""

    opening: i32  # what was played after the reset: see `repeating.play_opening`
    opening_frames: i32  # how many frames these were
    paddle_minimum: i32  # which limits the paddles had
    paddle_maximum: i32
    number_read: i32  # of bytes of the RAM that were read before they were written,
    read: Annotated[Ints, c_uint8 * 128]  # their addresses,
    values: Annotated[Ints, c_uint8 * 128]  # and what was read
    number_kept: i32  # of bytes of the RAM that were neither read nor written,
    kept: Annotated[Ints, c_uint8 * 128]  # and their addresses
    keeps_timer: u8  # whether the timer is neither read nor set, so that its random value stays
    first_screen: u8  # which screen was the present one before
    pictures: Annotated[Ints, c_int64 * 2]  # where that of each screen is, 0 if it can be made from its frame start
    notes: Annotated[Ints, c_uint8 * PLACES]  # what was noted of each place
    before: Annotated[Ints, c_uint8 * 128]  # the RAM before


@structure
class StartTable(ctypes.Structure):
    """The starts of a ROM; many threads may use it at once.

    A start is written by the thread that reserved its place, and read by others once its key is there.
    """

    reserved: i64  # how many places were given out, some in vain
    pictures_reserved: i64
    hits: i64  # how many resets were repeated
    starts: i64  # the address of the starts,
    pictures: i64  # and of the pictures, of picture_size bytes each
    picture_size: i64
    # Of each picture whether it is there yet.
    has_picture: Annotated[Ints, c_int64 * MOST_PICTURES]
    # Of each start its opening and 1, and, above 32 bits, the value of the timer, if that was read; 0: not there yet.
    keys: Annotated[Ints, c_int64 * MOST]


@cold
def note_read(c: Console, address: int) -> None:
    """Note that the processor reads at an address."""
    device = address & 0x1280
    if device == 0x0080:
        note_look(c, address & 0x7F)
    elif device == 0x0280 and address & 4:
        note_look(c, TIMER)


@cold
def note_look(c: Console, place: int) -> None:
    """Note that a byte of the RAM is read, or the timer."""
    notes = pointer(Pointer8, c.recording)
    if notes[place] & WRITTEN == 0:
        notes[place] |= READ


@cold
def note_write(c: Console, address: int) -> None:
    """Note that the processor writes to an address."""
    device = address & 0x1280
    notes = pointer(Pointer8, c.recording)
    place = -1
    if device == 0x0080:
        place = address & 0x7F
    elif device == 0x0280 and address & 0x14 == 0x14:
        place = TIMER
    if place >= 0 and notes[place] & WRITTEN == 0:
        notes[place] |= WRITTEN | FRESH


@cold
def note_start(c: Console, screen: int) -> None:
    """Note that the beginning of the last frame is kept as the frame start of a screen.

    The recording ends when no note can change any more. So it mostly lasts a few frames, and the rest is as fast as
    always.
    """
    notes = pointer(Pointer8, c.recording)
    late = LATE << screen
    is_open = 0
    for place in range(PLACES):
        note = notes[place]
        note = note & ~late if note & (WRITTEN | FRESH) == WRITTEN else note | late
        note &= ~FRESH
        notes[place] = note
        if note & READ == 0 and note & (WRITTEN | LATE_BITS) != WRITTEN:
            is_open = 1
    if is_open == 0:
        c.recording = 0
