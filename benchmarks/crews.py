"""All cores: what workers take beside workers that only call ale-py's ``act`` and beside the reference's.

Here ale-py's act alone is workers that answer each request after four calls of ``act``, through fastatari's pipes. They
play on where a life is lost; when a game is over, they go on with a saved state.
"""

import contextlib
import gc
import itertools
import os
import resource
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Self
from unittest import mock

import contenders
import numpy as np
from breakdown import ACT_ALONE, OURS, THEIRS

import fastatari.crew
from fastatari import Worker
from fastatari.cli.reference import ReferenceWorker
from fastatari.engine import Engine

KINDS = (OURS, ACT_ALONE, THEIRS)

_TICK = 1 / os.sysconf("SC_CLK_TCK")


class ActOnly(Engine):
    """A game that calls ale-py's ``act``, and nothing else: its observations stay those of the reset."""

    def __init__(self, *arguments: Any, **fields: Any) -> None:
        super().__init__(*arguments, **fields | {"console": "ale"})

    def reset(self, seed: int | None = None) -> None:
        """Begin a game, and save it."""
        super().reset(seed)
        self._start = self.console.ale.cloneState()

    def step(self, action: int, *_: Any) -> tuple[float, bool, bool]:
        """Act four times."""
        console = self.console
        ale_action = console.actions[action]
        for _ in range(self.rules.frame_skip):
            console.act(ale_action)
        if console.game_over():
            console.ale.restoreState(self._start)
        return 0.0, False, False


class Usage(NamedTuple):
    """What processes used.

    Attributes:
        user: seconds of the cores outside the kernel.
        system: seconds of the cores in the kernel.
        waits: how often a process gave its core away because it had to wait.
        losses: how often a process lost its core to another.
    """

    user: float
    system: float
    waits: float
    losses: float


class Account(NamedTuple):
    """Where the time of the cores went in some steps.

    Attributes:
        kind: of the workers.
        steps: how many steps of all workers.
        seconds: how long they took.
        workers: what all workers used.
        trainer: what the process with the loop used.
    """

    kind: str
    steps: int
    seconds: float
    workers: Usage
    trainer: Usage


class Race(NamedTuple):
    """What one game gave with one number of workers.

    Attributes:
        game: its ROM.
        num: how many workers each kind had.
        steps: the microseconds of a step of all workers in each round, by kind.
        starts: the seconds of each start, by kind.
        memory: the megabytes of a worker's own memory after the race, by kind.
    """

    game: str
    num: int
    steps: dict[str, list[float]]
    starts: dict[str, list[float]]
    memory: dict[str, float]

    def rates(self, kind: str) -> list[float]:
        """Return the steps of one worker, summed over the workers, that a second had in each round."""
        return [1e6 * self.num / microseconds for microseconds in self.steps[kind]]


class Crew:
    """Workers of one kind in a trainer's loop.

    Attributes:
        trainer (contenders.Trainer): plays with them.
        start (float): the seconds from the start of the first worker until the first observation of each was there.
    """

    def __init__(self, kind: str, game: str, num: int) -> None:
        # Or the garbage collector of a worker, which writes to what it looks at, would copy what this program holds.
        gc.freeze()
        begin = time.perf_counter()
        workers: list[Any] = [_start(kind, seed, game) for seed in range(num)]
        self.trainer = contenders.Trainer(workers)
        self.start = time.perf_counter() - begin
        gc.unfreeze()
        self._folders = [Path(f"/proc/{worker.process.pid}") for worker in workers]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *details: object) -> None:
        self.trainer.__exit__(*details)

    def read_memory(self) -> float:
        """Return the megabytes of a worker's own memory, on average.

        That is what one more worker costs: the console, its arrays, and the pages of the forked interpreter that it or
        its caller has written to since. What is shared with other processes is not in it: libraries and observations.
        """
        private = 0
        for folder in self._folders:
            for line in (folder / "smaps_rollup").read_text().splitlines():
                if line.startswith("Private_"):  # Private_Clean, Private_Dirty, in kB
                    private += int(line.split()[1])
        return private / 1024 / len(self._folders)

    def read_usage(self) -> Usage:
        """Return what all workers used since they started."""
        usages = []
        for folder in self._folders:
            # The program's name, in parentheses, may hold spaces. User and system time are the 12th and 13th after it.
            fields = (folder / "stat").read_text().rpartition(")")[2].split()
            status = dict(line.split(":", 1) for line in (folder / "status").read_text().splitlines())
            waits, losses = status["voluntary_ctxt_switches"], status["nonvoluntary_ctxt_switches"]
            usages.append((_TICK * int(fields[11]), _TICK * int(fields[12]), int(waits), int(losses)))
        return Usage(*np.sum(usages, axis=0).tolist())


