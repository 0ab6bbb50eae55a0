"""Rounds that fastatari and other packages play in turn, after each pair was found to return the same.

The speed of a machine changes within seconds, most of all of one that is shared. So all play many short rounds in turn,
another one first in each, and what counts is the median of the ratios of each round.
"""

import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, Self

import numpy as np
import numpy.typing as npt

from fastatari.cli.bench_players import Batch, OtherPackage, Player, Refused, close_quietly
from fastatari.cli.failures import describe_error
from fastatari.cli.signals import sigint_blocked
from fastatari.envs.env import AtariEnv

# How many rows of actions there are; they are repeated.
_ACTION_ROWS = 997

# How many steps are compared, of all environments together; but `_LEAST_CHECKED` of each at least.
_CHECKED, _LEAST_CHECKED = 800, 10

# How many steps a round has, of all environments together; but `_LEAST_BATCHES` of each at least.
_ROUND_STEPS, _LEAST_BATCHES = 200, 4

# How many rounds count at least, however long they take.
_LEAST_ROUNDS = 3


class Setting(NamedTuple):
    """What is measured.

    Attributes:
        game: the ROM's id.
        num_envs: how many environments each package has.
        num_threads: how many threads those have that have any; None for what each takes by itself.
    """

    game: str
    num_envs: int
    num_threads: int | None


class Measured(NamedTuple):
    """How fast fastatari and another package were.

    Attributes:
        setting: what was measured.
        package: the other package.
        ours: fastatari's steps a second in each round, of all environments together.
        theirs: the other package's.
    """

    setting: Setting
    package: OtherPackage
    ours: list[float]
    theirs: list[float]

    @property
    def ratios(self) -> list[float]:
        """How many times as fast as the other package fastatari was, in each round."""
        return [ours / theirs for ours, theirs in zip(self.ours, self.theirs, strict=True)]


class Runner:
    """Environments that have begun, and the actions that they get.

    Args:
        player: what plays.
        actions: int32[k, n], the actions of each environment, over and over.

    Attributes:
        batch: the last batch.
    """

    def __init__(self, player: Player, actions: npt.NDArray[np.int32]) -> None:
        self._player, self._actions, self._count = player, actions, 0
        self.batch = player.begin()

    def step(self) -> Batch:
        """Step all environments."""
        self.batch = self._player.step(self._actions[self._count % len(self._actions)])
        self._count += 1
        return self.batch

    def play(self, batches: int) -> float:
        """Play a round; return the steps a second.

        The first batch does not count, because caches are cold after the others had their turn.
        """
        self.step()
        begin = time.perf_counter()
        for _ in range(batches):
            self.step()
        seconds = time.perf_counter() - begin
        return batches * int(self._actions.shape[1]) / seconds


class _Pair(NamedTuple):
    """A package beside fastatari by its rules."""

    package: OtherPackage
    ours: Runner
    theirs: Runner
    rates: list[tuple[float, float]]


