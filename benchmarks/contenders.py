"""What is compared, and the one way in which all of it is timed.

Contenders come in pairs, fastatari's first, and every pair is checked to give equal results. cv2 gets one thread, with
which it is fastest on screens as small as these.
"""

import functools
import importlib.metadata
import itertools
import os
import platform
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal, Protocol, Self

import cv2
import gymnasium
import numpy as np
import numpy.typing as npt

from fastatari import AtariEnv, FrameStack, Game, Worker
from fastatari.cli.packages import make_base
from fastatari.cli.reference import ReferenceGame, ReferenceWorker
from fastatari.emulator import ConsoleName, Emulator
from fastatari.palette import rgb_table

UInt8Array = npt.NDArray[np.uint8]

GAMES = (
    "breakout",
    "pong",
    "space_invaders",
    "ms_pacman",
    "qbert",
    "seaquest",
    "enduro",
    "asteroids",
    "montezuma_revenge",
    "riverraid",
)
NOISE = "noise"
WORKER_NUM = 8

# Whose console each side's chain reads: fastatari's, and ale-py's, as what it replaces does.
CONSOLES: tuple[ConsoleName, ConsoleName] = ("fastatari", "ale")

cv2.setNumThreads(1)


class Source(Protocol):
    """A run of screens, which a chain reads as it would a console's."""

    screen_shape: tuple[int, int]
    palette: Literal["ntsc", "pal"]

    def advance(self) -> None:
        """Go on to the next screen that a chain reads."""

    def read_screen(self, out: UInt8Array) -> Any:
        """Write the screen's colour indices to `out` (uint8[H, W])."""

    def read_rgb(self) -> UInt8Array:
        """Return the screen's colours (uint8[H, W, 3]), a fresh array."""


class RandomPlay:
    """A live console under random actions, each for 4 frames, of which frames 3 and 4 are read."""

    def __init__(self, game: str, console_name: ConsoleName) -> None:
        self._console = console = Emulator(game, console=console_name)
        self.screen_shape = console.screen_shape
        self.palette = console.palette
        self.read_screen = console.read_screen
        self.read_rgb = console.read_rgb
        self._actions = np.random.default_rng(0)
        self._action = console.check_action(0)
        self._frame = 0
        console.reset()

    def advance(self) -> None:
        """Play 3 frames with a new action, or the fourth."""
        console = self._console
        is_fourth = self._frame == 3
        if not is_fourth:
            self._action = console.check_action(self._actions.integers(len(console.action_meanings)))
        for _ in range(1 if is_fourth else 3):
            console.act(self._action)
            if console.game_over():
                console.reset()
        self._frame = 0 if is_fourth else 3


class Replay:
    """Screens that were recorded or made up, over and over.

    Each read is a read of a live console as well, whose pixels are thrown away, so that reading has its real price.
    """

    def __init__(self, console: Source, screens: UInt8Array) -> None:
        self.screen_shape = console.screen_shape
        self.palette = console.palette
        self._console = console
        rgb = rgb_table(console.palette)[screens]
        self._screens = itertools.cycle(zip(screens, rgb, strict=True))
        self._screen, self._rgb = screens[0], rgb[0]

    def advance(self) -> None:
        """Go on to the next screen."""
        self._screen, self._rgb = next(self._screens)

    def read_screen(self, out: UInt8Array) -> None:
        """Write the screen's colour indices to `out`."""
        self._console.read_screen(out)
        out[:] = self._screen

    def read_rgb(self) -> UInt8Array:
        """Return the screen's colours, not to be written to."""
        self._console.read_rgb()
        return self._rgb


def record(game: str, steps: int, console_name: ConsoleName) -> Replay:
    """Return the screens of `steps` steps of random play."""
    play = RandomPlay(game, console_name)
    screens = np.empty((2 * steps, *play.screen_shape), np.uint8)
    for screen in screens:
        play.advance()
        play.read_screen(screen)
    return Replay(play, screens)


def make_noise(steps: int, console_name: ConsoleName) -> Replay:
    """Return screens of `steps` steps in which every pixel is of a random colour: nothing stays as it was."""
    play = RandomPlay("breakout", console_name)
    screens = 2 * np.random.default_rng(0).integers(128, size=(2 * steps, *play.screen_shape), dtype=np.uint8)
    return Replay(play, screens)


def make_sources(name: str, steps: int) -> list[Replay]:
    """Return the recorded screens of a game, or `NOISE`, as both chains read them."""
    make = make_noise if name == NOISE else functools.partial(record, name)
    return [make(steps, console_name) for console_name in CONSOLES]


