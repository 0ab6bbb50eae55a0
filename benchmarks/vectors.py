"""Measures `AtariVectorEnv` beside other vector environments: ``python benchmarks/vectors.py``.

All play every round in turn, with the same actions: each rival, fastatari by that rival's rules, and a process on each
core that only emulates, which is the limit. Before that, each pair plays until it is sure to be equal, every pixel,
reward and end of every environment; and when all rounds are over, its last observations have to be equal, too.
"""

import argparse
import hashlib
import itertools
import json
import multiprocessing
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple
from unittest import mock

import ale_py
import chart
import contenders
import matplotlib.pyplot as plt
import numpy as np
import numpy.typing as npt
import tables
from chart import ACCENT, FAINT, INK, Line
from crews import ActOnly
from matplotlib.axes import Axes
from rivals import ALE, EXTRA, LIMIT, OURS, RIVALS, Batch, Emulation, Player, Rival, find_missing

import fastatari.crew

GAMES = ("breakout", "pong", "space_invaders")
ENVS = 8
# Of rivals with a process for each environment, no more.
MOST_PROCESSES = 64
SECTIONS = ("games", "counts", "parts", "policies", "starts")
POLICIES = (0.0, 0.001, 0.005)

# fastatari's pool with environments that only emulate: between it and the limit are messages, and waits for the last.
POOLED = "emulation alone, in step"

# So many actions of each environment, over and over.
_ACTION_ROWS = 997
_CHECKED_STEPS = 800  # of all environments together, but some of each


class Effort(NamedTuple):
    """How much is measured. Rounds are many and short: the speed of a shared machine changes within seconds.

    Attributes:
        rounds: of eight environments.
        more_rounds: of each other number, and of each time of a policy.
        steps: of each round, summed over the environments; but four of each at least.
        counts: the numbers of environments.
        part_counts: the same, where a batch is half of them.
        starts: how often each kind is started.
        start_counts: with how many environments; the two last tell what one more takes of memory.
    """

    rounds: int
    more_rounds: int
    steps: int
    counts: tuple[int, ...]
    part_counts: tuple[int, ...]
    starts: int
    start_counts: tuple[int, ...]


FULL = Effort(50, 20, 300, (1, 2, 8, 64, 256), (8, 64, 256), 3, (8, 64, 256))
QUICK = Effort(5, 3, 100, (1, 8, 64), (8,), 1, (2, 8))


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

    def shares(self, name: str) -> list[float]:
        """Return what part of the limit's speed something has, in each round."""
        return tables.divide(self.times[LIMIT], self.times[name])

    def gains(self, rival: str) -> list[float]:
        """Return how many times as fast as a rival fastatari is, in each round."""
        return tables.divide(self.times[rival], self.times[name_ours(rival)])


class Start(NamedTuple):
    """What it takes to start, in a fresh process.

    Attributes:
        name: of what.
        num: how many environments.
        seconds: until the first observations of a seeded reset, in each start.
        megabytes: of memory then, of all processes, each page shared among those that have it; the same.
    """

    name: str
    num: int
    seconds: list[float]
    megabytes: list[float]


