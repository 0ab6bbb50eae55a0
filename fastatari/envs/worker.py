"""`Worker`: labml's worker process, whose connection speaks labml's messages."""

import math
import multiprocessing
import os
import select
import signal
import threading
import warnings
from multiprocessing import resource_tracker, spawn, util
from multiprocessing.context import BaseContext
from multiprocessing.process import BaseProcess
from typing import NoReturn, Self

import numpy as np
import numpy.typing as npt

from fastatari.checks import check_dtype
from fastatari.engine.interface import ConsoleName
from fastatari.envs.worker_connection import WorkerConnection, check_timeout
from fastatari.envs.worker_server import OBSERVATION_SHAPE, SLOT_NUM, Game, run_worker, worker_process

__all__ = ["Worker", "WorkerConnection", "worker_process"]

# How long a worker may take to end by itself, in seconds.
_CLOSE_SECONDS = 1.0


class Worker:
    """A `Game` in a process of its own, as in labml's ``labml_nn/rl/game.py``. It needs a POSIX system.

    A caller can rely on these:

    1. Observations, rewards, flags and infos are those of `Game`, whatever the start method.
    2. A request that fails leaves the worker as it was; the exception is raised by `recv`.
    3. A worker that dies makes `send` and `recv` raise `WorkerDiedError` within a second, also one that is waiting.
    4. A worker ends when its caller's process ends, however that happens, and leaves nothing in ``/dev/shm``.
    5. Ctrl-C interrupts the caller only, and so does a signal that the caller handled when it made the worker.

    >>> with Worker(0) as worker:
    ...     worker.child.send(("reset", None))
    ...     observation = worker.child.recv()
    ...     worker.child.send(("step", 1))
    ...     observation, reward, done, info = worker.child.recv()
    >>> observation.shape, reward, done, info
    ((4, 84, 84), 0.0, False, None)

    Args:
        seed (int): the argument of `Game`.
        game (str): the argument of `Game`.
        dtype (numpy.dtype): the argument of `Game`.
        console ("fastatari" | "ale"): the argument of `Game`.
        context (str | multiprocessing.context.BaseContext, optional): the start method, ``"fork"``, ``"forkserver"`` or
            ``"spawn"``; by default the one that `multiprocessing` would use.

    Attributes:
        child (WorkerConnection): the caller's end of the pipe: ``send(("step", action))``, then ``recv()``.
        process (multiprocessing.Process): the worker process; a daemon.

    Raises:
        NotImplementedError: this is not a POSIX system.
        TypeError, ValueError, OSError: `Game` raises it, before a process is started; or `context` is unknown.
        RuntimeError: this is a daemonic process, which may not have processes of its own; or the worker cannot import
            the program, because it is in no file.
    """

    def __init__(
        self,
        seed: int,
        *,
        game: str = "breakout",
        dtype: npt.DTypeLike = np.uint8,
        console: ConsoleName = "fastatari",
        context: str | BaseContext | None = None,
    ) -> None:
        if not (hasattr(select, "poll") and hasattr(os, "register_at_fork")):
            raise NotImplementedError("a `Worker` needs a POSIX system, such as Linux or macOS; use `Game` instead")
        # This checks the arguments, and compiles what has to be compiled, before there is a process.
        Game(seed, game=game, dtype=dtype, console=console).close()
        context = _check_context(context)
        memory = context.RawArray("B", SLOT_NUM * math.prod(OBSERVATION_SHAPE))
        handled_signals = [number for number in signal.valid_signals() if callable(signal.getsignal(number))]
        # Not with another thread, which may end before the caller's process does.
        is_main = threading.current_thread() is threading.main_thread()
        ends_with_parent = is_main or context.get_start_method() == "forkserver"
        connection, remote = context.Pipe()
        self.process: BaseProcess = context.Process(  # type: ignore[attr-defined]
            target=run_worker,
            args=(remote, memory, handled_signals, ends_with_parent, seed, game, console),
            daemon=True,
        )
        self.child = WorkerConnection(connection, self.process, memory, check_dtype(dtype))
        # At exit this runs before `multiprocessing` sends its processes SIGTERM, which they may ignore, and waits.
        self._finalizer = util.Finalize(self, self.child.end_process, (_CLOSE_SECONDS,), exitpriority=0)
        # Otherwise Ctrl-C could interrupt the worker before it ignores the signal.
        mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            self.process.start()
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)
            remote.close()

    def close(self, timeout: float = _CLOSE_SECONDS) -> None:
        """End the worker, by force after `timeout` seconds. May be called again.

        Raises:
            TypeError, ValueError: `timeout` is not a number, or negative, or above 1,000,000.
        """
        self.child.end_process(check_timeout(timeout))
        self._finalizer.cancel()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __reduce__(self) -> NoReturn:
        raise TypeError("a `Worker` cannot be pickled or copied: its process belongs to this one")


def _check_context(context: str | BaseContext | None) -> BaseContext:
    """Return the context of a start method, if this process can start workers by it."""
    if not isinstance(context, BaseContext):
        context = multiprocessing.get_context(context)
    if multiprocessing.current_process().daemon:
        raise RuntimeError("a daemonic process may not start a `Worker`; use `Game`, or make the process non-daemonic")
    if context.get_start_method() != "fork":
        program = spawn.get_preparation_data("").get("init_main_from_path")
        if program is not None and not os.path.exists(program):
            raise RuntimeError(
                f"a worker imports the program, and there is no file {program!r}, such as where the program is read "
                "from standard input; save it in a file, or use `context='fork'`"
            )
        resource_tracker.ensure_running()  # otherwise it would start with the process, and unblock SIGINT
    elif (thread_num := threading.active_count()) > 1:
        warnings.warn(
            f"this process has {thread_num} threads, and forks: a lock that one of them holds would stay locked in the "
            "worker for ever; `context='forkserver'` does not have that danger",
            RuntimeWarning,
            stacklevel=3,
        )
    return context
