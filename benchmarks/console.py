"""Measures the console against ale-py's emulator: ``python -m benchmarks.console``.

Each game is first played by both sides, and RAM, screen, reward, lives and end are compared after each frame. Then
they play in turn, frame for frame the same (`console_races`). What else a console costs, and where its time goes, is
measured by `console_parts`. Times are CPU time of a thread, so that others on the machine count less; by the clock are
only two threads against one, and fresh processes.
"""

import argparse
import functools
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.ticker import MultipleLocator

from benchmarks import chart, command, console_parts, console_races, timing
from benchmarks.chart import ACCENT, GRID, INK, PALE
from benchmarks.console_parts import PARTS, Account, Compiling, Copies, Counts, Loading
from benchmarks.console_races import ACT, CLASS, EVERY, GENERIC, NO, TWO, Speed, Threads
from fastatari.console.games import NAMES

# Of all types of cartridges, in the order of `cartridges.TYPES`.
GAMES = (
    "boxing", "breakout", "freeway", "pong", "tennis",
    "assault", "enduro", "pitfall", "qbert", "riverraid", "seaquest", "space_invaders",
    "asteroids", "beam_rider", "gravitar", "ms_pacman", "private_eye", "elevator_action",
    "road_runner", "solaris", "klax",
    "jamesbond", "montezuma_revenge", "robotank", "pitfall2",
)  # fmt: skip
ROUNDS, STEPS = 40, 50
# How many of the games the other sections take.
FEW, SOME = 4, 8

COLUMNS = (EVERY, TWO, NO, GENERIC, CLASS)
SHADES = {EVERY: PALE, TWO: ACCENT, NO: "#1f4468"}


def main() -> None:
    """Measure, and print, save and plot what came out."""
    parser = command.make_parser(
        __doc__, list(SECTIONS), rounds=ROUNDS, steps=STEPS, steps_help="of four frames in a round", plots="games"
    )
    parser.add_argument("--games", nargs="+", default=GAMES, choices=NAMES, metavar="GAME", help="ROMs, as breakout")
    arguments = parser.parse_args()
    if arguments.plot and "games" not in arguments.sections:
        parser.error("--plot needs the section games")
    sections = {name: functools.partial(measure, arguments) for name, measure in SECTIONS.items()}
    results, environment = command.run(arguments, sections)
    if arguments.plot:
        plot(results["games"], environment, arguments.plot)


def print_games(arguments: argparse.Namespace) -> list[Speed]:
    """Race on all games; print how long a frame takes, and how many times as fast as ale-py it is."""
    generic = console_parts.compile_generic()
    timing.print_head(
        "Microseconds of CPU time a frame, and times as fast as `act`: medians of the rounds, and of one column their "
        "range. The last is fastatari's class against ale-py's, both with two of four screens read",
        *("game", "cartridge", "`act`", *(f"{name}, us" for name in (EVERY, TWO, NO))),
        *("all: times", "2 of 4: times", "none: times", "generic x86-64, 2 of 4: times", "class: times"),
    )
    results = []
    for game in arguments.games:
        result = console_races.race(game, arguments.rounds, arguments.steps, generic)
        results.append(result)
        medians = (f"{np.median(result.times[name]):.1f}" for name in (ACT, EVERY, TWO, NO))
        ratios = (
            timing.write_spread(result.ratios(name)) if name == TWO else f"{np.median(result.ratios(name)):.2f}"
            for name in COLUMNS
        )
        timing.print_row(game, result.cartridge, *medians, *ratios)
    means, leasts = [], []
    for name in COLUMNS:
        medians_by_game = {result.game: float(np.median(result.ratios(name))) for result in results}
        worst = min(medians_by_game, key=medians_by_game.__getitem__)
        means.append(f"{mean(medians_by_game.values()):.2f}")
        leasts.append(f"{medians_by_game[worst]:.2f} ({worst})")
    timing.print_row("geometric mean", *[""] * 5, *means)
    timing.print_row("least", *[""] * 5, *leasts)
    return results


def mean(ratios: Iterable[float]) -> float:
    """Return the geometric mean."""
    return math.exp(np.mean(np.log(list(ratios))))


