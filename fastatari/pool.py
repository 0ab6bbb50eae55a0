"""The caller's side: `Worker` starts a worker process and carries requests and replies."""

import contextlib
import math
import multiprocessing
import os
import select
import signal
import weakref
from collections import deque
from collections.abc import Iterator, Sequence
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection
from multiprocessing.context import BaseContext
from multiprocessing.process import BaseProcess
from typing import Any, NoReturn, Self

import gymnasium.error
import numpy as np
import numpy.typing as npt

from fastatari import protocol
from fastatari.checks import check_choice, check_dtype, check_integer
from fastatari.console import START_STATES, StartStates, find_rom
from fastatari.errors import WorkerDiedError, WorkerError
from fastatari.frames import FrameStack
from fastatari.game import OBSERVATION_SHAPE
from fastatari.ring import PlaneRing
from fastatari.worker import worker_process

STACK_NUM, SIZE = OBSERVATION_SHAPE[0], OBSERVATION_SHAPE[1:]

# How long a dying process may take to leave its exit code, in seconds.
_DEATH = 0.5


class WorkerConnection:
    """The caller's end of the pipe to a worker: a `multiprocessing.connection.Connection` as far as callers use one.

    Requests are answered in their order. A worker owes at most two replies: a third `send` first takes in the oldest,
    to keep it for `recv`, so a caller that never receives keeps them all in its memory. Not to be shared between
    threads.
    """

    def __init__(
        self, connection: "Connection[Any, Any]", block: Sequence[int], process: BaseProcess, dtype: np.dtype[Any]
    ) -> None:
        assert process.pid is not None
        self._connection = connection
        self._descriptor = connection.fileno()
        self._slots = protocol.view_slots(block, SIZE)
        self._ring = PlaneRing(np.zeros((2 * STACK_NUM, *SIZE), np.uint8), np.zeros(1, np.int64))
        self._process = process
        self._pid = process.pid
        self._owner = os.getpid()
        self._dtype = dtype
        self._sent = 0
        self._owed = 0
        self._kept: deque[Any] = deque()
        self._is_closing = False
        self._failure: WorkerError | None = None
        # Made once; `multiprocessing.connection.wait` makes a selector a call, for 20 us.
        self._poller = select.poll()
        self._poller.register(connection, select.POLLIN)
        self._poller.register(process.sentinel, select.POLLIN)

    def send(self, message: object) -> None:
        """Send a request, whose reply `recv` returns: ``("step", action)``, ``("reset", None)`` or ``("close", None)``.

        A close has no reply, and any other message is answered by an error.

        Raises:
            WorkerDiedError: the worker process is gone.
            gymnasium.error.ClosedEnvironmentError: a close was sent before, or this end is closed.
        """
        if self._is_closing:
            raise gymnasium.error.ClosedEnvironmentError("Trying to operate on `Worker`, after a call to `close()`.")
        self._check_open()
        request = protocol.encode_request(message, self._sent % protocol.SLOT_NUM)
        has_reply = request != protocol.CLOSE
        while has_reply and self._owed == protocol.SLOT_NUM:
            self._kept.append(self._receive())
        try:
            protocol.write(self._descriptor, request)
            self._sent += has_reply
            self._owed += has_reply
            self._is_closing = not has_reply
        except ConnectionError:
            raise self._die() from None
        except BaseException:
            self._cut_off()
            raise

    def recv(self) -> Any:
        """Wait for the reply to the oldest request that has none yet, and return it.

        Returns:
            What `Game.step` or `Game.reset` returned in the worker; the observation is a fresh array.

        Raises:
            Exception: what the request raised in the worker, with a note that names the worker's pid, and the worker's
                traceback as its cause; a `WorkerError` if it could not be pickled. The worker goes on.
            WorkerDiedError: the worker process is gone, and so is its reply.
            gymnasium.error.NoAsyncCallError: every request has been answered.
            gymnasium.error.ClosedEnvironmentError: the same, after a close; or this end is closed.
        """
        result = self._kept.popleft() if self._kept else self._receive()
        if isinstance(result, BaseException):
            raise result
        return result

    def poll(self, timeout: float | None = 0.0) -> bool:
        """Return whether `recv` would not wait, after at most `timeout` seconds; None waits for ever."""
        if self._kept:
            return True
        self._check_open()
        return bool(self._poller.poll(None if timeout is None else max(0, 1000 * timeout)))

    def fileno(self) -> int:
        """Return the descriptor that is readable when a reply is there, for `multiprocessing.connection.wait`."""
        self._check_open()
        return self._connection.fileno()

    def close(self) -> None:
        """Close this end of the pipe. The worker finishes what it is doing and ends."""
        self._connection.close()

    @property
    def closed(self) -> bool:
        """Whether this end of the pipe is closed."""
        return self._connection.closed

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _receive(self) -> Any:
        """Take the next reply off the pipe and return what it stands for; an exception is returned, not raised."""
        self._check_open()
        if not self._owed:
            if self._is_closing:
                raise gymnasium.error.ClosedEnvironmentError(
                    "Trying to operate on `Worker`, after a call to `close()`."
                )
            raise gymnasium.error.NoAsyncCallError("Calling `recv` without any prior call to `send`.", "recv")
        # A worker that died without a reply is seen even if another process holds its end of the pipe open.
        if not any(ready == self._descriptor for ready, _ in self._poller.poll()):
            raise self._die()
        slot = self._slots[(self._sent - self._owed) % protocol.SLOT_NUM]
        try:
            reply = protocol.receive_reply(self._descriptor, slot, self._ring, self._pid)
            self._owed -= 1
        except (EOFError, ConnectionError):
            raise self._die() from None
        except BaseException:
            self._cut_off()
            raise
        if isinstance(reply, BaseException):
            return reply
        observation = self._ring.stack.astype(self._dtype)
        return observation if reply is None else (observation, *reply)

    def _check_open(self) -> None:
        if self._failure:
            raise self._failure
        if not self._connection.closed:
            return
        if os.getpid() != self._owner:
            raise RuntimeError(f"this `Worker` belongs to process {self._owner}; a forked process cannot use it")
        raise gymnasium.error.ClosedEnvironmentError("Trying to operate on `Worker`, after a call to `close()`.")

    def _die(self) -> WorkerDiedError:
        """Note that the worker is dead, and return the error that says so."""
        self._process.join(_DEATH)
        death = WorkerDiedError(self._pid, self._process.exitcode)
        self._failure = death
        return death

    def _cut_off(self) -> None:
        """End the worker after an exception of a signal handler in the middle of a message."""
        self._failure = WorkerError(f"an interrupt cut off a message to or from worker process {self._pid}", self._pid)
        self._connection.close()


