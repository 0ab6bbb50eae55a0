"""Measures how many times as fast as the pipelines it replaces fastatari is: ``python -m benchmarks.ratios``.

Both sides play every round in turn, on the same screens or with the same actions, and have to return the same. A table
shows the time of a step and the ratio of the two times: the median over the rounds, and their range. Sections:

* `stack`: `FrameStack.push` and `read`, beside cv2's and numpy's calls.
* `game`: `Game.step` beside labml's game. `workers`: eight `Worker` in the loop of a trainer beside labml's.
* `env`: `AtariEnv.step` beside gymnasium's `AtariPreprocessing` and `FrameStackObservation`. `resets`: their resets.
* `states`: `AtariEnv.clone_state` and `restore_state`.
* `roms`: resets of all ROMs; the longest one, and how long they take where the same start was seen before.
"""

import argparse
import functools
import multiprocessing
import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from benchmarks import chart, command, pipelines, timing, workers
from benchmarks.interfaces import AtariEnv, count_repeated_resets, list_roms
from benchmarks.pipelines import NOISE, Cv2Chain, OurChain, Screens
from benchmarks.timing import Times
from benchmarks.vector_rounds import count_actions
from fastatari.console.memory import load_rom

OURS, THEIRS = "fastatari", "reference"

SCREENS = (
    "breakout", "pong", "space_invaders", "ms_pacman", "qbert", "seaquest", "enduro", "asteroids", "montezuma_revenge",
    "riverraid", NOISE,
)  # fmt: skip
PLAYED = ("breakout", "pong")
WORKED = ("breakout", "pong", "space_invaders")
STATES = ("breakout", "pong", "riverraid")

# Resets of each ROM, each after some random steps: without a seed; and with a seed that was used before.
UNSEEDED, SEEDED, STEPS_BETWEEN = 60, 10, 5
SLOWEST = 8  # ROMs that are shown


class Ratio(NamedTuple):
    """How fast both sides are.

    Attributes:
        name: of what.
        game: the ROM's id, and maybe more.
        ours: the microseconds of a step in each round.
        theirs: the same, of the reference.
    """

    name: str
    game: str
    ours: list[float]
    theirs: list[float]

    @property
    def ratios(self) -> list[float]:
        """How many times as fast as the reference fastatari is, in each round."""
        return timing.divide(self.theirs, self.ours)


class Copies(NamedTuple):
    """How long copies of states take.

    Attributes:
        game: the ROM's id.
        clone: microseconds of `clone_state`, the median of each round.
        restore: the same, of `restore_state`.
    """

    game: str
    clone: list[float]
    restore: list[float]


class Resets(NamedTuple):
    """How long resets of a ROM take, milliseconds of CPU time. Each follows some random steps.

    Attributes:
        game: the ROM's id.
        first: the first reset after the ROM was loaded, with a seed.
        emulated: resets without a seed whose start was not seen before.
        repeated: resets without a seed whose start was seen, and made again.
        seeded: resets with the seed of the first.
    """

    game: str
    first: float
    emulated: list[float]
    repeated: list[float]
    seeded: list[float]

    @property
    def longest(self) -> float:
        """The longest of all."""
        return max(self.first, *self.emulated, *self.repeated, *self.seeded)


def main() -> None:
    """Measure, and print, save and plot what came out."""
    pairs = "stack", "game", "env", "workers", "resets"
    parser = command.make_parser(
        __doc__,
        (*pairs, "states", "roms"),
        rounds=30,
        steps=100,
        steps_help="of a round",
        plots="stack and all others with a reference",
    )
    parser.add_argument(
        "--games", nargs="+", choices=(*list_roms(), NOISE), metavar="GAME",
        help="ROMs for the sections, or noise for `stack`; default: a few that differ by section, for `roms` all",
    )  # fmt: skip
    arguments = parser.parse_args()
    if arguments.plot and not set(pairs) & set(arguments.sections):
        parser.error(f"--plot needs a section of {', '.join(pairs)}")
    multiprocessing.set_start_method("fork", force=True)
    measures: dict[str, Callable[[argparse.Namespace], Sequence[Any]]] = {
        "stack": measure_stacks,
        "game": measure_games,
        "env": measure_envs,
        "workers": measure_workers,
        "resets": measure_resets,
        "states": measure_states,
        "roms": measure_roms,
    }
    sections = {name: functools.partial(measure, arguments) for name, measure in measures.items()}
    results, environment = command.run(arguments, sections)
    if arguments.plot:
        groups = {
            results[name][0].name: {ratio.game.replace("_", " "): ratio.ratios for ratio in results[name]}
            for name in pairs
            if name in results
        }
        chart.draw_ratios(groups, "times as fast as the reference", environment, arguments.plot)


