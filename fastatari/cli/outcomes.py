"""What a preset's real package gives, and the few methods that each is put behind."""

from typing import Any, NamedTuple, Protocol

import numpy.typing as npt


class Outcome(NamedTuple):
    """What a step or reset gave. None is what the package does not tell.

    Where `truncated` is None, `terminated` is whether the episode is over for either reason.
    """

    observation: npt.NDArray[Any] | None
    reward: float
    terminated: bool
    truncated: bool | None
    lives: int | None
    episode_frame_number: int | None


def find_width_and_height(screen_size: int | tuple[int, int]) -> tuple[int, int]:
    """Return the width and height that the rule `screen_size` stands for."""
    return (screen_size, screen_size) if isinstance(screen_size, int) else screen_size


class Package(Protocol):
    """A game as a package plays it."""

    def reset(self, seed: int | None = None) -> Outcome:
        """Begin an episode, as it begins after the end of another."""

    def step(self, action: int) -> Outcome:
        """Play a step."""

    def close(self) -> None:
        """Free what it holds."""
