"""`ReplayBuffer` beside a plain buffer of whole stacks, sample for sample."""

import copy
import dataclasses
import os
import pickle
import random
import signal
import struct
import subprocess
import sys

import numpy as np
import pytest
from gymnasium.error import ResetNeeded
from hypothesis import given, settings
from hypothesis import strategies as st
from random_rules import draw_rules

from fastatari import AtariEnv, AtariVectorEnv, ReplayBuffer
from fastatari.checkpoint import pack, unpack
from fastatari.replay import files, priorities

NUM = 3


class NaiveBuffer:
    """A list of transitions for each environment, each with both of its stacks, and what followed it."""

    def __init__(self, num_envs):
        self.rows = [[] for _ in range(num_envs)]
        self.last = [None] * num_envs

    def begin(self, env_id, observation):
        self.last[env_id] = observation.copy()
        if self.rows[env_id]:
            self.rows[env_id][-1]["is_followed"] = False

    def add(self, env_id, action, observation, reward, terminated, truncated):
        row = {
            "observation": self.last[env_id],
            "action": action,
            "reward": reward,
            "next": observation.copy(),
            "terminated": bool(terminated),
            "truncated": bool(truncated),
            "is_followed": True,
        }
        self.rows[env_id].append(row)
        self.last[env_id] = row["next"]

    def read(self, env_id, number, n_step, gamma):
        """Return a transition over some steps, summed from the last to the first one."""
        steps = [self.rows[env_id][number]]
        while len(steps) < n_step and steps[-1]["is_followed"] and not steps[-1]["terminated"]:
            number += 1
            if number == len(self.rows[env_id]):
                break
            steps.append(self.rows[env_id][number])
        value, discount = 0.0, 1.0
        for step in steps:
            value += discount * float(step["reward"])
            discount *= gamma
        last = steps[-1]
        return {
            "observations": steps[0]["observation"],
            "actions": steps[0]["action"],
            "rewards": np.float32(value),
            "next_observations": last["next"],
            "terminated": last["terminated"],
            "truncated": last["truncated"],
            "discounts": np.float32(0 if last["terminated"] else discount),
        }


def assert_sample(sample, naive, num_envs, n_step=1, gamma=0.99):
    for row, index in enumerate(sample.indices.tolist()):
        number, env_id = divmod(index, num_envs)
        for name, value in naive.read(env_id, number, n_step, gamma).items():
            assert np.array_equal(getattr(sample, name)[row], value), (name, env_id, number)


def record(naive, env, mode, results, actions, was_over, ids):
    """Let the twin have what a step of some environments gave; return which episodes are over."""
    observations, rewards, terminated, truncated, infos = results
    for row, env_id in enumerate(ids):
        if mode == "NextStep" and was_over[env_id]:
            naive.begin(env_id, observations[row])
            was_over[env_id] = False
            continue
        is_replaced = mode == "SameStep" and "final_obs" in infos and infos["_final_obs"][row]
        reached = infos["final_obs"][row] if is_replaced else observations[row]
        naive.add(env_id, actions[row], reached, rewards[row], terminated[row], truncated[row])
        if is_replaced:
            naive.begin(env_id, observations[row])
        is_end = terminated[row] or truncated[row]
        if env.rules.life_loss == "report":
            is_end = is_end and infos["game_over"][row]
        was_over[env_id] = is_end and mode != "SameStep"
    return was_over


def play(env, buffer, naive, steps, seed, with_parts=False):
    """Play at random, with resets in the middle, and give all to both."""
    rng = np.random.default_rng(seed)
    mode = env.autoreset_mode.value
    observations, _ = env.reset(seed=seed)
    buffer.reset(observations)
    for env_id in range(env.num_envs):
        naive.begin(env_id, observations[env_id])
    was_over = [False] * env.num_envs
    for step in range(steps):
        if mode == "Disabled" and any(was_over):
            over = np.flatnonzero(was_over)
            observations, infos = env.reset(env_id=over)
            buffer.reset(observations, infos)
            for row, env_id in enumerate(over.tolist()):
                naive.begin(env_id, observations[row])
                was_over[env_id] = False
        if step % 37 == 36:  # in the middle of an episode
            observations, _ = env.reset(env_id=[1], options={"new_game": True})
            buffer.reset(observations, env_id=[1])
            naive.begin(1, observations[0])
            was_over[1] = False
        ids = list(range(env.num_envs))
        if with_parts and step % 5 == 4:
            ids = rng.permutation(env.num_envs)[:2].tolist()
        actions = rng.integers(env.single_action_space.n, size=len(ids))
        results = env.step(actions, ids)
        buffer.add(actions, *results)
        record(naive, env, mode, results, actions, was_over, ids)
    return rng


CASES = [
    {"preset": "gymnasium"},
    {"preset": "sb3", "stack_axis": 0},
    {"preset": "sb3"},
    {"preset": "cleanrl"},
    {"preset": "dopamine", "stack_axis": 0},
    {"preset": "ale"},
    {"preset": "ale", "life_loss": "continue", "noop_max": 30},
    {"preset": "envpool", "life_loss": "continue"},
    {"preset": "envpool", "life_loss": "report"},
    {"preset": "labml"},
    {"preset": "gymnasium", "grayscale_obs": False, "stack_axis": -1, "stack_num": 3},
    {"preset": "gymnasium", "obs_type": "ram", "stack_num": 2},
    {"preset": "gymnasium", "obs_type": "ram"},
    {"preset": "gymnasium", "scale_obs": True, "stack_num": 1},
]