class FastChain:
    """Two screens in, stack out, as `fastatari.Game` does it."""

    def __init__(self, source: Source) -> None:
        self._read_screen = source.read_screen
        self._frames = FrameStack(source.screen_shape, palette=source.palette)
        first = np.empty(source.screen_shape, np.uint8)
        self._read_screen(first)
        self._frames.reset(first)
        self._screens = self._frames.screens

    def take_first(self) -> None:
        """Take the screen of frame 3."""
        self._read_screen(self._screens[0])

    def take_second(self) -> UInt8Array:
        """Take the screen of frame 4 and return the stack."""
        self._read_screen(self._screens[1])
        self._frames.push_screens()
        return self._frames.read()


class Cv2Chain:
    """Two screens in, stack out, as labml's game does it."""

    def __init__(self, source: Source) -> None:
        self._read_rgb = source.read_rgb
        self._first = self._process()
        self._stack = np.stack([self._first] * 4).astype(np.float64)

    def take_first(self) -> None:
        """Take the screen of frame 3."""
        self._first = self._process()

    def take_second(self) -> npt.NDArray[np.float64]:
        """Take the screen of frame 4 and return the stack."""
        plane = np.maximum(self._first, self._process())
        self._stack = np.roll(self._stack, -1, axis=0)
        self._stack[-1] = plane
        return self._stack

    def _process(self) -> UInt8Array:
        gray = cv2.cvtColor(self._read_rgb(), cv2.COLOR_RGB2GRAY)
        return cv2.resize(gray, (84, 84), interpolation=cv2.INTER_AREA)


Chains = tuple[FastChain, Cv2Chain]


class Episodes:
    """A gymnasium environment that begins an episode at the end of another.

    Args:
        env: an environment of one of the two kinds of `make_envs`.
    """

    def __init__(self, env: gymnasium.Env[Any, Any]) -> None:
        self._env = env

    def reset(self, seed: int | None = None) -> tuple[UInt8Array, int, int]:
        """Return the first observation, and the lives and frames."""
        observation, info = self._env.reset(seed=seed)
        return observation, info["lives"], info["episode_frame_number"]

    def step(self, action: int) -> tuple[UInt8Array, Any, bool, bool, int]:
        """Return observation, reward, terminated, truncated, lives; at the end of an episode the next one's first."""
        observation, reward, terminated, truncated, info = self._env.step(action)
        if terminated or truncated:
            observation, info = self._env.reset()
        return observation, reward, terminated, truncated, info["lives"]


class Trainer:
    """What a trainer does with its workers: it gives each an action, then gathers their observations as uint8."""

    def __init__(self, workers: Sequence[Worker] | Sequence[ReferenceWorker]) -> None:
        self._workers = workers
        self.observations = np.zeros((len(workers), 4, 84, 84), np.uint8)
        for worker in workers:
            worker.child.send(("reset", None))
        for i, worker in enumerate(workers):
            self.observations[i] = worker.child.recv()

    def step(self, actions: Sequence[int]) -> tuple[UInt8Array, list[Any]]:
        """Return the observations, valid until the next step, and each worker's reward, done and info."""
        for worker, action in zip(self._workers, actions, strict=True):
            worker.child.send(("step", action))
        rest = []
        for i, worker in enumerate(self._workers):
            self.observations[i], *others = worker.child.recv()
            rest.append(others)
        return self.observations, rest

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for worker in self._workers:
            worker.child.send(("close", None))
        for worker in self._workers:
            worker.process.join()


def describe_environment() -> dict[str, str]:
    """Return the machine, and the versions of everything that is compared."""
    cpu_info = Path("/proc/cpuinfo")
    models = [line.split(":")[1].strip() for line in cpu_info.read_text().splitlines() if line.startswith("model name")]
    packages = ("numpy", "numba", "ale-py", "gymnasium")
    return {
        "CPU": models[0] if models else platform.machine(),
        "cores": str(len(os.sched_getaffinity(0))),
        "Python": platform.python_version(),
        **{package: importlib.metadata.version(package) for package in packages},
        "opencv": cv2.__version__,
    }


def write_environment(environment: dict[str, str]) -> str:
    """Return what `describe_environment` does, in a line."""
    return ", ".join(f"{name} {value}" for name, value in environment.items())


def make_games(game: str) -> tuple[Game, ReferenceGame]:
    """Return both games, reset to equal observations."""
    ours, reference = Game(0, game=game), ReferenceGame(0, game)
    assert np.array_equal(ours.reset(), reference.reset())
    return ours, reference


