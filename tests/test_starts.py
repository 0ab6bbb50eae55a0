"""Resets that are repeated: equal to emulated ones in every byte of the state and every pixel, also in what follows."""

import ast
import ctypes
import dataclasses
import functools
import re
import threading
import timeit

import ale_py.roms
import numpy as np
import ours
import pytest
import wheel
from reference import ROMS

import fastatari
from fastatari.console import generators, machine_code, starts
from fastatari.console.cartridges import TYPES
from fastatari.console.games import FRAME_RULES, NAMES, looks
from fastatari.console.games.description import DESCRIPTIONS
from fastatari.console.games.facts import DIFFICULTIES, MODES
from fastatari.console.games.modes import is_in_mode
from fastatari.console.recording import LATE_BITS, PLACES, READ, TIMER, WRITTEN
from fastatari.console.state import Console, Episode

# Their resets draw actions, look at a cartridge's RAM, or have a cartridge with memory.
NEVER_REPEATED = {
    "berzerk", "darkchambers", "double_dunk", "elevator_action", "klax", "pitfall2", "video_cube",
}  # fmt: skip
# Theirs read bytes that a game leaves with ever new values.
SELDOM_REPEATED = {"hangman", "haunted_house", "sir_lancelot", "space_war", "surround"}
SAMPLE = ["adventure", "breakout", "freeway", "kaboom", "montezuma_revenge", "pong", "qbert", "robotank", "tetris"]


class Pair:
    """Two interfaces that are treated alike: the first repeats resets, the second emulates each."""

    def __init__(self, rom, seed=0, **settings):
        self.rom = rom
        self.both = [make(rom, seed, **settings) for _ in range(2)]
        self.starts = self.both[0]._reset_game.__self__.starts
        emulate = machine_code.functions().reset_game
        self.both[1]._reset_game = functools.partial(emulate, self.both[1]._address)
        self.consoles = [ale._console for ale in self.both]

    def __getattr__(self, name):
        def call(*arguments):
            results = [getattr(ale, name)(*arguments) for ale in self.both]
            assert results[0] == results[1]
            return results[0]

        return call

    def reset(self, draws=None):
        """Reset both, and return whether that was a repetition. `draws` is how much the generator has drawn before."""
        hits = self.starts.hits
        for c in self.consoles:
            if draws is not None:
                c.system_generator.index = draws
        self.reset_game()
        return self.starts.hits > hits

    def check(self, what):
        """Compare all that is state, and the other screen, too."""
        first, second = (ale.cloneSystemState() for ale in self.both)
        one, other = first._canonical(), second._canonical()
        assert one[2] == other[2], f"{self.rom}, {what}: pictures of frames that cannot be run again"
        assert one == other, f"{self.rom}, {what}: {name_differences(one[1], other[1])}"

    def check_screens(self, what):
        one, other = (ale.getScreen() for ale in self.both)
        assert np.array_equal(one, other), f"{self.rom}, {what}: {(one != other).sum()} pixels"

    def play(self, rng, frames):
        for _ in range(frames):
            self.act(int(rng.integers(18)))


def make(rom, seed=0, **settings):
    ale = fastatari.ALEInterface()
    ale.setInt("random_seed", seed)
    ale.setFloat("repeat_action_probability", 0.25)
    for name, value in settings.items():
        ale.setInt(name, value)
    ale.loadROM(ale_py.roms.get_rom_path(rom))
    return ale


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