@pytest.mark.parametrize("mode", ["NextStep", "SameStep", "Disabled"])
@pytest.mark.parametrize("fields", CASES, ids=str)
def test_samples_equal_those_of_a_buffer_of_stacks(fields, mode):
    fields = {"max_num_frames_per_episode": 300, "screen_size": 24, **fields}
    env = AtariVectorEnv("breakout", NUM, autoreset_mode=mode, num_threads=0, **fields)
    buffer, naive = ReplayBuffer.for_env(env, 3 * 150, seed=0, n_step=3), NaiveBuffer(NUM)
    play(env, buffer, naive, 350, seed=5, with_parts=True)
    assert buffer.transitions.firsts.min() > 0  # the oldest were overwritten
    assert len(buffer) > 3 * 130
    sample = buffer.sample(200)
    assert_sample(sample, naive, NUM, n_step=3)
    assert np.array_equal(buffer.observe(), np.stack(naive.last))
    # The oldest and the newest ones, and every other one.
    ranges = zip(buffer.transitions.firsts, buffer.transitions.totals, strict=True)
    numbers = [np.arange(first, total) for first, total in ranges]
    indices = np.concatenate([each * NUM + env_id for env_id, each in enumerate(numbers)])
    everything = buffer.read(indices)
    assert np.array_equal(everything.indices, indices)
    assert_sample(everything, naive, NUM, n_step=3)
    assert (everything.terminated | everything.truncated).sum() > 5
    env.close()


@pytest.mark.parametrize("seed", range(6))
def test_samples_equal_under_random_rules(seed):
    generator = random.Random(seed)
    rules = dataclasses.asdict(draw_rules(generator, "breakout")) | {"screen_size": 16, "continuous": False}
    mode = generator.choice(["NextStep", "SameStep", "Disabled"])
    env = AtariVectorEnv("breakout", NUM, autoreset_mode=mode, num_threads=0, **rules)
    buffer, naive = ReplayBuffer.for_env(env, 3 * 90, seed=0, n_step=2), NaiveBuffer(NUM)
    play(env, buffer, naive, 250, seed=seed)
    assert_sample(buffer.sample(len(buffer)), naive, NUM, n_step=2)
    env.close()


@pytest.mark.parametrize("preset", ["gymnasium", "sb3", "dopamine", "labml", "cleanrl"])
@pytest.mark.parametrize("mode", ["NextStep", "SameStep"])
def test_planes_are_enough(preset, mode):
    """An environment without stacks gives what one with stacks gives, and the buffer's stacks are those."""
    fields = {"preset": preset, "autoreset_mode": mode, "num_threads": 0, "max_num_frames_per_episode": 500}
    env, twin = AtariVectorEnv("breakout", NUM, stack_num=1, **fields), AtariVectorEnv("breakout", NUM, **fields)
    buffer, naive = ReplayBuffer.for_env(env, 900, stack_num=4, seed=1), NaiveBuffer(NUM)
    buffer.reset(env.reset(seed=2)[0])
    observations, _ = twin.reset(seed=2)
    for env_id in range(NUM):
        naive.begin(env_id, observations[env_id])
    was_over, rng = [False] * NUM, np.random.default_rng(3)
    for _ in range(250):
        assert np.array_equal(buffer.observe(), observations)
        actions = rng.integers(4, size=NUM)
        buffer.add(actions, *env.step(actions))
        observations, *rest = twin.step(actions)
        record(naive, twin, mode, (observations, *rest), actions, was_over, range(NUM))
    assert_sample(buffer.sample(400), naive, NUM)
    env.close(), twin.close()


@given(
    lengths=st.lists(st.integers(1, 30), min_size=1, max_size=12),
    length=st.integers(1, 20),
    stack_num=st.integers(1, 5),
    padding_type=st.sampled_from(["reset", "zero"]),
    stack_axis=st.sampled_from([0, -1]),
    n_step=st.integers(1, 6),
    plane_shape=st.sampled_from([(2, 3), (2, 2, 3), (4,)]),
    seed=st.integers(0, 2**31),
)
@settings(max_examples=60, deadline=None)
def test_samples_equal_for_random_episodes(
    lengths, length, stack_num, padding_type, stack_axis, n_step, plane_shape, seed
):
    rng = np.random.default_rng(seed)
    buffer = ReplayBuffer(
        length, 1, plane_shape, stack_num=stack_num, padding_type=padding_type, stack_axis=stack_axis, n_step=n_step,
        autoreset_mode="Disabled", seed=seed, dtype=rng.choice([np.uint8, np.float32]), action_shape=(2,),
    )  # fmt: skip
    naive = NaiveBuffer(1)
    dtype = buffer.planes.memory.dtype

    def draw():
        return rng.integers(0, 3, size=plane_shape).astype(dtype)

    def stack(history):
        return planes_to_stack(history, stack_num, stack_axis)

    for steps in lengths:
        kind = rng.integers(3)
        if kind == 0:  # as a reset
            first = draw()
            history = [np.zeros_like(first) if padding_type == "zero" else first] * (stack_num - 1) + [first]
        elif kind == 1 and naive.last[0] is not None:  # planes are kept
            history.append(draw())
        else:  # a stack from anywhere
            history = [draw() for _ in range(stack_num)]
        buffer.reset(stack(history)[np.newaxis])
        naive.begin(0, stack(history))
        for step in range(steps):
            history.append(draw())
            action, reward = rng.integers(9, size=(1, 2)), rng.normal(size=1).astype(np.float32)
            is_last = step == steps - 1
            ends = np.array([is_last and steps % 2]), np.array([is_last and steps % 3 == 0])
            if is_last and not (ends[0] or ends[1]):
                ends = ends[0], np.array([True])
            buffer.add(action, stack(history)[np.newaxis], reward, ends[0] > 0, ends[1] > 0)
            naive.add(0, action[0], stack(history), reward[0], ends[0][0], ends[1][0])
            size = len(buffer)
            assert 0 < size <= length
            assert np.array_equal(buffer.observe()[0], stack(history))
    assert_sample(buffer.sample(size), naive, 1, n_step)


def planes_to_stack(history, stack_num, stack_axis):
    last = history[-stack_num:]
    if stack_num == last[0].ndim == 1:
        return last[0]
    if stack_axis == 0:
        return np.stack(last)
    return np.concatenate(last, -1) if last[0].ndim == 3 else np.stack(last, -1)


