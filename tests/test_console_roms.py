"""All ROMs on ale-py's console and on fastatari's: everything is equal after every frame."""

import multiprocessing
import pickle

import numpy as np
import ours
import pytest
import wheel
from reference import ROMS

from fastatari.console.games.facts import DIFFICULTIES, MODES

# ROMs of each type of cartridge, with paddles, of PAL, with frames that are cut, and with moving stars.
SAMPLE = [
    "adventure",
    "asteroids",
    "breakout",
    "crossbow",
    "elevator_action",
    "journey_escape",
    "klax",
    "montezuma_revenge",
    "pitfall2",
    "pong",
    "qbert",
    "robotank",
    "surround",
    "tetris",
]
MODES_AND_DIFFICULTIES = [
    (rom, mode, difficulty) for rom in ROMS for mode in MODES[rom] for difficulty in DIFFICULTIES[rom]
]


def assert_equal(players, frames, seed, **settings):
    found = wheel.play(*players, frames, seed, **settings)
    assert found is None, str(found)


@pytest.mark.parametrize("sticky", [0.0, 0.25])
@pytest.mark.parametrize("rom", ROMS)
def test_rom_is_equal_after_every_frame(rom, sticky):
    seed = ROMS.index(rom)
    players = [make(rom, seed, sticky) for make in (wheel.Wheel, ours.Ours)]
    assert_equal(players, 300, seed, resets=0.005)


@pytest.mark.sweep
@pytest.mark.parametrize("sticky", [0.0, 0.25])
@pytest.mark.parametrize("rom", ROMS)
def test_rom_is_equal_for_long(rom, sticky):
    seed = 1000 + ROMS.index(rom)
    players = [make(rom, seed, sticky) for make in (wheel.Wheel, ours.Ours)]
    assert_equal(players, 20_000, seed, resets=0.0002)


@pytest.mark.parametrize("rom", SAMPLE)
def test_second_and_third_reset(rom):
    players = [make(rom, 5, 0.25) for make in (wheel.Wheel, ours.Ours)]
    for count in range(3):
        assert_equal(players, 20, count, who=f"{rom} after reset {count}")
        for player in players:
            player.reset()
    assert_equal(players, 5, 4)


def check_mode(rom, mode, difficulty):
    players = [make(rom, 3, mode=mode, difficulty=difficulty) for make in (wheel.Wheel, ours.Ours)]
    assert_equal(players, 200, mode + difficulty, who=f"{rom} in mode {mode}, difficulty {difficulty}")


# Every tenth: one of most games that have some.
@pytest.mark.parametrize(("rom", "mode", "difficulty"), MODES_AND_DIFFICULTIES[5::40])
def test_mode_and_difficulty(rom, mode, difficulty):
    check_mode(rom, mode, difficulty)


@pytest.mark.sweep
@pytest.mark.parametrize(("rom", "mode", "difficulty"), MODES_AND_DIFFICULTIES)
def test_every_mode_and_difficulty(rom, mode, difficulty):
    check_mode(rom, mode, difficulty)


def check_drawn(rom, frames, seed, chance):
    """Random frames are drawn; registers are compared after every frame, and the pictures of those."""
    rng = np.random.default_rng(seed)
    reference, player = wheel.Wheel(rom, seed, 0.25), ours.Direct(rom, seed, 0.25)
    actions = wheel.held_actions(rng, reference.actions())
    for frame in range(frames):
        if reference.over() or rng.random() < 0.003:
            reference.reset(), player.reset()
        drawn = bool(rng.random() < chance)
        action, strength = next(actions)
        reference.act(action, strength), player.act(action, strength, drawn=int(drawn))
        expected = reference.fields()
        if not drawn:
            del expected["screen"]
        found = player.fields(with_screen=drawn)
        difference = wheel.first_difference(expected, found)
        assert difference is None, f"{rom}, seed {seed}, frame {frame}, {drawn=}: {difference}"
    difference = wheel.first_difference(reference.fields(full=True), player.fields(full=True))
    assert difference is None, f"{rom}, seed {seed}, drawn at last: {difference}"


@pytest.mark.parametrize("rom", SAMPLE)
def test_frames_that_are_not_drawn(rom):
    check_drawn(rom, 200, ROMS.index(rom), 0.4)


@pytest.mark.sweep
@pytest.mark.parametrize("chance", [0.05, 0.5])
@pytest.mark.parametrize("rom", ROMS)
def test_frames_that_are_not_drawn_for_long(rom, chance):
    check_drawn(rom, 3000, ROMS.index(rom), chance)


def check_repeated(rom, steps, seed):
    """Four frames a call, of which the last two are drawn."""
    rng = np.random.default_rng(seed)
    reference, player = wheel.Wheel(rom, seed, 0.25), ours.Direct(rom, seed, 0.25)
    actions = reference.actions()
    for step in range(steps):
        if reference.over():
            reference.reset(), player.reset()
        action, reward = int(rng.choice(actions)), 0
        for _ in range(4):
            if not reference.over():
                reward += reference.act(action)
        player.act(action, frames=4, drawn=0b1100)
        reference.reward = reward
        difference = wheel.first_difference(reference.fields(), player.fields())
        assert difference is None, f"{rom}, seed {seed}, step {step}: {difference}"


@pytest.mark.parametrize("rom", SAMPLE)
def test_four_frames_a_call(rom):
    check_repeated(rom, 60, ROMS.index(rom))


def assert_same_trace(expected, found):
    for step, (one, other) in enumerate(zip(expected, found, strict=True)):
        difference = wheel.first_difference(one, other)
        assert difference is None, f"step {step}: {difference}".replace("the wheel", "before").replace("ours", "now")


@pytest.mark.parametrize("rom", SAMPLE)
def test_going_on_from_a_state_is_going_on_without(rom):
    """From a state taken after some play, in the same console and in one that has played something else."""
    player, other = ours.Ours(rom, 1, 0.25), ours.Ours(rom, 2, 0.25)
    ours.trace(player, 37, 1), ours.trace(other, 21, 2)
    state = player.ale.cloneSystemState()
    expected = ours.trace(player, 40, 3)
    for which in (player, other):
        which.ale.restoreSystemState(state)
        assert_same_trace(expected, ours.trace(which, 40, 3))


@pytest.mark.parametrize("rom", ["breakout", "pitfall2", "tetris", "montezuma_revenge"])
def test_going_on_from_a_state_in_another_process(rom):
    player = ours.Ours(rom, 1, 0.25)
    ours.trace(player, 37, 1)
    state = pickle.dumps(player.ale.cloneSystemState())
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    process = context.Process(target=ours.go_on, args=(rom, state, 3, there))
    process.start()
    there.close()
    found = here.recv()
    process.join()
    assert_same_trace(ours.trace(player, 20, 3), found)


@pytest.mark.parametrize("rom", SAMPLE)
def test_ram_that_is_set(rom):
    """Both consoles go on alike from bytes that are set, at random times."""
    rng = np.random.default_rng(7)
    players = [make(rom, 7, 0.25) for make in (wheel.Wheel, ours.Ours)]
    for count in range(12):
        index, value = int(rng.integers(128)), int(rng.integers(256))
        for player in players:
            player.ale.setRAM(index, value)
        difference = wheel.first_difference(*(player.fields() for player in players))
        assert difference is None, f"{rom}, set {count}, RAM {index} to {value}: {difference}"
        assert_equal(players, 8, count, who=f"{rom}, set {count}, RAM {index} to {value}")
