"""Measures `ReplayBuffer`: ``python -m benchmarks.replay``, after ``pip install '.[bench,sb3]' torchrl``.

All buffers are given the same steps of 8 environments, and hold the same transitions, which is checked. Sections:

* `transitions`: bytes of a transition, and what adding one takes.
* `samples`: what sampling takes, observations and next ones; and a copy of as many bytes, which is a limit.
* `files`: seconds to save and to load.
* `dqn`: the loop of `examples/dqn.py` on `SB3ReplayBuffer` and on stable-baselines3's: memory and time, each in a
  process of its own; they end with the same weights.
"""

import argparse
import functools
import importlib.util
import json
import math
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np
import torch
from stable_baselines3.common.buffers import ReplayBuffer as SB3Buffer
from stable_baselines3.common.save_util import load_from_pkl, save_to_pkl

from benchmarks import command, timing
from benchmarks.interfaces import AtariVectorEnv, list_roms
from fastatari import ReplayBuffer
from fastatari.adapters.sb3_replay import SB3ReplayBuffer

NUM_ENVS, SEED = 8, 1
OURS, OURS_JOINT, OURS_PRIORITISED = "ReplayBuffer", "ReplayBuffer, both_out", "ReplayBuffer, prioritised"
OURS_SB3, SB3 = "SB3ReplayBuffer", "SB3"
COPY = "a copy of as many bytes"
SB3_OPTIMISED, TORCHRL = "SB3, optimize_memory_usage", "TorchRL"
COUNTS = (32, 256)


class Step(NamedTuple):
    """A step of all environments, in ``SAME_STEP``.

    Attributes:
        observations: before it.
        actions: what was played.
        reached: the observations after it, of episodes that ended too.
        results: what `AtariVectorEnv.step` returned.
    """

    observations: Any
    actions: Any
    reached: Any
    results: tuple[Any, ...]


class Player(Protocol):
    """A buffer."""

    def add(self, step: Step) -> None:
        """Add the transitions of a step."""

    def sample(self, count: int) -> Any:
        """Draw transitions."""

    @property
    def nbytes(self) -> int:
        """How many bytes all arrays take."""

    def save(self, path: Path) -> None:
        """Write all to a file or folder."""

    def load(self, path: Path) -> Any:
        """Read it."""


# What the methods do is said above.
# ruff: noqa: D102


class OursPlayer:
    """`ReplayBuffer`, whose samples are written to tensors; to one for both stacks, with `is_joint`."""

    def __init__(self, env: AtariVectorEnv, capacity: int, is_joint: bool = False, **arguments: Any) -> None:
        self.buffer = ReplayBuffer.for_env(env, capacity, seed=SEED, **arguments)
        self._is_joint = is_joint
        self._outs: dict[int, Any] = {}

    def begin(self, observations: Any) -> None:
        self.buffer.reset(observations)

    def add(self, step: Step) -> None:
        self.buffer.add(step.actions, *step.results)

    def sample(self, count: int) -> Any:
        stack_num, *plane_shape = self.buffer.stack_shape
        if count not in self._outs:
            shape = (count, stack_num + 1, *plane_shape) if self._is_joint else (2, count, *self.buffer.stack_shape)
            self._outs[count] = torch.empty(shape, dtype=torch.uint8)
        outs = self._outs[count]
        if self._is_joint:
            return self.buffer.sample(count, both_out=outs)
        return self.buffer.sample(count, out=outs[0], next_out=outs[1])

    @property
    def nbytes(self) -> int:
        return self.buffer.nbytes

    def save(self, path: Path) -> None:
        self.buffer.save(path)

    def load(self, path: Path) -> Any:
        return ReplayBuffer.load(path)


