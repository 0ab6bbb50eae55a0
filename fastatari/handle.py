"""`WorkerHandle`: a worker process, as its caller sees it."""

import contextlib
import copy
import multiprocessing
import os
import select
import signal
import threading
import time
import warnings
import weakref
from collections import deque
from collections.abc import Iterator, Sequence
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection
from multiprocessing.context import BaseContext
from multiprocessing.process import BaseProcess
from typing import Any, NamedTuple

from fastatari import protocol
from fastatari.area import MAX_SIDE
from fastatari.crew import CrewRules, Description, Final
from fastatari.engine import make_stack
from fastatari.errors import WorkerDiedError, WorkerError, WorkerTimeoutError
from fastatari.failure import Failure
from fastatari.rules import AtariRules
from fastatari.shared import Layout
from fastatari.worker import Assignment, run_worker

# How long a worker may take to end by itself, in seconds.
GRACE = 1.0

# How long a dying process may take to leave its exit code, in seconds.
_DEATH = 0.5

# Signals of which a worker has to hear itself, whatever its caller does with them.
_OWN_SIGNALS = {signal.SIGCHLD, signal.SIGSEGV, signal.SIGBUS, signal.SIGFPE, signal.SIGILL, signal.SIGABRT}


class Reply(NamedTuple):
    """What a worker answered.

    Attributes:
        indices (Sequence[int]): the environments that played a step, or would have played if it had not failed.
        is_plain (bool): whether these are rows of kind `STEP`.
        finals (list[Final]): of these, what was replaced by resets.
        result (Any): what a call returned.
        error (BaseException | None): what it raised instead.
    """

    indices: Sequence[int] = ()
    is_plain: bool = True
    finals: Sequence[Final] = ()
    result: Any = None
    error: BaseException | None = None


