"""Vector environments of other packages, each behind the same methods, and `AtariVectorEnv` by the rules of each.

Every one runs as its users start it: with its defaults. Processes are forked, because a fork server would import
PyTorch in each process of stable-baselines3.
"""

import contextlib
import functools
from collections.abc import Callable, Mapping
from multiprocessing.process import BaseProcess
from typing import Any, NamedTuple, Protocol

import ale_py
import gymnasium
import numpy as np
import numpy.typing as npt

from fastatari.cli.packages import make_base
from fastatari.cli.parser import BENCH_PACKAGES
from fastatari.envs.vector import AtariVectorEnv
from fastatari.games import find_rom, to_envpool_id

_ENVPOOL_HEIGHT = 210

_PATIENCE_SECONDS = 5


class Refused(Exception):
    """A package does not play a game; the text says why."""


class Batch(NamedTuple):
    """What all environments returned.

    Attributes:
        observations: uint8[n, ...], valid until the next step.
        rewards: float[n].
        is_over: bool[n], whether the episode was terminated or truncated.
    """

    observations: npt.NDArray[Any]
    rewards: npt.NDArray[Any]
    is_over: npt.NDArray[Any]


class Player(Protocol):
    """Environments of one kind."""

    def begin(self) -> Batch:
        """Begin all episodes."""

    def step(self, actions: npt.NDArray[np.int32]) -> Batch:
        """Step all environments."""

    def close(self) -> None:
        """End what there is of it."""


class OtherPackage(NamedTuple):
    """A kind of vector environment.

    Attributes:
        name: what it is called in tables.
        class_name: the class, or what it is made by.
        distribution: the package that it is of.
        modules: what has to be installed.
        make: makes it, of a ROM's id, the number of environments, that of threads or None, and the seed.
        preset: whose rules it has.
        autoreset_mode: when it resets.
        has_threads: whether it has threads that can be chosen; if not, `make` is given None.
        has_processes: whether each environment has a process.
    """

    name: str
    class_name: str
    distribution: str
    modules: tuple[str, ...]
    make: Callable[[str, int, int | None, int], Player]
    preset: str
    autoreset_mode: str = "NextStep"
    has_threads: bool = False
    has_processes: bool = False

    def make_ours(self, game: str, num_envs: int, num_threads: int | None, seed: int) -> Player:
        """Return an `AtariVectorEnv` with the same rules."""
        env = AtariVectorEnv(
            game, num_envs, preset=self.preset, autoreset_mode=self.autoreset_mode, num_threads=num_threads
        )
        return GymnasiumPlayer(env, seed)


class GymnasiumPlayer:
    """A vector environment with gymnasium's interface; its first reset has a seed, or it has one already."""

    def __init__(self, env: Any, seed: int | None) -> None:
        self._env, self._seed = env, seed

    def begin(self) -> Batch:
        """See `Player.begin`."""
        observations, _ = self._env.reset(seed=self._seed)
        none = np.zeros(len(observations), np.bool_)
        return Batch(observations, none, none)

    def step(self, actions: npt.NDArray[np.int32]) -> Batch:
        """See `Player.step`."""
        observations, rewards, terminated, truncated, _ = self._env.step(actions)
        return Batch(observations, rewards, terminated | truncated)

    def close(self) -> None:
        """See `Player.close`."""
        self._env.close()


class _AsyncPlayer(GymnasiumPlayer):
    """gymnasium's `AsyncVectorEnv`."""

    def close(self) -> None:
        """End the processes, which after an interrupt may be in the middle of sending what nobody will receive."""
        end_processes(self._env.processes)
        for pipe in self._env.parent_pipes:
            pipe.close()
        self._env.closed = True


class _SB3Player:
    """stable-baselines3's interface."""

    def __init__(self, env: Any, processes: list[BaseProcess], seed: int) -> None:
        self._env, self._processes, self._seed = env, processes, seed

    def begin(self) -> Batch:
        self._env.seed(self._seed)
        observations = self._env.reset()
        none = np.zeros(len(observations), np.bool_)
        return Batch(observations, none, none)

    def step(self, actions: npt.NDArray[np.int32]) -> Batch:
        observations, rewards, is_over, _ = self._env.step(actions)
        return Batch(observations, rewards, is_over)

    def close(self) -> None:
        end_processes(self._processes)  # as above