def check_resets(pair, rng, number):
    """Play, poke, clone and restore, reset again and again; how many resets were repeated."""
    hits = 0
    states = []
    for count in range(number):
        pair.play(rng, int(rng.integers(0, 30)))
        if rng.random() < 0.3:
            for _ in range(int(rng.integers(1, 6))):
                pair.setRAM(int(rng.integers(128)), int(rng.integers(256)))
        if rng.random() < 0.2:
            has_generator = bool(rng.integers(2))
            states.append([ale.cloneState(has_generator) for ale in pair.both])
        if states and rng.random() < 0.2:
            chosen = states[int(rng.integers(len(states)))]
            for ale, state in zip(pair.both, chosen, strict=True):
                ale.restoreState(state)
        # Few different values of the timer, and the draw for which the generator makes its words anew.
        hits += pair.reset(624 if rng.random() < 0.03 else int(rng.integers(4)))
        pair.check(f"reset {count}")
        if rng.random() < 0.5:
            pair.check_screens(f"reset {count}")
        for frame in range(int(rng.integers(0, 4))):
            pair.play(rng, 1)
            pair.check(f"frame {frame} after reset {count}")
            if rng.random() < 0.5:
                pair.check_screens(f"frame {frame} after reset {count}")
    return hits


@pytest.mark.parametrize("rom", ROMS)
def test_resets_are_equal(rom):
    pair = Pair(rom, ROMS.index(rom))
    hits = check_resets(pair, np.random.default_rng(ROMS.index(rom)), 40)
    assert hits or rom in NEVER_REPEATED | SELDOM_REPEATED
    assert bool(pair.starts.recorded) == (rom not in NEVER_REPEATED)


