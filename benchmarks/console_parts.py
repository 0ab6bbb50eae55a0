"""What the console costs beside playing: making, loading, copying and compiling it; and where a frame's time goes."""

import contextlib
import ctypes
import functools
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from typing import Any, NamedTuple
from unittest import mock

import ale_py
import numpy as np

import fastatari
from benchmarks import timing
from benchmarks.console_races import FRAMES, HALF, NONE, SEEDS, Group, draw_actions, load, time_raw
from fastatari import ALEInterface
from fastatari.compiler import native, programs
from fastatari.compiler.native import Target
from fastatari.console import frame, machine_code, riot
from fastatari.console.inputs import PADDLE_STEP
from fastatari.console.machine_code import Functions
from fastatari.console.memory import load_rom
from fastatari.console.play import act_frames as act_frames_plain
from fastatari.console.state import NEVER, STATE_SIZE, Console, Generator, Machine
from fastatari.console.tia import drawing, reads, writes

# Frames of which an account is given; their states are in as many consoles, so that none is played twice.
ACCOUNTED = 64

AROUND, PROCESSOR, LINES, COLLISIONS, PICTURES = (
    "around the frame", "processor and chips", "masks and lines", "collisions", "pictures",
)  # fmt: skip
PARTS = (AROUND, PROCESSOR, LINES, COLLISIONS, PICTURES)


class Loading(NamedTuple):
    """Milliseconds of CPU time to make a console and load a ROM, in each round.

    Attributes:
        game: the ROM's id.
        again: without the frames that are emulated, the ROM having been loaded before.
        first: the same, not having been loaded before.
        frames: these frames.
        whole: all of it, the ROM having been loaded before.
        ale: ale-py's constructor and `loadROM`.
    """

    game: str
    again: list[float]
    first: list[float]
    frames: list[float]
    whole: list[float]
    ale: list[float]


class Copies(NamedTuple):
    """Microseconds of CPU time of a copy and a restore, in each round, without the frame that is played in between.

    Attributes:
        game: the ROM's id.
        raw: two copies of the state's memory.
        ours: `cloneState` and `restoreState` of `fastatari.ALEInterface`.
        ale: those of ale-py's.
        ours_read: the same, and `getScreen` after it, for which the picture is made again.
        ale_read: the same.
    """

    game: str
    raw: list[float]
    ours: list[float]
    ale: list[float]
    ours_read: list[float]
    ale_read: list[float]


class Compiling(NamedTuple):
    """Seconds of fresh processes by the clock, in each run.

    Attributes:
        cold: from sources to loaded functions.
        cold_cpu: the CPU time of that.
        llvmlite: importing llvmlite and numpy.
        modules: importing the console after that, its code being on disk.
        warm: finding and loading that code.
        size: of the code, bytes.
    """

    cold: list[float]
    cold_cpu: list[float]
    llvmlite: list[float]
    modules: list[float]
    warm: list[float]
    size: int


class Counts(NamedTuple):
    """What a frame consists of, on average.

    Attributes:
        game: the ROM's id.
        instructions: of many frames.
        tia_writes: of a few frames, as all that follows.
        tia_reads: reads of the TIA.
        riot_reads: reads of the timer and the ports.
        stretches: pieces of lines that are made at once.
        nanoseconds: CPU time of an instruction with all that it does, of frames that are not drawn, in each round.
    """

    game: str
    instructions: float
    tia_writes: float
    tia_reads: float
    riot_reads: float
    stretches: float
    nanoseconds: list[float]


class Account(NamedTuple):
    """Where the time of a frame goes.

    Attributes:
        game: the ROM's id.
        parts: microseconds a frame of each part, in each round.
        call: microseconds of a call from Python.
        kept: how many instructions variants of the console run of those that the console runs.
    """

    game: str
    parts: dict[str, list[float]]
    call: float
    kept: float


def measure_loading(game: str, rounds: int) -> Loading:
    """Measure making and loading, both sides in turn."""
    result = Loading(game, [], [], [], [], [])
    functions = machine_code.functions_with_gil()
    for _ in range(rounds):
        # What is left of `loadROM` if nothing is emulated. Once before, as the processor's caches hold what ale-py did.
        with mock.patch.object(functions, "power_on", emulate_nothing):
            load(ALEInterface(), game)
            result.again.append(_time(lambda: load(ALEInterface(), game)))
            load_rom.cache_clear()
            result.first.append(_time(lambda: load(ALEInterface(), game)))
        consoles = Group(game).consoles  # with memory that the system has already given
        result.frames.append(_time(functools.partial(functions.power_on, int(consoles.addresses[0]), *SEEDS)))
        result.whole.append(_time(lambda: load(ALEInterface(), game)))
        result.ale.append(_time(lambda: load(ale_py.ALEInterface(), game)))
    return result


def _time(function: Callable[[], object]) -> float:
    """Return the milliseconds of a call, and of ending what it made."""
    begin = time.thread_time_ns()
    function()
    return (time.thread_time_ns() - begin) / 1e6


def emulate_nothing(*_: int) -> int:
    """Stand for the frames of `loadROM`."""
    return 0


