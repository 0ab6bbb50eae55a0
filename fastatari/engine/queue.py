"""The queue between a caller and its threads: environments are taken from it one by one, by who is free.

A core that somebody else uses too so costs its own share only. Whoever waits stays awake for some microseconds and is
parked then, on a lock of Python's own: `PyThread_acquire_lock`, which every system has and which needs no GIL.
"""

import ctypes
from ctypes import c_int64
from typing import Annotated, Any

from fastatari.compiler import Ints, Pointer8, Pointer64, address, i64, pointer, structure
from fastatari.compiler.intrinsics import (
    atomic_add,
    atomic_exchange,
    atomic_load,
    atomic_replace,
    atomic_store,
    call_1,
    call_2,
    pause,
)
from fastatari.engine.pictures import read_stack
from fastatari.engine.state import Environment, Setup
from fastatari.engine.stepping import advance


@structure
class Queue(ctypes.Structure):
    """What a caller and its threads share. What several write to has a line of the caches of its own."""

    submitted: i64  # how many steps were asked for since ever,
    unused_0: Annotated[Ints, c_int64 * 7]
    taken: i64  # how many of them were taken by somebody,
    unused_1: Annotated[Ints, c_int64 * 7]
    finished: i64  # and how many are done
    unused_2: Annotated[Ints, c_int64 * 7]
    wanted: i64  # for how many the caller waits,
    is_parked: i64  # if it does so without being awake
    is_waiting: i64  # whether it waits, and so may step environments itself
    unused_3: Annotated[Ints, c_int64 * 5]
    stops: i64  # whether the threads end
    received: i64  # how many of the finished ones the caller took notice of
    last: i64  # the environment it took notice of last
    caller_plays: i64  # whether the caller steps environments while it waits
    find_core: i64  # the address of a function that returns on which core the caller is; 0 if there is none
    caller_lock: i64
    caller_scratch: i64
    spins: i64  # how often one who waits looks before it is parked
    thread_num: i64
    setup: i64  # addresses
    threads: i64  # `Thread`, thread_num times
    mask: i64  # the places of the ring of requests, a power of two, less one
    requests: i64  # int64[mask + 1]: the environments that were asked
    indices: i64  # int64[num_envs]: what is asked for: the indices of actions,
    strengths: i64  # int64[num_envs]: and how far paddles move
    actions: i64  # int64[num_envs]: what each environment was asked for: ale-py's number of the action,
    units: i64  # int64[num_envs]: and how far its paddles move
    is_pending: i64  # uint8[num_envs]: which were asked, and their caller took no notice of them yet
    outs: i64  # int64[num_envs]: where its stack is written to; 0 for nowhere
    is_done: i64  # uint8[num_envs]: whether its step is done, and the caller took no notice of it yet
    acquire: i64  # functions of Python's locks
    release: i64


@structure
class Thread(ctypes.Structure):
    """A thread, as its caller sees it."""

    is_parked: i64
    lock: i64
    scratch: i64
    core: i64  # the only one that it runs on; -1 if it runs on any
    unused: Annotated[Ints, c_int64 * 4]


def _offset(structure: Any, name: str) -> int:
    offset: int = getattr(structure, name).offset
    return offset


THREAD_SIZE = ctypes.sizeof(Thread)

# Where fields are that are read and written by atomic operations.
SUBMITTED, TAKEN, FINISHED, IS_PARKED, IS_WAITING, STOPS = (
    _offset(Queue, name) for name in ("submitted", "taken", "finished", "is_parked", "is_waiting", "stops")
)
THREAD_IS_PARKED = _offset(Thread, "is_parked")


def serve(q: Queue, t: Thread) -> None:
    """Step environments until the caller stops the queue: what a thread does."""
    while atomic_load(address(q) + STOPS) == 0:
        i = take(q)
        if i >= 0:
            play(q, i, t.scratch)
            if atomic_load(address(q) + IS_WAITING) == 0 and atomic_load(address(q) + SUBMITTED) > atomic_load(
                address(q) + TAKEN
            ):
                wake_one(q)
        elif wait_awake(q) == 0:
            park(q, t)


def take(q: Queue) -> int:
    """Return an environment that was asked for a step and is nobody's yet; -1 if there is none."""
    while True:
        taken = atomic_load(address(q) + TAKEN)
        if taken >= atomic_load(address(q) + SUBMITTED):
            return -1
        # Read first: once the request is taken, its place may be used again.
        i = pointer(Pointer64, q.requests)[taken & q.mask]
        if atomic_replace(address(q) + TAKEN, taken, taken + 1):
            return i


