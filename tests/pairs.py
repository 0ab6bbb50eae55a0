"""Two consoles that are treated alike, of which one repeats resets and the other emulates each."""

import ctypes
from pathlib import Path

import ale_py.roms
import numpy as np
import ours

from fastatari import ALEInterface
from fastatari.console import machine_code, memory, starts
from fastatari.console.inputs import FIRE, NOOP, PADDLE_STEP
from fastatari.console.recording import MOST, Start
from fastatari.console.repeating import FIRE_FIRST, FIRE_LAST
from fastatari.console.settings import to_threshold
from fastatari.console.state import Console


class Pair:
    """Two consoles that are treated alike: the first repeats resets where it can, the second emulates each.

    Args:
        rom: The name of a game, or the path of a file named as one.
        seed: Of the action generator.
        sticky: The probability of repeating an action.
        settings: Fields of both consoles that are set before these are turned on.
    """

    def __init__(self, rom, seed=0, sticky=0.25, **settings):
        self.rom = str(rom)
        path = Path(rom if Path(rom).suffix == ".bin" else ale_py.roms.get_rom_path(str(rom)))
        consoles = memory.Consoles(memory.load_rom(path.read_bytes(), path.stem), 2)
        self.functions = machine_code.functions()
        self.addresses = [int(address) for address in consoles.addresses]
        self.consoles = [consoles[k] for k in range(2)]
        for c, address in zip(self.consoles, self.addresses, strict=True):
            c.sticky_threshold = to_threshold(sticky)
            for name, value in settings.items():
                setattr(c, name, value)
            assert self.functions.power_on(address, ours.SYSTEM_SEED, seed) == 0
        self.both = [ALEInterface.show(consoles, k) for k in range(2)]
        self.flags = [ours.RowFlags(consoles, k) for k in range(2)]
        self.screens = consoles.screens
        self.starts = starts.find_starts(consoles.rom, self.consoles[0])

    @property
    def number(self):
        """How many starts there are."""
        return sum(map(bool, self.starts.table.keys))

    def set(self, **fields):
        for c in self.consoles:
            for name, value in fields.items():
                setattr(c, name, value)

    def reset(self, opening=0, draws=None):
        """Reset both and play an opening; whether that was a repetition.

        Args:
            opening: 3 times the no-ops, and where FIRE is.
            draws: How much the generator of the console has drawn before.
        """
        if draws is not None:
            for c in self.consoles:
                c.system_generator.index = draws
        hits = self.starts.table.hits
        if opening:
            frames = self.functions.begin(self.addresses[0], self.starts.address, opening)
        else:
            self.both[0].reset_game()
            frames = 0
        assert frames == self.emulate(opening)
        return self.starts.table.hits > hits

    def emulate(self, opening):
        """Reset the second console and play an opening, frame after frame; how many were played."""
        noops, fire = divmod(opening, 3)
        actions = [FIRE] * (fire == FIRE_FIRST) + [NOOP] * noops + [FIRE] * (fire == FIRE_LAST)
        c, address = self.consoles[1], self.addresses[1]
        if self.functions.reset_game(address):
            return -1
        for count, action in enumerate(actions, 1):
            self.functions.act_frames(address, action, PADDLE_STEP, 1, 0)
            if c.over:
                return count
        return len(actions)

    def act(self, action, drawn=0):
        rewards = [self.functions.act_frames(address, action, PADDLE_STEP, 1, drawn) for address in self.addresses]
        assert rewards[0] == rewards[1]

    def play(self, rng, frames):
        for _ in range(frames):
            self.act(int(rng.integers(18)), int(rng.integers(2)))

    def check(self, what):
        """Compare all that is state."""
        first, second = (ale.cloneSystemState() for ale in self.both)
        one, other = first._canonical(), second._canonical()
        assert one[2] == other[2], f"{self.rom}, {what}: pictures of frames that cannot be run again"
        assert one == other, f"{self.rom}, {what}: {name_differences(one[1], other[1])}"

    def check_screens(self, what, both=True):
        """Compare what is shown, and the screen of the frame before, too; changed rows are flagged."""
        if both:
            for address in self.addresses:
                self.functions.draw_pictures(address)
            one, other = self.screens[:, :, : self.consoles[0].height]
        else:
            one, other = (ale.getScreen() for ale in self.both)
        assert np.array_equal(one, other), f"{self.rom}, {what}: {(one != other).sum()} pixels"
        for flags in self.flags:
            flags.check(f"{self.rom}, {what}")
            flags.clear()


def list_places():
    return [
        (name, getattr(Console, name).offset, ctypes.sizeof(kind)) for base in Console.__mro__[::-1]
        for name, kind in base.__dict__.get("_fields_", ())
    ]  # fmt: skip


def name_differences(one, other):
    """The names of fields whose bytes differ, with the first place."""
    found = []
    for name, at, size in list_places():
        places = [i for i in range(size) if one[at + i : at + i + 1] != other[at + i : at + i + 1]]
        found += [f"{name}[{places[0]}] ({len(places)} bytes)"] if places else []
    return ", ".join(found)


def check_resets(pair, rng, number, openings=(0,)):
    """Play, poke, clone and restore, reset again and again; how many resets were repeated."""
    hits = 0
    states = []
    for count in range(number):
        pair.play(rng, int(rng.integers(0, 30)))
        if rng.random() < 0.3:
            for _ in range(int(rng.integers(1, 6))):
                place, value = int(rng.integers(128)), int(rng.integers(256))
                for ale in pair.both:
                    ale.setRAM(place, value)
        if rng.random() < 0.2:
            has_generator = bool(rng.integers(2))
            states.append([ale.cloneState(include_rng=has_generator) for ale in pair.both])
        if states and rng.random() < 0.2:
            chosen = states[int(rng.integers(len(states)))]
            for ale, state in zip(pair.both, chosen, strict=True):
                ale.restoreState(state)
        # Few different values of the timer, and the draw for which the generator makes its words anew.
        opening = int(rng.choice(openings))
        hits += pair.reset(opening, 624 if rng.random() < 0.03 else int(rng.integers(4)))
        what = f"reset {count} with opening {opening}"
        pair.check(what)
        if rng.random() < 0.5:
            pair.check_screens(what, bool(rng.integers(2)))
        for frame in range(int(rng.integers(0, 4))):
            pair.play(rng, 1)
            pair.check(f"frame {frame} after {what}")
            if rng.random() < 0.5:
                pair.check_screens(f"frame {frame} after {what}", bool(rng.integers(2)))
    return hits


def any_opening(rng, most=30):
    return 3 * int(rng.integers(most + 1)) + int(rng.integers(3))


def read_starts(pair):
    table = pair.starts.table
    size = ctypes.sizeof(Start)
    return [Start.from_address(table.starts + size * i) for i in range(MOST) if table.keys[i]]
