"""Atari environments at several times the speed, byte-identical to the pipelines that they replace.

* `AtariEnv`, `AtariVectorEnv`: gymnasium's environments.
* `Game`, `Worker`: labml's.
* `ALEInterface`, `ALEState`: ale-py's class and its states, on this package's console.
* `FrameStack`: screens in, observations out.
* `ReplayBuffer`: the transitions of a vector environment, each plane of which is stored once.
* `AtariRules`, `PRESETS`: all that decides what is computed.
"""

from fastatari.console.ale_interface import ALEInterface
from fastatari.console.saved import ALEState
from fastatari.envs.env import AtariEnv
from fastatari.envs.game import EpisodeInfo, Game
from fastatari.envs.registration import register_envs
from fastatari.envs.vector import AtariVectorEnv
from fastatari.envs.worker import Worker, WorkerConnection, worker_process
from fastatari.errors import InvalidAction, RemoteTraceback, WorkerDiedError, WorkerError
from fastatari.preprocessing.frame_stack import FrameStack
from fastatari.replay.buffer import ReplayBuffer
from fastatari.replay.sampling import ReplaySample
from fastatari.rules import PRESETS, AtariRules

__version__ = "0.1.0"

register_envs()

__all__ = [
    "PRESETS",
    "ALEInterface",
    "ALEState",
    "AtariEnv",
    "AtariRules",
    "AtariVectorEnv",
    "EpisodeInfo",
    "FrameStack",
    "Game",
    "InvalidAction",
    "RemoteTraceback",
    "ReplayBuffer",
    "ReplaySample",
    "Worker",
    "WorkerConnection",
    "WorkerDiedError",
    "WorkerError",
    "worker_process",
]
