"""`Resets`: how episodes of a game begin, by a true reset or by a saved state of an earlier one.

A true reset of ale-py 0.12.1 clears all of the console but its RAM (128 bytes) and, where the cartridge has no RAM or
clock of its own, draws one number from a generator with a seed of its own: the start value of the timer. Then it
emulates some 70 frames. What comes out is, for most ROMs, a function of little: of which of a few groups the timer's
value belongs to, and of some bytes of RAM that stay as they were. So the state after one true reset of each group
stands for all others. `start_states` says for which ROMs.

A state does not hold everything. ale-py leaves out the two frame buffers, and whether the console is in the middle of
a frame, which is visible where a ROM does not draw all of its next frame, or where a reset ends within one. What is
left out is brought about by playing a few frames before the state is restored, as a `Start` says.
"""

import re
from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt

UInt8Array = npt.NDArray[np.uint8]

# How many values the timer may have after a reset (emucore/M6532.cxx).
TIMER_VALUES = 75

# The generator as libstdc++ writes a std::mt19937: its 624 words and a position among them. Play does not draw from it.
_GENERATOR = re.compile(rb"(?:\d+ ){624}\d+")


class Start(NamedTuple):
    """What the start of a ROM depends on, and what a state of it leaves out.

    Attributes:
        groups (tuple[tuple[int, ...], ...]): the values of the timer whose start differs from that of all others, in
            groups of the same start.
        carried (tuple[int, ...]): the bytes of RAM, by index, that a reset leaves as they were.
        primer ("none" | "one_frame" | "four_frames" | "half_frame"): what is to be played before a restore. Frames
            from the start on; or, where a reset ends in the middle of a frame, what leaves the console there, the start
            screen in both of its frame buffers.
    """

    groups: tuple[tuple[int, ...], ...] = ()
    carried: tuple[int, ...] = ()
    primer: Literal["none", "one_frame", "four_frames", "half_frame"] = "none"


class _Saved:
    """A saved start: state, screen (uint8[H, W]), and how many frames are played from which states before a restore."""

    def __init__(self, state: Any, screen: UInt8Array) -> None:
        self.state, self.screen = state, screen
        self.primer: list[tuple[Any, int]] | None = None


class Starts:
    """The states that games begin from: found by one emulator, of use to all of the same game in the process.

    Attributes:
        saved (dict[int, _Saved]): the starts, by the number of their group.
        openings (dict): for the use of who plays on from them to where an episode begins.
    """

    def __init__(self) -> None:
        self.saved: dict[int, _Saved] = {}
        self.openings: dict[tuple[int | None, int], Any] = {}


