"""`Recording`: what a vector environment gave is taken into a replay buffer."""

from typing import Any

import gymnasium.error
import numpy as np
import numpy.typing as npt
from gymnasium.vector import AutoresetMode

from fastatari.checks import check_target
from fastatari.envs.arguments import check_env_ids
from fastatari.envs.buffers import ObservationBuffers
from fastatari.replay.arguments import check_observations, check_rows
from fastatari.replay.planes import PlaneRings
from fastatari.replay.priorities import Priorities
from fastatari.replay.transitions import TransitionRings

Array = npt.NDArray[Any]
Int64Array = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]


class Recording:
    """The part of a buffer that follows environments: their planes, and the transitions between these.

    Attributes:
        num_envs (int): how many environments, n.
        planes (PlaneRings): their planes.
        transitions (TransitionRings): the rest of transitions.
        priorities (Priorities | None): those of prioritised sampling.
        is_over (bool[n]): whether an episode is over, and none has begun since.
    """

    num_envs: int
    planes: PlaneRings
    transitions: TransitionRings
    priorities: Priorities | None
    is_over: Mask
    _mode: AutoresetMode
    _reports_lives: bool
    _everyone: Int64Array
    # Memory for stacks where none is given: fresh memory takes longer than all else.
    _buffers: dict[str, ObservationBuffers]

    def reset(self, observations: Any, env_id: Any = None) -> None:
        """Note what a reset of environments gave: episodes begin, and there is no transition.

        Args:
            observations ([m, *stack_shape] or planes): what `reset` gave: stacks; or planes, [m, *plane_shape], with or
                without an axis for one plane. They are copied.
            env_id (int[m], optional): of which environments; by default of all.

        Raises:
            TypeError, ValueError: an argument is not allowed. Nothing has changed.
        """
        ids = self._everyone if env_id is None else check_env_ids(env_id, self.num_envs)
        rows, are_stacks = check_observations("observations", observations, len(ids), self.planes)
        self._make_room(self._everyone[:0])
        self._begin(ids, rows, are_stacks)

    def add(
        self,
        actions: Any,
        observations: Any,
        rewards: Any,
        terminated: Any,
        truncated: Any,
        infos: Any = None,
        env_id: Any = None,
    ) -> None:
        """Add what a step of environments gave.

        Where it was a reset, in ``NEXT_STEP``, an episode begins, and there is no transition.

        Args:
            actions ([m, *action_shape]): what was played.
            observations: what the step gave, as for `reset`.
            rewards (float[m]): the same; kept as float32.
            terminated (bool[m]): the same.
            truncated (bool[m]): the same.
            infos (dict): the same. It has to be given in ``SAME_STEP``, for the last observations of episodes, and with
                `reports_lives`.
            env_id (int[m], optional): of which environments; by default ``infos["env_id"]``, or all.

        Raises:
            TypeError, ValueError: an argument is not allowed. Nothing has changed.
            gymnasium.error.ResetNeeded: an environment had no `reset`; or its episode is over, in ``DISABLED``.
        """
        infos = {} if infos is None and self._mode != AutoresetMode.SAME_STEP and not self._reports_lives else infos
        if not isinstance(infos, dict):
            raise TypeError(f"`infos` must be a dict, got {type(infos).__name__}")
        env_id = infos.get("env_id") if env_id is None else env_id
        ids = self._everyone if env_id is None else check_env_ids(env_id, self.num_envs)
        count = len(ids)
        rows, are_stacks = check_observations("observations", observations, count, self.planes)
        kinds = self.transitions.actions
        played = check_rows("actions", actions, (count, *kinds.shape[2:]), kinds.dtype)
        gained = check_rows("rewards", rewards, (count,), np.dtype(np.float32))
        flags = [
            check_rows(name, flag, (count,), np.dtype(np.bool_))
            for name, flag in (("terminated", terminated), ("truncated", truncated))
        ]
        is_over = flags[0] | flags[1]
        if self._reports_lives:
            is_over &= check_rows("infos['game_over']", infos.get("game_over"), (count,), np.dtype(np.bool_))
        begins = self._find_resets(ids, infos)
        pushed = rows
        if self._mode == AutoresetMode.SAME_STEP:
            pushed, begins = self._read_finals(rows, are_stacks, infos)
        steps = np.flatnonzero(~begins) if self._mode == AutoresetMode.NEXT_STEP else np.arange(count)
        planes, transitions, who = self.planes, self.transitions, ids[steps]
        if not (planes.counts[ids] > 0).all():
            raise gymnasium.error.ResetNeeded("Cannot add steps before what `reset` gave; give it to `reset` first.")

        self._make_room(who)
        values = played[steps], gained[steps], flags[0][steps], flags[1][steps]
        transitions.add(who, planes.counts[who] - 1, planes.ages[who], values)
        newest = planes.split(pushed)[:, -1] if are_stacks else pushed
        planes.push(who, newest[steps])
        if self.priorities is not None:
            self.priorities.add(who * transitions.length + (transitions.totals[who] - 1) % transitions.length)
        self.is_over[ids] = is_over
        if np.count_nonzero(begins):
            self._begin(ids[begins], rows[begins], are_stacks)

    def observe(self, env_id: Any = None, *, out: Any = None) -> Any:
        """Return the present stacks of environments, for a policy: [m, *stack_shape], `out` or a fresh array.

        Raises:
            TypeError, ValueError: an argument is not allowed.
            gymnasium.error.ResetNeeded: an environment had no `reset`.
        """
        ids = self._everyone if env_id is None else check_env_ids(env_id, self.num_envs)
        if not (self.planes.counts[ids] > 0).all():
            raise gymnasium.error.ResetNeeded("Cannot observe before what `reset` gave; give it to `reset` first.")
        target = self._make_target("out", out, len(ids))
        self.planes.gather(ids, self.planes.counts[ids] - 1, self.planes.ages[ids], target)
        return target if out is None else out

    def _find_resets(self, ids: Int64Array, infos: dict[str, Any]) -> Mask:
        """Return what of a step was a reset, in ``NEXT_STEP``; nothing is in another mode.

        Raises:
            gymnasium.error.ResetNeeded: an episode is over, in ``DISABLED``.
        """
        if self._mode == AutoresetMode.NEXT_STEP:
            begins = self.is_over[ids]
            if "_noops" in infos:  # also where an environment was replaced: see `RayVectorEnv`
                begins |= check_rows("infos['_noops']", infos["_noops"], ids.shape, np.dtype(np.bool_))
            return begins
        if self._mode == AutoresetMode.DISABLED and (over := ids[self.is_over[ids]]).size:
            raise gymnasium.error.ResetNeeded(
                f"Cannot add steps of environments whose episode is over: {', '.join(map(str, over))}. Give what their "
                "`reset` gave to `reset` first."
            )
        return np.zeros(len(ids), np.bool_)

    def _read_finals(self, rows: Array, are_stacks: bool, infos: dict[str, Any]) -> tuple[Array, Mask]:
        """Return the observations that a step led to, in ``SAME_STEP``, and where a reset replaced them.

        Raises:
            TypeError, ValueError: they are not as the others.
        """
        if "final_obs" not in infos:
            return rows, np.zeros(len(rows), np.bool_)
        begins = check_rows("infos['_final_obs']", infos.get("_final_obs"), (len(rows),), np.dtype(np.bool_))
        pushed = rows.copy()
        for row in np.flatnonzero(begins).tolist():
            final, is_stack = check_observations(
                f"infos['final_obs'][{row}]", np.asarray(infos["final_obs"][row])[np.newaxis], 1, self.planes
            )
            if is_stack != are_stacks:
                raise ValueError("`infos['final_obs']` must be stacks where observations are, got another shape")
            pushed[row] = final[0]
        return pushed, begins

    def _begin(self, ids: Int64Array, rows: Array, are_stacks: bool) -> None:
        if are_stacks:
            self.planes.begin_stacks(ids, rows)
        else:
            self.planes.begin(ids, rows)
        self.is_over[ids] = False

    def _make_room(self, added_to: Int64Array) -> None:
        """Drop the transitions that what is about to be stored would take planes or places of."""
        planes, transitions = self.planes, self.transitions
        added = np.zeros(self.num_envs, np.int64)
        added[added_to] = 1
        # A step adds a plane, and a reset at most a stack.
        dropped = transitions.drop(planes.counts + planes.stack_num + 1 - planes.slots, added)
        if self.priorities is not None and len(dropped):
            places = dropped[:, 0] * transitions.length + dropped[:, 1] % transitions.length
            self.priorities.write(places, np.zeros(len(places)))

    def _make_target(self, name: str, out: Any, count: int) -> Array:
        """Return where stacks are written to."""
        shape, dtype = (count, *self.planes.stack_shape), self.planes.memory.dtype
        if out is not None:
            return check_target(name, out, shape, dtype)
        buffers = self._buffers.get(name)
        if buffers is None or buffers.shape != shape:
            buffers = self._buffers[name] = ObservationBuffers(shape, dtype)
        return buffers.take()
