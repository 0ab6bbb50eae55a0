"""One Atari 2600, the one that ale-py 0.12.1 emulates: its hardware, its inputs, and the bookkeeping of the games.

docs/console.md explains it. The machine is made of plain functions over `state.Console`, which run under CPython and
are compiled.

The hardware:

* `state`: all registers, latches, memories and counters of a console, as one block of plain data.
* `cpu/`: the processor, a 6507.
* `bus`: which device answers at an address.
* `tia/`: the TIA, which makes the picture, notices collisions, and reads buttons and paddles.
* `riot`: the RIOT, which has a timer and the ports of the controllers and switches.
* `cartridges`: the nine types of cartridges, and their switching of banks.
* `dpc`: the coprocessor in the cartridge of Pitfall II.
* `inputs`: joysticks, paddles and the console's switches.
* `properties`: what is known of each ROM before it runs: television, cartridge, controllers, switches.

How it runs:

* `frame`: one frame of the television, and how its picture is made later if nobody looked at it.
* `play`: frames with an action: inputs, frame, bookkeeping, sticky actions, counters.
* `reset`: power-on, the detection of the television's format, and the beginning of an episode.
* `recording`: what a reset reads before it writes it, noted while it runs.
* `repeating`: recording a reset and the frames after it, and making again what these made.
* `games/`: reward, lives, end, actions, modes and difficulties of the 104 games.
* `generators`: the random generators.

From Python:

* `memory`: the arrays in which consoles live, and what consoles of one ROM share.
* `machine_code`: the compiled console, where it is kept, and its functions.
* `starts`: what resets made, kept, and made again where a reset would do the same.
* `saved`: saved states, exact, checked where they come from outside.
* `limits`: what each field of a saved state may hold.
* `states`: conversion from and to ale-py's saved states.
* `ale_stream`: the bytes of ale-py's saved states.
* `ale_interface`: `ALEInterface`, ale-py's class on this console.
* `display`: what an `ALEInterface` shows: its RAM, and its screen as indices, RGB and gray.
* `settings`: the settings of an `ALEInterface`.
* `arguments`: checks of what is given to an `ALEInterface`.
* `png`: screens as PNG files.

How they are connected; an arrow goes from who calls to who is called::

    reset ──► play ──┬─► inputs: keys, paddles and switches, before the frame
      │              ├─► frame ──► cpu ──► bus ──┬─► tia ──► screens
      │              │                           ├─► RAM
      │              │                           ├─► riot
      │              │                           └─► cartridges ──► dpc
      └─► games ◄────┴── reward, lives and end, from the RAM, after the frame

Who owns which memory:

====================  =====================  ==============================================================
memory                owner                  what it is
====================  =====================  ==============================================================
block                 `memory.Consoles`      a `state.Console` each
two screens           `memory.Consoles`      uint8[rows, 160] each, drawn to by turns
flags of rows         `memory.Consoles`      uint8[rows] a screen: which rows were drawn differently
starts                `starts.Starts`        what resets made; all consoles of the ROM write to it
image of the ROM      `memory.Rom`           its bytes; shared by all consoles of the ROM, never written to
decoded program       `memory.Rom`           a word of 64 bits for each byte of the ROM; the same
machine code          `machine_code`         loaded once a process, and never unloaded
====================  =====================  ==============================================================

A block holds the addresses of the others as integers, so their owners must live as long as the console is used.

In a block state comes first: `state.Machine` is the hardware, `state.Episode` adds what else a reset sets, and
`state.State` the random generators. Derived values, settings and addresses follow. When a console was given another
state, `cartridges.connect` makes the derived addresses anew, and ``c.outdated = ALL_OBJECTS`` has the
masks of the TIA's objects made anew. A screen is state only where its frame cannot be run again: see `frame`.
"""
