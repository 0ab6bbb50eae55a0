"""`Threads`: the threads that step environments, and the queue from which they take them."""

import contextlib
import ctypes
import os
import threading
import time
import warnings
import weakref
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from fastatari.console.inputs import PADDLE_STEP
from fastatari.engine import machine_code
from fastatari.engine.arrays import Arrays
from fastatari.engine.queue import THREAD_SIZE, Queue, Thread

# How long one who waits stays awake, in seconds. A thread that is parked takes as long to wake up, or longer.
AWAKE = 50e-6


def _address_of(name: str) -> int:
    return ctypes.cast(getattr(ctypes.pythonapi, name), ctypes.c_void_p).value or 0


ctypes.pythonapi.PyThread_allocate_lock.restype = ctypes.c_void_p


class _Lock:
    """A lock of Python's own that compiled code can use by its address; it is taken."""

    address: int = 0

    def __init__(self) -> None:
        self.address = ctypes.pythonapi.PyThread_allocate_lock()
        ctypes.pythonapi.PyThread_acquire_lock(ctypes.c_void_p(self.address), 1)

    def __del__(self) -> None:
        if self.address:
            ctypes.pythonapi.PyThread_free_lock(ctypes.c_void_p(self.address))


class Threads:
    """Threads that step the environments of an engine. They are started when there is something to do.

    Args:
        arrays (Arrays): the engine's.
        num_threads (int): how many threads; 0 for the caller alone.

    Attributes:
        queue (Queue): what the compiled functions know of it.
        address (int): where that is.
        indices (int64[n]): to be set before steps are asked for, from the beginning: the index of each action.
        strengths (int64[n]): the same: how far paddles move in a frame.
        actions (int64[n]): what each environment was asked for: ale-py's number of an action.
        units (int64[n]): the same: how far its paddles move in a frame.
        is_pending (bool[n]): which environments were asked, and the caller took no notice of them yet.
        scratch (int): the address of the caller's own memory.
    """

    def __init__(self, arrays: Arrays, num_threads: int) -> None:
        num_envs = len(arrays.environments)
        self._functions = machine_code.functions()
        self._num_threads = num_threads
        self._arrays = arrays
        self._memory = [arrays.make_scratch()]
        self.scratch: int = self._memory[0].ctypes.data
        size = 1 << max(num_envs - 1, 1).bit_length()
        self._requests = np.zeros(size, np.int64)
        self.indices, self.strengths = np.zeros(num_envs, np.int64), np.full(num_envs, PADDLE_STEP)
        self.actions, self.units = np.zeros(num_envs, np.int64), np.zeros(num_envs, np.int64)
        self.is_pending: npt.NDArray[np.bool_] = np.zeros(num_envs, np.bool_)
        self._outs = np.zeros(num_envs, np.int64)
        self._is_done = np.zeros(num_envs, np.uint8)
        self._lock = _Lock()
        self._locks: list[_Lock] = []
        self._table = np.zeros(0, np.uint8)
        self.queue: Any = Queue()
        q, self.address = self.queue, ctypes.addressof(self.queue)
        q.mask, q.last = size - 1, num_envs - 1
        q.setup = arrays.setup_address
        for name in ("indices", "strengths", "actions", "units"):
            setattr(q, name, getattr(self, name).ctypes.data)
        q.requests = self._requests.ctypes.data
        q.is_pending, q.outs, q.is_done = (a.ctypes.data for a in (self.is_pending, self._outs, self._is_done))
        q.caller_lock, q.caller_scratch = self._lock.address, self.scratch
        q.acquire, q.release = _address_of("PyThread_acquire_lock"), _address_of("PyThread_release_lock")
        q.caller_plays, q.find_core = 1, _find_core_function()
        self._is_started = num_threads == 0
        self._finalizer: Any = weakref.finalize(self, lambda: None)
        # Held by who is the caller, whom there can be one of: another thread may fork meanwhile.
        self._caller = threading.RLock()
        _ALL.add(self)

    def start(self) -> None:
        """Start the threads, unless that is done."""
        if self._is_started:
            return
        q, wanted = self.queue, self._num_threads
        self._finalizer()  # ends those that run already, if an exception cut this off
        q.stops = 0
        q.spins = count_spins()
        self._table = np.zeros(wanted * THREAD_SIZE + 64, np.uint8)
        q.threads = self._table.ctypes.data + -self._table.ctypes.data % 64
        self._locks = [_Lock() for _ in range(wanted)]
        self._memory[1:] = [self._arrays.make_scratch() for _ in range(wanted)]
        threads: list[threading.Thread] = []
        # Whoever ends this engine in whatever way ends those that run then.
        self._finalizer = weakref.finalize(self, _stop, self._functions, q, threads)
        error = None
        try:
            for worker in self._make_threads():
                threads.append(worker)
                q.thread_num = len(threads)
                try:
                    worker.start()
                except RuntimeError as its_error:
                    del threads[-1]
                    q.thread_num, error = len(threads), its_error
                    break
        except BaseException:  # of a signal handler
            self._finalizer()
            raise
        self._is_started = True
        if error is not None:
            warnings.warn(
                f"{wanted} threads were asked for, but only {len(threads)} could be started: {error}",
                RuntimeWarning,
                stacklevel=4,
            )

    def _make_threads(self) -> Iterator[threading.Thread]:
        """Yield the threads, which are not started yet."""
        # A thread that runs has all the memory that it uses, so that nothing can be taken away from it.
        memory = (
            self.queue, self._arrays, tuple(self._memory), self._table, self._lock, self._locks, self._requests,
            self.actions, self.units, self.is_pending, self._outs, self._is_done,
        )  # fmt: skip
        cores = _list_cores()
        is_pinned = len(cores) == self._num_threads
        for number in range(self._num_threads):
            address = self.queue.threads + THREAD_SIZE * number
            thread: Any = Thread.from_address(address)
            thread.lock, thread.scratch = self._locks[number].address, self._memory[1 + number].ctypes.data
            thread.core = cores[number] if is_pinned else -1
            arguments = self._functions, self.address, address, cores[number] if is_pinned else None, memory
            yield threading.Thread(target=_serve, args=arguments, name=f"fastatari-{number}", daemon=True)

    def submit(self, env_ids: int, count: int) -> bool:
        """Ask environments for a step; return whether that was done. See `queue.submit`."""
        with self._caller:
            return self._functions.submit(self.address, env_ids, count, 0, 0) == 1

    def receive(self, count: int, env_ids: int) -> None:
        """Wait for some of those that were asked. See `queue.receive`."""
        with self._caller:
            self._functions.receive(self.address, count, env_ids)

    def step_all(self, env_ids: int, count: int, out: int) -> bool:
        """Step environments; return whether that was done. See `queue.step_all`."""
        with self._caller:
            return self._functions.step_all(self.address, env_ids, count, out) == 1

    def add_done(self, i: int) -> None:
        """Note that an environment was asked for a step that is done, while no other is being played."""
        with self._caller:
            self.finish()
            self._functions.add_done(self.address, i)

    def finish(self) -> None:
        """Wait until no thread does anything."""
        with self._caller:
            self._functions.finish(self.address)

    def hold(self) -> None:
        """Wait until no thread does anything, and let no other be the caller until `release`."""
        self._caller.acquire()
        self.finish()

    def release(self) -> None:
        """Let others be the caller again."""
        self._caller.release()

    def stop(self) -> None:
        """End the threads. They are started again if there is something to do."""
        self.finish()
        self._is_started = self._num_threads == 0
        self._finalizer()

    def renew(self) -> None:
        """Note, in a forked process, that there are no threads."""
        self._finalizer.detach()
        self._lock, self._caller = _Lock(), threading.RLock()
        self.queue.caller_lock = self._lock.address
        self.queue.thread_num = 0
        self._is_started = self._num_threads == 0


