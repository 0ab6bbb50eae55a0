"""What TorchRL does with environments: `GymWrapper` takes them as they are."""

import warnings

import numpy as np
import pytest

import fastatari

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # its own
    pytest.importorskip("torchrl")
    import torch
    from torchrl.collectors import Collector
    from torchrl.envs import GymEnv, GymWrapper
    from torchrl.envs.utils import check_env_specs

pytestmark = pytest.mark.filterwarnings("default")


def make(autoreset_mode, num_envs=3, **arguments):
    return fastatari.AtariVectorEnv("breakout", num_envs, autoreset_mode=autoreset_mode, **arguments)


def test_torchrl_takes_single_environments():
    env = GymEnv("fastatari/Breakout-v0", preset="sb3")
    check_env_specs(env)
    env.auto_register_info_dict()
    rollout = env.rollout(20)
    assert rollout["next", "lives"].dtype == torch.int64
    env.close()


@pytest.mark.parametrize("mode", ["Disabled", "SameStep"])
def test_torchrl_takes_vector_environments(mode):
    env = GymWrapper(make(mode))
    check_env_specs(env)
    env.close()


def test_torchrl_collects_what_environments_give():
    short = {"max_num_frames_per_episode": 200}
    env, twin = GymWrapper(make("Disabled", **short)), make("Disabled", **short)
    env.set_seed(5)
    twin.reset(seed=5)
    collector = Collector(env, None, frames_per_batch=240, total_frames=480)
    collected = torch.cat(list(collector), 1)
    observations, _ = twin.reset()
    ends = 0
    for step in range(collected.shape[1]):
        row = collected[:, step]
        assert np.array_equal(row["observation"].numpy(), observations), step
        observations, rewards, terminated, truncated, _ = twin.step(row["action"].argmax(-1).numpy())
        assert np.array_equal(row["next", "reward"].squeeze(-1).numpy(), rewards.astype(np.float32)), step
        assert np.array_equal(row["next", "done"].squeeze(-1).numpy(), terminated | truncated), step
        if (over := terminated | truncated).any():
            ends += int(over.sum())
            observations, _ = twin.reset(options={"reset_mask": over})
    assert ends > 5
    collector.shutdown()


def test_torchrl_refuses_the_mode_that_it_does_not_know():
    with pytest.raises(RuntimeError, match="auto-reset mode must be one of SAME_STEP or DISABLED"):
        GymWrapper(make("NextStep"))


def test_torch_takes_observations_without_a_copy():
    with make("Disabled") as env:
        observations, _ = env.reset()
        assert torch.as_tensor(observations).data_ptr() == observations.ctypes.data
