"""Atari observations at the speed of the emulator, byte-identical to the pipeline they replace."""

from fastatari.console.ale_interface import ALEInterface
from fastatari.console.saved import ALEState
from fastatari.env import AtariEnv, register_envs
from fastatari.errors import InvalidAction, RemoteTraceback, WorkerDiedError, WorkerError, WorkerTimeoutError
from fastatari.frames import FrameStack
from fastatari.game import EpisodeInfo, Game
from fastatari.labml import Worker, WorkerConnection, worker_process
from fastatari.rules import PRESETS, AtariRules
from fastatari.vector import AtariVectorEnv

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
    "Worker",
    "WorkerConnection",
    "WorkerDiedError",
    "WorkerError",
    "WorkerTimeoutError",
    "worker_process",
]
