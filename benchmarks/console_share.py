"""Measures steps beside the console alone: ``python -m benchmarks.console_share``.

The console alone is the compiled console, which plays four frames and draws the last two of them, from the same states
with the same actions. Nothing is handed over to it, and it waits for nobody: no step can be faster. Sections:

* `outside`: how much longer than the console a step takes in one thread, the caller's, by CPU time.
* `shares`: how near the console alone on all cores steps on all cores come, by the clock, with all environments in a
  batch and with half of them; and how many times as fast they are as ``ale_py.ALEInterface.act`` alone on all cores,
  which is the limit of every pipeline on ale-py's emulator.

A round begins with a reset, and some steps that are not timed. Rounds in which a game ends do not count: all that is
compared plays running games. RAM and numbers of frames have to be equal after each round.
"""

import argparse
import time
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from benchmarks import chart, command, timing
from benchmarks.consoles_alone import ALEConsoles, CompiledConsoles, list_cores, read_rams
from benchmarks.interfaces import AtariEnv, AtariVectorEnv, find_consoles, list_roms
from benchmarks.vector_rounds import count_actions

OURS, CONSOLE, ACT = "fastatari", "console alone", "act alone"

GAMES = ("breakout", "riverraid")
COUNTS = (8, 64, 256)
OUTSIDE_COUNTS = (8, 256)
HALF_COUNT = 64

# Steps of each environment after a reset, which are not timed.
LEAD = 20

# A round of many environments has no more steps than this, summed over them; but so many of each environment at least.
_MOST_STEPS, _LEAST_STEPS = 2000, 8


class Outside(NamedTuple):
    """How long steps take in the caller's thread, CPU time.

    Attributes:
        game: the ROM's id.
        name: of what.
        num_envs: how many environments there are.
        steps: the microseconds of a step of one environment in each round.
        console: the same, of the console alone.
    """

    game: str
    name: str
    num_envs: int
    steps: list[float]
    console: list[float]

    @property
    def outside(self) -> list[float]:
        """The microseconds of a step outside of the console, in each round."""
        return timing.subtract(self.steps, self.console)


class Share(NamedTuple):
    """How fast steps are on all cores.

    Attributes:
        game: the ROM's id.
        num_envs: how many environments there are.
        batch_size: how many are in a batch.
        steps: the microseconds of a step of one environment in each round.
        console: the same, of the console alone on all cores.
        act: the same, of ale-py's ``act`` alone on all cores.
    """

    game: str
    num_envs: int
    batch_size: int
    steps: list[float]
    console: list[float]
    act: list[float]

    @property
    def shares(self) -> list[float]:
        """How near the console alone they come, in each round: 1 is as fast."""
        return timing.divide(self.console, self.steps)

    @property
    def times_act(self) -> list[float]:
        """How many times as fast as ale-py's ``act`` alone they are, in each round."""
        return timing.divide(self.act, self.steps)


def main() -> None:
    """Measure, and print, save and plot what came out."""
    parser = command.make_parser(
        __doc__,
        ("outside", "shares"),
        rounds=30,
        steps=60,
        steps_help=f"of each environment in a round; fewer where these are more than {_MOST_STEPS} of all",
        plots="shares",
    )
    parser.add_argument("--games", nargs="+", default=GAMES, choices=list_roms(), metavar="GAME", help=", ".join(GAMES))
    parser.add_argument("--counts", nargs="+", type=command.positive, default=None, metavar="N", help=f"{COUNTS}")
    arguments = parser.parse_args()
    if arguments.plot and "shares" not in arguments.sections:
        parser.error("--plot needs the section shares")
    results, environment = command.run(
        arguments, {"outside": lambda: measure_outside(arguments), "shares": lambda: measure_shares(arguments)}
    )
    if arguments.plot:
        groups: dict[str, dict[str, list[float]]] = {}
        for share in results["shares"]:
            name = f"{share.num_envs} environments" + (", half batches" if share.batch_size < share.num_envs else "")
            groups.setdefault(share.game, {})[name] = share.shares
        chart.draw_ratios(groups, "share of the console alone on all cores", environment, arguments.plot)


def measure_outside(arguments: argparse.Namespace) -> list[Outside]:
    """Measure steps in the caller's thread; print what they take outside of the console."""
    timing.print_head(
        "One thread, microseconds of CPU time of a step of one environment",
        *("game", "", "environments", "step", "console alone", "outside of the console"),
    )
    results = []
    for game in arguments.games:
        for num_envs in (None, *(arguments.counts or OUTSIDE_COUNTS)):
            result = race_outside(game, num_envs, arguments.rounds, arguments.steps)
            results.append(result)
            medians = map(timing.write_median, (result.steps, result.console))
            spread = timing.write_spread(result.outside, 1)
            timing.print_row(game, f"`{result.name}.step`", str(result.num_envs), *medians, spread)
    return results


