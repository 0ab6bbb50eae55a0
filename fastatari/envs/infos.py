"""`InfoReader`: an engine's results as the infos of a vector environment or of a single one, by the table of fields."""

from collections.abc import Callable
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from fastatari.engine.interface import Engine, Int64Array
from fastatari.engine.results import ENV_ID, EPISODE, EPISODE_FIELDS, INFO_FIELDS, RAM, InfoField, Results, place_of
from fastatari.envs.buffers import make_array

Mask = npt.NDArray[np.bool_]
ReadRam = Callable[[Int64Array, npt.NDArray[np.uint8]], None]

_IS_STEP: Final = place_of("is_step")[1]
_IS_RESET: Final = place_of("is_reset")[1]
_ENDS_GAME: Final = place_of("ends_game")[1]
_HAS_FINAL: Final = place_of("has_final")[1]


class InfoReader:
    """Makes infos. Those of one reader have the same keys, dtypes and shapes after every reset and step, except finals.

    Args:
        engine (Engine): whose results are read.
        has_statistics (bool): whether infos have ``episode``.
        has_ram (bool): whether infos have ``ram``.
        has_finals (bool): whether infos have ``final_obs`` and ``final_info`` where a reset in the same step replaced
            what they hold.
    """

    def __init__(self, engine: Engine, has_statistics: bool, has_ram: bool, has_finals: bool = False) -> None:
        self._engine = engine
        self._has_statistics, self._has_ram, self._has_finals = has_statistics, has_ram, has_finals
        self._is_there = np.ones(engine.num_envs, np.bool_)
        # Where each field is, so that a step does not look that up.
        self._plan = [(field.name, f"_{field.name}", *_find(field), field.when) for field in INFO_FIELDS]
        # Of a single environment: an array of shape () for a flag, a scalar for a number.
        self._single_plan = [
            (name, array, (row, 0, ...) if array == _FLAGS else (row, 0)) for name, _, array, row, _ in self._plan
        ]

    def read(self, results: Results, env_ids: Int64Array, is_told: Mask | None = None) -> dict[str, Any]:
        """Return the infos of some environments. Masks that are the same may be one array.

        Args:
            results (Results): theirs, a copy, which is handed out.
            env_ids (int64[m]): their numbers, a copy, which is handed out.
            is_told (bool[m], optional): which of them the infos are about; the others' values are 0.

        Returns:
            dict[str, ndarray | dict]: arrays of m; and under a name with ``_`` before it, which environments have that
            field, bool[m].
        """
        infos = self._read(results, env_ids, is_told, self._engine.read_ram)
        infos[ENV_ID.name] = env_ids
        infos[f"_{ENV_ID.name}"] = infos["_lives"] if is_told is None else np.ones(len(env_ids), np.bool_)
        if self._has_finals and np.count_nonzero(has_final := results.flags[_HAS_FINAL]):
            # Only then, as in gymnasium's own environments: TorchRL fails at an array of None alone.
            final_obs, final_info = self._read_finals(env_ids, has_final)
            infos["final_obs"], infos["_final_obs"] = final_obs, has_final
            infos["final_info"], infos["_final_info"] = final_info, has_final
        return infos

    def _read(self, results: Results, env_ids: Int64Array, is_told: Mask | None, read_ram: ReadRam) -> dict[str, Any]:
        """Return infos of a step or reset, of those environments that they are about."""
        arrays = results.floats, results.integers, results.flags
        masks = {
            "always": self._is_there[: len(env_ids)].copy(),
            "step": results.flags[_IS_STEP],
            "reset": results.flags[_IS_RESET],
        }
        if is_told is not None:
            masks = {when: mask & is_told for when, mask in masks.items()}
            for each in arrays:
                each[:, ~is_told] = 0
        infos: dict[str, Any] = {}
        for name, mask_name, array, row, when in self._plan:
            infos[name] = arrays[array][row]
            infos[mask_name] = masks[when]
        if self._has_ram:
            infos[RAM.name] = ram = np.zeros((len(env_ids), *RAM.shape), RAM.dtype)
            infos[f"_{RAM.name}"] = told = masks[RAM.when]
            if is_told is None:
                read_ram(env_ids, ram)
            else:
                rows = np.empty((np.count_nonzero(told), *RAM.shape), RAM.dtype)
                read_ram(env_ids[told], rows)
                ram[told] = rows
        if self._has_statistics:
            is_end = results.flags[_ENDS_GAME]
            episode: dict[str, Any] = {}
            for field in EPISODE_FIELDS:
                array, row = _find(field)
                episode[field.name], episode[f"_{field.name}"] = arrays[array][row] * is_end, is_end
            infos[EPISODE], infos[f"_{EPISODE}"] = episode, is_end
        return infos

    def _read_finals(self, env_ids: Int64Array, has_final: Mask) -> tuple[npt.NDArray[Any], dict[str, Any]]:
        """Return the observations and infos that resets in the same step replaced."""
        engine, count = self._engine, len(env_ids)
        observations = np.full(count, None, object)
        replaced = env_ids[has_final]
        rows = make_array((len(replaced), *engine.rules.shape), engine.rules.observation_space.dtype)
        engine.read_final(replaced, rows)
        for place, row in zip(np.flatnonzero(has_final), rows, strict=True):
            observations[place] = row
        return observations, self._read(engine.finals.take(env_ids), env_ids, has_final, engine.read_final_ram)

    def read_single(self) -> dict[str, Any]:
        """Return the info of an engine with one environment: numbers are numpy's scalars.

        Booleans are arrays of shape (), because gymnasium's vector environments would make object arrays of numpy's
        boolean scalars. ``episode`` is only there after the last step of a game, because stable-baselines3 takes it for
        the end of an episode wherever it is.
        """
        results = self._engine.results
        arrays = results.floats, results.integers, results.flags.copy()
        info: dict[str, Any] = {}
        for name, array, place in self._single_plan:
            info[name] = arrays[array][place]
        if self._has_ram:
            ram = np.empty((1, *RAM.shape), RAM.dtype)
            self._engine.read_ram(_FIRST, ram)
            info[RAM.name] = ram[0]
        if self._has_statistics and results.flags.item(_ENDS_GAME):
            places = ((field.name, *_find(field)) for field in EPISODE_FIELDS)
            info[EPISODE] = {name: arrays[array][row, 0] for name, array, row in places}
        return info


_FLAGS: Final = 2
_FIRST: Final = np.zeros(1, np.int64)


def _find(field: InfoField) -> tuple[int, int]:
    """Return in which array of a `Results` a field is, and in which row."""
    assert field.row is not None
    array, row = place_of(field.row)
    return Results.ARRAYS.index(array), row
