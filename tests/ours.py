"""fastatari's console for tests that compare: as the class, as its compiled functions, and as these under CPython."""

import ctypes
import functools
import hashlib
import math
import pickle
from pathlib import Path
from types import SimpleNamespace

import ale_py.roms
import numpy as np
from wheel import Player, flatten, held_actions

import fastatari
from fastatari.console import frame, machine_code, memory, play, repeating, reset, states
from fastatari.console.games.facts import LEGAL_ACTIONS

SYSTEM_SEED = 4753849
GUARD = 0xA5  # in memory that nobody may write to


class Ours(Player):
    """fastatari's console, likewise."""

    def __init__(self, rom, seed=0, sticky=0.0, **settings):
        super().__init__(fastatari.ALEInterface, rom, seed, sticky, **settings)

    @property
    def console(self):
        """The ctypes structure."""
        return self.ale._console

    def registers(self, full):
        return our_registers(self.console, self.path, full)


class Direct:
    """fastatari's console by its functions, without a class around it, between two others whose memory is guarded.

    Args:
        rom: As of `Wheel`.
        seed: Of the action generator.
        sticky: The probability of repeating an action.
        mode: To begin with.
        difficulty: To begin with.
        functions: `plain_functions()` or `compiled_functions()`.
    """

    def __init__(self, rom, seed=0, sticky=0.0, mode=None, difficulty=None, functions=None):
        self.rom = str(rom)
        self.path = str(rom) if Path(rom).suffix == ".bin" else str(ale_py.roms.get_rom_path(str(rom)))
        self.functions = functions or compiled_functions()
        self.consoles = memory.Consoles(memory.load_rom(Path(self.path).read_bytes(), Path(self.path).stem), 3)
        self.console = self.consoles[1]
        self.guards = [*self.consoles.blocks[::2], *self.consoles.screens[::2], *self.consoles.changed[::2]]
        self.guards.append(self.consoles.blocks[1, ctypes.sizeof(self.console) :])
        for guard in self.guards:
            guard[...] = GUARD
        self.console.sticky_threshold = math.ceil(sticky * 2**32)
        self.functions.power_on(self.console, SYSTEM_SEED, seed)
        self.reward, self.is_drawn = 0, False
        if difficulty is not None:
            self.console.difficulty = difficulty
        if mode is not None:
            self.console.mode = mode
            self.reset()

    def act(self, action, strength=1.0, frames=1, drawn=-1):
        """Play some frames, of which those are drawn whose bits are set."""
        units = int(abs(float(np.float32(strength))) * 23000)
        self.reward = self.functions.act(self.console, action, units, frames, drawn)
        self.is_drawn = bool(drawn >> (frames - 1) & 1)
        return self.reward

    def reset(self):
        self.functions.reset_game(self.console)
        self.reward, self.is_drawn = 0, False

    def actions(self):
        return list(LEGAL_ACTIONS[self.consoles.rom.game])

    def over(self):
        return bool(self.console.over)

    def screen(self):
        """The picture of the last frame, which is drawn now if it was not."""
        if not self.is_drawn:
            self.functions.draw(self.console)
            self.is_drawn = True
        return self.consoles.screens[1, self.console.current][: self.console.height]

    def fields(self, full=False, with_screen=True):
        assert all((guard == GUARD).all() for guard in self.guards), "memory beside the console was written to"
        c = self.console
        fields = flatten(our_registers(c, self.path, full)) | {
            "reward": self.reward,
            "lives": c.lives,
            "over": bool(c.over),
            "truncated": False,
            "shown_frame_number": c.frame_number,
            "shown_episode_frame_number": c.episode_frame_number,
            "ram": bytes(c.ram),
        }
        return fields | {"screen": self.screen()} if with_screen else fields


class Plain(Direct):
    """fastatari's functions under CPython; 0.1 s a frame."""

    def __init__(self, rom, seed=0, sticky=0.0, **settings):
        super().__init__(rom, seed, sticky, functions=plain_functions(), **settings)


def plain_functions():
    """The functions of a console as they are in the sources."""
    return SimpleNamespace(
        power_on=reset.power_on,
        reset_game=reset.reset_game,
        begin=repeating.begin,
        act=play.act_frames,
        draw=frame.draw_picture,
        draw_both=frame.draw_pictures,
        draw_start=frame.draw_start,
    )


@functools.cache
def compiled_functions():
    """The same ones as machine code."""
    compiled = machine_code.functions()

    def take(name):
        function = getattr(compiled, name)
        return lambda *values: function(*map(to_integer, values))

    return SimpleNamespace(
        power_on=take("power_on"),
        reset_game=take("reset_game"),
        begin=take("begin"),
        act=take("act_frames"),
        draw=take("draw_picture"),
        draw_both=take("draw_pictures"),
        draw_start=take("draw_start"),
    )


def to_integer(value):
    """What a compiled function takes for a structure or an integer."""
    return ctypes.addressof(value) if isinstance(value, ctypes.Structure) else value


class RowFlags:
    """The flags of the rows that were drawn differently, of one of some consoles, and what its screens held before.

    Args:
        consoles: The `Consoles`.
        index: Which of them.
    """

    def __init__(self, consoles, index=0):
        self.screens, self.flags = consoles.screens[index], consoles.changed[index]
        self.clear()

    def clear(self):
        """Begin anew: what the screens hold now is what they held before."""
        self.flags[...] = 0
        self.before = self.screens.copy()

    def find(self):
        """Which rows of both screens differ from before, and which are flagged: bool[2, rows] each."""
        assert self.flags.max() <= 1
        return (self.screens != self.before).any(axis=-1), self.flags.astype(bool)

    def check(self, what):
        """Rows that differ are flagged."""
        differ, flagged = self.find()
        missing = np.argwhere(differ & ~flagged)
        assert not missing.size, f"{what}: rows that changed and are not flagged, by screen: {missing.tolist()}"


@functools.cache
def _md5(path, _time):
    return hashlib.md5(Path(path).read_bytes()).hexdigest()


def our_registers(console, path, full):
    """The fields of a console of fastatari's, with generators as the wheel's."""
    state = dict(states.to_fields(console, _md5(path, Path(path).stat().st_mtime_ns), include_rng=full))
    words = {name: state.pop(name) for name in ("system_rng", "action_rng")}
    state["system_rng_index"] = console.system_generator.index
    state["action_rng_index"] = console.action_generator.index
    return state | {name: list(words[name][:-1]) for name in words} if full else state


def trace(player, steps, seed):
    """All that a player shows while it plays."""
    rng = np.random.default_rng(seed)
    actions = held_actions(rng, player.actions())
    seen = []
    for _ in range(steps):
        if player.over():
            player.reset()
        player.act(*next(actions))
        seen.append(player.fields(full=True))
    return seen


def go_on(rom, state, seed, connection):
    """In a process of its own: what happens after a state."""
    player = Ours(rom, 99, 0.25)
    player.ale.restoreSystemState(pickle.loads(state))
    connection.send(trace(player, 20, seed))
