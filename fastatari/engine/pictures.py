"""Planes and stacks: which screens a plane is made of, the ring of planes, and the pair of screens before.

A step that ends early is shown by rules that look back at the two screens of the plane before, the *pair*. The console
draws over its screens, so the pair is kept as the machine before each of the two frames: 500 bytes instead of 33,600.
Its pictures are made when they are needed, which is once an episode at most.
"""

from fastatari.compiler import Pointer8, Pointer64, address, copy_bytes, inline, pointer
from fastatari.compiler.intrinsics import call_1, call_4, call_9
from fastatari.console.state import MACHINE_SIZE, Console
from fastatari.engine.state import DISCARD, ONE_SCREEN, RAM, RAM_SIZE, STALE, TWO_SCREENS, Environment, Setup

SCREEN_WIDTH = 160

# Of `Environment.pair_screens`, the one for the first of two frames that share a screen.
SPLIT = 2
NUM_PAIR_SCREENS = 3


@inline
def plane_at(e: Environment, s: Setup, number: int) -> int:
    """Return the address of a plane of the ring."""
    return e.planes + s.plane_size * number


@inline
def next_plane(e: Environment, s: Setup) -> int:
    """Return the number of the plane that is the oldest, whose place the next one takes."""
    return e.newest + 1 if e.newest + 1 < s.stack_num else 0


def push(e: Environment, s: Setup, scratch: int, first: int, second: int, third: int) -> None:
    """Push the plane of up to three screens; none of its rows is known.

    Args:
        e: the environment.
        s: its setup.
        scratch: memory of the thread, for the kernel.
        first: the address of a screen.
        second: of another, or 0.
        third: of another, or 0.
    """
    number = next_plane(e, s)
    call_9(s.push, s.plan, scratch, first, second, third, 0, 0, 0, plane_at(e, s, number))
    e.newest = number
    e.is_exact = e.is_complete = 0


def push_present(e: Environment, s: Setup, c: Console, scratch: int) -> None:
    """Push the plane of a complete step: of its last frame, or of the last two.

    Of the plane before, which was made of the same screens, only those rows are made anew that changed.
    """
    if s.plane_kind == RAM:
        push_ram(e, s, c)
        return
    if e.is_split:
        copy_bytes(e.pair_screens[0], e.pair_screens[SPLIT], SCREEN_WIDTH * c.height)
        e.pair_has_start[0] = 0
        take_pair(e, c, 1, c.current)
        push_pair(e, s, scratch)
        e.is_complete = 1
        return
    first, second, second_changed = c.current, 0, 0
    if s.plane_kind == TWO_SCREENS:
        if c.is_drawn[0] == 0 or c.is_drawn[1] == 0:
            call_1(s.draw_pictures, address(c))
        # The maximum of two is the same in any order, so it does not matter which of them is the last.
        take_pair(e, c, 0, 1 - first)
        take_pair(e, c, 1, first)
        second, second_changed = c.screens[1 - first], c.changed[1 - first]
    else:
        if c.is_drawn[first] == 0:  # a frame before the last one ended the step
            call_1(s.draw_picture, address(c))
        if e.made_of != first:
            e.is_exact = 0
    old = plane_at(e, s, e.newest) if e.is_exact else 0
    number = next_plane(e, s)
    call_9(
        s.push, s.plan, scratch, c.screens[first], second, 0, c.changed[first], second_changed, old,
        plane_at(e, s, number),
    )  # fmt: skip
    e.newest = number
    e.made_of = first
    e.is_exact = 1
    e.is_complete = int(s.plane_kind == TWO_SCREENS)


def push_cut(e: Environment, s: Setup, c: Console, scratch: int, missing: int) -> None:
    """Push the plane of a step that a frame ended.

    Args:
        e: the environment.
        s: its setup.
        c: its console.
        scratch: memory of the thread.
        missing: how many frames the step would have had after that one.
    """
    if s.plane_kind == RAM:
        push_ram(e, s, c)
    elif s.end_rule == DISCARD:
        if s.plane_kind == TWO_SCREENS and missing == 0:
            call_1(s.draw_pictures, address(c))
            third = e.pair_screens[SPLIT] if e.is_split else c.screens[1 - c.current]
            push(e, s, scratch, draw_pair(e, s, scratch, 0), draw_pair(e, s, scratch, 1), third)
        else:
            repeat(e, s)
    elif s.plane_kind == ONE_SCREEN or missing == 0:
        push_present(e, s, c, scratch)
        e.is_complete = 0
    else:
        if missing == 1:
            take_pair(e, c, 0, c.current)
        if missing == 1 and s.end_rule == STALE:
            push(e, s, scratch, draw_pair(e, s, scratch, 0), 0, 0)
        else:
            push_pair(e, s, scratch)


