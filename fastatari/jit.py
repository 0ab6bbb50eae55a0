"""How the functions of `kernels` are compiled, and that their user hears of it."""

import contextlib
import sys
from collections.abc import Callable, Iterator
from typing import Any, ParamSpec, TypeVar

import numba
from numba.core import config, event
from numba.extending import intrinsic

P = ParamSpec("P")
R = TypeVar("R")


def jit(function: Callable[P, R]) -> Callable[P, R]:
    """Compile `function` on its first call and keep the machine code on disk where that is possible.

    No `fastmath`: it would reorder the float32 sums that decide ties. No `parallel`: processes own the cores. Functions
    that others call become part of these: numba would pass each array on by some ten words on the stack, which cost a
    row of a screen more than all that is done with it.
    """
    options: Any = {"nogil": True, "error_model": "numpy", "forceinline": function.__name__.startswith("_")}
    compiled: Callable[P, R]
    try:
        compiled = numba.njit(cache=True, **options)(function)
    except RuntimeError:  # no folder that numba could keep its cache in is writable: compile in every process
        compiled = numba.njit(**options)(function)
    return compiled


def emitted(emit: Callable[..., Any]) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Let compiled functions call what `emit` writes in LLVM's terms instead of the decorated function, its twin."""

    def replace(plain: Callable[P, R]) -> Callable[P, R]:
        function: Callable[P, R] = plain if config.DISABLE_JIT else intrinsic(emit)  # type: ignore[attr-defined]
        return function

    return replace


class _Notice(event.Listener):
    """Says once on stderr what takes so long."""

    is_given = False

    def on_start(self, _: Any) -> None:
        if not self.is_given:
            sys.stderr.write("fastatari: compiling its kernels for this machine, once; this takes some seconds\n")
            self.is_given = True

    def on_end(self, _: Any) -> None:
        pass


@contextlib.contextmanager
def notice_of_compilation() -> Iterator[None]:
    """Say on stderr that the kernels are being compiled, if they are not found on disk."""
    with event.install_listener("numba:compile", _NOTICE):
        yield


_NOTICE = _Notice()
