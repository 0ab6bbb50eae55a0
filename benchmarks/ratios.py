"""Measures how many times as fast as the pipeline it replaces fastatari is: ``python benchmarks/ratios.py``.

Both sides play every round in turn, on the same screens or with the same actions, and have to give equal results. The
table shows the time of a step, and the ratio of the two times: the median over the rounds, and their range. The
reference is labml's pipeline; of `AtariEnv` it is gymnasium's `AtariPreprocessing` and `FrameStackObservation`.
"""

import argparse
import itertools
import json
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import chart
import contenders
import matplotlib.pyplot as plt
import numpy as np
import numpy.typing as npt
import tables
from chart import ACCENT, GRID, INK, PALE
from matplotlib.ticker import MultipleLocator

from fastatari.cli import reference
from fastatari.emulator import list_roms

PLAYED = ("breakout", "pong")
WORKED = ("breakout", "pong", "space_invaders")

CHAIN = "two screens in, stack out"
GAME = "Game.step"
ENV = "AtariEnv.step"
RESET = "AtariEnv.reset"
WORKERS = f"{contenders.WORKER_NUM} Workers, one step"
START = "fresh process"

# What a fresh interpreter runs; it prints how long that took, and a number that has to be the same for both.
CLOCK = "import time, zlib; begin = time.perf_counter(); {}; print(time.perf_counter() - begin, {})"
STEP = "game.reset(); observation = game.step(0)[0]"
CHECKSUM = "zlib.crc32(observation.astype('uint8').tobytes())"
STARTS = {
    "import": (("import fastatari", "import numba, gymnasium, ale_py"), "0"),
    "import to the end of the first step": (
        (
            f"import fastatari; game = fastatari.Game(0); {STEP}",
            # By its path, because its package would import all of fastatari.
            f"import runpy; game = runpy.run_path({reference.__file__!r})['ReferenceGame'](0); {STEP}",
        ),
        CHECKSUM,
    ),
}


class Effort(NamedTuple):
    """How much is measured: rounds of each benchmark, and steps or resets a round."""

    rounds: int
    chain_steps: int
    game_steps: int
    resets: int
    worker_steps: int
    starts: int


# Many short rounds: the speed of a shared machine changes within seconds, and a pair should see the same.
FULL = Effort(rounds=45, chain_steps=130, game_steps=130, resets=5, worker_steps=50, starts=9)
QUICK = Effort(rounds=3, chain_steps=100, game_steps=100, resets=5, worker_steps=50, starts=2)


class Result(NamedTuple):
    """What one benchmark gave: the microseconds of a step in each round."""

    group: str
    name: str
    fastatari: list[float]
    reference: list[float]

    @property
    def ratios(self) -> list[float]:
        """How many times as long the reference takes, in each round."""
        return [theirs / ours for ours, theirs in zip(self.fastatari, self.reference, strict=True)]