def _start(kind: str, seed: int, game: str) -> Worker | ReferenceWorker:
    if kind == THEIRS:
        return ReferenceWorker(seed, game)
    with mock.patch.object(fastatari.crew, "Engine", ActOnly if kind == ACT_ALONE else Engine):
        return Worker(seed, game=game)


def measure(game: str, nums: Sequence[int], rounds: int, steps: int, starts: int = 1) -> list[Race]:
    """Let crews of all kinds play the same rounds in turn; check that fastatari's and the reference's agree.

    All numbers of workers play each round, because the speed of the machine changes and they are to be compared. Those
    that do not play wait and take no time. Processes have to be forked, or they would not see the kind that only
    calls ``act``.

    Args:
        game: a ROM.
        nums: how many workers each kind has.
        rounds: how often each kind plays.
        steps: how many steps a round has, summed over the workers.
        starts: how often each kind is started, to time that.
    """
    races = [Race(game, num, *({kind: [] for kind in KINDS} for _ in range(2)), {}) for num in nums]
    for race, _ in itertools.product(races, range(starts - 1)):
        for kind in KINDS:
            with Crew(kind, game, race.num) as crew:
                race.starts[kind].append(crew.start)
    with contextlib.ExitStack() as stack:
        crews = [{kind: stack.enter_context(Crew(kind, game, num)) for kind in KINDS} for num in nums]
        actions = [contenders.draw_actions(game, (rounds + 1, max(1, steps // num), num)) for num in nums]
        for turn in range(rounds + 1):
            for race, racers, rounds_actions in zip(races, crews, actions, strict=True):
                times = _race(racers, rounds_actions[turn], turn)
                if turn:  # the first warms up
                    for kind in KINDS:
                        race.steps[kind].append(times[kind])
        for race, racers in zip(races, crews, strict=True):
            for kind, crew in racers.items():
                race.starts[kind].append(crew.start)
                race.memory[kind] = crew.read_memory()
    return races


def _race(crews: Mapping[str, Crew], actions: Sequence[Any], turn: int) -> dict[str, float]:
    """Let each kind play, another one first each turn; return the microseconds of a step of each."""
    times, results = {}, {}
    for kind in contenders.rotate(KINDS, turn):
        nanoseconds, results[kind] = contenders.time_steps(crews[kind].trainer.step, actions)
        times[kind] = float(np.mean(nanoseconds)) / 1000
    for ours, theirs in zip(results[OURS], results[THEIRS], strict=True):
        contenders.assert_same(ours, theirs)
    return times


def account(game: str, num: int, rounds: int, steps: int) -> list[Account]:
    """Find out where the time goes while a trainer of each kind, in turn, does nothing but gather observations."""
    actions = contenders.draw_actions(game, (rounds, max(1, steps // num), num))
    spent = {kind: np.zeros((2, len(Usage._fields))) for kind in KINDS}
    seconds = dict.fromkeys(KINDS, 0.0)
    with contextlib.ExitStack() as stack:
        crews = {kind: stack.enter_context(Crew(kind, game, num)) for kind in KINDS}
        for turn, round_actions in enumerate(actions):
            for kind in contenders.rotate(KINDS, turn):
                crew = crews[kind]
                before, begin = np.array((crew.read_usage(), _read_own_usage())), time.perf_counter()
                for step_actions in round_actions:
                    crew.trainer.step(step_actions)
                seconds[kind] += time.perf_counter() - begin
                spent[kind] += np.array((crew.read_usage(), _read_own_usage())) - before
    step_num = sum(map(len, actions))
    return [Account(kind, step_num, seconds[kind], *(Usage(*used.tolist()) for used in spent[kind])) for kind in KINDS]


def _read_own_usage() -> Usage:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return Usage(usage.ru_utime, usage.ru_stime, usage.ru_nvcsw, usage.ru_nivcsw)
