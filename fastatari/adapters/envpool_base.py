"""What the three forms of envpool's API have in common: environments by its arguments, and what they gave."""

import dataclasses
import warnings
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from gymnasium.vector import AutoresetMode

from fastatari.adapters.envpool_spec import EnvSpec, find_rules, find_seeds, turn_colours
from fastatari.adapters.envpool_xla import make_xla
from fastatari.engine.results import place_of
from fastatari.envs.arguments import check_env_ids, check_options, check_reset_mask
from fastatari.envs.vector import AtariVectorEnv
from fastatari.rules import RAM_SIZE

Array = npt.NDArray[Any]
Infos = dict[str, Any]

_LENGTH: Final = place_of("episode_length")[1]


@dataclasses.dataclass
class Rows:
    """What some environments gave: a row of each array for each of them; in the dtypes that envpool gives."""

    ids: npt.NDArray[np.int32]
    observations: npt.NDArray[np.uint8]
    rewards: npt.NDArray[np.float32]
    terminated: npt.NDArray[np.bool_]
    truncated: npt.NDArray[np.bool_]
    is_reset: npt.NDArray[np.bool_]
    life_lost: npt.NDArray[np.bool_]
    lives: npt.NDArray[np.int32]
    raw_rewards: npt.NDArray[np.float32]
    elapsed: npt.NDArray[np.int32]
    ram: npt.NDArray[np.uint8]
    is_over: npt.NDArray[np.int32]

    @classmethod
    def of(cls, env: AtariVectorEnv, observations: Array, rewards: Array, flags: Any, infos: Infos) -> "Rows":
        """Return the rows of a step or reset."""
        ids = infos["env_id"]
        terminated, truncated = flags
        # The emulator's game over, which `game_over` also is at the end of the steps that there may be.
        is_over = infos["game_over"].astype(np.int32)
        if np.count_nonzero(truncated):
            for row in np.flatnonzero(truncated).tolist():
                is_over[row] = env.get_attr_of("ale", int(ids[row])).game_over()
        return cls(
            ids=ids.astype(np.int32),
            observations=observations if env.rules.grayscale_obs else turn_colours(observations),
            rewards=rewards.astype(np.float32),
            terminated=terminated,
            truncated=truncated,
            is_reset=infos["_noops"],
            life_lost=infos["life_lost"],
            lives=infos["lives"].astype(np.int32),
            raw_rewards=infos["raw_reward"].astype(np.float32),
            elapsed=env.results.integers[_LENGTH].take(ids).astype(np.int32),
            ram=infos["ram"],
            is_over=is_over,
        )

    @classmethod
    def zeros(cls, count: int, observation_shape: tuple[int, ...]) -> "Rows":
        """Return rows of this shape, of nothing."""
        integers, floats, flags = np.zeros(count, np.int32), np.zeros(count, np.float32), np.zeros(count, np.bool_)
        return cls(
            ids=integers,
            observations=np.zeros((count, *observation_shape), np.uint8),
            rewards=floats,
            terminated=flags,
            truncated=flags,
            is_reset=flags,
            life_lost=flags,
            lives=integers,
            raw_rewards=floats,
            elapsed=integers,
            ram=np.zeros((count, RAM_SIZE), np.uint8),
            is_over=integers,
        )

    @property
    def infos(self) -> Infos:
        """Envpool's infos."""
        return {
            "env_id": self.ids,
            "players": {"env_id": self.ids.copy()},
            "lives": self.lives,
            "reward": self.raw_rewards,
            "terminated": self.is_over,
            "ram": self.ram,
            "elapsed_step": self.elapsed,
        }


