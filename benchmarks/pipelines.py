"""The pipelines that fastatari replaces, and fastatari in their place: each pair is reset to equal states.

cv2 gets one thread, with which it is fastest on screens as small as these.
"""

import time
from collections.abc import Sequence
from typing import Any, NamedTuple

import cv2
import gymnasium
import numpy as np
import numpy.typing as npt

from benchmarks import timing
from benchmarks.consoles_alone import start_ale
from benchmarks.interfaces import AtariEnv, FrameStack, Game, find_palette
from fastatari.cli.packages import make_base
from fastatari.cli.reference import ReferenceGame
from fastatari.palette import rgb_table

UInt8Array = npt.NDArray[np.uint8]

NOISE = "noise"

_FRAMES = 4  # of a step

cv2.setNumThreads(1)


class Pair(NamedTuple):
    """The screens of the last two frames of a step.

    Attributes:
        indices: uint8[2, H, W], in colour indices.
        colours: uint8[2, H, W, 3], in RGB.
    """

    indices: UInt8Array
    colours: UInt8Array


class Screens:
    """Screens of a game under random actions, or of noise, in which every pixel has a random colour.

    Args:
        game: the ROM's id, or `NOISE`.

    Attributes:
        shape: height and width.
        palette: the television standard.
    """

    def __init__(self, game: str) -> None:
        self._is_noise = game == NOISE
        self._ale = start_ale("breakout" if self._is_noise else game)
        self._actions = self._ale.getMinimalActionSet()
        self._generator = np.random.default_rng(0)
        self.shape: tuple[int, int] = self._ale.getScreenDims()
        self.palette = "ntsc" if self._is_noise else find_palette(game)

    def record(self, steps: int) -> list[Pair]:
        """Play on, and return the screens of each step."""
        return [self._make_noise() if self._is_noise else self._play() for _ in range(steps)]

    def _make_noise(self) -> Pair:
        indices = 2 * self._generator.integers(128, size=(2, *self.shape), dtype=np.uint8)
        return Pair(indices, rgb_table("ntsc")[indices])

    def _play(self) -> Pair:
        ale = self._ale
        action = self._actions[self._generator.integers(len(self._actions))]
        shown: list[tuple[UInt8Array, UInt8Array]] = []
        for frame in range(_FRAMES):
            ale.act(action)
            if frame >= _FRAMES - 2:
                shown.append((ale.getScreen(), ale.getScreenRGB()))
        if ale.game_over():
            ale.reset_game()
        indices, colours = zip(*shown, strict=True)
        return Pair(np.stack(indices), np.stack(colours))


class OurChain:
    """Two screens in, stack out: `FrameStack`."""

    def __init__(self, screens: Screens) -> None:
        self._screens = np.zeros((2, *screens.shape), np.uint8)
        self._stack = FrameStack(screens.shape, palette=screens.palette)
        self._stack.reset(self._screens[0])

    def take(self, pair: Pair) -> None:
        """Copy what is processed next to where a console would write it."""
        self._screens[:] = pair.indices

    def process(self) -> UInt8Array:
        """Return the stack."""
        self._stack.push(self._screens[0], self._screens[1])
        return self._stack.read()


class Cv2Chain:
    """Two screens in, stack out: cv2 and numpy, as in labml's game."""

    def __init__(self, screens: Screens) -> None:
        self._screens = np.zeros((2, *screens.shape, 3), np.uint8)
        self._screens[:] = rgb_table(screens.palette)[0]
        self._stack = np.stack([self._process(self._screens[0])] * 4).astype(np.float64)

    def take(self, pair: Pair) -> None:
        """Copy what is processed next to where a console would write it."""
        self._screens[:] = pair.colours

    def process(self) -> npt.NDArray[np.float64]:
        """Return the stack."""
        plane = np.maximum(self._process(self._screens[0]), self._process(self._screens[1]))
        self._stack = np.roll(self._stack, -1, axis=0)
        self._stack[-1] = plane
        return self._stack

    def _process(self, screen: UInt8Array) -> Any:
        gray = cv2.cvtColor(screen, cv2.COLOR_RGB2GRAY)
        return cv2.resize(gray, (84, 84), interpolation=cv2.INTER_AREA)


def time_chain(chain: OurChain | Cv2Chain, pairs: Sequence[Pair]) -> tuple[list[int], list[Any]]:
    """Return the nanoseconds and the stack of each step; copying the screens is not timed."""
    times, stacks = [], []
    for pair in pairs:
        chain.take(pair)
        begin = time.perf_counter_ns()
        stack = chain.process()
        times.append(time.perf_counter_ns() - begin)
        stacks.append((timing.pack(stack),))
    return times, stacks


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


def make_envs(game: str, *, ends_by_life: bool = False) -> tuple[Episodes, Episodes]:
    """Return `AtariEnv` and gymnasium's wrappers on ale-py's bare environment, in equal states.

    Args:
        game: the ROM's id.
        ends_by_life: whether a lost life ends an episode, and the next one begins a new game.
    """
    wrapped = gymnasium.wrappers.AtariPreprocessing(make_base(game), terminal_on_life_loss=ends_by_life)
    env = AtariEnv(game, life_loss="reset" if ends_by_life else "ignore")
    ours, theirs = Episodes(env), Episodes(gymnasium.wrappers.FrameStackObservation(wrapped, 4))
    timing.assert_same(ours.reset(0), theirs.reset(0))
    return ours, theirs


def make_games(game: str) -> tuple[Game, ReferenceGame]:
    """Return `Game` and labml's game, reset to equal observations."""
    ours, theirs = Game(0, game=game), ReferenceGame(0, game)
    assert np.array_equal(ours.reset(), theirs.reset())
    return ours, theirs
