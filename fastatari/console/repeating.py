"""Repeating a reset and the frames after it: finding what was recorded, doing that again, or recording it.

A reset is a function of what it reads before it writes: some bytes of the RAM, and in some games the timer, which is
set to a random value. A reset that finds the same values makes the same, except for the bytes of the RAM that it
neither reads nor writes, which stay. The frames after it, of the same actions, are part of the same record.

What else could matter is compared too, is the same for all who share a `StartTable`, or is why a reset is not repeated:
one of a frame that was cut, of a cartridge with memory of its own, and one that draws actions.
"""

import ctypes
from typing import Any

from fastatari.compiler import Pointer64, address, cold, copy_bytes, pointer
from fastatari.compiler.intrinsics import atomic_add, atomic_load, atomic_store
from fastatari.console import cartridges
from fastatari.console.frame import copy_machine
from fastatari.console.games.bookkeeping import SLOTS
from fastatari.console.games.looks import IS_REPEATABLE
from fastatari.console.generators import draw, peek
from fastatari.console.inputs import FIRE, NOOP, PADDLE_STEP
from fastatari.console.play import act_frame, is_finished
from fastatari.console.recording import (
    LATE_BITS,
    MOST,
    MOST_IN_VAIN,
    MOST_PICTURES,
    PLACES,
    READ,
    TIMER,
    WRITTEN,
    Start,
    StartTable,
)
from fastatari.console.reset import reset_game, to_timer
from fastatari.console.state import UINT32, Console, Episode, Machine
from fastatari.console.tia.objects import ALL_OBJECTS
from fastatari.console.tia.pixels import PIXELS, note_all_changed

_RAM: Any = Console.cartridge_ram

# Bytes of a cartridge's RAM.
CARTRIDGE_RAM = _RAM.size

_TABLE: Any = StartTable
RESERVED, PICTURES_RESERVED, HITS = _TABLE.reserved.offset, _TABLE.pictures_reserved.offset, _TABLE.hits.offset

START_SIZE, EPISODE_SIZE = ctypes.sizeof(Start), ctypes.sizeof(Episode)

# An opening is 3 times the number of its no-ops, and what it has of FIRE.
WITHOUT_FIRE, FIRE_FIRST, FIRE_LAST = range(3)


def play_opening(c: Console, opening: int) -> int:
    """Play the frames after a reset, until the game is over.

    Returns:
        int: how many were played.
    """
    noops, fire = opening // 3, opening % 3
    frames = noops + int(fire != WITHOUT_FIRE)
    for i in range(frames):
        is_fire = (fire == FIRE_FIRST and i == 0) or (fire == FIRE_LAST and i == noops)
        act_frame(c, FIRE if is_fire else NOOP, PADDLE_STEP, 0)
        if c.over:
            return i + 1
    return frames


def begin(c: Console, table: StartTable, opening: int) -> int:
    """Begin an episode, and play the frames after its reset, until the game is over.

    All is repeated where that gives the same, else emulated, and mostly recorded.

    Args:
        c: the console, which was turned on.
        table: the starts of its ROM and television.
        opening: which frames, see `play_opening`.

    Returns:
        int: how many frames were played after the reset; -1 if the game's mode was not reached.
    """
    # Where actions stick, it is drawn whether FIRE is played; then only the reset is repeated.
    if opening % 3 != WITHOUT_FIRE and c.sticky_threshold > 0:
        return -1 if begin_as_recorded(c, table, 0) < 0 else play_opening(c, opening)
    return begin_as_recorded(c, table, opening)


def begin_as_recorded(c: Console, table: StartTable, opening: int) -> int:
    """Do what `begin` does, where it is known which actions are played."""
    if c.cut == 0:
        found = find(c, table, opening)
        if found:
            repeat(c, table, pointer(Start, found))
            return pointer(Start, found).opening_frames
        if can_record(c, table):
            return record(c, table, opening)
        found = find(c, table, 0) if opening else 0
        if found:
            repeat(c, table, pointer(Start, found))
            return play_opening(c, opening)
    return -1 if reset_game(c) else play_opening(c, opening)


def find(c: Console, table: StartTable, opening: int) -> int:
    """Return the address of a start that the console's next reset would make again; 0 if there is none."""
    timer = to_timer(peek(c.system_generator))
    keys = address(table.keys)
    for i in range(min(atomic_load(address(table) + RESERVED), MOST)):
        key = atomic_load(keys + 8 * i)
        if key & UINT32 == opening + 1 and (key >> 32 == 0 or key >> 32 == timer):
            start = pointer(Start, table.starts + START_SIZE * i)
            if matches(c, start):
                return address(start)
    return 0


def matches(c: Console, start: Start) -> int:
    """Return whether a reset would read what was read for a start; but for the timer."""
    if start.mode != c.mode or start.difficulty != c.difficulty:
        return 0
    if start.paddle_minimum != c.paddle_minimum or start.paddle_maximum != c.paddle_maximum:
        return 0
    limit = c.max_num_frames_per_episode
    if limit > 0 and start.episode_frame_number > limit:
        return 0
    for i in range(start.number_read):
        if c.ram[start.read[i]] != start.values[i]:
            return 0
    return 1


def can_record(c: Console, table: StartTable) -> int:
    """Return whether the resets of a console can be repeated, and another start may be recorded."""
    kind = c.cartridge
    if IS_REPEATABLE[c.game] == 0 or kind == cartridges.F8SC or kind == cartridges.F6SC or kind == cartridges.DPC:
        return 0
    return int(table.reserved < min(MOST, MOST_IN_VAIN + table.hits))


