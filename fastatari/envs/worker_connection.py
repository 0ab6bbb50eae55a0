"""`WorkerConnection`: the caller's end of the pipe to a worker process."""

import copy
import functools
import multiprocessing
import os
import select
import struct
import weakref
from collections import deque
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import Any, NoReturn, Self

import numpy as np

from fastatari.checks import to_float, to_int
from fastatari.envs import worker_server
from fastatari.envs.worker_server import REPLY, REQUEST, SLOT_NUM, EpisodeInfo
from fastatari.errors import InvalidAction, WorkerDiedError, WorkerError, make_closed_error, make_no_call_error

# How long a dying process may take to leave its exit code, in seconds.
_EXIT_SECONDS = 0.5

# What `select.poll` can wait, in seconds, rounded: its milliseconds are a C int.
_MAX_SECONDS = 1_000_000


class WorkerConnection:
    """The caller's end of the pipe to a worker: a `multiprocessing.connection.Connection` as far as callers use one.

    Requests are answered in their order. A worker has at most two requests to answer: a third `send` first receives the
    oldest reply and keeps it for `recv`, so a caller that never receives keeps all replies in its memory. A connection
    is not to be shared between threads.
    """

    def __init__(
        self, connection: "Connection[Any, Any]", process: BaseProcess, memory: Any, dtype: np.dtype[Any]
    ) -> None:
        self._connection = connection
        self._descriptor = connection.fileno()
        os.set_blocking(self._descriptor, False)
        self._process = process
        self._caller_pid = os.getpid()
        self._slots = worker_server.view_slots(memory)
        self._dtype = dtype
        # The replies that were received, exceptions among them. Of each request after these, the slot that it uses, or
        # what is wrong with it.
        self._replies: deque[Any] = deque()
        self._pending: deque[int | Exception] = deque()
        self._next_slot = 0
        self._is_closing = False
        self._has_answered = False
        self._failure: Exception | None = None
        _connections.add(self)

    def send(self, message: object) -> None:
        """Send a request, whose reply `recv` returns: ``("step", action)``, ``("reset", None)`` or ``("close", None)``.

        A close has no reply. The reply to any other message is an exception.

        Raises:
            WorkerDiedError: the worker process is gone.
            WorkerError: an exception interrupted an earlier message, and the worker was ended.
            gymnasium.error.ClosedEnvironmentError: a close was sent before, or this end is closed.
        """
        self._check_usable()
        if self._is_closing:
            raise make_closed_error("Worker")
        slot = self._next_slot
        request = _pack_request(message, slot)
        is_close = request == worker_server.CLOSE_REQUEST
        while len(self._pending) == SLOT_NUM and not is_close:
            self._receive()
        if isinstance(request, Exception):
            self._pending.append(request)
            return
        try:
            os.write(self._descriptor, request)
            if is_close:
                self._is_closing = True
            else:
                self._pending.append(slot)
                self._next_slot = (slot + 1) % SLOT_NUM
        except ConnectionError:
            raise self._note_death() from None
        except BaseException:
            self._end_after_interrupt()
            raise

    def recv(self) -> Any:
        """Wait for the reply to the oldest request that has none yet, and return it.

        Returns:
            What `Game.step` or `Game.reset` returned in the worker; the observation is a fresh array.

        Raises:
            Exception: what is wrong with the request; or what it raised in the worker, with a note that names the
                worker's pid, and the worker's traceback as its cause, as a `WorkerError` if it cannot be pickled. The
                worker goes on.
            WorkerDiedError, WorkerError: as `send` raises them.
            gymnasium.error.NoAsyncCallError: every request has been answered.
            gymnasium.error.ClosedEnvironmentError: the same, after a close; or this end is closed.
        """
        if not self._replies:
            self._receive()
        # Taken and returned in one line, because an interrupt between two lines would lose the reply.
        if isinstance(self._replies[0], BaseException):
            raise self._replies.popleft()
        return self._replies.popleft()

    def poll(self, timeout: float | None = 0.0) -> bool:
        """Return whether `recv` would not wait, after at most `timeout` seconds; None waits for ever.

        Raises:
            TypeError, ValueError: `timeout` is not a number, or negative, or above 1,000,000.
            Exception: what `send` raises, except that a sent close is no error.
        """
        seconds = None if timeout is None else check_timeout(timeout)
        if self._has_reply:
            return True
        self._check_usable()
        return bool(self._poller.poll(None if seconds is None else 1000 * seconds))

    def fileno(self) -> int:
        """Return a descriptor that is readable if `recv` would not wait, for `multiprocessing.connection.wait`.

        It is not always the same, because a reply may be in this process already.
        """
        if self._has_reply:
            return self._always_readable.fileno()
        self._check_usable()
        return self._descriptor

    def close(self) -> None:
        """Close this end of the pipe. The worker finishes what it is doing and ends."""
        self._connection.close()

    def end_process(self, timeout: float) -> None:
        """Close this end, and end the process by force after `timeout` seconds. May be called again."""
        self.close()
        if self._caller_pid == os.getpid() and self._process.pid is not None:
            self._process.join(timeout)
            if self._process.exitcode is None:
                self._process.kill()
                self._process.join()

    @property
    def closed(self) -> bool:
        """Whether this end of the pipe is closed."""
        return self._connection.closed

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __reduce__(self) -> NoReturn:
        raise TypeError("the connection of a `Worker` cannot be pickled or copied: its process belongs to this one")

    @property
    def _has_reply(self) -> bool:
        """Whether what `recv` would return or raise is in this process already."""
        return bool(self._replies or (self._pending and isinstance(self._pending[0], Exception)))

    @functools.cached_property
    def _always_readable(self) -> "Connection[Any, Any]":
        """One end of a pipe whose other end is closed."""
        reader, writer = multiprocessing.Pipe(duplex=False)
        writer.close()
        return reader

    @functools.cached_property
    def _poller(self) -> "select.poll":
        """It sees replies and the end of the process, because another process may hold the worker's end of the pipe."""
        poller = select.poll()
        poller.register(self._descriptor, select.POLLIN)
        poller.register(self._process.sentinel, select.POLLIN)
        return poller

    @property
    def _pid(self) -> int:
        return self._process.pid or 0

    def _check_usable(self) -> None:
        if self._failure:
            raise copy.copy(self._failure)
        if self._connection.closed:
            raise make_closed_error("Worker")

    def _receive(self) -> None:
        """Wait for the reply to the oldest pending request, and put it into the queue of replies."""
        self._check_usable()
        if not self._pending:
            if self._is_closing:
                raise make_closed_error("Worker")
            raise make_no_call_error()
        first = self._pending[0]
        if not isinstance(first, Exception):
            self._poller.poll()  # an interrupt of this wait does no harm
        try:
            self._replies.append(first if isinstance(first, Exception) else self._read_reply(first))
            self._pending.popleft()
        except (EOFError, ConnectionError, BlockingIOError):  # the last if the process ended and its pipe is still open
            raise self._note_death() from None
        except BaseException:
            self._end_after_interrupt()
            raise

    def _read_reply(self, slot: int) -> Any:
        """Read a reply, and return what it stands for; an exception is returned, not raised."""
        kind, done, reward, total, length = REPLY.unpack(worker_server.read_message(self._descriptor, REPLY.size))
        self._has_answered = True
        if kind == worker_server.FAILURE:
            return worker_server.unpack_failure(self._slots[slot], self._pid)
        observation = self._slots[slot].astype(self._dtype)
        if kind == worker_server.RESET:
            return observation
        return observation, reward, done, EpisodeInfo(reward=total, length=length) if done else None

    def _note_death(self) -> WorkerDiedError:
        """Note that the process is gone, and return the error that says so."""
        self._process.join(_EXIT_SECONDS)
        death = WorkerDiedError(self._pid, self._process.exitcode)
        if death.exitcode == 1 and not self._has_answered:
            death.add_note(
                "Unless it is forked, a worker imports the program's main module as it starts: what that does beyond "
                "definitions belongs behind `if __name__ == '__main__':`."
            )
        self._fail(copy.copy(death))
        return death

    def _end_after_interrupt(self) -> None:
        """End the worker, because an exception, such as that of a signal handler, came in the middle of a message."""
        text = (
            f"an exception interrupted a message to or from worker process {self._pid}, so its replies may not match "
            "the requests any more; make a new `Worker`"
        )
        self._fail(WorkerError(text, self._pid))
        self._connection.close()

    def _close_after_fork(self) -> None:
        """Close a forked process's copy of this end, because a worker ends when the last copy is closed."""
        self._connection.close()
        self._replies.clear()
        text = f"worker process {self._pid} belongs to process {self._caller_pid}; a forked process cannot use it"
        self._fail(RuntimeError(text))

    def _fail(self, failure: Exception) -> None:
        """Let all calls from now on raise copies of `failure`, because the worker is of no more use.

        Raised exceptions refer to the frames that they passed, and so to the `Worker`, which would not be collected.
        """
        self._failure = failure
        self._pending.clear()


def check_timeout(timeout: Any) -> float:
    """Return a number of seconds from 0 to 1,000,000 as a float.

    Raises:
        TypeError, ValueError: `timeout` is no such number.
    """
    seconds = to_float("timeout", timeout)
    if not 0 <= seconds <= _MAX_SECONDS:
        raise ValueError(f"`timeout` must be from 0 to {_MAX_SECONDS} seconds, got {timeout!r}")
    return seconds


def _pack_request(message: object, slot: int) -> bytes | Exception:
    """Return the request that a message stands for, or the exception that is the reply to a wrong one."""
    match message:
        case ("step", action):
            try:
                return REQUEST.pack(worker_server.STEP, slot, to_int("action", action))
            except TypeError as error:
                return error
            except struct.error:  # more than 64 bits
                return InvalidAction(f"action {action} is no index of an action")
        case ("reset", _):
            return REQUEST.pack(worker_server.RESET, slot, 0)
        case ("close", _):
            return worker_server.CLOSE_REQUEST
    return worker_server.wrong_request(message)


_connections: "weakref.WeakSet[WorkerConnection]" = weakref.WeakSet()


def _close_all_after_fork() -> None:
    for connection in _connections:
        connection._close_after_fork()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_close_all_after_fork)
