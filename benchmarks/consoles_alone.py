"""Consoles that play the frames of steps and nothing else: the limits that a step is compared with.

Nobody waits for anybody, and nothing is handed over: each core plays its part of the environments in one call. So the
time of a core is what counts, on average over the cores.
"""

import concurrent.futures
import itertools
import multiprocessing
import os
import threading
import time
from collections.abc import Callable, Sequence
from multiprocessing.connection import Connection
from typing import Any

import ale_py
import numpy as np
import numpy.typing as npt

from benchmarks.interfaces import find_rom
from fastatari.console import machine_code
from fastatari.console.games.facts import MINIMAL_ACTIONS
from fastatari.console.memory import Consoles
from fastatari.console.state import Console

FRAMES = 4  # of a step
DRAWN = 0b1100  # which of them are looked at, a bit each

# Where the addresses of a console's own screens lie, which no other takes over.
_SCREENS: Any = Console.screens
_CHANGED: Any = Console.changed
_OWN = slice(_SCREENS.offset, _CHANGED.offset + _CHANGED.size)


def list_cores() -> list[int]:
    """Return the cores that this process may run on; none where the system does not say that."""
    return sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []


def split(number: int, parts: int) -> list[slice]:
    """Return so many slices of a number of environments, as even as possible; none is empty."""
    bounds = [number * part // parts for part in range(parts + 1)]
    return [slice(*pair) for pair in itertools.pairwise(bounds) if pair[0] < pair[1]]


def read_rams(consoles: Consoles) -> list[bytes]:
    """Return the RAM of each console."""
    each: Any = consoles
    return [bytes(each[i].ram) for i in range(len(consoles))]


class CompiledConsoles:
    """The compiled console alone, in one thread or in one on each core.

    Args:
        consoles: those of an engine, whose states are taken over.
        num_threads: how many threads play; 1 for the caller's.
        clock: what is read before and after, in the thread that plays.
    """

    def __init__(self, consoles: Consoles, num_threads: int, clock: Callable[[], float] = time.perf_counter) -> None:
        self._source, self._clock = consoles, clock
        self._consoles = Consoles(consoles.rom, len(consoles))
        self._parts = split(len(consoles), num_threads)
        self._barrier = threading.Barrier(len(self._parts))
        self._executor = concurrent.futures.ThreadPoolExecutor(len(self._parts))
        cores = list_cores()
        self._cores: list[int | None] = [*cores] if len(cores) == len(self._parts) > 1 else [None] * len(self._parts)
        self._plans: list[tuple[npt.NDArray[np.int64], ...]] = []
        self._act_all = machine_code.functions().act_all

    def plan(self, actions: npt.NDArray[np.int64]) -> None:
        """Take over the states, and the actions to be played.

        Args:
            actions: int64[steps, n], by index.
        """
        for part in (slice(_OWN.start), slice(_OWN.stop, None)):
            self._consoles.blocks[:, part] = self._source.blocks[:, part]
        numbers = np.array(MINIMAL_ACTIONS[self._source.rom.game], np.int64)[actions]
        addresses = self._consoles.addresses
        self._plans = []
        for part in self._parts:
            mine = np.tile(addresses[part], len(actions))
            self._plans.append((mine, np.ascontiguousarray(numbers[:, part]).ravel(), np.zeros(len(mine), np.int32)))

    def play(self) -> float:
        """Play what was planned; return the seconds that it took, on average over the threads."""
        if len(self._plans) == 1:
            return self._play_part(self._plans[0], None)
        return float(np.mean(list(self._executor.map(self._play_part, self._plans, self._cores))))

    def _play_part(self, plan: tuple[npt.NDArray[Any], ...], core: int | None) -> float:
        addresses, actions, rewards = plan
        if core is not None:
            os.sched_setaffinity(0, {core})
        self._barrier.wait()
        begin = self._clock()
        # Python lets go of its lock for the whole of this.
        self._act_all(addresses.ctypes.data, len(addresses), actions.ctypes.data, FRAMES, DRAWN, rewards.ctypes.data)
        return self._clock() - begin

    def check(self) -> bool:
        """Assert that the engine's consoles played the same; return whether all games are still running.

        Raises:
            AssertionError: RAM or the number of frames differ.
        """
        if any(self._consoles[i].over for i in range(len(self._consoles))):
            return False
        for i in range(len(self._consoles)):
            numbers = self._consoles[i].frame_number, self._source[i].frame_number
            assert numbers[0] == numbers[1], f"environment {i} played another number of frames"
        assert read_rams(self._consoles) == read_rams(self._source), "the RAM differs"
        return True

    def close(self) -> None:
        """End the threads."""
        self._executor.shutdown()


class ALEConsoles:
    """ale-py's ``ALEInterface.act`` alone, which holds Python's lock: in a process on each core.

    Each round begins in the state after loading the ROM and a reset.

    Args:
        game: the ROM's id.
        num_envs: how many environments there are.
        num_processes: how many processes play.
    """

    def __init__(self, game: str, num_envs: int, num_processes: int) -> None:
        self._parts = split(num_envs, num_processes)
        self._pipes: list[Connection[Any, Any]] = []
        self._processes = []
        context = multiprocessing.get_context("fork")
        cores = list_cores()
        for number, part in enumerate(self._parts):
            pipe, other = context.Pipe()
            core = cores[number] if len(cores) == len(self._parts) > 1 else None
            process = context.Process(target=_serve, args=(other, game, part.stop - part.start, core), daemon=True)
            process.start()
            other.close()
            self._processes.append(process)
            self._pipes.append(pipe)
        for pipe in self._pipes:
            pipe.recv()
        self._are_running = True

    def plan(self, lead: npt.NDArray[np.int64], actions: npt.NDArray[np.int64]) -> list[bytes]:
        """Begin games, and play what is not timed.

        Args:
            lead: int64[k, n], the actions that are played now, by index.
            actions: int64[steps, n], those that `play` plays.

        Returns:
            list[bytes]: the RAM of each console after `lead`. Only that of the first round is exact, because ale-py's
            states leave things out.
        """
        for pipe, part in zip(self._pipes, self._parts, strict=True):
            pipe.send((lead[:, part].tolist(), actions[:, part].tolist()))
        return [ram for pipe in self._pipes for ram in pipe.recv()]

    def play(self) -> float:
        """Play what was planned; return the seconds that it took, on average over the processes."""
        for pipe in self._pipes:
            pipe.send(None)
        answers = [pipe.recv() for pipe in self._pipes]
        self._are_running = all(are_running for _, are_running in answers)
        return float(np.mean([seconds for seconds, _ in answers]))

    def check(self) -> bool:
        """Return whether all games are still running after `play`."""
        return self._are_running

    def close(self) -> None:
        """End the processes."""
        for process, pipe in zip(self._processes, self._pipes, strict=True):
            pipe.close()
            process.terminate()
            process.join()
            process.close()


def _serve(pipe: "Connection[Any, Any]", game: str, num_envs: int, core: int | None) -> None:
    if core is not None:
        os.sched_setaffinity(0, {core})
    ales = [start_ale(game) for _ in range(num_envs)]
    states = [ale.cloneState() for ale in ales]
    actions = ales[0].getMinimalActionSet()
    is_first = True
    pipe.send(None)
    while True:
        lead, timed = pipe.recv()
        if not is_first:
            for ale, state in zip(ales, states, strict=True):
                ale.restoreState(state)
        is_first = False
        rows = [[actions[index] for index in row] for row in timed]
        _act(ales, [[actions[index] for index in row] for row in lead])
        last_frames = [ale.getEpisodeFrameNumber() + FRAMES * len(rows) for ale in ales]
        pipe.send([ale.getRAM().tobytes() for ale in ales])
        pipe.recv()
        begin = time.perf_counter()
        _act(ales, rows)
        seconds = time.perf_counter() - begin
        are_running = not any(ale.game_over() for ale in ales)
        if are_running:
            assert last_frames == [ale.getEpisodeFrameNumber() for ale in ales]
        pipe.send((seconds, are_running))


def _act(ales: Sequence[Any], rows: Sequence[Sequence[Any]]) -> None:
    for row in rows:
        for ale, action in zip(ales, row, strict=True):
            act = ale.act
            act(action)
            act(action)
            act(action)
            act(action)


def start_ale(game: str) -> Any:
    """Return ale-py's emulator with a game that has begun; no action sticks."""
    ale_py.ALEInterface.setLoggerMode(ale_py.LoggerMode.Error)
    ale = ale_py.ALEInterface()
    ale.setFloat("repeat_action_probability", 0.0)
    ale.loadROM(find_rom(game)[1])
    ale.reset_game()
    return ale
