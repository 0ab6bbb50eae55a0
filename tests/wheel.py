"""Plays ale-py's console and fastatari's with the same actions, and says where they first differ.

    python tests/wheel.py breakout --frames 2000 --seed 3
    python tests/wheel.py some_folder/tetris.bin --ours my_module:MyPlayer

A player has `act(action, strength=1.0)`, `reset()`, `actions()`, `over()`, and `fields(full=False)`: a dict of all that
can be compared, from names to values, which are numbers, lists, bytes and arrays. Nested dicts are flattened with dots.
"""

import argparse
import importlib
import struct
import sys
from dataclasses import dataclass
from pathlib import Path

import ale_py
import ale_py.roms
import numpy as np
from reference import ROMS

TRUE, FALSE = 0xFAB1FAB2, 0xBAD1BAD2

# The fields of ale-py's saved states, in order, each with its kind: i signed, u unsigned, b boolean.
CPU = "a:i x:i y:i sp:i ir:i pc:i n:b v:b b:b d:b i:b not_z:b c:b status:i"
RIOT = "timer:u interval_shift:i cycle_timer_set:i cycle_timer_read:i timer_read_after_underflow:b ddra:i ddrb:i"
TIA = """
clock_frame_start:i clock_display_start:i clock_display_stop:i clock_drawn:i clocks_left_in_line:i
scanlines_last_frame:i scanline:i clock_vsync_end:i enabled:i vsync:i vblank:i nusiz0:i nusiz1:i colup0:u
colup1:u colupf:u colubk:u ctrlpf:i pf_priority_score:i refp0:b refp1:b pf:i grp0:i grp1:i grp0_old:i
grp1_old:i enam0:b enam1:b enabl:b enabl_old:b hmp0:i hmp1:i hmm0:i hmm1:i hmbl:i vdelp0:b vdelp1:b vdelbl:b
resmp0:b resmp1:b collisions:i pos_p0:i pos_p1:i pos_m0:i pos_m1:i pos_bl:i shown_grp0:i shown_grp1:i
clock_hmove:i hmove_blank:b stars:b stars_phase:i dump:b cycle_dump_off:i
"""
# Of each type of cartridge: name:kind or name:kind:count. A count is also in the stream, except where it says x.
CARTRIDGES = {
    "2K": "",
    "4K": "",
    "FE": "",
    "F8": "bank:i",
    "F6": "bank:i",
    "F8SC": "bank:i ram:i:128",
    "F6SC": "bank:i ram:i:128",
    "E0": "slices:i:4",
    "DPC": "bank:i tops:i:8 bottoms:i:8 counters:i:8 flags:i:8 music:b:3 random:i cycle_music:i fraction_e8:i",
}
KINDS = {"i": "i", "u": "I", "b": "I"}


def _table(text):
    return [(name, kind) for name, kind in (item.split(":") for item in text.split())]


class _Reader:
    def __init__(self, data):
        self.data, self.at = data, 0

    def take(self, kind):
        (value,) = struct.unpack_from("<" + KINDS[kind], self.data, self.at)
        self.at += 4
        return value == TRUE if kind == "b" else value

    def text(self):
        size = self.take("u")
        self.at += size
        return self.data[self.at - size : self.at]

    def table(self, text):
        names = _table(text)
        values = struct.unpack_from("<" + "".join(KINDS[kind] for _, kind in names), self.data, self.at)
        self.at += 4 * len(names)
        return {
            name: value == TRUE if kind == "b" else value for (name, kind), value in zip(names, values, strict=True)
        }

    def many(self, kind):
        count = self.take("u")
        values = struct.unpack_from(f"<{count}{KINDS[kind]}", self.data, self.at)
        self.at += 4 * count
        return [value == TRUE for value in values] if kind == "b" else list(values)


def parse(data):
    """The fields of `ale_py.ALEState.__getstate__()`, as a nested dict; generators stay text."""
    outer = _Reader(data)
    names = ("paddle_left", "paddle_right", "frame_number", "episode_frame_number", "mode", "difficulty")
    state = {name: outer.take("i") for name in names}
    inner = _Reader(outer.text())
    state["paddle_min"], state["paddle_max"] = outer.take("i"), outer.take("i")
    state["md5"] = inner.text().decode()
    assert inner.text() == b"System"
    state["cycles"] = inner.take("i")
    state["system_rng"] = inner.text()
    assert inner.text() == b"M6502Low"
    state["cpu"] = inner.table(CPU)
    assert inner.text() == b"M6532"
    ram = inner.many("i")
    state["riot"] = {"ram": ram, **inner.table(RIOT)}
    assert inner.text() == b"TIA"
    state["tia"] = inner.table(TIA)
    assert inner.text() == b"TIASound"
    state["sound"] = [inner.take("i") for _ in range(7)]
    kind = inner.text().decode()
    state["cart"] = {"type": kind}
    for item in CARTRIDGES[kind.removeprefix("Cartridge")].split():
        name, letter, *count = item.split(":")
        state["cart"][name] = inner.many(letter) if count else inner.take(letter)
    state["game"], state["action_rng"] = _read_game(inner.data[inner.at :])
    return state


