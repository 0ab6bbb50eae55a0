"""What environments tell, as gymnasium's vector environments do: a dict of arrays, each with a mask."""

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import numpy.typing as npt

from fastatari.shared import FLAGS, FLOATS, GAME_END, INTEGERS, RESET, STEP, Slot

Array = npt.NDArray[Any]

_OF_ALL = ("lives", "episode_frame_number", "frame_number")
_OF_STEPS = ("raw_reward", "life_lost", "game_over")
_OF_RESETS = ("noops",)
_OF_GAMES = {"r": "episode_return", "l": "episode_length", "t": "episode_seconds"}


class StepReader:
    """Reads rows, if they are all of kind `STEP`.

    What `read_rows` does too, by fewer calls: a caller's share of a step is a few microseconds, if it has to run at
    all, but between two batches its code leaves the processor's caches, and takes twice as long.

    Args:
        slots (list[Slot]): the shared memory.
    """

    def __init__(self, slots: list[Slot]) -> None:
        self._words = [slot.records.view(np.int64).reshape(len(slot.records), -1) for slot in slots]
        self._sources = [_split(words) for words in self._words]
        self._indices = np.arange(len(slots[0].records))

    def read(self, slot: int, batch: Array | None) -> tuple[Array, Array, Array, dict[str, Any]]:
        """Return rewards, whether episodes are terminated, whether truncated, and infos. All masks are one array.

        Args:
            slot (int): where the rows are.
            batch (int64[b] | None): of which environments; None for all.
        """
        if batch is None:
            floats, integers, flags = self._sources[slot]
            indices = self._indices.copy()
        else:
            floats, integers, flags = _split(self._words[slot].take(batch, 0))
            indices = batch.copy()
        rewards, raw_rewards = floats.copy()
        lives, episode_frame_numbers, frame_numbers = integers.copy()
        terminated, truncated, life_lost, game_over = flags.copy()
        mask = np.ones(len(indices), np.bool_)
        infos = {
            "lives": lives,
            "_lives": mask,
            "episode_frame_number": episode_frame_numbers,
            "_episode_frame_number": mask,
            "frame_number": frame_numbers,
            "_frame_number": mask,
            "raw_reward": raw_rewards,
            "_raw_reward": mask,
            "life_lost": life_lost,
            "_life_lost": mask,
            "game_over": game_over,
            "_game_over": mask,
            "env_id": indices,
            "_env_id": mask,
        }
        return rewards, terminated, truncated, infos


def _split(words: Array) -> tuple[Array, Array, Array]:
    """Return the floats, float64[2, n], integers, int64[3, n], and flags, bool[4, n], of rows, int64[n, m]."""
    return words[:, FLOATS].view(np.float64).T, words[:, INTEGERS].T, words.view(np.bool_)[:, FLAGS].T


def read_rows(records: Array, take: Callable[[Array], Array], is_asked: Array | bool = True) -> dict[str, Any]:
    """Return infos of environments whose rows are of any kind.

    Args:
        records (RECORD[n]): of all environments.
        take (Callable): returns those of the ones that are asked for, of a column, as a fresh array.
        is_asked (bool[n] | bool): which of these are to be told of.

    Returns:
        dict[str, ndarray | dict]: what `Engine.tell_step` and `Engine.tell_reset` return, arrays of n; and under a name
        with ``_`` before it, for whom that is told, bool[n].
    """
    infos: dict[str, Any] = {}
    kind = take(records["kind"])
    is_end = (kind == GAME_END) & is_asked
    is_step = (kind == STEP) & is_asked | is_end
    is_reset = (kind == RESET) & is_asked
    _add(infos, ((name, name) for name in _OF_ALL), is_step | is_reset, records, take)
    _add(infos, ((name, name) for name in _OF_STEPS), is_step, records, take)
    _add(infos, ((name, name) for name in _OF_RESETS), is_reset, records, take)
    if is_end.any():
        infos["episode"], infos["_episode"] = {}, is_end
        _add(infos["episode"], _OF_GAMES.items(), is_end, records, take)
    return infos


def _add(
    infos: dict[str, Any],
    names: Iterable[tuple[str, str]],
    mask: Array,
    records: Array,
    take: Callable[[Array], Array],
) -> None:
    """Add columns under their names, if there is anyone of whom they are told."""
    if mask.any():
        for name, column in names:
            infos[name] = values = take(records[column])
            values[~mask] = 0
            infos[f"_{name}"] = mask.copy()
