"""What resets play, what they leave as it was, and how an episode goes on after a lost life."""

import random

import ale_py.vector_env
import numpy as np
import pytest
from beside import Beside, find_ale, make_package
from naive import NaiveEnv

import fastatari

BREAKOUT_LIVES = 0x39


def make_beside(preset, game, **fields):
    package = make_package(preset, game, **fields)
    if package is None:
        pytest.skip("the package is not installed")
    return Beside(fastatari.AtariEnv(game, preset=preset, **fields), package)


def assert_same(mine, theirs):
    """Compare what an environment and a twin gave."""
    assert np.array_equal(mine[0], theirs[0])
    assert mine[1:-1] == theirs[1:-1]
    assert all(theirs[-1][name] == value for name, value in mine[-1].items())


# No-ops.


@pytest.mark.parametrize("game", ["breakout", "freeway"])
def test_noops_are_those_of_ale_py_for_each_seed(game):
    """Breakout has FIRE, of which a frame is played before them; Freeway has not."""
    env = fastatari.AtariEnv(game, preset="ale", obs_type="ram")
    theirs = ale_py.vector_env.AtariVectorEnv(game, 8, num_threads=1)
    fires = "FIRE" in env.get_action_meanings()
    frames = []
    for seed in range(200):
        _, info = env.reset(seed=seed)
        assert 0 <= info["noops"] == info["episode_frame_number"] - fires
        frames.append((int(info["episode_frame_number"]), int(info["frame_number"])))
    assert len(set(frames)) == 30 - fires
    for begin in (0, 96, 192):
        _, infos = theirs.reset(seed=begin)
        found = list(zip(infos["episode_frame_number"].tolist(), infos["frame_number"].tolist(), strict=True))
        assert frames[begin : begin + 8] == found
    theirs.close()


@pytest.mark.parametrize("game", ["breakout", "pacman"])
@pytest.mark.parametrize("fields", [{}, {"frame_skip": 3, "maxpool": False}, {"max_num_frames_per_episode": 61}])
def test_noops_of_a_step_each_are_steps_before_the_first_observation(game, fields):
    """Also where they use up the game's frames: then the game is reset, and the rest of them is played."""
    fields = {"stack_num": 1, "obs_type": "screen", **fields}
    env = fastatari.AtariEnv(game, noop_unit="step", **fields)
    plain = fastatari.AtariEnv(game, noop_max=0, **fields)
    resets = 0
    for seed in range(20):
        observation, info = env.reset(seed=seed)
        expected, expected_info = plain.reset(seed=seed)
        for _ in range(info["noops"]):
            expected, _, terminated, truncated, expected_info = plain.step(0)
            if terminated or truncated:
                resets += 1
                expected, expected_info = plain.reset(seed=seed)
        assert np.array_equal(observation, expected)
        for name in ("lives", "episode_frame_number", "frame_number"):
            assert info[name] == expected_info[name]
        assert 1 <= info["noops"] <= 30
    assert bool(resets) is ("max_num_frames_per_episode" in fields)


# Resets without a step between them.


@pytest.mark.parametrize("game", ["breakout", "freeway", "pacman"])
@pytest.mark.parametrize("preset", ["gymnasium", "cleanrl"])
def test_resets_without_a_step_between_them_are_those_of_the_package(preset, game):
    both = make_beside(preset, game)
    for seed in (1, None, None):
        both.reset(seed)
    for action in [1, 0, 2, 0]:
        both.step(action)
    for _ in range(3):
        both.reset()
    both.step(1)
    both.package.close()


@pytest.mark.parametrize("game", ["breakout", "freeway", "pacman"])
@pytest.mark.parametrize("preset", ["labml", "gymnasium", "sb3", "cleanrl", "dopamine", "ale", "envpool"])
def test_resets_without_a_step_between_them_are_those_of_the_twin(preset, game):
    env = fastatari.AtariEnv(game, preset=preset)
    twin = NaiveEnv(game, env.rules)
    draw = random.Random(game)
    for seed in (1, 1, None, None, 2, None, 1, 1, None):
        assert_same(env.reset(seed=seed), twin.reset(seed))
        for _ in range(draw.choice([0, 0, 0, 2])):
            action = draw.randrange(len(twin.actions))
            assert_same(env.step(action), twin.step(action))


