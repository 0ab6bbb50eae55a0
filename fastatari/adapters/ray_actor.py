"""`Actor`: some environments in a process of Ray's, and what travels between it and the caller."""

import ctypes
import math
import time
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from fastatari.envs.actions import Actions
from fastatari.envs.vector import AtariVectorEnv
from fastatari.rules import AtariRules

Array = npt.NDArray[Any]


class Reset(NamedTuple):
    """The request to begin an episode in all environments; any other request is a step, and an array of actions.

    Attributes:
        seeds (list[int | None]): of each.
        new_game (bool): as the option of `AtariVectorEnv.reset`.
    """

    seeds: list[int | None]
    new_game: bool


Request = Reset | npt.NDArray[np.int64]


class Reply(NamedTuple):
    """What the last of some requests gave.

    Attributes:
        changed (uint8[k]): which rows of the newest plane of each observation differ from those of the plane before, as
            bits.
        planes (Array): these rows. With those that did not change, a reply would mostly be too large for Ray to send it
            along with the answer, and go through its store, which takes milliseconds.
        rows (int64[k]): which of the observations are whole, because they are of a reset.
        stacks (Array): those.
        columns (float64[c, m]): rewards, ends, and all of the infos.
        state (bytes | None): a checkpoint, if one was asked for.
        seconds (float): how long the requests took.
    """

    changed: npt.NDArray[np.uint8]
    planes: Array
    rows: npt.NDArray[np.int64]
    stacks: Array
    columns: npt.NDArray[np.float64]
    state: bytes | None
    seconds: float


class Layout(NamedTuple):
    """What a caller has to know of environments that live elsewhere.

    Attributes:
        rules (AtariRules): their rules.
        spaces (tuple): of an observation and of an action.
        names (list): of each column of infos: its keys, and the dtype.
        actions (Actions): reads actions.
    """

    rules: AtariRules
    spaces: tuple[Any, Any]
    names: list[tuple[tuple[str, ...], Any]]
    actions: Actions

    def read_actions(self, actions: Any, env_ids: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """Return the index of an action for each environment, int64[m].

        Raises:
            TypeError, ValueError, InvalidAction: as for `AtariVectorEnv.send`.
        """
        indices, _ = self.actions.read(actions, env_ids)
        if (error := self.actions.find_invalid(actions, env_ids)) is not None:
            raise error
        return indices


def find_layout(arguments: dict[str, Any]) -> Layout:
    """Return the layout of an `AtariVectorEnv` with these arguments, of which one environment is made.

    Raises:
        TypeError, ValueError, OSError, MemoryError: as for `AtariVectorEnv`; or actions are continuous.
    """
    with AtariVectorEnv(**{**arguments, "num_envs": 1, "num_threads": 0}) as env:
        if env.rules.continuous:
            raise ValueError("`continuous` must be False in `RayVectorEnv`, got True")
        _, infos = env.reset()
        names = [(keys, array.dtype) for keys, array in _flatten(infos)]
        meanings = env.get_action_meanings()
        spaces = env.single_observation_space, env.single_action_space
        return Layout(env.rules, spaces, names, Actions(arguments["game"], meanings, env.rules))


class Actor:
    """Environments of an `AtariVectorEnv` in a process.

    Args:
        arguments (dict[str, Any]): those of the `AtariVectorEnv`.
        num_cpus (float): as many threads play; the caller's alone, if it is one.
    """

    def __init__(self, arguments: dict[str, Any], num_cpus: float) -> None:
        threads = math.ceil(num_cpus)
        self._env = AtariVectorEnv(**arguments, num_threads=threads if threads > 1 else 0, copy=False)

    def ping(self) -> None:
        """Answer."""

    def run(self, state: bytes | None, requests: Sequence[Request], wants_state: bool) -> Reply:
        """Do what is asked for, after going on from a checkpoint, if there is one; the reply is that of the last.

        The caller was given the replies of all before it.
        """
        begin = time.monotonic()
        if state is not None:
            self._env.load_state(state)
        for request in requests:
            if isinstance(request, Reset):
                observations, infos = self._env.reset(seed=request.seeds, options={"new_game": request.new_game})
                ends: Any = np.zeros((3, len(observations)))
            else:
                observations, *ends, infos = self._env.step(request)
        flat = (array for _, array in _flatten(infos))
        columns = np.array([*ends, *flat], np.float64)
        rows = np.flatnonzero(infos["_noops"])
        changed = find_changes(observations, self._env.rules)
        changed[rows] = False
        planes = find_plane(observations, self._env.rules, 1)[changed]
        checkpoint = self._env.save_state() if wants_state else None
        seconds = time.monotonic() - begin
        return Reply(np.packbits(changed), planes, rows, observations[rows], columns, checkpoint, seconds)


def find_plane(observations: Array, rules: AtariRules, age: int) -> Array:
    """Return the newest planes of observations, of age 1, or older ones: a view of rows of pixels."""
    if observations.ndim == 2:  # of RAM, without a stack
        return observations[:, np.newaxis]
    if rules.stack_axis == 0:
        return observations[:, -age]
    size = observations.shape[-1] // rules.stack_num
    return observations[..., observations.shape[-1] - age * size :][..., :size]


def find_changes(observations: Array, rules: AtariRules) -> npt.NDArray[np.bool_]:
    """Return which rows of the newest planes differ from those of the planes before, bool[m, h]."""
    newest = find_plane(observations, rules, 1)
    if rules.stack_num == 1:
        return np.ones(newest.shape[:2], np.bool_)
    differs = newest != find_plane(observations, rules, 2)
    changed: npt.NDArray[np.bool_] = differs.reshape(*differs.shape[:2], -1).any(2)
    return changed


def push_planes(stacks: Array, reply: Reply, rules: AtariRules) -> None:
    """Push the planes of a reply onto stacks, which are changed and lie in one piece; replace those that are whole."""
    newest = find_plane(stacks, rules, 1)
    if rules.stack_num > 1:
        # All planes move by one at once, those of the next stack too, over which the new ones are written.
        values = math.prod(stacks.shape[2:]) if rules.stack_axis == 0 else stacks.shape[-1] // rules.stack_num
        distance = values * stacks.itemsize
        ctypes.memmove(stacks.ctypes.data, stacks.ctypes.data + distance, stacks.nbytes - distance)
        newest[...] = find_plane(stacks, rules, 2)
    count = math.prod(newest.shape[:2])
    newest[np.unpackbits(reply.changed, count=count).view(np.bool_).reshape(newest.shape[:2])] = reply.planes
    stacks[reply.rows] = reply.stacks


def unpack_infos(columns: npt.NDArray[np.float64], layout: Layout) -> tuple[Array, Array, Array, dict[str, Any]]:
    """Return rewards, both kinds of ends, and infos."""
    infos: dict[str, Any] = {}
    for (keys, dtype), column in zip(layout.names, columns[3:], strict=True):
        place = infos
        for key in keys[:-1]:
            place = place.setdefault(key, {})
        place[keys[-1]] = column.astype(dtype)
    return columns[0].copy(), columns[1].astype(np.bool_), columns[2].astype(np.bool_), infos


def _flatten(infos: dict[str, Any], keys: tuple[str, ...] = ()) -> list[tuple[tuple[str, ...], Array]]:
    """Return all arrays of infos, with their keys, except the numbers of environments, which the caller has."""
    found: list[tuple[tuple[str, ...], Array]] = []
    for name, value in infos.items():
        if name in {"env_id", "_env_id"}:
            continue
        found += _flatten(value, (*keys, name)) if isinstance(value, dict) else [((*keys, name), value)]
    return found
