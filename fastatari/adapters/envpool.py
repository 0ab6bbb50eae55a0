"""envpool's API, as of 1.2.5, on fastatari: ``import fastatari.adapters.envpool as envpool``.

From the same seeds it gives what envpool gives, to the byte: the preset "envpool". Where envpool ends the process, as
at a wrong number of actions, there is an exception.
"""

import warnings
from typing import Any, ClassVar, Final, NamedTuple

import numpy as np
import numpy.typing as npt
from gymnasium import spaces
from gymnasium.vector import AutoresetMode, VectorEnv

from fastatari.adapters.checks import require
from fastatari.adapters.envpool_base import Array, EnvPool, Infos, Rows
from fastatari.adapters.envpool_spec import ArraySpec, EnvSpec, list_all_envs, make_config
from fastatari.checks import check_choice

__all__ = ["list_all_envs", "make", "make_dm", "make_gym", "make_gymnasium", "make_spec"]

ENV_TYPES: Final = ("dm", "gym", "gymnasium")


def make(task_id: str, env_type: str, **kwargs: Any) -> Any:
    """Return environments of a game.

    >>> env = make("Breakout-v5", "gymnasium", num_envs=2, seed=3)
    >>> observations, infos = env.reset()
    >>> observations.shape, infos["lives"]
    ((2, 4, 84, 84), array([5, 5], dtype=int32))
    >>> observations, rewards, terminated, truncated, infos = env.step(np.array([1, 2]))
    >>> infos["elapsed_step"]
    array([1, 1], dtype=int32)
    >>> env.close()

    Args:
        task_id (str): one of `list_all_envs`, such as ``Breakout-v5``.
        env_type ("dm" | "gym" | "gymnasium"): whose API they have. ``"gym"`` is that of gym before 0.26, which envpool
            had up to 0.8.4: ``reset`` returns observations alone and ``step`` four values.
        kwargs: as envpool's, except those of rendering. `base_path` and `thread_affinity_offset` are of no meaning.

    Raises:
        TypeError: `task_id` is no string; there is no such argument; or it has the wrong type.
        ValueError: there is no such game; `env_type` is another; another value is not allowed, or is not there, such as
            ``use_inter_area_resize=False``.
        ImportError: `env_type` is ``"dm"``, and dm-env is not installed.
        OSError, MemoryError: as for `AtariVectorEnv`.
    """
    check_choice("env_type", env_type, ENV_TYPES)
    kinds = {"dm": DMEnvPool, "gym": GymEnvPool, "gymnasium": GymnasiumEnvPool}
    return kinds[env_type](EnvSpec(make_config(task_id, kwargs)))


def make_gymnasium(task_id: str, **kwargs: Any) -> "GymnasiumEnvPool":
    """Return what `make` does with ``"gymnasium"``."""
    env: GymnasiumEnvPool = make(task_id, "gymnasium", **kwargs)
    return env


def make_gym(task_id: str, **kwargs: Any) -> "GymEnvPool":
    """Return what `make` does with ``"gym"``."""
    env: GymEnvPool = make(task_id, "gym", **kwargs)
    return env


def make_dm(task_id: str, **kwargs: Any) -> "DMEnvPool":
    """Return what `make` does with ``"dm"``."""
    env: DMEnvPool = make(task_id, "dm", **kwargs)
    return env


def make_spec(task_id: str, **kwargs: Any) -> EnvSpec:
    """Return what is known of environments before they are made; as `make`, without an `env_type`."""
    return EnvSpec(make_config(task_id, kwargs))


class GymnasiumEnvPool(EnvPool, VectorEnv[Array, Any, Array]):
    """Environments with gymnasium's API. ``observation_space`` and ``action_space`` are those of one environment."""

    metadata: ClassVar[dict[str, Any]] = {"render_modes": [], "autoreset_mode": AutoresetMode.NEXT_STEP}  # type: ignore[misc]
    render_mode = None

    def __init__(self, spec: EnvSpec) -> None:
        self._open(spec)
        self.num_envs = spec.config.num_envs
        self.observation_space = self.single_observation_space = spec.observation_space
        self.action_space = self.single_action_space = spec.action_space

    @property
    def spec(self) -> Any:  # type: ignore[override]
        """What was known of the environments before they were made."""
        return self._spec

    def reset(
        self, env_id: Any = None, *, seed: Any = None, options: dict[str, Any] | None = None
    ) -> tuple[Array, Infos]:
        """Begin a new game in some environments.

        Args:
            env_id (int[m], optional): which; by default all.
            seed: is of no meaning, and a warning.
            options (dict, optional): may hold ``reset_mask``, bool[n], which environments.

        Returns:
            tuple: observations and infos of these environments.

        Raises:
            TypeError, ValueError, gymnasium.error.Error: as for `AtariVectorEnv.reset`.
        """
        rows = self._reset(self._find_reset(env_id, seed, options))
        return rows.observations, rows.infos

    def step(self, action: Any, env_id: Any = None) -> tuple[Array, Array, Array, Array, Infos]:
        """Play a step in some environments, as `send` does; return what a batch gave.

        Raises:
            TypeError, ValueError, InvalidAction, gymnasium.error.Error: as for `AtariVectorEnv.step`.
        """
        return self._give(self._step(action, env_id))

    def recv(self, reset: bool = False, return_info: bool = True) -> Any:
        """Wait for a batch; return five values, or observations and infos with `reset`.

        Raises:
            gymnasium.error.NoAsyncCallError: no environment was asked.
        """
        rows = self._recv()
        if reset:
            return (rows.observations, rows.infos) if return_info else rows.observations
        return self._give(rows)

    def _give(self, rows: Rows) -> tuple[Array, Array, Array, Array, Infos]:
        return rows.observations, rows.rewards, rows.terminated, rows.truncated, rows.infos