def measure_copies(game: str, rounds: int, steps: int) -> Copies:
    """Measure copies of states, all in turn."""
    result = Copies(game, [], [], [], [], [])
    ours, ale, group = load(ALEInterface(), game), load(ale_py.ALEInterface(), game), Group(game)
    (address,), act_frames = group.addresses, group.functions.act_frames
    buffer = ctypes.create_string_buffer(STATE_SIZE)
    generator = np.random.default_rng(0)

    def copy() -> object:
        ctypes.memmove(buffer, address, STATE_SIZE)
        return buffer

    def restore(_: object) -> None:
        ctypes.memmove(address, buffer, STATE_SIZE)

    for _ in range(rounds):
        actions = draw_actions(game, generator, steps).tolist()
        result.raw.append(
            _time_copies(actions, copy, restore, lambda action: act_frames(address, action, PADDLE_STEP, 1, 1))
        )
        for interface, plain, read in ((ours, result.ours, result.ours_read), (ale, result.ale, result.ale_read)):
            clone, back, screen = interface.cloneState, interface.restoreState, interface.getScreen()

            def restore_and_read(state: object, interface: Any = interface, screen: Any = screen) -> None:
                interface.restoreState(state)
                interface.getScreen(screen)

            plain.append(_time_copies(actions, clone, back, interface.act))
            read.append(_time_copies(actions, clone, restore_and_read, interface.act))
            if interface.game_over():
                interface.reset_game()
        group.reset_finished()
    return result


def _time_copies(
    actions: list[int], clone: Callable[[], Any], restore: Callable[[Any], None], act: Callable[[int], object]
) -> float:
    """Return the microseconds of a clone and a restore, on average over an action each and a frame between the two."""
    total, clock = 0, time.thread_time_ns
    for action in actions:
        begin = clock()
        state = clone()
        total += clock() - begin
        act(action)
        begin = clock()
        restore(state)
        total += clock() - begin
        act(action)
    for _ in actions:  # what the clock itself takes
        begin = clock()
        total -= 2 * (clock() - begin)
    return total / (1e3 * len(actions))


def list_sizes(game: str = "breakout") -> dict[str, int]:
    """Return the bytes of a console and of its parts."""
    interface = load(ALEInterface(), game)
    generator = ctypes.sizeof(Generator)
    return {
        "a machine": ctypes.sizeof(Machine),
        "two machines from which pictures can be made again": 2 * ctypes.sizeof(Machine),
        "a random generator": generator,
        "the state, without the generator of the actions": STATE_SIZE - generator,
        "the state, with it": STATE_SIZE,
        "the state and all that is derived, settings and addresses": ctypes.sizeof(Console),
        f"the two screens of {game}": Group(game).consoles.screens.nbytes,
        "`cloneState().serialize()`": len(interface.cloneState().serialize()),
        "the same of ale-py": len(load(ale_py.ALEInterface(), game).cloneState().serialize()),
    }


# The console alone: fastatari's `__init__` would import gymnasium and numba, too.
_ALONE = f"""
import sys, time, types
begin = time.perf_counter()
import llvmlite.binding, numpy
imported = time.perf_counter()
package = types.ModuleType("fastatari")
package.__path__ = {fastatari.__path__!r}
sys.modules["fastatari"] = package
from fastatari.console import machine_code
ready = time.perf_counter()
cpu = time.process_time()
prepared = machine_code.prepare()
machine_code.Functions(machine_code.native.load(prepared.code))
end = time.perf_counter()
print(int(prepared.compiled), imported - begin, ready - imported, end - ready, time.process_time() - cpu,
      len(prepared.code))
"""


def measure_compiling(runs: int) -> Compiling:
    """Measure fresh processes: one that compiles, and some that find what it has left."""
    result = Compiling([], [], [], [], [], 0)
    for _ in range(runs):
        with tempfile.TemporaryDirectory() as folder:
            # Code is looked for in the folder of temporary files, too.
            environment = os.environ | {"FASTATARI_CACHE_DIR": folder, "TMPDIR": folder}
            for is_new in (1, 0, 0, 0):
                command = [sys.executable, "-c", _ALONE]
                output = subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout
                compiled, *seconds, cpu, size = map(float, output.split())
                assert compiled == is_new
                if compiled:
                    result.cold.append(seconds[2])
                    result.cold_cpu.append(cpu)
                    result = result._replace(size=int(size))
                else:
                    for column, value in zip((result.llvmlite, result.modules, result.warm), seconds, strict=True):
                        column.append(value)
    return result


def compile_generic() -> Functions:
    """Return the console as machine code for any processor of this architecture; nothing is kept on disk."""
    code = native.compile_module(machine_code.build_text(), Target.generic(), programs.LEVEL)
    return Functions(native.load(code))


