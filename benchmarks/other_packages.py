"""Vector environments of other packages, each behind the same methods, and `AtariVectorEnv` by the rules of each.

Every one runs as its users start it: with its defaults. Processes are forked, because a fork server would import
PyTorch in each process of stable-baselines3.
"""

import functools
import importlib
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, Protocol

import ale_py
import gymnasium
import numpy as np
import numpy.typing as npt

from benchmarks.interfaces import AtariVectorEnv
from benchmarks.workers import Trainer
from fastatari.cli.bench_players import make_sb3_processes, make_wrapped
from fastatari.cli.reference import ReferenceWorker
from fastatari.games import to_envpool_id

EXTRA = "bench-vectors"
OURS = "fastatari"

SEED = 1


class Batch(NamedTuple):
    """What environments returned.

    Attributes:
        observations: uint8[b, ...], valid until the next step.
        rewards: float[b].
        is_over: bool[b], whether the episode was terminated or truncated.
        env_ids: int[b], which environments.
    """

    observations: npt.NDArray[Any]
    rewards: npt.NDArray[Any]
    is_over: npt.NDArray[Any]
    env_ids: npt.NDArray[Any]


class Player(Protocol):
    """Environments of one kind."""

    def begin(self) -> Batch:
        """Begin all episodes, and return the first batch."""

    def step(self, actions: npt.NDArray[np.int32]) -> Batch:
        """Step the environments of the last batch, and return the next one."""

    def close(self) -> None:
        """End what there is of it."""


class OtherPackage(NamedTuple):
    """A kind of vector environment.

    Attributes:
        name: what it is called in tables.
        make: makes it, of a ROM's id, the number of environments, and how many are in a batch.
        preset: whose rules it has.
        autoreset_mode: when it resets.
        module: what has to be installed.
        has_processes: whether each environment has a process.
        has_parts: whether a batch may be a part of the environments.
    """

    name: str
    make: Callable[[str, int, int], Player]
    preset: str
    autoreset_mode: str = "NextStep"
    module: str = "cv2"
    has_processes: bool = False
    has_parts: bool = False

    def make_ours(self, game: str, num_envs: int, batch_size: int) -> Player:
        """Return an `AtariVectorEnv` with the same rules."""
        env = AtariVectorEnv(
            game, num_envs, preset=self.preset, autoreset_mode=self.autoreset_mode, batch_size=batch_size
        )
        return GymnasiumPlayer(env)


class GymnasiumPlayer:
    """A vector environment with gymnasium's interface; its first reset has a seed, or it has one already."""

    def __init__(self, env: Any, seed: int | None = SEED) -> None:
        self.env, self._seed = env, seed

    def begin(self) -> Batch:
        """See `Player.begin`."""
        observations, infos = self.env.reset(seed=self._seed)
        none = np.zeros(len(observations), np.bool_)
        return Batch(observations, none, none, self._read_env_ids(observations, infos))

    def step(self, actions: npt.NDArray[np.int32]) -> Batch:
        """See `Player.step`."""
        observations, rewards, terminated, truncated, infos = self.env.step(actions)
        return Batch(observations, rewards, terminated | truncated, self._read_env_ids(observations, infos))

    def close(self) -> None:
        """See `Player.close`."""
        self.env.close()

    def _read_env_ids(self, observations: Any, infos: Any) -> Any:
        return infos["env_id"] if "env_id" in infos else np.arange(len(observations))


class _ALEParts(GymnasiumPlayer):
    """ale-py's vector environment with a part of the environments in a batch, for which it has no `step`."""

    def step(self, actions: npt.NDArray[np.int32]) -> Batch:
        self.env.send(actions)
        observations, rewards, terminated, truncated, infos = self.env.recv()
        return Batch(observations, rewards, terminated | truncated, infos["env_id"])


class _EnvPool(GymnasiumPlayer):
    """envpool, to which one has to say whose actions it gets."""

    def begin(self) -> Batch:
        self.env.async_reset()
        return self._receive()

    def step(self, actions: npt.NDArray[np.int32]) -> Batch:
        self.env.send(actions, self._env_ids)
        return self._receive()

    def _receive(self) -> Batch:
        observations, rewards, terminated, truncated, infos = self.env.recv()
        self._env_ids = infos["env_id"]
        return Batch(observations, rewards, terminated | truncated, self._env_ids)


