"""A frame: from one end of VSYNC to the next, or as far as the emulator lets the processor run.

The picture is drawn into two screens by turns, so that what a frame does not reach shows what was there two frames ago.
A frame that nobody looks at is not drawn; should its picture be asked for later, it is run again from where it began.
"""

from fastatari.compiler import Pointer8, address, cold, copy_bytes, inline, pointer
from fastatari.console import cartridges
from fastatari.console.cpu.running import run
from fastatari.console.cpu.stepping import CYCLES, INSTRUCTION, MOST_INSTRUCTIONS, step
from fastatari.console.recording import note_start
from fastatari.console.state import JAMMED, MACHINE_SIZE, RUNNING, STOPPED, Console, Machine, Registers
from fastatari.console.tia.drawing import EVERYTHING, LINE, NOTHING, PIXELS_ONLY, draw_to
from fastatari.console.tia.objects import ALL_OBJECTS
from fastatari.console.tia.pixels import PIXELS, note_all_changed

# Before every clock.
LONG_AGO = -0x7FFFFFFF


def begin_frame(c: Console) -> None:
    """Begin a frame: the other screen is drawn to, and all cycles and clocks are counted from here."""
    c.current = 1 - c.current
    cycles = c.cycle
    clocks = 3 * cycles
    within_line = (clocks - c.frame_clock) % LINE
    c.cycle = 0
    c.timer_set_cycle -= cycles
    c.timer_read_cycle -= cycles
    c.dump_end_cycle -= cycles
    c.music_cycle -= cycles
    c.hmove_clock -= clocks
    c.vsync_end -= clocks
    c.frame_clock = -within_line
    set_window(c)
    c.drawn = c.next_clock = c.line_clock = c.window_start
    c.row = 0
    c.requested = LONG_AGO
    if c.is_pal:
        lose_colour(c, c.scanlines & 1)
    c.greyed = 0


@inline
def set_window(c: Console) -> None:
    """Set between which clocks the picture lies, and from which on the frame is too long."""
    c.window_start = c.frame_clock + LINE * c.y_start
    c.window_end = c.window_start + LINE * c.height
    c.limit_clock = c.frame_clock + LINE * (c.line_limit + 1)


def lose_colour(c: Console, bit: int) -> None:
    """Set bit 0 of all colours: PAL loses its colour after a frame of an odd number of lines."""
    c.colour_loss = bit
    c.colup[0] = c.colup[0] & 0xFE | bit
    c.colup[1] = c.colup[1] & 0xFE | bit
    c.colupf = c.colupf & 0xFE | bit
    c.colubk = c.colubk & 0xFE | bit


@inline
def load_registers(c: Console, r: Registers) -> None:
    """Give the processor its registers; the instructions of the frame count from 0."""
    r.a = c.a
    r.x = c.x
    r.y = c.y
    r.nz = c.nz
    r.carry = c.carry
    r.clock = c.cycle & CYCLES
    r.pc = c.pc
    r.bus = c.bus


@inline
def save_registers(c: Console, r: Registers) -> None:
    """Put the processor's registers into the state."""
    c.a = r.a
    c.x = r.x
    c.y = r.y
    c.nz = r.nz
    c.carry = r.carry
    c.cycle = r.clock
    c.pc = r.pc
    c.bus = r.bus


def run_processor(c: Console) -> None:
    """Run instructions until the frame is over, or cut."""
    r = c.registers
    load_registers(c, r)
    while c.stop == 0 and c.status != JAMMED and r.clock < MOST_INSTRUCTIONS * INSTRUCTION:
        run(c, r)
        if c.stop == 0 and r.clock < MOST_INSTRUCTIONS * INSTRUCTION:
            step(c, r)
    save_registers(c, r)