def play(q: Queue, i: int, scratch: int) -> None:
    """Step an environment, and wake the caller if it waits for no more."""
    e = pointer(Environment, pointer(Pointer64, pointer(Setup, q.setup).environments)[i])
    advance(e, scratch, pointer(Pointer64, q.actions)[i], pointer(Pointer64, q.units)[i])
    out = pointer(Pointer64, q.outs)[i]
    if out:
        read_stack(e, pointer(Setup, q.setup), out)
    pointer(Pointer8, q.is_done)[i] = 1
    finished = atomic_add(address(q) + FINISHED, 1) + 1
    if atomic_load(address(q) + IS_PARKED) and finished >= q.wanted:
        wake(q, address(q) + IS_PARKED, q.caller_lock)


def wake(q: Queue, is_parked: int, lock: int) -> None:
    """Wake somebody who is parked, if nobody else did."""
    if atomic_exchange(is_parked, 0):
        call_1(q.release, lock)


def wait_awake(q: Queue) -> int:
    """Wait a little for requests, and return whether there are any."""
    for _ in range(q.spins):
        if atomic_load(address(q) + SUBMITTED) > atomic_load(address(q) + TAKEN) or atomic_load(address(q) + STOPS):
            return 1
        pause()
    return 0


def park(q: Queue, t: Thread) -> None:
    """Wait for requests, asleep."""
    atomic_store(address(t) + THREAD_IS_PARKED, 1)
    is_needed = (
        atomic_load(address(q) + SUBMITTED) > atomic_load(address(q) + TAKEN) or atomic_load(address(q) + STOPS) != 0
    )
    if is_needed == 0 or atomic_exchange(address(t) + THREAD_IS_PARKED, 0) == 0:
        call_2(q.acquire, t.lock, 1)


def submit(q: Queue, env_ids: int, count: int, out: int, waits: int) -> int:
    """Ask environments for a step, if all of them can make it.

    Args:
        q: the queue; of each of these environments, in their order, the index of an action and the strength are set.
        env_ids: the address of their numbers, int64[count]; 0 for all, in their order.
        count: how many.
        out: where their stacks are written to, one after the other; 0 for nowhere.
        waits: whether the caller waits for them at once, and so may step some itself.

    Returns:
        int: 1; or 0, and nothing was done, because one needs a reset or is pending, or there is no such action.
    """
    s = pointer(Setup, q.setup)
    indices, strengths = pointer(Pointer64, q.indices), pointer(Pointer64, q.strengths)
    is_refused = 0
    for k in range(count):
        i = pointer(Pointer64, env_ids)[k] if env_ids else k
        is_refused |= pointer(Pointer8, s.needs_reset)[i] | pointer(Pointer8, q.is_pending)[i]
        is_refused |= int(indices[k] < 0 or indices[k] >= s.action_num)
    if is_refused:
        return 0
    submitted = q.submitted
    for k in range(count):
        i = pointer(Pointer64, env_ids)[k] if env_ids else k
        pointer(Pointer64, q.requests)[submitted + k & q.mask] = i
        pointer(Pointer64, q.outs)[i] = out + s.obs_size * k if out else 0
        pointer(Pointer64, q.actions)[i] = s.actions[indices[k]]
        pointer(Pointer64, q.units)[i] = strengths[k]
        pointer(Pointer8, q.is_pending)[i] = 1
    atomic_store(address(q) + SUBMITTED, submitted + count)
    wake_threads(q, count, int(waits != 0 and q.caller_plays != 0))
    return 1


def wake_threads(q: Queue, count: int, plays: int) -> None:
    """Wake as many threads as there are requests; one fewer if the caller plays, and none on its core.

    Linux often lets a thread that is woken begin on the core of the one that wakes it, where it would wait until the
    caller has played. So threads keep to a core each, and the one on the caller's is the caller itself.

    A caller that does not play goes on with what it does, and needs its core for that. A thread that is woken there
    would take the core away from it at once. So that thread is not woken here either. Another thread wakes it, once
    that one has played an environment and there are more requests.
    """
    core, left = -1, count
    if plays:
        left = min(count, q.thread_num) - 1
    if q.find_core and (plays != 0 or q.thread_num > 1):
        core = call_1(q.find_core, 0) & 0xFFFFFFFF
    for k in range(q.thread_num):
        t = pointer(Thread, q.threads + THREAD_SIZE * k)
        if left > 0 and (core < 0 or t.core != core):
            left -= 1
            if atomic_load(address(t) + THREAD_IS_PARKED):
                wake(q, address(t) + THREAD_IS_PARKED, t.lock)


