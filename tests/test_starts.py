"""Resets that are repeated: equal to emulated ones in every byte of the state and every pixel, also in what follows."""

import ctypes
import timeit
import weakref

import numpy as np
import ours
import pytest
import wheel
from pairs import Pair, any_opening, check_resets, list_places
from reference import ROMS

from fastatari.console import saved, starts
from fastatari.console.cartridges import TYPES
from fastatari.console.games.facts import DIFFICULTIES, MODES
from fastatari.console.generators import draw, peek
from fastatari.console.properties import TV_FORMATS
from fastatari.console.repeating import WITHOUT_FIRE
from fastatari.console.reset import to_timer
from fastatari.console.state import Episode, Generator

# Their resets draw actions, look at a cartridge's RAM, or have a cartridge with memory.
NEVER_REPEATED = {
    "berzerk", "darkchambers", "double_dunk", "elevator_action", "klax", "pitfall2", "video_cube",
}  # fmt: skip
# Theirs read bytes that a game leaves with ever new values.
SELDOM_REPEATED = {"hangman", "haunted_house", "sir_lancelot", "space_war", "surround"}
SAMPLE = ["adventure", "breakout", "freeway", "kaboom", "montezuma_revenge", "pong", "qbert", "robotank", "tetris"]


@pytest.fixture(autouse=True)
def _no_starts(monkeypatch):
    """Each test begins without starts."""
    monkeypatch.setattr(starts, "_ALL", weakref.WeakKeyDictionary())


@pytest.mark.parametrize("rom", ROMS)
def test_resets_are_equal(rom):
    rng = np.random.default_rng(ROMS.index(rom))
    pair = Pair(rom, ROMS.index(rom), 0.25 * (ROMS.index(rom) % 2))
    hits = check_resets(pair, rng, 32, [0, 0, any_opening(rng)])
    assert hits or rom in NEVER_REPEATED | SELDOM_REPEATED
    assert bool(pair.number) == (rom not in NEVER_REPEATED)


@pytest.mark.parametrize("rom", ["adventure", "breakout", "seaquest"])
def test_each_opening_is_equal(rom):
    """No-ops from 0 to 30, and FIRE before, after or not; each is recorded, and then repeated."""
    pair = Pair(rom, 1, sticky=0)
    rng = np.random.default_rng(1)
    for opening in rng.permutation(93):
        for is_repeated in (False, True):
            assert pair.reset(int(opening), draws=0) == is_repeated
            what = f"opening {opening}, {is_repeated=}"
            pair.check(what)
            pair.check_screens(what)
            pair.play(rng, 2)
    assert pair.number == 93


@pytest.mark.parametrize("rom", ["breakout", "kaboom", "pong"])
def test_fire_of_an_opening_may_not_be_played_where_actions_stick(rom):
    """So only the reset is repeated then, and in openings without FIRE what sticks is drawn as always."""
    pair = Pair(rom, 2, sticky=0.5)
    rng = np.random.default_rng(2)
    hits = 0
    for count in range(60):
        opening = any_opening(rng, 3)
        hits += pair.reset(opening, draws=0)
        pair.check(f"reset {count} with opening {opening}")
        pair.play(rng, 2)
        pair.check(f"frames after reset {count} with opening {opening}")
    assert hits > 30
    fires = {(key - 1) % 3 for key in pair.starts.table.keys if key}
    assert fires == {WITHOUT_FIRE}