class GymEnvPool(EnvPool):
    """Environments with the API of gym before 0.26; spaces are gym's where it is installed, else gymnasium's."""

    metadata: ClassVar[dict[str, Any]] = {"render.modes": []}
    reward_range = (-float("inf"), float("inf"))

    def __init__(self, spec: EnvSpec) -> None:
        self._open(spec)
        self.spec, self.num_envs = spec, spec.config.num_envs
        self.observation_space = self.single_observation_space = _to_gym(spec.observation_space)
        self.action_space = self.single_action_space = _to_gym(spec.action_space)

    @property
    def unwrapped(self) -> "GymEnvPool":
        """This object."""
        return self

    def reset(self, env_id: Any = None) -> Array:
        """Begin a new game in some environments, by default in all; return their observations."""
        return self._reset(self._find_reset(env_id, None, None)).observations

    def step(self, action: Any, env_id: Any = None) -> tuple[Array, Array, Array, Infos]:
        """Play a step in some environments; return observations, rewards, whether episodes are over, and infos."""
        return self._give(self._step(action, env_id))

    def recv(self, reset: bool = False, return_info: bool = True) -> Any:
        """Wait for a batch; return four values, or observations with `reset`."""
        rows = self._recv()
        return rows.observations if reset else self._give(rows)

    def _give(self, rows: Rows) -> tuple[Array, Array, Array, Infos]:
        infos = rows.infos | {"TimeLimit.truncated": rows.truncated}
        return rows.observations, rows.rewards, rows.terminated | rows.truncated, infos


class _Players(NamedTuple):
    """The players of environments, one each."""

    env_id: npt.NDArray[np.int32]


class State(NamedTuple):
    """The ``observation`` of a `dm_env.TimeStep`."""

    env_id: npt.NDArray[np.int32]
    players: _Players
    obs: npt.NDArray[np.uint8]
    lives: npt.NDArray[np.int32]
    reward: npt.NDArray[np.float32]
    terminated: npt.NDArray[np.int32]
    ram: npt.NDArray[np.uint8]


class DMEnvPool(EnvPool):
    """Environments with dm_env's API: `reset` and `step` return a `dm_env.TimeStep` of arrays."""

    def __init__(self, spec: EnvSpec) -> None:
        require("dm-env", "1.6", "2", "envpool")
        import dm_env  # noqa: PLC0415 - of an extra

        dm_env.Environment.register(DMEnvPool)
        self._open(spec)
        self.spec = spec

    def observation_spec(self) -> "State":
        """Return the specs of an environment's observation, as a `State`."""
        specs = {name.removeprefix("info:"): spec for name, spec in self.spec.state_array_spec.items()}
        players = _Players(_to_dm("env_id", specs["players.env_id"]))
        found = {name: _to_dm(name, specs[name]) for name in State._fields if name != "players"}
        # Not the step's reward, which may be clipped.
        found["reward"] = _to_dm("reward", self.spec.state_array_spec["info:reward"])
        return State(players=players, **found)

    def action_spec(self) -> Any:
        """Return the spec of an environment's action."""
        from dm_env.specs import DiscreteArray  # noqa: PLC0415

        return DiscreteArray(int(self.spec.action_space.n), np.int32, "action")

    def reward_spec(self) -> Any:
        """Return the spec of a reward."""
        return _to_dm("reward", self.spec.state_array_spec["reward"])

    def discount_spec(self) -> Any:
        """Return the spec of a discount."""
        return _to_dm("discount", self.spec.state_array_spec["discount"])

    def reset(self, env_id: Any = None) -> Any:
        """Begin a new game in some environments, by default in all."""
        return self._give(self._reset(self._find_reset(env_id, None, None)))

    def step(self, action: Any, env_id: Any = None) -> Any:
        """Play a step in some environments."""
        return self._give(self._step(action, env_id))

    def recv(self, reset: bool = False, return_info: bool = True) -> Any:
        """Wait for a batch."""
        return self._give(self._recv())

    def _give(self, rows: Rows) -> Any:
        import dm_env  # noqa: PLC0415 - of an extra

        infos = rows.infos
        is_last = rows.terminated | rows.truncated
        step_type = np.where(rows.is_reset, dm_env.StepType.FIRST, np.where(is_last, dm_env.StepType.LAST, 1))
        ends = is_last | rows.life_lost if self.spec.config.zero_discount_on_life_loss else is_last
        discount = np.where(ends, 0.0, 1.0)
        players = _Players(**infos.pop("players"))
        del infos["elapsed_step"]
        observation = State(players=players, obs=rows.observations, **infos)
        return dm_env.TimeStep(step_type.astype(np.int32), rows.rewards, discount.astype(np.float32), observation)


def _to_dm(name: str, spec: ArraySpec) -> Any:
    """Return a spec as dm_env's, of an environment with one player."""
    from dm_env.specs import BoundedArray  # noqa: PLC0415

    shape = tuple(side for side in spec.shape if side >= 0)
    return BoundedArray(shape, spec.dtype, spec.minimum, spec.maximum, name)


def _to_gym(space: Any) -> Any:
    """Return a space as gym's, if that is installed."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # gym says at once that gymnasium took its place
            import gym.spaces  # noqa: PLC0415 - nobody needs it
    except ImportError:
        return space
    if isinstance(space, spaces.Discrete):
        return gym.spaces.Discrete(int(space.n))
    return gym.spaces.Box(0, 255, space.shape, np.uint8)
