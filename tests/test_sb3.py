"""`adapters.sb3` beside stable-baselines3's own environments."""

import doctest
import importlib
import warnings

import numpy as np
import pytest

import fastatari
from fastatari.adapters.checks import require

pytest.importorskip("stable_baselines3")
from stable_baselines3 import A2C, DQN, PPO
from stable_baselines3.common.env_util import make_atari_env, make_vec_env
from stable_baselines3.common.evaluation import evaluate_policy
from stable_baselines3.common.monitor import Monitor
from stable_baselines3.common.vec_env import VecFrameStack

from fastatari.adapters.sb3 import SB3VecEnv, make_sb3_env

IDS = {"breakout": "BreakoutNoFrameskip-v4", "pong": "PongNoFrameskip-v4", "seaquest": "SeaquestNoFrameskip-v4"}


def make_theirs(game, n_envs, seed):
    return VecFrameStack(make_atari_env(IDS[game], n_envs, seed=seed), 4)


def assert_same_info(mine, theirs, where):
    mine, theirs = dict(mine), dict(theirs)
    observations = [info.pop("terminal_observation", None) for info in (mine, theirs)]
    assert (observations[0] is None) == (observations[1] is None), where
    if observations[0] is not None:
        assert np.array_equal(*observations), where
    for info in (mine, theirs):
        if "episode" in info:
            info["episode"] = {name: value for name, value in info["episode"].items() if name != "t"}
    assert mine == theirs, where
    assert {name: type(value) for name, value in mine.items()} == {n: type(v) for n, v in theirs.items()}, where


@pytest.mark.parametrize("game", IDS)
def test_sb3_vec_env_gives_what_sb3s_own_environments_give(game):
    mine, theirs = make_sb3_env(game, 3, seed=5), make_theirs(game, 3, 5)
    assert mine.observation_space == theirs.observation_space
    assert mine.action_space == theirs.action_space
    assert mine.metadata["render_modes"] == ["rgb_array"]
    rng = np.random.default_rng(0)
    assert np.array_equal(mine.reset(), theirs.reset())
    ends = games = 0
    for step in range(700):
        actions = rng.integers(mine.action_space.n, size=3)
        (observations, rewards, dones, infos), expected = mine.step(actions), theirs.step(actions)
        for name, own, other in zip(
            ("observations", "rewards", "dones"), (observations, rewards, dones), expected[:3], strict=True
        ):
            assert own.dtype == other.dtype, name
            assert np.array_equal(own, other), (step, name)
        for i in range(3):
            assert_same_info(infos[i], expected[3][i], (step, i))
        ends += int(dones.sum())
        games += sum("episode" in info for info in infos)
    assert game == "pong" or (ends > games > 0)
    mine.close(), theirs.close()


@pytest.mark.parametrize(
    ("algorithm", "arguments", "steps"),
    [
        (PPO, {"n_steps": 64, "batch_size": 64, "n_epochs": 1}, 256),
        (A2C, {}, 100),
        (DQN, {"learning_starts": 100, "buffer_size": 400, "train_freq": 4}, 240),
    ],
)
def test_sb3_algorithms_end_with_the_same_weights(algorithm, arguments, steps):
    models = []
    for env in (make_sb3_env("breakout", 2, seed=1), make_theirs("breakout", 2, 1)):
        model = algorithm("CnnPolicy", env, seed=1, device="cpu", **arguments)
        models.append(model.learn(steps))
        env.close()
    mine, theirs = (model.policy.state_dict() for model in models)
    assert mine.keys() == theirs.keys()
    for name in mine:
        assert np.array_equal(mine[name].numpy(), theirs[name].numpy()), name
    buffers = [[{k: each[k] for k in "rl"} for each in model.ep_info_buffer] for model in models]
    assert buffers[0] == buffers[1]


def test_sb3_evaluation_counts_games():
    model = PPO("CnnPolicy", make_sb3_env("breakout", 1, seed=1), seed=1, n_steps=8, batch_size=8, device="cpu")
    results = []
    for env in (make_sb3_env("breakout", 2, seed=9), make_theirs("breakout", 2, 9)):
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # as where there is no `Monitor`
            results.append(evaluate_policy(model, env, 2, deterministic=False, return_episode_rewards=True))
        env.close()
        model.set_random_seed(1)
    assert [len(rewards) for rewards, _ in results] == [2, 2]
    assert all(length > 300 for _, lengths in results for length in lengths)  # frames, of all lives