def run_frame(c: Console, drawing: int) -> None:
    """Run one frame, or go on with one that was cut."""
    c.drawing = drawing
    c.stop = 0
    if c.cut == 0:
        begin_frame(c)
    c.cut = 1
    run_processor(c)
    draw_to(c, c.requested)
    c.scanline = (3 * c.cycle - c.frame_clock) // LINE
    if c.stop:
        c.cut = 0
        c.status = STOPPED
        c.scanlines = c.scanline
    else:
        if c.status != JAMMED:
            c.status = RUNNING
        if c.greyed == 0:
            c.greyed = 1
            # Only once: a frame that is cut is run again with EVERYTHING.
            if c.drawing == EVERYTHING:
                grey(c, max(c.scanline - c.y_start, 0))


@cold
def grey(c: Console, row: int) -> None:
    """Turn the rest of a picture gray, of a frame that was cut."""
    screen = pointer(Pointer8, c.screens[c.current])
    for i in range(PIXELS * row, PIXELS * c.height):
        screen[i] = (screen[i] & 15) >> 1


@inline
def copy_machine(target: Machine, source: Machine) -> None:
    """Copy a machine's state."""
    copy_bytes(address(target), address(source), MACHINE_SIZE)


def restore_machine(c: Console, source: Machine) -> None:
    """Let the console be another machine; what is derived of it is made anew."""
    copy_machine(c, source)
    c.outdated = ALL_OBJECTS
    cartridges.connect(c)


def emulate(c: Console, is_drawn: int) -> None:
    """Run one frame. Its picture is right even if it is not drawn and shows less than a whole one.

    A frame that ends, or is cut, within the picture is run again and all that is stored is stored. So are those that
    follow, at once, until one reaches the end of the picture.
    """
    is_whole = int(c.cut == 0 and c.is_partial == 0)
    screen = 1 - c.current if c.cut == 0 else c.current
    copy_machine(c.frame_start, c)
    if is_whole:
        run_frame(c, PIXELS_ONLY if is_drawn else NOTHING)
        if c.drawn >= c.window_end and c.cut == 0:
            copy_machine(c.frame_starts[screen], c.frame_start)
            if c.recording:
                note_start(c, screen)
            c.has_start[screen] = 1
            c.is_drawn[screen] = is_drawn
            return
        restore_machine(c, c.frame_start)
    run_partial_frame(c, screen)


@cold
def run_partial_frame(c: Console, screen: int) -> None:
    """Run one frame into a screen whose old picture is going to be seen."""
    draw_screen(c, screen, c.frame_start)
    run_frame(c, EVERYTHING)
    note_all_changed(c, screen)
    c.is_partial = int(c.drawn < c.window_end or c.cut != 0)
    c.has_start[screen] = 0
    c.is_drawn[screen] = 1


@cold
def draw_screen(c: Console, screen: int, present: Machine) -> None:
    """Make a screen hold its picture, by running its frame again if need be. `present` is a copy of the machine."""
    if c.is_drawn[screen] == 0:
        restore_machine(c, c.frame_starts[screen])
        run_frame(c, PIXELS_ONLY)
        restore_machine(c, present)
        c.is_drawn[screen] = 1


def draw_picture(c: Console) -> None:
    """Make the present screen hold its picture."""
    copy_machine(c.frame_start, c)
    draw_screen(c, c.current, c.frame_start)


def draw_pictures(c: Console) -> None:
    """Make both screens hold their pictures, those of the last two frames."""
    if c.is_drawn[0] == 0 or c.is_drawn[1] == 0:
        copy_machine(c.frame_start, c)
        draw_screen(c, 0, c.frame_start)
        draw_screen(c, 1, c.frame_start)


def draw_start(c: Console, start: Machine, screen: int, changed: int) -> None:
    """Make the picture of a frame that once began so, in memory that is none of the console's screens.

    Args:
        c: the console; it is as before afterwards.
        start: what `Console.frame_starts` held of the frame.
        screen: the address of uint8[height, 160].
        changed: the address of uint8[height], which is written to.
    """
    own = 1 - start.current
    own_screen, own_changed = c.screens[own], c.changed[own]
    copy_machine(c.frame_start, c)
    c.screens[own] = screen
    c.changed[own] = changed
    restore_machine(c, start)
    run_frame(c, PIXELS_ONLY)
    c.screens[own] = own_screen
    c.changed[own] = own_changed
    restore_machine(c, c.frame_start)
