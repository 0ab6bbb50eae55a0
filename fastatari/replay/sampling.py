"""`Sampling`: transitions are drawn and read from a replay buffer."""

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from fastatari.checks import check_integer, check_target, to_float
from fastatari.replay.arguments import check_rows
from fastatari.replay.recording import Array, Int64Array, Mask, Recording


class ReplaySample(NamedTuple):
    """Some transitions, m of them.

    Attributes:
        observations ([m, *stack_shape]): stacks; the array that was given, or a fresh one.
        actions ([m, *action_shape]): what was played.
        rewards (float32[m]): the discounted sum of the rewards of up to `n_step` steps.
        next_observations ([m, *stack_shape]): the stacks after these steps, also where an episode ended there.
        terminated (bool[m]): whether it is terminated there.
        truncated (bool[m]): whether it is truncated there.
        discounts (float32[m]): what the value of the next observation is multiplied with: ``gamma`` to the power of the
            number of steps; 0 where it is terminated.
        indices (int64[m]): which transitions, for `read` and `update_priorities`.
        weights (float32[m]): importance weights; 1 where sampling is uniform.
    """

    observations: Any
    actions: Array
    rewards: npt.NDArray[np.float32]
    next_observations: Any
    terminated: npt.NDArray[np.bool_]
    truncated: npt.NDArray[np.bool_]
    discounts: npt.NDArray[np.float32]
    indices: Int64Array
    weights: npt.NDArray[np.float32]


class _Targets(NamedTuple):
    """Where stacks are written to, and what they are returned as.

    Attributes:
        arrays: one for observations and one for the next ones, or one for both.
        observations: what is returned.
        next_observations: the same.
    """

    arrays: tuple[Array, ...]
    observations: Any
    next_observations: Any