def make_filled(length=64, steps=80, **arguments):
    """A small buffer of two environments, and its twin."""
    buffer = ReplayBuffer(2 * length, 2, (3, 3), **{"seed": 0, "autoreset_mode": "NextStep", **arguments})
    naive, rng = NaiveBuffer(2), np.random.default_rng(1)
    history = [[], []]
    is_over = np.zeros(2, bool)
    for step in range(steps):
        fresh = rng.integers(256, size=(2, 3, 3)).astype(np.uint8)
        for env_id in range(2):
            if step == 0 or is_over[env_id]:
                history[env_id] = [fresh[env_id]] * 4
            else:
                history[env_id].append(fresh[env_id])
        stacks = np.stack([planes_to_stack(each, 4, 0) for each in history])
        if step == 0:
            buffer.reset(stacks)
            naive.begin(0, stacks[0]), naive.begin(1, stacks[1])
            continue
        ends = (rng.random(2) < 0.05) & ~is_over & (buffer.arguments["autoreset_mode"] != "SameStep")
        actions, rewards = rng.integers(4, size=2), rng.random(2).astype(np.float32)
        buffer.add(actions, stacks, rewards, ends, np.zeros(2, bool), {})
        for env_id in range(2):
            if is_over[env_id]:
                naive.begin(env_id, stacks[env_id])
            else:
                naive.add(env_id, actions[env_id], stacks[env_id], rewards[env_id], ends[env_id], False)
        is_over = ends
    return buffer, naive


def test_uniform_sampling_draws_every_transition_as_often():
    buffer, _ = make_filled()
    buffer.reset(np.zeros((1, 4, 3, 3), np.uint8), env_id=[0])
    indices = np.concatenate([buffer.sample(len(buffer)).indices for _ in range(400)])
    numbers, counts = np.unique(indices, return_counts=True)
    assert len(numbers) == len(buffer)
    assert 300 < counts.min() <= counts.max() < 500  # 400 are expected, with a standard deviation of 20
    again, _ = make_filled()
    assert np.array_equal(again.sample(10).indices, make_filled()[0].sample(10).indices)


def test_prioritised_sampling_follows_the_paper(monkeypatch):
    """Places, weights and updates equal those of cumulated sums; priorities are integers, so that sums are exact."""
    monkeypatch.setattr(priorities, "EPSILON", 0.0)
    buffer, naive = make_filled(priority_exponent=1.0)
    tree, size = buffer.priorities, len(buffer)
    assert np.count_nonzero(tree.leaves) == size
    assert set(tree.leaves[tree.leaves > 0]) == {1.0}
    everything = np.unique(np.concatenate([buffer.sample(size).indices for _ in range(30)]))
    errors = np.random.default_rng(3).integers(0, 9, size=len(everything)).astype(float)
    buffer.update_priorities(everything, errors)
    twin = np.random.default_rng(0)
    buffer.generator = np.random.default_rng(0)
    for beta in (0.0, 0.4, 1.0):
        sample = buffer.sample(16, beta=beta)
        leaves = tree.leaves
        values = (np.arange(16) + twin.random(16)) * (leaves.sum() / 16)
        places = np.searchsorted(np.cumsum(leaves), values, "right")
        numbers, env_ids = np.divmod(sample.indices, 2)
        assert np.array_equal(env_ids * 64 + numbers % 64, places)
        weights = (size * leaves[places] / leaves.sum()) ** -beta
        assert np.allclose(sample.weights, weights / weights.max(), rtol=1e-6)
        assert_sample(sample, naive, 2)
        assert not np.isin(sample.indices, everything[errors == 0]).any()
    # What comes next has the highest priority so far, and what goes has none.
    buffer.add([0, 0], np.zeros((2, 4, 3, 3), np.uint8), [0, 0], [False] * 2, [False] * 2)
    newest = [64 * env_id + (buffer.transitions.totals[env_id] - 1) % 64 for env_id in range(2)]
    assert tree.leaves[newest].tolist() == [tree.most] * 2
    assert tree.most == 8
    assert tree.tree[1] == tree.leaves.sum()
    # Transitions that are gone are left alone.
    before = tree.tree.copy()
    buffer.update_priorities([0, 1], [100.0, 100.0])
    assert np.array_equal(before, tree.tree)


@given(seed=st.integers(0, 2**31), size=st.integers(1, 70))
@settings(max_examples=50, deadline=None)
def test_the_sum_tree_is_one(seed, size):
    rng = np.random.default_rng(seed)
    tree = priorities.Priorities(size, 0.5)
    naive = np.zeros(size)
    for _ in range(10):
        places, errors = rng.integers(size, size=4), rng.normal(size=4)
        tree.update(places, errors)
        naive[places] = (np.abs(errors) + 1e-6) ** 0.5
    assert np.array_equal(tree.leaves, naive)
    leaves = len(tree.tree) // 2
    for node in range(1, leaves):
        assert tree.tree[node] == tree.tree[2 * node] + tree.tree[2 * node + 1]
    assert (naive[tree.draw(rng, 50)] > 0).all()


def test_stacks_are_written_into_given_memory():
    buffer, naive = make_filled()
    out, following = np.zeros((8, 4, 3, 3), np.uint8), np.zeros((16, 4, 3, 3), np.uint8)[::2]
    sample = buffer.sample(8, out=out, next_out=following)
    assert sample.observations is out
    assert sample.next_observations is following
    assert_sample(sample, naive, 2)
    read = buffer.read(sample.indices, out=out)
    assert read.observations is out
    assert_sample(read, naive, 2)
    present = np.zeros((1, 4, 3, 3), np.uint8)
    assert buffer.observe([1], out=present) is present
    assert np.array_equal(present[0], naive.last[1])


