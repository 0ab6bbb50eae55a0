"""Power-on and resets: what is set anew, and the frames that are played before an episode begins."""

from fastatari.compiler import Pointer8, inline, pointer
from fastatari.console import bus, cartridges, dpc
from fastatari.console.frame import emulate, set_window
from fastatari.console.games import start_books
from fastatari.console.games.modes import play_starting_actions, select_mode
from fastatari.console.generators import draw, seed
from fastatari.console.inputs import NOOP, center_paddles, connect_paddles, release_keys, set_switches
from fastatari.console.play import RESET_FRAMES, play_frames, press_reset
from fastatari.console.properties import NTSC_HEIGHT, PAL_HEIGHT, TV_FORMATS
from fastatari.console.state import NEVER, RUNNING, Console
from fastatari.console.tia.objects import ALL_OBJECTS
from fastatari.console.tia.pixels import PIXELS, note_all_changed

# The timer after a reset: its least value, how many values there are, and its interval.
TIMER_LEAST, TIMER_VALUES, TIMER_SHIFT = 25, 75, 6

# The detection of the television's format: so many frames, and how many of the last ones end below which line on PAL.
DETECTION_FRAMES, LAST_FRAMES, PAL_FRAMES, PAL_LINE = 60, 30, 15, 285
NTSC_LIMIT, PAL_LIMIT = 290, 342

# What `Console.tv_format` is set to.
NTSC, PAL, AUTO = map(TV_FORMATS.index, ("NTSC", "PAL", "AUTO"))

NOOP_FRAMES = 60


def reset_system(c: Console) -> None:
    """Set everything anew but RAM, what the frame before left open, and most of a cartridge."""
    c.cycle = 0
    reset_riot(c)
    reset_tia(c)
    cartridges.reset(c)
    reset_cpu(c)
    c.outdated = ALL_OBJECTS


@inline
def to_timer(word: int) -> int:
    """Return to what a reset sets the timer, by the word that it draws."""
    return TIMER_LEAST + word % TIMER_VALUES


def reset_riot(c: Console) -> None:
    """Set the timer to a random value."""
    c.timer = to_timer(draw(c.system_generator))
    c.timer_shift = TIMER_SHIFT
    c.timer_set_cycle = 0
    c.timer_read_cycle = 0
    c.timer_read = 0
    c.ddra = 0


def reset_tia(c: Console) -> None:
    """Set all registers, latches and counters of the TIA to 0, and both screens to black."""
    c.frame_clock = 0
    set_window(c)
    c.drawn = c.next_clock = c.line_clock = c.requested = c.row = 0
    c.scanlines = c.scanline = 0
    c.vsync_end = NEVER
    c.hmove_clock = 0
    c.dump_end_cycle = 0
    c.playfield = 0
    c.collisions = 0
    c.vsync = c.vblank = c.ctrlpf = 0
    c.colupf = c.colubk = c.colour_loss = 0
    c.enabl = c.old_enabl = c.vdelbl = 0
    c.reflected = c.comb = c.stars = c.stars_phase = c.missile_0_shape = c.dump = 0
    for k in range(2):
        c.nusiz[k] = c.colup[k] = c.refp[k] = c.grp[k] = c.old_grp[k] = 0
        c.enam[k] = c.vdelp[k] = c.resmp[k] = c.suppressed[k] = 0
    for item in range(5):
        c.motion[item] = c.position[item] = 0
    for k in range(2):
        screen = pointer(Pointer8, c.screens[k])
        for i in range(PIXELS * (c.height + c.y_start)):
            screen[i] = 0
        note_all_changed(c, k)
        c.is_drawn[k] = 1
        c.has_start[k] = 0
    c.is_partial = 0


def reset_cpu(c: Console) -> None:
    """Set the processor's registers to 0 and go to the reset vector."""
    c.a = c.x = c.y = c.carry = c.overflow = c.decimal = c.interrupt = c.opcode = 0
    c.nz = 1
    c.sp = 0xFF
    c.status = RUNNING
    c.after_write = 0
    low = bus.read(c, 0xFFFC, c.bus, 0)
    high = bus.read(c, 0xFFFD, low, 0)
    c.pc = low | high << 8
    c.bus = high


def set_format(c: Console, is_pal: int) -> None:
    """Set the television's format, and with it which frames are too long."""
    c.is_pal = is_pal
    c.line_limit = PAL_LIMIT if is_pal else NTSC_LIMIT


def detect_format(c: Console) -> None:
    """Play some frames as on NTSC, and see how long the last ones are."""
    set_format(c, 0)
    reset_system(c)
    for k in range(2):
        c.paddles[k] = 0
    connect_paddles(c)
    release_keys(c)
    set_switches(c, 0, c.switches >> 6)
    long_frames = 0
    for i in range(DETECTION_FRAMES):
        emulate(c, 0)
        if i >= DETECTION_FRAMES - LAST_FRAMES and c.scanline > PAL_LINE:
            long_frames += 1
    set_format(c, int(long_frames >= PAL_FRAMES))


def power_on(c: Console, system_seed: int, action_seed: int) -> int:
    """Put a cartridge into a console and turn it on. The settings of the ROM have to be there.

    Returns:
        int: as `reset_game`.
    """
    seed(c.system_generator, system_seed)
    for i in range(128):
        c.ram[i] = draw(c.system_generator)
    draw(c.system_generator)  # a timer that the first reset sets again
    dpc.start(c)
    if c.tv_format == AUTO:
        detect_format(c)
    else:
        set_format(c, int(c.tv_format == PAL))
    if c.is_pal and c.height == NTSC_HEIGHT:
        c.height = PAL_HEIGHT
    reset_system(c)
    seed(c.action_generator, action_seed)
    return reset_game(c)


def reset_game(c: Console) -> int:
    """Begin an episode: a reset of the console, and what a player would press to begin a game.

    Returns:
        int: 0, or 1 if the game's mode was not reached.
    """
    c.episode_frame_number = 0
    center_paddles(c)
    reset_system(c)
    connect_paddles(c)
    play_frames(c, NOOP, 0, 0, NOOP_FRAMES, 0)
    press_reset(c, RESET_FRAMES)
    start_books(c)
    failure = select_mode(c)
    press_reset(c, RESET_FRAMES)
    play_starting_actions(c)
    return failure
