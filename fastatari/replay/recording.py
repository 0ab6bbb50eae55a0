"""`Recording`: what a vector environment gave is taken into a replay buffer."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import gymnasium.error
import numpy as np
import numpy.typing as npt
from gymnasium.vector import AutoresetMode

from fastatari.checks import check_target
from fastatari.envs.arguments import check_env_ids
from fastatari.envs.buffers import ObservationBuffers
from fastatari.replay.arguments import check_infos, check_observations, check_rows
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
        needs_reset (bool[n]): whether nothing can be added before a reset.
    """

    num_envs: int
    planes: PlaneRings
    transitions: TransitionRings
    priorities: Priorities | None
    is_over: Mask
    needs_reset: Mask
    # Whether an exception came in the middle of a change.
    _is_cut: bool
    _mode: AutoresetMode
    _reports_lives: bool
    _everyone: Int64Array
    # Memory for stacks where none is given: fresh memory takes longer than all else.
    _buffers: dict[str, ObservationBuffers]

    def reset(self, observations: Any, infos: Any = None, env_id: Any = None) -> None:
        """Note what a reset of environments gave: episodes begin, and there is no transition.

        Args:
            observations ([m, *stack_shape] or planes): what `reset` gave: stacks; or planes, [m, *plane_shape], with or
                without an axis for one plane. They are copied.
            infos (dict, optional): the same; with a ``reset_mask`` it has to be given, which says who was reset.
            env_id (int[m], optional): of which environments; by default ``infos["env_id"]``, or all.

        Raises:
            TypeError, ValueError: an argument is not allowed. Nothing has changed.
        """
        infos = check_infos({} if infos is None else infos)
        ids = self._find_ids(infos, env_id)
        rows, are_stacks = check_observations("observations", observations, len(ids), self.planes)
        if "_noops" in infos:
            is_reset = check_rows("infos['_noops']", infos["_noops"], ids.shape, np.dtype(np.bool_))
            ids, rows = ids[is_reset], rows[is_reset]
        with self._changing():
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

        Where it was a reset, an episode begins, and there is no transition.

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
            gymnasium.error.ResetNeeded: an environment had no `reset`; or its episode is over, in ``DISABLED``; or an
                exception cut off a call, and there was no `reset` since.
        """
        must_have = self._mode == AutoresetMode.SAME_STEP or self._reports_lives
        infos = check_infos({} if infos is None and not must_have else infos)
        ids = self._find_ids(infos, env_id)
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
        pushed, is_final = self._read_finals(rows, are_stacks, is_over, infos)
        is_reset = self._find_resets(ids, is_final, infos)
        steps = np.flatnonzero(~is_reset)
        planes, transitions, who = self.planes, self.transitions, ids[steps]
        self._mend()
        if (needed := who[self.needs_reset[who]]).size:
            raise gymnasium.error.ResetNeeded(
                f"Cannot add steps of environments that need a reset first: {', '.join(map(str, needed))}. Give what "
                "their `reset` gave to `reset`, or after an exception their present stacks."
            )
        with self._changing():
            self._make_room(who)
            values = played[steps], gained[steps], flags[0][steps], flags[1][steps]
            newest = planes.split(pushed)[:, -1] if are_stacks else pushed
            before = planes.counts[who] - 1, planes.ages[who]
            # A transition is there when its planes are.
            planes.push(who, newest[steps])
            transitions.add(who, *before, values)
            if self.priorities is not None:
                self.priorities.add(transitions.place(who, transitions.totals[who] - 1))
            self.is_over[ids] = is_over
            if self._mode == AutoresetMode.DISABLED:
                self.needs_reset[ids] = is_over
            if (begins := is_reset | is_final).any():
                self._begin(ids[begins], rows[begins], are_stacks)

    def observe(self, env_id: Any = None, *, out: Any = None) -> Any:
        """Return the present stacks of environments, for a policy: [m, *stack_shape], `out` or a fresh array.

        Raises:
            TypeError, ValueError: an argument is not allowed.
            gymnasium.error.ResetNeeded: an environment had no `reset`.
        """
        ids = self._find_ids({}, env_id)
        self._mend()
        if not (self.planes.counts[ids] > 0).all():
            raise gymnasium.error.ResetNeeded("Cannot observe before what `reset` gave; give it to `reset` first.")
        target = self._make_target("out", out, len(ids), "present")
        self.planes.gather(ids, self.planes.counts[ids] - 1, self.planes.ages[ids], target)
        return target if out is None else out

    def _find_ids(self, infos: dict[str, Any], env_id: Any) -> Int64Array:
        env_id = infos.get("env_id") if env_id is None else env_id
        return self._everyone if env_id is None else check_env_ids(env_id, self.num_envs)

    def _find_resets(self, ids: Int64Array, is_final: Mask, infos: dict[str, Any]) -> Mask:
        """Return which rows are of a reset alone, and of no step.

        In ``NEXT_STEP`` these are those after the end of an episode. In any mode infos may say so: where `recv` hands
        out what `reset` gave, and where an environment was replaced, as of `RayVectorEnv`.
        """
        is_reset = np.zeros(len(ids), np.bool_)
        if self._mode == AutoresetMode.NEXT_STEP:
            is_reset = self.is_over[ids]
        if "_noops" in infos:
            told = check_rows("infos['_noops']", infos["_noops"], ids.shape, np.dtype(np.bool_))
            is_reset = is_reset | (told & ~is_final)
        return is_reset

    def _read_finals(self, rows: Array, are_stacks: bool, is_over: Mask, infos: dict[str, Any]) -> tuple[Array, Mask]:
        """Return the observations that a step led to, and where a reset in the same step replaced them.

        Raises:
            TypeError, ValueError: they are not as the others; or one is missing, in ``SAME_STEP``.
        """
        is_final = np.zeros(len(rows), np.bool_)
        if self._mode != AutoresetMode.SAME_STEP:
            return rows, is_final
        finals = infos.get("final_obs")
        if finals is not None:
            is_final = check_rows("infos['_final_obs']", infos.get("_final_obs"), (len(rows),), np.dtype(np.bool_))
        if (is_over & ~is_final).any():
            raise ValueError(
                "`infos` must have the last observation of an episode that is over, as `final_obs`, in SAME_STEP; "
                f"it is missing in row {np.flatnonzero(is_over & ~is_final)[0]}"
            )
        if finals is None or not is_final.any():
            return rows, is_final
        if len(finals) != len(rows):
            raise ValueError(f"`infos['final_obs']` must have {len(rows)} rows, got {len(finals)}")
        pushed = rows.copy()
        for row in np.flatnonzero(is_final).tolist():
            final, is_stack = check_observations(
                f"infos['final_obs'][{row}]", np.asarray(finals[row])[np.newaxis], 1, self.planes
            )
            if is_stack != are_stacks:
                raise ValueError("`infos['final_obs']` must be stacks where observations are, got another shape")
            pushed[row] = final[0]
        return pushed, is_final

    @contextmanager
    def _changing(self) -> Iterator[None]:
        """Mend what an exception left half done, and note it if one comes now."""
        self._mend()
        owner = self.planes.owner
        if owner not in (None, os.getpid()):
            raise RuntimeError(
                f"planes in a `folder` are those of process {owner}, and cannot be changed in a fork of it"
            )
        self._is_cut = True
        yield
        self._is_cut = False

    def _mend(self) -> None:
        """After an exception in the middle of a change: let no environment go on, and make sums anew."""
        if not self._is_cut:
            return
        self.needs_reset[:] = True
        if self.priorities is not None:
            self.priorities.rebuild(self.transitions.held.reshape(-1))
        self._is_cut = False

    def _begin(self, ids: Int64Array, rows: Array, are_stacks: bool) -> None:
        if are_stacks:
            self.planes.begin_stacks(ids, rows)
        else:
            self.planes.begin(ids, rows)
        self.is_over[ids] = self.needs_reset[ids] = False

    def _make_room(self, added_to: Int64Array) -> None:
        """Drop the transitions that what is about to be stored would take planes or places of."""
        planes, transitions = self.planes, self.transitions
        added = np.zeros(self.num_envs, np.int64)
        added[added_to] = 1
        # A step adds a plane, and a reset at most a stack.
        dropped = transitions.drop(planes.counts + planes.stack_num + 1 - planes.slots, added)
        if self.priorities is not None and len(dropped):
            self.priorities.write(transitions.place(dropped[:, 0], dropped[:, 1]), np.zeros(len(dropped)))

    def _make_target(self, name: str, out: Any, count: int, key: str = "") -> Array:
        """Return where stacks are written to: what was given under this name, or memory that is used again."""
        key = key or name
        shape, dtype = (count, *self.planes.stack_shape), self.planes.memory.dtype
        if out is not None:
            return check_target(name, out, shape, dtype)
        buffers = self._buffers.get(key)
        if buffers is None or buffers.shape != shape:
            buffers = self._buffers[key] = ObservationBuffers(shape, dtype)
        return buffers.take()