# Going on after a lost life.


@pytest.mark.parametrize("lives", [0, 1, 2])
@pytest.mark.parametrize("frame_skip", [1, 3, 4])
def test_a_new_game_begins_when_the_noop_step_after_a_lost_life_ends_the_game(frame_skip, lives):
    """Beside CleanRL's wrappers. With 0 lives Breakout is over, with 1 or 2 it goes on."""
    both = make_beside("cleanrl", "breakout", frame_skip=frame_skip)
    consoles = both.mine.unwrapped.ale, find_ale(both.package)
    both.reset(3)
    noops = both.resets[-1]["noops"]
    for number in (4, lives):
        for ale in consoles:
            ale.setRAM(BREAKOUT_LIVES, number)
        if number == 4:
            _, terminated, truncated, _ = both.step(0)
            assert (terminated, truncated) == (True, False)
    info = both.reset()
    assert info["lives"] == (lives or 5)
    is_new = info["episode_frame_number"] == info["noops"] + 2 * frame_skip
    assert is_new == (lives == 0)
    assert is_new or info["noops"] == noops
    for action in [1, 0, 2, 0, 3]:
        both.step(action)
    both.package.close()


@pytest.mark.parametrize("budget", [359, 394, 395, 396, 432, 440, 470])
@pytest.mark.parametrize("preset", ["sb3", "cleanrl"])
def test_a_game_whose_frames_are_used_up_after_a_lost_life_is_reset_as_in_the_package(preset, budget):
    """A life is lost at frame 358; a step of no-op and two of FIRE follow, of 37 frames, before the next episode."""
    both = make_beside(preset, "space_invaders", frame_skip=37, max_num_frames_per_episode=budget)
    draw = random.Random(1)
    both.reset(3)
    while not both.is_over:
        both.step(draw.randrange(6))
    *_, info = both.steps[-1]
    assert (info["episode_frame_number"], info["lives"], info["game_over"]) == (358, 2, False)
    assert both.reset()["lives"] == (3 if budget <= 358 + 3 * 37 else 2)
    both.play(draw, 12, seed=None)
    both.package.close()


# Screens of before a reset.


@pytest.mark.parametrize("frame_skip", [3, 4])
@pytest.mark.parametrize(("preset", "game"), [("sb3", "freeway"), ("sb3", "breakout"), ("cleanrl", "breakout")])
def test_screens_of_before_a_reset_are_kept_when_the_first_step_after_it_ends_early(preset, game, frame_skip):
    """The frames of a game are used up in each frame of the first step in turn. States keep the screens, too."""
    opening = 1 + (2 * frame_skip if game == "breakout" else 0)
    for frames in range(1, frame_skip + 2):
        fields = {"frame_skip": frame_skip, "noop_max": 1, "max_num_frames_per_episode": opening + frames}
        both = make_beside(preset, game, **fields)
        both.reset(1)
        for step in range(8):
            if both.is_over:
                both.reset()
                if step % 4 < 2:
                    fresh = fastatari.AtariEnv(game, preset=preset, **fields)
                    fresh.restore_state(both.mine.clone_state())
                    both.mine = fresh
            both.step(1)
        both.package.close()


# All 18 actions, which in ale-py's packages have FIRE in games without it.


@pytest.mark.parametrize("game", ["freeway", "breakout"])
def test_all_actions_are_those_of_ale_py(game):
    env = fastatari.AtariEnv(game, preset="ale", full_action_space=True)
    theirs = ale_py.vector_env.AtariVectorEnv(game, 1, full_action_space=True)
    draw = random.Random(0)
    for seed in range(4):
        observation, info = env.reset(seed=seed)
        observations, infos = theirs.reset(seed=seed)
        assert np.array_equal(observation, observations[0])
        assert info["episode_frame_number"] == infos["episode_frame_number"][0] == info["noops"] + 1
        for _ in range(40):
            action = draw.randrange(18)
            observation, reward, *_ = env.step(action)
            observations, rewards, *_ = theirs.step(np.array([action]))
            assert np.array_equal(observation, observations[0])
            assert reward == rewards[0]
    theirs.close()