def measure_shares(arguments: argparse.Namespace) -> list[Share]:
    """Measure steps on all cores; print which share of the console alone they are."""
    timing.print_head(
        f"All cores ({len(list_cores())}), microseconds of a step of one environment",
        *("game", "environments", "in a batch", "step", "console alone", "act alone"),
        *("share of the console alone", "times as fast as act alone"),
    )
    results = []
    counts = arguments.counts or COUNTS
    halves = [HALF_COUNT] if arguments.counts is None else [num_envs for num_envs in counts if num_envs > 1]
    sizes = [(num_envs, num_envs) for num_envs in counts] + [(num_envs, num_envs // 2) for num_envs in halves]
    for game in arguments.games:
        for num_envs, batch_size in sizes:
            result = race_shares(game, num_envs, batch_size, arguments.rounds, arguments.steps)
            results.append(result)
            medians = map(timing.write_median, (result.steps, result.console, result.act))
            ratios = map(timing.write_spread, (result.shares, result.times_act))
            timing.print_row(game, str(num_envs), str(batch_size), *medians, *ratios)
    return results


class Round:
    """The actions of a round, and how it begins.

    Attributes:
        lead: int64[k, n], what is played before the clock runs.
        actions: int64[steps, n], what is timed.
    """

    def __init__(self, game: str, num_envs: int, steps: int) -> None:
        self._number = count_actions(game)
        self._steps = min(steps, max(_LEAST_STEPS, _MOST_STEPS // num_envs))
        self._num_envs = num_envs
        self._generator = np.random.default_rng(0)
        self.draw()

    def draw(self) -> None:
        """Draw new actions."""
        both = self._generator.integers(self._number, size=(LEAD + self._steps, self._num_envs))
        self.lead, self.actions = both[:LEAD], both[LEAD:]

    def divide(self, seconds: float) -> float:
        """Return the microseconds of a step of one environment."""
        return 1e6 * seconds / self.actions.size


def race_outside(game: str, num_envs: int | None, rounds: int, steps: int) -> Outside:
    """Let environments and the console alone play in the caller's thread.

    Args:
        game: the ROM's id.
        num_envs: how many environments an `AtariVectorEnv` has; None for an `AtariEnv`.
        rounds: how many rounds count.
        steps: how many steps of each environment a round has at most.
    """
    env: Any = AtariEnv(game, noop_max=0) if num_envs is None else make_vector(game, num_envs, num_threads=0)
    current = Round(game, num_envs or 1, steps)
    alone = CompiledConsoles(find_consoles(env), 1, time.thread_time)

    def prepare(turn: int) -> None:
        current.draw()
        env.reset(seed=turn)
        for actions in current.lead:
            env.step(actions[0] if num_envs is None else actions)
        alone.plan(current.actions)

    def play() -> float:
        actions = current.actions[:, 0].tolist() if num_envs is None else list(current.actions)
        step = env.step
        begin = time.thread_time()
        for each in actions:
            step(each)
        return current.divide(time.thread_time() - begin)

    players = {OURS: play, CONSOLE: lambda: current.divide(alone.play())}
    try:
        times = timing.play_rounds(players, rounds, prepare=prepare, check=alone.check)
    finally:
        alone.close()
        env.close()
    return Outside(game, type(env).__name__, num_envs or 1, times[OURS], times[CONSOLE])


def race_shares(game: str, num_envs: int, batch_size: int, rounds: int, steps: int) -> Share:
    """Let environments, the console alone and ale-py's ``act`` alone play on all cores.

    Args:
        game: the ROM's id.
        num_envs: how many environments there are.
        batch_size: how many are in a batch: all, or half of them.
        rounds: how many rounds count.
        steps: how many steps of each environment a round has at most.
    """
    cores = max(1, len(list_cores()))
    act = ALEConsoles(game, num_envs, cores)  # before there are threads, because it forks
    env = make_vector(game, num_envs, batch_size=batch_size)
    current = Round(game, num_envs, steps)
    alone = CompiledConsoles(find_consoles(env), cores)
    everyone = np.arange(num_envs)
    play_batches = play_whole if batch_size == num_envs else play_parts

    def prepare(turn: int) -> None:
        current.draw()
        env.reset(seed=[turn] * num_envs, env_id=everyone)
        for actions in current.lead:
            env.step(actions, everyone)
        alone.plan(current.actions)
        rams = act.plan(current.lead, current.actions)
        assert turn or rams == read_rams(find_consoles(env)), "the RAM differs from ale-py's"

    def play() -> float:
        begin = time.perf_counter()
        play_batches(env, current.actions)
        return current.divide(time.perf_counter() - begin)

    def check() -> bool:
        return alone.check() and act.check()

    players = {
        OURS: play,
        CONSOLE: lambda: current.divide(alone.play()),
        ACT: lambda: current.divide(act.play()),
    }
    try:
        times = timing.play_rounds(players, rounds, prepare=prepare, check=check)
    finally:
        alone.close()
        act.close()
        env.close()
    return Share(game, num_envs, batch_size, times[OURS], times[CONSOLE], times[ACT])


def make_vector(game: str, num_envs: int, **arguments: Any) -> AtariVectorEnv:
    """Return environments that begin without no-ops."""
    return AtariVectorEnv(game, num_envs, noop_max=0, **arguments)


def play_whole(env: AtariVectorEnv, actions: npt.NDArray[np.int64]) -> None:
    """Play all actions, all environments in a batch."""
    for row in actions:
        env.step(row)


def play_parts(env: AtariVectorEnv, actions: npt.NDArray[np.int64]) -> None:
    """Play all actions of each environment, whichever are ready first in a batch."""
    steps, num_envs = actions.shape
    counts = np.ones(num_envs, np.int64)
    env.send(actions[0], np.arange(num_envs))
    pending = num_envs
    while pending:
        env_ids = env.recv()[4]["env_id"]
        pending -= len(env_ids)
        env_ids = env_ids[counts[env_ids] < steps]
        if len(env_ids):
            env.send(actions[counts[env_ids], env_ids], env_ids)
            counts[env_ids] += 1
            pending += len(env_ids)


if __name__ == "__main__":
    main()
