"""`ReplayBuffer` beside a plain buffer of whole stacks, sample for sample."""

import dataclasses
import os
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
        self.has_begun_since = [True] * num_envs

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
            observations, _ = env.reset(env_id=over)
            buffer.reset(observations, over)
            for row, env_id in enumerate(over.tolist()):
                naive.begin(env_id, observations[row])
                was_over[env_id] = False
        if step % 37 == 36:  # in the middle of an episode
            observations, _ = env.reset(env_id=[1], options={"new_game": True})
            buffer.reset(observations, [1])
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
        ends = (rng.random(2) < 0.05) & ~is_over
        actions, rewards = rng.integers(4, size=2), rng.random(2).astype(np.float32)
        buffer.add(actions, stacks, rewards, ends, np.zeros(2, bool))
        for env_id in range(2):
            if is_over[env_id]:
                naive.begin(env_id, stacks[env_id])
            else:
                naive.add(env_id, actions[env_id], stacks[env_id], rewards[env_id], ends[env_id], False)
        is_over = ends
    return buffer, naive


def test_uniform_sampling_draws_every_transition_as_often():
    buffer, _ = make_filled()
    buffer.reset(np.zeros((1, 4, 3, 3), np.uint8), [0])
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
    assert tree.leaves.max() == 8 or tree.most == 8
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
        (lambda v, a: a["counts"].__setitem__(0, 2**62), "counts"),
        (lambda v, a: a["counts"].__setitem__(0, -5), "counts"),
        (lambda v, a: a["plane_ages"].__setitem__(0, 4), "counts"),
        (lambda v, a: a["totals"].__setitem__(0, -1), "totals"),
        (lambda v, a: a["firsts"].__setitem__(0, 10**6), "totals"),
        (lambda v, a: a["priorities"].__setitem__(0, np.nan), "priorities"),
        (lambda v, a: a["priorities"].__setitem__(0, 0), "priorities"),
        (lambda v, a: v.__setitem__("most", 0.0), "priorities"),
        (lambda v, a: v["arguments"].__setitem__("num_envs", 2**40), "num_envs"),
        (lambda v, a: v["arguments"].__setitem__("capacity", 2**40), "capacity"),
        (
            lambda v, a: v["arguments"].__setitem__("plane_shape", [2**30, 2**30]),
            "not enough memory|the file must have",
        ),
        (lambda v, a: v["arguments"].__setitem__("folder", "/"), "arguments are of no buffer"),
        (lambda v, a: v["arguments"].__setitem__("dtype", "object"), "`dtype` must be"),
        (lambda v, a: v["arguments"].__setitem__("stack_num", 10**9), "stack_num|not enough memory|the file must have"),
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
        ({"dtype": "O"}, TypeError, "`dtype` must be a dtype of booleans, integers or floats, .*, got object"),
        ({"action_dtype": "U5"}, TypeError, "`action_dtype` must be a dtype of booleans"),
        ({"autoreset_mode": "Sometimes"}, ValueError, "autoreset_mode"),
        ({"n_step": 0}, ValueError, "`n_step` must be at least 1, got 0"),
        ({"gamma": 1.5}, ValueError, "`gamma` must be from 0 to 1, got 1.5"),
        ({"priority_exponent": -1}, ValueError, "`priority_exponent` must be finite and not negative, got -1"),
        ({"seed": "x"}, TypeError, "`seed` must be an integer, got 'x'"),
        ({"seed": -1}, ValueError, "`seed` must not be negative, got -1"),
        (
            {"capacity": 10**13},
            MemoryError,
            "not enough memory for the .* planes of a replay buffer: .* bytes are needed",
        ),
        (
            {"capacity": 10**13, "folder": "/tmp"},
            OSError,
            "not enough room in '/tmp' for the .* bytes are needed, .* are",
        ),
        ({"folder": "/none"}, FileNotFoundError, "/none"),
    ],
)
def test_wrong_arguments_are_refused(arguments, error, message):
    with pytest.raises(error, match=message):
        ReplayBuffer(**{"capacity": 8, "num_envs": 2, "plane_shape": (3, 3), **arguments})


def test_wrong_calls_are_refused_and_change_nothing():
    buffer, _ = make_filled()
    stacks, flags = np.zeros((2, 4, 3, 3), np.uint8), np.zeros(2, bool)
    before = buffer.sample(len(buffer)), buffer.observe()
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
        (lambda: add(rewards="ab"), TypeError, "`rewards` must have dtype float32, got <U2"),
        (lambda: add(terminated=[0, 1]), TypeError, "`terminated` must have dtype bool, got int64"),
        (lambda: add(truncated=flags[:1]), ValueError, r"`truncated` must have shape \(2,\), got \(1,\)"),
        (lambda: add(infos=[]), TypeError, "`infos` must be a dict, got list"),
        (lambda: add(env_id=[0, 0]), ValueError, "`env_id` must name no environment twice"),
        (lambda: add(env_id=[0, 5]), ValueError, "`env_id` must be from 0 to 1, got 5"),
        (lambda: buffer.reset(stacks, [0]), ValueError, "`observations` must have shape"),
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
    assert np.array_equal(buffer.observe(), before[1])
    again = buffer.read(before[0].indices)
    assert all(np.array_equal(a, b) for a, b in zip(again, before[0], strict=True))


def test_calls_that_lack_a_reset_are_refused():
    fresh = ReplayBuffer(8, 1, (2, 2), autoreset_mode="Disabled")
    flag, stack = np.zeros(1, bool), np.zeros((1, 4, 2, 2), np.uint8)
    with pytest.raises(ResetNeeded, match="Cannot add steps before what `reset` gave"):
        fresh.add([0], stack, [0], flag, flag)
    with pytest.raises(ResetNeeded, match="Cannot observe before what `reset` gave"):
        fresh.observe()
    with pytest.raises(ValueError, match="at most the 0 transitions"):
        fresh.sample(1)
    fresh.reset(stack)
    fresh.add([0], stack, [0], ~flag, flag)
    with pytest.raises(ResetNeeded, match=r"Cannot add steps of environments whose episode is over: 0\. Give what"):
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
