"""Vector environments that play the same rounds in turn: `AtariVectorEnv` and that of another package.

Before the rounds they are checked to be equal, every pixel, reward and end of every environment; and once all rounds
are over, their last observations have to be equal, too.
"""

import functools
import hashlib
import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from benchmarks import timing
from benchmarks.interfaces import AtariEnv
from benchmarks.other_packages import OURS, Batch, OtherPackage, Player

# How many actions each environment has; they are repeated.
_ACTION_ROWS = 997

# How many steps are compared, of all environments together; but `_LEAST_CHECKED` of each at least.
_CHECKED, _LEAST_CHECKED = 800, 10

# How many batches a round has at least.
_LEAST_BATCHES = 4


class Sides(NamedTuple):
    """Two kinds of environments that are compared, as `OtherPackage` is one with `AtariVectorEnv`.

    Attributes:
        name: what the other side is called.
        make: makes the other side, of a ROM's id, the number of environments, and how many are in a batch.
        make_ours: makes what it is compared with.
    """

    name: str
    make: Callable[[str, int, int], Player]
    make_ours: Callable[[str, int, int], Player]


class Race(NamedTuple):
    """What was measured of one game and number of environments.

    Attributes:
        game: the ROM's id.
        num_envs: how many environments there are.
        batch_size: how many are in a batch.
        policy: the seconds between two batches, in which the caller sleeps.
        package: whose vector environment fastatari's was compared with.
        ours: the microseconds of a step of one environment in each round, with its share of the policy's time.
        theirs: the same, of the other package.
        our_waits: the microseconds of a batch in which the caller waited for it, on average over each round.
        their_waits: the same, of the other package.
    """

    game: str
    num_envs: int
    batch_size: int
    policy: float
    package: str
    ours: list[float]
    theirs: list[float]
    our_waits: list[float]
    their_waits: list[float]

    @property
    def ratios(self) -> list[float]:
        """How many times as fast as the other package fastatari is, in each round."""
        return timing.divide(self.theirs, self.ours)


class Runner:
    """Environments that have begun, and the actions that they get.

    Args:
        player: what plays.
        num_envs: how many environments it has.
        actions: int32[k, n], the actions of each environment, over and over.

    Attributes:
        batch: the last batch.
        counts: int64[n], how many actions each environment was sent.
        waits: the microseconds of a batch in which the caller waited for it, on average over each round.
    """

    def __init__(self, player: Player, num_envs: int, actions: npt.NDArray[np.int32]) -> None:
        self._player, self._actions = player, actions
        self.counts = np.zeros(num_envs, np.int64)
        self.waits: list[float] = []
        self.batch = player.begin()
        self._is_whole = len(self.batch.env_ids) == num_envs
        self.close = player.close

    def step(self) -> Batch:
        """Step the environments of the last batch."""
        if self._is_whole:
            actions = self._actions[self.counts[0] % len(self._actions)]
            self.counts += 1
        else:
            env_ids = self.batch.env_ids
            actions = self._actions[self.counts[env_ids] % len(self._actions), env_ids]
            self.counts[env_ids] += 1
        self.batch = self._player.step(actions)
        return self.batch

    def play(self, steps: int, policy: float) -> float:
        """Play a round; return the microseconds of a step of one environment, with its share of the policy's time.

        The first batch does not count, because some of it was played before, while the other package had its turn.
        """
        size = len(self.batch.env_ids)
        batches = max(_LEAST_BATCHES, steps // size)
        self.step()
        waited = 0.0
        begin = time.perf_counter()
        for _ in range(batches):
            if policy:
                time.sleep(policy)
            asked = time.perf_counter()
            self.step()
            waited += time.perf_counter() - asked
        self.waits.append(1e6 * waited / batches)
        return 1e6 * (time.perf_counter() - begin) / (batches * size)


def race(
    game: str,
    num_envs: int,
    package: OtherPackage | Sides,
    *,
    rounds: int,
    steps: int,
    batch_size: int,
    policy: float = 0.0,
) -> Race:
    """Let both play the same rounds in turn.

    Args:
        game: the ROM's id.
        num_envs: how many environments each has.
        package: the other one.
        rounds: how many rounds count.
        steps: how many steps a round has, summed over the environments.
        batch_size: how many environments are in a batch.
        policy: the seconds for which the caller sleeps before each batch.

    Raises:
        AssertionError: the two differ.
    """
    actions = draw_actions(game, num_envs)
    runners: dict[str, Runner] = {}
    try:
        # The other package first, because it may fork, and that is done best before there are threads.
        for name, make in ((package.name, package.make), (OURS, package.make_ours)):
            runners[name] = Runner(make(game, num_envs, batch_size), num_envs, actions)
        theirs, ours = runners.values()
        check_equal(package.name, ours, theirs, num_envs)
        players = {name: functools.partial(runner.play, steps, policy) for name, runner in runners.items()}
        times = timing.play_rounds(players, rounds)
        if batch_size == num_envs:
            assert np.array_equal(ours.batch.observations, theirs.batch.observations), "the last observations differ"
            assert np.array_equal(ours.batch.is_over, theirs.batch.is_over), "the last ends differ"
    finally:
        for runner in runners.values():
            runner.close()
    waits = (runner.waits[1:] for runner in (ours, theirs))  # the first round does not count
    return Race(game, num_envs, batch_size, policy, package.name, times[OURS], times[package.name], *waits)


def check_equal(name: str, ours: Runner, theirs: Runner, num_envs: int) -> None:
    """Check that two return the same, each environment by itself.

    Raises:
        AssertionError: they differ.
    """
    least = max(_LEAST_CHECKED, _CHECKED // num_envs)
    seen = [_record(runner, least, num_envs) for runner in (ours, theirs)]
    for env_id, pair in enumerate(zip(*seen, strict=True)):
        for step, (our_result, their_result) in enumerate(zip(*pair, strict=True)):
            where = f"{name} and fastatari differ in environment {env_id} after {step} steps"
            assert our_result == their_result, where


def _record(runner: Runner, least: int, num_envs: int) -> list[list[Any]]:
    """Play until each environment returned some results, and return a digest of these."""
    results: list[list[Any]] = [[] for _ in range(num_envs)]
    while True:
        batch = runner.batch
        for row, env_id in enumerate(batch.env_ids.tolist()):
            digest = hashlib.sha256(batch.observations[row].tobytes()).digest()
            results[env_id].append((digest, float(batch.rewards[row]), bool(batch.is_over[row])))
        if min(map(len, results)) >= least:
            return [each[:least] for each in results]
        runner.step()


def draw_actions(game: str, num_envs: int) -> npt.NDArray[np.int32]:
    """Return random actions, int32[k, n]."""
    number = count_actions(game)
    return np.random.default_rng(0).integers(number, size=(_ACTION_ROWS, num_envs)).astype(np.int32)


@functools.cache
def count_actions(game: str) -> int:
    """Return how many actions a game has."""
    meanings: Sequence[str] = AtariEnv(game).get_action_meanings()
    return len(meanings)