def count(game: str, rounds: int, plain_frames: int = 10) -> Counts:
    """Count what frames consist of: instructions as the console does, all else with its sources under CPython.

    The frames whose instructions are counted are also timed: a second console plays the same, a round before the first.
    """
    group, twin = Group(game), Group(game)
    c, (address,), act_frames = group[0], group.addresses, group.functions.act_frames
    generator = np.random.default_rng(0)
    instructions, nanoseconds = [], []
    for _ in range(rounds):
        actions = draw_actions(game, generator, 50).tolist()
        duration, _ = time_raw(twin, actions, NONE)
        total = 0
        for action in actions:
            for _ in range(FRAMES):
                if not c.over:
                    act_frames(address, action, PADDLE_STEP, 1, NONE)
                    total += c.registers.clock >> 32
        assert group.ram == twin.ram, f"{game}: the RAM differs"
        nanoseconds.append(duration / total)
        instructions.append(total / (FRAMES * len(actions)))
        group.reset_finished()
        twin.reset_finished()
    counters: list[Any] = []
    with contextlib.ExitStack() as stack:
        for owner, name in ((writes, "write"), (reads, "read"), (riot, "read"), (drawing, "collide")):
            counter = mock.Mock(side_effect=getattr(owner, name))
            counters.append(counter)
            stack.enter_context(mock.patch.object(owner, name, counter))
        act_frames_plain(twin[0], 0, PADDLE_STEP, plain_frames, NONE)
    act_frames(address, 0, PADDLE_STEP, plain_frames, NONE)
    assert group.ram == twin.ram, f"{game}: the sources under CPython differ from what they are compiled to"
    tia_writes, tia_reads, riot_reads, stretches = (each.call_count / plain_frames for each in counters)
    return Counts(game, float(np.mean(instructions)), tia_writes, tia_reads, riot_reads, stretches, nanoseconds)


# Variants of the console, that leave something out.


def collide_nothing(c: Console, first: int, last: int) -> None:
    """Latch no collisions."""


def draw_nothing(c: Console, clock: int) -> None:
    """Only note how far the picture would be made."""
    if clock > c.drawn:
        c.drawn = min(clock, c.window_end)
        c.next_clock = c.drawn if c.drawn < c.window_end else NEVER


def run_nothing(c: Console) -> None:
    """End the frame at once."""
    c.drawn = c.window_end
    c.stop = 1


# What is left out, by the part whose time is the difference to the one before; of the last, all.
VARIANTS: dict[str, tuple[tuple[Any, str, Callable[..., None]], ...]] = {
    AROUND: ((frame, "run_processor", run_nothing),),
    PROCESSOR: ((drawing, "draw_to", draw_nothing), (frame, "draw_to", draw_nothing)),
    LINES: ((drawing, "collide", collide_nothing),),
}


def compile_variants() -> dict[str, Functions]:
    """Return machine code that leaves something out, by the last part that it has."""
    result = {}
    for part, replacements in VARIANTS.items():
        with contextlib.ExitStack() as stack:
            for owner, name, function in replacements:
                stack.enter_context(mock.patch.object(owner, name, function))
            text = machine_code.build_text()
        result[part] = Functions(native.load(native.compile_module(text, Target.host(), programs.LEVEL)))
    return result


def account(game: str, rounds: int, variants: dict[str, Functions]) -> Account:
    """Tell where the time of a frame goes: the same frames, from the same states, by variants of the console.

    The console plays on, and the state before each frame goes to a console of each variant. What a frame does depends
    on collisions only where it reads them, so the variants run nearly the same instructions, which are counted.
    """
    player = Group(game)
    (address,), act_frames = player.addresses, player.functions.act_frames
    groups = {part: Group(game, ACCOUNTED, functions) for part, functions in variants.items()}
    groups |= {part: Group(game, ACCOUNTED) for part in (COLLISIONS, PICTURES)}
    parts: dict[str, list[float]] = {part: [] for part in PARTS}
    instructions = dict.fromkeys(PARTS, 0)
    generator = np.random.default_rng(0)
    for turn in range(rounds + 1):
        actions = draw_actions(game, generator, ACCOUNTED // FRAMES).repeat(FRAMES)
        for i, action in enumerate(actions.tolist()):
            state = player.get_state(0)
            for group in groups.values():
                group.put_state(i, state)
            act_frames(address, action, PADDLE_STEP, 1, HALF >> i % FRAMES & 1)
            player.reset_finished()
        times = {}
        for part in timing.rotate(PARTS, turn):
            begin = time.thread_time_ns()
            groups[part].step(actions, 1, int(part == PICTURES))
            times[part] = (time.thread_time_ns() - begin) / (1e3 * ACCOUNTED)
            instructions[part] += sum(groups[part][i].registers.clock >> 32 for i in range(ACCOUNTED))
        assert groups[COLLISIONS].ram == groups[PICTURES].ram, f"{game}: the RAM differs"
        if turn:
            for part, less in zip(PARTS, (None, *PARTS), strict=False):
                parts[part].append(times[part] - (times[less] if less else 0.0))
    begin = time.thread_time_ns()
    for _ in range(1000):
        act_frames(address, 0, PADDLE_STEP, 0, HALF)
    call = (time.thread_time_ns() - begin) / 1e6
    return Account(game, parts, call, (instructions[PROCESSOR] + instructions[LINES]) / (2 * instructions[COLLISIONS]))