def measure_stacks(arguments: argparse.Namespace) -> list[Ratio]:
    """Measure stacks of planes made of two screens each; print how fast both sides are."""
    return _measure(arguments, "two screens in, stack out", SCREENS, race_stack)


def measure_games(arguments: argparse.Namespace) -> list[Ratio]:
    """Measure labml's games."""
    return _measure(arguments, "Game.step", PLAYED, race_game)


def measure_envs(arguments: argparse.Namespace) -> list[Ratio]:
    """Measure gymnasium's environments."""
    return _measure(arguments, "AtariEnv.step", PLAYED, race_env)


def measure_workers(arguments: argparse.Namespace) -> list[Ratio]:
    """Measure labml's workers."""
    return _measure(arguments, f"{workers.NUM_WORKERS} Workers, a step of all", WORKED, race_workers)


def _measure(
    arguments: argparse.Namespace, name: str, games: Sequence[str], race: Callable[[str, int, int], Times]
) -> list[Ratio]:
    print_head(name)
    results = []
    for game in choose(arguments, games, has_noise=race is race_stack):
        results.append(make_ratio(name, game, race(game, arguments.rounds, arguments.steps)))
        print_ratio(results[-1])
    return results


def choose(arguments: argparse.Namespace, games: Sequence[str], has_noise: bool = False) -> list[str]:
    """Return the games that were asked for, or else these; without noise where it cannot be played."""
    return [game for game in arguments.games or games if game != NOISE or has_noise]


def measure_resets(arguments: argparse.Namespace) -> list[Ratio]:
    """Measure resets of gymnasium's environments."""
    print_head(name := "AtariEnv.reset")
    results = []
    for game in choose(arguments, PLAYED[:1]):
        for kind in ("seeded", "unseeded"):
            times = race_resets(game, arguments.rounds, is_seeded=kind == "seeded")
            results.append(make_ratio(name, f"{game}, {kind}", times))
            print_ratio(results[-1])
    return results


def make_ratio(name: str, game: str, times: Times) -> Ratio:
    """Return a result of some rounds."""
    return Ratio(name, game, times[OURS], times[THEIRS])


def print_head(name: str) -> None:
    """Print the head of a table."""
    timing.print_head(f"{name}, microseconds", "game", OURS, THEIRS, "times as fast")


def print_ratio(result: Ratio) -> None:
    """Print how fast both sides are."""
    medians = map(timing.write_median, (result.ours, result.theirs))
    timing.print_row(result.game, *medians, timing.write_spread(result.ratios))


# The races. The first round of each warms up.


def race_stack(game: str, rounds: int, steps: int) -> Times:
    """Give both chains the same screens."""
    screens = Screens(game)
    chains: dict[str, OurChain | Cv2Chain] = {OURS: OurChain(screens), THEIRS: Cv2Chain(screens)}
    players = {name: functools.partial(pipelines.time_chain, chain) for name, chain in chains.items()}
    return timing.race(players, [screens.record(steps) for _ in range(rounds + 1)], np.median)


def race_game(game: str, rounds: int, steps: int) -> Times:
    """Give both games the same actions."""
    return _race_steps(pipelines.make_games(game), draw_actions(game, (rounds + 1, steps)))


def race_env(game: str, rounds: int, steps: int) -> Times:
    """Give both environments the same actions."""
    return _race_steps(pipelines.make_envs(game), draw_actions(game, (rounds + 1, steps)))


def race_workers(game: str, rounds: int, steps: int) -> Times:
    """Give the workers of both trainers the same actions."""
    actions = draw_actions(game, (rounds + 1, steps, workers.NUM_WORKERS))
    ours, theirs = workers.make_trainers(game)
    with ours, theirs:
        return _race_steps((ours, theirs), actions)


def _race_steps(players: tuple[Any, Any], actions: list[Any]) -> Times:
    names = zip((OURS, THEIRS), players, strict=True)
    return timing.race({name: functools.partial(timing.time_steps, each.step) for name, each in names}, actions)


def race_resets(game: str, rounds: int, *, is_seeded: bool, resets: int = 5) -> Times:
    """Reset both environments with the same seeds, or without."""
    names = zip((OURS, THEIRS), pipelines.make_envs(game), strict=True)
    players = {name: functools.partial(timing.time_steps, env.reset) for name, env in names}
    seeds = np.arange((rounds + 1) * resets).reshape(-1, resets).tolist()
    return timing.race(players, seeds if is_seeded else [[None] * resets] * (rounds + 1))