def main() -> None:
    """Measure, and print, save and plot what came out."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="two minutes instead of twenty, and less exact")
    parser.add_argument("--rivals", nargs="+", default=list(RIVALS), choices=list(RIVALS), metavar="NAME")
    parser.add_argument("--sections", nargs="+", default=SECTIONS, choices=SECTIONS, metavar="NAME", help=f"{SECTIONS}")
    parser.add_argument("--json", type=Path, metavar="FILE", help="save every round's figures")
    parser.add_argument("--plot", type=Path, metavar="FILE", help="plot the speeds; an .svg or .png")
    parser.add_argument("--start", nargs=2, metavar=("NAME", "ENVS"), help="start only this; what that takes, as JSON")
    arguments = parser.parse_args()
    if missing := find_missing(arguments.rivals):
        parser.error(
            f"{', '.join(missing)} missing; `pip install 'fastatari[{EXTRA}]'` brings it, `--rivals` does without"
        )
    ale_py.ALEInterface.setLoggerMode(ale_py.LoggerMode.Error)
    multiprocessing.set_start_method("fork")  # for all that have a choice
    if arguments.plot and not {"counts", "parts"} <= set(arguments.sections):
        parser.error("`--plot` needs the sections counts and parts")
    if arguments.start:
        print(json.dumps(start(arguments.start[0], int(arguments.start[1]))))
        return

    effort = QUICK if arguments.quick else FULL
    rivals = [RIVALS[name] for name in arguments.rivals]
    threaded = [rival for rival in rivals if rival.is_threaded]
    environment = contenders.describe_environment()
    print(contenders.write_environment(environment), flush=True)
    measures: dict[str, Callable[[], Sequence[Any]]] = {
        "games": lambda: print_games(rivals, effort),
        "counts": lambda: print_counts(rivals, effort),
        "parts": lambda: print_parts(threaded, effort),
        "policies": lambda: print_policies(rivals, threaded, effort),
        "starts": lambda: print_starts(rivals, effort),
    }
    results = {name: measures[name]() for name in SECTIONS if name in arguments.sections}

    if arguments.json:
        saved = {name: [each._asdict() for each in section] for name, section in results.items()}
        arguments.json.write_text(json.dumps({"environment": environment, **saved}, indent=1) + "\n")
    if arguments.plot:
        plot(results["counts"], results["parts"], environment, arguments.plot)


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


class EmulationContender:
    """The limit, as a contender."""

    def __init__(self, emulation: Emulation, num: int, actions: npt.NDArray[np.int32]) -> None:
        self._emulation, self._num, self._actions = emulation, num, actions
        self.close = emulation.close

    def play(self, steps: int, _: float) -> float:
        """Play; return the microseconds of a step of one environment."""
        calls = max(4, steps // self._num)
        self._actions = np.roll(self._actions, calls + 1, 0)
        return 1e6 * self._emulation.play(self._actions[: calls + 1]) / (calls * self._num)


class _Pooled:
    """fastatari's pool with environments that only emulate."""

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
    effort: Effort,
    *,
    rounds: int,
    batch_size: int | None = None,
    policy: float = 0.0,
) -> Race:
    """Let all play the same rounds in turn, another one first each time."""
    size = num if batch_size is None else batch_size
    actions = np.array(contenders.draw_actions(game, (_ACTION_ROWS, num)), np.int32)
    players: dict[str, Any] = {}
    try:
        if not policy:
            players[LIMIT] = EmulationContender(Emulation(game, num), num, actions)
            if size == num:
                players[POOLED] = Contender(_Pooled(game, num), num, actions)
        for rival in rivals:
            players[name_ours(rival.name)] = Contender(rival.make_ours(game, num, size), num, actions)
            players[rival.name] = Contender(rival.make(game, num, size), num, actions)
            check(rival, players[name_ours(rival.name)], players[rival.name], num)
        result = Race(game, num, size, policy, {name: [] for name in players})
        for turn in range(rounds + 1):
            for name in contenders.rotate(tuple(players), turn):
                microseconds = players[name].play(effort.steps, policy)
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


def print_games(rivals: Sequence[Rival], effort: Effort) -> list[Race]:
    """Measure eight environments of each game, all in a batch; print their speed."""
    tables.print_head(
        f"{ENVS} environments, steps a second of all, each pair by the rival's rules",
        *("game", "rival", "rival's", OURS, "times as fast", "of the limit"),
    )
    races = []
    # In two groups, so that those who are compared play soon after each other.
    threaded = [rival for rival in rivals if rival.is_threaded]
    groups = [group for group in (threaded, [rival for rival in rivals if not rival.is_threaded]) if group]
    for game, group in itertools.product(GAMES, groups):
        result = race(game, ENVS, group, effort, rounds=effort.rounds)
        races.append(result)
        tables.print_row(game, LIMIT, f"{result.rate(LIMIT):.0f}", "", "", "")
        tables.print_row(game, POOLED, f"{result.rate(POOLED):.0f}", "", "", tables.write_shares(result.shares(POOLED)))
        for rival in group:
            ours = name_ours(rival.name)
            rates = f"{result.rate(rival.name):.0f}", f"{result.rate(ours):.0f}"
            gains, shares = tables.write_ratios(result.gains(rival.name)), tables.write_shares(result.shares(ours))
            tables.print_row(game, rival.name, *rates, gains, shares)
    return races