class Resets:
    """The resets of a loaded ROM, all of which have to go through here.

    Args:
        ale (ALEInterface): the emulator, as after ``loadROM``.
        start (Start | None): what the ROM's start depends on. None: all resets are true.
        starts (Starts, optional): where those are kept that this and other emulators of the ROM have found.

    Attributes:
        restores (int): how many resets were restores.
        group (int | None): which start the last reset came to, by the number of its group. None where starts are not
            known, and while the emulator's generator is needed for true resets, for a state brings its own along.
    """

    def __init__(self, ale: Any, start: Start | None, starts: Starts | None = None) -> None:
        self.restores = 0
        self.group: int | None = None
        self._ale = ale
        self._start = start
        self._state_type = type(ale.cloneState())
        self._saved = (starts or Starts()).saved
        self._generator: np.random.RandomState | None = None
        self._ram: UInt8Array | None = None
        if start is not None and start.groups and read_generator(ale.cloneState()) is None:
            self._start = None  # built with another C++ library, which writes its generator in another way
        is_varied = self._start is not None and (self._start.groups or self._start.carried)
        self._loaded = ale.cloneState() if is_varied else None

    @property
    def is_known(self) -> bool:
        """Whether it is known what starts depend on."""
        return self._start is not None

    @property
    def is_plain(self) -> bool:
        """Whether a start depends on its group only, and a state holds all of it."""
        return self._start is not None and not self._start.carried and self._start.primer == "none"

    def rewind(self) -> None:
        """Let the next starts be those after loading the ROM; only where `is_known`."""
        if self._loaded is not None:
            self._generator = self._ram = None
            self._ale.restoreState(self._loaded)

    def clone(self, has_generator: bool) -> bytes:
        """Return the emulator's state, from which the next starts follow, too.

        Args:
            has_generator (bool): whether the state is to hold the generator that decides whether actions stick.
        """
        state = self._ale.cloneState(include_rng=has_generator)
        data: bytes = state.serialize()
        return data if self._generator is None else _write_generator(data, self._generator)

    def restore(self, data: bytes) -> None:
        """Bring the emulator to a state that `clone` returned, of this process or another."""
        self._generator = self._ram = None
        state = self._state_type(data)
        self._ale.restoreState(state)
        # What a state leaves out is as after a reset, or as after a frame.
        if self._ale.getEpisodeFrameNumber() == 0:
            self._ale.reset_game()
        else:
            self._play(1)
        self._ale.restoreState(state)

    def reset(self) -> UInt8Array:
        """Begin an episode.

        Resets are true until each group of starts was seen, and none is after that: a restore does not draw from the
        emulator's generator, so that a later true reset would draw what an earlier one should have drawn.

        Returns:
            uint8[H, W]: its first screen, colour indices; not to be written to. The emulator itself may show another
            until the first action.
        """
        if self._start is None:
            return self._reset_truly()
        self.group = None
        is_complete = len(self._saved) > len(self._start.groups)
        group = self._next_group(self._start.groups, is_complete) if self._start.groups else 0
        if is_complete:
            self._restore(self._saved[group], self._start)
            self.restores += 1
            self.group = group
            return self._saved[group].screen
        screen = self._reset_truly()
        if group not in self._saved:
            self._saved[group] = _Saved(self._ale.cloneState(), screen)
        if not self._start.groups:
            self.group = group
        return screen

    def _next_group(self, groups: tuple[tuple[int, ...], ...], is_complete: bool) -> int:
        """Return to which group the timer's value after this reset belongs."""
        generator = self._generator or read_generator(self._ale.cloneState())
        assert generator is not None
        timer = draw_timer(generator)
        if is_complete:
            self._generator = generator
        return next((number for number, group in enumerate(groups, 1) if timer in group), 0)

    def _reset_truly(self) -> UInt8Array:
        self._ale.reset_game()
        screen: UInt8Array = self._ale.getScreen()
        return screen

    def _restore(self, saved: _Saved, start: Start) -> None:
        ale = self._ale
        # Kept until all is done: an exception of a signal handler can come between any two lines.
        if self._ram is None:
            self._ram = ale.getRAM()
        if saved.primer is None:
            saved.primer = self._make_primer(saved, start.primer)
        for state, frames in saved.primer:
            ale.restoreState(state)
            self._play(frames)
        ale.restoreState(saved.state)
        for index in start.carried:
            ale.setRAM(index, self._ram[index])
        self._ram = None

    def _play(self, frames: int) -> None:
        """Play without an action, which is the first of all legal ones, but not in the minimal set of every game."""
        noop = self._ale.getLegalActionSet()[0]
        for _ in range(frames):
            self._ale.act(noop)

    def _make_primer(self, saved: _Saved, kind: str) -> list[tuple[Any, int]]:
        """Return from which states how many frames are to be played before a start is restored."""
        match kind:
            case "one_frame":
                return [(saved.state, 1)]
            case "four_frames":
                return [(saved.state, 4)]
            case "half_frame":
                redraw = self._find_redraw(saved)
                return [(redraw, 1), (redraw, 1), (_halt(saved.state), 1)]
        return []

    def _find_redraw(self, saved: _Saved) -> Any:
        """Return a later state of which the next frame draws the start screen again."""
        self._ale.restoreState(saved.state)
        self._play(6)  # the very next frames may show what is left of earlier ones
        for _ in range(120):
            state = self._ale.cloneState()
            self._play(1)
            if np.array_equal(self._ale.getScreen(), saved.screen):
                return state
        raise RuntimeError("a start screen was not drawn again within two seconds")


def read_generator(state: Any) -> np.random.RandomState | None:
    """Return a copy of the generator in an emulator's state, from which it draws at its next true reset; or None."""
    written = _GENERATOR.search(state.serialize())
    if written is None:
        return None
    *words, position = written[0].split()
    generator = np.random.RandomState()
    generator.set_state(("MT19937", np.array(words, np.uint32), int(position), 0, 0.0))
    return generator


def _write_generator(data: bytes, generator: np.random.RandomState) -> bytes:
    """Return an emulator's serialised state with another generator in it.

    Strings follow their length, a 32-bit word. The generator is a string in the emulator's, which stands behind six
    words.
    """
    written = _GENERATOR.search(data)
    assert written is not None
    _, words, position, *_ = generator.get_state(legacy=True)
    text = b" ".join(b"%d" % word for word in (*words, position))
    growth = len(text) - len(written[0])
    parts = data[: written.start() - 4], len(text).to_bytes(4, "little"), text, data[written.end() :]
    patched = bytearray(b"".join(parts))
    length = int.from_bytes(patched[24:28], "little") + growth
    patched[24:28] = length.to_bytes(4, "little")
    return bytes(patched)


def draw_timer(generator: np.random.RandomState) -> int:
    """Draw the timer's value after a reset."""
    return int(generator.randint(0, 2**32, dtype=np.uint32)) % TIMER_VALUES


def _halt(state: Any) -> Any:
    """Return a state whose processor stands still because of an error, so that the next frame draws nothing."""
    data = bytearray(state.serialize())
    # After the name of the processor come its registers and counts as 32-bit words, and then its execution status.
    place = data.index(b"M6502Low") + len(b"M6502Low") + 4 * 13
    data[place : place + 4] = (2).to_bytes(4, "little")  # M6502::FatalErrorBit
    return type(state)(bytes(data))