@pytest.mark.parametrize("preset", ["gymnasium", "sb3", "dopamine"])
def test_planes_of_both_stacks_are_written_once(preset):
    fields = {"screen_size": 20, "max_num_frames_per_episode": 200, "stack_axis": 0}
    env = AtariVectorEnv("breakout", NUM, preset=preset, num_threads=0, **fields)
    buffer, naive = ReplayBuffer.for_env(env, 300, seed=0), NaiveBuffer(NUM)
    play(env, buffer, naive, 150, seed=4)
    both = np.zeros((300, 5, 20, 20), np.uint8)
    sample = buffer.sample(len(buffer), both_out=both[: len(buffer)])
    assert np.shares_memory(sample.observations, sample.next_observations)
    assert_sample(sample, naive, NUM)
    for out, arguments, message in (
        (both[:2], {"out": both[:2, :4]}, "`both_out` must not be given with `out` or `next_out`"),
        (both[:2, :4], {}, r"`both_out` must have shape \(2, 5, 20, 20\), got \(2, 4, 20, 20\)"),
    ):
        with pytest.raises(ValueError, match=message):
            buffer.sample(2, both_out=out, **arguments)
    for arguments in ({"n_step": 2}, {"stack_axis": -1}):
        other = ReplayBuffer.for_env(env, 300, **arguments)
        other.reset(np.zeros((NUM, *other.stack_shape), np.uint8))
        other.add([0] * NUM, np.zeros((NUM, *other.stack_shape), np.uint8), [0] * NUM, [False] * NUM, [False] * NUM)
        with pytest.raises(ValueError, match="`both_out` needs `n_step` 1 and `stack_axis` 0, got"):
            other.sample(1, both_out=both[:1])
    env.close()


def test_samples_are_the_callers_for_ever():
    buffer, naive = make_filled()
    samples = [buffer.sample(8) for _ in range(6)]
    for sample in samples:
        assert_sample(sample, naive, 2)


def test_tensors_are_written_to():
    torch = pytest.importorskip("torch")
    buffer, naive = make_filled()
    out = torch.zeros((8, 4, 3, 3), dtype=torch.uint8)
    sample = buffer.sample(8, out=out)
    assert sample.observations is out
    assert_sample(sample._replace(observations=out.numpy()), naive, 2)


def test_memory_is_what_is_promised():
    buffer = ReplayBuffer(80_000, 8)
    assert buffer.nbytes / buffer.capacity < 1.1 * 7056
    assert buffer.nbytes * 1_000_000 / 80_000 < 8e9


def test_planes_can_be_in_a_file(tmp_path):
    inside, naive = make_filled(folder=tmp_path)
    outside, _ = make_filled()
    assert not list(tmp_path.iterdir())  # it has no name
    sample = inside.sample(30)
    assert_sample(sample, naive, 2)
    assert all(np.array_equal(one, other) for one, other in zip(sample, outside.sample(30), strict=True))


@pytest.mark.parametrize("arguments", [{}, {"priority_exponent": 0.6}, {"n_step": 3, "gamma": 0.9}, {"length": 200}])
def test_what_is_loaded_goes_on_as_what_was_saved(tmp_path, arguments):
    buffer, _ = make_filled(**arguments)
    if "priority_exponent" in arguments:
        sample = buffer.sample(20)
        buffer.update_priorities(sample.indices, np.arange(20))
    path = tmp_path / "replay"
    buffer.save(path)
    assert os.listdir(tmp_path) == ["replay"]
    for folder in (None, tmp_path):
        loaded = ReplayBuffer.load(path, folder=folder)
        original = ReplayBuffer.load(path)
        assert loaded.arguments == buffer.arguments
        rng = np.random.default_rng(0)
        for _ in range(100):
            stacks = rng.integers(256, size=(2, 4, 3, 3)).astype(np.uint8)
            step = rng.integers(4, size=2), stacks, rng.random(2), rng.random(2) < 0.1, [False, False]
            loaded.add(*step), original.add(*step)
            one, other = loaded.sample(16), original.sample(16)
            assert all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))
    assert np.array_equal(ReplayBuffer.load(path).sample(9).observations, buffer.sample(9).observations)


def test_nothing_is_saved_of_what_is_not_there(tmp_path):
    empty = ReplayBuffer(1000, 2, (30, 30))
    empty.save(tmp_path / "empty")
    assert (tmp_path / "empty").stat().st_size < 60_000
    assert len(ReplayBuffer.load(tmp_path / "empty")) == 0


def test_damaged_files_are_refused(tmp_path):
    buffer, _ = make_filled(priority_exponent=0.5)
    path = tmp_path / "replay"
    buffer.save(path)
    data = path.read_bytes()
    rng = np.random.default_rng(0)
    for wrong, message in (
        (b"", "must be a saved replay buffer, which begins with b'FASTREPL', got b''"),
        (b"PK\3\4" + data[4:], "must be a saved replay buffer"),
        (data[:20], "must have at least 24 bytes, got 20: it was cut"),
        (data[:8] + b"\2" + data[9:], "must be of version 1 of the format of replay buffers, got 2"),
        (data[:100], "must have the .* bytes of its state"),
        (data[:-1], "must have .* bytes, got .*: it was cut"),
        (data + b"\0", "must have .* bytes, got .*: it was cut, or added to"),
        (data[:-1] + bytes([data[-1] ^ 1]), "planes are damaged"),
    ):
        path.write_bytes(wrong)
        with pytest.raises(ValueError, match=message):
            ReplayBuffer.load(path)
    for _ in range(200):
        place = int(rng.integers(len(data)))
        path.write_bytes(data[:place] + bytes([data[place] ^ (1 << int(rng.integers(8)))]) + data[place + 1 :])
        with pytest.raises(ValueError, match=r"."):
            ReplayBuffer.load(path)
    with pytest.raises(FileNotFoundError):
        ReplayBuffer.load(tmp_path / "none")