def print_counts(rivals: Sequence[Rival], effort: Effort) -> list[Race]:
    """Measure all numbers of environments of one game; print their speed."""
    return _print_races("all in a batch", rivals, effort, effort.counts, lambda num: num)


def print_parts(rivals: Sequence[Rival], effort: Effort) -> list[Race]:
    """Measure batches of half of the environments."""
    return _print_races("half of them in a batch", rivals, effort, effort.part_counts, lambda num: num // 2)


def _print_races(title: str, rivals: Sequence[Rival], effort: Effort, nums: Iterable[int], choose: Any) -> list[Race]:
    names = [rival.name for rival in rivals]
    tables.print_head(
        f"{GAMES[0]}, {title}, steps a second of all; fastatari's by the first rival's rules",
        *("environments", LIMIT, OURS, *names, "of the limit", *(f"times {name}" for name in names)),
    )
    races = []
    for num in nums:
        present = [rival for rival in rivals if rival.is_threaded or num <= MOST_PROCESSES]
        result = race(GAMES[0], num, present, effort, rounds=effort.more_rounds, batch_size=choose(num))
        races.append(result)
        ours = name_ours(names[0])
        rates = (f"{result.rate(name):.0f}" if name in result.times else "" for name in (LIMIT, ours, *names))
        gains = (tables.write_ratios(result.gains(name)) if name in result.times else "" for name in names)
        tables.print_row(str(num), *rates, tables.write_shares(result.shares(ours)), *gains)
    return races


def print_policies(rivals: Sequence[Rival], threaded: Sequence[Rival], effort: Effort) -> list[Race]:
    """Measure with a policy, which sleeps for some time between two batches, as one does that waits for a GPU."""
    names = [rival.name for rival in rivals]
    tables.print_head(
        f"{GAMES[0]}, {ENVS} environments, steps a second of all where a policy takes its time for each batch",
        *("milliseconds", "batch", OURS, *names, *(f"times {name}" for name in names)),
    )
    races = []
    for policy in POLICIES:
        for size, present in ((ENVS, rivals), (ENVS // 2, threaded)):
            result = race(GAMES[0], ENVS, present, effort, rounds=effort.more_rounds, batch_size=size, policy=policy)
            races.append(result)
            columns = (name_ours(names[0]), *names)
            rates = (f"{result.rate(name):.0f}" if name in result.times else "" for name in columns)
            gains = (tables.write_ratios(result.gains(name)) if name in result.times else "" for name in names)
            tables.print_row(f"{1000 * policy:.0f}", str(size), *rates, *gains)
    return races


def print_starts(rivals: Sequence[Rival], effort: Effort) -> list[Start]:
    """Start all kinds in fresh processes, in turn; print how long it takes until a seeded reset is there."""
    starts = []
    for num in effort.start_counts:
        names = [OURS, *(rival.name for rival in rivals if rival.is_threaded or num <= MOST_PROCESSES)]
        results = {name: Start(name, num, [], []) for name in names}
        for turn in range(effort.starts):
            for name in contenders.rotate(names, turn):
                seconds, megabytes = _start_apart(name, num)
                results[name].seconds.append(seconds)
                results[name].megabytes.append(megabytes)
        starts += results.values()
    tables.print_head(
        f"{GAMES[0]}, seconds until the observations of a seeded reset are there, and MB of memory then",
        *("", "environments", "seconds", f"of {ALE}'s", "MB in all", "MB an environment more"),
    )
    seconds = {(each.name, each.num): each.seconds for each in starts}
    before: dict[str, Start] = {}
    for each in sorted(starts, key=lambda start: [OURS, *RIVALS].index(start.name)):
        other, before[each.name] = before.get(each.name), each
        more = "" if other is None else f"{_find_slope(other, each):.2f}"
        has_ale = (ALE, each.num) in seconds
        share = tables.write_ratios(tables.divide(each.seconds, seconds[ALE, each.num])) if has_ale else ""
        figures = f"{np.median(each.seconds):.2f}", share, f"{np.median(each.megabytes):.0f}", more
        tables.print_row(each.name, str(each.num), *figures)
    return starts


def _find_slope(one: Start, other: Start) -> float:
    difference = np.median(other.megabytes) - np.median(one.megabytes)
    return float(difference) / (other.num - one.num)


def _start_apart(name: str, num: int) -> tuple[float, float]:
    command = [sys.executable, __file__, "--rivals", *([name] if name in RIVALS else [ALE]), "--start", name, str(num)]
    seconds, megabytes = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)
    return seconds, megabytes


def start(name: str, num: int) -> tuple[float, float]:
    """Start environments; return the seconds until their first observations, and the megabytes of all processes."""
    begin = time.perf_counter()
    player = RIVALS[ALE].make_ours(GAMES[0], num, num) if name == OURS else RIVALS[name].make(GAMES[0], num, num)
    batch = player.begin()
    seconds = time.perf_counter() - begin
    for _ in range(4):
        batch = player.step(np.zeros(len(batch.indices), np.int32))
    megabytes = measure_memory()
    player.close()
    return seconds, megabytes


def measure_memory() -> float:
    """Return the megabytes of this process and its descendants; what several share counts for each in part."""
    parents = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            parents[int(folder.name)] = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
        except OSError:
            continue
    own = {os.getpid()}
    while more := {pid for pid, parent in parents.items() if parent in own} - own:
        own |= more
    rollups = (Path(f"/proc/{pid}/smaps_rollup").read_text() for pid in own)
    sizes = (re.search(r"^Pss:\s+(\d+) kB", text, re.MULTILINE) for text in rollups)
    return sum(int(size[1]) for size in sizes if size) / 1024


def plot(counts: Sequence[Race], parts: Sequence[Race], environment: Mapping[str, str], path: Path) -> None:
    """Draw the speed over the number of environments."""
    chart.prepare()
    figure, both = plt.subplots(2, figsize=(8, 8), height_ratios=(3, 2), layout="constrained")
    for axes, races, title in zip(
        both, (counts, parts), ("all environments in a batch", "half of the environments in a batch"), strict=True
    ):
        draw(axes, races, title)
        chart.tidy(axes)
    caption = f"dots: median of {len(counts[0].times[LIMIT])} rounds, lines: range"
    chart.save(figure, caption, dict(environment), path)


def draw(axes: Axes, races: Sequence[Race], title: str) -> None:
    """Draw a line for each kind."""
    first = next(name for name in RIVALS if name in races[0].times)
    colors = dict(zip(RIVALS, ("#c8553d", "#e0a030", "#7a4a9e", "#4a9e7a", "#a9c5e2"), strict=True))
    looks = {LIMIT: (LIMIT, FAINT), OURS: (name_ours(first), ACCENT)} | {n: (n, c) for n, c in colors.items()}
    lines = []
    for label, (name, color) in looks.items():
        rates = {race.num: [1e6 / each for each in race.times[name]] for race in races if name in race.times}
        if rates:
            lines.append(Line(label, color, rates))
    chart.draw_rates(axes, lines, 4)
    axes.set_xlabel(f"environments of {races[0].game}; {title}", color=INK)
    axes.set_ylabel("steps a second, of all", color=INK)


if __name__ == "__main__":
    main()
