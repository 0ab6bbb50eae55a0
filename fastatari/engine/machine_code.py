"""The compiled step as machine code, and its functions. It calls the console and the kernels by their addresses."""

import functools
import threading
from collections.abc import Callable

import fastatari.compiler
import fastatari.console
import fastatari.engine
from fastatari.compiler import Module, native
from fastatari.compiler.programs import Prepared, Program

# The functions, and how many arguments each has: integers and addresses.
EXPORTS = {
    "reset": 3,
    "write_reset": 2,
    "show_pair": 2,
    "notice": 2,
    "add_done": 2,
    "finish": 1,
    "submit": 5,
    "receive": 3,
    "step_all": 4,
    "read_stacks": 4,
    "wait_awake": 1,
    "serve": 2,
    "stop": 1,
}


def build_text() -> str:
    """Return the step in LLVM's language. Only this needs its sources, so only this imports them."""
    from fastatari.engine import opening, pictures, queue, stepping  # noqa: PLC0415

    module = Module("engine")
    module.add(opening.reset, export=True)
    module.add(stepping.write_reset, export=True)
    module.add(pictures.show_pair, export=True)
    for name in list(EXPORTS)[3:]:
        module.add(getattr(queue, name), export=True)
    return str(module.ir)


def prepare(cpu: str | None = None) -> Prepared:
    """Find the machine code on disk, or compile it and keep it there.

    Args:
        cpu (str, optional): for which processor, see `Program.prepare`.

    Raises:
        ValueError: there is no such processor on this architecture.
    """
    sources = fastatari.compiler, fastatari.console, fastatari.engine
    return Program("engine", build_text, sources).prepare(cpu)


class Functions:
    """The compiled functions. They let go of the GIL.

    Args:
        loaded (Loaded): the machine code of `prepare`, in memory.

    Attributes:
        reset, ...: those of `EXPORTS`.
    """

    def __init__(self, loaded: native.Loaded) -> None:
        self._loaded = loaded
        for name, count in EXPORTS.items():
            setattr(self, name, loaded.function(name, count))

    def __getattr__(self, name: str) -> Callable[..., int]:
        raise AttributeError(f"the compiled step has no function {name!r}")


_LOCK = threading.Lock()


def functions() -> Functions:
    """Return the compiled functions; the first call of a process loads them, which may mean compiling them."""
    with _LOCK:
        return _load_functions()


@functools.cache
def _load_functions() -> Functions:
    return Functions(native.load(prepare().code))
