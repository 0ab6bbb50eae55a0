"""Vector environments that play the same rounds in turn, and have to give the same; and what became of the cores' time.

Before the rounds, each pair plays until it is sure to be equal, every pixel, reward and end of every environment; and
when all rounds are over, its last observations have to be equal, too.
"""

import contextlib
import hashlib
import itertools
import multiprocessing
import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple
from unittest import mock

import contenders
import numpy as np
import numpy.typing as npt
import tables
from breakdown import ACT_ALONE, OURS
from crews import ActOnly
from rivals import ALE, RIVALS, ActAlone, Batch, Player, Rival

import fastatari.crew

# fastatari's pool with environments that only act: between it and act alone are messages, and waits for the last.
POOLED = f"{ACT_ALONE}, in step"

# So many actions of each environment, over and over.
_ACTION_ROWS = 997
_CHECKED_STEPS = 800  # of all environments together, but some of each


class Race(NamedTuple):
    """What was measured of some environments.

    Attributes:
        game: the ROM.
        num: how many there are.
        batch_size: how many are in a batch.
        policy: the seconds between two batches.
        times: the microseconds of a step of one environment in each round; fastatari's by the rules of a rival are
            under its name and `OURS`.
    """

    game: str
    num: int
    batch_size: int
    policy: float
    times: dict[str, list[float]]

    def rate(self, name: str) -> float:
        """Return the steps a second, summed over the environments."""
        return 1e6 / float(np.median(self.times[name]))

    def ratios(self, name: str) -> list[float]:
        """Return how many times as fast as ale-py's act alone something is, in each round."""
        return tables.divide(self.times[ACT_ALONE], self.times[name])

    def gains(self, rival: str) -> list[float]:
        """Return how many times as fast as a rival fastatari is, in each round."""
        return tables.divide(self.times[rival], self.times[name_ours(rival)])


def name_ours(rival: str) -> str:
    """Return what fastatari is called that plays by a rival's rules."""
    return f"{OURS}, {rival}"