class WorkerHandle:
    """A worker process and the caller's end of its pipe. Requests are answered in their order.

    Args:
        context (BaseContext): how the process is started.
        index (int | None): the worker's index in its pool.
        crew_rules (CrewRules): what its environments play.
        first (int): the index of the first of them in the pool.
        seeds (Sequence[int | None]): as for `Crew`; one for each of them.
        layout (Layout): of the shared memory.
        memory (RawArray): that memory.
        group (int): after how many environments it answers.
        looks_out (bool): whether it may use a core to wait.
        announces (bool): whether it tells that it is there before it is asked.
        timeout (float | None): how many seconds it may take for a request, or to go on in the middle of a message.
        start_timeout (float | None): the same, until it is started.

    Attributes:
        index (int | None): the worker's index.
        pid (int): its process id.
        process (multiprocessing.Process): the process, a daemon.
        environments (range): its environments, by their indices in the pool.
        is_started (bool): whether its environments are there, if it announces that.
        description (Description | None): then, what their game is.
        loaded (int): how many of its environments there are.
        owed (deque[Sequence[int] | None]): of each request that it has not answered, the environments that have not
            played yet; None for a call.
        failure (BaseException | None): why it is of no more use; to be raised as a copy, for a raised one refers to all
            variables that there were, and so to the worker itself.
        since (float): since when it owes something without a sign of life, by `time.monotonic`.
        is_suspect (bool): whether it has been late since then.

    Raises:
        OSError: the process cannot be started.
    """

    def __init__(
        self,
        context: BaseContext,
        index: int | None,
        crew_rules: CrewRules,
        first: int,
        seeds: Sequence[int | None],
        layout: Layout,
        memory: Any,
        *,
        group: int,
        looks_out: bool,
        announces: bool,
        timeout: float | None = None,
        start_timeout: float | None = None,
    ) -> None:
        self.index = index
        self.pid = 0
        self.is_started = not announces
        self._has_spoken = False
        self.environments = range(first, first + len(seeds))
        self.description: Description | None = None
        self.loaded = 0
        self.owed: deque[Sequence[int] | None] = deque()
        self.failure: BaseException | None = None
        self.since = time.monotonic()
        self.is_suspect = False
        self._timeouts = start_timeout, timeout
        self._owner = os.getpid()
        self._start_method = context.get_start_method()
        # What most requests and replies are.
        self._step_requests = [protocol.pack_step(slot, ()) for slot in range(layout.slot_num)]
        self._step_reply = protocol.pack_reply(protocol.STEP, count=len(seeds))
        self._step_answer = Reply(self.environments)
        connection, remote = context.Pipe()
        self._connection: Connection[Any, Any] = connection
        _handles.add(self)
        assignment = Assignment(
            crew_rules,
            first,
            tuple(seeds),
            layout,
            memory,
            group,
            looks_out,
            announces,
            _list_handled_signals(),
            self._start_method == "forkserver",
            _find_parent(context),
        )
        self.process: BaseProcess = context.Process(  # type: ignore[attr-defined]
            target=run_worker, args=(remote, assignment), daemon=True
        )
        try:
            with _sigint_blocked(context):
                self.process.start()
        except BaseException:
            connection.close()
            raise
        finally:
            remote.close()
        assert self.process.pid is not None
        self.pid = self.process.pid
        # With the process, because a worker whose connection is gone may still be writing.
        self.process.memory = memory
        self._descriptor = connection.fileno()
        os.set_blocking(self._descriptor, False)
        self.sentinel = self.process.sentinel
        # Made once; `multiprocessing.connection.wait` makes a selector a call, for 20 us.
        self._poller = select.poll()
        self._poller.register(self._descriptor, select.POLLIN)
        self._poller.register(self.sentinel, select.POLLIN)

    def fileno(self) -> int:
        """Return the descriptor that is readable when a reply is there."""
        return self._descriptor

    @property
    def timeout(self) -> float | None:
        """How many seconds it may take now."""
        return self._timeouts[self.is_started]

    def request_step(self, slot: int, indices: Sequence[int]) -> None:
        """Ask for a step.

        Args:
            slot (int): the slot with the actions, for the results.
            indices (Sequence[int]): which environments, by their indices in the pool; all of the worker's if that is
                `environments`.

        Raises:
            WorkerDiedError: the process is gone.
            WorkerTimeoutError: it does not read, and is of no more use.
        """
        if indices is self.environments:
            request = self._step_requests[slot]
        else:
            request = protocol.pack_step(slot, [index - self.environments.start for index in indices])
        self._request(request, indices)

    def request_call(self, name: str, *arguments: Any) -> None:
        """Ask for a call of a method of `Crew`.

        Raises:
            WorkerDiedError, WorkerTimeoutError: as for `request_step`.
        """
        self._request(protocol.pack_call(name, *arguments), None)

    def request_close(self) -> None:
        """Ask the worker to end after all that it was asked for before.

        Raises:
            WorkerDiedError, WorkerTimeoutError: as for `request_step`.
        """
        self._write(protocol.pack_close())

    def wait(self, timeout: float | None) -> bool:
        """Return whether there is a reply, or never will be, after at most so many seconds; None waits for ever."""
        return bool(self._poller.poll(None if timeout is None else max(0, 1000 * timeout)))

    def receive(self) -> Reply:
        """Wait for a reply, and return it.

        Raises:
            WorkerDiedError: the process is gone, and so is all that it owes.
            WorkerTimeoutError: the process did not go on in the middle of one, and is of no more use.
        """
        try:
            head = protocol.read(self._descriptor, protocol.HEAD_SIZE, self._wait_for_more)
            self.since, self.is_suspect, self._has_spoken = time.monotonic(), False, True
            if head == self._step_reply and self.owed[0] is self.environments:
                self.owed.popleft()
                return self._step_answer
            return self._take(*protocol.read_reply(head, self._descriptor, self._wait_for_more))
        except (EOFError, ConnectionError):
            raise self.die() from None
        except WorkerTimeoutError:
            raise
        except BaseException:
            self.cut_off()
            raise

    def kill(self) -> WorkerDiedError:
        """End the process at once, and return the error that says so."""
        self.process.kill()
        self.process.join()
        return self.die()

    def die(self) -> WorkerDiedError:
        """Note that the process is gone, and return the error that says so."""
        self.process.join(_DEATH)
        death = WorkerDiedError(self.index, self.pid, self.process.exitcode)
        if not self._has_spoken and death.exitcode == 1 and self._start_method != "fork":
            death.add_note(
                "Its program's main module is imported in each worker: what it does beyond definitions belongs behind "
                "`if __name__ == '__main__':`."
            )
        self.failure = copy.copy(death)
        return death

    def join(self, timeout: float) -> None:
        """Wait for the process to end, and let it end by force after so many seconds. A forked process cannot."""
        if self._owner == os.getpid():
            self.process.join(timeout)
            if self.process.exitcode is None:
                self.kill()

    def disown(self) -> None:
        """Let this process, which was forked from the one that started the worker, have no part in it.

        A worker ends when the last copy of its caller's end is closed, so one that lived on in another worker would
        make both outlive their caller.
        """
        self._connection.close()
        self.failure = RuntimeError(
            f"worker process {self.pid} belongs to process {self._owner}; a forked process cannot use it"
        )

    def cut_off(self) -> None:
        """End the worker after an exception, as of a signal handler, in the middle of a message."""
        who = "worker process" if self.index is None else f"worker {self.index}, process"
        self.failure = WorkerError(f"an interrupt cut off a message to or from {who} {self.pid}", self.index, self.pid)
        self._connection.close()

    def close(self) -> None:
        """Close the pipe. The worker finishes what it is doing and ends."""
        self._connection.close()

    @property
    def is_closed(self) -> bool:
        """Whether the pipe is closed."""
        return self._connection.closed

    def _request(self, request: bytes, indices: Sequence[int] | None) -> None:
        if not self.owed:
            self.since = time.monotonic()
        self.owed.append(indices)
        self._write(request)

    def _write(self, data: bytes) -> None:
        try:
            protocol.write(self._descriptor, data, self._wait_for_room)
        except (EOFError, ConnectionError):
            raise self.die() from None
        except WorkerTimeoutError:
            raise
        except BaseException:
            self.cut_off()
            raise

    def _take(self, kind: bytes, is_plain: bool, count: int, content: Any) -> Reply:
        """Strike what a reply answers from what is owed."""
        match kind:
            case protocol.PROGRESS:
                self.loaded = count
                return Reply()
            case protocol.FAILURE:
                failure: Failure = content
                error = failure.unpack(self.index, self.pid)
                return Reply((self.is_started and self.owed.popleft()) or (), error=error)
            case protocol.CALL if not self.is_started:
                self.description, self.is_started = content, True
                return Reply()
            case protocol.CALL:
                self.owed.popleft()
                return Reply(result=content)
        indices = self.owed.popleft()
        assert indices is not None
        if count < len(indices):
            self.owed.appendleft(indices[count:])
        return Reply(indices[:count], is_plain, content or ())

    def _wait_for_more(self) -> None:
        self._wait(self._poller)

    def _wait_for_room(self) -> None:
        poller = select.poll()
        poller.register(self._descriptor, select.POLLOUT)
        poller.register(self.sentinel, select.POLLIN)
        self._wait(poller)

    def _wait(self, poller: select.poll) -> None:
        seconds = self.timeout
        ready = poller.poll(None if seconds is None else 1000 * seconds)
        if not ready:
            late = WorkerTimeoutError(self.index, self.pid, seconds or 0)
            self.failure = copy.copy(late)
            raise late
        # A worker that died is seen even if another process holds its end of the pipe open.
        if all(descriptor != self._descriptor for descriptor, _ in ready):
            raise EOFError


