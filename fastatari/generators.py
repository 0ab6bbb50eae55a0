"""The random numbers that a game depends on, drawn as ale-py and its C++ library draw them."""

from collections.abc import Callable
from typing import Any

import numpy as np

_BATCH = 1024


class EmulatorDraws:
    """The numbers by which ale-py decides whether an action sticks (``StellaEnvironment::act``, ``Random.cxx``).

    ale-py draws two 32-bit words a frame from a ``std::mt19937``, for each player one; the second is of no use here.

    Args:
        seed (int): ale-py's ``random_seed``, of which 32 bits count.
    """

    def __init__(self, seed: int) -> None:
        self._generator = np.random.RandomState(seed % 2**32)
        self._draws: list[float] = []
        self._used = 0

    def __call__(self) -> float:
        """Return the next number, from 0 to 1."""
        if self._used == len(self._draws):
            words = self._generator.randint(0, 2**32, 2 * _BATCH, np.uint32)
            self._draws = (words[::2] / 2**32).tolist()
            self._used = 0
        self._used += 1
        return self._draws[self._used - 1]


class StickyActions:
    """Plays frames, of which some repeat the last action instead of the one asked for.

    Args:
        act (Callable): plays a frame with an action of the emulator, and returns its reward.
        probability (float): how probably a frame repeats the last action.
        noop: the action before the first.

    Attributes:
        last_action: the action of the last frame.
        draw (Callable[[], float] | None): draws a number from 0 to 1 that decides; to be set before the first frame.
    """

    def __init__(self, act: Callable[[Any], float], probability: float, noop: Any) -> None:
        self._act, self._probability = act, probability
        self.last_action = noop
        self.draw: Callable[[], float] | None = None

    def __call__(self, action: Any) -> float:
        """Play a frame."""
        assert self.draw is not None
        if self.draw() >= self._probability:
            self.last_action = action
        return self._act(self.last_action)


def draw_uniform(generator: np.random.RandomState, count: int) -> int:
    """Draw an integer below `count`, as libstdc++'s ``uniform_int_distribution`` does since GCC 11.

    The method is Lemire's: the upper half of a word's product with `count`, unless the lower half is one of those few
    that would make some results more probable than others.
    """
    while True:
        product = int(generator.randint(0, 2**32, dtype=np.uint32)) * count
        if product % 2**32 >= 2**32 % count:
            return product >> 32


def new_seed() -> int:
    """Return an unforeseeable seed of 31 bits."""
    seed: Any = np.random.SeedSequence().generate_state(1)[0]
    return int(seed) >> 1