def wake_one(q: Queue) -> None:
    """Wake a thread that is parked, if there is one."""
    for k in range(q.thread_num):
        t = pointer(Thread, q.threads + THREAD_SIZE * k)
        if atomic_load(address(t) + THREAD_IS_PARKED):
            wake(q, address(t) + THREAD_IS_PARKED, t.lock)
            return


def wait(q: Queue, wanted: int) -> None:
    """Wait until so many steps are done, of all since ever."""
    atomic_store(address(q) + IS_WAITING, 1)
    wait_for(q, wanted)
    atomic_store(address(q) + IS_WAITING, 0)


def wait_for(q: Queue, wanted: int) -> None:
    """Do what `wait` does."""
    while q.caller_plays and atomic_load(address(q) + FINISHED) < wanted:
        i = take(q)
        if i < 0:
            break
        play(q, i, q.caller_scratch)
    for _ in range(q.spins):
        if atomic_load(address(q) + FINISHED) >= wanted:
            return
        pause()
    while atomic_load(address(q) + FINISHED) < wanted:
        q.wanted = wanted
        atomic_store(address(q) + IS_PARKED, 1)
        if atomic_load(address(q) + FINISHED) < wanted or atomic_exchange(address(q) + IS_PARKED, 0) == 0:
            call_2(q.acquire, q.caller_lock, 1)


def receive(q: Queue, count: int, env_ids: int) -> None:
    """Wait for some environments that were asked for a step, and take notice of them.

    They are those that come next after the last one of which was taken notice, so that nobody waits for ever.

    Args:
        q: the queue.
        count: how many.
        env_ids: where their numbers are written to, int64[count].
    """
    num_envs = pointer(Setup, q.setup).num_envs
    wait(q, q.received + count)
    found = 0
    while found < count:
        q.last = q.last + 1 if q.last + 1 < num_envs else 0
        if pointer(Pointer8, q.is_done)[q.last]:
            notice(q, q.last)
            pointer(Pointer64, env_ids)[found] = q.last
            found += 1


def notice(q: Queue, i: int) -> None:
    """Take notice of an environment whose step is done."""
    pointer(Pointer8, q.is_done)[i] = 0
    pointer(Pointer8, q.is_pending)[i] = 0
    q.received += 1


def add_done(q: Queue, i: int) -> None:
    """Note that an environment was asked for a step that is done, while no other is being played."""
    pointer(Pointer8, q.is_pending)[i] = 1
    pointer(Pointer8, q.is_done)[i] = 1
    # In this order: a thread that is awake takes whatever was submitted and is not taken yet.
    atomic_store(address(q) + TAKEN, q.taken + 1)
    atomic_store(address(q) + SUBMITTED, q.submitted + 1)
    atomic_store(address(q) + FINISHED, q.finished + 1)


def finish(q: Queue) -> None:
    """Wait until all steps are done that were asked for; notice is not taken of them."""
    wait(q, q.submitted)


def step_all(q: Queue, env_ids: int, count: int, out: int) -> int:
    """Step environments, and wait until all steps are done: what `submit` and `receive` do, for these.

    Args:
        q: the queue.
        env_ids: as for `submit`.
        count: the same.
        out: the same.

    Returns:
        int: as of `submit`.
    """
    if submit(q, env_ids, count, out, 1) == 0:
        return 0
    finish(q)
    for k in range(count):
        notice(q, pointer(Pointer64, env_ids)[k] if env_ids else k)
    return 1


def read_stacks(q: Queue, env_ids: int, count: int, out: int) -> None:
    """Write the stacks of environments one after the other to an address."""
    s = pointer(Setup, q.setup)
    for k in range(count):
        e = pointer(Environment, pointer(Pointer64, s.environments)[pointer(Pointer64, env_ids)[k]])
        read_stack(e, s, out + s.obs_size * k)


def stop(q: Queue) -> None:
    """Let the threads end, once they are done with what they do."""
    atomic_store(address(q) + STOPS, 1)
    for k in range(q.thread_num):
        t = pointer(Thread, q.threads + THREAD_SIZE * k)
        wake(q, address(t) + THREAD_IS_PARKED, t.lock)
