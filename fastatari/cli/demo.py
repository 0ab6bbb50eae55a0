"""The demo: random play with fastatari's workers and with the reference's, in turn, compared and timed."""

import contextlib
import dataclasses
import itertools
import math
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Column, Table

from fastatari.cli import picture
from fastatari.cli.failures import CommandError, describe_error
from fastatari.cli.progress import make_progress, make_terminal
from fastatari.cli.reference import ReferenceWorker
from fastatari.cli.signals import sigint_blocked
from fastatari.engine.interface import ConsoleName
from fastatari.envs.game import OBSERVATION_SHAPE, Game
from fastatari.envs.worker import Worker

# How many observations a round may have. The reference's are kept as float64, 0.2 MB each.
_ROUND_OBSERVATIONS = 400

_REFRESH_SECONDS = 0.1

# The picture is taken at the first reward of an episode, but not before this many of its steps, and not much later
# than after so many steps without one.
_PICTURE_STEPS = 8
_PICTURE_PATIENCE = 1000

_BARS = "▁▂▃▄▅▆▇█"
_ASCII_BARS = ".:-=+*#@"


class Player:
    """A trainer's loop over one kind of workers, with a clock.

    Args:
        workers (Sequence[Worker | ReferenceWorker]): who plays; not closed.
        dtype (numpy.dtype): of the observations that they send.
        step_num (int): the most steps of a round.

    Attributes:
        rates (list[float]): steps per second of each round, all workers together.
        results (list[tuple[float, bool, Any]]): reward, done and info of each step of the latest round.
    """

    def __init__(self, workers: Sequence[Worker | ReferenceWorker], dtype: npt.DTypeLike, step_num: int) -> None:
        self._workers = workers
        self._observations = np.zeros((len(workers), *OBSERVATION_SHAPE), np.uint8)
        self._kept = np.zeros((step_num, *self._observations.shape), dtype)
        self.rates: list[float] = []
        self.results: list[tuple[float, bool, Any]] = []

    def reset(self) -> npt.NDArray[Any]:
        """Reset all games; return their observations (dtype[1, workers, 4, 84, 84]), valid until the next round."""
        for worker in self._workers:
            worker.child.send(("reset", None))
        for i, worker in enumerate(self._workers):
            self._kept[0, i] = worker.child.recv()
        return self._kept[:1]

    def play(self, actions: npt.NDArray[np.int64], advance: Callable[[int], None]) -> npt.NDArray[Any]:
        """Play a round.

        Args:
            actions (int64[steps, workers]): indices into the game's action set.
            advance: called with the number of workers after each step.

        Returns:
            dtype[steps, workers, 4, 84, 84]: the observations as they were received, valid until the next round.
        """
        seconds = 0.0
        self.results = []
        for step_actions, kept in zip(actions, self._kept, strict=False):
            replies = []
            begin = time.perf_counter()
            for worker, action in zip(self._workers, step_actions, strict=True):
                worker.child.send(("step", action))
            for i, worker in enumerate(self._workers):
                replies.append(worker.child.recv())
                self._observations[i] = replies[-1][0]
            seconds += time.perf_counter() - begin
            # What a trainer would not do is done while the clock stands still.
            for i, (observation, *result) in enumerate(replies):
                kept[i] = observation
                self.results.append(tuple(result))
            advance(len(replies))
        self.rates.append(actions.size / seconds)
        return self._kept[: len(actions)]


@dataclasses.dataclass
class Found:
    """What the rounds that both have played found.

    Attributes:
        rates (list[tuple[float, float]]): steps per second of each round, of fastatari and of the reference.
        observation_num (int): how many observations were compared.
        pixels (int): how many of their pixels differ.
        result_num (int): how many rewards, dones and infos were compared.
        results (int): how many of these differ.
        returns (list[float]): those of the episodes that ended.
    """

    rates: list[tuple[float, float]] = dataclasses.field(default_factory=list)
    observation_num: int = 0
    pixels: int = 0
    result_num: int = 0
    results: int = 0
    returns: list[float] = dataclasses.field(default_factory=list)

    def compare_observations(self, mine: npt.NDArray[Any], theirs: npt.NDArray[Any]) -> None:
        """Count those that both gave."""
        self.pixels += int(np.count_nonzero(mine != theirs))
        self.observation_num += mine.shape[0] * mine.shape[1]

    def compare_results(self, player: Player, reference: Player) -> None:
        """Count the results of the round that both have played."""
        self.results += sum(a != b for a, b in zip(player.results, reference.results, strict=True))
        self.result_num += len(player.results)
        self.returns += [info["reward"] for _, done, info in player.results if done]
        self.rates.append((player.rates[-1], reference.rates[-1]))


def run(rom: str, worker_num: int, step_num: int, output: Path, seed: int, console: ConsoleName = "fastatari") -> int:
    """Play, compare, and show what came of it.

    Args:
        rom (str): the game's id in ale-py.
        worker_num (int): how many workers of each kind play at a time.
        step_num (int): the steps of each worker.
        output (Path): the file that the picture goes to, in the format of its name.
        seed (int): seeds the actions, and the workers with the numbers from it on.
        console ("fastatari" | "ale"): as for `Game`.

    Returns:
        int: the exit status: 0, or 1 if anything differs.

    Raises:
        CommandError: a worker failed, or the picture cannot be written. What the rounds before found is printed.
    """
    terminal = make_terminal()
    terminal.print(f"{rom}, random play; workers: {worker_num}, steps of each: {step_num:,}; a step is 4 frames")
    rng = np.random.default_rng(seed)
    game = Game(seed, game=rom, console=console)
    actions = rng.integers(len(game.ale.getMinimalActionSet()), size=(step_num, worker_num))
    found = Found()
    try:
        with _start_workers(rom, range(seed, seed + worker_num), console) as (workers, references):
            _play_rounds(found, workers, references, actions, terminal)
    except Exception as error:  # of any type, because workers raise what was raised in them
        raise CommandError(f"a round could not be played: {describe_error(error)}") from error
    finally:
        if found.rates:
            _report(terminal, found)
    picture.save(output, rom, *_play_until_reward(game, rng))
    _print_facts(terminal, picture=escape(str(output)))
    return 1 if found.pixels or found.results else 0


