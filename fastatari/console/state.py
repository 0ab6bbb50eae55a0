"""The state of a console: all of its registers, latches, memories and counters, as one block of plain data.

`Machine` is the hardware: what the next frame depends on, and nothing else. `Episode` adds the bookkeeping and where
pictures that were not drawn begin, `State` the two random generators. That is all that has to be copied, saved and
compared. `Console` adds derived values, settings, and addresses of memory that others own.
"""

import ctypes
from ctypes import c_int32, c_int64, c_uint8, c_uint32
from typing import Annotated

from fastatari.compiler import Array, Ints, i32, i64, structure, u8, u16

# Objects of the TIA, in the order of their positions and motions.
PLAYER_0, PLAYER_1, MISSILE_0, MISSILE_1, BALL, PLAYFIELD = range(6)

# What `Machine.status` says of the processor after a frame.
RUNNING, STOPPED, JAMMED = 0, 1, 2  # reached the cap of instructions; was asked to stop; met a stopping opcode

# A disarmed end of VSYNC.
NEVER = 0x7FFFFFFF

# All bits of an unsigned integer of 32 bits.
UINT32 = 0xFFFFFFFF


@structure
class Machine(ctypes.Structure):
    """An Atari 2600 with its cartridge, joysticks and paddles.

    Cycles count from the beginning of the frame, clocks too, three a cycle; both can be negative, for what was before.
    """

    # Cartridge: DPC's music.
    music_fraction: i64  # a fraction of a clock of the music, the bits of a double

    # Processor.
    cycle: i32
    # RIOT.
    timer_set_cycle: i32  # when the timer was written to
    timer_read_cycle: i32  # when it was first read after its underflow
    # TIA.
    frame_clock: i32  # when line 0 of the frame began: 0, or a few clocks before
    window_start: i32  # the clock of the first pixel of the picture, in its left blank
    window_end: i32  # the clock after the last
    drawn: i32  # all pixels of clocks before this one exist in the picture
    next_clock: i32  # the same, but NEVER once the window is complete
    requested: i32  # up to which clock drawing was asked for
    line_clock: i32  # when the line of `drawn` began
    row: i32  # where that line lies in the screen
    limit_clock: i32  # from which clock on any write ends the frame
    scanlines: i32  # of the last completed frame
    scanline: i32  # on which the last frame ended
    vsync_end: i32  # from which clock on the end of VSYNC ends the frame
    hmove_clock: i32  # of the last HMOVE
    dump_end_cycle: i32  # when the paddles' capacitors were let go
    playfield: i32  # 20 bits: PF0 >> 4, PF1 << 4, PF2 << 12
    # Cartridge.
    music_cycle: i32  # to which DPC's music was played
    # Controllers: a paddle's position is its resistance.
    paddles: Annotated[Ints, c_int32 * 2]
    pots: Annotated[Ints, c_int32 * 4]  # after how many cycles INPT0-3 read 1; NO_POT, OPEN_POT

    # Processor.
    pc: u16
    nz: u16  # N is any of bits 7 and 8, Z that bits 0 to 7 are 0
    # TIA.
    collisions: u16  # 15 latches, in the order of ale-py's states

    # Processor.
    a: u8
    x: u8
    y: u8
    sp: u8
    carry: u8
    overflow: u8
    decimal: u8
    interrupt: u8
    opcode: u8  # the last one
    status: u8
    bus: u8  # the last byte on the bus, where that can matter
    # RIOT.
    timer: u8  # as written
    timer_shift: u8  # 0, 3, 6, 10: the logarithm of the interval
    timer_read: u8  # 1 if it was read after its underflow
    ddra: u8
    port_a: u8
    port_b: u8
    ram: Annotated[Ints, c_uint8 * 128]
    # Cartridge.
    bank: u8
    slices: Annotated[Ints, c_uint8 * 4]  # E0: which slices are where
    cartridge_ram: Annotated[Ints, c_uint8 * 128]  # of Super Chip; registers of DPC
    # TIA: registers as written.
    vsync: u8
    vblank: u8
    nusiz: Annotated[Ints, c_uint8 * 2]
    colup: Annotated[Ints, c_uint8 * 2]  # with the colour loss of PAL in bit 0
    colupf: u8
    colubk: u8
    ctrlpf: u8
    refp: Annotated[Ints, c_uint8 * 2]  # 0 or 1
    grp: Annotated[Ints, c_uint8 * 2]
    old_grp: Annotated[Ints, c_uint8 * 2]
    enam: Annotated[Ints, c_uint8 * 2]  # 0 or 1
    enabl: u8  # 0 or 1
    old_enabl: u8
    motion: Annotated[Ints, c_uint8 * 5]  # HMP0 HMP1 HMM0 HMM1 HMBL, nibbles
    vdelp: Annotated[Ints, c_uint8 * 2]  # 0 or 1
    vdelbl: u8
    resmp: Annotated[Ints, c_uint8 * 2]  # 0 or 1
    position: Annotated[Ints, c_uint8 * 5]  # P0 P1 M0 M1 BL, 0..159
    # TIA: latches.
    reflected: u8  # the right half of the playfield is mirrored
    suppressed: Annotated[Ints, c_uint8 * 2]  # a player's first copy is not shown
    comb: u8  # the next left edge is black
    stars: u8
    stars_phase: u8  # 0..3
    missile_0_shape: u8  # of the stars: 0 normal, 1 wider, 2 not shown
    dump: u8  # paddles are held at ground
    colour_loss: u8  # bit 0 of all colours, on PAL
    # TIA: the joysticks' buttons, 0x80 when released.
    fire: Annotated[Ints, c_uint8 * 2]
    # Frame.
    stop: u8  # the frame is over
    cut: u8  # the frame before was not ended
    greyed: u8
    current: u8  # which of the two screens is drawn to