@pytest.mark.parametrize("rom", SAMPLE)
def test_resets_are_equal_in_each_difficulty_and_some_modes(rom):
    rng = np.random.default_rng(3)
    pair = Pair(rom, 3)
    hits = 0
    for mode in MODES[rom][:: max(1, len(MODES[rom]) // 3)]:
        for difficulty in DIFFICULTIES[rom]:
            pair.setMode(mode)
            pair.setDifficulty(difficulty)
            hits += check_resets(pair, rng, 10)
    assert hits


@pytest.mark.parametrize("rom", ["breakout", "kaboom", "casino"])
def test_limits_of_the_paddles_are_told_apart(rom):
    rng = np.random.default_rng(4)
    for most in (600_000, 700_000):
        pair = Pair(rom, 0, paddle_max=most)
        assert check_resets(pair, rng, 10)


def test_mode_that_draws_actions_is_not_repeated():
    pair = Pair("adventure", 5)
    rng = np.random.default_rng(5)
    pair.setMode(1)
    recorded = len(pair.starts.recorded)
    assert check_resets(pair, rng, 8) == 0
    assert len(pair.starts.recorded) == recorded


@pytest.mark.parametrize("rom", SAMPLE)
def test_nothing_else_matters(rom):
    """All bytes of the state that the key does not have can be anything."""
    rng = np.random.default_rng(6)
    pair = Pair(rom, 6)
    for draws in range(3):  # so that there is something to repeat
        pair.reset(draws)
    kept = {"cut", "mode", "difficulty", "frame_number", "ram", "current"}
    episode = ctypes.sizeof(Episode)
    places = [(name, at, size) for name, at, size in list_places() if at + size <= episode and name not in kept]
    if TYPES[pair.consoles[0].cartridge] in {"E0", "FE"}:
        places = [place for place in places if place[0] not in {"bank", "slices"}]
    hits = 0
    for count in range(30):
        noise = rng.integers(0, 256, episode, np.uint8).tobytes()
        current = int(rng.integers(2))
        ram = rng.integers(0, 256, 128, np.uint8).tobytes() if count % 2 else bytes(pair.consoles[0].ram)
        for c in pair.consoles:
            for _, at, size in places:
                ctypes.memmove(ctypes.addressof(c) + at, noise[at : at + size], size)
            c.current = current
            c.ram[:] = ram
        hits += pair.reset(count % 3)
        pair.check(f"reset {count}")
        pair.check_screens(f"reset {count}")
        pair.play(rng, 3)
        pair.check(f"frames after reset {count}")
        pair.check_screens(f"frames after reset {count}")
    assert hits >= 5


def test_reset_in_a_cut_frame_is_emulated():
    pair = Pair("breakout", 7)
    pair.reset()
    assert pair.reset()
    for c in pair.consoles:
        c.cut = 1
    assert not pair.reset()
    pair.check("reset in a cut frame")
    pair.check_screens("reset in a cut frame")
    assert pair.reset()


def test_number_of_starts_is_limited(monkeypatch):
    monkeypatch.setattr(starts, "_ALL", {})
    monkeypatch.setattr(starts, "MOST", 3)
    pair = Pair("seaquest", 8)
    hits = sum(pair.reset(draws % 6) for draws in range(24))
    assert len(pair.starts.recorded) == 3
    assert 0 < hits < 21
    pair.check("the last reset")


def test_recording_stops_where_nothing_is_repeated(monkeypatch):
    monkeypatch.setattr(starts, "_ALL", {})
    pair = Pair("surround", 9)
    rng = np.random.default_rng(9)
    for _ in range(starts.MOST_IN_VAIN + 5):
        pair.play(rng, 10)
        assert not pair.reset()
    assert len(pair.starts.recorded) == starts.MOST_IN_VAIN


def test_threads_share_starts():
    results = {}

    def play(seed):
        rng = np.random.default_rng(seed)
        pair = Pair("alien", seed)
        try:
            results[seed] = check_resets(pair, rng, 40)
        except AssertionError as error:
            results[seed] = error

    threads = [threading.Thread(target=play, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(isinstance(results[seed], int) and results[seed] > 10 for seed in range(4)), results
    assert Pair("alien").starts is Pair("alien").starts


@pytest.mark.parametrize("rom", [*SAMPLE, "seaquest", "tic_tac_toe_3d", "yars_revenge"])
def test_resets_are_those_of_the_wheel(rom):
    players = [make_player(rom, 10, 0.25) for make_player in (wheel.Wheel, ours.Ours)]
    shared = players[1].ale._reset_game.__self__.starts
    hits = shared.hits
    found = wheel.play(*players, 250, 10, resets=0.1)
    assert found is None, str(found)
    assert shared.hits > hits or rom == "seaquest"


def test_repetition_takes_no_frames_time():
    """It is more than ten times as fast as emulation, whatever the machine is doing."""
    pair = Pair("breakout", 11)
    pair.reset()
    repeated, emulated = (min(timeit.repeat(ale.reset_game, number=1, repeat=200)) for ale in pair.both)
    assert 10 * repeated < emulated


# What is noted while a reset is recorded.


def record(rom):
    ale = make(rom)
    notes = ctypes.create_string_buffer(PLACES)
    assert machine_code.functions().record_reset(ale._address, ctypes.addressof(notes)) == 1
    assert ale._console.recording == 0
    return notes.raw


def test_notes_of_known_games():
    notes = record("breakout")  # clears all of its RAM
    assert all(notes[place] & (READ | WRITTEN | LATE_BITS) == WRITTEN for place in range(128))
    assert notes[TIMER] & WRITTEN
    notes = record("alien")  # takes its random numbers from the timer
    assert notes[TIMER] & READ
    notes = record("tetris")  # reads its last byte
    assert [place for place in range(128) if notes[place] & READ] == [0x7F]
    notes = record("seaquest")  # leaves one byte as it is
    assert [place for place in range(128) if not notes[place] & (READ | WRITTEN)] == [0x7B]


@pytest.mark.parametrize("rom", ["freeway", "robotank"])
def test_notes_are_those_of_the_twin(rom):
    """Two frames, compiled and under CPython, with the same notes, and the same state as without recording."""
    results = []
    for functions, is_recording in (
        (ours.compiled_functions(), 1), (ours.plain_functions(), 1), (ours.compiled_functions(), 0),
    ):  # fmt: skip
        player = ours.Direct(rom, functions=ours.compiled_functions())
        player.act(0)
        notes = ctypes.create_string_buffer(PLACES)
        player.console.recording = ctypes.addressof(notes) if is_recording else 0
        functions.act(player.console, 0, 23000, 2, 0)
        player.console.recording = 0
        results.append((notes.raw, player.fields(full=True, with_screen=True)))
    (compiled, fields), (plain, plain_fields), (_, unrecorded) = results
    assert compiled == plain
    assert any(compiled)
    assert wheel.first_difference(unrecorded, fields) is None
    assert wheel.first_difference(unrecorded, plain_fields) is None


@pytest.mark.parametrize("index", [0, 1, 623, 624])
def test_next_timer_is_that_of_the_next_reset(index):
    ale = make("alien")
    ale._console.system_generator.index = index
    before = bytes(ale._console)
    timer = machine_code.functions().next_timer(ale._address)
    assert bytes(ale._console) == before
    generator = Console.from_buffer_copy(before).system_generator
    peeked = generators.peek(generator)
    assert generators.draw(generator) == peeked
    assert timer == 25 + peeked % 75


# What the bookkeeping looks at.


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("c.variables[0] = bcd(c.ram[3]) + c.ram[0x7F]", {3, 127}),
        ("count(c, 26, 29, 0) + s8(c.ram[1])", {26, 27, 28, 29, 1}),
        ("same(c, 32, 3)", {32, 33, 34}),
        ("positives(c, 1, 2) + negatives(c, 5, 6)", {1, 2, 5, 6}),
        ("c.cartridge_ram[106] == c.mode", {234}),
        ("settle(c, 1, 2, c.ram[9])", {9}),
        ("c.reward - c.variables[1] + c.lives + c.over", set()),
    ],
)
def test_looks_are_found(text, expected):
    assert looks.find_looks(ast.parse(text)) == expected


def test_looks_of_a_score_are_found():
    pong = NAMES.index("pong")
    assert {13, 14} <= looks.LOOKS[pong]
    assert looks.find_looks(ast.parse("sum_terms(c, 0, 3)")) == {0x2A, 0x29, 0x28}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("c.ram[x]", "an address of RAM is not a number: `x`"),
        ("c.ram[True]", "an address of RAM is not a number: `True`"),
        ("count(c, x, 3, 0)", "an address of RAM is not a number: `x`"),
        ("f(c)", "it is not known which RAM `f(c)` looks at"),
        ("f(1, c)", "it is not known which RAM `f(1, c)` looks at"),
        ("c.ram[3] = 1", "it is not known which RAM `c.ram[3] = 1` looks at: `c.ram`"),
        ("c.bus", "it is not known which RAM `c.bus` looks at: `c.bus`"),
        ("d = c", "it is not known which RAM `d = c` looks at: `c`"),
        ("f(c.ram)", "it is not known which RAM `f(c.ram)` looks at: `c.ram`"),
    ],
)
def test_unknown_looks_are_refused(text, message):
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        looks.find_looks(ast.parse(text))