def _play_rounds(
    found: Found,
    workers: Sequence[Worker],
    references: Sequence[ReferenceWorker],
    actions: npt.NDArray[np.int64],
    terminal: Console,
) -> None:
    """Let both kinds of workers play all actions in turn, a round at a time, and add what each round found."""
    round_steps = max(1, _ROUND_OBSERVATIONS // len(workers))
    player = Player(workers, np.uint8, round_steps)
    reference = Player(references, np.float64, round_steps)
    with _show_progress(terminal, 2 * actions.size) as advance:
        found.compare_observations(player.reset(), reference.reset())
        for first in range(0, len(actions), round_steps):
            turn = actions[first : first + round_steps]
            found.compare_observations(player.play(turn, advance), reference.play(turn, advance))
            found.compare_results(player, reference)


def _report(terminal: Console, found: Found) -> None:
    """Print the rates, the differences and the returns."""
    terminal.print("", _tabulate_rates(*zip(*found.rates, strict=True)), "", sep="\n")
    _print_facts(
        terminal,
        compared=_describe_differences(found.observation_num, found.pixels, found.result_num, found.results),
        episodes=_describe_returns(found.returns, _ASCII_BARS if terminal.options.ascii_only else _BARS),
    )


def _print_facts(terminal: Console, **facts: str) -> None:
    """Print some facts beside their names."""
    table = Table.grid(Column(min_width=8), Column(overflow="fold"), padding=(0, 2))
    for name, text in facts.items():
        table.add_row(name, text)
    terminal.print(table)


@contextlib.contextmanager
def _start_workers(
    rom: str, seeds: Sequence[int], console: ConsoleName
) -> Iterator[tuple[list[Worker], list[ReferenceWorker]]]:
    """Start a worker of each kind for each seed, and end them all afterwards."""
    workers: list[Worker] = []
    references: list[ReferenceWorker] = []
    try:
        with sigint_blocked():
            for seed in seeds:
                workers.append(Worker(seed, game=rom, console=console))
                references.append(ReferenceWorker(seed, rom))
        yield workers, references
    finally:
        with sigint_blocked():
            for worker in workers:
                worker.close()
            # Not asked to close: after Ctrl-C one may be in the middle of sending what nobody will receive.
            for reference in references:
                reference.process.terminate()
                reference.process.join()


@contextlib.contextmanager
def _show_progress(console: Console, total: int) -> Iterator[Callable[[int], None]]:
    """Show a progress bar, if this is a terminal; yield what advances it by a number of steps."""
    # A bar that refreshed itself would do so in a thread of its own, while the clock runs.
    with make_progress(console, "playing", auto_refresh=False) as progress:
        task = progress.add_task("", total=total)
        refreshed = 0.0

        def advance(step_num: int) -> None:
            nonlocal refreshed
            progress.advance(task, step_num)
            if time.monotonic() - refreshed > _REFRESH_SECONDS:
                progress.refresh()
                refreshed = time.monotonic()

        yield advance


def _tabulate_rates(rates: Sequence[float], reference_rates: Sequence[float]) -> Table:
    ratios = [rate / reference_rate for rate, reference_rate in zip(rates, reference_rates, strict=True)]
    caption = f"medians over rounds ({len(ratios)}), ratios from {min(ratios):.1f} to {max(ratios):.1f}"
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, caption=caption, caption_justify="left")
    table.add_column("")
    for heading in ("fastatari", "gymnasium and cv2", "ratio"):
        table.add_column(heading, justify="right")
    medians = [f"{statistics.median(values):,.0f}" for values in (rates, reference_rates)]
    table.add_row("steps per second", *medians, f"[bold green]{statistics.median(ratios):.1f}[/]")
    return table


def _describe_differences(observation_num: int, pixels: int, result_num: int, results: int) -> str:
    text = (
        f"{observation_num:,} observations with cv2's: {pixels:,} pixels differ\n"
        f"{result_num:,} rewards, dones and infos: {results:,} differ"
    )
    return f"[{'bold red' if pixels or results else 'green'}]{text}[/]"


def _describe_returns(returns: Sequence[float], bars: str) -> str:
    """Say what the episodes' returns were, with a histogram as a line of bars."""
    if not returns:
        return "none ended"
    low, high = min(returns), max(returns)
    counts, _ = np.histogram(returns, bins=min(24, int(high - low) + 1))
    line = "".join(bars[math.ceil(len(bars) * count / max(counts)) - 1] if count else " " for count in counts)
    return (
        f"{len(returns):,} (of one life each), mean return {statistics.mean(returns):,.2f}, best {high:,.0f}\n"
        f"returns {low:,.0f} {line} {high:,.0f}"
    )


def _play_until_reward(game: Game, rng: np.random.Generator) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8]]:
    """Play until something has happened; return the screen in its colours and the observation."""
    game.reset()
    for step in itertools.count():
        observation, *_ = game.step(int(rng.integers(len(game.ale.getMinimalActionSet()))))
        # The beginning of an episode shows the same screen four times.
        if len(game.rewards) >= _PICTURE_STEPS and (any(game.rewards) or step >= _PICTURE_PATIENCE):
            break
    return game.ale.getScreenRGB(), observation.astype(np.uint8)