def _read_game(rest):
    """The words of the game's bookkeeping, and the generator of actions if it is there."""
    words = struct.unpack_from(f"<{len(rest) // 4}I", rest)
    if len(rest) % 4 == 0 and words[-1] == FALSE:
        return list(words[:-1]), None
    for k in range(len(words) - 1):
        if words[k] == TRUE and words[k + 1] == len(rest) - 4 * k - 8:
            return list(words[:k]), rest[4 * k + 8 :]
    raise ValueError("neither a generator of actions nor the mark of its absence")


class Player:
    """What ale-py's class and fastatari's have in common."""

    def __init__(self, make, rom, seed=0, sticky=0.0, mode=None, difficulty=None, **settings):
        self.rom = str(rom)
        self.path = str(rom) if Path(rom).suffix == ".bin" else str(ale_py.roms.get_rom_path(str(rom)))
        self.ale = make()
        self.ale.setInt("random_seed", seed)
        self.ale.setFloat("repeat_action_probability", sticky)
        for name, value in settings.items():
            {bool: self.ale.setBool, int: self.ale.setInt, float: self.ale.setFloat}[type(value)](name, value)
        self.ale.loadROM(self.path)
        self.reward = 0
        if difficulty is not None:
            self.ale.setDifficulty(difficulty)
        if mode is not None:
            self.ale.setMode(mode)
            self.reset()

    def act(self, action, strength=1.0):
        self.reward = self.ale.act(action, strength)
        return self.reward

    def reset(self):
        self.ale.reset_game()
        self.reward = 0

    def actions(self):
        return [int(getattr(action, "value", action)) for action in self.ale.getLegalActionSet()]

    def over(self):
        return self.ale.game_over()

    def registers(self, full):
        raise NotImplementedError

    def fields(self, full=False):
        """All that can be compared; with `full` the whole random generators, else only how far they are."""
        fields = flatten(self.registers(full))
        fields.update(
            reward=self.reward,
            lives=self.ale.lives(),
            over=self.ale.game_over(with_truncation=False),
            truncated=self.ale.game_truncated(),
            shown_frame_number=self.ale.getFrameNumber(),
            shown_episode_frame_number=self.ale.getEpisodeFrameNumber(),
            ram=self.ale.getRAM(),
            screen=self.ale.getScreen(),
        )
        return fields


class Wheel(Player):
    """ale-py's console: `rom` is the name of a game or the path of a file named as one."""

    def __init__(self, rom, seed=0, sticky=0.0, **settings):
        super().__init__(ale_py.ALEInterface, rom, seed, sticky, **settings)

    def registers(self, full):
        state = parse(self.ale.cloneSystemState().__getstate__())
        for name in ("system_rng", "action_rng"):
            words = state.pop(name).split() if full else state.pop(name).rsplit(None, 1)
            state[f"{name}_index"] = int(words[-1])
            if full:
                state[name] = [int(word) for word in words[:-1]]
        return state


def flatten(fields, prefix=""):
    """Nested dicts as one, with dotted names."""
    flat = {}
    for name, value in fields.items():
        if isinstance(value, dict):
            flat.update(flatten(value, f"{prefix}{name}."))
        else:
            flat[prefix + name] = value
    return flat


def first_difference(expected, found, skip=()):
    """The names and both values of what differs, as text; None if nothing does. Registers come before pictures."""
    if all(name in skip or (name in found and _is_equal(value, found[name])) for name, value in expected.items()):
        return None
    differing = []
    for name in sorted(expected, key=lambda name: name == "screen"):
        if name in skip:
            continue
        if name not in found:
            differing.append(f"{name}: {_text(expected[name])}, but ours has no such field")
            continue
        one, other = expected[name], found[name]
        if isinstance(one, np.ndarray | list | tuple | bytes):
            one, other = _as_array(one), _as_array(other)
            if one.shape != other.shape:
                differing.append(f"{name}: the wheel has shape {one.shape}, ours {other.shape}")
            elif not (one == other).all():
                places = np.argwhere(one != other)
                place = tuple(map(int, places[0]))
                at = ", ".join(map(str, place)) if name != "ram" else f"0x{0x80 + place[0]:02X}"
                count = f" ({len(places)} places differ)" if len(places) > 1 else ""
                differing.append(f"{name}[{at}]: the wheel {one[place]}, ours {other[place]}{count}")
        elif one != other:
            differing.append(f"{name}: the wheel {_text(one)}, ours {_text(other)}")
    return "; ".join(differing) or None