def main() -> None:
    """Measure, and print, save and plot what came out."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="less than a minute instead of minutes, and less exact")
    parser.add_argument("--all-roms", action="store_true", help="two screens in, stack out, on every ROM; nothing else")
    parser.add_argument("--json", type=Path, metavar="FILE", help="save every round's figures")
    parser.add_argument("--plot", type=Path, metavar="FILE", help="plot the ratios; an .svg or .png")
    arguments = parser.parse_args()
    effort = QUICK if arguments.quick else FULL

    environment = contenders.describe_environment()
    print(contenders.write_environment(environment), end="\n\n")
    print("| benchmark | | fastatari | reference | ratio (min..max) |")
    print("|---|---|--:|--:|--:|")
    results = []
    for result in measure_roms(effort) if arguments.all_roms else measure(effort):
        results.append(result)
        ours, theirs = (write_time(float(np.median(times))) for times in (result.fastatari, result.reference))
        spread = tables.write_ratios(result.ratios)
        print(f"| {result.group} | {result.name} | {ours} | {theirs} | {spread} |", flush=True)

    if arguments.all_roms:
        medians = {result.name: float(np.median(result.ratios)) for result in results}
        worst = min(medians, key=medians.__getitem__)
        print(f"\nmedian {np.median(list(medians.values())):.1f}, worst {medians[worst]:.1f} ({worst})")
    if arguments.json:
        saved = {"environment": environment, "results": [r._asdict() | {"ratios": r.ratios} for r in results]}
        arguments.json.write_text(json.dumps(saved, indent=1) + "\n")
    if arguments.plot:
        # The bars of the others would be too short, or too long.
        plot([result for result in results if result.group not in {START, RESET}], environment, arguments.plot)


def measure(effort: Effort) -> Iterator[Result]:
    """Yield the result of each benchmark as soon as it is there."""
    turns = range(effort.rounds + 1)
    for game in contenders.GAMES:
        yield measure_chain(game, [contenders.RandomPlay(game, console) for console in contenders.CONSOLES], effort)
    yield measure_chain(contenders.NOISE, contenders.make_sources(contenders.NOISE, 50), effort)
    for game in PLAYED:
        games = contenders.make_games(game)
        actions = contenders.draw_actions(game, (len(turns), effort.game_steps))
        races = (contenders.race_steps(games, actions[turn], turn) for turn in turns)
        yield summarise(GAME, game, np.mean, races)
    for game, ends_by_life in ((PLAYED[0], False), (PLAYED[0], True), (PLAYED[1], False)):
        envs = contenders.make_envs(game, ends_by_life=ends_by_life)
        actions = contenders.draw_actions(game, (len(turns), effort.game_steps))
        races = (contenders.race_steps(envs, actions[turn], turn) for turn in turns)
        yield summarise(ENV, f"{game}, an episode a life" if ends_by_life else game, np.mean, races)
    envs = contenders.make_envs(PLAYED[0])
    seeds = np.arange(len(turns) * effort.resets).reshape(len(turns), -1).tolist()
    races = (contenders.race_resets(envs, seeds[turn], turn) for turn in turns)
    yield summarise(RESET, f"{PLAYED[0]}, seeded", np.mean, races)
    races = (contenders.race_resets(envs, [None] * effort.resets, turn) for turn in turns)
    yield summarise(RESET, f"{PLAYED[0]}, unseeded", np.mean, races)
    for game in WORKED:
        actions = contenders.draw_actions(game, (len(turns), effort.worker_steps, contenders.WORKER_NUM))
        trainers = contenders.make_trainers(game)
        with trainers[0], trainers[1]:
            races = (contenders.race_steps(trainers, actions[turn], turn) for turn in turns)
            yield summarise(WORKERS, game, np.mean, races)
    for name, (programs, check) in STARTS.items():
        yield summarise(START, name, np.mean, (race_starts(programs, check, turn) for turn in range(effort.starts + 1)))


def measure_roms(effort: Effort) -> Iterator[Result]:
    """Yield the result of the chain on each ROM, of fewer rounds because they are many."""
    for rom in list_roms():
        sources = [contenders.RandomPlay(rom, console) for console in contenders.CONSOLES]
        yield measure_chain(rom, sources, effort._replace(rounds=max(3, effort.rounds // 4)))


def measure_chain(name: str, sources: Sequence[contenders.Source], effort: Effort) -> Result:
    """Return the result of the chain on two sources that show the same."""
    chains = contenders.FastChain(sources[0]), contenders.Cv2Chain(sources[1])
    races = (contenders.race_chains(sources, chains, effort.chain_steps, turn) for turn in range(effort.rounds + 1))
    return summarise(CHAIN, name, np.median, races)


def write_time(microseconds: float) -> str:
    """Return a time in words, with three digits or one decimal."""
    if microseconds < 1000:
        return f"{microseconds:.1f} us"
    return f"{microseconds / 1e3:.3g} ms"


def summarise(group: str, name: str, average: Callable[..., Any], rounds: Iterable[npt.NDArray[np.int64]]) -> Result:
    """Return the result of the rounds after the first, which warms up, from the nanoseconds of steps (int64[2, n]).

    Args:
        group (str): what is compared.
        name (str): on what.
        average (Callable): what makes one figure of a round: the mean where some steps rightly take longer, for they
            reset the game; the median where only the machine's noise makes them longer.
        rounds (Iterable): the rounds.
    """
    figures = np.array([average(times, axis=1) for times in rounds])[1:] / 1e3
    return Result(group, name, *figures.T.tolist())


def race_starts(programs: tuple[str, str], check: str, turn: int) -> npt.NDArray[np.int64]:
    """Run both programs in a fresh interpreter each, the second first if `turn` is odd."""
    times, checks = np.zeros((2, 1), np.int64), ["", ""]
    for i in (0, 1) if turn % 2 == 0 else (1, 0):
        command = [sys.executable, "-c", CLOCK.format(programs[i], check)]
        output = subprocess.run(
            command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=True
        ).stdout
        seconds, checks[i] = output.split()
        times[i, 0] = round(float(seconds) * 1e9)
    assert checks[0] == checks[1]
    return times


def plot(results: list[Result], environment: dict[str, str], path: Path) -> None:
    """Draw the ratios as bars, with their ranges."""
    chart.prepare()
    figure, axes = plt.subplots(figsize=(8, 7.4), layout="constrained")

    y = 0.0
    labels: dict[float, str] = {}
    for group, group_results in itertools.groupby(results, lambda result: result.group):
        labels[y] = group
        for result in group_results:
            y += 1
            labels[y] = result.name.replace("_", " ")
            ratio, low, high = np.median(result.ratios), min(result.ratios), max(result.ratios)
            axes.barh(y, ratio, 0.66, color=PALE if result.name == contenders.NOISE else ACCENT)
            axes.plot([low, high], [y, y], color=INK, linewidth=1.2, solid_capstyle="butt")
            axes.annotate(f"{ratio:.1f}\u00d7", (high, y), (6, 0), textcoords="offset points", va="center", color=INK)
        y += 1.5

    axes.set_yticks(list(labels), list(labels.values()))
    for label in axes.get_yticklabels():
        label.set_weight("bold" if label.get_text() in {CHAIN, GAME, ENV, WORKERS} else "normal")
    axes.set_ylim(y - 1, -0.5)
    axes.set_xlim(0, 1.1 * max(max(result.ratios) for result in results))
    axes.axvline(1, color=INK, linewidth=1.2, zorder=0.6)  # above the grid, below the bars
    axes.xaxis.set_major_locator(MultipleLocator(5))
    axes.xaxis.set_major_formatter("{x:g}\u00d7")
    axes.xaxis.grid(visible=True, color=GRID, linewidth=0.8)
    chart.tidy(axes)
    axes.set_xlabel("times as fast as gymnasium and cv2 (black line: equally fast)", color=INK)
    rounds = f"bars: median of {len(results[0].ratios)} rounds; lines: their range"
    chart.save(figure, rounds, environment, path)


if __name__ == "__main__":
    main()