def _serve(functions: Any, queue: int, thread: int, core: int | None, _memory: Any) -> None:
    if core is not None:
        with contextlib.suppress(AttributeError, OSError):  # it may not be allowed any more
            os.sched_setaffinity(0, {core})
    functions.serve(queue, thread)


def _stop(functions: Any, queue: Any, threads: list[threading.Thread]) -> None:
    functions.stop(ctypes.addressof(queue))
    for thread in threads:
        with contextlib.suppress(RuntimeError):  # it was not started yet, because of an exception
            thread.join()
    queue.thread_num = 0


def _find_core_function() -> int:
    """Return the address of the C library's `sched_getcpu`; 0 where it has none."""
    try:
        function = ctypes.CDLL(None).sched_getcpu
    except (AttributeError, OSError, TypeError):  # the last on Windows, where a library needs a name
        return 0
    return ctypes.cast(function, ctypes.c_void_p).value or 0


def _list_cores() -> list[int]:
    """Return the cores that this process may run on; none where the system does not say."""
    try:
        return sorted(os.sched_getaffinity(0))
    except (AttributeError, OSError):
        return []


_SPINS: list[int] = []


def count_spins() -> int:
    """Return how often one who waits looks in `AWAKE` seconds, found out once a process."""
    if not _SPINS:
        queue: Any = Queue()
        queue.spins = 10_000
        functions = machine_code.functions()
        times = []
        for _ in range(3):
            begin = time.perf_counter()
            functions.wait_awake(ctypes.addressof(queue))
            times.append(time.perf_counter() - begin)
        _SPINS.append(max(1, int(queue.spins * AWAKE / min(times))))
    return _SPINS[0]


_ALL: "weakref.WeakSet[Threads]" = weakref.WeakSet()


# What a thread that forks holds, by its number.
_HELD: dict[int, list[Threads]] = {}


def _finish_all() -> None:
    held = _HELD.setdefault(threading.get_ident(), [])
    for threads in sorted(_ALL, key=id):  # in one order, if several threads fork
        held.append(threads)
        threads.hold()


def _release_all() -> None:
    for threads in _HELD.pop(threading.get_ident(), []):
        threads.release()


def _renew_all() -> None:
    _HELD.clear()
    for threads in list(_ALL):
        threads.renew()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_finish_all, after_in_parent=_release_all, after_in_child=_renew_all)