def make_envs(game: str, *, ends_by_life: bool = False) -> tuple[Episodes, Episodes]:
    """Return `AtariEnv` and what it stands for, gymnasium's wrappers on ale-py's bare environment, in equal states.

    Args:
        game: the ROM's id.
        ends_by_life: whether a lost life ends an episode, and the next one begins a new game.
    """
    wrapped = gymnasium.wrappers.AtariPreprocessing(make_base(game), terminal_on_life_loss=ends_by_life)
    env = AtariEnv(game, life_loss="reset" if ends_by_life else "ignore")
    envs = Episodes(env), Episodes(gymnasium.wrappers.FrameStackObservation(wrapped, 4))
    assert_same(*(env.reset(0) for env in envs))
    return envs


def make_trainers(game: str) -> tuple[Trainer, Trainer]:
    """Return trainers with workers of both kinds, reset."""
    seeds = range(WORKER_NUM)
    return (
        Trainer([Worker(seed, game=game) for seed in seeds]),
        Trainer([ReferenceWorker(seed, game) for seed in seeds]),
    )


def draw_actions(game: str, shape: tuple[int, ...]) -> list[Any]:
    """Return random actions of a game, in nested lists of the given shape."""
    actions: list[Any] = np.random.default_rng(0).integers(len(Emulator(game).action_meanings), size=shape).tolist()
    return actions


def rotate(names: Sequence[str], turn: int) -> list[str]:
    """Return who plays in a turn, in order: another one is the first each turn."""
    first = turn % len(names)
    return [*names[first:], *names[:first]]


def assert_same(ours: Any, reference: Any) -> None:
    """Check that two observations, or what two `step` returned, are equal."""
    if isinstance(ours, np.ndarray):
        assert np.array_equal(ours, reference)
        return
    assert np.array_equal(ours[0], reference[0])
    assert list(ours[1:]) == list(reference[1:])


def pack(observation: npt.NDArray[Any]) -> UInt8Array:
    """Return a copy of an observation of any dtype; its values have to be gray levels."""
    packed = observation.astype(np.uint8)
    assert np.array_equal(packed, observation)
    return packed


def time_chain(source: Source, chain: FastChain | Cv2Chain, steps: int) -> tuple[list[int], list[Any]]:
    """Return the nanoseconds and the stack of each step. What passes between the two screens of a step is not timed."""
    times, stacks = [], []
    for _ in range(steps):
        source.advance()
        begin = time.perf_counter_ns()
        chain.take_first()
        first = time.perf_counter_ns() - begin
        source.advance()
        begin = time.perf_counter_ns()
        stack = chain.take_second()
        times.append(first + time.perf_counter_ns() - begin)
        stacks.append(pack(stack))
    return times, stacks


def time_steps(step: Callable[[Any], Any], actions: Sequence[Any]) -> tuple[list[int], list[Any]]:
    """Return the nanoseconds and the result of each step."""
    times, results = [], []
    for action in actions:
        begin = time.perf_counter_ns()
        observation, *rest = step(action)
        times.append(time.perf_counter_ns() - begin)
        results.append((pack(observation), *rest))
    return times, results


def race(
    ours: Callable[[], tuple[list[int], list[Any]]], reference: Callable[[], tuple[list[int], list[Any]]], turn: int
) -> npt.NDArray[np.int64]:
    """Call both, `reference` first if `turn` is odd; check that they had equal results.

    Neither runs between two steps of the other, because it would empty the processor's caches for it.

    Returns:
        int64[2, n]: the nanoseconds of each step of `ours` and of `reference`.
    """
    outcomes = [function() for function in ((ours, reference) if turn % 2 == 0 else (reference, ours))]
    (our_times, our_results), (their_times, their_results) = outcomes if turn % 2 == 0 else reversed(outcomes)
    for our_result, their_result in zip(our_results, their_results, strict=True):
        assert_same(our_result, their_result)
    return np.array([our_times, their_times])


def race_chains(sources: Sequence[Source], chains: Chains, steps: int, turn: int = 0) -> npt.NDArray[np.int64]:
    """Give each chain the next screens of its source; the two sources have to show the same."""
    runs = (functools.partial(time_chain, *pair, steps) for pair in zip(sources, chains, strict=True))
    return race(*runs, turn)


def race_steps(players: Sequence[Any], actions: Sequence[Any], turn: int = 0) -> npt.NDArray[np.int64]:
    """Give both games, environments or trainers the same actions."""
    return race(*(functools.partial(time_steps, player.step, actions) for player in players), turn)


def race_resets(envs: Sequence[Episodes], seeds: Sequence[int | None], turn: int = 0) -> npt.NDArray[np.int64]:
    """Reset both environments with the same seeds."""
    return race(*(functools.partial(time_steps, env.reset, seeds) for env in envs), turn)
