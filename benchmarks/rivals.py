"""Vector environments that fastatari's is compared with, each behind the same two methods, and ale-py's act alone.

Every one runs as its users start it: with its defaults. fastatari plays each one's rules.
"""

import functools
import gc
import importlib
import itertools
import multiprocessing
import os
import time
from collections.abc import Callable, Mapping, Sequence
from multiprocessing.connection import Connection
from typing import Any, NamedTuple, Protocol

import ale_py
import contenders
import gymnasium
import numpy as np
import numpy.typing as npt

from fastatari import AtariVectorEnv
from fastatari.cli.packages import make_base
from fastatari.cli.reference import ReferenceWorker
from fastatari.emulator import find_rom

EXTRA = "bench-vectors"

_SEED = 1
_FRAME_SKIP = 4


class Batch(NamedTuple):
    """What environments gave.

    Attributes:
        observations: uint8[b, ...], valid until the next step.
        rewards: float[b].
        is_over: bool[b], whether the episode was terminated or truncated.
        indices: int[b], which environments.
    """

    observations: npt.NDArray[Any]
    rewards: npt.NDArray[Any]
    is_over: npt.NDArray[Any]
    indices: npt.NDArray[Any]


class Player(Protocol):
    """Environments of one kind."""

    def begin(self) -> Batch:
        """Begin all episodes, and return the first batch."""

    def step(self, actions: npt.NDArray[np.int32]) -> Batch:
        """Play a step of the environments of the last batch, and return the next one."""

    def close(self) -> None:
        """End what there is of it."""


class Rival(NamedTuple):
    """A kind of vector environment.

    Attributes:
        name: what it is called in tables.
        make: makes it, of a ROM's id, a number of environments, and how many are in a batch.
        fields: arguments with which `AtariVectorEnv` plays by its rules.
        module: what has to be there.
        is_threaded: whether it plays in threads of one process, and returns parts of the environments, too.
        differs_at_end: whether the last observation of an episode may be another than fastatari's.
    """

    name: str
    make: Callable[[str, int, int], Player]
    fields: Mapping[str, Any]
    module: str
    is_threaded: bool = False
    differs_at_end: bool = False

    def make_ours(self, game: str, num: int, batch_size: int) -> Player:
        """Return fastatari's with its rules."""
        size = None if batch_size == num else batch_size
        return _Gymnasium(AtariVectorEnv(game, num, batch_size=size, **self.fields))


class _Gymnasium:
    """A vector environment with gymnasium's interface."""

    def __init__(self, env: Any) -> None:
        self.env = env

    def begin(self) -> Batch:
        observations, infos = self.env.reset(seed=_SEED)
        none = np.zeros(len(observations), np.bool_)
        return Batch(observations, none, none, self._read_indices(observations, infos))

    def step(self, actions: npt.NDArray[np.int32]) -> Batch:
        observations, rewards, terminated, truncated, infos = self.env.step(actions)
        return Batch(observations, rewards, terminated | truncated, self._read_indices(observations, infos))

    def close(self) -> None:
        self.env.close()

    def _read_indices(self, observations: Any, infos: Any) -> Any:
        return infos["env_id"] if "env_id" in infos else np.arange(len(observations))


class _Parts(_Gymnasium):
    """The same, where it has no `step` for parts of the environments."""

    def step(self, actions: npt.NDArray[np.int32]) -> Batch:
        self.env.send(actions)
        observations, rewards, terminated, truncated, infos = self.env.recv()
        return Batch(observations, rewards, terminated | truncated, infos["env_id"])


class _EnvPool(_Gymnasium):
    """envpool, to which one has to say whose actions it gets."""

    def begin(self) -> Batch:
        self.env.async_reset()
        return self._receive()

    def step(self, actions: npt.NDArray[np.int32]) -> Batch:
        self.env.send(actions, self._indices)
        return self._receive()

    def _receive(self) -> Batch:
        observations, rewards, terminated, truncated, infos = self.env.recv()
        self._indices = infos["env_id"]
        return Batch(observations, rewards, terminated | truncated, self._indices)


class _SB3:
    """stable-baselines3's interface."""

    def __init__(self, env: Any) -> None:
        self.env = env

    def begin(self) -> Batch:
        self.env.seed(_SEED)
        observations = self.env.reset()
        none = np.zeros(len(observations), np.bool_)
        return Batch(observations, none, none, np.arange(len(observations)))

    def step(self, actions: npt.NDArray[np.int32]) -> Batch:
        observations, rewards, is_over, _ = self.env.step(actions)
        return Batch(observations, rewards, is_over, np.arange(len(observations)))

    def close(self) -> None:
        self.env.close()


class _Labml:
    """A trainer with labml's workers."""

    def __init__(self, game: str, num: int) -> None:
        self._trainer = contenders.Trainer([ReferenceWorker(seed, game) for seed in range(num)])
        self._indices = np.arange(num)

    def begin(self) -> Batch:
        none = np.zeros(len(self._indices), np.bool_)
        return Batch(self._trainer.observations, none, none, self._indices)

    def step(self, actions: npt.NDArray[np.int32]) -> Batch:
        observations, rest = self._trainer.step(actions.tolist())
        rewards, is_over, _ = zip(*rest, strict=True)
        return Batch(observations, np.array(rewards), np.array(is_over), self._indices)

    def close(self) -> None:
        self._trainer.__exit__()