def forge(data, change):
    """Return a file with another state, whose checksums are right."""
    _, version, checksum, size = struct.unpack("<8sIIQ", data[:24])
    values, arrays = unpack(data[24 : 24 + size], files.KIND)
    arrays = {name: array.copy() for name, array in arrays.items()}
    change(values, arrays)
    state = pack(files.KIND, values, arrays)
    return struct.pack("<8sIIQ", files.MAGIC, version, checksum, len(state)) + state + data[24 + size :]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda v, a: a["planes"].__setitem__((0, 3), 10**9), "planes"),
        (lambda v, a: a["planes"].__setitem__((0, 3), -1), "planes"),
        (lambda v, a: a["ages"].__setitem__((1, 3), 9), "planes"),
        (lambda v, a: a["ages"].__setitem__((1, 3), -1), "planes"),
        (lambda v, a: a["counts"].__setitem__(0, 2**62), "counts|the file must have"),
        (lambda v, a: a["counts"].__setitem__(0, -5), "counts|the file must have"),
        (lambda v, a: a["plane_ages"].__setitem__(0, 4), "counts"),
        (lambda v, a: a["totals"].__setitem__(0, -1), "totals"),
        (lambda v, a: a["firsts"].__setitem__(0, 10**6), "totals"),
        (lambda v, a: a["priorities"].__setitem__(0, np.nan), "priorities"),
        (lambda v, a: a["priorities"].__setitem__(0, 0), "priorities"),
        (lambda v, a: v.__setitem__("most", 0.0), "most"),
        (lambda v, a: v["arguments"].__setitem__("num_envs", 2**40), "num_envs"),
        (lambda v, a: v["arguments"].__setitem__("capacity", 2**40), "capacity"),
        (
            lambda v, a: v["arguments"].__setitem__("plane_shape", [2**30, 2**30]),
            "not enough memory|the file must have",
        ),
        (lambda v, a: v["arguments"].__setitem__("folder", "/"), "arguments are of no buffer"),
        (lambda v, a: v["arguments"].__setitem__("dtype", "object"), "`dtype` must be"),
        (lambda v, a: v["arguments"].__setitem__("stack_num", 10**9), "`stack_num` must be from 1 to 255"),
        (lambda v, a: v["arguments"].__setitem__("n_step", 0), "`n_step` must be at least 1"),
        (lambda v, a: v["arguments"].__setitem__("gamma", 10**300), "`gamma` must be from 0 to 1"),
        (lambda v, a: v["arguments"].__setitem__("dtype", "i4,("), "`dtype` must be one of"),
        (lambda v, a: v["arguments"].__setitem__("dtype", ">i2"), "`dtype` must be one of"),
        (lambda v, a: a["priorities"].__setitem__(3, 1e-40), "priorities"),
        (lambda v, a: v.__setitem__("most", 1e308), "most"),
        (lambda v, a: v["arguments"].pop("n_step"), "`n_step`"),
        (lambda v, a: v["generator"].__setitem__("inc", 4), "inc"),
        (lambda v, a: a.pop("actions"), "num_envs"),
    ],
)
def test_made_up_files_are_refused(tmp_path, change, message):
    buffer, _ = make_filled(priority_exponent=0.5)
    path = tmp_path / "replay"
    buffer.save(path)
    path.write_bytes(forge(path.read_bytes(), change))
    with pytest.raises((ValueError, MemoryError), match=message):
        ReplayBuffer.load(path)


def test_a_crash_while_saving_leaves_the_last_good_file(tmp_path, monkeypatch):
    buffer, _ = make_filled()
    path = tmp_path / "replay"
    buffer.save(path)
    before = path.read_bytes()
    buffer.add([0, 0], np.zeros((2, 4, 3, 3), np.uint8), [0, 0], [False] * 2, [False] * 2)

    def crash(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", crash)
        with pytest.raises(KeyboardInterrupt):
            buffer.save(path)
    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == ["replay"]
    # And a process that is killed in the middle.
    program = f"""
import os, signal
from fastatari import ReplayBuffer
buffer = ReplayBuffer.load({str(path)!r})
os.fsync = lambda _: os.kill(os.getpid(), signal.SIGKILL)
buffer.save({str(path)!r})
"""
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == -signal.SIGKILL
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"capacity": 1}, ValueError, "`capacity` must be at least 2, got 1"),
        ({"capacity": 2.5}, TypeError, "`capacity` must be an integer"),
        ({"num_envs": 0}, ValueError, "`num_envs` must be at least 1, got 0"),
        ({"plane_shape": 84}, TypeError, "`plane_shape` must be a tuple of integers, got 84"),
        ({"plane_shape": ()}, ValueError, r"`plane_shape` must have from 1 to 3 axes, got \(\)"),
        ({"plane_shape": (0, 3)}, ValueError, "`plane_shape` must be at least 1, got 0"),
        ({"stack_axis": 1}, ValueError, "`stack_axis` must be one of 0, -1, got 1"),
        ({"padding_type": "none"}, ValueError, "`padding_type` must be one of 'reset', 'zero', got 'none'"),
        ({"dtype": "O"}, TypeError, "`dtype` must be one of bool, .*float64, in native byte order, got 'O'"),
        ({"dtype": ">i2"}, TypeError, "`dtype` must be one of .* got '>i2'"),
        ({"dtype": None}, TypeError, "`dtype` must be one of .* got None"),
        ({"dtype": "i4,("}, TypeError, "`dtype` must be one of .* got 'i4,"),
        ({"stack_num": 256}, ValueError, "`stack_num` must be from 1 to 255, got 256"),
        ({"gamma": 10**400}, ValueError, "`gamma` must be a number that a float can be, got a larger one"),
        ({"action_shape": (10**9, 10**9)}, MemoryError, "not enough memory for a replay buffer of 8 transitions"),
        ({"action_dtype": "U5"}, TypeError, "`action_dtype` must be one of bool"),
        ({"autoreset_mode": "Sometimes"}, ValueError, "autoreset_mode"),
        ({"n_step": 0}, ValueError, "`n_step` must be at least 1, got 0"),
        ({"gamma": 1.5}, ValueError, "`gamma` must be from 0 to 1, got 1.5"),
        ({"priority_exponent": -1}, ValueError, "`priority_exponent` must be finite and not negative, got -1"),
        ({"seed": "x"}, TypeError, "`seed` must be an integer, got 'x'"),
        ({"seed": -1}, ValueError, "`seed` must not be negative, got -1"),
        (
            {"capacity": 10**13},
            MemoryError,
            "not enough memory for a replay buffer of .* transitions: .* bytes are needed",
        ),
        (
            {"capacity": 10**7, "plane_shape": (300, 300), "folder": "/tmp"},
            OSError,
            "not enough room in '/tmp' for the .* bytes are needed, .* are",
        ),
        ({"folder": "/none"}, FileNotFoundError, "/none"),
    ],
)
def test_wrong_arguments_are_refused(arguments, error, message):
    with pytest.raises(error, match=message):
        ReplayBuffer(**{"capacity": 8, "num_envs": 2, "plane_shape": (3, 3), **arguments})