def test_sb3_surface():
    env = make_sb3_env("pong", 2, seed=3, render_mode="rgb_array")
    env.reset()
    assert env.reset_infos[1].keys() == {"lives", "episode_frame_number", "frame_number"}
    assert env.env_is_wrapped(Monitor) == [True, True]
    assert env.env_is_wrapped(fastatari.AtariEnv, 0) == [False]
    assert env.get_attr("render_mode") == ["rgb_array"] * 2
    assert env.has_attr("ale")
    assert not env.has_attr("nothing")
    assert env.env_method("get_action_meanings", indices=1)[0][:2] == ["NOOP", "FIRE"]
    assert [image.shape for image in env.get_images()] == [(210, 160, 3)] * 2
    assert env.render().shape == (420, 160, 3)
    generator = np.random.default_rng(1)
    env.set_attr("np_random", generator, 1)
    assert env.get_attr("np_random", [1]) == [generator]
    with pytest.raises(
        ValueError, match="`indices` must name one environment, whose generator `value` is to be, got 2"
    ):
        env.set_attr("np_random", generator)
    with pytest.raises(ValueError, match="`value` must be a generator of its own, got that of environment 1"):
        env.set_attr("np_random", generator, -2)
    with pytest.raises(AttributeError, match="only 'np_random' of environments can be set, got 'lives'"):
        env.set_attr("lives", 3)
    for _ in range(20):
        assert max(env.seed(None)) < 2**31
    env.set_options([{"new_game": True}, {}])
    with pytest.raises(ValueError, match="options must be the same of all environments, got"):
        env.reset()
    env.set_options({"new_game": True})
    env.reset()
    env.close()
    with pytest.warns(UserWarning, match="`render_mode` must be 'rgb_array' for images, got None"):
        assert make_sb3_env("pong").get_images() == [None]


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"autoreset_mode": "NextStep"}, ValueError, "`env` must have `autoreset_mode` SAME_STEP, got NEXT_STEP"),
        ({"batch_size": 1}, ValueError, "`env` must have batches of all 2 environments, got 1"),
        ({"episode_statistics": False}, ValueError, "`env` must have `episode_statistics`"),
        ({"frame_stack": 4}, TypeError, "frame_stack"),
    ],
)
def test_sb3_refuses_environments_that_it_would_misread(arguments, error, message):
    with pytest.raises(error, match=message):
        make_sb3_env("breakout", 2, **arguments)


def test_sb3_refuses_other_objects():
    with pytest.raises(TypeError, match="`env` must be an AtariVectorEnv, got AtariEnv"):
        SB3VecEnv(fastatari.AtariEnv("breakout"))


def test_sb3_make_vec_env_says_where_a_monitor_would_see_lives_instead_of_games():
    takes = "takes lives for games and clipped rewards for scores; `make_sb3_env` of `fastatari.adapters.sb3`"
    with pytest.warns(UserWarning, match=f"a `Monitor` around this environment {takes}"):
        make_vec_env("fastatari/Breakout-v0", 1, env_kwargs={"preset": "sb3"}).close()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        make_vec_env("fastatari/Breakout-v0", 1, env_kwargs={"preset": "gymnasium"}).close()
        fastatari.AtariEnv("breakout", preset="sb3").close()


def test_adapters_name_the_extra_of_what_is_missing():
    brings = r"`pip install 'fastatari\[sb3\]'` brings it"
    for least, below in (("99", "100"), ("1", "2")):
        wants = f"this adapter needs stable-baselines3 from {least} on, below {below}; {brings}; .* is installed"
        with pytest.raises(ImportError, match=wants):
            require("stable-baselines3", least, below, "sb3")
    with pytest.raises(ImportError, match=f"needs no-such-package from 1 on, below 2; {brings}$"):
        require("no-such-package", "1", "2", "sb3")


def test_sb3_examples_give_what_they_say():
    results = doctest.testmod(importlib.import_module("fastatari.adapters.sb3"))
    assert results.attempted
    assert not results.failed