def push_pair(e: Environment, s: Setup, scratch: int) -> None:
    """Push the plane of the pair."""
    push(e, s, scratch, draw_pair(e, s, scratch, 0), draw_pair(e, s, scratch, 1), 0)


def push_first(e: Environment, s: Setup, c: Console, scratch: int) -> None:
    """Push the plane with which an episode begins: of the present screen, or of the pair that its opening left."""
    if s.plane_kind == RAM:
        push_ram(e, s, c)
    elif s.plane_kind == TWO_SCREENS and e.shows_pair:
        push_pair(e, s, scratch)
    else:
        call_1(s.draw_picture, address(c))
        push(e, s, scratch, c.screens[c.current], 0, 0)


def push_ram(e: Environment, s: Setup, c: Console) -> None:
    """Push the RAM."""
    e.newest = next_plane(e, s)
    copy_bytes(plane_at(e, s, e.newest), address(c.ram), RAM_SIZE)


def repeat(e: Environment, s: Setup) -> None:
    """Push the newest plane once more."""
    e.is_complete = 0
    if s.stack_num > 1:
        newest = plane_at(e, s, e.newest)
        e.newest = next_plane(e, s)
        copy_bytes(plane_at(e, s, e.newest), newest, s.plane_size)


def pad(e: Environment, s: Setup) -> None:
    """Let the newest plane be the first of its stack."""
    newest = plane_at(e, s, e.newest)
    for number in range(s.stack_num):
        if number != e.newest:
            if s.pads_with_zeros:
                clear(plane_at(e, s, number), s.plane_size)
            else:
                copy_bytes(plane_at(e, s, number), newest, s.plane_size)


def clear(place: int, size: int) -> None:
    """Fill memory with zeros."""
    words, last = pointer(Pointer64, place), pointer(Pointer8, place)
    for i in range(size >> 3):
        words[i] = 0
    for i in range(size & ~7, size):
        last[i] = 0


def note_split(e: Environment, s: Setup, c: Console) -> None:
    """Copy the picture of the last frame but one, if the last one goes on drawing to the same screen.

    That is so where a frame is cut, because it takes too long: tic_tac_toe_3d does so while it thinks.
    """
    e.is_split = int(c.cut != 0 and s.plane_kind == TWO_SCREENS)
    if e.is_split:
        copy_bytes(e.pair_screens[SPLIT], c.screens[c.current], SCREEN_WIDTH * c.height)


@inline
def take_pair(e: Environment, c: Console, k: int, screen: int) -> None:
    """Let one of the pair be what a screen of the console shows."""
    e.pair_has_start[k] = c.has_start[screen]
    if c.has_start[screen]:
        copy_bytes(address(e.pair[k]), address(c.frame_starts[screen]), MACHINE_SIZE)
    else:
        copy_bytes(e.pair_screens[k], c.screens[screen], SCREEN_WIDTH * c.height)


def draw_pair(e: Environment, s: Setup, scratch: int, k: int) -> int:
    """Return the address of the picture of one of the pair, which may be made now in the thread's memory."""
    if e.pair_has_start[k] == 0:
        return e.pair_screens[k]
    screen = scratch + s.scratch_pictures + s.screen_size * k
    draw_start(e, s, scratch, k, screen)
    return screen


def show_pair(e: Environment, scratch: int) -> None:
    """Make the pictures of the pair in `pair_screens`."""
    for k in range(2):
        if e.pair_has_start[k]:
            draw_start(e, pointer(Setup, e.setup), scratch, k, e.pair_screens[k])


@inline
def draw_start(e: Environment, s: Setup, scratch: int, k: int, screen: int) -> None:
    """Make the picture of one of the pair from the machine before its frame."""
    call_4(s.draw_start, e.console, address(e.pair[k]), screen, scratch + s.scratch_flags)


def read_stack(e: Environment, s: Setup, out: int) -> None:
    """Write the stack to an address."""
    if s.plane_kind == RAM:
        read_ram_stack(e, s, out)
    else:
        call_4(s.read, s.plan, e.planes, e.newest, out)


def read_ram_stack(e: Environment, s: Setup, out: int) -> None:
    """Write a stack of RAM to an address, the oldest first."""
    target = pointer(Pointer8, out)
    number = e.newest
    for k in range(s.stack_num):
        number = number + 1 if number + 1 < s.stack_num else 0
        plane = pointer(Pointer8, plane_at(e, s, number))
        for i in range(RAM_SIZE):
            target[i * s.stack_num + k if s.is_stacked_last else RAM_SIZE * k + i] = plane[i]