def find_state(buffer):
    """All numbers of a buffer, as bytes."""
    planes = buffer.planes
    arrays = [planes.counts, planes.ages, buffer.is_over, buffer.needs_reset, *buffer.transitions.arrays.values()]
    return [array.tobytes() for array in arrays]


def test_wrong_calls_are_refused_and_change_nothing():
    buffer, _ = make_filled()
    stacks, flags = np.zeros((2, 4, 3, 3), np.uint8), np.zeros(2, bool)
    before = buffer.sample(len(buffer)), buffer.observe()
    state = find_state(buffer)
    buffer.generator = np.random.default_rng(0)

    def add(**changes):
        given = {
            "actions": [0, 0], "observations": stacks, "rewards": [0.0, 0.0], "terminated": flags, "truncated": flags,
        }  # fmt: skip
        buffer.add(**(given | changes))

    for call, error, message in (
        (lambda: add(actions=[0]), ValueError, r"`actions` must have shape \(2,\), got \(1,\)"),
        (lambda: add(actions=[0.5, 0]), TypeError, "`actions` must have dtype int64, got float64"),
        (
            lambda: add(observations=stacks[:1]),
            ValueError,
            r"`observations` must have shape \(2, 4, 3, 3\) or \(2, 3, 3\)",
        ),
        (lambda: add(observations=stacks / 1), TypeError, "`observations` must have dtype uint8, got float64"),
        (lambda: add(rewards=[1e300, 0]), ValueError, "`rewards` must fit into float32, got 0.0 to 1e.300"),
        (
            lambda: add(observations=np.uint8(3)),
            ValueError,
            "`observations` must be observations of 2 environments, got .*3",
        ),
        (lambda: add(rewards="ab"), TypeError, "`rewards` must have dtype float32, got <U2"),
        (lambda: add(terminated=[0, 1]), TypeError, "`terminated` must have dtype bool, got int64"),
        (lambda: add(truncated=flags[:1]), ValueError, r"`truncated` must have shape \(2,\), got \(1,\)"),
        (lambda: add(infos=[]), TypeError, "`infos` must be a dict, got list"),
        (lambda: add(env_id=[0, 0]), ValueError, "`env_id` must name no environment twice"),
        (lambda: add(env_id=[0, 5]), ValueError, "`env_id` must be from 0 to 1, got 5"),
        (lambda: buffer.reset(stacks, env_id=[0]), ValueError, "`observations` must have shape"),
        (lambda: buffer.sample(0), ValueError, "`batch_size` must be at least 1, got 0"),
        (
            lambda: buffer.sample(10**6),
            ValueError,
            "`batch_size` must be at most the .* transitions that there are, got",
        ),
        (lambda: buffer.sample(2, beta=2), ValueError, "`beta` must be from 0 to 1, got 2"),
        (lambda: buffer.sample(2, out=stacks[:1]), ValueError, r"`out` must have shape \(2, 4, 3, 3\)"),
        (lambda: buffer.sample(2, next_out=3), TypeError, "`next_out` must be an array or have `__dlpack__`"),
        (lambda: buffer.read([10**6]), IndexError, "transition 1000000 is not there any more, or was never"),
        (lambda: buffer.read([0]), IndexError, "transition 0 is not there any more"),
        (lambda: buffer.read([-1]), IndexError, "transition -1 is not there"),
        (lambda: buffer.read([0.5]), TypeError, "`indices` must have dtype int64, got float64"),
        (lambda: buffer.update_priorities([100], [1.0]), ValueError, "priorities need a `priority_exponent`"),
    ):
        with pytest.raises(error, match=message):
            call()
    assert find_state(buffer) == state
    assert np.array_equal(buffer.observe(), before[1])
    again = buffer.read(before[0].indices)
    assert all(np.array_equal(a, b) for a, b in zip(again, before[0], strict=True))


def test_calls_that_lack_a_reset_are_refused():
    fresh = ReplayBuffer(8, 1, (2, 2), autoreset_mode="Disabled")
    flag, stack = np.zeros(1, bool), np.zeros((1, 4, 2, 2), np.uint8)
    with pytest.raises(ResetNeeded, match="Cannot add steps of environments that need a reset first: 0"):
        fresh.add([0], stack, [0], flag, flag)
    with pytest.raises(ResetNeeded, match="Cannot observe before what `reset` gave"):
        fresh.observe()
    with pytest.raises(ValueError, match="at most the 0 transitions"):
        fresh.sample(1)
    fresh.reset(stack)
    fresh.add([0], stack, [0], ~flag, flag)
    with pytest.raises(ResetNeeded, match=r"Cannot add steps of environments that need a reset first: 0\. Give what"):
        fresh.add([0], stack, [0], flag, flag)
    fresh.reset(stack)
    fresh.add([0], stack, [0], flag, flag)
    assert len(fresh) == 2
    with pytest.raises(TypeError, match="`infos` must be a dict, got NoneType"):
        ReplayBuffer(8, 1, (2, 2), autoreset_mode="SameStep").add([0], stack, [0], flag, flag)


