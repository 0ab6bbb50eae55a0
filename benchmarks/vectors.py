"""Measures `AtariVectorEnv` beside other vector environments: ``python benchmarks/vectors.py``.

All play every round in turn, with the same actions: each rival, fastatari by that rival's rules, and a process on each
core that only calls ale-py's ``act``. Each pair has to be equal (`races`).
"""

import argparse
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

import ale_py
import chart
import contenders
import matplotlib.pyplot as plt
import numpy as np
import tables
from breakdown import ACT_ALONE, OURS
from chart import ACCENT, FAINT, INK, Line
from matplotlib.axes import Axes
from races import POOLED, Account, Race, account, name_ours, race
from rivals import ALE, EXTRA, RIVALS, Rival, find_missing

GAMES = ("breakout", "pong", "space_invaders")
ENVS = 8
# Of rivals with a process for each environment, no more.
MOST_PROCESSES = 64
SECTIONS = ("games", "counts", "parts", "cores", "policies", "starts")
POLICIES = (0.0, 0.001, 0.005)


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
        "cores": lambda: print_cores(effort),
        "policies": lambda: print_policies(rivals, threaded, effort),
        "starts": lambda: print_starts(rivals, effort),
    }
    results = {name: measures[name]() for name in SECTIONS if name in arguments.sections}

    if arguments.json:
        saved = {name: [each._asdict() for each in section] for name, section in results.items()}
        arguments.json.write_text(json.dumps({"environment": environment, **saved}, indent=1) + "\n")
    if arguments.plot:
        plot(results["counts"], results["parts"], environment, arguments.plot)


def print_games(rivals: Sequence[Rival], effort: Effort) -> list[Race]:
    """Measure eight environments of each game, all in a batch; print their speed."""
    tables.print_head(
        f"{ENVS} environments, steps a second of all, each pair by the rival's rules",
        *("game", "rival", "rival's", OURS, "times as fast", "times act alone"),
    )
    races = []
    # In two groups, so that those who are compared play soon after each other.
    threaded = [rival for rival in rivals if rival.is_threaded]
    groups = [group for group in (threaded, [rival for rival in rivals if not rival.is_threaded]) if group]
    for game, group in itertools.product(GAMES, groups):
        result = race(game, ENVS, group, rounds=effort.rounds, steps=effort.steps)
        races.append(result)
        tables.print_row(game, ACT_ALONE, f"{result.rate(ACT_ALONE):.0f}", "", "", "")
        tables.print_row(game, POOLED, f"{result.rate(POOLED):.0f}", "", "", tables.write_ratios(result.ratios(POOLED)))
        for rival in group:
            ours = name_ours(rival.name)
            rates = f"{result.rate(rival.name):.0f}", f"{result.rate(ours):.0f}"
            tables.print_row(
                game, rival.name, *rates, *map(tables.write_ratios, (result.gains(rival.name), result.ratios(ours)))
            )
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
        *("environments", ACT_ALONE, OURS, *names, "times act alone", *(f"times {name}" for name in names)),
    )
    races = []
    for num in nums:
        present = [rival for rival in rivals if rival.is_threaded or num <= MOST_PROCESSES]
        result = race(GAMES[0], num, present, rounds=effort.more_rounds, steps=effort.steps, batch_size=choose(num))
        races.append(result)
        ours = name_ours(names[0])
        rates = (f"{result.rate(name):.0f}" if name in result.times else "" for name in (ACT_ALONE, ours, *names))
        gains = (tables.write_ratios(result.gains(name)) if name in result.times else "" for name in names)
        tables.print_row(str(num), *rates, tables.write_ratios(result.ratios(ours)), *gains)
    return races


def print_cores(effort: Effort) -> list[Account]:
    """Measure what becomes of the cores' time, with all environments in a batch and with half of them."""
    tables.print_head(
        f"{GAMES[0]}, microseconds of a core for a step; those who play may also wait awake, and where all are in a "
        "batch, the caller is one of them",
        *("environments", "batch", "all cores", "those who play", "caller", "idle", ACT_ALONE),
    )
    accounts = []
    for num in effort.part_counts:
        for size in (num, num // 2):
            result = account(GAMES[0], num, size, effort.more_rounds, 4 * effort.steps)
            accounts.append(result)
            columns = result.total, result.work, result.caller, result.idle, result.act_alone
            tables.print_row(str(num), str(size), *(f"{np.median(column):.1f}" for column in columns))
    return accounts


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
            result = race(
                GAMES[0],
                ENVS,
                present,
                rounds=effort.more_rounds,
                steps=effort.steps,
                batch_size=size,
                policy=policy,
            )
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
    caption = f"dots: median of {len(counts[0].times[ACT_ALONE])} rounds, lines: range"
    chart.save(figure, caption, dict(environment), path)


def draw(axes: Axes, races: Sequence[Race], title: str) -> None:
    """Draw a line for each kind."""
    first = next(name for name in RIVALS if name in races[0].times)
    colors = dict(zip(RIVALS, ("#c8553d", "#e0a030", "#7a4a9e", "#4a9e7a", "#a9c5e2"), strict=True))
    looks = {ACT_ALONE: (ACT_ALONE, FAINT), OURS: (name_ours(first), ACCENT)} | {n: (n, c) for n, c in colors.items()}
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
