"""`Game`: labml's Atari game, with its observations to the byte."""

from typing import Any, Final, TypedDict

import gymnasium.error
import numpy as np
import numpy.typing as npt
from gymnasium.vector import AutoresetMode

from fastatari.checks import check_dtype, check_integer, check_target
from fastatari.engine.interface import ConsoleName
from fastatari.engine.results import place_of
from fastatari.envs.base import OnEngine
from fastatari.rules import AtariRules

Observation = npt.NDArray[np.uint8] | npt.NDArray[np.float64]

RULES = AtariRules.from_preset("labml")
OBSERVATION_SHAPE = (RULES.stack_num, *RULES.size)

_ONLY = np.zeros(1, np.int64)

_REWARD: Final = place_of("reward")[1]
_LIVES: Final = place_of("lives")[1]
_HAS_FINAL: Final = place_of("has_final")[1]


class EpisodeInfo(TypedDict):
    """What `Game.step` returns of an episode that is over.

    Attributes:
        reward: the sum of its rewards.
        length: its length in steps.
    """

    reward: float
    length: int


class Game(OnEngine):
    """An Atari game whose episodes last one life, as in labml's ``labml_nn/rl/game.py``.

    One step applies an action for 4 frames. Frames 3 and 4 are each turned gray (cv2's ``RGB2GRAY``) and area-resized
    to 84x84 (``INTER_AREA``); the pixelwise maximum of the two is the new plane, and an observation is the last 4
    planes::

        frames       1   2   3   4 | 5   6   7   8 | ...
        action       a   a   a   a | b   b   b   b |
        plane                max(3,4)        max(7,8)
        reward       sum of 1..4   | sum of 5..8   |

    The episode is over as soon as the lives are fewer than after the last reset, or the game is over, or 108,000 frames
    have been played. The step ends at that frame; the game is reset, and the observation that is returned is the first
    of the new episode: its first screen, resized, four times. A game is not to be shared between threads.

    >>> game = Game(0)
    >>> game.reset().shape
    (4, 84, 84)
    >>> done = False
    >>> while not done:
    ...     observation, reward, done, info = game.step(1)
    >>> info
    {'reward': 0.0, 'length': 25}

    Args:
        seed (int): is there because labml's has it. There are no no-ops and no sticky actions: nothing depends on it.
        game (str): the name of the game, such as ``breakout``, ``Breakout``, ``ALE/Breakout-v5`` or
            ``BreakoutNoFrameskip-v4``.
        dtype (numpy.dtype): of the observations: uint8, or float64 as labml returns them. The values are the same.
        console ("fastatari" | "ale"): whose emulator plays: this package's, or ale-py's, to the byte the same and many
            times as slow.

    Attributes:
        rules (AtariRules): labml's rules.
        rewards (list[float]): the reward of each step of the current episode.
        lives (int): the lives after the last reset; 0 before the first.

    Raises:
        TypeError: `game` is not a string, `seed` not an integer.
        ValueError: ale-py has no such game or refuses it; `seed` is negative; `dtype` or `console` is another.
        MemoryError: there is not enough memory.
        OSError: the ROM's file is missing or is not the one that ale-py knows.
    """

    rewards: list[float]
    lives: int

    def __init__(
        self,
        seed: int,
        *,
        game: str = "breakout",
        dtype: npt.DTypeLike = np.uint8,
        console: ConsoleName = "fastatari",
    ) -> None:
        check_integer("seed", seed, least=0)
        self._is_uint8 = check_dtype(dtype) == np.uint8
        self.rules = RULES
        self._open(game=game, rules=RULES, num_envs=1, autoreset_mode=AutoresetMode.SAME_STEP, console=console)
        self.rewards, self.lives = [], 0
        # Whether all of a call was done: an exception of a signal handler can come between any two lines.
        self._is_playing = False

    def reset(self) -> Observation:
        """Begin a new episode with a reset of the whole game.

        Returns:
            dtype[4, 84, 84]: the first screen of the episode, processed, four times; a fresh array.
        """
        engine = self._engine
        self._is_playing = False
        engine.reset(_ONLY, [None])
        self.rewards, self.lives = [], engine.results.integers.item(_LIVES)
        self._is_playing = True
        stack = self._buffers.take()
        engine.read(_ONLY, stack)
        return self._convert(stack[0])

    def step(self, action: int) -> tuple[Observation, float, bool, EpisodeInfo | None]:
        """Apply an action for 4 frames, or until the episode is over.

        Args:
            action (int): an index into the game's minimal action set; any integer type.

        Returns:
            tuple: the observation (dtype[4, 84, 84], a fresh array), the sum of the frames' rewards, whether the
            episode is over, and if so its `EpisodeInfo`, else None. If it is over, the observation is the new
            episode's first.

        Raises:
            TypeError: `action` is not an integer; the game goes on.
            InvalidAction: the game has no such action; the game goes on.
            gymnasium.error.ResetNeeded: there was no `reset` yet, or an exception, as of a signal handler, came in the
                middle of a step or reset.
            gymnasium.error.ClosedEnvironmentError: the game is closed.
        """
        (stack,) = self._buffers.take()
        reward, is_over, info = self.advance(action, stack)
        return self._convert(stack), reward, is_over, info

    def advance(self, action: int, out: npt.NDArray[np.uint8]) -> tuple[float, bool, EpisodeInfo | None]:
        """Do what `step` does, except that the observation is written to memory of the caller's.

        Args:
            action (int): as for `step`.
            out (uint8[4, 84, 84]): where to: an array in one piece, or anything in this machine's memory that has
                ``__dlpack__``.

        Returns:
            tuple: reward, whether the episode is over, and its info, as of `step`.

        Raises:
            TypeError, ValueError, InvalidAction, gymnasium.error.Error: as for `step`; or `out` is not allowed.
        """
        engine = self._engine
        target = check_target("out", out, OBSERVATION_SHAPE, np.uint8)
        if not target.flags.c_contiguous:
            raise ValueError(f"`out` must be in one piece, got an array with strides {target.strides}")
        indices, _ = self._actions.read_one(action)
        was_playing, self._is_playing = self._is_playing, False
        if not was_playing or not engine.step(None, indices, None, target[np.newaxis]):
            raise gymnasium.error.ResetNeeded(
                "Cannot call `step` before calling `reset`, or after an exception cut off either."
            )
        results, info = engine.results, None
        reward: float = results.floats.item(_REWARD)
        self.rewards.append(reward)
        is_over: bool = results.flags.item(_HAS_FINAL)
        if is_over:
            info = EpisodeInfo(reward=sum(self.rewards), length=len(self.rewards))
            self.rewards, self.lives = [], results.integers.item(_LIVES)
        self._is_playing = True
        return reward, is_over, info

    @property
    def rom(self) -> str:
        """The ROM's id in ale-py, such as ``breakout``."""
        return self._engine.rom

    @property
    def ale(self) -> Any:
        """The emulator, with the methods of ``ALEInterface``. Acting on it is not seen by the game."""
        return self._engine.ale(0)

    def close(self) -> None:
        """Close the game. May be called again."""
        self._close_engine()

    def _convert(self, stack: npt.NDArray[np.uint8]) -> Observation:
        return stack if self._is_uint8 else stack.astype(np.float64)
