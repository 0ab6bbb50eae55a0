"""Races ways to hand a batch of steps to threads: ``python -m benchmarks.threads``.

All step the same environments with the same actions, and have to return the same observations. What is measured is how
long a batch takes, for batches of 8 and 64, without a policy and with one that sleeps before each batch. With
`--busy 3`, three processes that only compute run meanwhile. The variants:

* "one thread": the caller steps all environments by itself.
* "executor": Python's `ThreadPoolExecutor` gives each thread an equal part of the environments.
* "threads": threads take environments from a queue, one by one, as `AtariVectorEnv` does. They are pinned, each to a
  core of its own, or not; the caller waits or plays, too, with one thread fewer; who waits stays awake for some
  microseconds, or not at all, before it sleeps.
"""

import argparse
import concurrent.futures
import itertools
import time
from collections.abc import Callable
from typing import Any, NamedTuple, Protocol
from unittest import mock

import numpy as np
import numpy.typing as npt
from gymnasium.vector import AutoresetMode

from benchmarks import command, timing
from benchmarks.consoles_alone import list_cores, split
from benchmarks.interfaces import engine_threads, list_roms, make_engine
from benchmarks.vector_rounds import count_actions
from fastatari.rules import AtariRules

COUNTS = (8, 64)
POLICIES = (0.0, 0.001, 0.005)  # seconds
AWAKE = (0, 20, 100)  # microseconds

RULES = AtariRules.from_preset("gymnasium")

UInt8Array = npt.NDArray[np.uint8]


class Handover(NamedTuple):
    """How long batches take that are handed over in some way.

    Attributes:
        variant: the way.
        num_envs: how many environments a batch has.
        policy: the seconds for which the caller sleeps before each batch.
        batches: the microseconds of each batch, without the policy.
    """

    variant: str
    num_envs: int
    policy: float
    batches: list[float]


class Stepper(Protocol):
    """Environments that are stepped in some way."""

    out: UInt8Array

    def step(self, actions: npt.NDArray[np.int64]) -> None:
        """Step all environments, and write their observations to `out`."""

    def close(self) -> None:
        """End the threads."""


class OnQueue:
    """Environments that threads take from the engine's own queue, one by one.

    Args:
        game: the ROM's id.
        num_envs: how many environments there are.
        num_threads: how many threads there are besides the caller's.
        cores: the core that each thread is pinned to; empty for none.
        caller_plays: whether the caller plays, too.
        awake: for how many microseconds who waits stays awake.
    """

    def __init__(
        self,
        game: str,
        num_envs: int,
        num_threads: int,
        cores: tuple[int, ...] = (),
        caller_plays: bool = False,
        awake: int = 20,
    ) -> None:
        self._engine, self.out = make_engine_reset(game, num_envs, num_threads)
        threads = self._engine.threads
        with mock.patch.object(engine_threads, "_list_cores", return_value=list(cores)):
            threads.start()
        spins = round(engine_threads.count_spins() * awake / (1e6 * engine_threads.AWAKE))
        threads.queue.spins, threads.queue.caller_plays = spins, caller_plays or not num_threads
        self.close = self._engine.close

    def step(self, actions: npt.NDArray[np.int64]) -> None:
        """Step all environments."""
        self._engine.step(None, actions, None, self.out)


class InExecutor:
    """Environments of which a `ThreadPoolExecutor` gives each thread an equal part.

    Args:
        game: the ROM's id.
        num_envs: how many environments there are.
        num_parts: how many parts.
        caller_plays: whether the caller steps the last part itself.
    """

    def __init__(self, game: str, num_envs: int, num_parts: int, caller_plays: bool = False) -> None:
        self._parts = split(num_envs, num_parts)
        both = [make_engine_reset(game, part.stop - part.start, 0, part.start) for part in self._parts]
        self._engines = [engine for engine, _ in both]
        self.out = np.concatenate([out for _, out in both])
        self._caller_plays = caller_plays
        self._executor = concurrent.futures.ThreadPoolExecutor(num_parts)

    def step(self, actions: npt.NDArray[np.int64]) -> None:
        """Step all environments."""

        def step_part(part: slice, engine: Any) -> None:
            engine.step(None, actions[part], None, self.out[part])

        each = list(zip(self._parts, self._engines, strict=True))
        handed = each[:-1] if self._caller_plays else each
        futures = [self._executor.submit(step_part, *pair) for pair in handed]
        if self._caller_plays:
            step_part(*each[-1])
        for future in futures:
            future.result()

    def close(self) -> None:
        """End the threads."""
        self._executor.shutdown()
        for engine in self._engines:
            engine.close()


def make_engine_reset(game: str, num_envs: int, num_threads: int, first: int = 0) -> tuple[Any, UInt8Array]:
    """Return an engine whose environments were reset with the seeds from `first` on, and their observations."""
    engine: Any = make_engine(game, RULES, num_envs, AutoresetMode.NEXT_STEP, num_threads=num_threads)
    everyone = np.arange(num_envs)
    engine.reset(everyone, [first + number for number in range(num_envs)])
    out = np.empty((num_envs, *RULES.shape), np.uint8)
    engine.read(everyone, out)
    return engine, out


