"""The console as machine code: what is compiled, where it is kept, and the functions that come out.

Each can be called by its address from numba, or by `Functions` from Python; none needs the GIL, allocates, or raises.
"""

import functools
import threading
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import llvmlite.binding as llvm

import fastatari.compiler
import fastatari.console
from fastatari.compiler import Module, native
from fastatari.compiler.programs import Prepared, Program

# Where LLVM calls handlers at the tail in the way that `cpu.running` needs.
ARCHITECTURES = ("x86_64", "aarch64", "arm64")
LEAST_LLVM = 20


def build_text() -> str:
    """Return the console in LLVM's language. Only this needs its sources, so only this imports them."""
    from fastatari.console import frame, generators, play, repeating, reset  # noqa: PLC0415
    from fastatari.console.cpu import decoding, running  # noqa: PLC0415

    module = Module("console")
    running.emit_handlers(module)
    module.add(generators.seed, export=True)
    module.add(decoding.decode, export=True)
    module.add(frame.draw_picture, export=True)
    module.add(frame.draw_pictures, export=True)
    module.add(frame.draw_start, export=True)
    module.add(play.act_frames, export=True)
    module.add(reset.reset_game, export=True)
    module.add(reset.power_on, export=True)
    module.add(play.act_all, export=True)
    module.add(repeating.begin, export=True)
    return str(module.ir)


def prepare(cpu: str | None = None) -> Prepared:
    """Find the machine code on disk, or compile it and keep it there.

    Args:
        cpu (str, optional): for which processor, see `Program.prepare`.

    Raises:
        ValueError: there is no such processor on this architecture.
        RuntimeError: the console cannot be compiled for this architecture, or not by this version of llvmlite.
    """
    check_support(str(llvm.get_process_triple()), llvm.llvm_version_info)
    package = Path(fastatari.console.__file__).parent
    sources: tuple[ModuleType | Path, ...] = (fastatari.compiler, fastatari.console, *sorted(package.rglob("*.json")))
    return Program("console", build_text, sources).prepare(cpu)


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


class Functions:
    """The compiled functions, of integers and addresses.

    Args:
        loaded (Loaded): the machine code of `prepare`, in memory.
        holds_gil (bool): whether callers keep the GIL, so that no other thread runs Python meanwhile.

    Attributes:
        addresses (dict[str, int]): by name, for callers in machine code.
    """

    def __init__(self, loaded: native.Loaded, holds_gil: bool = False) -> None:
        self._loaded, self._holds_gil = loaded, holds_gil
        self.addresses: dict[str, int] = {}
        self.handlers = self._function("handlers", 0)()
        self.decode = self._function("decode", 1)
        self.draw_picture = self._function("draw_picture", 1)
        self.draw_pictures = self._function("draw_pictures", 1)
        self.draw_start = self._function("draw_start", 4)
        self.act_frames = self._function("act_frames", 5)
        self.reset_game = self._function("reset_game", 1)
        self.power_on = self._function("power_on", 3)
        self.act_all = self._function("act_all", 6)
        self.begin = self._function("begin", 3)
        self.seed = self._function("seed", 2)

    def _function(self, name: str, count: int) -> Callable[..., int]:
        self.addresses[name] = self._loaded.address(name)
        return self._loaded.function(name, count, self._holds_gil)


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