def end_workers(handles: Sequence[WorkerHandle], timeout: float) -> None:
    """End workers, by force those that take longer than so many seconds. May be called again."""
    deadline = time.monotonic() + timeout
    for handle in handles:
        handle.close()
    for handle in handles:
        handle.join(max(0, deadline - time.monotonic()))


def check_context(context: str | BaseContext | None, rules: AtariRules, name: str, alternative: str) -> BaseContext:
    """Return the context of a start method, if this process may start others, and make ready for that.

    Args:
        context (str | BaseContext | None): the start method, or a context; None for the one of `multiprocessing`.
        rules (AtariRules): by which workers will play.
        name (str): what is to be started, for errors.
        alternative (str): what does without.

    Raises:
        ValueError: there is no such start method.
        RuntimeError: this is a daemonic process, which may not have processes of its own.
    """
    if not isinstance(context, BaseContext):
        context = multiprocessing.get_context(context)
    if multiprocessing.current_process().daemon:
        raise RuntimeError(
            f"a daemonic process may not start {name}; use {alternative}, or make the process non-daemonic"
        )
    thread_num = threading.active_count()
    if thread_num > 1 and context.get_start_method() == "fork":
        warnings.warn(
            f"this process has {thread_num} threads, and forks: a lock that one of them holds would stay locked in the "
            "worker for ever; `context='forkserver'` does not have that danger",
            RuntimeWarning,
            stacklevel=3,
        )
    # So that the kernels are compiled before the processes start, not in each of them.
    make_stack(rules, (MAX_SIDE, MAX_SIDE), "ntsc")
    return context


def _list_handled_signals() -> tuple[int, ...]:
    """Return the signals that this process does not leave to their default."""
    numbers = signal.valid_signals() - _OWN_SIGNALS - {signal.SIGKILL, signal.SIGSTOP}
    return tuple(sorted(number for number in numbers if callable(signal.getsignal(number))))


def _find_parent(context: BaseContext) -> int | None:
    """Return the process with which a worker dies at once: not where that is the fork server, or would be a thread."""
    is_main = threading.current_thread() is threading.main_thread()
    return os.getpid() if is_main and context.get_start_method() != "forkserver" else None


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


_handles: "weakref.WeakSet[WorkerHandle]" = weakref.WeakSet()


def _disown_all() -> None:
    for handle in _handles:
        handle.disown()


os.register_at_fork(after_in_child=_disown_all)
