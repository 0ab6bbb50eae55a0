"""When games are truncated: by numbers of frames and of steps, those of the presets included."""

import inspect
import random

import ale_py.vector_env
import gymnasium
import pytest
from beside import Beside, make_package

import fastatari

# The limits of the packages that presets are named after, of frames and steps.
LIMITS = {
    "labml": (108_000, None),
    "gymnasium": (108_000, None),
    "sb3": (108_000, None),
    "cleanrl": (108_000, None),
    "dopamine": (100_000, 27_000),
    "ale": (108_000, None),
    "envpool": (0, 27_000),
}


@pytest.mark.parametrize("preset", LIMITS)
def test_limits_of_a_preset_are_those_of_its_package(preset):
    rules = fastatari.AtariRules.from_preset(preset)
    assert (rules.max_num_frames_per_episode, rules.max_episode_steps) == LIMITS[preset]


def test_limits_of_the_packages_are_those_that_they_have_by_default():
    arguments = inspect.signature(ale_py.vector_env.AtariVectorEnv).parameters
    assert arguments["max_num_frames_per_episode"].default == LIMITS["ale"][0]
    made = gymnasium.spec("ALE/Breakout-v5").kwargs
    assert made["max_num_frames_per_episode"] == LIMITS["gymnasium"][0]
    envpool = pytest.importorskip("envpool")
    assert envpool.make_spec("Breakout-v5").config.max_episode_steps == LIMITS["envpool"][1]


@pytest.mark.parametrize("preset", ["labml", "gymnasium", "dopamine", "ale"])
def test_a_game_is_truncated_when_its_frames_are_used_up(preset):
    """Breakout waits for FIRE for ever."""
    fields = {"frame_skip": 200, "fire_reset": "never", "repeat_action_probability": 0.0, "life_loss": "ignore"}
    env = fastatari.AtariEnv("breakout", preset=preset, **fields)
    _, info = env.reset(seed=0)
    begin = info["episode_frame_number"] if preset == "ale" else 0  # which counts the frames of steps only
    limit, _ = LIMITS[preset]
    for step in range(1, 1 + limit // 200):
        _, _, terminated, truncated, info = env.step(0)
        assert not terminated
        assert truncated is (step == limit // 200)
        assert info["game_over"] == truncated
    assert info["episode_frame_number"] - begin == limit


@pytest.mark.parametrize("preset", ["dopamine", "envpool"])
def test_a_game_is_truncated_when_its_steps_are_used_up(preset):
    """Also where they are of several lives; a limit of 27,000 steps of a frame each."""
    fields = {"frame_skip": 1, "fire_reset": "never", "max_num_frames_per_episode": 0, "obs_type": "ram"}
    env = fastatari.AtariEnv("breakout", preset=preset, **fields)
    env.reset(seed=0)
    for _ in range(LIMITS[preset][1] - 1):
        assert env.step(0)[2:4] == (False, False)
    assert env.step(0)[2:4] == (False, True)


@pytest.mark.parametrize("life_loss", ["ignore", "reset", "continue", "report"])
@pytest.mark.parametrize(("end_priority", "terminated"), [("both", True), ("truncated", False)])
@pytest.mark.parametrize("lives", [0, 3])
def test_a_step_that_ends_the_game_and_uses_up_the_steps_is_what_the_rules_say(
    lives, end_priority, terminated, life_loss
):
    """With no lives left the game is over; with 3 of 5, an episode may be."""
    fields = {"life_loss": life_loss, "end_priority": end_priority, "max_episode_steps": 3}
    env = fastatari.AtariEnv("breakout", noop_max=0, **fields)
    env.reset(seed=0)
    for _ in range(2):
        assert env.step(1)[2:4] == (False, False)
    env.unwrapped.ale.setRAM(0x39, lives)
    _, _, is_terminated, is_truncated, info = env.step(0)
    assert is_terminated is (terminated and (lives == 0 or life_loss != "ignore"))
    assert is_truncated
    assert info["game_over"]


def test_steps_are_counted_over_lives_when_the_game_goes_on():
    env = fastatari.AtariEnv("breakout", preset="sb3", max_episode_steps=5)
    env.reset(seed=0)
    ends = []
    for step in range(10):
        if step in {1, 3}:
            env.unwrapped.ale.setRAM(0x39, 4 - step)
        ends.append(env.step(0)[2:4])
        if any(ends[-1]):
            env.reset()
    life, limit, no = (True, False), (False, True), (False, False)
    assert ends == [no, life, no, life, limit, no, no, no, no, limit]


@pytest.mark.parametrize("preset", ["gymnasium", "sb3", "cleanrl"])
@pytest.mark.parametrize(("game", "frames"), [("pacman", 10), ("pacman", 16), ("pacman", 17), ("pacman", 18)])
def test_a_budget_that_the_actions_of_a_reset_use_up_leaves_a_step_without_frames(preset, game, frames):
    """A reset of Pac-Man plays 16 frames, and no-ops that use up the rest reset it again."""
    fields = {"noop_max": 2, "max_num_frames_per_episode": frames}
    package = make_package(preset, game, **fields)
    if package is None:
        pytest.skip("the package is not installed")
    both = Beside(fastatari.AtariEnv(game, preset=preset, **fields), package)
    assert both.play(random.Random(frames), 5, seed=1) >= 4
    assert all(truncated and info["episode_frame_number"] <= 18 for *_, truncated, info in both.steps)
    package.close()