@pytest.mark.parametrize("rom", SAMPLE)
def test_resets_are_equal_in_each_difficulty_and_some_modes(rom):
    rng = np.random.default_rng(3)
    pair = Pair(rom, 3)
    hits = 0
    for mode in MODES[rom][:: max(1, len(MODES[rom]) // 3)]:
        for difficulty in DIFFICULTIES[rom]:
            pair.set(mode=mode, difficulty=difficulty)
            hits += check_resets(pair, rng, 10, [0, 0, 3 * 5 + WITHOUT_FIRE])
    assert hits


@pytest.mark.parametrize("rom", ["breakout", "kaboom", "casino"])
def test_limits_of_the_paddles_are_told_apart(rom):
    rng = np.random.default_rng(4)
    pairs = [Pair(rom, 0, paddle_maximum=most) for most in (600_000, 700_000)]
    assert pairs[0].starts is pairs[1].starts
    assert all(check_resets(pair, rng, 10, [0, 9]) for pair in (*pairs, *pairs))


@pytest.mark.parametrize("rom", ["breakout", "name_this_game"])
def test_limits_of_the_frames_are_told_apart(rom):
    """An opening ends for some where others go on with it."""
    pairs = [Pair(rom, 0, max_num_frames_per_episode=most) for most in (0, 5, 6, 7, 1000)]
    rng = np.random.default_rng(4)
    hits = 0
    for count in range(40):
        pair, opening = pairs[int(rng.integers(5))], int(rng.choice([0, 9, 15, 18, 21]))
        hits += pair.reset(opening, draws=0)
        pair.check(f"reset {count} of at most {pair.consoles[0].max_num_frames_per_episode} frames, {opening=}")
        pair.play(rng, 2)
    assert hits


@pytest.mark.parametrize("rom", ["breakout", "qbert"])
def test_televisions_are_told_apart(rom):
    pairs = [Pair(rom, 0, tv_format=TV_FORMATS.index(name)) for name in ("NTSC", "PAL")]
    assert [pair.consoles[0].height for pair in pairs] == [210, 250]
    assert pairs[0].starts is not pairs[1].starts
    rng = np.random.default_rng(5)
    assert all(check_resets(pair, rng, 10, [0, 6]) for pair in (*pairs, *pairs))


def test_mode_that_draws_actions_is_not_repeated():
    pair = Pair("adventure", 5)
    rng = np.random.default_rng(5)
    pair.set(mode=1)
    assert check_resets(pair, rng, 8, [0, 6]) == 0
    assert pair.number == 0


@pytest.mark.parametrize("rom", SAMPLE)
def test_nothing_else_matters(rom):
    """All bytes of the state that are not compared can be anything."""
    rng = np.random.default_rng(6)
    pair = Pair(rom, 6)
    for draws in range(3):  # so that there is something to repeat
        for opening in (0, 9):
            pair.reset(opening, draws)
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
        hits += pair.reset(9 * (count % 4 < 2), count % 3)
        pair.check(f"reset {count}")
        pair.check_screens(f"reset {count}")
        pair.play(rng, 3)
        pair.check(f"frames after reset {count}")
        pair.check_screens(f"frames after reset {count}")
    assert hits >= 5


def test_reset_in_a_cut_frame_is_emulated():
    pair = Pair("breakout", 7)
    for opening in (0, 6):
        pair.reset(opening)
        assert pair.reset(opening)
        pair.set(cut=1)
        assert not pair.reset(opening)
        pair.check("reset in a cut frame")
        pair.check_screens("reset in a cut frame")
        assert pair.reset(opening)


@pytest.mark.parametrize("index", [0, 1, 623, 624])
def test_the_timer_is_foreseen(index):
    """By the number that the next reset is going to draw; the program reads it."""
    pair = Pair("alien")
    generator = pair.consoles[0].system_generator
    generator.index = index
    before = bytes(generator)
    seen = peek(generator)
    assert bytes(generator) == before
    assert draw(Generator.from_buffer_copy(before)) == seen
    assert not pair.reset(draws=index)
    assert pair.starts.table.keys[0] >> 32 == to_timer(seen)


@pytest.mark.parametrize("rom", [*SAMPLE, "seaquest", "tic_tac_toe_3d", "yars_revenge"])
def test_resets_are_those_of_the_wheel(rom):
    players = [make_player(rom, 10, 0.25) for make_player in (wheel.Wheel, ours.Ours)]
    shared = players[1].ale._reset_game.__self__.starts.table
    found = wheel.play(*players, 250, 10, resets=0.1)
    assert found is None, str(found)
    assert shared.hits or rom == "seaquest"


def test_repetition_takes_no_frames_time():
    """It is more than ten times as fast as emulation, whatever the machine is doing."""
    pair = Pair("breakout", 11)
    pair.reset()
    repeated = min(timeit.repeat(pair.both[0].reset_game, number=1, repeat=200))
    emulated = min(timeit.repeat(lambda: pair.emulate(0), number=1, repeat=200))
    assert 10 * repeated < emulated


def test_states_of_repeated_resets_are_those_of_emulated_ones():
    """As bytes, too, once the pictures that were looked at are left out."""
    pair = Pair("breakout", 12)
    pair.reset(6)
    assert pair.reset(6)
    one, other = (ale.cloneSystemState() for ale in pair.both)
    assert one.serialize_canonically() == other.serialize_canonically()
    assert saved.ALEState(one.serialize()) == other
