"""What tianshou does with environments: its `Collector` takes them as they are."""

import warnings

import gymnasium
import numpy as np
import pytest

import fastatari

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # its own
    pytest.importorskip("tianshou")
    from tianshou.algorithm.algorithm_base import Policy
    from tianshou.data import Batch, Collector, VectorReplayBuffer
    from tianshou.env import DummyVectorEnv

pytestmark = pytest.mark.filterwarnings("ignore")
SHORT = {"max_num_frames_per_episode": 120}


class Cycle(Policy):
    """Plays one action after the other, whatever it sees."""

    number = 0

    def forward(self, batch, state=None, **_):
        self.number += 1
        return Batch(act=np.arange(len(batch.obs)) % 4 if self.number % 2 else np.full(len(batch.obs), 1))


def collect(env, like, seed):
    policy = Cycle(action_space=like.action_space, observation_space=like.observation_space)
    buffer = VectorReplayBuffer(400, 4)
    collector = Collector(policy, env, buffer)
    collector.reset(gym_reset_kwargs={"seed": seed})
    steps = collector.collect(n_step=160)
    env.close()
    return steps.lens.tolist(), [getattr(buffer, name).copy() for name in ("obs", "act", "rew", "done", "obs_next")]


def test_tianshou_collects_what_single_environments_give():
    def make_one():
        return gymnasium.make("fastatari/Breakout-v0", **SHORT)

    mine = fastatari.AtariVectorEnv("breakout", 4, autoreset_mode="Disabled", **SHORT)
    assert (len(mine), mine.is_async) == (4, False)
    (lengths, own), (expected_lengths, expected) = (
        collect(mine, make_one(), [3] * 4),  # tianshou gives each environment of its own the same seed
        collect(DummyVectorEnv([make_one] * 4), make_one(), 3),
    )
    assert lengths == expected_lengths
    assert len(lengths) > 3
    for one, other in zip(own, expected, strict=True):
        assert np.array_equal(one, other)
