"""What environments tell, as gymnasium's vector environments do: a dict of arrays, each with a mask."""

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import numpy.typing as npt

from fastatari.shared import GAME_END, RESET, STEP, Columns

Array = npt.NDArray[Any]

_OF_ALL = ("lives", "episode_frame_number", "frame_number")
_OF_STEPS = ("raw_reward", "life_lost", "game_over")
_OF_RESETS = ("noops",)
_OF_GAMES = {"r": "episode_return", "l": "episode_length", "t": "episode_seconds"}


def read_steps(columns: Columns, take: Callable[[Array], Array], count: int) -> dict[str, Any]:
    """Return infos of environments whose rows are all of kind `STEP`.

    Args:
        columns (Columns): the rows of all environments.
        take (Callable): returns those of the ones that are asked for, of a column, as a fresh array.
        count (int): how many these are.

    Returns:
        dict: as of `read_rows`; all masks are one array.
    """
    infos = {}
    mask = np.ones(count, np.bool_)
    for name in _OF_ALL + _OF_STEPS:
        infos[name] = take(getattr(columns, name))
        infos[f"_{name}"] = mask
    return infos


def read_rows(columns: Columns, take: Callable[[Array], Array], is_asked: Array | bool = True) -> dict[str, Any]:
    """Return infos of environments whose rows are of any kind.

    Args:
        columns (Columns): the rows of all environments.
        take (Callable): as for `read_steps`.
        is_asked (bool[n] | bool): which of these are to be told of.

    Returns:
        dict[str, ndarray | dict]: what `Engine.tell_step` and `Engine.tell_reset` return, arrays of n; and under a name
        with ``_`` before it, for whom that is told, bool[n].
    """
    infos: dict[str, Any] = {}
    kind = take(columns.kind)
    is_end = (kind == GAME_END) & is_asked
    is_step = (kind == STEP) & is_asked | is_end
    is_reset = (kind == RESET) & is_asked
    _add(infos, ((name, name) for name in _OF_ALL), is_step | is_reset, columns, take)
    _add(infos, ((name, name) for name in _OF_STEPS), is_step, columns, take)
    _add(infos, ((name, name) for name in _OF_RESETS), is_reset, columns, take)
    if is_end.any():
        infos["episode"], infos["_episode"] = {}, is_end
        _add(infos["episode"], _OF_GAMES.items(), is_end, columns, take)
    return infos


def _add(
    infos: dict[str, Any],
    names: Iterable[tuple[str, str]],
    mask: Array,
    columns: Columns,
    take: Callable[[Array], Array],
) -> None:
    """Add columns under their names, if there is anyone of whom they are told."""
    if mask.any():
        for name, column in names:
            infos[name] = values = take(getattr(columns, column))
            values[~mask] = 0
            infos[f"_{name}"] = mask.copy()
