"""What is measured of fastatari: its public classes, and what the benchmarks use of its engine."""

from typing import Any

from fastatari import ALEInterface, AtariEnv, AtariVectorEnv, FrameStack, Game, Worker
from fastatari.console.memory import Consoles
from fastatari.engine import threads as engine_threads
from fastatari.engine.making import make_engine
from fastatari.games import find_rom, list_roms
from fastatari.preprocessing.stages import Palette

__all__ = [
    "ALEInterface",
    "AtariEnv",
    "AtariVectorEnv",
    "FrameStack",
    "Game",
    "Worker",
    "count_repeated_resets",
    "engine_threads",
    "find_consoles",
    "find_palette",
    "find_rom",
    "list_roms",
    "make_engine",
]


def find_palette(game: str) -> Palette:
    """Return the television standard of a game."""
    engine: Any = AtariEnv(game)._engine
    palette: Palette = engine.palette
    return palette


def find_consoles(env: AtariEnv | AtariVectorEnv) -> Consoles:
    """Return the consoles that the environments play on; not to be written to."""
    engine: Any = env._engine
    consoles: Consoles = engine.arrays.consoles
    return consoles


def count_repeated_resets(env: AtariEnv) -> int:
    """Return how many resets of the environment's game were repeated in this process, and not emulated."""
    engine: Any = env._engine
    hits: int = engine.arrays._starts.table.hits
    return hits
