"""Exceptions of signal handlers, at any moment: each environment is as before a call, or after it, or needs a reset."""

import random
import signal
import time

import numpy as np
import pytest
from engines import (
    assert_same,
    close_all,
    cut_off,
    describe,
    find_threads,
    make_engine,
    make_out,
    play,
    reset,
    show,
    show_one,
)
from interrupts import Interrupt


@pytest.fixture(autouse=True)
def _no_thread_is_left():
    assert not find_threads()
    yield
    close_all()


def prepare_step(engine):
    return lambda: engine.step(None, np.arange(3), None, make_out(engine, 3))


def prepare_step_of_some(engine):
    engine.send(np.array([0]), np.array([1]))
    return lambda: engine.step(np.array([2, 1]), np.array([1, 2]), None, make_out(engine, 2))


def prepare_send(engine):
    return lambda: engine.send(np.array([0, 2]), np.array([1, 2]))


def prepare_recv(engine):
    engine.send(np.array([0, 2]), np.array([1, 2]))
    return lambda: engine.recv(2)


def prepare_reset(engine):
    engine.send(np.array([0, 2]), np.array([1, 2]))
    return lambda: engine.reset(np.array([0, 1]), [3, None])


def prepare_restore(engine):
    engine.send(np.array([0, 2]), np.array([1, 2]))
    state = engine.save(1)
    return lambda: engine.load(0, state)


PREPARE = {
    "step": prepare_step,
    "step of some": prepare_step_of_some,
    "send": prepare_send,
    "recv": prepare_recv,
    "reset": prepare_reset,
    "restore": prepare_restore,
}


def bring_back(engine, states):
    """Bring all environments to saved states."""
    for i, state in enumerate(states):
        engine.load(i, state)


def describe_all(engine):
    return [describe(engine, i) for i in range(engine.num_envs)]


def check_allowed(engine, before, after, where):
    """Check that each environment is as before a call, or as after it, or needs a reset."""
    for i in range(engine.num_envs):
        values, parts = describe(engine, i)
        if engine.needs_reset[i] and not before[i][0]["needs_reset"]:
            assert not engine.is_pending[i], (where, i)
        else:
            # A step that is dropped, as by a reset, is over before that.
            is_dropped = (values | {"is_pending": True}, parts) == before[i]
            assert is_dropped or (values, parts) in (before[i], after[i]), (where, i)


def go_on(engine, twin, where):
    """Reset what needs it, and check that an engine goes on as another one does from its state."""
    needy = np.flatnonzero(engine.needs_reset)
    engine.reset(needy, [11] * len(needy))
    pending = int(engine.is_pending.sum())
    bring_back(twin, [engine.save(i) for i in range(engine.num_envs)])
    assert sorted(engine.recv(pending)) == sorted(twin.recv(pending)), where
    assert_same(show(engine), show(twin), where)
    for mine, theirs in zip(*(play(each, 2, np.random.default_rng(2)) for each in (engine, twin)), strict=True):
        assert_same(mine, theirs, where)


@pytest.mark.parametrize("call", PREPARE)
@pytest.mark.parametrize("name", ["sb3 cleared", "envpool"])
def test_exceptions_at_any_line_leave_environments_usable(name, call):
    engine, twin = make_engine(name, 3, 2), make_engine(name, 3)
    reset(engine, 5)
    engine.step(None, np.zeros(3, int), None, make_out(engine, 3))
    states = [engine.save(i) for i in range(3)]
    bring_back(twin, states)
    function = PREPARE[call](twin)
    before = describe_all(twin)
    function()
    after = describe_all(twin)
    bring_back(engine, states)
    total = cut_off(PREPARE[call](engine), 10**9)
    assert describe_all(engine) == after
    fresh = None
    # All lines; of what has thousands, because it checks a state, some of these and all that follow.
    for line in sorted({*range(1, total, total // 60 + 1), *range(max(1, total - 90), total + 1)}):
        bring_back(engine, states)
        assert cut_off(PREPARE[call](engine), line) == line
        where = f"{name}, {call}, line {line}"
        check_allowed(engine, before, after, where)
        if engine.needs_reset.any():
            # A seeded reset is that of a new environment.
            i = int(np.flatnonzero(engine.needs_reset)[0])
            engine.reset(np.array([i]), [23])
            fresh = fresh or show_one(engine, i)
            assert show_one(engine, i) == fresh
        if line % 3 == 0:
            go_on(engine, twin, where)
    reset(engine, 23)
    assert fresh in (None, show_one(engine, 0))


def test_exceptions_at_any_line_of_the_first_step_leave_environments_usable():
    twin = make_engine("labml", 3)
    for line in range(1, 1000):
        engine = make_engine("labml", 3, 2)
        reset(engine)
        before = describe_all(engine)
        is_cut = cut_off(prepare_step(engine), line) == line
        if line == 1:
            bring_back(twin, [engine.save(i) for i in range(3)])
            prepare_step(twin)()
            after = describe_all(twin)
        check_allowed(engine, before, after, f"line {line}")
        if line % 5 == 0:
            go_on(engine, twin, f"line {line}")
        prepare_step(engine)()
        assert len(find_threads()) == 2
        engine.close()
        assert not find_threads()
        if not is_cut:
            break
    assert line > 30


def call_with_timer(function, seconds):
    """Call a function, in which a signal handler raises an `Interrupt` after some time, if it still runs then."""

    def raise_interrupt(*_):
        raise Interrupt

    handler = signal.signal(signal.SIGALRM, raise_interrupt)
    try:
        try:
            signal.setitimer(signal.ITIMER_REAL, seconds)
            function()
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
    except Interrupt:
        return True
    finally:
        signal.signal(signal.SIGALRM, handler)
    return False


def play_with_signals(seconds, seed):
    """Play with calls that signals cut off at random moments; return how many these were."""
    rng, end = np.random.default_rng(seed), time.monotonic() + seconds
    num_cut = 0
    while time.monotonic() < end:
        name = str(rng.choice(["sb3 cleared", "envpool", "labml", "acting at resets"]))
        engine, twin = make_engine(name, 3, 2), make_engine(name, 3)
        reset(engine, int(rng.integers(1000)))
        engine.threads.start()  # a signal in `Thread.start` can make Python's own threading say that it failed
        for _ in range(20):
            call = str(rng.choice(list(PREPARE)))
            where = f"seed {seed}, {name}, {call}"
            bring_back(twin, [engine.save(i) for i in range(3)])
            functions = [PREPARE[call](each) for each in (twin, engine)]
            before = describe_all(engine)
            functions[0]()
            after = describe_all(twin)
            num_cut += call_with_timer(functions[1], rng.exponential(0.0004) + 1e-6)
            check_allowed(engine, before, after, where)
            go_on(engine, twin, where)
        engine.close()
    return num_cut


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="the system has no timers")
def test_signals_leave_environments_usable():
    assert play_with_signals(1.5, random.randrange(2**31)) > 5


@pytest.mark.chaos
def test_many_signals_leave_environments_usable():
    play_with_signals(60, random.randrange(2**31))