def print_threads(arguments: argparse.Namespace) -> list[Threads]:
    """Race two threads against one; print how much faster they are."""
    timing.print_head(
        "Two threads on consoles of their own, 8 each, against one, by the clock; microseconds of CPU time a frame",
        *("game", "times one thread", "one thread, us", "two threads, us"),
    )
    results = []
    for game in spread(arguments.games, FEW):
        result = console_races.race_threads(game, arguments.rounds, arguments.steps)
        results.append(result)
        medians = (f"{np.median(column):.2f}" for column in result.times)
        timing.print_row(game, timing.write_spread(result.ratios), *medians)
    timing.print_row("geometric mean", f"{mean(np.median(result.ratios) for result in results):.2f}", "", "")
    return results


def print_loading(arguments: argparse.Namespace) -> list[Loading]:
    """Measure making a console and loading a ROM; print it."""
    timing.print_head(
        "Making a console and loading a ROM, milliseconds of CPU time; the first two without emulated frames",
        *("game", "loaded before", "not loaded before", "emulated frames", "all, loaded before"),
        *("ale-py's constructor and `loadROM`", "times as fast"),
    )
    results = []
    for game in spread(arguments.games, SOME):
        result = console_parts.measure_loading(game, max(1, arguments.rounds // 8))
        results.append(result)
        columns = (result.again, result.first, result.frames, result.whole, result.ale)
        ratios = timing.divide(result.ale, result.whole)
        timing.print_row(game, *(f"{np.median(column):.2f}" for column in columns), timing.write_spread(ratios))
    return results


def print_copies(arguments: argparse.Namespace) -> list[Copies]:
    """Measure copies of states, and print them, and the sizes of states."""
    timing.print_head(
        "A clone and a restore together, microseconds of CPU time, while the game is played",
        *("game", "two copies of the memory", "`ALEInterface`", "ale-py", "times as fast"),
        *("and `getScreen`: `ALEInterface`", "ale-py"),
    )
    results = []
    for game in spread(arguments.games, SOME):
        result = console_parts.measure_copies(game, max(1, arguments.rounds // 2), 2 * arguments.steps)
        results.append(result)
        plain = (f"{np.median(column):.2f}" for column in (result.raw, result.ours, result.ale))
        read = (f"{np.median(column):.1f}" for column in (result.ours_read, result.ale_read))
        timing.print_row(game, *plain, timing.write_spread(timing.divide(result.ale, result.ours)), *read)
    timing.print_head("Bytes of a console", "", "bytes")
    for name, size in console_parts.list_sizes().items():
        timing.print_row(name, f"{size:,}")
    return results


def print_compiling(arguments: argparse.Namespace) -> list[Compiling]:
    """Measure fresh processes; print how long they take to compile and to load."""
    result = console_parts.measure_compiling(max(1, min(3, arguments.rounds // 8)))
    timing.print_head("Machine code of the console in fresh processes, by the clock", "", "median (min..max)")
    for name, seconds, digits in (
        ("compiling and loading it, nothing on disk, s", result.cold, 2),
        ("CPU time of that, s", result.cold_cpu, 2),
        ("importing llvmlite and numpy, ms", [1e3 * each for each in result.llvmlite], 0),
        ("importing the console's modules after that, ms", [1e3 * each for each in result.modules], 0),
        ("finding and loading the code on disk, ms", [1e3 * each for each in result.warm], 1),
    ):
        figures = (f"{figure:.{digits}f}" for figure in (np.median(seconds), min(seconds), max(seconds)))
        timing.print_row(name, "{} ({}..{})".format(*figures))
    timing.print_row("size of the code, bytes", f"{result.size:,}")
    return [result]


def print_counts(arguments: argparse.Namespace) -> list[Counts]:
    """Count what frames consist of, and print it with the time of an instruction."""
    timing.print_head(
        "A frame: instructions; nanoseconds of CPU time an instruction, with all that it does, nothing drawn; what "
        "else there is, of ten frames under CPython",
        *("game", "instructions", "ns an instruction", "TIA writes", "TIA reads", "RIOT reads", "pieces of lines"),
    )
    results = []
    for game in arguments.games:
        result = console_parts.count(game, max(1, arguments.rounds // 4))
        results.append(result)
        others = (result.tia_writes, result.tia_reads, result.riot_reads, result.stretches)
        time = f"{np.median(result.nanoseconds):.2f}"
        timing.print_row(game, f"{result.instructions:.0f}", time, *(f"{number:.0f}" for number in others))
    return results


def print_parts(arguments: argparse.Namespace) -> list[Account]:
    """Measure variants of the console that leave something out; print where the time of a frame goes."""
    variants = console_parts.compile_variants()
    timing.print_head(
        "Where the time goes, microseconds a frame and shares of one that is drawn: the same frames by variants that "
        "leave something out; instructions that these run, of all; a call from Python of no frames",
        *("game", *PARTS, "all", "instructions", "a call"),
    )
    results = []
    for game in spread(arguments.games, SOME):
        result = console_parts.account(game, arguments.rounds, variants)
        results.append(result)
        medians = {part: float(np.median(times)) for part, times in result.parts.items()}
        everything = sum(medians.values())
        figures = (f"{time:.2f} ({time / everything:.0%})" for time in medians.values())
        timing.print_row(game, *figures, f"{everything:.1f}", f"{result.kept:.1%}", f"{result.call:.2f}")
    return results


def spread(games: Sequence[str], number: int) -> list[str]:
    """Return a number of the games, evenly chosen, or all."""
    if len(games) <= number:
        return list(games)
    return [games[i * len(games) // number] for i in range(number)]


SECTIONS: Mapping[str, Callable[[argparse.Namespace], list[Any]]] = {
    "games": print_games,
    "threads": print_threads,
    "loading": print_loading,
    "states": print_copies,
    "compiling": print_compiling,
    "counts": print_counts,
    "parts": print_parts,
}


def plot(results: Sequence[Speed], environment: dict[str, str], path: Path) -> None:
    """Draw how many times as fast as ale-py the console is: three bars for each game, and for their geometric mean."""
    chart.prepare()
    medians = {
        result.game.replace("_", " "): {name: float(np.median(result.ratios(name))) for name in SHADES}
        for result in results
    }
    overall = {name: mean(each[name] for each in medians.values()) for name in SHADES}
    rows = {"geometric mean": overall, **medians}
    figure, axes = plt.subplots(figsize=(8, 1.6 + 0.36 * len(rows)), layout="constrained")
    places = [0.0, *np.arange(len(medians)) + 1.5]
    for i, (name, color) in enumerate(SHADES.items()):
        heights = [place + 0.27 * (i - 1) for place in places]
        ratios = [row[name] for row in rows.values()]
        axes.barh(heights, ratios, 0.27, color=color, label=name)
        for height, ratio in zip(heights, ratios, strict=True):
            axes.annotate(
                f"{ratio:.1f}\u00d7",
                (ratio, height),
                (4, 0),
                textcoords="offset points",
                va="center",
                color=INK,
                size=7,
            )
    axes.set_yticks(places, list(rows))
    axes.get_yticklabels()[0].set_fontweight("bold")
    axes.set_ylim(places[-1] + 0.6, -0.6)
    axes.set_xlim(0, 1.08 * max(max(row.values()) for row in rows.values()))
    axes.axvline(1, color=INK, linewidth=1.2, zorder=0.6)  # above the grid, below the bars
    axes.xaxis.set_major_locator(MultipleLocator(1))
    axes.xaxis.set_major_formatter("{x:g}\u00d7")
    axes.xaxis.grid(visible=True, color=GRID, linewidth=0.8)
    chart.tidy(axes)
    axes.set_xlabel("times as fast as ale_py.ALEInterface.act (black line: equally fast)", color=INK)
    axes.legend(loc="lower center", bbox_to_anchor=(0.4, 1), ncols=3, frameon=False, labelcolor=INK)
    chart.save(figure, f"medians of {len(results[0].times[ACT])} rounds, CPU time of a thread", environment, path)


if __name__ == "__main__":
    main()
