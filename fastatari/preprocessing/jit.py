"""How numba turns the Python of the kernels into LLVM's language."""

from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

import llvmlite.binding as llvm
import numba
from numba.core import config, types
from numba.core.ccallback import CFunc
from numba.extending import intrinsic

P = ParamSpec("P")
R = TypeVar("R")


def part(function: Callable[P, R]) -> Callable[P, R]:
    """Let a kernel call `function`, which becomes part of it.

    No `fastmath`: it would reorder the float32 sums that decide ties. Part of it, because numba passes each array to a
    function by seven words.
    """
    compiled: Any = numba.njit(nogil=True, error_model="numpy", forceinline=True)(function)
    result: Callable[P, R] = compiled
    return result


def emitted(emit: Callable[..., Any]) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Let kernels call what `emit` writes in LLVM's terms instead of the decorated function, its twin."""

    def replace(plain: Callable[P, R]) -> Callable[P, R]:
        function: Callable[P, R] = plain if config.DISABLE_JIT else intrinsic(emit)  # type: ignore[attr-defined]
        return function

    return replace


def emitted_unchecked(emit: Callable[..., Any]) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Do what `emitted` does, but let kernels call the twin where numba is to check bounds, which `emit` does not."""
    return part if config.BOUNDSCHECK else emitted(emit)  # type: ignore[attr-defined]


def build_text(functions: dict[str, tuple[Callable[..., None], int]]) -> str:
    """Return functions in LLVM's language, optimised for this machine.

    Args:
        functions (dict): by the names that they are to have, each with the number of its arguments, uint64.

    Returns:
        str: a module that exports them.
    """
    whole = llvm.parse_assembly("")
    for name, (function, argument_num) in functions.items():
        signature = types.void(*(types.uint64,) * argument_num)
        options = {"nopython": True, "nogil": True, "error_model": "numpy"}
        compiled: Any = CFunc(function, (signature.args, signature.return_type), {}, options)
        compiled.compile()
        module = llvm.parse_assembly(compiled.inspect_llvm())
        module.get_function(compiled.native_name).name = name
        whole.link_in(module)
    return str(whole)
