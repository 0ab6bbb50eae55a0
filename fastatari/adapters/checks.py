"""What adapters have in common: that their framework is there, and that environments are as it wants them."""

import importlib.metadata
import math
import re
from collections.abc import Mapping
from typing import Any

from gymnasium.vector import AutoresetMode

from fastatari.checks import to_float
from fastatari.envs.vector import AtariVectorEnv


def make_same_step_env(game: str, num_envs: int, preset: str, arguments: Mapping[str, Any]) -> AtariVectorEnv:
    """Return environments that `check_same_step` takes, by the rules of a preset; `arguments` go before these."""
    fixed = {"preset": preset, "autoreset_mode": AutoresetMode.SAME_STEP, "episode_statistics": True}
    return AtariVectorEnv(game, num_envs, **{**fixed, **arguments})


def check_same_step(env: Any) -> None:
    """Check that an adapter can tell episodes and games apart in an environment.

    Raises:
        TypeError: it is no `AtariVectorEnv`.
        ValueError: it is not in ``SAME_STEP``, or without `episode_statistics`, or a batch is not all environments.
    """
    if not isinstance(env, AtariVectorEnv):
        raise TypeError(f"`env` must be an AtariVectorEnv, got {type(env).__name__}")
    if env.autoreset_mode != AutoresetMode.SAME_STEP:
        raise ValueError(f"`env` must have `autoreset_mode` SAME_STEP, got {env.autoreset_mode.name}")
    if env.batch_size < env.num_envs:
        raise ValueError(f"`env` must have batches of all {env.num_envs} environments, got {env.batch_size}")
    if not env.episode_statistics:
        raise ValueError("`env` must have `episode_statistics`")


def check_positive(name: str, value: Any) -> float:
    """Return a finite number above 0.

    Raises:
        TypeError: it is no number.
        ValueError: it is not finite, or not above 0.
    """
    number = to_float(name, value)
    if not 0 < number < math.inf:
        raise ValueError(f"`{name}` must be above 0 and finite, got {value!r}")
    return number


def require(package: str, least: str, below: str, extra: str) -> None:
    """Check that a package is installed in a version that is allowed.

    Args:
        package (str): its name on PyPI.
        least (str): the least version.
        below (str): the least version that is too new.
        extra (str): fastatari's extra that brings it.

    Raises:
        ImportError: it is not there, or too old, or too new.
    """
    wants = f"needs {package} from {least} on, below {below}; `pip install 'fastatari[{extra}]'` brings it"
    try:
        version = importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        raise ImportError(f"this adapter {wants}", name=package) from None
    if not _numbers(least) <= _numbers(version) < _numbers(below):
        raise ImportError(f"this adapter {wants}; {version} is installed", name=package)


def _numbers(version: str) -> tuple[int, ...]:
    """Return the numbers that a version begins with."""
    found = re.match(r"\d+(\.\d+)*", version)
    return tuple(map(int, found[0].split("."))) if found else ()