class SB3Player:
    """stable-baselines3's interface."""

    def __init__(self, env: Any) -> None:
        self.env = env

    def begin(self) -> Batch:
        """See `Player.begin`."""
        self.env.seed(SEED)
        observations = self.env.reset()
        none = np.zeros(len(observations), np.bool_)
        return Batch(observations, none, none, np.arange(len(observations)))

    def step(self, actions: npt.NDArray[np.int32]) -> Batch:
        """See `Player.step`."""
        observations, rewards, is_over, _ = self.env.step(actions)
        return Batch(observations, rewards, is_over, np.arange(len(observations)))

    def close(self) -> None:
        """See `Player.close`."""
        self.env.close()


class _Labml:
    """A trainer with labml's workers."""

    def __init__(self, game: str, num_envs: int) -> None:
        self._trainer = Trainer([ReferenceWorker(seed, game) for seed in range(num_envs)])
        self._env_ids = np.arange(num_envs)

    def begin(self) -> Batch:
        none = np.zeros(len(self._env_ids), np.bool_)
        return Batch(self._trainer.observations, none, none, self._env_ids)

    def step(self, actions: npt.NDArray[np.int32]) -> Batch:
        observations, rest = self._trainer.step(actions.tolist())
        rewards, is_over, _ = zip(*rest, strict=True)
        return Batch(observations, np.array(rewards), np.array(is_over), self._env_ids)

    def close(self) -> None:
        self._trainer.close()


def _make_ale(game: str, num_envs: int, batch_size: int) -> Player:
    env = ale_py.vector_env.AtariVectorEnv(game, num_envs, batch_size=batch_size)
    return GymnasiumPlayer(env) if batch_size == num_envs else _ALEParts(env)


def _make_envpool(game: str, num_envs: int, batch_size: int) -> Player:
    import envpool  # noqa: PLC0415 - of an extra

    return _EnvPool(envpool.make_gymnasium(to_envpool_id(game), num_envs=num_envs, batch_size=batch_size, seed=SEED))


def _make_async(game: str, num_envs: int, _: int) -> Player:
    makers = [functools.partial(make_wrapped, game)] * num_envs
    return GymnasiumPlayer(gymnasium.vector.AsyncVectorEnv(makers, context="fork"))


def _make_sync(game: str, num_envs: int, _: int) -> Player:
    return GymnasiumPlayer(gymnasium.vector.SyncVectorEnv([functools.partial(make_wrapped, game)] * num_envs))


def _make_sb3(game: str, num_envs: int, _: int) -> Player:
    return SB3Player(make_sb3_processes(game, num_envs))


def _make_labml(game: str, num_envs: int, _: int) -> Player:
    return _Labml(game, num_envs)


ALE, ENVPOOL, SYNC, ASYNC, SB3, LABML = (
    "ale-py", "envpool", "SyncVectorEnv", "AsyncVectorEnv", "SubprocVecEnv", "labml's workers",
)  # fmt: skip

PACKAGES = {
    package.name: package
    for package in (
        OtherPackage(ALE, _make_ale, "ale", module="ale_py", has_parts=True),
        OtherPackage(ENVPOOL, _make_envpool, "envpool", module="envpool", has_parts=True),
        OtherPackage(SYNC, _make_sync, "gymnasium"),
        OtherPackage(ASYNC, _make_async, "gymnasium", has_processes=True),
        OtherPackage(SB3, _make_sb3, "sb3", "SameStep", "stable_baselines3", has_processes=True),
        OtherPackage(LABML, _make_labml, "labml", "SameStep", has_processes=True),
    )
}


def find_missing(names: Sequence[str]) -> list[str]:
    """Return the modules that packages need and that are not installed."""
    missing = []
    for name in names:
        try:
            importlib.import_module(PACKAGES[name].module)
        except ImportError:
            missing.append(PACKAGES[name].module)
    return missing
