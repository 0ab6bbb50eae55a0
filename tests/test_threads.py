"""Threads: results do not depend on them, they begin and end with their engine, and those that wait cost nothing."""

import gc
import os
import random
import signal
import subprocess
import sys
import threading
import time
import weakref
from pathlib import Path

import numpy as np
import pytest
from engines import (
    CONFIGURATIONS,
    ENGINES,
    NEXT_STEP,
    Interrupt,
    assert_same,
    cut_off,
    describe,
    make_engine,
    make_out,
    play,
    read,
    render,
    reset,
    show,
)
from gymnasium.vector import AutoresetMode

from fastatari.engine import threads
from fastatari.engine.queue import Queue

# Ends and resets of several kinds; lives are lost in some.
SEVERAL = ["labml", "gymnasium", "envpool", "sticky"]


def find_threads():
    """Return the threads of engines."""
    return [thread for thread in threading.enumerate() if thread.name.startswith("fastatari-")]


@pytest.fixture(autouse=True)
def _no_thread_is_left():
    assert not find_threads()
    yield
    for engine in list(ENGINES):  # also those of a test that failed
        engine.close()


def run(program, seconds=60, options=()):
    """Run a program, which may use these modules; return what it prints."""
    process = subprocess.run(
        [sys.executable, *options, "-c", program],
        capture_output=True,
        text=True,
        timeout=seconds,
        cwd=Path(__file__).parent,
        check=False,
    )
    assert (process.returncode, process.stderr) == (0, ""), process.stdout + process.stderr
    return process.stdout


def column(engine, i):
    """Return all that an engine shows of one environment, except for times."""
    parts = [np.delete(engine.results.floats[:, i], -1), engine.results.integers[:, i], engine.results.flags[:, i]]
    return b"".join(part.tobytes() for part in (*parts, read(engine, np.array([i]))))


# What is computed.


@pytest.mark.parametrize("name", SEVERAL)
def test_results_do_not_depend_on_the_number_of_threads(name):
    numbers = [0, 1, 2, 3, 5, 9]
    engines = [make_engine(name, 5, number) for number in numbers]
    assert [engine.num_threads for engine in engines] == numbers
    for engine in engines:
        reset(engine, 3)
    plays = [play(engine, 20, np.random.default_rng(1)) for engine in engines]
    for first, *others in zip(*plays, strict=True):
        for number, shown in zip(numbers[1:], others, strict=True):
            assert_same(shown, first, f"{number} threads, call {first['call']}")
    for engine in engines:
        engine.close()


def play_in_batches(engine, batch_size, steps):
    """Send whatever was received, until every environment has made some steps; return what each showed, and the order.

    An environment's actions depend on its own steps only.
    """
    num_envs, meanings = engine.num_envs, len(engine.action_meanings)
    seen = [[] for _ in range(num_envs)]
    order = []
    received = np.arange(num_envs)
    while min(map(len, seen)) < steps:
        actions = np.array([(7 * len(seen[i]) + i) % meanings for i in received.tolist()])
        engine.send(received, actions)
        received = engine.recv(batch_size)
        assert (np.diff(received) > 0).all()
        assert len(received) == batch_size
        order += received.tolist()
        for i in received.tolist():
            seen[i].append(column(engine, i))
    engine.recv(int(engine.is_pending.sum()))
    return [each[:steps] for each in seen], order


@pytest.mark.parametrize("num_threads", [0, 1, 2])
def test_batches_of_any_size_serve_everybody_and_give_the_same(num_threads):
    num_envs, steps = 5, 25
    expected = None
    for batch_size in (num_envs, *range(1, num_envs)):
        engine = make_engine("sticky", num_envs, num_threads, mode=NEXT_STEP)
        reset(engine, 3)
        seen, order = play_in_batches(engine, batch_size, steps)
        engine.close()
        expected = expected or seen
        assert seen == expected
        if num_threads < 2:  # a thread that waits for its core keeps what it plays
            for i in range(num_envs):
                times = np.flatnonzero(np.array(order) == i)
                assert np.diff(times, prepend=-1).max() <= 3 * num_envs


