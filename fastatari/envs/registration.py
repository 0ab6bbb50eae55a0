"""The ids under which gymnasium makes the environments."""

import sys
import warnings
from types import FrameType
from typing import Any

import gymnasium

from fastatari.envs.env import AtariEnv
from fastatari.envs.vector import AtariVectorEnv
from fastatari.games import list_roms, to_camel_case


def register_envs() -> None:
    """Register ``fastatari/Breakout-v0`` and an id of each other game."""
    for rom in list_roms():
        gymnasium.register(
            f"fastatari/{to_camel_case(rom)}-v0",
            entry_point="fastatari.envs.registration:make_env",
            vector_entry_point="fastatari.envs.registration:make_vector_env",
            kwargs={"rom": rom},
        )


def make_env(rom: str, **kwargs: Any) -> AtariEnv:
    """Return the environment that an id stands for.

    Args:
        rom (str): the game of the id.
        kwargs: as for `AtariEnv`, except `game`.

    Raises:
        TypeError: there is `game`, which the id says.
    """
    _check_no_game(rom, kwargs)
    env = AtariEnv(rom, **kwargs)
    what = ["lives for games"] if env.rules.life_loss != "ignore" else []
    what += ["clipped rewards for scores"] if env.rules.reward_clip else []
    if what:
        _warn_under_sb3(" and ".join(what))
    return env


def make_vector_env(rom: str, **kwargs: Any) -> AtariVectorEnv:
    """Return the vector environment that an id stands for, as `make_env` does."""
    _check_no_game(rom, kwargs)
    return AtariVectorEnv(rom, **kwargs)


def _check_no_game(rom: str, kwargs: dict[str, Any]) -> None:
    if "game" in kwargs:
        raise TypeError(f"got an unexpected keyword argument 'game': the id says that it is {rom}")


def _warn_under_sb3(what: str) -> None:
    """Warn if stable-baselines3's `make_vec_env` makes the environment, and say what its `Monitor` takes for what.

    It puts its `Monitor` around the environment, which then takes lives for games. Only the stack tells that it calls.
    """
    frame: FrameType | None = sys._getframe()
    while frame is not None:
        if frame.f_globals.get("__name__") == "stable_baselines3.common.env_util":
            warnings.warn(
                f"a `Monitor` around this environment takes {what}; `make_sb3_env` of `fastatari.adapters.sb3` logs "
                "what stable-baselines3's `make_atari_env` does",
                stacklevel=2,
            )
            return
        frame = frame.f_back


# gymnasium looks there for the modes of `render`.
make_env.metadata = AtariEnv.metadata  # type: ignore[attr-defined]
