"""`adapters.sb3_replay` beside stable-baselines3's own buffer."""

import pickle

import numpy as np
import pytest
from gymnasium import spaces

pytest.importorskip("stable_baselines3")
from stable_baselines3 import DQN
from stable_baselines3.common.buffers import ReplayBuffer as TheirBuffer

from fastatari.adapters.sb3 import make_sb3_env
from fastatari.adapters.sb3_replay import SB3ReplayBuffer

ACTIONS = spaces.Discrete(4)


def make_space(shape=(4, 6, 5)):
    return spaces.Box(0, 255, shape, np.uint8)


@pytest.mark.parametrize(("n_envs", "buffer_size", "steps"), [(1, 300, 700), (2, 500, 900)])
def test_dqn_ends_with_the_same_weights(n_envs, buffer_size, steps):
    models = []
    for buffer in (SB3ReplayBuffer, None):
        env = make_sb3_env("breakout", n_envs, seed=1)
        model = DQN(
            "CnnPolicy", env, seed=1, device="cpu", learning_starts=200, buffer_size=buffer_size, train_freq=8,
            batch_size=16, replay_buffer_class=buffer, target_update_interval=100,
        )  # fmt: skip
        model.learn(steps // 2)
        models.append(model.learn(steps // 2))  # which resets the environment in the middle of an episode
        env.close()
    mine, theirs = (model.policy.state_dict() for model in models)
    for name in mine:
        assert np.array_equal(mine[name].numpy(), theirs[name].numpy()), name
    assert models[0].replay_buffer.full
    assert models[0].replay_buffer.buffer.nbytes < theirs_nbytes(models[1].replay_buffer) / 5


def theirs_nbytes(buffer):
    return buffer.observations.nbytes + buffer.next_observations.nbytes


def fill(buffers, steps, axis=0, seed=0, reset_at=None):
    """Give random episodes to all buffers."""
    rng = np.random.default_rng(seed)

    def draw():
        return rng.integers(256, size=(2, 6, 5)).astype(np.uint8)

    stacks = np.zeros((2, 4, 6, 5), np.uint8)
    stacks[:, -1] = draw()
    for step in range(steps):
        following = np.concatenate([stacks[:, 1:], draw()[:, None]], 1)
        done = rng.random(2) < 0.04
        infos = [{"TimeLimit.truncated": bool(flag and rng.random() < 0.5)} for flag in done]
        action, reward = rng.integers(4, size=(2, 1)), rng.random(2).astype(np.float32)
        for buffer in buffers:
            given = [np.moveaxis(each, 1, axis) if axis == -1 else each for each in (stacks, following)]
            buffer.add(*given, action, reward, done, infos)
        fresh = np.zeros((2, 4, 6, 5), np.uint8)
        fresh[:, -1] = draw()
        stacks = np.where(done[:, None, None, None], fresh, following)
        if step == reset_at:  # from outside, in the middle of episodes
            stacks = np.repeat(draw()[:, None], 4, 1)


@pytest.mark.parametrize("axis", [0, -1])
@pytest.mark.parametrize("handles", [True, False])
def test_samples_are_those_of_stable_baselines3(axis, handles):
    shape = (4, 6, 5) if axis == 0 else (6, 5, 4)
    both = [
        each(120, make_space(shape), ACTIONS, "cpu", 2, handle_timeout_termination=handles)
        for each in (SB3ReplayBuffer, TheirBuffer)
    ]
    for round_ in range(4):
        fill(both, 40, axis, seed=round_, reset_at=20 if round_ == 1 else None)
        assert both[0].size() == both[1].size()
        samples = []
        for buffer in both:
            np.random.seed(round_)  # noqa: NPY002 - as stable-baselines3
            samples.append(buffer.sample(50))
        for name in ("observations", "actions", "next_observations", "dones", "rewards"):
            mine, theirs = (getattr(sample, name) for sample in samples)
            assert mine.dtype == theirs.dtype, name
            assert np.array_equal(mine.numpy(), theirs.numpy()), name
        assert samples[0].discounts is None
    copy = pickle.loads(pickle.dumps(both[0]))
    np.random.seed(9)  # noqa: NPY002
    expected = both[0].sample(9).observations
    np.random.seed(9)  # noqa: NPY002
    assert np.array_equal(copy.sample(9).observations, expected)
    both[0].reset()
    assert both[0].size() == 0


def test_n_steps_are_summed_as_by_stable_baselines3():
    buffers = pytest.importorskip("stable_baselines3.common.buffers")
    if not hasattr(buffers, "NStepReplayBuffer"):
        pytest.skip("this stable-baselines3 has no n-step returns")
    mine = SB3ReplayBuffer(200, make_space(), ACTIONS, "cpu", 2, n_steps=3, gamma=0.5)
    theirs = buffers.NStepReplayBuffer(200, make_space(), ACTIONS, "cpu", 2, n_steps=3, gamma=0.5)
    for round_, steps in enumerate((60, 250)):  # until there are some, and until the oldest are gone
        mine.reset(), theirs.reset()
        fill([mine, theirs], steps, seed=round_)
        samples = []
        for buffer in (mine, theirs):
            np.random.seed(round_)  # noqa: NPY002 - as stable-baselines3
            samples.append(buffer.sample(200))
        for name in ("observations", "actions", "next_observations", "dones"):
            own, other = (getattr(sample, name).numpy() for sample in samples)
            assert np.array_equal(own, other), (round_, name)
        own, other = samples
        assert np.allclose(own.rewards, other.rewards, rtol=1e-6, atol=0)
        goes_on = own.dones[:, 0] == 0
        assert np.array_equal(own.discounts[goes_on], other.discounts[goes_on])
        assert (own.discounts[~goes_on] == 0).all()
        assert len(set(own.discounts.flatten().tolist())) > 2


class Normalizer:
    """What is asked of `VecNormalize`."""

    norm_reward = True

    def normalize_obs(self, observations):
        return observations

    def normalize_reward(self, rewards):
        return rewards / 2


def test_rewards_are_normalised():
    buffer = SB3ReplayBuffer(200, make_space(), ACTIONS, "cpu", 2)
    fill([buffer], 40)
    samples = []
    for normalizer in (None, Normalizer()):
        np.random.seed(0)  # noqa: NPY002 - as stable-baselines3
        samples.append(buffer.sample(20, normalizer))
    assert np.array_equal(samples[0].rewards / 2, samples[1].rewards)
    assert np.array_equal(samples[0].observations, samples[1].observations)
    several = SB3ReplayBuffer(200, make_space(), ACTIONS, "cpu", 2, n_steps=2)
    fill([several], 40)
    with pytest.raises(ValueError, match="`n_steps` must be 1 where `VecNormalize` scales each reward"):
        several.sample(3, Normalizer())


def test_more_short_episodes_than_there_is_room_for():
    buffer = SB3ReplayBuffer(64, make_space(), ACTIONS, "cpu", 1)
    rng = np.random.default_rng(0)
    seen = set()
    for step in range(200):
        stack = np.zeros((1, 4, 6, 5), np.uint8)
        stack[0, -1] = rng.integers(256, size=(6, 5))
        following = np.concatenate([stack[:, 1:], np.full((1, 1, 6, 5), step, np.uint8)], 1)
        buffer.add(stack, following, np.array([[1]]), np.array([float(step)]), np.array([True]), [{}])
    assert 20 < len(buffer.buffer) < 64
    sample = buffer.sample(500)
    for row in range(500):
        step = int(sample.rewards[row])
        seen.add(step)
        assert int(sample.next_observations[row, -1, 0, 0]) == step
    assert len(seen) == len(buffer.buffer)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (
            {"optimize_memory_usage": True},
            ValueError,
            "`optimize_memory_usage` must be False: each plane is stored once",
        ),
        ({"observation_space": make_space((3, 8, 8))}, ValueError, "must be of stacks of 4 planes, such as .* got Box"),
        ({"observation_space": spaces.Discrete(3)}, ValueError, "must be of stacks of 4 planes"),
        ({"stack_num": 0}, ValueError, "`stack_num` must be at least 1, got 0"),
        ({"n_steps": 0}, ValueError, "`n_step` must be at least 1, got 0"),
    ],
)
def test_sb3_buffers_refuse_what_does_not_fit(arguments, error, message):
    given = {"buffer_size": 10, "observation_space": make_space(), "action_space": ACTIONS, "device": "cpu"}
    with pytest.raises(error, match=message):
        SB3ReplayBuffer(**(given | arguments))


def test_sb3_buffers_refuse_what_are_no_stacks():
    buffer = SB3ReplayBuffer(10, make_space(), ACTIONS, "cpu", 1)
    stacks = np.arange(4 * 30, dtype=np.uint8).reshape(1, 4, 6, 5)
    with pytest.raises(ValueError, match="`next_obs` must be `obs` without its oldest plane and with one more"):
        buffer.add(stacks, stacks, np.array([[0]]), np.zeros(1), np.zeros(1), [{}])
    assert buffer.size() == 0