def test_step_of_some_leaves_others_pending():
    engine, twin = make_engine("sb3", 4, 2), make_engine("sb3", 4)
    for each in (engine, twin):
        reset(each)
    actions = np.array([0, 1, 2, 3])
    for _ in range(20):
        engine.send(np.array([0, 3]), actions[[0, 3]])
        out = make_out(engine, 2)
        engine.step(np.array([2, 1]), actions[[2, 1]], None, out)
        assert engine.is_pending.tolist() == [True, False, False, True]
        assert (out == read(engine, np.array([2, 1]))).all()
        assert engine.recv(2).tolist() == [0, 3]
        twin.step(None, actions, None, make_out(twin, 4))
        assert_same(show(engine), show(twin))
    engine.close()


def test_calls_that_look_at_a_pending_environment_wait_for_it():
    engine, twin = make_engine("gymnasium", 3, 2), make_engine("gymnasium", 3)
    for each in (engine, twin):
        reset(each)
    everyone = np.arange(3)
    for step in range(40):
        actions = (everyone + step) % 6
        engine.send(everyone, actions)
        twin.step(None, actions, None, make_out(twin, 3))
        if step % 4 == 0:
            assert (render(engine) == render(twin)).all()
        elif step % 4 == 1:
            assert [engine.ale(i).getRAM().tolist() for i in range(3)] == [
                twin.ale(i).getRAM().tolist() for i in range(3)
            ]
        elif step % 4 == 2:
            for each in (engine, twin):
                each.set_np_random(0, np.random.default_rng(step))
        else:
            values, parts = describe(engine, 2)
            assert values["is_pending"]
            assert (values | {"is_pending": False}, parts) == describe(twin, 2)
        engine.recv(3)
        assert_same(show(engine), show(twin))
    engine.close()


def test_several_engines_play_at_once():
    names = [*SEVERAL, "ram of five", "colour"]
    engines, twins = [make_engine(name, 3, 2) for name in names], [make_engine(name, 3) for name in names]
    for each in (*engines, *twins):
        reset(each)
    for step in range(25):
        actions = np.full(3, step % 3)
        for each in (*engines, *twins):
            waiting = np.flatnonzero(each.needs_reset)
            each.reset(waiting, [None] * len(waiting))
        for engine in engines:
            engine.send(np.arange(3), actions)
        for engine, twin in zip(engines[::-1], twins[::-1], strict=True):
            engine.recv(3)
            twin.step(None, actions, None, make_out(twin, 3))
            assert_same(show(engine), show(twin))
    assert len(find_threads()) == 2 * len(names)
    for engine in engines:
        engine.close()


def test_engines_of_several_threads_play_at_once():
    names = [*SEVERAL, "ale", "short games"]
    found, expected = {}, {}

    def run_one(name, num_threads, results):
        engine = make_engine(name, 3, num_threads)
        reset(engine)
        *_, results[name] = play(engine, 30, np.random.default_rng(5))
        engine.close()

    for name in names:
        run_one(name, 0, expected)
    players = [threading.Thread(target=run_one, args=(name, k % 3, found)) for k, name in enumerate(names)]
    for player in players:
        player.start()
    for player in players:
        player.join()
    for name in names:
        assert_same(found[name], expected[name], name)


# How threads begin and end.


def test_threads_begin_with_the_first_step():
    engine = make_engine("labml", 2, 2)
    reset(engine)
    assert not find_threads()
    engine.send(np.array([0]), np.array([0]))
    assert sorted(thread.name for thread in find_threads()) == ["fastatari-0", "fastatari-1"]
    assert all(thread.daemon for thread in find_threads())
    engine.close()
    assert not find_threads()
    engine.close()


@pytest.mark.parametrize("is_pending", [False, True])
def test_an_engine_that_is_not_closed_ends_its_threads_and_frees_its_memory(is_pending):
    gc.disable()
    try:
        for _ in range(20):
            engine = make_engine("labml", 3, 2)
            reset(engine)
            engine.step(None, np.zeros(3, int), None, make_out(engine, 3))
            if is_pending:
                engine.send(np.arange(3), np.zeros(3, int))
            memory = weakref.ref(engine.arrays), weakref.ref(engine.threads)
            del engine
            assert not find_threads()
            assert [each() for each in memory] == [None, None]
    finally:
        gc.enable()


def fail_after(monkeypatch, number):
    """Let only so many threads be started from now on."""
    start, left = threading.Thread.start, [number]

    def start_or_fail(thread):
        if not left[0]:
            raise RuntimeError("can't start new thread")
        left[0] -= 1
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", start_or_fail)


