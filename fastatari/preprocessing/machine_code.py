"""The kernels as machine code: where it is kept, and the functions that come out.

numba turns the Python of `kernels` into LLVM's language, and is imported for nothing else. Each function can be called
by its address, or from Python; none needs the GIL, allocates, or raises.
"""

import ctypes
import functools
import importlib.metadata
import os
from collections.abc import Callable
from pathlib import Path

from fastatari.compiler import native
from fastatari.compiler.native import Target
from fastatari.compiler.notice import announce
from fastatari.compiler.programs import Prepared, Program

# How many arguments each kernel has, of 64 bits each.
KERNELS = {"push": 9, "read": 4, "note_changes": 5}

# numba's settings that decide about the code.
_SETTINGS = ("CPU_NAME", "CPU_FEATURES", "DEBUGINFO", "ENABLE_AVX", "LOOP_VECTORIZE", "OPT", "SLP_VECTORIZE")


def addresses() -> dict[str, int]:
    """Return the addresses of the kernels by name, to be called with integers of 64 bits; see `kernels`."""
    return {name: ctypes.cast(function, ctypes.c_void_p).value or 0 for name, function in functions().items()}


@functools.cache
def functions() -> dict[str, "ctypes._CFunctionType"]:
    """Return the kernels by name, to be called from Python with integers; see `kernels`. They let go of the GIL.

    Where numba is told to compile nothing (NUMBA_DISABLE_JIT), they are the Python of `kernels`, and need it.
    """
    prototypes = {name: ctypes.CFUNCTYPE(None, *(ctypes.c_uint64,) * number) for name, number in KERNELS.items()}
    if _is_set("NUMBA_DISABLE_JIT"):
        return {name: prototypes[name](kernel) for name, kernel in _find_kernels().items()}
    loaded = _load()
    return {name: prototype(loaded.address(name)) for name, prototype in prototypes.items()}


def prepare(cpu: str | None = None) -> Prepared:
    """Find the machine code of the kernels on disk, or compile it and keep it there.

    Args:
        cpu (str, optional): for which processor, see `Program.prepare`.

    Raises:
        ValueError: there is no such processor on this architecture.
    """
    return _make_program().prepare(cpu)


@functools.cache
def _load() -> native.Loaded:
    """Return the machine code in memory, for good."""
    if _is_set("NUMBA_BOUNDSCHECK"):
        # Such code refers to numba's own functions, which are there only where numba compiled something.
        announce()
        return native.load(_make_program().compile(Target.host()))
    return native.load(prepare().code)


def _make_program() -> Program:
    settings = [f"{name} {os.environ.get(f'NUMBA_{name}')}" for name in _SETTINGS]
    version = f"numba {importlib.metadata.version('numba')}"
    return Program("kernels", _build_text, (Path(__file__).parent,), "; ".join((version, *settings)))


def _build_text() -> str:
    from fastatari.preprocessing.jit import build_text  # noqa: PLC0415

    return build_text({name: (kernel, KERNELS[name]) for name, kernel in _find_kernels().items()})


def _find_kernels() -> dict[str, Callable[..., None]]:
    """Return the kernels as they are written."""
    from fastatari.preprocessing import kernels  # noqa: PLC0415

    return {name: getattr(kernels, name) for name in KERNELS}


def _is_set(name: str) -> bool:
    """Return whether a setting of numba's is on in the environment."""
    return os.environ.get(name, "0") not in {"", "0"}
