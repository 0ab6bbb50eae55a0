"""`Game`: labml's Atari game, with its observations to the byte."""

from typing import TypedDict, cast

import numpy as np
import numpy.typing as npt

from fastatari.checks import check_dtype, check_integer
from fastatari.emulator import ConsoleName, Emulator
from fastatari.engine import Engine
from fastatari.rules import AtariRules

Observation = npt.NDArray[np.uint8] | npt.NDArray[np.float64]

RULES = AtariRules.from_preset("labml")
OBSERVATION_SHAPE = (RULES.stack_num, *RULES.size)


class EpisodeInfo(TypedDict):
    """What `Game.step` tells of an episode that is over: the sum of its rewards and its length in steps."""

    reward: float
    length: int


class Game:
    """An Atari game whose episodes last one life, as in labml's ``labml_nn/rl/game.py``.

    One step applies an action for 4 frames. Frames 3 and 4 are each turned gray (cv2's ``RGB2GRAY``) and area-resized
    to 84x84 (``INTER_AREA``); the pixelwise maximum of the two is the new plane, and an observation is the last 4
    planes::

        frames       1   2   3   4 | 5   6   7   8 | ...
        action       a   a   a   a | b   b   b   b |
        plane                max(3,4)        max(7,8)
        reward       sum of 1..4   | sum of 5..8   |

    The episode is over as soon as `lives` is below its value at the last reset, or the game is over, or 108,000 frames
    have been played. The step ends at that frame; the game is reset, and the observation that is returned is the first
    of the new episode: its first screen, resized, four times. A game is not to be shared between threads.

    Args:
        seed (int): is there because labml's has it. There are no no-ops and no sticky actions: nothing depends on it.
        game (str): the name of the game, as ``breakout``, ``Breakout``, ``ALE/Breakout-v5`` or
            ``BreakoutNoFrameskip-v4``.
        dtype (numpy.dtype): of the observations: uint8, or float64 as labml returns them. The values are the same.
        console ("fastatari" | "ale"): whose emulator plays: this package's, or ale-py's, to the byte the same and
            several times as slow.

    Attributes:
        rewards (list[float]): the reward of each step of the current episode.
        lives (int): the lives at the last reset; 0 before the first.
        console (Emulator): the emulated console. Acting on it is not seen by the game.

    Raises:
        TypeError: `game` is not a string, `seed` not an integer.
        ValueError: ale-py has no such game or refuses it; `seed` is negative; `dtype` or `console` is another.
        OSError: the ROM's file is missing or is not the one that ale-py knows.
    """

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
        self._engine = Engine(game, RULES, console=console)
        self.console: Emulator = self._engine.console
        self.rewards: list[float] = []
        self.lives = 0

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
        """
        reward, done, info = self.advance(action)
        return self.observe(), reward, done, info

    def begin(self) -> None:
        """Do what `reset` does, without an observation."""
        self._engine.reset()
        self.rewards = []
        self.lives = self._engine.lives

    def advance(self, action: int) -> tuple[float, bool, EpisodeInfo | None]:
        """Do what `step` does, without an observation: return reward, done and info."""
        reward, terminated, truncated = self._engine.step(action)
        self.rewards.append(reward)
        if not (terminated or truncated):
            return reward, False, None
        info = EpisodeInfo(reward=sum(self.rewards), length=len(self.rewards))
        self.begin()
        return reward, True, info

    def observe(self) -> Observation:
        """Return the current observation: dtype[4, 84, 84], a fresh array.

        Raises:
            gymnasium.error.ResetNeeded: there was no `reset` yet.
        """
        stack = cast("npt.NDArray[np.uint8]", self._engine.observe())  # labml's rules do not scale
        return stack if self._is_uint8 else stack.astype(np.float64)

    @property
    def plane(self) -> npt.NDArray[np.uint8]:
        """The newest plane: uint8[84, 84], a view that is valid until the next step or reset; not to be written to.

        After a step it is what is new in the observation; after a reset all planes are like it.
        """
        return self._engine.plane
