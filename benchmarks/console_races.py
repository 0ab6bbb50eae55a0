"""Races of the console against ale-py's emulator: both play the same, and are compared before and after each round.

Each round has new actions, on both sides the same, and goes on where the one before ended. Nothing is played twice,
because processors learn the branches of what they have run before. Resets are not timed.
"""

import concurrent.futures
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple
from unittest import mock

import ale_py
import ale_py.roms
import numpy as np
import numpy.typing as npt

from benchmarks import timing
from benchmarks.consoles_alone import read_rams
from fastatari import ALEInterface
from fastatari.console import cartridges, machine_code
from fastatari.console.games.facts import MINIMAL_ACTIONS
from fastatari.console.inputs import PADDLE_STEP
from fastatari.console.machine_code import Functions
from fastatari.console.memory import Consoles, Rom, load_rom
from fastatari.console.state import STATE_SIZE, Console
from fastatari.console.tia.objects import ALL_OBJECTS

# The seed that ale-py's system generator has by default, and that of the actions here.
SEEDS = (4753849, 0)

# What a step is: so many frames with an action, of which some are drawn, a bit each.
FRAMES, ALL, HALF, NONE = 4, 0b1111, 0b1100, 0
CHECKED_FRAMES, WARM_UPS = 300, 2

ACT, EVERY, TWO, NO, GENERIC = "act", "all drawn", "2 of 4 drawn", "none drawn", "generic x86-64, 2 of 4 drawn"
ACT_READ, CLASS = "act, 2 of 4 read", "fastatari's act, 2 of 4 read"
MASKS = {EVERY: ALL, TWO: HALF, NO: NONE}

Interface = ale_py.ALEInterface | ALEInterface


class Speed(NamedTuple):
    """How fast a game is played.

    Attributes:
        game: the ROM's id.
        cartridge: its type.
        times: microseconds of a thread's CPU time a frame, of each kind in each round.
    """

    game: str
    cartridge: str
    times: dict[str, list[float]]

    def ratios(self, name: str) -> list[float]:
        """Return how many times as fast as ale-py a kind was in each round."""
        reference = self.times[ACT_READ if name == CLASS else ACT]
        return [theirs / ours for theirs, ours in zip(reference, self.times[name], strict=True)]


class Threads(NamedTuple):
    """How two threads fare, with consoles of their own.

    Attributes:
        game: the ROM's id.
        ratios: how many times as fast as one thread they play, by the clock, in each round.
        times: microseconds of CPU time a frame, of one thread and of two, in each round.
    """

    game: str
    ratios: list[float]
    times: tuple[list[float], list[float]]


class Group:
    """Consoles of one game, turned on.

    Args:
        game: the ROM's id.
        number: how many consoles.
        functions: the machine code that plays; by default that of this processor.
    """

    def __init__(self, game: str, number: int = 1, functions: Functions | None = None) -> None:
        self.functions = functions or machine_code.functions()
        image = find_rom(game).read_bytes()
        if functions is None:
            self.consoles = Consoles(load_rom(image, game), number)
        else:  # a decoded program holds the addresses of the code that runs it
            with mock.patch.object(machine_code, "functions", return_value=functions):
                self.consoles = Consoles(Rom(image, game), number)
        self.addresses: list[int] = self.consoles.addresses.tolist()
        for address in self.addresses:
            self.functions.power_on(address, *SEEDS)
        self._array = self.consoles.addresses.astype(np.int64)
        self._rewards = np.zeros(number, np.int32)

    def __getitem__(self, index: int) -> Console:
        return self.consoles[index]

    def step(self, actions: npt.NDArray[np.int64], frames: int, mask: int) -> npt.NDArray[np.int32]:
        """Play some frames of each console in one call; return the rewards, valid until the next step."""
        pointers = self._array.ctypes.data, len(self._array), actions.ctypes.data
        self.functions.act_all(*pointers, frames, mask, self._rewards.ctypes.data)
        return self._rewards

    def reset_finished(self) -> None:
        """Begin a game where one is over."""
        for i, address in enumerate(self.addresses):
            if self[i].over:
                self.functions.reset_game(address)

    def get_state(self, index: int) -> bytes:
        """Return a copy of a console's state."""
        return self.consoles.blocks[index, :STATE_SIZE].tobytes()

    def put_state(self, index: int, state: bytes) -> None:
        """Give a console the state of another one of the same game, perhaps of other machine code."""
        self.consoles.blocks[index, :STATE_SIZE] = np.frombuffer(state, np.uint8)
        c = self[index]
        c.outdated = ALL_OBJECTS
        cartridges.connect(c)

    @property
    def ram(self) -> bytes:
        """The RAM of all consoles."""
        return b"".join(read_rams(self.consoles))


