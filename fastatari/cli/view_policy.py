"""The policies that `fastatari view` plays: random, a function of the user's, or actions from a file."""

import importlib
import operator
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from fastatari.cli.failures import CommandError, describe_error

# Called with an observation and info; returns an action, which the environment checks.
Policy = Callable[[Any, dict[str, Any]], Any]


def make_random_policy(action_num: int, seed: int) -> Policy:
    """Return a policy that draws each action."""
    rng = np.random.default_rng(seed)
    return lambda observation, info: int(rng.integers(action_num))


def import_policy(name: str) -> Policy:
    """Return a function of a module, which is looked for in the current folder first.

    Args:
        name (str): of the form ``module:function``; there may be dots on both sides.

    Raises:
        CommandError: there is no such function; or the module cannot be imported.
    """
    module_name, _, path = name.partition(":")
    if not module_name or not path:
        raise CommandError(f"--policy must be random or module:function, got {name!r}")
    folder = os.getcwd()
    if folder not in sys.path:
        sys.path.insert(0, folder)  # which is not there if an installed script was started
    try:
        module = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name != module_name and not module_name.startswith(f"{error.name}."):
            raise CommandError(f"--policy: {module_name!r} needs {error.name!r}, which is not installed") from error
        raise CommandError(f"--policy: there is no module {module_name!r} in {folder!r} or installed") from error
    except Exception as error:
        raise CommandError(f"--policy: {module_name!r} cannot be imported: {describe_error(error)}") from error
    try:
        policy = operator.attrgetter(path)(module)
    except AttributeError:
        raise CommandError(f"--policy: the module {module_name!r} has no {path!r}") from None
    if not callable(policy):
        raise CommandError(f"--policy: {name!r} must be a function, got {policy!r:.100}")
    function: Policy = policy
    return function


def read_actions(path: Path, meanings: Sequence[str], rom: str) -> list[int]:
    """Return the actions of a file.

    Args:
        path (Path): a text file with the index or the name of an action in each line. Empty lines and those that begin
            with ``#`` are left out.
        meanings (Sequence[str]): the names of the game's actions, by index.
        rom (str): the ROM's id.

    Raises:
        CommandError: the file cannot be read; a line is no action; or there are none.
    """
    try:
        lines = path.read_text().splitlines()
    except OSError as error:
        raise CommandError(f"cannot read {str(path)!r}: {error.strerror}") from error
    except UnicodeDecodeError:
        raise CommandError(f"cannot read {str(path)!r}: it is no text") from None
    actions = []
    for number, line in enumerate(lines, 1):
        word = line.strip()
        if not word or word.startswith("#"):
            continue
        if word.upper() in meanings:
            actions.append(meanings.index(word.upper()))
        elif word.isascii() and word.isdecimal() and int(word) < len(meanings):
            actions.append(int(word))
        else:
            raise CommandError(
                f"{path}, line {number}: {word!r} is no action of {rom}, which has 0..{len(meanings) - 1}: "
                f"{', '.join(meanings)}"
            )
    if not actions:
        raise CommandError(f"{path} has no actions")
    return actions


def make_file_policy(actions: Sequence[int]) -> Policy:
    """Return a policy that plays actions in their order."""
    rest = iter(actions)
    return lambda observation, info: next(rest)