class Contender:
    """Environments that have begun, and the actions that they get.

    Args:
        player: what plays.
        num: how many environments it has.
        actions: int32[k, n], the actions of each, over and over.
    """

    def __init__(self, player: Player, num: int, actions: npt.NDArray[np.int32]) -> None:
        self._player, self._actions = player, actions
        self._counts = np.zeros(num, np.int64)
        self._rows = itertools.cycle(actions)
        self.batch = player.begin()
        self._is_whole = len(self.batch.indices) == num
        self.close = player.close

    def step(self) -> Batch:
        """Play a step of those of the last batch."""
        if self._is_whole:
            actions = next(self._rows)
        else:
            indices = self.batch.indices
            actions = self._actions[self._counts[indices] % len(self._actions), indices]
            self._counts[indices] += 1
        self.batch = self._player.step(actions)
        return self.batch

    def play(self, steps: int, policy: float) -> float:
        """Play; return the microseconds of a step of one environment.

        The first step does not count: parts of a batch were played before, while others had their turn.
        """
        size = len(self.batch.indices)
        calls = max(4, steps // size)
        self.step()
        begin = time.perf_counter()
        for _ in range(calls):
            if policy:
                time.sleep(policy)
            self.step()
        return 1e6 * (time.perf_counter() - begin) / (calls * size)


class ActAloneContender:
    """ale-py's act alone, as a contender."""

    def __init__(self, act_alone: ActAlone, num: int, actions: npt.NDArray[np.int32]) -> None:
        self._act_alone, self._num, self._actions = act_alone, num, actions
        self.close = act_alone.close

    def play(self, steps: int, _: float) -> float:
        """Play; return the microseconds of a step of one environment."""
        calls = max(4, steps // self._num)
        self._actions = np.roll(self._actions, calls + 1, 0)
        return 1e6 * self._act_alone.play(self._actions[: calls + 1]) / (calls * self._num)


class _Pooled:
    """fastatari's pool with environments that only call ale-py's ``act``."""

    def __init__(self, game: str, num: int) -> None:
        with mock.patch.object(fastatari.crew, "Engine", ActOnly):
            self._player = RIVALS[ALE].make_ours(game, num, num)
        self.begin, self.step, self.close = self._player.begin, self._player.step, self._player.close


def check(rival: Rival, ours: Contender, theirs: Contender, num: int) -> None:
    """Check that two give the same, each environment by itself."""
    least = max(10, _CHECKED_STEPS // num)
    seen = []
    for contender in (ours, theirs):
        digests: list[list[Any]] = [[] for _ in range(num)]
        while min(map(len, digests)) < least:
            for row, index in enumerate(contender.batch.indices.tolist()):
                observation, is_over = contender.batch.observations[row], bool(contender.batch.is_over[row])
                is_free = rival.differs_at_end and is_over
                digest = None if is_free else hashlib.sha256(np.ascontiguousarray(observation)).digest()
                digests[index].append((digest, float(contender.batch.rewards[row]), is_over))
            contender.step()
        seen.append([each[:least] for each in digests])
    assert seen[0] == seen[1], f"{rival.name} and fastatari differ"


def race(
    game: str,
    num: int,
    rivals: Sequence[Rival],
    *,
    rounds: int,
    steps: int,
    batch_size: int | None = None,
    policy: float = 0.0,
) -> Race:
    """Let all play the same rounds in turn, another one first each time."""
    size = num if batch_size is None else batch_size
    actions = _draw_actions(game, num)
    players: dict[str, Any] = {}
    try:
        if not policy:
            players[ACT_ALONE] = ActAloneContender(ActAlone(game, num), num, actions)
            if size == num:
                players[POOLED] = Contender(_Pooled(game, num), num, actions)
        for rival in rivals:
            players[name_ours(rival.name)] = Contender(rival.make_ours(game, num, size), num, actions)
            players[rival.name] = Contender(rival.make(game, num, size), num, actions)
            check(rival, players[name_ours(rival.name)], players[rival.name], num)
        result = Race(game, num, size, policy, {name: [] for name in players})
        for turn in range(rounds + 1):
            for name in contenders.rotate(tuple(players), turn):
                microseconds = players[name].play(steps, policy)
                if turn:  # the first warms up
                    result.times[name].append(microseconds)
        for rival in rivals if size == num else ():
            ours, theirs = (players[name].batch for name in (name_ours(rival.name), rival.name))
            rows = ~theirs.is_over if rival.differs_at_end else slice(None)
            assert np.array_equal(ours.observations[rows], theirs.observations[rows])
            assert np.array_equal(ours.is_over, theirs.is_over)
    finally:
        for player in players.values():
            player.close()
    return result


class Account(NamedTuple):
    """What became of the cores' time, in microseconds of a core for a step of one environment, in each round.

    Attributes:
        num: how many environments there are.
        batch_size: how many are in a batch.
        total: the time of all cores that passed.
        caller: what the process took that asks; if it plays a share itself, 0, and that is among `work`.
        work: what all others took; also to wait awake.
        idle: what nobody took.
        act_alone: what processes took that only called ale-py's ``act`` for the same, soon before or after.
    """

    num: int
    batch_size: int
    total: list[float]
    caller: list[float]
    work: list[float]
    idle: list[float]
    act_alone: list[float]


def account(game: str, num: int, batch_size: int, rounds: int, steps: int) -> Account:
    """Find out what becomes of the cores' time while fastatari plays."""
    cores = len(os.sched_getaffinity(0))
    result = Account(num, batch_size, [], [], [], [], [])
    actions = _draw_actions(game, num)
    calls = max(4, steps // batch_size)
    with contextlib.ExitStack() as stack:
        racers = []
        for make in (
            lambda: Contender(RIVALS[ALE].make_ours(game, num, batch_size), num, actions),
            lambda: ActAloneContender(ActAlone(game, num), num, actions),
        ):
            before = set(multiprocessing.active_children())
            contender: Any = stack.enter_context(contextlib.closing(make()))
            racers.append((contender, [child.pid for child in set(multiprocessing.active_children()) - before]))
        (ours, workers), (act_alone, actors) = racers
        # `play` plays a step more than it measures; here all count, but what workers had done before.
        step_num = (calls + 1) * batch_size - (num - batch_size)
        acted_num = (max(4, calls * batch_size // num) + 1) * num
        for turn in range(rounds + 1):
            spent = {}
            for contender, pids in contenders.rotate(((ours, [os.getpid(), *workers]), (act_alone, actors)), turn):
                earlier, begin = _read_times(pids), time.perf_counter()
                contender.play(calls * batch_size, 0.0)
                passed = time.perf_counter() - begin
                spent[contender] = passed, _read_times(pids) - earlier
            if not turn:  # it warms up
                continue
            passed, times = spent[ours]
            act_time = 1e6 * spent[act_alone][1].sum() / acted_num
            caller_time = 0 if batch_size == num else times[0]
            total, everyone, caller = 1e6 * np.array((cores * passed, times.sum(), caller_time)) / step_num
            figures = total, caller, everyone - caller, total - everyone, act_time
            for column, figure in zip(result[2:], figures, strict=True):
                column.append(float(figure))
    return result


def _draw_actions(game: str, num: int) -> npt.NDArray[np.int32]:
    return np.array(contenders.draw_actions(game, (_ACTION_ROWS, num)), np.int32)


def _read_times(pids: Sequence[int]) -> npt.NDArray[np.float64]:
    """Return the seconds that the main thread of each process has had a core; not in ticks, as ``stat`` has them."""
    return np.array([int(Path(f"/proc/{pid}/schedstat").read_text().split()[0]) / 1e9 for pid in pids])