class SB3Player:
    """stable-baselines3's buffer, or one with its interface."""

    def __init__(self, kind: Any, env: AtariVectorEnv, capacity: int, **arguments: Any) -> None:
        spaces = env.single_observation_space, env.single_action_space
        self.buffer = kind(capacity, *spaces, "cpu", NUM_ENVS, **arguments)

    def add(self, step: Step) -> None:
        _, rewards, terminated, truncated, _ = step.results
        infos = [{"TimeLimit.truncated": bool(flag)} for flag in truncated]
        self.buffer.add(step.observations, step.reached, step.actions, rewards, terminated | truncated, infos)

    def sample(self, count: int) -> Any:
        return self.buffer.sample(count)

    @property
    def nbytes(self) -> int:
        if isinstance(self.buffer, SB3ReplayBuffer):
            return self.buffer.buffer.nbytes
        return sum(each.nbytes for each in vars(self.buffer).values() if isinstance(each, np.ndarray))

    def save(self, path: Path) -> None:
        save_to_pkl(path, self.buffer)

    def load(self, path: Path) -> Any:
        return load_from_pkl(path)


class TorchRLPlayer:
    """TorchRL's `LazyTensorStorage`."""

    def __init__(self, capacity: int) -> None:
        from torchrl.data import LazyTensorStorage, TensorDictReplayBuffer  # noqa: PLC0415 - it may be missing

        self._make = lambda: TensorDictReplayBuffer(storage=LazyTensorStorage(capacity))
        self.buffer = self._make()

    def add(self, step: Step) -> None:
        from tensordict import TensorDict  # noqa: PLC0415 - as above

        _, rewards, terminated, truncated, _ = step.results
        following = {
            "observation": torch.from_numpy(step.reached),
            "reward": torch.from_numpy(rewards.astype(np.float32)),
            "terminated": torch.from_numpy(terminated),
            "truncated": torch.from_numpy(truncated),
        }
        fields = {
            "observation": torch.from_numpy(step.observations),
            "action": torch.from_numpy(step.actions),
            "next": TensorDict(following, [NUM_ENVS]),
        }
        self.buffer.extend(TensorDict(fields, [NUM_ENVS]))

    def sample(self, count: int) -> Any:
        return self.buffer.sample(count)

    @property
    def nbytes(self) -> int:
        storage = self.buffer[:]
        return sum(each.numel() * each.element_size() for each in storage.values(True, True) if torch.is_tensor(each))

    def save(self, path: Path) -> None:
        self.buffer.dumps(path)

    def load(self, path: Path) -> Any:
        buffer = self._make()
        buffer.loads(path)
        return buffer


class Cost(NamedTuple):
    """What a buffer takes.

    Attributes:
        name: which buffer.
        what: of what.
        values: in each round.
    """

    name: str
    what: str
    values: list[float]