@pytest.mark.parametrize("number", [0, 1, 2])
def test_threads_that_cannot_be_started_are_a_warning_and_fewer(monkeypatch, number):
    engine, twin = make_engine("labml", 4, 3), make_engine("labml", 4)
    for each in (engine, twin):
        reset(each)
    fail_after(monkeypatch, number)
    out = make_out(engine, 4)
    message = f"^3 threads were asked for, but only {number} could be started: can't start new thread$"
    with pytest.warns(RuntimeWarning, match=message):
        engine.step(None, np.zeros(4, int), None, out)
    twin.step(None, np.zeros(4, int), None, make_out(twin, 4))
    assert len(find_threads()) == number
    assert (out == read(twin)).all()
    for mine, theirs in zip(*(play(each, 20, np.random.default_rng(2)) for each in (engine, twin)), strict=True):
        assert_same(mine, theirs)
    engine.close()


@pytest.mark.parametrize("number", [0, 1])
def test_a_warning_that_is_an_error_leaves_the_engine_usable(monkeypatch, number):
    engine, twin = make_engine("labml", 4, 3), make_engine("labml", 4)
    for each in (engine, twin):
        reset(each)
    fail_after(monkeypatch, number)
    with pytest.raises(RuntimeWarning, match=f"only {number} could be started"):
        engine.send(np.arange(4), np.zeros(4, int))
    assert not engine.is_pending.any()
    for mine, theirs in zip(*(play(each, 20, np.random.default_rng(2)) for each in (engine, twin)), strict=True):
        assert_same(mine, theirs)
    engine.close()


def test_an_exception_while_threads_start_ends_those_that_run(monkeypatch):
    engine, twin = make_engine("labml", 4, 3), make_engine("labml", 4)
    for each in (engine, twin):
        reset(each)
    start, calls = threading.Thread.start, []

    def start_and_raise(thread):
        calls.append(thread)
        start(thread)
        if len(calls) == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr(threading.Thread, "start", start_and_raise)
    with pytest.raises(KeyboardInterrupt):
        engine.send(np.arange(4), np.zeros(4, int))
    assert not find_threads()
    for mine, theirs in zip(*(play(each, 20, np.random.default_rng(2)) for each in (engine, twin)), strict=True):
        assert_same(mine, theirs)
    assert len(find_threads()) == 3
    engine.close()


def test_threads_that_may_not_choose_their_core_play(monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1}, raising=False)

    def refuse(*_):
        raise OSError("not allowed")

    monkeypatch.setattr(os, "sched_setaffinity", refuse, raising=False)
    engine, twin = make_engine("labml", 4, 2), make_engine("labml", 4)
    for each in (engine, twin):
        reset(each)
    for mine, theirs in zip(*(play(each, 10, np.random.default_rng(2)) for each in (engine, twin)), strict=True):
        assert_same(mine, theirs)
    engine.close()


_EXIT = """
import sys, time, numpy as np
from engines import make_engine, make_out, reset
parked, closed, awake, playing = [make_engine(name, 6, 2) for name in ("labml", "sb3", "ale", "long steps")]
for engine in (parked, closed, awake, playing):
    reset(engine)
    engine.step(None, np.zeros(6, int), None, make_out(engine, 6))
closed.close()
time.sleep(0.05)
awake.step(None, np.zeros(6, int), None, make_out(awake, 6))
playing.send(np.arange(6), np.zeros(6, int))
begin = time.perf_counter()
import atexit, threading
def check():
    sys.stdout.write(f"{time.perf_counter() - begin}")
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("fastatari")]
"""


@pytest.mark.parametrize("end", ["", "sys.exit(0)", "playing = [playing]; playing.append(playing)"])
def test_programs_end_cleanly_and_at_once(end):
    # What was registered before the finalizers is called after them.
    program = "import atexit\natexit.register(lambda: check())\n" + _EXIT + end
    seconds = float(run(program, options=["-X", "dev"]))
    assert seconds < 2


# What threads cost.