def _make_ale(game: str, num: int, batch_size: int) -> Player:
    env = ale_py.vector_env.AtariVectorEnv(game, num, batch_size=batch_size)
    return _Gymnasium(env) if batch_size == num else _Parts(env)


def _make_envpool(game: str, num: int, batch_size: int) -> Player:
    import envpool  # noqa: PLC0415 - of an extra

    name = f"{game.title().replace('_', '')}-v5"
    # Its no-ops come from a generator of its own: with a bound of 1 there is nothing to draw.
    return _EnvPool(
        envpool.make_gymnasium(
            name, num_envs=num, batch_size=batch_size, noop_max=1, use_fire_reset=True, reward_clip=True
        )
    )


def _make_gymnasium(game: str, num: int, _: int) -> Player:
    return _Gymnasium(gymnasium.vector.AsyncVectorEnv([functools.partial(_make_wrapped, game)] * num, context="fork"))


def _make_wrapped(game: str) -> Any:
    return gymnasium.wrappers.FrameStackObservation(gymnasium.wrappers.AtariPreprocessing(make_base(game)), 4)


def _make_sb3(game: str, num: int, _: int) -> Player:
    from stable_baselines3.common.atari_wrappers import AtariWrapper  # noqa: PLC0415 - of an extra
    from stable_baselines3.common.vec_env import SubprocVecEnv, VecFrameStack  # noqa: PLC0415 - of an extra

    # Its start by default, with a fork server, imports PyTorch in each process.
    return _SB3(VecFrameStack(SubprocVecEnv([lambda: AtariWrapper(make_base(game))] * num, "fork"), 4))


def _make_labml(game: str, num: int, _: int) -> Player:
    return _Labml(game, num)


ALE = "ale-py"
ENVPOOL = "envpool"
RIVALS = {
    rival.name: rival
    for rival in (
        Rival(ALE, _make_ale, {"preset": "ale"}, "ale_py", is_threaded=True),
        # Where a game is over in one of the first frames of a step, its plane is made of screens of the step before.
        Rival(
            ENVPOOL,
            _make_envpool,
            {"preset": "ale", "noop_max": 1, "noop_range": "1..max", "padding_type": "reset", "end_rule": "capture"},
            "envpool",
            is_threaded=True,
            differs_at_end=True,
        ),
        Rival("gymnasium", _make_gymnasium, {"preset": "gymnasium"}, "cv2"),
        Rival("sb3", _make_sb3, {"preset": "sb3", "autoreset_mode": "SameStep"}, "stable_baselines3"),
        Rival("labml", _make_labml, {"preset": "labml", "autoreset_mode": "SameStep"}, "cv2"),
    )
}


def find_missing(names: Sequence[str]) -> list[str]:
    """Return the modules that rivals need and that are not there."""
    missing = []
    for name in names:
        try:
            importlib.import_module(RIVALS[name].module)
        except ImportError:
            missing.append(RIVALS[name].module)
    return missing


class ActAlone:
    """A process on each core, which calls ale-py's ``act`` for its share of the environments and does nothing else.

    A step is four calls of ``act``, and a look whether the game is over; then it goes on with a saved state. Nobody
    waits for anybody between two steps.
    """

    def __init__(self, game: str, num: int) -> None:
        cores = min(num, len(os.sched_getaffinity(0)))
        bounds = [num * share // cores for share in range(cores + 1)]
        self._shares = [slice(*pair) for pair in itertools.pairwise(bounds)]
        self._pipes, self._processes = [], []
        context = multiprocessing.get_context("fork")
        gc.freeze()
        for share in self._shares:
            pipe, other = context.Pipe()
            process = context.Process(target=_call_act, args=(other, game, share.stop - share.start), daemon=True)
            process.start()
            other.close()
            self._processes.append(process)
            self._pipes.append(pipe)
        gc.unfreeze()
        for pipe in self._pipes:
            pipe.recv()

    def play(self, actions: npt.NDArray[np.int32]) -> float:
        """Play steps with the actions, int32[1 + steps, n]; return the seconds of all but the first."""
        for pipe, share in zip(self._pipes, self._shares, strict=True):
            pipe.send(actions[:, share].tolist())
        for pipe in self._pipes:
            pipe.recv()
        begin = time.perf_counter()
        for pipe in self._pipes:
            pipe.send(None)
        for pipe in self._pipes:
            pipe.recv()
        return time.perf_counter() - begin

    def close(self) -> None:
        """End the processes."""
        for process, pipe in zip(self._processes, self._pipes, strict=True):
            pipe.close()
            process.terminate()
            process.join()
            process.close()


def _call_act(pipe: "Connection[Any, Any]", game: str, num: int) -> None:
    ales = [_start_ale(game) for _ in range(num)]
    states = [ale.cloneState() for ale in ales]
    legal = ales[0].getMinimalActionSet()
    pipe.send(None)
    while True:
        for number, row in enumerate(pipe.recv()):
            for ale, state, index in zip(ales, states, row, strict=True):
                action = legal[index]
                for _ in range(_FRAME_SKIP):
                    ale.act(action)
                if ale.game_over():
                    ale.restoreState(state)
            if not number:
                pipe.send(None)
                pipe.recv()
        pipe.send(None)


def _start_ale(game: str) -> Any:
    ale = ale_py.ALEInterface()
    ale.setFloat("repeat_action_probability", 0.0)
    ale.loadROM(find_rom(game)[1])
    ale.reset_game()
    return ale
