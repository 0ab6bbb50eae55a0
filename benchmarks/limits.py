"""Measures fastatari beside the speed of ale-py's emulator, and where its time goes: ``python benchmarks/limits.py``.

Three kinds play every round in turn with the same actions: fastatari, the reference, and ale-py's act alone, which no
pipeline on ale-py's emulator can exceed. `breakdown` does so in one process and takes a step to pieces; `crews` does so
with workers, on all cores. `presets` compares environments of all presets with each other.
"""

import argparse
import json
import multiprocessing
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import breakdown
import chart
import contenders
import crews
import matplotlib.pyplot as plt
import numpy as np
import presets
import tables
from breakdown import ACT_ALONE, OURS, PARTS, THEIRS, Breakdown
from chart import ACCENT, FAINT, GRID, INK, PALE, Line
from crews import Account, Race
from matplotlib.axes import Axes
from matplotlib.patches import Patch
from presets import LABML, OTHERS, Costs


class Effort(NamedTuple):
    """How much is measured.

    Attributes:
        rounds: of each game in one process.
        steps: of each of these rounds.
        preset_games: how many of `presets.GAMES` all presets play; None for all.
        crew_rounds: of each number of workers.
        crew_steps: of each of these rounds, summed over the workers.
        crew_games: how many of the games eight workers play; None for all.
        counts: the numbers of workers.
        starts: how often workers of each number are started.
    """

    rounds: int
    steps: int
    preset_games: int | None
    crew_rounds: int
    crew_steps: int
    crew_games: int | None
    counts: tuple[int, ...]
    starts: int


# Many short rounds: the speed of a shared machine changes within seconds, and all of a round should see the same.
FULL = Effort(
    rounds=30,
    steps=80,
    preset_games=None,
    crew_rounds=20,
    crew_steps=320,
    crew_games=None,
    counts=(1, 2, 4, 8, 16, 32),
    starts=2,
)
QUICK = Effort(
    rounds=3, steps=50, preset_games=2, crew_rounds=3, crew_steps=96, crew_games=2, counts=(1, 2, 4, 8), starts=1
)

# What the chart makes of the parts of a step: fewer, in these colours.
SHADES = {
    "console": ((breakdown.CONSOLE,), PALE),
    "resets": ((breakdown.RESET,), FAINT),
    "reading screens": ((breakdown.READ,), "#e0a030"),
    "making planes": ((breakdown.PLANE,), ACCENT),
    "stack": ((breakdown.STACK,), "#7a4a9e"),
    "Python, gymnasium": ((breakdown.QUERY, breakdown.GYMNASIUM, breakdown.REST), "#c8553d"),
}
LINES = {ACT_ALONE: FAINT, OURS: ACCENT, THEIRS: PALE}