def test_priorities_refuse_what_is_no_error():
    buffer, _ = make_filled(priority_exponent=0.5)
    sample = buffer.sample(2)
    for errors, error, message in (
        ([np.nan, 0], ValueError, "`errors` must be finite"),
        ([0.0], ValueError, r"`errors` must have shape \(2,\), got \(1,\)"),
        (["a", "b"], TypeError, "`errors` must have dtype float64, got <U1"),
    ):
        with pytest.raises(error, match=message):
            buffer.update_priorities(sample.indices, errors)


def test_environments_that_do_not_fit_are_refused():
    with pytest.raises(TypeError, match="`env` must be an AtariVectorEnv, got AtariEnv"):
        ReplayBuffer.for_env(AtariEnv("breakout"), 100)
    with (
        AtariVectorEnv("breakout", 2) as env,
        pytest.raises(ValueError, match="`stack_num` must be the environment's, 4"),
    ):
        ReplayBuffer.for_env(env, 100, stack_num=2)
    rules = {"stack_num": 1, "preset": "envpool", "life_loss": "continue"}
    with (
        AtariVectorEnv("breakout", 2, **rules) as env,
        pytest.raises(ValueError, match="or where a lost life keeps planes"),
    ):
        ReplayBuffer.for_env(env, 100, stack_num=4)


def interrupt_everywhere(make, call, check):
    """Let an exception come before each line of the package in a call, once each, and check what is left."""
    number = count = 0
    while True:
        thing = make()
        seen = 0

        def trace(frame, event, _, number=number):
            nonlocal seen
            if "fastatari/replay" not in frame.f_code.co_filename:
                return None
            if event == "line":
                seen += 1
                if seen > number:
                    raise KeyboardInterrupt
            return trace

        sys.settrace(trace)
        try:
            call(thing)
            return count
        except KeyboardInterrupt:
            count += 1
        finally:
            sys.settrace(None)
        check(thing)
        number += 1


@pytest.mark.parametrize("mode", ["NextStep", "SameStep"])
def test_an_interrupt_at_any_line_corrupts_nothing(tmp_path, mode):
    arguments = {"priority_exponent": 0.5, "n_step": 2, "length": 12, "steps": 40, "autoreset_mode": mode}
    given = np.random.default_rng(7).integers(256, size=(2, 4, 3, 3)).astype(np.uint8)
    following = np.concatenate([given[:, 1:], given[:, :1]], 1)
    no = np.zeros(2, bool)

    def make():
        buffer, naive = make_filled(**arguments)
        buffer.reset(given)
        naive.begin(0, given[0]), naive.begin(1, given[1])
        return buffer, naive

    def call(pair):
        buffer, _ = pair
        infos = {}
        ends = no
        if mode == "SameStep":
            ends = np.array([True, False])
            finals = np.array([following[0], None], object)
            infos = {"final_obs": finals, "_final_obs": ends}
        buffer.add([1, 2], following, [1.0, 2.0], ends, no, infos)
        buffer.update_priorities([buffer.num_envs * (buffer.transitions.totals[0] - 1)], [3.0])

    def check(pair):
        buffer, naive = pair
        if buffer.transitions.totals[0] > len(naive.rows[0]):  # it came after all of this was done
            naive.add(0, 1, following[0], 1.0, mode == "SameStep", False)
        if buffer.transitions.totals[1] > len(naive.rows[1]):
            naive.add(1, 2, following[1], 2.0, False, False)
        path = tmp_path / "replay"
        buffer.save(path)
        ReplayBuffer.load(path)
        if buffer.needs_reset.any():
            with pytest.raises(ResetNeeded, match="that need a reset first: 0, 1"):
                buffer.add([1, 2], following, [1.0, 2.0], no, no, {})
        buffer.reset(given)
        naive.begin(0, given[0]), naive.begin(1, given[1])
        for _ in range(2):
            buffer.add([1, 2], following, [1.0, 2.0], no, no, {})
            naive.add(0, 1, following[0], 1.0, False, False), naive.add(1, 2, following[1], 2.0, False, False)
            buffer.reset(given)
            naive.begin(0, given[0]), naive.begin(1, given[1])
        held = np.argwhere(buffer.transitions.held)
        tree = buffer.priorities
        assert ((tree.leaves > 0) == buffer.transitions.held.reshape(-1)).all()
        assert tree.tree[1] == pytest.approx(tree.leaves.sum(), rel=1e-12)
        newest = buffer.transitions.totals - 1
        indices = [(newest[e] - (newest[e] - place) % 12) * 2 + e for e, place in held.tolist()]
        assert_sample(buffer.read(indices), naive, 2, n_step=2)

    assert interrupt_everywhere(make, call, check) > 80


def test_copies_have_arrays_of_their_own():
    buffer, naive = make_filled()
    buffer.sample(3), buffer.observe()
    for other in (copy.copy(buffer), copy.deepcopy(buffer), pickle.loads(pickle.dumps(buffer))):
        other.reset(np.full((2, 4, 3, 3), 9, np.uint8))
        other.add([0, 0], np.full((2, 4, 3, 3), 8, np.uint8), [0, 0], [False] * 2, [False] * 2)
        assert len(other) != 0
    assert_sample(buffer.sample(60), naive, 2)


def test_a_fork_does_not_change_planes_in_a_file(tmp_path):
    buffer, naive = make_filled(folder=tmp_path)
    pid = os.fork()
    if not pid:
        try:
            buffer.reset(np.zeros((2, 4, 3, 3), np.uint8))
        except RuntimeError as error:
            os._exit(0 if "cannot be changed in a fork of it" in str(error) else 1)
        os._exit(2)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    assert_sample(buffer.sample(60), naive, 2)