def test_looks_are_all_that_the_bookkeeping_reads():
    """Bytes that are not among them can be anything after a frame: nothing is kept of them."""
    rng = np.random.default_rng(12)
    for index in range(len(NAMES)):
        others = [place for place in range(128) if place not in looks.LOOKS[index]]
        results = []
        ram = rng.integers(0, 256, 128, np.uint8)
        for _ in range(2):
            c = Console()
            c.game, c.mode = index, MODES[NAMES[index]][0]
            ram[others] = rng.integers(0, 256, len(others), np.uint8)
            c.ram[:] = ram.tobytes()
            FRAME_RULES[index](c)
            results.append((list(c.variables), c.reward, c.lives, c.over, is_in_mode(c)))
        assert results[0] == results[1], NAMES[index]


def test_games_that_can_be_repeated():
    refused = {name for name, flag in zip(NAMES, looks.IS_REPEATABLE, strict=True) if not flag}
    assert refused == {"double_dunk", "klax", "video_cube"}
    assert all(map(looks.forgets, DESCRIPTIONS))


def test_variable_that_is_kept_must_be_set_in_each_frame():
    game = next(game for game in DESCRIPTIONS if game.name == "atlantis2")
    assert game.kept_over_reset == ("lives",)
    assert not looks.forgets(dataclasses.replace(game, lives="lives if ram[0x01] else 3"))
    assert not looks.forgets(dataclasses.replace(game, kept_over_reset=("last",)))