def draw_actions(game: str, shape: tuple[int, ...]) -> list[Any]:
    """Return random actions, in nested lists of some shape."""
    actions: list[Any] = np.random.default_rng(0).integers(count_actions(game), size=shape).tolist()
    return actions


# What has no reference.


def measure_states(arguments: argparse.Namespace) -> list[Copies]:
    """Measure copies of states; print how long they take."""
    timing.print_head("AtariEnv, microseconds", "game", "`clone_state`", "`restore_state`")
    results = []
    for game in choose(arguments, STATES):
        results.append(time_copies(game, arguments.rounds, arguments.steps))
        timing.print_row(game, *map(timing.write_spread, results[-1][1:]))
    return results


def time_copies(game: str, rounds: int, steps: int) -> Copies:
    """Clone the state before each step, restore it, and check that the same step does the same again."""
    env = AtariEnv(game)
    env.reset(seed=0)
    result = Copies(game, [], [])
    for turn, actions in enumerate(draw_actions(game, (rounds + 1, steps))):
        times = np.zeros((2, steps))
        for i, action in enumerate(actions):
            begin = time.perf_counter_ns()
            state = env.clone_state()
            cloned = time.perf_counter_ns()
            first = env.step(action)
            restored_from = time.perf_counter_ns()
            env.restore_state(state)
            times[:, i] = cloned - begin, time.perf_counter_ns() - restored_from
            again = env.step(action)
            timing.assert_same(first[:4], again[:4])
            if again[2] or again[3]:
                env.reset()
        if turn:  # the first warms up
            for column, median in zip(result[1:], np.median(times, axis=1) / 1000, strict=True):
                column.append(float(median))
    env.close()
    return result


def measure_roms(arguments: argparse.Namespace) -> list[Resets]:
    """Measure resets of all ROMs; print the longest."""
    results = [time_resets(game) for game in choose(arguments, list_roms())]
    slowest = sorted(results, key=lambda each: -each.longest)[:SLOWEST]
    timing.print_head(
        f"`AtariEnv.reset`, milliseconds of CPU time, medians; of {len(results)} ROMs those with the longest resets",
        *("game", "longest", "first", "emulated", "repeated", "with a seed that was seen", "of all repeated"),
    )
    for result in slowest:
        columns = [result.longest], [result.first], result.emulated, result.repeated, result.seeded
        share = len(result.repeated) / (len(result.emulated) + len(result.repeated))
        timing.print_row(result.game, *map(write_milliseconds, columns), f"{share:.0%}")
    kinds: dict[str, dict[str, list[float]]] = {
        "repeated": {result.game: result.repeated for result in results if result.repeated},
        "with a seed that was seen": {result.game: result.seeded for result in results},
    }
    for name, times in kinds.items():
        if not times:
            continue
        medians = {game: float(np.median(each)) for game, each in times.items()}
        worst = max(medians, key=medians.__getitem__)
        print(f"\n{name}: median of the ROMs {np.median(list(medians.values())):.3f}", end="")
        print(f", longest {medians[worst]:.3f} ({worst})", flush=True)
    never = [result.game for result in results if not result.repeated]
    print(f"\nnever repeated: {', '.join(never) or 'none'}", flush=True)
    return results


def write_milliseconds(times: Sequence[float]) -> str:
    """Return the median of some times; nothing if there are none."""
    return f"{np.median(times):.3f}" if times else ""


def time_resets(game: str) -> Resets:
    """Reset a game that nobody reset before in this process: with a seed, without, and with that seed again."""
    load_rom.cache_clear()  # starts that were seen belong to the ROM that was loaded
    env = AtariEnv(game)
    actions = iter(draw_actions(game, (UNSEEDED + SEEDED, STEPS_BETWEEN)))

    def play() -> None:
        for action in next(actions):
            _, _, terminated, truncated, _ = env.step(action)
            if terminated or truncated:
                return

    def reset(seed: int | None) -> float:
        begin = time.thread_time_ns()
        env.reset(seed=seed)
        return (time.thread_time_ns() - begin) / 1e6

    result = Resets(game, reset(0), [], [], [])
    for _ in range(UNSEEDED):
        play()
        before = count_repeated_resets(env)
        duration = reset(None)
        (result.emulated if count_repeated_resets(env) == before else result.repeated).append(duration)
    for _ in range(SEEDED):
        play()
        result.seeded.append(reset(0))
    env.close()
    return result


if __name__ == "__main__":
    main()