def main() -> None:
    """Measure, and print and save what came out."""
    sections = "transitions", "samples", "files", "dqn"
    parser = command.make_parser(__doc__, sections, rounds=30, steps=20_000, steps_help="transitions in each buffer")
    parser.add_argument("--game", default="breakout", choices=list_roms(), metavar="GAME")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    with AtariVectorEnv(arguments.game, NUM_ENVS, **_RULES) as env:
        players = make_players(env, arguments.steps)
        adds: list[Cost] = []
        if set(arguments.sections) & set(sections[:3]):
            adds = fill(env, players, arguments.steps // NUM_ENVS)
            check(players, arguments.steps // NUM_ENVS)
        measures: dict[str, Callable[[], list[Cost]]] = {
            "transitions": functools.partial(print_transitions, players, adds, arguments.steps),
            "samples": functools.partial(measure_samples, players, arguments.rounds),
            "files": functools.partial(measure_files, players),
            "dqn": functools.partial(measure_dqn, arguments),
        }
        command.run(arguments, measures)


_RULES: dict[str, Any] = {"preset": "sb3", "stack_axis": 0, "autoreset_mode": "SameStep"}


def make_players(env: AtariVectorEnv, capacity: int) -> dict[str, Any]:
    """Return empty buffers; of TorchRL only if it is installed."""
    players: dict[str, Any] = {
        OURS: OursPlayer(env, capacity),
        OURS_JOINT: OursPlayer(env, capacity, is_joint=True),
        OURS_PRIORITISED: OursPlayer(env, capacity, priority_exponent=0.6),
        OURS_SB3: SB3Player(SB3ReplayBuffer, env, capacity),
        SB3: SB3Player(SB3Buffer, env, capacity),
        SB3_OPTIMISED: SB3Player(
            SB3Buffer, env, capacity, optimize_memory_usage=True, handle_timeout_termination=False
        ),
    }
    if importlib.util.find_spec("torchrl"):
        players[TORCHRL] = TorchRLPlayer(capacity)
    return players


def play(env: AtariVectorEnv, steps: int) -> Iterator[Step]:
    """Play at random."""
    rng = np.random.default_rng(SEED)
    observations, _ = env.reset(seed=SEED)
    yield Step(None, None, observations, ())
    for _ in range(steps):
        actions = rng.integers(env.single_action_space.n, size=NUM_ENVS)
        results = env.step(actions)
        reached, infos = results[0], results[-1]
        if "final_obs" in infos:
            reached = reached.copy()
            for i in np.flatnonzero(infos["_final_obs"]):
                reached[i] = infos["final_obs"][i]
        yield Step(observations, actions, reached, results)
        observations = results[0]


def fill(env: AtariVectorEnv, players: dict[str, Any], steps: int) -> list[Cost]:
    """Give all buffers the same steps; return the microseconds of a transition in each step."""
    times: dict[str, list[float]] = {name: [] for name in players}
    stream = play(env, steps)
    first = next(stream)
    for player in players.values():
        if isinstance(player, OursPlayer):
            player.begin(first.reached)
    for turn, step in enumerate(stream):
        for name in timing.rotate(tuple(players), turn):
            begin = time.perf_counter()
            players[name].add(step)
            times[name].append(1e6 * (time.perf_counter() - begin) / NUM_ENVS)
    return [Cost(name, "add", each) for name, each in times.items()]


def check(players: dict[str, Any], steps: int) -> None:
    """Check that all buffers hold the same."""
    theirs, optimised = players[SB3].buffer, players[SB3_OPTIMISED].buffer
    for begin in range(0, steps, 100):
        numbers = np.arange(begin, min(begin + 100, steps))
        indices = (numbers[:, None] * NUM_ENVS + np.arange(NUM_ENVS)).reshape(-1)
        for name in (OURS, OURS_PRIORITISED):
            mine = players[name].buffer.read(indices)
            for own, other in (
                (mine.observations, theirs.observations),
                (mine.next_observations, theirs.next_observations),
                (mine.rewards, theirs.rewards),
                (mine.actions, theirs.actions[..., 0]),
                (mine.terminated | mine.truncated, theirs.dones),
            ):
                assert np.array_equal(own, other[numbers].reshape(own.shape)), "the buffers differ"
        # Over the first one it has written what follows the last one.
        kept = slice(NUM_ENVS * (not begin), None)
        rows = optimised.observations[numbers].reshape(mine.observations.shape)
        assert np.array_equal(mine.observations[kept], rows[kept]), "the buffers differ"
        if TORCHRL in players:
            rows = players[TORCHRL].buffer[torch.from_numpy(indices)]
            assert np.array_equal(rows["observation"], mine.observations), "the buffers differ"
            assert np.array_equal(rows["next", "observation"], mine.next_observations), "the buffers differ"
    samples = []
    for name in (OURS_SB3, SB3):
        np.random.seed(SEED)  # noqa: NPY002 - stable-baselines3's generator
        samples.append(players[name].sample(256))
    assert all(torch.equal(own, other) for own, other in zip(*(sample[:5] for sample in samples), strict=True))


def print_transitions(players: dict[str, Any], adds: list[Cost], capacity: int) -> list[Cost]:
    """Print bytes and times of a transition."""
    timing.print_head(
        f"Transitions of {NUM_ENVS} environments",
        *("buffer", "bytes of one", "planes of 7,056 bytes", "microseconds to add one", "of SB3's"),
    )
    theirs = next(cost.values for cost in adds if cost.name == SB3)
    results = []
    for cost in adds:
        size = players[cost.name].nbytes / capacity
        cells = f"{size:,.0f}", f"{size / 7056:.2f}", timing.write_median(cost.values)
        timing.print_row(cost.name, *cells, f"{np.median(cost.values) / np.median(theirs):.2f}")
        results += [Cost(cost.name, "bytes", [size]), cost]
    return results


def measure_samples(players: dict[str, Any], rounds: int) -> list[Cost]:
    """Measure samples in turn; print their milliseconds, and how many times as fast ours are."""
    timing.print_head(
        "Samples, observations and next ones",
        *("buffer", "transitions", "milliseconds", "a second", "SB3 / this"),
    )
    results = []
    for count in COUNTS:

        def time_samples(name: str, count: int = count) -> float:
            begin = time.perf_counter()
            for _ in range(_SAMPLES):
                players[name].sample(count)
            return 1e3 * (time.perf_counter() - begin) / _SAMPLES

        size = 2 * count * math.prod(players[OURS].buffer.stack_shape)
        source, target = np.zeros(size, np.uint8), np.zeros(size, np.uint8)

        def time_copy(source: Any = source, target: Any = target) -> float:
            begin = time.perf_counter()
            for _ in range(_SAMPLES):
                np.copyto(target, source)
            return 1e3 * (time.perf_counter() - begin) / _SAMPLES

        plays = {name: functools.partial(time_samples, name) for name in players} | {COPY: time_copy}
        times = timing.play_rounds(plays, rounds)
        for name, values in times.items():
            median = float(np.median(values))
            ratio = timing.write_spread(timing.divide(times[SB3], values))
            timing.print_row(name, str(count), f"{median:.2f}", f"{1e3 / median:,.0f}", ratio)
            results.append(Cost(name, f"sample of {count}", values))
    return results


_SAMPLES = 5


def measure_files(players: dict[str, Any]) -> list[Cost]:
    """Measure saving and loading, once after a first time."""
    timing.print_head("Files", "buffer", "megabytes", "seconds to save", "seconds to load")
    results = []
    for name, player in players.items():
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "replay.pkl"
            times: dict[str, list[float]] = {"save": [], "load": []}
            for _ in range(3):
                for what, call in (("save", player.save), ("load", player.load)):
                    begin = time.perf_counter()
                    call(path)
                    times[what].append(time.perf_counter() - begin)
            size = sum(each.stat().st_size for each in Path(folder).rglob("*") if each.is_file())
        timing.print_row(name, f"{size / 1e6:,.0f}", *(timing.write_median(each, 2) for each in times.values()))
        results += [Cost(name, what, each) for what, each in times.items()]
    return results


def measure_dqn(arguments: argparse.Namespace) -> list[Cost]:
    """Measure the loop of the example in processes, in turn; print its memory and time."""
    capacity = int(2.5 * arguments.steps)
    timing.print_head(
        f"The loop of `examples/dqn.py`, {capacity:,} transitions until the buffer is full",
        *("buffer", "megabytes at most", "seconds", "memory, of SB3's", "SB3 / this, seconds"),
    )
    costs: dict[str, dict[str, list[float]]] = {name: {"memory": [], "seconds": []} for name in (OURS_SB3, SB3)}
    for turn in range(_PROCESS_ROUNDS):
        digests = set()
        for name in timing.rotate(tuple(costs), turn):
            program = [sys.executable, "-m", "benchmarks.replay_loop", name, arguments.game, str(capacity)]
            output = subprocess.run(program, check=True, stdout=subprocess.PIPE, env={**os.environ}).stdout
            result = json.loads(output.splitlines()[-1])
            digests.add(result.pop("digest"))
            for what, values in costs[name].items():
                values.append(result[what])
        assert len(digests) == 1, "the weights differ"
    for name, cost in costs.items():
        share = np.median(cost["memory"]) / np.median(costs[SB3]["memory"])
        ratio = timing.write_spread(timing.divide(costs[SB3]["seconds"], cost["seconds"]))
        cells = f"{np.median(cost['memory']) / 1e6:,.0f}", timing.write_median(cost["seconds"])
        timing.print_row(name, *cells, f"{share:.2f}", ratio)
    return [Cost(name, what, values) for name, cost in costs.items() for what, values in cost.items()]


_PROCESS_ROUNDS = 3


if __name__ == "__main__":
    main()
