"""`SavedStates`: a whole vector environment as bytes, and back."""

from typing import Any

import numpy as np
import numpy.typing as npt

from fastatari.checkpoint import take_array, take_dict, take_int
from fastatari.envs import states
from fastatari.envs.arguments import check_env_ids
from fastatari.envs.batches import Batches
from fastatari.saved_generators import generator_from_values, generator_to_values

Array = npt.NDArray[Any]

_KIND = "AtariVectorEnv"


class SavedStates(Batches):
    """What `AtariVectorEnv` does with saved states."""

    # gymnasium's: the vector environment's own generator.
    _np_random: np.random.Generator | None
    _np_random_seed: int | None

    def save_state(self) -> bytes:
        """Return all that the vector environment is as bytes, for a file: with rules, version and checksum.

        Steps that were sent and not received are waited for, and are to be received after `load_state`, too.

        Raises:
            gymnasium.error.ResetNeeded: an environment had no `reset` yet.
            gymnasium.error.ClosedEnvironmentError: the environment is closed.
        """
        self._check_begun("save_state")
        generator = None if self._np_random is None else generator_to_values(self._np_random)
        values = {"np_random": generator, "np_random_seed": self._np_random_seed, "batch_size": self.batch_size}
        received = np.zeros(0, np.int64) if self._received is None else self._received
        return states.save_engine(self._engine, _KIND, values, {"is_owed": self._is_owed, "received": received})

    def load_state(self, state: Any) -> tuple[Array, dict[str, Any]]:
        """Go on from what `save_state` returned: every step and reset to come is what it was, to the byte.

        It is as exact as `AtariEnv.restore_state`. A state from somebody else can be wrong, which is an error, but it
        can do no harm.

        Args:
            state (bytes-like): of a vector environment with the same game, rules, console, number of environments,
                `autoreset_mode` and `batch_size`, in this process or another. The number of threads may be another.

        Returns:
            tuple: the observations of all environments that wait for an action, as they were received; and infos,
            without ``final_obs`` and ``final_info``.

        Raises:
            TypeError: `state` is not bytes-like.
            ValueError: it is damaged, or of another game, other rules or the like. Nothing has changed.
            gymnasium.error.ClosedEnvironmentError: the environment is closed.
        """
        engine = self._engine
        environments, values, arrays = states.unpack_engine(engine, _KIND, state)
        batch_size = take_int(values, "batch_size", 1, self.num_envs)
        if batch_size != self.batch_size:
            raise ValueError(f"`state` must have the same `batch_size`, {self.batch_size}, got one with {batch_size}")
        is_owed = take_array(arrays, "is_owed", np.bool_, (self.num_envs,)).copy()
        received = take_array(arrays, "received", np.int64, arrays.get("received", is_owed).shape).copy()
        if received.size:
            received = check_env_ids(received, self.num_envs)
        generator = values.get("np_random") and generator_from_values(take_dict(values, "np_random"))
        seed = None if generator is None else take_int(values, "np_random_seed", -1, 2**256)
        states.load_engine(engine, environments)
        self._np_random, self._np_random_seed, self._is_owed = generator, seed, is_owed
        self._received = received if received.size else None
        waiting = np.flatnonzero(engine.results.has_begun & ~engine.is_pending & ~is_owed)
        results = engine.results.take(waiting)
        results.row("has_final")[:] = False
        return self._read(waiting), self._infos.read(results, waiting)