class Sampling(Recording):
    """The part of a buffer that draws and reads.

    Attributes:
        generator (numpy.random.Generator): what draws.
    """

    generator: np.random.Generator
    _n_step: int
    _gamma: float

    def sample(
        self, batch_size: int, *, beta: float = 0.4, out: Any = None, next_out: Any = None, both_out: Any = None
    ) -> ReplaySample:
        """Draw transitions, with repetition.

        Args:
            batch_size (int): how many, m.
            beta (float): how far importance weights make up for priorities, from 0 to 1.
            out ([m, *stack_shape], optional): where the observations are written to: an array, or anything in this
                machine's memory that has ``__dlpack__``, such as a pinned tensor of torch.
            next_out ([m, *stack_shape], optional): the same, of the next observations.
            both_out ([m, K + 1, *plane_shape], optional): instead of these, where both are written to, with the planes
                that they share once: the first K of them are the observation, and the last K the next one. It is as
                fast again, with ``n_step=1`` and ``stack_axis=0``.

        Raises:
            TypeError, ValueError: an argument is not allowed; there are fewer transitions than that.
        """
        self._mend()
        count = check_integer("batch_size", batch_size, 1)
        if count > len(self.transitions):
            raise ValueError(
                f"`batch_size` must be at most the {len(self.transitions)} transitions that there are, got {count}"
            )
        if not 0 <= to_float("beta", beta) <= 1:
            raise ValueError(f"`beta` must be from 0 to 1, got {beta}")
        targets = self._make_targets(count, out, next_out, both_out)
        transitions = self.transitions
        if self.priorities is None:
            return self._read(*transitions.draw(self.generator, count), targets)
        places = self.priorities.draw(self.generator, count)
        env_ids, slots = np.divmod(places, transitions.length)
        sample = self._read(env_ids, transitions.number(env_ids, slots), targets)
        return sample._replace(weights=self.priorities.find_weights(places, len(transitions), beta))

    def read(self, indices: Any, *, out: Any = None, next_out: Any = None, both_out: Any = None) -> ReplaySample:
        """Return certain transitions; see `sample`.

        Args:
            indices (int[m]): ``indices`` of samples; or ``number * num_envs + environment``, where an environment's
                transitions are numbered from 0 on.
            out: as for `sample`.
            next_out: as for `sample`.
            both_out: as for `sample`.

        Raises:
            TypeError, ValueError: an argument is not allowed.
            IndexError: a transition is not there any more, or was never.
        """
        self._mend()
        array = check_rows("indices", indices, (np.size(indices),), np.dtype(np.int64))
        env_ids, numbers, is_there = self._find(array)
        if not is_there.all():
            raise IndexError(f"transition {array[~is_there][0]} is not there any more, or was never")
        return self._read(env_ids, numbers, self._make_targets(len(array), out, next_out, both_out))

    def update_priorities(self, indices: Any, errors: Any) -> None:
        """Set the priorities of transitions by their errors; of those that are not there any more, nothing is set.

        Args:
            indices (int[m]): ``indices`` of samples.
            errors (float[m]): the temporal-difference errors, finite.

        Raises:
            TypeError, ValueError: an argument is not allowed, or sampling is uniform.
        """
        if self.priorities is None:
            raise ValueError("priorities need a `priority_exponent`; sampling is uniform")
        array = check_rows("indices", indices, (np.size(indices),), np.dtype(np.int64))
        given = check_rows("errors", errors, array.shape, np.dtype(np.float64))
        if not np.isfinite(given).all():
            raise ValueError("`errors` must be finite")
        env_ids, numbers, is_there = self._find(array)
        places = self.transitions.place(env_ids, numbers)
        with self._changing():
            self.priorities.update(places[is_there], given[is_there])

    def _find(self, indices: Int64Array) -> tuple[Int64Array, Int64Array, Mask]:
        """Return environments and numbers of transitions, and which of them are there."""
        numbers, env_ids = np.divmod(indices, self.num_envs)
        transitions = self.transitions
        return env_ids, numbers, (numbers >= transitions.firsts[env_ids]) & (numbers < transitions.totals[env_ids])

    def _make_targets(self, count: int, out: Any, next_out: Any, both_out: Any) -> _Targets:
        """Return where stacks are written to."""
        if both_out is None:
            arrays = self._make_target("out", out, count), self._make_target("next_out", next_out, count)
            return _Targets(arrays, arrays[0] if out is None else out, arrays[1] if next_out is None else next_out)
        if out is not None or next_out is not None:
            raise ValueError("`both_out` must not be given with `out` or `next_out`")
        planes = self.planes
        if self._n_step > 1 or planes.stack_axis == -1:
            raise ValueError(
                f"`both_out` needs `n_step` 1 and `stack_axis` 0, got {self._n_step} and {planes.stack_axis}"
            )
        shape = (count, planes.stack_num + 1, *planes.plane_shape)
        array = check_target("both_out", both_out, shape, planes.memory.dtype)
        return _Targets((array,), both_out[:, :-1], both_out[:, 1:])

    def _read(self, env_ids: Int64Array, numbers: Int64Array, targets: _Targets) -> ReplaySample:
        """Return transitions, with weights of 1."""
        transitions, planes = self.transitions, self.planes
        returns = transitions.sum_rewards(env_ids, numbers, self._n_step, self._gamma)
        first, last = (env_ids, numbers % transitions.length), (env_ids, returns.last % transitions.length)
        newest, ages = transitions.planes[first], transitions.ages[first].astype(np.int64)
        has_next = len(targets.arrays) == 1
        planes.gather(env_ids, newest, ages, targets.arrays[0], has_next)
        if not has_next:
            ages = np.minimum(transitions.ages[last].astype(np.int64) + 1, planes.stack_num - 1)
            planes.gather(env_ids, transitions.planes[last] + 1, ages, targets.arrays[1])
        return ReplaySample(
            observations=targets.observations,
            actions=transitions.actions[first],
            rewards=returns.rewards,
            next_observations=targets.next_observations,
            terminated=returns.terminated,
            truncated=returns.truncated,
            discounts=returns.discounts,
            indices=numbers * self.num_envs + env_ids,
            weights=np.ones(len(numbers), np.float32),
        )
