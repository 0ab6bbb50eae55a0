"""The command that compiles all ahead, for images and clusters: the console, the step, and the picture kernels."""

import contextlib
import importlib
import os
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from fastatari.cli.failures import CommandError, print_warning
from fastatari.compiler import cache
from fastatari.compiler.notice import no_notice

# What is compiled, and the modules with a function `prepare` that does so.
_PARTS = {
    "the console": "fastatari.console.machine_code",
    "the step": "fastatari.engine.machine_code",
    "the picture kernels": "fastatari.preprocessing.machine_code",
}


class Part(NamedTuple):
    """A piece of compiled code.

    Attributes:
        name (str): what it is.
        path (str, optional): its file; None if it could not be written.
        is_new (bool): whether it was compiled now; if not, it was there.
    """

    name: str
    path: str | None
    is_new: bool


def run(cpu: str = "host", output: Path | None = None) -> int:
    """Compile all that is not on disk yet, and say where it is.

    Args:
        cpu (str): "host" for this machine, "generic" for any of its kind, or a level of x86-64 such as "x86-64-v3".
        output (Path, optional): the folder for the files, used instead of ``FASTATARI_CACHE_DIR``.

    Returns:
        int: the exit status, 0.

    Raises:
        CommandError: something could not be compiled or kept; what could is printed.
    """
    if output is None:
        return _run(cpu)
    before = os.environ.get("FASTATARI_CACHE_DIR")
    os.environ["FASTATARI_CACHE_DIR"] = str(output.absolute())
    try:
        return _run(cpu)
    finally:
        del os.environ["FASTATARI_CACHE_DIR"]
        if before is not None:
            os.environ["FASTATARI_CACHE_DIR"] = before


def _run(cpu: str) -> int:
    started = time.perf_counter()
    parts: list[Part] = []
    try:
        progress = _show_progress(f"compiling for {_describe(cpu)}", len(_PARTS))
        with progress as advance, no_notice(), _warnings_in_words():
            for part in _compile(cpu):
                # From a folder that was once the second best.
                parts.append(part._replace(path=part.path and str(cache.bring(Path(part.path)))))
                advance(part)
    except (ValueError, OSError, RuntimeError, ImportError) as error:  # numba can fail to load
        raise CommandError(str(error)) from error
    finally:
        # What was compiled is on disk, whatever came afterwards.
        for part in parts:
            print(f"{part.name}: {part.path or 'not kept'} ({'compiled now' if part.is_new else 'was there'})")
    seconds = time.perf_counter() - started
    print(f"{sum(part.is_new for part in parts)} of {len(parts)} compiled for {_describe(cpu)} in {seconds:.1f} s")
    _judge(parts, cpu)
    return 0


def _judge(parts: list[Part], cpu: str) -> None:
    """Say how the files are used.

    Raises:
        CommandError: they are not where they should be.
    """
    if any(part.path is None for part in parts):
        raise CommandError("compiled code could not be written to any folder; name one with --output")
    chosen = os.environ.get("FASTATARI_CACHE_DIR")
    if chosen:
        folder = Path(chosen).expanduser().absolute()
        if not all(folder in Path(part.path or "").parents for part in parts):
            raise CommandError(f"compiled code could not be written to {str(folder)!r}")
        print(f"where it is to be used, set FASTATARI_CACHE_DIR={folder}")
    if cpu not in {"host", "generic"}:
        print(f"where it is to be used, set FASTATARI_CPU={cpu}")


def _compile(cpu: str) -> Iterator[Part]:
    """Compile all parts."""
    for name, module in _PARTS.items():
        code: Any = importlib.import_module(module)
        prepared = code.prepare(cpu)
        yield Part(name, prepared.path and str(prepared.path), prepared.compiled)


@contextlib.contextmanager
def _warnings_in_words() -> Iterator[None]:
    """Write the cache's warnings as the command's own."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", RuntimeWarning)
        yield
    for text in dict.fromkeys(str(warning.message) for warning in caught):
        print_warning("compile", text)


@contextlib.contextmanager
def _show_progress(text: str, total: int) -> Iterator[Callable[[Part], None]]:
    """Show a progress bar, or without `rich`, which comes with the extra `demo`, a line for what is done."""
    try:
        from rich.console import Console  # noqa: PLC0415

        from fastatari.cli.progress import make_progress  # noqa: PLC0415
    except ImportError:
        print(text, file=sys.stderr, flush=True)
        yield lambda part: print(f"done: {part.name}", file=sys.stderr, flush=True)
        return
    with make_progress(Console(stderr=True), text, transient=True) as progress:
        task = progress.add_task("", total=total)
        yield lambda _: progress.advance(task)


def _describe(cpu: str) -> str:
    return {"host": "this machine", "generic": "any machine of this kind"}.get(cpu, cpu)
