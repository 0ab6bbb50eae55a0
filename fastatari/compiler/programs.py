"""Programs: machine code of a module that is found on disk, or else compiled for this processor and kept there."""

import dataclasses
import gc
import os
import time
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

from fastatari.compiler import cache, native
from fastatari.compiler.native import Target

# LLVM's level of optimisation: 2 and 3 take longer and give nothing.
LEVEL = 1


@dataclasses.dataclass(frozen=True)
class Prepared:
    """Machine code of a program.

    Attributes:
        code (bytes): an object file.
        path (Path | None): where it is kept; None if it could not be.
        seconds (float): how long that took.
        compiled (bool): whether it was compiled now, and not found.
    """

    code: bytes
    path: Path | None
    seconds: float
    compiled: bool


@dataclasses.dataclass(frozen=True)
class Program:
    """What is compiled together.

    Attributes:
        name (str): the beginning of its file's name.
        build (Callable[[], str]): returns it in LLVM's language.
        sources (tuple): the files that decide about it, or packages, which stand for all of their files.
        settings (str): what else does.
    """

    name: str
    build: Callable[[], str]
    sources: tuple[ModuleType | Path, ...]
    settings: str = ""

    def prepare(self, cpu: str | None = None) -> Prepared:
        """Find the machine code on disk, or compile it and keep it there.

        Args:
            cpu (str, optional): "host", "generic", or a level of x86-64 such as "x86-64-v3". By default the environment
                variable FASTATARI_CPU, or else the host; code for "generic" is taken where that was compiled ahead.

        Raises:
            ValueError: there is no such processor on this architecture.
        """
        begin = time.perf_counter()
        chosen = cpu or os.environ.get("FASTATARI_CPU") or None
        target = Target.from_name(chosen or "host")
        alternatives = () if chosen else (self._key(Target.generic()),)
        entry = cache.load_or_build(self.name, self._key(target), lambda: self.compile(target), alternatives)
        return Prepared(entry.code, entry.path, time.perf_counter() - begin, entry.is_new)

    def compile(self, target: Target) -> bytes:
        """Return the machine code for a target: an object file."""
        # Python's collector would look through the whole module again and again: 0.25 s of 0.65.
        was_enabled = gc.isenabled()
        gc.disable()
        try:
            text = self.build()
        finally:
            if was_enabled:
                gc.enable()
        return native.compile_module(text, target, LEVEL)

    def _key(self, target: Target) -> str:
        return cache.make_key(f"{target}; level {LEVEL}; {self.settings}", *self.sources)