@cold
def record(c: Console, table: StartTable, opening: int) -> int:
    """Do what `begin` does, and note what it reads before it writes it.

    Returns:
        int: as `begin`.
    """
    place = atomic_add(address(table) + RESERVED, 1)
    if place >= MOST:
        return -1 if reset_game(c) else play_opening(c, opening)
    start = pointer(Start, table.starts + START_SIZE * place)
    for i in range(PLACES):
        start.notes[i] = 0
    copy_bytes(address(start.before), address(c.ram), 128)
    timer, index, word = to_timer(peek(c.system_generator)), c.action_generator.index, c.action_generator.words[0]
    frame_number, music_cycle, first_screen = c.frame_number, c.music_cycle, c.current
    c.recording = address(start.notes)
    failure = reset_game(c)
    is_drawing = c.action_generator.index != index or c.action_generator.words[0] != word
    frames = 0 if failure else play_opening(c, opening)
    c.recording = 0
    if failure or is_drawing or is_finished(c):
        return -1 if failure else frames
    copy_bytes(address(start), address(c), EPISODE_SIZE)
    start.opening, start.opening_frames = opening, frames
    start.paddle_minimum, start.paddle_maximum = c.paddle_minimum, c.paddle_maximum
    start.frame_number -= frame_number
    start.music_cycle -= music_cycle
    start.first_screen = first_screen
    for k in range(2):
        start.frame_starts[k].music_cycle -= music_cycle
        start.pictures[k] = 0
        if c.has_start[k] == 0:
            start.pictures[k] = keep_picture(table, c.screens[k], PIXELS * c.height)
            if start.pictures[k] == 0:
                return frames
    has_timer = list_places(start)
    atomic_store(address(table.keys) + 8 * place, opening + 1 | (timer if has_timer else 0) << 32)
    return frames


def list_places(start: Start) -> int:
    """List which bytes of the RAM were read first, and which were not touched; return whether the timer was read."""
    start.number_read = start.number_kept = 0
    is_read = 0
    for place in range(PLACES):
        note = start.notes[place]
        is_read = int(note & READ != 0 or (note & WRITTEN != 0 and note & LATE_BITS != 0))
        if place == TIMER:
            break
        if is_read:
            start.read[start.number_read] = place
            start.values[start.number_read] = start.before[place]
            start.number_read += 1
        elif note & WRITTEN == 0:
            start.kept[start.number_kept] = place
            start.number_kept += 1
    start.keeps_timer = int(is_read == 0 and start.notes[TIMER] & WRITTEN == 0)
    return is_read


def keep_picture(table: StartTable, screen: int, size: int) -> int:
    """Return where a copy of a picture is; 0 if there is no more room."""
    new = pointer(Pointer64, screen)
    is_there = address(table.has_picture)
    for i in range(min(table.pictures_reserved, MOST_PICTURES)):
        if atomic_load(is_there + 8 * i):
            known = pointer(Pointer64, table.pictures + table.picture_size * i)
            k = 0
            while k < size >> 3 and known[k] == new[k]:
                k += 1
            if k == size >> 3:
                return address(known)
    place = atomic_add(address(table) + PICTURES_RESERVED, 1)
    if place >= MOST_PICTURES:
        return 0
    copy = table.pictures + table.picture_size * place
    copy_bytes(copy, screen, size)
    atomic_store(is_there + 8 * place, 1)
    return copy


def keep(m: Machine, old: Machine, start: Start, swapped: int, kind: int) -> None:
    """Put into a machine that a reset made what that left as it was before."""
    for i in range(start.number_kept):
        place = start.kept[i]
        m.ram[place] = old.ram[place]
    if start.keeps_timer:
        m.timer = old.timer
    m.current ^= swapped
    # Each frame takes its cycles from this, with any cartridge.
    m.music_cycle += old.music_cycle
    # What the cartridge does not have, or a reset does not set.
    m.music_fraction = old.music_fraction
    copy_bytes(address(m.cartridge_ram), address(old.cartridge_ram), CARTRIDGE_RAM)
    if kind == cartridges.E0 or kind == cartridges.FE:
        m.bank = old.bank
    if kind != cartridges.E0:
        for segment in range(4):
            m.slices[segment] = old.slices[segment]


def repeat(c: Console, table: StartTable, start: Start) -> None:
    """Begin an episode as a reset did that read the same. What that neither read nor wrote stays."""
    atomic_add(address(table) + HITS, 1)
    old = c.frame_start
    copy_machine(old, c)
    swapped = old.current ^ start.first_screen
    old.timer = to_timer(draw(c.system_generator))
    copy_machine(c, start)
    keep(c, old, start, swapped, c.cartridge)
    for k in range(2):
        screen = k ^ swapped
        c.has_start[screen] = start.has_start[k]
        c.is_drawn[screen] = start.is_drawn[k]
        if start.has_start[k]:
            copy_machine(c.frame_starts[screen], start.frame_starts[k])
            keep(c.frame_starts[screen], old, start, swapped, c.cartridge)
        if start.pictures[k]:
            copy_bytes(c.screens[screen], start.pictures[k], PIXELS * c.height)
            note_all_changed(c, screen)
    c.is_partial = start.is_partial
    c.reward = start.reward
    c.lives = start.lives
    c.over = start.over
    c.frame_number += start.frame_number
    c.episode_frame_number = start.episode_frame_number
    c.sticky_action = start.sticky_action
    for slot in range(SLOTS):
        c.variables[slot] = start.variables[slot]
    c.sticky_strength = 0
    for _ in range(start.opening_frames):
        # As `play.act_frame` does.
        if draw(c.action_generator) >= c.sticky_threshold:
            c.sticky_strength = PADDLE_STEP
        draw(c.action_generator)
    c.after_write = 0
    c.outdated = ALL_OBJECTS
    cartridges.connect(c)