class Worker:
    """A `Game` in a process of its own, as in labml's ``labml_nn/rl/game.py``.

    What a caller can rely on:

    1. Observations, rewards, flags and infos are those of `Game`, whatever the start method.
    2. A request that fails leaves the worker as it was; the exception is raised by `recv`.
    3. A worker that dies makes `send` and `recv` raise `WorkerDiedError` within a second, also one that is waiting.
    4. A worker ends when its caller's process ends, however that happens, and leaves nothing in ``/dev/shm``.
    5. Ctrl-C interrupts the caller only.

    Args:
        seed (int): as for `Game`.
        game (str): as for `Game`.
        dtype (numpy.dtype): as for `Game`.
        start_states ("saved" | "true"): as for `Game`.
        context (str | multiprocessing.context.BaseContext, optional): the start method, ``"fork"``, ``"forkserver"`` or
            ``"spawn"``; by default the one that `multiprocessing` would use.

    Attributes:
        child (WorkerConnection): the caller's end of the pipe: ``send(("step", action))``, then ``recv()``.
        process (multiprocessing.Process): the worker process; a daemon.

    Raises:
        TypeError, ValueError, OSError: as for `Game`, before a process is started; or `context` is unknown.
        RuntimeError: this is a daemonic process, which may not have processes of its own.
    """

    def __init__(
        self,
        seed: int,
        *,
        game: str = "breakout",
        dtype: npt.DTypeLike = np.uint8,
        start_states: StartStates = "saved",
        context: str | BaseContext | None = None,
    ) -> None:
        self._owner = os.getpid()
        seed = check_integer("seed", seed, least=0)
        find_rom(game)
        checked_dtype = check_dtype(dtype)
        check_choice("start_states", start_states, START_STATES)
        if not isinstance(context, BaseContext):
            context = multiprocessing.get_context(context)
        if multiprocessing.current_process().daemon:
            raise RuntimeError(
                "a daemonic process may not start a `Worker`; use `Game`, or make the process non-daemonic"
            )
        FrameStack()  # so that the kernels are compiled before the process starts, not in every process

        connection, remote = context.Pipe()
        _connections.add(connection)
        block = context.RawArray("B", protocol.SLOT_NUM * math.prod(SIZE))
        end = protocol.WorkerEnd(remote, block, SIZE)
        self.process: BaseProcess = context.Process(  # type: ignore[attr-defined]
            target=worker_process, args=(end, seed), kwargs={"game": game, "start_states": start_states}, daemon=True
        )
        try:
            with _sigint_blocked(context):
                self.process.start()
        except BaseException:
            connection.close()
            raise
        finally:
            remote.close()
        # With the process, because a worker whose connection is gone may still be writing.
        self.process.block = block
        self.child = WorkerConnection(connection, block, self.process, checked_dtype)

    def __reduce__(self) -> NoReturn:
        raise TypeError("a `Worker` cannot be pickled or copied: its process belongs to this one")

    def close(self, timeout: float = 1.0) -> None:
        """End the worker, by force after `timeout` seconds. May be called again."""
        self.child.close()
        if self._owner != os.getpid():
            return  # a forked process closes its copy only
        self.process.join(timeout)
        for end in (self.process.terminate, self.process.kill):
            if self.process.exitcode is None:
                end()
                self.process.join(timeout)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


@contextlib.contextmanager
def _sigint_blocked(context: BaseContext) -> Iterator[None]:
    """Start a process with SIGINT blocked, so that Ctrl-C does not interrupt its start before it ignores the signal.

    A fork server that was started before, by others, hands its own mask to its processes instead.
    """
    if context.get_start_method() != "fork":
        resource_tracker.ensure_running()  # its start would end by unblocking SIGINT
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


# The callers' ends of all pipes. A forked process has to close them: a worker ends when the last copy of its caller's
# end is closed, so one that lived on in another worker would make both outlive their caller.
_connections: "weakref.WeakSet[Connection[Any, Any]]" = weakref.WeakSet()


def _close_connections() -> None:
    for connection in _connections:
        connection.close()


os.register_at_fork(after_in_child=_close_connections)