class EnvPool:
    """What the three forms have in common.

    Attributes:
        spec (EnvSpec): what was known of them before.
        config (dict[str, Any]): all arguments.
        all_env_ids (int32[n]): the environments' numbers.
        is_async (bool): whether a batch is not all environments.
    """

    is_vector_env = True

    def _open(self, spec: EnvSpec) -> None:
        config = spec.config
        self._env = AtariVectorEnv(
            config.task,
            config.num_envs,
            preset="envpool",
            autoreset_mode=AutoresetMode.NEXT_STEP,
            batch_size=config.batch_size,
            num_threads=config.num_threads or None,
            info_ram=True,
            **find_rules(config),
        )
        self._spec, self._seeds = spec, dict(enumerate(find_seeds(config)))
        self._everyone = np.arange(config.num_envs)
        self._waiting: Rows | None = None  # what `async_reset` gave, until it is received

    @property
    def config(self) -> dict[str, Any]:
        """All arguments."""
        values: dict[str, Any] = self._spec.config._asdict()
        return values

    @property
    def all_env_ids(self) -> npt.NDArray[np.int32]:
        """The numbers of the environments."""
        return self._everyone.astype(np.int32)

    @property
    def is_async(self) -> bool:
        """Whether a batch is not all environments."""
        return self._env.is_async

    def __len__(self) -> int:
        return self._env.num_envs

    def __repr__(self) -> str:
        return f"{type(self).__name__}{str(self._spec).removeprefix('AtariEnvSpec')}"

    def close(self, **_: Any) -> None:
        """End the threads. May be called again."""
        self._env.close()

    def render(self, *_: Any, **__: Any) -> None:
        """Raise: pictures are those of `AtariVectorEnv`.

        Raises:
            NotImplementedError: always.
        """
        raise NotImplementedError("envpool's `render` is not there; `fastatari.AtariVectorEnv` has one")

    def xla(self) -> tuple[Any, Any, Any, Any]:
        """Return a handle, and `recv`, `send` and `step` for `jax.jit`; see `envpool_xla.make_xla`.

        Environments have to be reset first, by `reset` or `async_reset`. A step gives what `recv` does.

        Raises:
            ImportError: JAX is not installed.
        """
        batch = self._give(Rows.zeros(self._env.batch_size, self._spec.observation_space.shape))
        return make_xla(lambda: self._give(self._recv()), self.send, batch)

    def _give(self, rows: Rows) -> Any:
        """Return rows in the form of this API."""
        raise NotImplementedError

    def async_reset(self) -> None:
        """Begin a new game in all environments, which are to be received."""
        self._waiting = self._reset(self._everyone)

    def send(self, action: Any, env_id: Any = None) -> None:
        """Ask environments for a step.

        Args:
            action (m numbers or dict): an array of numbers of any dtype, fractions are cut off; or a dict with these as
                ``action``, and maybe ``env_id``.
            env_id (int[m], optional): which environments; by default all.

        Raises:
            TypeError, ValueError, InvalidAction, gymnasium.error.Error: as for `AtariVectorEnv.send`.
        """
        self._env.send(*self._read(action, env_id))

    def _read(self, action: Any, env_id: Any) -> tuple[Array, Array]:
        """Return actions and environments."""
        if isinstance(action, dict):
            env_id, action = action.get("env_id", env_id), action["action"]
        ids = self._everyone if env_id is None else check_env_ids(np.asarray(env_id), self._env.num_envs)
        array = np.asarray(action)
        if array.dtype.kind not in "iufb":
            raise TypeError(f"`action` must be numbers, got {action!r:.200}")
        if array.size != len(ids) or array.ndim > 2:
            raise ValueError(f"`action` must be {len(ids)} numbers, one for each environment, got shape {array.shape}")
        if array.dtype.kind == "f" and not (np.abs(array) < 2**31).all():  # nan is not
            raise ValueError(f"`action` must be numbers that are integers of 32 bits, got {action!r:.200}")
        flat = array.reshape(-1)
        return flat if array.dtype.kind in "iu" else flat.astype(np.int32), ids

    def _step(self, action: Any, env_id: Any) -> Rows:
        actions, ids = self._read(action, env_id)
        self._waiting = None
        if self.is_async:
            self._env.send(actions, ids)
            return self._recv()
        observations, rewards, *flags, infos = self._env.step(actions, None if ids is self._everyone else ids)
        return Rows.of(self._env, observations, rewards, flags, infos)

    def _recv(self) -> Rows:
        if self._waiting is not None:
            rows, self._waiting = self._waiting, None
            return rows
        observations, rewards, *flags, infos = self._env.recv()
        return Rows.of(self._env, observations, rewards, flags, infos)

    def _reset(self, ids: Array) -> Rows:
        """Begin a new game; where it is the first one, with the environment's seed."""
        self._waiting = None
        seeds = [self._seeds.get(int(i)) for i in ids]
        everyone = None if ids is self._everyone else ids
        observations, infos = self._env.reset(seed=seeds, options={"new_game": True}, env_id=everyone)
        for i in ids.tolist():
            self._seeds.pop(i, None)
        none = np.zeros(len(observations), np.bool_)
        return Rows.of(self._env, observations, np.zeros(len(observations)), (none, none.copy()), infos)

    def _find_reset(self, env_id: Any, seed: Any, options: Any) -> Array:
        """Return which environments a call of `reset` is about."""
        if seed is not None:
            warnings.warn("`seed` of `reset` is of no meaning; environments are seeded by `make`", stacklevel=3)
        checked = check_options(options, ("reset_mask",))
        if checked.get("reset_mask") is not None:
            if env_id is not None:
                raise ValueError("`env_id` and `options['reset_mask']` must not be given both")
            mask: Any = check_reset_mask({"reset_mask": np.asarray(checked["reset_mask"])}, self._env.num_envs)
            return np.flatnonzero(mask)
        return self._everyone if env_id is None else check_env_ids(np.asarray(env_id), self._env.num_envs)
