"""`Game`: labml's Atari game, with its observations to the byte."""

from typing import Any, TypedDict

import gymnasium.error
import numpy as np
import numpy.typing as npt
from gymnasium.vector import AutoresetMode

from fastatari.checks import check_dtype, check_integer
from fastatari.engine.interface import ConsoleName
from fastatari.envs.base import OnEngine
from fastatari.rules import AtariRules

Observation = npt.NDArray[np.uint8] | npt.NDArray[np.float64]

RULES = AtariRules.from_preset("labml")
OBSERVATION_SHAPE = (RULES.stack_num, *RULES.size)

_ONLY = np.zeros(1, np.int64)


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
        self.begin()
        return self.observe()

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
        stack, reward, is_over, info = self._step(action)
        return self._convert(stack), reward, is_over, info

    def begin(self) -> None:
        """Do what `reset` does, without an observation."""
        engine = self._engine
        self._is_playing = False
        engine.reset(_ONLY, [None])
        self.rewards = []
        self.lives = int(engine.results.row("lives")[0])
        self._is_playing = True

    def advance(self, action: int) -> tuple[float, bool, EpisodeInfo | None]:
        """Do what `step` does, without an observation: return reward, done and info."""
        return self._step(action)[1:]

    def observe(self) -> Observation:
        """Return the current observation: dtype[4, 84, 84], a fresh array.

        Raises:
            gymnasium.error.ResetNeeded: there was no `reset` yet.
            gymnasium.error.ClosedEnvironmentError: the game is closed.
        """
        return self._convert(self._read())

    @property
    def plane(self) -> npt.NDArray[np.uint8]:
        """The newest plane: uint8[84, 84], a fresh array.

        After a step it is what is new in the observation; after a reset all planes are like it.
        """
        plane: npt.NDArray[np.uint8] = self._read()[-1]
        return plane

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

    def _step(self, action: int) -> tuple[npt.NDArray[np.uint8], float, bool, EpisodeInfo | None]:
        engine = self._engine
        if not self._is_playing or engine.needs_reset[0]:
            raise gymnasium.error.ResetNeeded(
                "Cannot call `step` before calling `reset`, or after an exception cut off either."
            )
        indices, _ = self._actions.read_one(action)
        self._is_playing = False
        stack = self._buffers.take()
        engine.step(None, indices, None, stack)
        results, info = engine.results, None
        reward = float(results.row("reward")[0])
        self.rewards.append(reward)
        if is_over := bool(results.row("has_final")[0]):
            info = EpisodeInfo(reward=sum(self.rewards), length=len(self.rewards))
            self.rewards = []
            self.lives = int(results.row("lives")[0])
        self._is_playing = True
        return stack[0], reward, is_over, info

    def _read(self) -> npt.NDArray[np.uint8]:
        engine = self._engine
        if not engine.results.has_begun[0]:
            raise gymnasium.error.ResetNeeded("Cannot observe a game before calling `reset`.")
        stack = self._buffers.take()
        engine.read(_ONLY, stack)
        only: npt.NDArray[np.uint8] = stack[0]
        return only

    def _convert(self, stack: npt.NDArray[np.uint8]) -> Observation:
        return stack if self._is_uint8 else stack.astype(np.float64)