def list_variants(num_cores: int) -> dict[str, Callable[[str, int], Stepper]]:
    """Return what makes environments of a game that are handed over in some way, by the name of the way."""
    cores = tuple(list_cores())
    fewer = max(1, num_cores - 1)
    variants: dict[str, Callable[[str, int], Stepper]] = {
        "one thread": lambda game, num_envs: OnQueue(game, num_envs, 0),
        "executor, caller waits": lambda game, num_envs: InExecutor(game, num_envs, num_cores),
        "executor, caller plays": lambda game, num_envs: InExecutor(game, num_envs, num_cores, True),
    }
    kinds = (
        ("pinned, caller waits", num_cores, cores, False),
        ("caller waits", num_cores, (), False),
        ("caller plays", fewer, (), True),
        ("pinned, caller plays", fewer, cores[-fewer:], True),
    )
    for (name, num_threads, chosen, caller_plays), awake in itertools.product(kinds, AWAKE):
        variants[f"threads, {name}, awake {awake} us"] = (
            lambda game, num_envs, num_threads=num_threads, chosen=chosen, caller_plays=caller_plays, awake=awake: (  # type: ignore[misc]
                OnQueue(game, num_envs, num_threads, chosen, caller_plays, awake)
            )
        )
    return variants


def race(
    game: str,
    num_envs: int,
    policy: float,
    variants: dict[str, Callable[[str, int], Stepper]],
    rounds: int,
    steps: int,
) -> list[Handover]:
    """Let all variants play the same rounds in turn.

    Args:
        game: the ROM's id.
        num_envs: how many environments a batch has.
        policy: the seconds for which the caller sleeps before each batch.
        variants: of `list_variants`.
        rounds: how many rounds count.
        steps: how many batches a round has.

    Raises:
        AssertionError: two of them have other observations.
    """
    actions = np.random.default_rng(0).integers(count_actions(game), size=(rounds + 1, steps, num_envs))
    steppers: dict[str, Stepper] = {}
    batches: dict[str, list[float]] = {name: [] for name in variants}
    try:
        for name, make in variants.items():
            steppers[name] = make(game, num_envs)
        for turn, rows in enumerate(actions):
            for name in timing.rotate(tuple(steppers), turn):
                times = play(steppers[name], rows, policy)
                if turn:  # the first round warms up
                    batches[name] += times
            first, *others = steppers.values()
            for other in others:
                assert np.array_equal(first.out, other.out), "the observations differ"
    finally:
        for stepper in steppers.values():
            stepper.close()
    return [Handover(name, num_envs, policy, times) for name, times in batches.items()]


def play(stepper: Stepper, actions: npt.NDArray[np.int64], policy: float) -> list[float]:
    """Play a round; return the microseconds of each batch, without the policy. The first does not count."""
    times = []
    stepper.step(actions[0])
    for row in actions[1:]:
        if policy:
            time.sleep(policy)
        begin = time.perf_counter()
        stepper.step(row)
        times.append(1e6 * (time.perf_counter() - begin))
    return times


def main() -> None:
    """Measure, and print and save what came out."""
    parser = command.make_parser(
        __doc__, ("handovers",), rounds=20, steps=40, steps_help="batches of a round, of which the first does not count"
    )
    parser.add_argument("--game", default="breakout", choices=list_roms(), metavar="GAME", help="default: breakout")
    parser.add_argument("--counts", nargs="+", type=command.positive, default=COUNTS, metavar="N", help=f"{COUNTS}")
    parser.add_argument("--variants", nargs="+", default=None, metavar="TEXT", help="those whose names have a TEXT")
    arguments = parser.parse_args()
    if arguments.steps < 2:
        parser.error("--steps must be at least 2, because the first batch does not count")
    command.run(arguments, {"handovers": lambda: measure(arguments)})


def measure(arguments: argparse.Namespace) -> list[Handover]:
    """Race all variants; print the medians and means of their batches."""
    every = list_variants(max(2, len(list_cores())))
    texts = arguments.variants or [""]
    variants = {name: make for name, make in every.items() if any(text in name for text in texts)}
    results: list[Handover] = []
    for num_envs in arguments.counts:
        measured = [
            race(arguments.game, num_envs, policy, variants, arguments.rounds, arguments.steps) for policy in POLICIES
        ]
        timing.print_head(
            f"Batches of {num_envs}, microseconds of a batch: median, mean",
            *("who plays", *(f"policy of {1000 * policy:.0f} ms" for policy in POLICIES)),
        )
        for row in zip(*measured, strict=True):
            cells = (f"{np.median(each.batches):.0f}, {np.mean(each.batches):.0f}" for each in row)
            timing.print_row(row[0].variant, *cells)
        results += [each for handovers in measured for each in handovers]
    return results


if __name__ == "__main__":
    main()
