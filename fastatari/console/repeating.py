"""Repeating a reset: recording what it depends on, and doing again what it did, without emulating it."""

from typing import Any

from fastatari.compiler import address, copy_bytes
from fastatari.console import cartridges
from fastatari.console.frame import copy_machine
from fastatari.console.games.bookkeeping import SLOTS
from fastatari.console.games.looks import IS_REPEATABLE
from fastatari.console.generators import draw, peek
from fastatari.console.recording import Start
from fastatari.console.reset import reset_game, to_timer
from fastatari.console.state import Console, Machine
from fastatari.console.tia.objects import ALL_OBJECTS
from fastatari.console.tia.pixels import PIXELS

_RAM: Any = Console.cartridge_ram

# Bytes of a cartridge's RAM.
CARTRIDGE_RAM = _RAM.size


def next_timer(c: Console) -> int:
    """Return to what the next reset sets the timer."""
    return to_timer(peek(c.system_generator))


def record_reset(c: Console, notes: int) -> int:
    """Begin an episode as `reset_game` does, and note what that reads before it writes it.

    Args:
        c: the console.
        notes: the address of `recording.PLACES` bytes, all 0.

    Returns:
        int: 1, or 0 if the resets of this game or cartridge cannot be repeated; then nothing is done.
    """
    kind = c.cartridge
    has_memory = kind == cartridges.F8SC or kind == cartridges.F6SC or kind == cartridges.DPC
    if IS_REPEATABLE[c.game] == 0 or has_memory:
        return 0
    c.recording = notes
    reset_game(c)
    c.recording = 0
    return 1


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


def repeat_reset(c: Console, start: Start) -> None:
    """Begin an episode as a reset did that read the same. What that neither read nor wrote stays."""
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
    c.is_partial = start.is_partial
    c.reward = start.reward
    c.lives = start.lives
    c.over = start.over
    c.frame_number += start.frame_number
    c.episode_frame_number = start.episode_frame_number
    c.sticky_action = start.sticky_action
    c.sticky_strength = start.sticky_strength
    for slot in range(SLOTS):
        c.variables[slot] = start.variables[slot]
    c.after_write = 0
    c.outdated = ALL_OBJECTS
    cartridges.connect(c)
