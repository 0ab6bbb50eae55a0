"""The console as machine code: what is compiled, where it is kept, and the functions that come out.

Each can be called by its address from numba, or by `Functions` from Python; none needs the GIL, allocates, or raises.
"""

import ctypes
import dataclasses
import functools
import gc
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import llvmlite.binding as llvm

import fastatari.compiler
import fastatari.console
from fastatari.compiler import Module, cache, native
from fastatari.compiler.native import Target

# Where LLVM calls handlers at the tail in the way that `cpu.running` needs.
ARCHITECTURES = ("x86_64", "aarch64", "arm64")
LEAST_LLVM = 20

# LLVM's level of optimisation: 2 and 3 take longer and give nothing.
LEVEL = 1


def build_text() -> str:
    """Return the console in LLVM's language. Only this needs its sources, so only this imports them."""
    from fastatari.console import frame, play, repeating, reset  # noqa: PLC0415
    from fastatari.console.cpu import decoding, running  # noqa: PLC0415

    module = Module("console")
    running.emit_handlers(module)
    module.add(decoding.decode, export=True)
    module.add(frame.draw_picture, export=True)
    module.add(play.act_frames, export=True)
    module.add(play.act_until, export=True)
    module.add(reset.reset_game, export=True)
    module.add(reset.power_on, export=True)
    module.add(play.act_all, export=True)
    module.add(repeating.next_timer, export=True)
    module.add(repeating.record_reset, export=True)
    module.add(repeating.repeat_reset, export=True)
    return str(module.ir)


@dataclasses.dataclass(frozen=True)
class Prepared:
    """Machine code of the console.

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


def prepare(cpu: str | None = None) -> Prepared:
    """Find the machine code on disk, or compile it and keep it there.

    Args:
        cpu (str, optional): "host", "generic", or a level of x86-64 such as "x86-64-v3". By default the environment
            variable FASTATARI_CPU, or else the host; code for "generic" is taken where that was compiled ahead.

    Raises:
        ValueError: there is no such processor on this architecture.
        RuntimeError: the console cannot be compiled for this architecture, or not by this version of llvmlite.
    """
    begin = time.perf_counter()
    chosen = cpu or os.environ.get("FASTATARI_CPU") or None
    target = Target.from_name(chosen or "host")
    check_support(target.triple, llvm.llvm_version_info)
    alternatives = () if chosen else (_key(Target.generic()),)
    entry = cache.load_or_build("console", _key(target), lambda: _compile(target), alternatives)
    return Prepared(entry.code, entry.path, time.perf_counter() - begin, entry.is_new)


def check_support(triple: str, version: tuple[int, ...]) -> None:
    """Check that the console can be compiled; LLVM would end the process where it cannot.

    Raises:
        RuntimeError: it cannot be for this architecture, or not by this version of LLVM.
    """
    if triple.split("-", maxsplit=1)[0] not in ARCHITECTURES:
        raise RuntimeError(
            f"fastatari's console can be compiled for {', '.join(ARCHITECTURES)}; this is {triple}. "
            'Elsewhere `console="ale"` plays on ale-py\'s emulator'
        )
    if version[0] < LEAST_LLVM:
        raise RuntimeError(
            f"fastatari's console needs LLVM {LEAST_LLVM}, which comes with llvmlite 0.45 and numba 0.62; "
            f"this is LLVM {'.'.join(map(str, version))}"
        )


def _key(target: Target) -> str:
    package = Path(fastatari.console.__file__).parent
    sources: tuple[ModuleType | Path, ...] = (fastatari.compiler, fastatari.console, *sorted(package.rglob("*.json")))
    return cache.make_key(f"{target}; level {LEVEL}", *sources)


def _compile(target: Target) -> bytes:
    # Python's collector would look through the whole module again and again: 0.25 s of 0.65.
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        text = build_text()
    finally:
        if was_enabled:
            gc.enable()
    return native.compile_module(text, target, LEVEL)


class Functions:
    """The compiled functions, of integers and addresses.

    Args:
        loaded (Loaded): the machine code of `prepare`, in memory.
        holds_gil (bool): whether callers keep the GIL, so that no other thread runs Python meanwhile.

    Attributes:
        addresses (dict[str, int]): by name, for callers in machine code.
    """

    def __init__(self, loaded: native.Loaded, holds_gil: bool = False) -> None:
        self._loaded = loaded
        self._prototype: Any = ctypes.PYFUNCTYPE if holds_gil else ctypes.CFUNCTYPE
        self.addresses: dict[str, int] = {}
        self.handlers = self._function("handlers", 0)()
        self.decode = self._function("decode", 1)
        self.draw_picture = self._function("draw_picture", 1)
        self.act_frames = self._function("act_frames", 5)
        self.act_until = self._function("act_until", 7)
        self.reset_game = self._function("reset_game", 1)
        self.power_on = self._function("power_on", 3)
        self.act_all = self._function("act_all", 6)
        self.next_timer = self._function("next_timer", 1)
        self.record_reset = self._function("record_reset", 2)
        self.repeat_reset = self._function("repeat_reset", 2)

    def _function(self, name: str, count: int) -> Callable[..., int]:
        address = self.addresses[name] = self._loaded.address(name)
        result: Callable[..., int] = self._prototype(ctypes.c_int64, *(ctypes.c_int64,) * count)(address)
        return result


_LOCK = threading.Lock()


def functions() -> Functions:
    """Return the compiled functions; the first call of a process loads them, which may mean compiling them.

    They drop the GIL, and so may not be called for one console by two threads at once.
    """
    # Only one may ever be made: who lost a race would have addresses of code that is gone.
    with _LOCK:
        return _load_functions(False)


def functions_with_gil() -> Functions:
    """Return the same functions for objects that threads may share: they keep the GIL, as ale-py does."""
    with _LOCK:
        return _load_functions(True)


@functools.cache
def _load_functions(holds_gil: bool) -> Functions:
    return Functions(_load_code(), holds_gil)


@functools.cache
def _load_code() -> native.Loaded:
    return native.load(prepare().code)
