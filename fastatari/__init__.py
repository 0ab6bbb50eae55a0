"""Atari observations at the speed of the emulator, byte-identical to the pipeline they replace."""

from fastatari.env import AtariEnv, register_envs
from fastatari.errors import InvalidAction, RemoteTraceback, WorkerDiedError, WorkerError
from fastatari.frames import FrameStack
from fastatari.game import EpisodeInfo, Game
from fastatari.pool import Worker, WorkerConnection
from fastatari.rules import PRESETS, AtariRules
from fastatari.worker import worker_process

__version__ = "0.1.0"

register_envs()

__all__ = [
    "PRESETS",
    "AtariEnv",
    "AtariRules",
    "EpisodeInfo",
    "FrameStack",
    "Game",
    "InvalidAction",
    "RemoteTraceback",
    "Worker",
    "WorkerConnection",
    "WorkerDiedError",
    "WorkerError",
    "worker_process",
]
