"""`adapters.cleanrl`: infos in gymnasium 0.29's form; CleanRL's own scripts, where they are."""

import doctest
import importlib
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import fastatari
from fastatari.adapters.cleanrl import LegacyInfos, make_cleanrl_env

PATCHES = Path(__file__).parent.parent / "examples" / "cleanrl"
SCRIPTS = {
    "ppo_atari": ["--total-timesteps", "256", "--num-envs", "2", "--num-steps", "64"],
    "dqn_atari": ["--total-timesteps", "400", "--learning-starts", "200", "--buffer-size", "400"],
    "c51_atari": ["--total-timesteps", "400", "--learning-starts", "200", "--buffer-size", "400"],
    "ppo_atari_envpool": ["--total-timesteps", "256", "--num-envs", "2", "--num-steps", "64"],
}


def test_cleanrl_infos_hold_what_gymnasium_0_29_gave():
    envs = make_cleanrl_env("BreakoutNoFrameskip-v4", 3)
    twin = fastatari.AtariVectorEnv("breakout", 3, preset="cleanrl", autoreset_mode="SameStep", episode_statistics=True)
    rng = np.random.default_rng(0)
    observations, infos = envs.reset(seed=1)
    assert np.array_equal(observations, twin.reset(seed=1)[0])
    assert not {"final_info", "final_observation", "final_obs", "episode"} & infos.keys()
    returns, games, lives = np.zeros(3), 0, 0
    for _ in range(900):
        actions = rng.integers(envs.single_action_space.n, size=3)
        observations, rewards, terminated, truncated, infos = envs.step(actions)
        expected = twin.step(actions)
        for own, other in zip((observations, rewards, terminated, truncated), expected[:4], strict=True):
            assert np.array_equal(own, other)
        ended = terminated | truncated
        finals = expected[4].get("final_info", expected[4])
        returns += np.where(ended, finals["raw_reward"], expected[4]["raw_reward"])
        assert ("final_info" in infos) == ("final_observation" in infos) == bool(ended.any())
        if not ended.any():
            continue
        assert np.array_equal(infos["_final_info"], ended)
        assert np.array_equal(infos["_final_observation"], ended)
        for i, (info, observation) in enumerate(zip(infos["final_info"], infos["final_observation"], strict=True)):
            if not ended[i]:
                assert info is None
                assert observation is None
                continue
            lives += 1
            assert np.array_equal(observation, expected[4]["final_obs"][i])
            assert info["lives"] == finals["lives"][i]
            assert "noops" not in info  # which resets have
            if "episode" in info:
                games += 1
                episode = info["episode"]
                assert episode["r"].tolist() == [returns[i]]
                assert episode["l"].tolist() == [info["episode_frame_number"]]
                assert [episode[name].dtype for name in "rlt"] == [np.float32, np.int32, np.float32]
                returns[i] = 0
    assert lives > games > 0
    envs.close()


def test_cleanrl_loop():
    """What CleanRL's scripts read, in a loop of our own."""
    envs = make_cleanrl_env("PongNoFrameskip-v4", 2, max_num_frames_per_episode=400)
    assert envs.single_observation_space.shape == (4, 84, 84)
    obs, _ = envs.reset(seed=1)
    lengths, truncated_num = [], 0
    for _ in range(130):
        next_obs, _, _, truncations, infos = envs.step(np.zeros(2, int))
        if "final_info" in infos:
            lengths += [info["episode"]["l"].item() for info in infos["final_info"] if info and "episode" in info]
        real_next_obs = next_obs.copy()
        for idx, trunc in enumerate(truncations):
            if trunc:
                real_next_obs[idx] = infos["final_observation"][idx]
                truncated_num += 1
        obs = next_obs
    assert obs.shape == (2, 4, 84, 84)
    assert truncated_num == len(lengths) == 2
    envs.close()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, "`env` must have `autoreset_mode` SAME_STEP, got NEXT_STEP"),
        ({"autoreset_mode": "SameStep"}, "`env` must have `episode_statistics`"),
    ],
)
def test_cleanrl_infos_need_episodes_told_apart(arguments, message):
    with pytest.raises(ValueError, match=message):
        LegacyInfos(fastatari.AtariVectorEnv("breakout", 2, **arguments))


@pytest.mark.parametrize("script", SCRIPTS)
def test_cleanrl_scripts_run_with_the_changed_lines(script, tmp_path):
    """The scripts lie in the folder CLEANRL, a clone of it at the commit that examples/cleanrl names."""
    if "CLEANRL" not in os.environ:
        pytest.skip("CLEANRL names no clone of CleanRL")
    clone = Path(os.environ["CLEANRL"])
    target = tmp_path / f"{script}.py"
    target.write_bytes((clone / "cleanrl" / f"{script}.py").read_bytes())
    subprocess.run(["patch", "-p2", "-i", PATCHES / f"{script}.patch", target], check=True, cwd=tmp_path)
    run = subprocess.run(
        [sys.executable, target, "--no-cuda", *SCRIPTS[script]],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": f"{clone}{os.pathsep}{Path(fastatari.__file__).parent.parent}"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    assert "SPS" in run.stdout


def test_cleanrl_examples_give_what_they_say():
    results = doctest.testmod(importlib.import_module("fastatari.adapters.cleanrl"))
    assert results.attempted
    assert not results.failed
