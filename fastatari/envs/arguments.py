"""Checks of what the environments are given besides actions: names of arguments, seeds, options, numbers."""

from collections.abc import Iterable, Mapping, Sequence, Set
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from gymnasium.vector import AutoresetMode

from fastatari.argument_names import check_argument_names
from fastatari.checks import check_flag, check_integers, check_mask
from fastatari.rules import AtariRules

Int64Array = npt.NDArray[np.int64]

_THREADS: Final = "environments are played by threads of this process"

# Arguments that version 0.1 had.
_REMOVED: Final = {
    "num_workers": f"{_THREADS}: their number is `num_threads`",
    "context": f"{_THREADS}, and no process is started",
    "timeout": f"{_THREADS}, and no process can be late",
    "start_timeout": f"{_THREADS}, and no process is started",
    "restart_workers": f"{_THREADS}, and no process can die",
    "start_states": "resets are as fast without",
    "resets": "resets are as fast without",
}


def check_names(overrides: Mapping[str, Any], arguments: Iterable[str]) -> None:
    """Check the names of fields of `AtariRules` that were given to an environment.

    Args:
        overrides (Mapping[str, Any]): what was given beside the arguments.
        arguments (iterable of str): the names of the arguments.

    Raises:
        TypeError: a name is of no field. The error says what it is called here, if it is known.
    """
    for name in overrides:
        if name in _REMOVED:
            raise TypeError(f"got an unexpected keyword argument {name!r}: it is gone, because {_REMOVED[name]}")
    check_argument_names(overrides, [*arguments, *AtariRules.__annotations__])


def check_mode(mode: Any) -> AutoresetMode:
    """Return an autoreset mode, from one or from its name.

    Raises:
        ValueError: there is no such mode.
    """
    try:
        return AutoresetMode(mode)
    except ValueError:
        allowed = ", ".join(f"{each} ({each.value!r})" for each in AutoresetMode)
        raise ValueError(f"`autoreset_mode` must be one of {allowed}, got {mode!r}") from None


def check_env_ids(env_id: Any, num_envs: int) -> Int64Array:
    """Return numbers of environments: int64[m], C-contiguous; not `env_id` itself.

    Raises:
        TypeError: they are no integers.
        ValueError: there are none; or one is not from 0 to `num_envs - 1`, or is named twice.
    """
    array = check_integers("env_id", env_id, None, "for each environment")
    numbers = array.tolist()
    if min(numbers) < 0 or max(numbers) >= num_envs:
        wrong = next(number for number in numbers if not 0 <= number < num_envs)
        raise ValueError(f"`env_id` must be from 0 to {num_envs - 1}, got {wrong}")
    if len(set(numbers)) < len(numbers):
        raise ValueError(f"`env_id` must name no environment twice, got {numbers}")
    return np.array(numbers, np.int64)


def check_options(options: Any, allowed: Sequence[str]) -> dict[str, Any]:
    """Return the options of a reset.

    Raises:
        TypeError: `options` is neither a dict nor None; ``new_game`` is not a boolean.
        ValueError: there is an option that is not allowed.
    """
    if options is None:
        return {}
    if not isinstance(options, dict):
        raise TypeError(f"`options` must be a dict, got {options!r}")
    if unknown := [name for name in options if name not in allowed]:
        may_hold = " and ".join(map(repr, allowed))
        raise ValueError(f"`options` may hold {may_hold}, got {', '.join(map(repr, unknown))}")
    if "new_game" in options:
        check_flag("options['new_game']", options["new_game"])
    return options


def check_reset_mask(options: Mapping[str, Any], num_envs: int) -> npt.NDArray[np.bool_] | None:
    """Return the mask of a reset of some environments, bool[n], or None if there is none.

    Raises:
        TypeError, ValueError: as for `check_mask`.
    """
    if "reset_mask" not in options:
        return None
    return check_mask("options['reset_mask']", options["reset_mask"], num_envs)


def check_seeds(seed: Any, env_ids: Int64Array, expected: str, rules: AtariRules) -> list[int | None]:
    """Return a seed or None for each of some environments.

    Args:
        seed (int | sequence of int | None): a seed of environment 0, upon which the others' follow; or one for each;
            sequences, arrays and tensors.
        env_ids (int64[m]): the environments' numbers.
        expected (str): the name of m, for messages.
        rules (AtariRules): which seeds are allowed.

    Raises:
        TypeError: a seed is not an integer.
        ValueError: one is negative or too large; or there are not as many as environments.
    """
    if seed is None:
        return [None] * len(env_ids)
    if is_single_seed(seed):
        first = rules.check_seed(seed)
        return [rules.check_seed(first + index) for index in env_ids.tolist()]
    values = seed.tolist() if hasattr(seed, "tolist") else list(seed)
    if len(values) != len(env_ids):
        raise ValueError(
            f"If seeds are passed as a list the length must match {expected}={len(env_ids)} but got "
            f"length={len(values)}."
        )
    return [None if each is None else rules.check_seed(each) for each in values]


def is_single_seed(seed: Any) -> bool:
    """Return whether something is not a sequence of seeds: then it is one seed, or refused."""
    if isinstance(seed, str | bytes | Mapping | Set):
        return True
    if hasattr(seed, "ndim"):
        return bool(seed.ndim == 0)
    return not isinstance(seed, Iterable)


def check_generator(generator: Any) -> np.random.Generator:
    """Return a generator.

    Raises:
        TypeError: it is none of numpy's.
    """
    if not isinstance(generator, np.random.Generator):
        raise TypeError(f"`np_random` must be a numpy.random.Generator, got {type(generator).__name__}")
    return generator
