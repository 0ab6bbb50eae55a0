"""Rounds that several players play in turn, the medians and ratios of their times, and tables of these.

The speed of a machine changes within seconds, most of all of one that is shared. So players that are compared play many
short rounds in turn, and what counts is the median of the ratios of each round.
"""

import importlib.metadata
import os
import platform
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

Times = dict[str, list[float]]

# How many rounds are played at most for each round that is to count.
_TRIES = 3

_PACKAGES = ("numpy", "llvmlite", "ale-py", "gymnasium", "opencv-python-headless", "envpool", "stable-baselines3")


def play_rounds(
    players: Mapping[str, Callable[[], float]],
    rounds: int,
    *,
    prepare: Callable[[int], object] | None = None,
    check: Callable[[], bool] | None = None,
) -> Times:
    """Let all players play rounds in turn, another one first in each; a first round warms up and does not count.

    Args:
        players: by name, a function that plays a round and returns what is measured.
        rounds: how many rounds count.
        prepare: is called before each round with its number; 0 is the first.
        check: is called after each round. It asserts that all players played the same, and returns whether the round
            counts: a round in which a game ends may be no fair one.

    Returns:
        Times: by name, what was measured in each round that counts.

    Raises:
        RuntimeError: too few rounds count.
    """
    times: Times = {name: [] for name in players}
    counted = 0
    for turn in range(_TRIES * rounds + 1):
        if prepare is not None:
            prepare(turn)
        measured = {name: players[name]() for name in rotate(tuple(players), turn)}
        is_valid = check is None or check()
        if turn and is_valid:
            counted += 1
            for name, value in measured.items():
                times[name].append(value)
        if counted == rounds:
            return times
    raise RuntimeError(f"only {counted} of {turn} rounds count, {rounds} are needed; give them fewer steps")


def rotate(names: Sequence[str], turn: int) -> list[str]:
    """Return the names in the order of a round: each round begins with another one."""
    first = turn % len(names)
    return [*names[first:], *names[:first]]


def divide(numerators: Iterable[float], denominators: Iterable[float]) -> list[float]:
    """Return the ratio of each pair."""
    return [numerator / denominator for numerator, denominator in zip(numerators, denominators, strict=True)]


def subtract(minuends: Iterable[float], subtrahends: Iterable[float]) -> list[float]:
    """Return the difference of each pair."""
    return [minuend - subtrahend for minuend, subtrahend in zip(minuends, subtrahends, strict=True)]


# Players that take inputs, such as actions, and return results that have to be equal.


def race(
    players: Mapping[str, Callable[[Any], tuple[list[int], list[Any]]]],
    inputs: Sequence[Any],
    average: Callable[[list[int]], Any] = np.mean,
) -> Times:
    """Give all players the same inputs, round by round, and check that their results are equal.

    Args:
        players: by name, a function that takes the inputs of a round and returns the nanoseconds and the result of each
            step; see `time_steps`.
        inputs: those of each round; those of the first warm up.
        average: what makes one number of a round's times: the mean where some steps rightly take longer, because they
            reset a game; the median where only the machine makes them longer.

    Returns:
        Times: by name, the microseconds of a step in each round but the first.
    """
    results: dict[str, list[Any]] = {}
    current: list[Any] = []

    def play(name: str) -> float:
        nanoseconds, results[name] = players[name](*current)
        return float(average(nanoseconds)) / 1000

    def prepare(turn: int) -> None:
        current[:] = [inputs[turn]]

    def check() -> bool:
        first, *others = results.values()
        for other in others:
            for result, expected in zip(first, other, strict=True):
                assert_same(result, expected)
        return True

    plays: dict[str, Callable[[], float]] = {name: lambda name=name: play(name) for name in players}  # type: ignore[misc]
    return play_rounds(plays, len(inputs) - 1, prepare=prepare, check=check)


def time_steps(step: Callable[[Any], Any], actions: Sequence[Any]) -> tuple[list[int], list[Any]]:
    """Return the nanoseconds and the result of each step, of which the first is an observation."""
    times, results = [], []
    for action in actions:
        begin = time.perf_counter_ns()
        observation, *rest = step(action)
        times.append(time.perf_counter_ns() - begin)
        results.append((pack(observation), *rest))
    return times, results


def pack(observation: npt.NDArray[Any]) -> npt.NDArray[np.uint8]:
    """Return a copy of an observation of any dtype as uint8; it has to have the same values."""
    packed = observation.astype(np.uint8)
    assert np.array_equal(packed, observation)
    return packed


def assert_same(ours: Sequence[Any], theirs: Sequence[Any]) -> None:
    """Check that two results, an observation and other values, are equal."""
    assert np.array_equal(ours[0], theirs[0]), "the observations differ"
    assert list(ours[1:]) == list(theirs[1:]), f"{list(ours[1:])} and {list(theirs[1:])} differ"


# Tables.


def print_head(title: str, *columns: str) -> None:
    """Print the head of a table."""
    print(f"\n{title}:\n\n| {' | '.join(columns)} |\n|---|{'--:|' * (len(columns) - 1)}", flush=True)


def print_row(*cells: str) -> None:
    """Print a row of a table."""
    print(f"| {' | '.join(cells)} |", flush=True)


def write_spread(values: Sequence[float], digits: int = 2) -> str:
    """Return the median of values, and their range."""
    median, least, most = (f"{value:.{digits}f}" for value in (np.median(values), min(values), max(values)))
    return f"{median} ({least}..{most})"


def write_median(values: Sequence[float], digits: int = 1) -> str:
    """Return the median of values."""
    return f"{np.median(values):.{digits}f}"


# What the figures are measured with.


def describe_environment() -> dict[str, str]:
    """Return the machine, and the versions of everything that is compared and installed."""
    cpu_info = Path("/proc/cpuinfo")
    lines = cpu_info.read_text().splitlines() if cpu_info.exists() else []
    models = [line.split(":")[1].strip() for line in lines if line.startswith("model name")]
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    found = {"CPU": models[0] if models else platform.machine(), "cores": str(cores)}
    found["Python"] = platform.python_version()
    for package in _PACKAGES:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def write_environment(environment: Mapping[str, str]) -> str:
    """Return what `describe_environment` returns as a line."""
    return ", ".join(f"{name} {value}" for name, value in environment.items())