@pytest.mark.parametrize("mode", ["NextStep", "SameStep", "Disabled"])
def test_batches_of_those_that_are_ready_are_followed(mode):
    """`recv` hands out resets too: of the other environments, after every `reset`."""
    fields = {"screen_size": 16, "max_num_frames_per_episode": 120, "num_threads": 2}
    env = AtariVectorEnv("breakout", 4, batch_size=2, autoreset_mode=mode, **fields)
    buffer, naive = ReplayBuffer.for_env(env, 4000, seed=0), NaiveBuffer(4)
    played, over = np.zeros(4, int), [False] * 4
    for round_ in range(2):
        observations, infos = env.reset(seed=round_)
        buffer.reset(observations, infos)
        for row, env_id in enumerate(infos["env_id"].tolist()):
            naive.begin(env_id, observations[row])
            over[env_id] = False
        ids = infos["env_id"]
        for step in range(60):
            actions = np.full(len(ids), step % 4)
            played[ids] = actions
            done = [i for i in ids.tolist() if over[i]]
            if mode == "Disabled" and done:
                again, infos = env.reset(env_id=done)
                buffer.reset(again, infos)
                for row, env_id in enumerate(done):
                    naive.begin(env_id, again[row])
                    over[env_id] = False
            env.send(actions, ids)
            results = env.recv()
            ids = results[-1]["env_id"]
            buffer.add(played[ids], *results)
            infos = results[-1]
            is_reset = infos["_noops"] & ~infos.get("_final_obs", np.zeros(len(ids), bool))
            for row, env_id in enumerate(ids.tolist()):
                if is_reset[row]:
                    naive.begin(env_id, results[0][row])
                    over[env_id] = False
                else:
                    one = [each[row : row + 1] for each in results[:4]]
                    told = {name: infos[name][row : row + 1] for name in ("final_obs", "_final_obs") if name in infos}
                    record(naive, env, mode, (*one, told), played[[env_id]], over, [env_id])
    assert_sample(buffer.sample(len(buffer)), naive, 4)
    assert len(buffer) == sum(map(len, naive.rows)) > 100
    env.close()


def test_environments_that_are_replaced_begin_episodes():
    """As of `RayVectorEnv` with ``on_loss="reset"``: a reset without an end."""
    buffer, naive = make_filled(n_step=3)
    fresh = np.full((2, 4, 3, 3), 7, np.uint8)
    infos = {"_noops": np.array([True, False])}
    if buffer.is_over[1]:
        infos["_noops"][1] = True
    before = buffer.transitions.totals.copy()
    stacks = buffer.observe().copy()
    following = np.concatenate([stacks[:, 1:], fresh[:, :1]], 1)
    buffer.add([3, 3], np.stack([fresh[0], following[1]]), [5, 5], [False] * 2, [False] * 2, infos)
    naive.begin(0, fresh[0])
    if not infos["_noops"][1]:
        naive.add(1, 3, following[1], 5.0, False, False)
    assert (buffer.transitions.totals - before).tolist() == [0, int(not infos["_noops"][1])]
    assert_sample(buffer.sample(60), naive, 2, n_step=3)


def test_masked_resets_leave_the_others_alone():
    with AtariVectorEnv("breakout", NUM, stack_num=1, screen_size=16, num_threads=0) as env:
        twin = AtariVectorEnv("breakout", NUM, screen_size=16, num_threads=0)
        buffer = ReplayBuffer.for_env(env, 300, stack_num=4)
        buffer.reset(*env.reset(seed=0))
        twin.reset(seed=0)
        for _ in range(5):
            buffer.add([1] * NUM, *env.step([1] * NUM))
            twin.step([1] * NUM)
        options = {"reset_mask": np.array([False, True, False])}
        buffer.reset(*env.reset(options=options))
        assert np.array_equal(buffer.observe(), twin.reset(options=options)[0])
        twin.close()


def test_missing_last_observations_are_refused():
    buffer = ReplayBuffer(8, 2, (2, 2), autoreset_mode="SameStep")
    stacks, no = np.zeros((2, 4, 2, 2), np.uint8), np.zeros(2, bool)
    buffer.reset(stacks)
    over = np.array([False, True])
    final = np.array([None, stacks[1]], object)
    for infos, error, message in (
        ({}, ValueError, "`infos` must have the last observation of an episode that is over, .* missing in row 1"),
        ({"final_obs": final, "_final_obs": ~over}, ValueError, "it is missing in row 1"),
        ({"final_obs": final[:1], "_final_obs": over}, ValueError, r"`infos\['final_obs'\]` must have 2 rows, got 1"),
        ({"final_obs": final}, TypeError, r"`infos\['_final_obs'\]` must have dtype bool, got object"),
        (
            {"final_obs": [None, None], "_final_obs": over},
            TypeError,
            r"final_obs'\]\[1\]` must have dtype uint8, got object",
        ),
    ):
        with pytest.raises(error, match=message):
            buffer.add([0, 0], stacks, [0, 0], over, no, infos)
    assert len(buffer) == 0
    buffer.add([0, 0], stacks, [0, 0], over, no, {"final_obs": final, "_final_obs": over})
    assert len(buffer) == 2


def test_priorities_stay_finite_whatever_the_errors():
    buffer, _ = make_filled(priority_exponent=2.0)
    sample = buffer.sample(30)
    buffer.update_priorities(sample.indices, np.geomspace(1e-300, 1e300, 30))
    again = buffer.sample(60)
    assert np.isfinite(again.weights).all()
    assert np.isfinite(buffer.priorities.tree).all()


def test_negative_zeros_are_kept():
    buffer = ReplayBuffer(4, 1, (2,), dtype=np.float32, padding_type="zero")
    stack = np.zeros((1, 4, 2), np.float32)
    stack[0, :2] = -0.0
    buffer.reset(stack)
    assert buffer.observe().tobytes() == stack.tobytes()


def test_a_file_takes_no_room_that_it_does_not_need(tmp_path):
    """Of a made-up one whose planes are missing, nothing is made."""
    buffer, _ = make_filled(length=2000)
    path = tmp_path / "replay"
    buffer.save(path)
    path.write_bytes(forge(path.read_bytes(), lambda v, _: v["arguments"].__setitem__("plane_shape", [300, 300])))
    with pytest.raises(ValueError, match=r"the file must have .* bytes"):
        ReplayBuffer.load(path, folder=tmp_path)
    path.chmod(0o600)
    buffer.save(path)
    assert path.stat().st_mode & 0o777 == 0o600