def main() -> None:
    """Measure, and print, save and plot what came out."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="less than a minute instead of minutes, and less exact")
    parser.add_argument("--games", nargs="+", default=contenders.GAMES, metavar="GAME", help="ROMs, as breakout")
    parser.add_argument(
        "--worker-games", nargs="+", default=["breakout"], metavar="GAME", help="ROMs for all numbers of workers"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="save every round's figures")
    parser.add_argument("--plot", type=Path, metavar="FILE", help="plot the parts and the workers; an .svg or .png")
    arguments = parser.parse_args()
    effort = QUICK if arguments.quick else FULL
    multiprocessing.set_start_method("fork")  # `crews` needs it

    environment = contenders.describe_environment()
    print(contenders.write_environment(environment))
    breakdowns = print_steps(arguments.games, effort)
    print_parts(breakdowns)
    costs = print_presets(effort)
    races = print_counts(arguments.worker_games, effort)
    print_costs(races)
    accounts = {game: print_account(game, effort) for game in arguments.worker_games}
    more_races = print_games(arguments.games[: effort.crew_games], effort)

    if arguments.json:
        saved = {
            "environment": environment,
            "breakdowns": [each._asdict() for each in breakdowns],
            "presets": [each._asdict() for each in costs],
            "races": [race._asdict() for race in (*races, *more_races)],
            "accounts": {game: [to_dict(account) for account in kinds] for game, kinds in accounts.items()},
        }
        arguments.json.write_text(json.dumps(saved, indent=1) + "\n")
    if arguments.plot:
        plot(breakdowns, races, environment, arguments.plot)


def print_steps(games: Sequence[str], effort: Effort) -> list[Breakdown]:
    """Measure one process; print how long a step takes."""
    results = breakdown.measure(games, effort.rounds, effort.steps)
    for field, columns in (
        ("steps", ("`Game.step`", THEIRS, "times act alone", "times the reference")),
        ("env_steps", ("`AtariEnv.step`", "gymnasium", "times act alone", "times gymnasium")),
    ):
        tables.print_head("One process, microseconds a step", "game", ACT_ALONE, *columns)
        for result in results:
            steps = getattr(result, field)
            medians = (f"{np.median(steps[kind]):.1f}" for kind in (ACT_ALONE, OURS, THEIRS))
            tables.print_row(result.game, *medians, *compare(steps))
        ratios = {r.game: float(np.median(compare_with(ACT_ALONE, getattr(r, field)))) for r in results}
        mean, worst = np.exp(np.mean(np.log(list(ratios.values())))), min(ratios, key=ratios.__getitem__)
        print(f"\ntimes act alone: geometric mean {mean:.2f}, least {ratios[worst]:.2f} ({worst})", flush=True)
    return results


def print_parts(breakdowns: Iterable[Breakdown]) -> None:
    """Print how long each part of a step takes, and how well their sum agrees with the step when nothing watches."""
    tables.print_head("Where they go, microseconds a step", "game", "", *PARTS, "sum", "sum / `step`")
    for result in breakdowns:
        for side, parts in result.parts.items():
            averages = [result.average(side, part) for part in PARTS]
            figures = (
                f"{average:.1f}" if any(parts[part]) else "" for part, average in zip(PARTS, averages, strict=True)
            )
            closure = np.median(tables.divide(result.sums(side), result.steps[side]))
            tables.print_row(result.game, side, *figures, f"{sum(averages):.1f}", f"{closure:.3f}")


def print_presets(effort: Effort) -> list[Costs]:
    """Measure environments of all presets; print what their steps take outside of the compiled console."""
    tables.print_head(
        "`AtariEnv.step` outside of the compiled console, microseconds: labml's, and how much more the other presets'",
        *("game", LABML, *OTHERS),
    )
    results = presets.measure(presets.GAMES[: effort.preset_games], effort.rounds, effort.steps)
    for result in results:
        more = (f"{np.median(each):+.1f} ({min(each):+.1f}..{max(each):+.1f})" for each in result.more.values())
        tables.print_row(result.game, f"{np.median(result.labml):.1f}", *more)
    return results


def print_counts(games: Iterable[str], effort: Effort) -> list[Race]:
    """Measure all numbers of workers; print their speed."""
    tables.print_head(
        "Workers, steps a second", "game", "workers", ACT_ALONE, OURS, THEIRS, "times act alone", "times the reference"
    )
    races = []
    for game in games:
        races += crews.measure(game, effort.counts, effort.crew_rounds, effort.crew_steps, effort.starts)
    for race in races:
        tables.print_row(race.game, str(race.num), *write_rates(race), *compare(race.steps))
    return races


def print_games(games: Iterable[str], effort: Effort) -> list[Race]:
    """Measure eight workers of each game; print their speed."""
    tables.print_head(
        f"{contenders.WORKER_NUM} workers, steps a second",
        *("game", ACT_ALONE, OURS, THEIRS, "times act alone", "times the reference"),
    )
    races = []
    for game in games:
        (race,) = crews.measure(game, [contenders.WORKER_NUM], effort.crew_rounds, effort.crew_steps)
        races.append(race)
        tables.print_row(game, *write_rates(race), *compare(race.steps))
    return races


def print_costs(races: Iterable[Race]) -> None:
    """Print what workers take of memory, and how long their start takes."""
    kinds = (OURS, THEIRS)
    tables.print_head(
        "MB of its own that a worker takes; seconds until all have sent their first observation",
        *("game", "workers", *(f"MB, {kind}" for kind in kinds), *(f"start, {kind}" for kind in kinds)),
    )
    for race in races:
        memory = (f"{race.memory[kind]:.1f}" for kind in kinds)
        starts = (f"{np.median(race.starts[kind]):.2f}" for kind in kinds)
        tables.print_row(race.game, str(race.num), *memory, *starts)


def print_account(game: str, effort: Effort) -> list[Account]:
    """Measure and print where the time of the cores goes."""
    core_num = len(os.sched_getaffinity(0))
    tables.print_head(
        f"{contenders.WORKER_NUM} workers on {game}, microseconds of {core_num} cores and switches a step of all",
        *("", "workers", "of it kernel", "trainer", "of it kernel", "idle or others'", "all"),
        *("workers wait", "workers lose the core", "trainer waits", "trainer loses the core"),
    )
    accounts = crews.account(game, contenders.WORKER_NUM, effort.crew_rounds, effort.crew_steps)
    for account in accounts:
        everything = core_num * account.seconds
        used = [(usage.user + usage.system, usage.system) for usage in (account.workers, account.trainer)]
        idle = everything - sum(both for both, _ in used)
        times = (f"{1e6 * seconds / account.steps:.0f}" for seconds in (*used[0], *used[1], idle, everything))
        switches = (account.workers.waits, account.workers.losses, account.trainer.waits, account.trainer.losses)
        tables.print_row(account.kind, *times, *(f"{number / account.steps:.1f}" for number in switches))
    return accounts


def write_rates(race: Race) -> list[str]:
    """Return the median number of steps a second of each kind."""
    return [f"{np.median(race.rates(kind)):.0f}" for kind in (ACT_ALONE, OURS, THEIRS)]


def compare(steps: Mapping[str, Sequence[float]]) -> tuple[str, str]:
    """Return how many times as fast as act alone and as the reference fastatari is, from times of a step."""
    return tables.write_ratios(compare_with(ACT_ALONE, steps)), tables.write_ratios(compare_with(THEIRS, steps))


def compare_with(kind: str, steps: Mapping[str, Sequence[float]]) -> list[float]:
    """Return how many times as fast as another kind fastatari is in each round, from times of a step."""
    return tables.divide(steps[kind], steps[OURS])


def to_dict(account: Account) -> dict[str, Any]:
    """Return an account with names at all levels, for JSON."""
    return account._asdict() | {"workers": account.workers._asdict(), "trainer": account.trainer._asdict()}


def plot(breakdowns: Sequence[Breakdown], races: Sequence[Race], environment: dict[str, str], path: Path) -> None:
    """Draw the parts of a step as bars, and the speed of workers as lines."""
    chart.prepare()
    figure, (bars, lines) = plt.subplots(2, figsize=(8, 9.5), height_ratios=(3, 2), layout="constrained")
    draw_parts(bars, breakdowns)
    draw_rates(lines, [race for race in races if race.game == races[0].game])
    for axes in (bars, lines):
        chart.tidy(axes)
    rounds, crew_rounds = len(breakdowns[0].steps[OURS]), len(races[0].steps[OURS])
    caption = f"bars: median of {rounds} rounds, for resets mean; dots: median of {crew_rounds} rounds, lines: range"
    chart.save(figure, caption, environment, path)


def draw_parts(axes: Axes, breakdowns: Sequence[Breakdown]) -> None:
    """Draw a bar for each game, and one for the reference on the first game."""
    labels: dict[float, str] = {}
    y = 0.0
    for side, results in ((OURS, breakdowns), (THEIRS, breakdowns[:1])):
        labels[y] = side
        for result in results:
            y += 1
            labels[y] = result.game.replace("_", " ")
            left = 0.0
            for names, color in SHADES.values():
                width = sum(result.average(side, name) for name in names)
                axes.barh(y, width, 0.66, left, color=color)
                left += width
            ratio = np.median(tables.divide(result.steps[ACT_ALONE], result.steps[side]))
            axes.annotate(f"{ratio:.2g}\u00d7", (left, y), (6, 0), textcoords="offset points", va="center", color=INK)
        y += 1.5
    axes.set_yticks(list(labels), list(labels.values()))
    for label in axes.get_yticklabels():
        label.set_weight("bold" if label.get_text() in {OURS, THEIRS} else "normal")
    axes.set_ylim(y - 1, -0.5)
    axes.set_xlim(0, 1.08 * axes.dataLim.xmax)  # room for the last bar's figure
    axes.xaxis.grid(visible=True, color=GRID, linewidth=0.8)
    axes.set_xlabel(f"microseconds of a step in one process; figures: times as fast as {ACT_ALONE}", color=INK)
    handles = [Patch(color=color, label=name) for name, (_, color) in SHADES.items()]
    axes.legend(handles=handles, loc="lower center", bbox_to_anchor=(0.4, 1), ncols=3, frameon=False, labelcolor=INK)


def draw_rates(axes: Axes, races: Sequence[Race]) -> None:
    """Draw a line for each kind."""
    lines = [Line(kind, color, {race.num: race.rates(kind) for race in races}) for kind, color in LINES.items()]
    chart.draw_rates(axes, lines, 3)
    axes.set_xlabel(f"workers on {races[0].game.replace('_', ' ')}", color=INK)
    axes.set_ylabel("steps a second", color=INK)


if __name__ == "__main__":
    main()