def test_waiting_awake_takes_some_microseconds(monkeypatch):
    monkeypatch.setattr(threads, "_SPINS", [])
    waiting = Queue()
    waiting.spins = threads.count_spins()
    functions = make_engine("labml", 1)._functions
    seconds = []
    for _ in range(50):
        begin = time.perf_counter()
        functions.wait_awake(threads.ctypes.addressof(waiting))
        seconds.append(time.perf_counter() - begin)
    assert 4e-6 < min(seconds) < 100e-6


def read_processor_times(players):
    return [time.clock_gettime(time.pthread_getcpuclockid(player.ident)) for player in players]


@pytest.mark.skipif(not hasattr(time, "pthread_getcpuclockid"), reason="the system does not tell")
def test_parked_threads_take_no_processor_time():
    engine = make_engine("labml", 4, 3)
    reset(engine)
    engine.step(None, np.zeros(4, int), None, make_out(engine, 4))
    time.sleep(0.1)
    before = read_processor_times(find_threads())
    time.sleep(0.5)
    assert np.subtract(read_processor_times(find_threads()), before).max() < 0.001
    engine.close()


def test_a_caller_that_waits_takes_no_processor_time():
    engine = make_engine("labml", 1, 1, frame_skip=20_000, max_num_frames_per_episode=0)
    reset(engine)
    engine.send(np.array([0]), np.array([0]))
    begin, processor_begin = time.perf_counter(), time.thread_time()
    engine.recv(1)
    assert time.perf_counter() - begin > 0.05
    assert time.thread_time() - processor_begin < 0.01
    engine.close()


# Forks.