def end_processes(processes: list[BaseProcess]) -> None:
    """End processes, and wait until they have."""
    for process in processes:
        process.terminate()
    for process in processes:
        process.join(_PATIENCE_SECONDS)
        if process.is_alive():
            process.kill()
            process.join()


def _make_ale(game: str, num_envs: int, num_threads: int | None, seed: int) -> Player:
    return GymnasiumPlayer(ale_py.vector_env.AtariVectorEnv(game, num_envs, num_threads=num_threads or 0), seed)


def _make_envpool(game: str, num_envs: int, num_threads: int | None, seed: int) -> Player:
    ale = ale_py.ALEInterface()
    ale.loadROM(find_rom(game)[1])
    height, _ = ale.getScreenDims()
    if height != _ENVPOOL_HEIGHT:
        raise Refused(f"envpool shows {_ENVPOOL_HEIGHT} rows of a screen, {game} has {height}")
    import envpool  # noqa: PLC0415 - of an extra

    env = envpool.make_gymnasium(to_envpool_id(game), num_envs=num_envs, num_threads=num_threads or 0, seed=seed)
    return GymnasiumPlayer(env, None)


def _make_async(game: str, num_envs: int, _: int | None, seed: int) -> Player:
    makers = [functools.partial(make_wrapped, game)] * num_envs
    return _AsyncPlayer(gymnasium.vector.AsyncVectorEnv(makers, context="fork"), seed)


def _make_sync(game: str, num_envs: int, _: int | None, seed: int) -> Player:
    return GymnasiumPlayer(gymnasium.vector.SyncVectorEnv([functools.partial(make_wrapped, game)] * num_envs), seed)


def make_wrapped(game: str) -> Any:
    """Return gymnasium's environment with its wrappers."""
    return gymnasium.wrappers.FrameStackObservation(gymnasium.wrappers.AtariPreprocessing(make_base(game)), 4)


def make_sb3_processes(game: str, num_envs: int) -> Any:
    """Return stable-baselines3's environment of processes."""
    from stable_baselines3.common.atari_wrappers import AtariWrapper  # noqa: PLC0415 - of an extra
    from stable_baselines3.common.vec_env import SubprocVecEnv, VecFrameStack  # noqa: PLC0415 - of an extra

    return VecFrameStack(SubprocVecEnv([lambda: AtariWrapper(make_base(game))] * num_envs, "fork"), 4)


def _make_sb3(game: str, num_envs: int, _: int | None, seed: int) -> Player:
    env = make_sb3_processes(game, num_envs)
    return _SB3Player(env, env.venv.processes, seed)


_ALE, _ENVPOOL, _ASYNC, _SYNC, _SB3 = BENCH_PACKAGES

PACKAGES: Mapping[str, OtherPackage] = {
    package.name: package
    for package in (
        OtherPackage(_ALE, "AtariVectorEnv", "ale-py", (), _make_ale, "ale", has_threads=True),
        OtherPackage(_ENVPOOL, "make_gymnasium", "envpool", ("envpool",), _make_envpool, "envpool", has_threads=True),
        OtherPackage(_ASYNC, "AsyncVectorEnv", "gymnasium", ("cv2",), _make_async, "gymnasium", has_processes=True),
        OtherPackage(_SYNC, "SyncVectorEnv", "gymnasium", ("cv2",), _make_sync, "gymnasium"),
        OtherPackage(
            _SB3,
            "SubprocVecEnv",
            "stable-baselines3",
            ("cv2", "stable_baselines3"),
            _make_sb3,
            "sb3",
            autoreset_mode="SameStep",
            has_processes=True,
        ),
    )
}


def close_quietly(player: Player) -> None:
    """Close a player of which something failed before, so that more may fail."""
    with contextlib.suppress(Exception):
        player.close()
