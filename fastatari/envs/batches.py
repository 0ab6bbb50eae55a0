"""`Batches`: which environments of a vector environment are asked, ready and received, and what they gave."""

from typing import Any

import gymnasium.error
import numpy as np
import numpy.typing as npt
from gymnasium import spaces

from fastatari.checks import check_target
from fastatari.envs.arguments import check_env_ids
from fastatari.envs.base import OnEngine
from fastatari.envs.buffers import make_array
from fastatari.errors import make_pending_error

Array = npt.NDArray[Any]
Int64Array = npt.NDArray[np.int64]
StepResult = tuple[Array, npt.NDArray[np.float64], npt.NDArray[np.bool_], npt.NDArray[np.bool_], dict[str, Any]]


class Batches(OnEngine):
    """A vector environment's account of its environments; `Engine.is_pending` and `Engine.needs_reset` are the rest.

    Attributes:
        num_envs (int): how many environments, n.
        batch_size (int): how many environments are in a batch, b.
        single_observation_space (spaces.Box): the space of an observation.
    """

    num_envs: int
    batch_size: int
    single_observation_space: "spaces.Box[Any]"
    # The numbers of all environments.
    _everyone: Int64Array
    # The environments that were received last; None while that is not known. Of no meaning where a batch is all.
    _received: Int64Array | None
    # Of which environments `recv` owes what a reset gave, bool[n].
    _is_owed: npt.NDArray[np.bool_]

    def __len__(self) -> int:
        """Return how many environments there are, which tianshou and envpool's users ask so."""
        return self.num_envs

    @property
    def is_async(self) -> bool:
        """Whether a batch is not all environments."""
        return self.batch_size < self.num_envs

    def _recv(self, count: int, target: Array, copy_to: Array | None, out: Any) -> StepResult:
        """Wait for environments, and return what they gave."""
        engine = self._engine
        self._received = None
        env_ids = np.flatnonzero(self._is_owed)[:count]
        if not len(env_ids):
            env_ids = engine.recv(count)
        else:
            self._is_owed[env_ids] = False
            if len(env_ids) < count:
                env_ids = np.sort(np.concatenate([env_ids, engine.recv(count - len(env_ids))]))
        engine.read(env_ids, target)
        self._received = env_ids
        return self._finish(env_ids, target, copy_to, out)

    def _finish(self, env_ids: Int64Array | None, target: Array, copy_to: Array | None, out: Any) -> StepResult:
        """Return what environments gave whose observations are there."""
        if copy_to is not None:
            copy_to[:] = target
        engine = self._engine
        if env_ids is None:
            results, numbers = engine.results.copy(), self._everyone.copy()
        else:
            results, numbers = engine.results.take(env_ids), env_ids.copy()
        rewards, (terminated, truncated) = results.floats[0], results.flags[:2]
        infos = self._infos.read(results, numbers)
        return target if out is None else out, rewards, terminated, truncated, infos

    def _make_target(self, out: Any, count: int) -> tuple[Array, Array | None]:
        """Return where observations are written to, and where they are copied to then."""
        if out is None:
            return self._take(count), None
        shape, dtype = (count, *self.rules.shape), self.single_observation_space.dtype
        target = check_target("out", out, shape, dtype)
        return (target, None) if target.flags.carray else (self._take(count), target)

    def _take(self, count: int) -> Array:
        """Return memory for observations."""
        if count == self.batch_size:
            return self._buffers.take()
        return make_array((count, *self.rules.shape), self.single_observation_space.dtype)

    def _read(self, env_ids: Int64Array) -> Array:
        observations = self._take(len(env_ids))
        self._engine.read(env_ids, observations)
        return observations

    def _count_pending(self) -> int:
        return int(np.count_nonzero(self._engine.is_pending)) + int(np.count_nonzero(self._is_owed))

    def _find_asked(self, env_id: Any, name: str) -> Int64Array:
        """Return which environments are asked for a step, by the argument of the method of that name."""
        if env_id is not None:
            asked = check_env_ids(env_id, self.num_envs)
        elif self.batch_size == self.num_envs:
            return self._everyone
        elif self._received is None:
            raise gymnasium.error.ResetNeeded(
                "It is not known which environments were received last, because an exception cut off a call. Call "
                "`recv` or `reset` first, or say which by `env_id`."
            )
        else:
            asked = self._received
        if self._is_owed[asked].any():
            raise make_pending_error(name)
        return asked

    def _explain(self, env_ids: Int64Array, actions: Any, name: str) -> Exception:
        """Return the exception that says why the engine did not let environments make a step."""
        if (needs_reset := self._engine.needs_reset[env_ids]).any():
            return gymnasium.error.ResetNeeded(
                f"Cannot step environments that need a `reset` first: {', '.join(map(str, env_ids[needs_reset]))}"
            )
        return self._actions.find_invalid(actions, env_ids) or make_pending_error(name)

    def _check_mask(self, mask: npt.NDArray[np.bool_], env_ids: Int64Array | None) -> None:
        """Check that some environments can be reset while all are returned."""
        if env_ids is not None:
            raise ValueError("`env_id` and `options['reset_mask']` must not be given both")
        if self.batch_size < self.num_envs:
            raise ValueError("`options['reset_mask']` needs a batch of all environments; say which by `env_id` instead")
        if not (self._have_begun() | mask).all():
            raise gymnasium.error.ResetNeeded("Cannot reset some environments before all were reset.")
        if self._count_pending():
            raise make_pending_error("reset")