_FORK = """
import multiprocessing, os, sys, threading
import numpy as np
from engines import ENGINES, NEXT_STEP, assert_same, make_engine, make_out, play, reset, show

NAME = "sticky"

def make(num_threads):
    engine = make_engine(NAME, 4, num_threads, mode=NEXT_STEP)
    reset(engine)
    for _ in play(engine, 10, np.random.default_rng(0)):
        pass
    return engine

def go_on(engine, is_pending, seed):
    if is_pending:
        received = [i for _ in range(3) for i in engine.recv(1).tolist()]
        assert sorted(received) == [0, 1, 3], received
    return list(play(engine, 20, np.random.default_rng(seed)))

def check(engine, is_pending, seed):
    twin = make(0)
    if is_pending:
        twin.send(np.array([0, 1, 3]), np.array([1, 2, 3]))
    for mine, theirs in zip(go_on(engine, is_pending, seed), go_on(twin, is_pending, seed), strict=True):
        assert_same(mine, theirs)
    assert not engine.is_pending.any()

def fork(function, *arguments):
    pid = os.fork()
    if not pid:
        status = 1
        try:
            function(*arguments)
            status = 0
        finally:
            sys.stderr.flush()
            os._exit(status)
    return pid

def check_twice(*arguments):
    check(*arguments)
    engine = make(2)
    assert os.waitpid(fork(check, engine, False, 7), 0)[1] == 0
    engine.close()

def main(is_pending):
    engine = make(2)
    if is_pending:
        engine.send(np.array([0, 1, 3]), np.array([1, 2, 3]))
    pids = [fork(check_twice, engine, is_pending, seed) for seed in range(2)]
    process = multiprocessing.get_context("fork").Process(target=check, args=(engine, is_pending, 3))
    process.start()
    check(engine, is_pending, 4)
    for pid in pids:
        assert os.waitpid(pid, 0)[1] == 0
    process.join()
    assert process.exitcode == 0
    engine.close()
    assert threading.active_count() == 1, threading.enumerate()

for is_pending in (False, True):
    main(is_pending)
    idle = make_engine(NAME, 4, 2)  # whose threads were not started yet
    assert os.waitpid(fork(lambda: (reset(idle), list(play(idle, 3, np.random.default_rng(0))))), 0)[1] == 0
sys.stdout.write("done")
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the system has no fork")
def test_parents_and_children_go_on_after_a_fork():
    assert run(_FORK) == "done"


# Exceptions of signal handlers.


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
            fresh = fresh or column(engine, i)
            assert column(engine, i) == fresh
        if line % 3 == 0:
            go_on(engine, twin, where)
    reset(engine, 23)
    assert fresh in (None, column(engine, 0))


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
        engine.close()
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


# Everything at random.


class Twins:
    """For each environment an engine of its own, without threads."""

    def __init__(self, name, num_envs, mode):
        self.engines = [make_engine(name, 1, mode=mode) for _ in range(num_envs)]
        for i, engine in enumerate(self.engines):
            reset(engine, i)

    def apply(self, env_ids, function, *values):
        """Call a function with the engine of each of some environments, and a value of each list."""
        for i, *its_values in zip(env_ids.tolist(), *values, strict=True):
            function(self.engines[i], *its_values)


ONE = np.array([0])


def play_at_random(seconds, seed, most=10**9):
    """Do all that an engine can do, in any order, and compare with twins; return how many calls that were."""
    rng, end, calls = np.random.default_rng(seed), time.monotonic() + seconds, 0
    while time.monotonic() < end and calls < most:
        name = str(rng.choice(list(CONFIGURATIONS)))
        mode = list(AutoresetMode)[rng.integers(3)]
        num_envs, num_threads = int(rng.integers(1, 7)), int(rng.integers(4))
        where = f"seed {seed}, {name}, {mode}, {num_envs} environments, {num_threads} threads"
        engine, twins = make_engine(name, num_envs, num_threads, mode=mode), Twins(name, num_envs, mode)
        reset(engine)
        for _ in range(int(rng.integers(60))):
            calls += 1
            call_at_random(engine, twins, rng)
            for i in np.flatnonzero(~engine.is_pending).tolist():
                assert column(engine, i) == column(twins.engines[i], 0), where
                assert engine.needs_reset[i] == twins.engines[i].needs_reset[0], where
        for i in range(num_envs):
            (values, parts), (twin_values, twin_parts) = describe(engine, i), describe(twins.engines[i], 0)
            for final in ("final_floats", "final_integers", "final_flags"):
                assert parts[final] == twin_parts[final], where
            assert (values, parts) == (twin_values, twin_parts), where
        if rng.random() < 0.7:
            engine.close()
        del engine
    return calls


def choose(rng, env_ids):
    """Return some of the environments, at least one, in any order."""
    return rng.permutation(env_ids)[: rng.integers(1, len(env_ids) + 1)]


def call_at_random(engine, twins, rng):
    everyone = np.arange(engine.num_envs)
    idle = everyone[~engine.is_pending & ~engine.needs_reset]
    needy, pending = everyone[engine.needs_reset], everyone[engine.is_pending]
    chance = rng.random()
    if len(needy) and chance < 0.5:
        reset_both(engine, twins, choose(rng, needy), rng)
    elif chance < 0.05:
        reset_both(engine, twins, choose(rng, everyone), rng)
    elif chance < 0.15:
        i, k = rng.integers(len(everyone), size=2).tolist()
        if rng.random() < 0.5:
            engine.load(i, engine.save(k))
        else:
            engine.restore(i, engine.clone(k))
        twins.engines[i].load(0, twins.engines[k].save(0))
    elif chance < 0.2:
        i = int(rng.integers(len(everyone)))
        assert (engine.render(i) == twins.engines[i].render(0)).all()
    elif len(pending) and chance < 0.6:
        for i in engine.recv(int(rng.integers(1, len(pending) + 1))).tolist():
            assert twins.engines[i].recv(1).tolist() == [0]
    elif len(idle):
        some = choose(rng, idle)
        actions = rng.integers(len(engine.action_meanings), size=len(some))
        if rng.random() < 0.5:
            engine.send(some, actions)
            twins.apply(some, lambda twin, action: twin.send(ONE, action), actions[:, None])
        else:
            out = make_out(engine, len(some))
            engine.step(some, actions, None, out)
            twins.apply(some, lambda twin, action: twin.step(ONE, action, None, make_out(twin, 1)), actions[:, None])
            for i, row in zip(some.tolist(), out, strict=True):
                assert (read(twins.engines[i])[0] == row).all()


def reset_both(engine, twins, some, rng):
    seeds = [None if rng.random() < 0.6 else int(rng.integers(2**31)) for _ in some]
    new_game = bool(rng.random() < 0.2)
    engine.reset(some, seeds, new_game)
    twins.apply(some, lambda twin, seed: twin.reset(ONE, [seed], new_game), seeds)


def test_random_calls_give_the_same_with_any_threads():
    assert play_at_random(20, random.randrange(2**31), 900) >= 900


@pytest.mark.chaos
def test_many_random_calls_give_the_same_with_any_threads():
    play_at_random(90, random.randrange(2**31))