def find_rom(game: str) -> Path:
    """Return the file of a ROM."""
    path = ale_py.roms.get_rom_path(game)
    assert path is not None, f"there is no game {game!r}"
    return Path(path)


def load(interface: Interface, game: str) -> Any:
    """Load a ROM into ale-py's class or fastatari's; no action sticks."""
    interface.setInt("random_seed", SEEDS[1])
    interface.setFloat("repeat_action_probability", 0.0)
    interface.loadROM(find_rom(game))
    return interface


def draw_actions(game: str, generator: np.random.Generator, shape: int | tuple[int, ...]) -> Any:
    """Return random actions of a game, by ale-py's numbers."""
    return np.array(MINIMAL_ACTIONS[game], np.int64)[generator.integers(len(MINIMAL_ACTIONS[game]), size=shape)]


def check_equal(game: str, frames: int = CHECKED_FRAMES) -> None:
    """Let both sides play, and compare RAM, screen, reward, lives and end after each frame."""
    ale, group = load(ale_py.ALEInterface(), game), Group(game)
    c, (address,), functions = group[0], group.addresses, group.functions
    generator = np.random.default_rng(1)
    functions.draw_picture(address)
    reward, action = (0, 0), 0
    for frame in range(frames):
        where = f"{game}, frame {frame}"
        assert reward[0] == reward[1], f"{where}: rewards {reward}"
        assert ale.getRAM().tobytes() == group.ram, f"{where}: the RAM differs"
        assert np.array_equal(ale.getScreen(), group.consoles.screens[0, c.current, : c.height]), f"{where}: the screen"
        assert (ale.lives(), ale.game_over()) == (c.lives, bool(c.over)), f"{where}: lives or end"
        if c.over:
            ale.reset_game()
            functions.reset_game(address)
            functions.draw_picture(address)
        if frame % FRAMES == 0:
            action = int(draw_actions(game, generator, ()))
        reward = ale.act(action), functions.act_frames(address, action, PADDLE_STEP, 1, 1)


def time_raw(group: Group, actions: Sequence[int], mask: int) -> tuple[int, int]:
    """Play steps of one console, a call of the compiled function each; return nanoseconds and the sum of rewards."""
    act_frames, (address,) = group.functions.act_frames, group.addresses
    reward = 0
    begin = time.thread_time_ns()
    for action in actions:
        reward += act_frames(address, action, PADDLE_STEP, FRAMES, mask)
    return time.thread_time_ns() - begin, reward


def time_interface(
    interface: Any, actions: Sequence[Any], buffer: npt.NDArray[np.uint8] | None = None
) -> tuple[int, int]:
    """Play steps with `act`, a call a frame; read the last two screens of each if there is a buffer."""
    act, read = interface.act, interface.getScreen
    reward = 0
    begin = time.thread_time_ns()
    if buffer is None:
        for action in actions:
            reward += act(action) + act(action) + act(action) + act(action)
    else:
        for action in actions:
            reward += act(action) + act(action) + act(action)
            read(buffer)
            reward += act(action)
            read(buffer)
    return time.thread_time_ns() - begin, reward


