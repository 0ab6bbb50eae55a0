import copy

import gymnasium
import numpy as np
import pytest
from reference import ROMS, ReferenceGame, a_third_of_roms

from fastatari.envs import game as game_module
from fastatari.envs.game import Game
from fastatari.rules import AtariRules

# With screens of all five heights, both television standards, games with lives and without, and varied resets.
LONG = [
    "breakout", "pong", "space_invaders", "ms_pacman", "qbert", "seaquest", "enduro", "asteroids", "montezuma_revenge",
    "riverraid", "carnival", "pooyan", "journey_escape", "mr_do", "assault",
]  # fmt: skip


@pytest.fixture
def few_frames(monkeypatch):
    """Episodes of 203 frames, which end in the middle of a step."""
    monkeypatch.setattr(game_module, "RULES", AtariRules.from_preset("labml", max_num_frames_per_episode=203))
    return 203


def play_side_by_side(rom, steps, seed=0, reset_every=None, **kwargs):
    """Play `Game` and its twin with the same actions, compare all they return, and return the ends of the episodes."""
    game, twin = Game(seed, game=rom), ReferenceGame(seed, rom, **kwargs)
    mine, theirs = game.reset(), twin.reset()
    assert mine.dtype == np.uint8
    assert np.array_equal(mine, theirs)
    ends = []
    rng = np.random.default_rng(seed)
    for step, action in enumerate(rng.integers(twin.env.action_space.n, size=steps)):
        if reset_every and step % reset_every == reset_every - 1:
            assert np.array_equal(game.reset(), twin.reset())
        mine, *rest = game.step(action)
        theirs, *expected = twin.step(action)
        assert np.array_equal(mine, theirs)
        assert rest == expected
        assert [type(value) for value in rest] == [float, bool, type(expected[2])]
        assert game.lives == twin.lives
        assert game.rewards == twin.rewards
        if rest[1]:
            ends.append(rest[2])
    twin.env.close()
    return ends


@pytest.mark.parametrize("rom", LONG)
def test_game_plays_as_labml_for_long(rom):
    ends = play_side_by_side(rom, 1400)
    if rom in {"breakout", "space_invaders", "ms_pacman", "qbert", "seaquest", "asteroids", "riverraid", "assault"}:
        assert len(ends) > 2


def test_game_ends_an_episode_when_a_game_without_lives_is_over():
    ends = play_side_by_side("pong", 1700, seed=1)
    assert ends
    assert -21 <= ends[0]["reward"] <= 21


@pytest.mark.parametrize("rom", a_third_of_roms(1))
def test_game_starts_and_restarts_as_labml_with_every_rom(rom):
    play_side_by_side(rom, 28, reset_every=5)


@pytest.mark.sweep
@pytest.mark.parametrize("rom", ROMS)
def test_game_plays_as_labml_with_every_rom(rom):
    play_side_by_side(rom, 3000, seed=2, reset_every=211)


def test_game_ends_an_episode_when_the_frames_are_used_up(few_frames):
    ends = play_side_by_side("pong", 300, max_num_frames_per_episode=few_frames)
    assert [end["length"] for end in ends[:2]] == [few_frames // 4 + 1] * 2


def test_game_compares_lives_with_those_after_the_last_reset_when_some_are_gained():
    game, twin = Game(0, game="seaquest"), ReferenceGame(0, "seaquest")
    assert np.array_equal(game.reset(), twin.reset())
    lives_at, rng, ends = 0x3B, np.random.default_rng(0), []
    for step, action in enumerate(rng.integers(18, size=400)):
        if step % 7 == 0:
            lives = int(rng.integers(1, 7))
            for ale in (game.ale, twin.env.unwrapped.ale):
                ale.setRAM(lives_at, lives)
        (mine, *rest), (theirs, *expected) = game.step(action), twin.step(action)
        assert np.array_equal(mine, theirs)
        assert rest == expected
        assert game.lives == twin.lives
        ends.append(rest[1])
    assert 20 < sum(ends) < 200
    twin.env.close()


def test_game_returns_the_same_values_when_they_are_float64():
    game, twin = Game(0), Game(0, dtype=np.float64)
    observation, same = game.reset(), twin.reset()
    for action in [1, 2, 3, 0] * 10:
        assert same.dtype == np.float64
        assert np.array_equal(observation, same)
        (observation, *_), (same, *_) = game.step(action), twin.step(action)


def test_advance_writes_the_observation_of_a_step_to_memory_of_the_callers():
    game, twin = Game(0, dtype=np.float64), Game(0)
    out = np.zeros((4, 84, 84), np.uint8)
    with pytest.raises(gymnasium.error.ResetNeeded):
        game.advance(0, out)
    for wrong, error, message in (
        (None, TypeError, "`out` must be an array or have `__dlpack__`, got NoneType"),
        (np.zeros((4, 84, 84)), TypeError, "`out` must have dtype uint8, got float64"),
        (out[:3], ValueError, r"`out` must have shape \(4, 84, 84\), got \(3, 84, 84\)"),
        (out[:, ::-1], ValueError, "`out` must be in one piece, got an array with strides"),
    ):
        with pytest.raises(error, match=message):
            game.advance(0, wrong)
    game.reset(), twin.reset()
    for action in [1, 2, 3, 0] * 15:
        result = game.advance(action, out)
        observation, *expected = twin.step(action)
        assert list(result) == expected
        assert np.array_equal(out, observation)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"game": "brakeout"}, ValueError, "`game` 'brakeout' is not a game of ale-py .*; the closest is 'breakout'"),
        ({"game": None}, TypeError, "`game` must be a string, got None"),
        ({"seed": -1}, ValueError, "`seed` must be at least 0, got -1"),
        ({"seed": 1.0}, TypeError, "`seed` must be an integer, got 1.0 of type float"),
        ({"seed": True}, TypeError, "`seed` must be an integer, got True of type bool"),
        ({"seed": None}, TypeError, "`seed` must be an integer, got None of type NoneType"),
        ({"dtype": np.float32}, ValueError, "`dtype` must be uint8 or float64, got float32"),
        ({"game": "combat"}, ValueError, "`game` 'combat' is refused by ale-py .*: it has no mode for one player"),
        ({"console": "stella"}, ValueError, "`console` must be one of 'fastatari', 'ale', got 'stella'"),
        ({"dtype": None}, TypeError, "`dtype` must be uint8 or float64, got None"),
        ({"dtype": "picture"}, TypeError, "data type 'picture' not understood"),
    ],
)
def test_game_refuses_bad_arguments(arguments, error, message):
    with pytest.raises(error, match=message):
        Game(**{"seed": 0, **arguments})


def test_game_plays_the_same_whatever_the_seed():
    observations = []
    for seed in (0, 1, np.int64(2**40)):
        game = Game(seed, game="seaquest")
        observations.append([game.reset(), *(game.step(action)[0] for action in [1, 5, 3, 11] * 15)])
    assert np.array_equal(observations[0], observations[1])
    assert np.array_equal(observations[0], observations[2])


def test_game_shows_its_rom_and_its_emulator():
    game = Game(0, game="ALE/Seaquest-v5")
    assert game.rom == "seaquest"
    game.reset()
    for action in (1, 5, 11):
        game.step(action)
        assert game.ale.lives() == game.lives
        assert game.ale.getRAM().any()


def test_a_shallow_copy_counts_for_itself():
    game = Game(0)
    game.reset()
    copied = copy.copy(game)
    copied.step(0)
    assert (len(copied.rewards), len(game.rewards)) == (1, 0)