class Race:
    """Packages that play the same rounds in turn. It has to be closed.

    Args:
        setting: what is measured.
        seed: seeds the actions and the games.

    Attributes:
        refused: why packages do not play the game, in words.
        failures: what failed, in words; a package that failed plays no more rounds.
        rounds: how many rounds count until now.
    """

    def __init__(self, setting: Setting, seed: int) -> None:
        self._setting, self._seed = setting, seed
        self._pairs: list[_Pair] = []  # those that play
        self._begun: list[_Pair] = []  # and those that failed
        self._players: list[Player] = []
        self.refused: list[str] = []
        self.failures: list[str] = []
        self.rounds = 0
        action_num = len(AtariEnv(setting.game).get_action_meanings())
        rng = np.random.default_rng(seed)
        self._actions = rng.integers(action_num, size=(_ACTION_ROWS, setting.num_envs)).astype(np.int32)
        self._batches = max(_LEAST_BATCHES, _ROUND_STEPS // setting.num_envs)

    def add(self, packages: Sequence[OtherPackage]) -> None:
        """Begin packages, and check each beside fastatari."""
        runners: dict[str, tuple[Runner, Runner]] = {}
        # Those with processes first, because these are forked, which is done best before there are threads.
        ordered = sorted(packages, key=lambda package: not package.has_processes)
        theirs = {package.name: self._begin(package, package.make) for package in ordered}
        for package in packages:
            their_runner = theirs[package.name]
            our_runner = self._begin(package, package.make_ours) if their_runner is not None else None
            if their_runner is not None and our_runner is not None:
                runners[package.name] = our_runner, their_runner
        for package in packages:
            if package.name in runners:
                pair = _Pair(package, *runners[package.name], [])
                self._pairs.append(pair)
                self._begun.append(pair)
                self._try(pair, lambda pair=pair: self._check_equal(pair))  # type: ignore[misc]

    def _begin(self, package: OtherPackage, make: Callable[[str, int, int | None, int], Player]) -> Runner | None:
        """Make environments and begin their episodes; return None if that fails."""
        game, num_envs, num_threads = self._setting
        is_ours = make == package.make_ours
        try:
            # Ctrl-C would reach processes that begin now, or come before they are known.
            with sigint_blocked():
                player = make(game, num_envs, num_threads if is_ours or package.has_threads else None, self._seed)
                self._players.append(player)
            return Runner(player, self._actions)
        except Refused as reason:
            self.refused.append(f"{package.name} is left out: {reason}")
        except Exception as error:  # other packages raise what they like, as at a seed that they refuse
            who = f"fastatari with the preset {package.preset!r}" if is_ours else package.name
            self.failures.append(f"{who} cannot begin: {describe_error(error)}")
        return None

    def _try(self, pair: _Pair, action: Callable[[], Any]) -> Any:
        """Do something of a pair, which is left out from then on if it fails."""
        try:
            return action()
        except AssertionError as error:
            self._pairs.remove(pair)
            pair.rates.clear()  # figures of what is not the same compare nothing
            self.failures.append(str(error))
        except Exception as error:
            self._pairs.remove(pair)
            self.failures.append(f"{pair.package.name} failed: {describe_error(error)}")
        return None

    def _check_equal(self, pair: _Pair) -> None:
        steps = max(_LEAST_CHECKED, _CHECKED // self._setting.num_envs)
        for step in range(steps + 1):
            _assert_same(pair, f"after {step} steps")
            if step < steps:
                pair.ours.step()
                pair.theirs.step()

    def play(self, seconds: float | None, rounds: int | None, advance: Callable[[float], None]) -> None:
        """Play rounds, after one that warms up and does not count.

        Args:
            seconds: for how long; `_LEAST_ROUNDS` are played in any case.
            rounds: how many instead.
            advance: is called after each round with the share of all that is done.
        """
        begin = time.perf_counter()
        self._play_round(0)
        while self._pairs:
            self._play_round(self.rounds + 1, counts=True)
            self.rounds += 1
            passed = time.perf_counter() - begin
            share = self.rounds / rounds if rounds is not None else passed / (seconds or passed)
            advance(min(1.0, share))
            if share >= 1 and (rounds is not None or self.rounds >= _LEAST_ROUNDS):
                break
        for pair in tuple(self._pairs):
            self._try(pair, lambda pair=pair: _assert_same(pair, "at the end"))  # type: ignore[misc]

    def _play_round(self, number: int, counts: bool = False) -> None:
        """Let all play a round, another one first each time, and in each pair another one too."""
        measured: list[tuple[_Pair, tuple[float, float]]] = []
        first = number % max(1, len(self._pairs))
        for pair in (*self._pairs[first:], *self._pairs[:first]):
            rates = self._try(pair, lambda pair=pair: self._play_pair(pair, is_ours_first=bool(number % 2)))  # type: ignore[misc]
            if rates is not None:
                measured.append((pair, rates))
        # Only now, so that an interrupted round counts for none.
        for pair, rates in measured if counts else ():
            pair.rates.append(rates)

    def _play_pair(self, pair: _Pair, is_ours_first: bool) -> tuple[float, float]:
        if is_ours_first:
            ours = pair.ours.play(self._batches)
            return ours, pair.theirs.play(self._batches)
        theirs = pair.theirs.play(self._batches)
        return pair.ours.play(self._batches), theirs

    def list_results(self) -> list[Measured]:
        """Return what was measured until now."""
        return [
            Measured(self._setting, pair.package, *map(list, zip(*pair.rates, strict=True)))
            for pair in self._begun
            if pair.rates
        ]

    def close(self) -> None:
        """End all processes and threads."""
        with sigint_blocked():
            self._pairs.clear()
            self._begun.clear()
            while self._players:
                close_quietly(self._players.pop())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _assert_same(pair: _Pair, when: str) -> None:
    """Check that the last batches of a pair are the same.

    Raises:
        AssertionError: they differ.
    """
    ours, theirs = pair.ours.batch, pair.theirs.batch
    for name in Batch._fields:
        mine, other = getattr(ours, name), getattr(theirs, name)
        assert np.array_equal(mine, other), f"{pair.package.name} and fastatari differ {when}: {name}"