def race(game: str, rounds: int, steps: int, generic: Functions | None = None) -> Speed:
    """Measure all kinds in turn; rounds in which the game ends do not count.

    Args:
        game: the ROM's id.
        rounds: how many rounds count, but for those that end a game too often.
        steps: how many steps of four frames each has.
        generic: the machine code for any processor, if that is to be measured, too.
    """
    check_equal(game)
    ales = {name: load(ale_py.ALEInterface(), game) for name in (ACT, ACT_READ)}
    ales[CLASS] = load(ALEInterface(), game)
    buffers = {ACT: None, ACT_READ: ales[ACT].getScreen(), CLASS: ales[ACT].getScreen()}
    groups = {name: Group(game) for name in MASKS}
    if generic is not None:
        groups[GENERIC] = Group(game, functions=generic)
    names = [*ales, *groups]
    times: dict[str, list[float]] = {name: [] for name in names}
    generator = np.random.default_rng(0)
    for turn in range(3 * (rounds + WARM_UPS)):
        numbers = draw_actions(game, generator, steps).tolist()
        actions = [ale_py.Action(number) for number in numbers]
        outcomes = {
            name: time_interface(ales[name], actions, buffers[name])
            if name in ales
            else time_raw(groups[name], numbers, MASKS.get(name, HALF))
            for name in timing.rotate(names, turn)
        }
        rams = [each.getRAM().tobytes() for each in ales.values()] + [each.ram for each in groups.values()]
        assert len(set(rams)) == 1, f"{game}: the RAM differs"
        assert len({reward for _, reward in outcomes.values()}) == 1, f"{game}: the rewards differ"
        if ales[ACT].game_over():
            for ale in ales.values():
                ale.reset_game()
            for group in groups.values():
                group.reset_finished()
        elif turn >= WARM_UPS:
            for name in names:
                times[name].append(outcomes[name][0] / (1e3 * FRAMES * steps))
            if len(times[ACT]) == rounds:
                break
    assert times[ACT], f"{game}: every round ended a game; give them fewer steps"
    return Speed(game, cartridges.TYPES[groups[NO][0].cartridge], times)


def race_threads(game: str, rounds: int, steps: int, number: int = 8) -> Threads:
    """Let one thread play two groups of consoles, one after the other, and two threads a group each; the same actions.

    Args:
        game: the ROM's id.
        rounds: how many rounds.
        steps: how many steps of four frames each has, two of them drawn; a call each for all consoles of a group.
        number: how many consoles a group has.
    """
    alone, together = ([Group(game, number) for _ in range(2)] for _ in range(2))
    generator = np.random.default_rng(0)
    ratios: list[float] = []
    times: tuple[list[float], list[float]] = ([], [])
    with concurrent.futures.ThreadPoolExecutor(2) as executor:
        for turn in range(rounds + WARM_UPS):
            actions = draw_actions(game, generator, (2, steps, number))

            def play_alone(groups: list[Group] = alone, actions: Any = actions) -> list[int]:
                return [time_steps(*pair) for pair in zip(groups, actions, strict=True)]

            def play_together(groups: list[Group] = together, actions: Any = actions) -> list[int]:
                return list(executor.map(time_steps, groups, actions))

            plays: list[Callable[[], list[int]]] = [play_alone, play_together]
            walls, cpus = [0, 0], [0, 0]
            for i in (0, 1) if turn % 2 == 0 else (1, 0):
                begin = time.perf_counter_ns()
                cpus[i] = sum(plays[i]())
                walls[i] = time.perf_counter_ns() - begin
            for first, second in zip(alone, together, strict=True):
                assert first.ram == second.ram, f"{game}: the RAM differs"
                first.reset_finished()
                second.reset_finished()
            if turn >= WARM_UPS:
                ratios.append(walls[0] / walls[1])
                for column, cpu in zip(times, cpus, strict=True):
                    column.append(cpu / (1e3 * 2 * number * steps * FRAMES))
    return Threads(game, ratios, times)


def time_steps(group: Group, actions: npt.NDArray[np.int64]) -> int:
    """Play steps of all consoles of a group; return nanoseconds of CPU time."""
    begin = time.thread_time_ns()
    for each in actions:
        group.step(each, FRAMES, HALF)
    return time.thread_time_ns() - begin