def _is_equal(one, other):
    if isinstance(one, np.ndarray) or isinstance(other, np.ndarray):
        return np.array_equal(_as_array(one), _as_array(other))
    return one == other


def _as_array(value):
    return np.frombuffer(value, np.uint8) if isinstance(value, bytes) else np.asarray(value)


def _text(value):
    if isinstance(value, bool | np.bool_) or not isinstance(value, int | np.integer):
        return str(value)
    return f"{int(value)} (0x{int(value) & 0xFFFFFFFF:X})"


@dataclass
class Difference:
    """Where two players first differ."""

    who: str  # ROM or program, with its seed
    frame: int  # how many acts were made
    event: str  # the last action, or "reset"
    text: str

    def __str__(self):
        return f"{self.who}, frame {self.frame}, after {self.event}: {self.text}"


def held_actions(rng, actions, longest=16):
    """Endless pairs of action and strength: random actions, each held for 1 to `longest` frames."""
    while True:
        action = int(rng.choice(actions))
        strength = 1.0 if rng.random() < 0.8 else float(np.float32(rng.uniform(-1, 1)))
        for _ in range(int(rng.integers(1, longest + 1))):
            yield action, strength


def play(wheel, ours, frames, seed=0, who=None, skip=(), stop=None, resets=0.0, after_end=3):
    """Play both for `frames` acts, with a reset some acts after each end; the first `Difference`, or None.

    Args:
        wheel: The player that is right.
        ours: The player that is judged.
        frames: How many acts.
        seed: Of the actions.
        who: The name in the report.
        skip: Names of fields that are not compared.
        stop: Called with the wheel's fields after each act: true ends the game early.
        resets: How probable a reset in the middle of a game is, an act.
        after_end: How many refused acts there are after an end.
    """
    rng = np.random.default_rng(seed)
    who = who or f"{wheel.rom}, seed {seed}"
    event, refused = "loading", 0
    actions = held_actions(rng, wheel.actions())
    for frame in range(frames + 1):
        expected = wheel.fields(full=frame in (0, frames))
        text = first_difference(expected, ours.fields(full=frame in (0, frames)), skip)
        if text:
            return Difference(who, frame, event, text)
        if frame == frames or (stop is not None and stop(expected)):
            return None
        refused = refused + 1 if wheel.over() else 0
        if refused > after_end or rng.random() < resets:
            wheel.reset(), ours.reset()
            event, refused = "reset", 0
            text = first_difference(wheel.fields(), ours.fields(), skip)
            if text:
                return Difference(who, frame, event, text)
        action, strength = next(actions)
        wheel.act(action, strength), ours.act(action, strength)
        event = f"action {action}" + (f" of strength {strength}" if strength != 1 else "")
    return None


def player_from(name):
    """The class `module:Class`."""
    module, _, attribute = name.partition(":")
    return getattr(importlib.import_module(module), attribute)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("roms", nargs="*", help="names of games or files *.bin; all of ale-py's if there are none")
    parser.add_argument("--frames", type=int, default=300)
    parser.add_argument("--seed", type=int, default=0, help="of the actions and of random_seed")
    parser.add_argument("--sticky", type=float, default=0.0)
    parser.add_argument("--resets", type=float, default=0.0, help="how probable a reset is, a frame")
    parser.add_argument("--mode", type=int)
    parser.add_argument("--difficulty", type=int)
    parser.add_argument("--skip", nargs="*", default=[], help="fields that are not compared")
    parser.add_argument("--ours", default="ours:Ours", help="module:Class of the player that is judged")
    arguments = parser.parse_args()
    make = player_from(arguments.ours)
    ale_py.ALEInterface.setLoggerMode(ale_py.LoggerMode.Error)
    arguments.roms = arguments.roms or ROMS
    settings = {"mode": arguments.mode, "difficulty": arguments.difficulty}
    bad = 0
    for rom in arguments.roms:
        players = [kind(rom, arguments.seed, arguments.sticky, **settings) for kind in (Wheel, make)]
        found = play(*players, arguments.frames, arguments.seed, skip=arguments.skip, resets=arguments.resets)
        bad += found is not None
        sys.stdout.write(f"{found or f'{rom}: equal for {arguments.frames} frames'}\n")
        sys.stdout.flush()
    return bad


if __name__ == "__main__":
    raise SystemExit(main())
