"""How the functions of `kernels` are compiled and kept on disk."""

import os
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

import numba
import numpy as np
from numba.core import config
from numba.core.caching import _Cache
from numba.core.compiler import CompileResult
from numba.core.serialize import dumps
from numba.extending import intrinsic

from fastatari.compiler import cache
from fastatari.compiler.notice import announce

# What of numba's settings decides about machine code.
SETTINGS = ("BOUNDSCHECK", "DEBUGINFO_DEFAULT", "ENABLE_AVX", "LOOP_VECTORIZE", "OPT", "SLP_VECTORIZE")

P = ParamSpec("P")
R = TypeVar("R")


def jit(function: Callable[P, R]) -> Callable[P, R]:
    """Compile `function` on its first call and keep the machine code on disk where that is possible.

    No `fastmath`: it would reorder the float32 sums that decide ties. No `parallel`: processes own the cores. Functions
    that others call become part of these: numba would pass each array on by some ten words on the stack, which cost a
    row of a screen more than all that is done with it.
    """
    is_part = function.__name__.startswith("_")
    compiled: Any = numba.njit(nogil=True, error_model="numpy", forceinline=is_part)(function)
    if not is_part and not config.DISABLE_JIT:  # type: ignore[attr-defined]
        compiled._cache = DiskCache(function)
    result: Callable[P, R] = compiled
    return result


class DiskCache(_Cache):
    """The machine code of a function, in the files of `fastatari.compiler.cache` instead of numba's own.

    numba reads its own without a check: once one is damaged, every process ends with an `EOFError` or the like. It does
    not look either at the versions of llvmlite and numpy, or at who could have written what it loads.

    Attributes:
        path (Path, optional): the file from which the function came, or to which it was written.
        is_new (bool): whether it was compiled in this process.
    """

    def __init__(self, function: Callable[..., Any]) -> None:
        self._function = function
        self._name = f"{function.__module__.rpartition('.')[2]}.{function.__name__}"
        self._is_enabled = True
        self.path: Path | None = None
        self.is_new = False

    @property
    def cache_path(self) -> str | None:
        """The folder of `path`."""
        return str(self.path.parent) if self.path else None

    def load_overload(self, signature: Any, target_context: Any) -> Any:
        """Return what was compiled for argument types, a `CompileResult`, or None."""
        target_context.refresh()  # as numba does, so that it knows all that the code may refer to
        triple, cpu, features = target_context.codegen().magic_tuple()
        targets = [(triple, cpu, features)]
        chosen = os.environ.get("FASTATARI_CPU")
        if not chosen:
            targets.append((triple, "generic", ""))
        elif chosen != "host":
            targets.insert(0, (triple, chosen, ""))
        keys = [self._make_key(signature, target) for target in targets]
        result = self._load([key for key in keys if key], target_context)
        if result is None:
            announce()  # numba compiles it next
        return result

    def _load(self, keys: list[str], target_context: Any) -> Any:
        entry = cache.load(self._name, keys)
        if entry is None:
            return None
        try:
            result = CompileResult._rebuild(target_context, *pickle.loads(entry.code))  # type: ignore[no-untyped-call]
        except Exception:  # whole, and yet not what this numba takes: any exception can come out of a pickle
            return None
        self.path = entry.path
        return result

    def save_overload(self, signature: Any, result: Any) -> None:
        """Keep a `CompileResult` on disk."""
        self.is_new = True
        key = self._make_key(signature, result.codegen.magic_tuple())
        if key and not result.lifted and not result.library.has_dynamic_globals:
            self.path = cache.save(self._name, key, dumps(result._reduce()))  # type: ignore[no-untyped-call]

    def enable(self) -> None:
        """Use the disk again."""
        self._is_enabled = True

    def disable(self) -> None:
        """Do not use the disk."""
        self._is_enabled = False

    def flush(self) -> None:
        """Do nothing: what is old is removed in time."""

    def _make_key(self, signature: Any, target: tuple[str, str, str]) -> str | None:
        """Return the key of the machine code for argument types and a triple, a CPU and its features."""
        if not self._is_enabled:
            return None
        settings = [f"{name} {getattr(config, name)!r}" for name in SETTINGS]
        versions = f"numba {numba.__version__}, numpy {np.__version__}"
        parts = (*target, versions, *settings, self._function.__qualname__, signature)
        try:
            return cache.make_key("; ".join(map(str, parts)), self._function.__code__.co_filename, __file__)
        except OSError:  # there is no file of its sources by which to know whether they changed
            return None


def emitted(emit: Callable[..., Any]) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Let compiled functions call what `emit` writes in LLVM's terms instead of the decorated function, its twin."""

    def replace(plain: Callable[P, R]) -> Callable[P, R]:
        function: Callable[P, R] = plain if config.DISABLE_JIT else intrinsic(emit)  # type: ignore[attr-defined]
        return function

    return replace