@structure
class Registers(ctypes.Structure):
    """What an instruction needs at hand. While handlers run, it is in the registers of this computer's processor.

    In a handler `pc` is the address of the decoded word; else it is the 16-bit program counter.
    """

    a: i64
    x: i64
    y: i64
    nz: i64
    carry: i64
    clock: i64  # cycles in the low 32 bits, instructions of the frame in the high ones
    pc: i64
    bus: i64


@structure
class Generator(ctypes.Structure):
    """A Mersenne twister, MT19937: 624 words and the index of the next one, 624 if all are used up."""

    words: Annotated[Ints, c_uint32 * 624]
    index: i32


@structure
class Episode(Machine):
    """A machine, the game that is played on it, and where its pictures come from: all that a reset sets."""

    # The game.
    reward: i32  # of the last frame
    lives: i32  # as shown
    frame_number: i32
    episode_frame_number: i32
    mode: i32
    difficulty: i32
    sticky_strength: i32  # of the action that would be repeated, in units of resistance
    variables: Annotated[Ints, c_int32 * 10]  # of the bookkeeping
    over: u8  # the game is over, by its own rules
    sticky_action: u8  # the action that would be repeated
    # Pictures: where the last frame of each screen began, if the picture can be made again from that.
    has_start: Annotated[Ints, c_uint8 * 2]
    is_drawn: Annotated[Ints, c_uint8 * 2]  # whether the screen's memory holds it
    is_partial: u8  # the last frame did not reach the end of the picture
    frame_starts: Annotated[Array[Machine], Machine * 2]


@structure
class State(Episode):
    """An episode and the random generators: the whole state of a console."""

    # The second one is that of the actions.
    system_generator: Annotated[Generator, Generator]
    action_generator: Annotated[Generator, Generator]


# A block begins at a multiple of it, and so do vectors in it.
ALIGNMENT = 64


@structure
class Console(State):
    """A console's state, and behind it what is not state: values derived from it, settings, and addresses."""

    unused: Annotated[Ints, c_uint8 * (-ctypes.sizeof(State) % ALIGNMENT)]
    # Derived: which pixels of a line each object lights, six masks of 5 words of 32 bits, 8 words apart.
    lit: Annotated[Ints, c_uint32 * 48]
    # Derived: the processor's registers while it runs, wide.
    registers: Annotated[Registers, Registers]
    pc_high: i32  # bits 13 to 15 of the program counter
    after_write: u8  # the last access of the processor was a write
    outdated: i32  # which of these masks are to be made anew, a bit an object
    # Derived: while a frame runs.
    drawing: u8  # how much is drawn: NOTHING, PIXELS, EVERYTHING
    frame_start: Annotated[Machine, Machine]  # the machine before the present frame

    # Where it is noted what is read and written, while a reset is recorded: see `recording`; else 0.
    recording: i64

    # Settings: of the ROM (`properties`).
    y_start: i32  # the line of the picture's first row
    height: i32  # its rows
    line_limit: i32  # a write on a later line ends the frame
    tv_format: u8  # as the ROM's properties say: see `reset`
    is_pal: u8
    has_combs: u8
    cartridge: u8  # its type, an index of `cartridges.TYPES`
    game: u8  # whose bookkeeping: an index of `games.NAMES`
    controllers: u8  # JOYSTICKS or PADDLES
    ports_swapped: u8
    paddles_swapped: u8
    right_paddles: u8  # the right port has paddles, too
    # The difficulty switches of the ROM's properties, bits 6 and 7 of port B; only the detection of the format sees
    # them.
    switches: u8
    paddle_minimum: i32
    paddle_maximum: i32
    # Settings: of the interface.
    max_num_frames_per_episode: i32  # 0 for no limit
    # A drawn word of at least this much takes over an action: the probability of repeating it, times 2**32, rounded up.
    sticky_threshold: i64

    # Addresses of what others own, 0 where there is none.
    screens: Annotated[Ints, c_int64 * 2]  # uint8[height, 160] each; the console's own
    changed: Annotated[Ints, c_int64 * 2]  # uint8[height] each: 1 where a row was drawn differently, see `tia.drawing`
    image: i64  # the ROM's bytes, those of 2K twice; shared by all consoles of a ROM, as all that follows
    rom: i64  # the 4096 bytes that `plain_start`..`plain_end` is read from, by the low 12 bits of the address
    plain_start: i32  # addresses from this one on,
    plain_end: i32  # and below this one, of 13 bits, are read without side effects, from `rom`
    quiet_start: i32  # addresses from this one on,
    quiet_end: i32  # and below this one, of 13 bits, are read without side effects, from whichever bank is there
    program: i64  # the decoded program: see `cpu.decoding`
    # The part of it that is run: the word of address a lies at chunk + 8 * (a & 0x1FFF).
    chunk: i64
    bank_chunk: i64  # the same of the present bank, 0 where several banks are seen at once


# How many bytes of a console are its machine, and how many are state; they come first.
MACHINE_SIZE = ctypes.sizeof(Machine)
STATE_SIZE = ctypes.sizeof(State)
