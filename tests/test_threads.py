"""Threads: results do not depend on them, they begin and end with their engine, and those that wait cost nothing."""

import gc
import os
import threading
import time
import weakref

import numpy as np
import pytest
from engines import (
    NEXT_STEP,
    assert_same,
    close_all,
    describe,
    find_threads,
    make_engine,
    make_out,
    play,
    read,
    reset,
    show,
    show_one,
)

from fastatari.engine import queue, threads
from fastatari.engine.queue import Queue

# Ends and resets of several kinds; lives are lost in some.
SEVERAL = ["labml", "gymnasium", "envpool", "sticky"]


@pytest.fixture(autouse=True)
def _no_thread_is_left():
    assert not find_threads()
    yield
    close_all()


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
            seen[i].append(show_one(engine, i))
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
        if not num_threads:  # a thread that waits for its core keeps what it plays
            for i in range(num_envs):
                times = np.flatnonzero(np.array(order) == i)
                assert np.diff(times, prepend=-1).max() <= 3 * num_envs


def test_environments_that_are_ready_are_received_in_turn():
    engine = make_engine("labml", 5, 1, mode=NEXT_STEP)
    reset(engine)
    engine.send(np.arange(5), np.zeros(5, int))
    order = []
    for _ in range(15):
        engine.threads.finish()  # all are ready
        received = engine.recv(1)
        order += received.tolist()
        engine.send(received, np.array([0]))
    assert order == 3 * [0, 1, 2, 3, 4]
    engine.close()


def test_a_step_that_is_added_as_done_is_taken_by_nobody(monkeypatch):
    engine = make_engine("labml", 2)
    reset(engine)
    store, taken = queue.atomic_store, []

    def store_and_take(place, value):
        store(place, value)
        taken.append(queue.take(engine.threads.queue))  # as a thread that is awake does

    monkeypatch.setattr(queue, "atomic_store", store_and_take)
    queue.add_done(engine.threads.queue, 1)
    assert taken == [-1] * 3
    assert engine.is_pending.tolist() == [False, True]
    assert engine.recv(1).tolist() == [1]


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
    engine, twin = make_engine("long steps", 3, 2), make_engine("long steps", 3)
    for each in (engine, twin):
        reset(each)
    everyone = np.arange(3)
    for step in range(12):
        actions = (everyone + step) % 6
        twin.step(None, actions, None, make_out(twin, 3))
        rams = [twin.ale(i).getRAM().tolist() for i in range(3)]
        screen = twin.render(2)
        engine.send(everyone, actions)  # and look at once, while threads play
        if step % 4 == 0:
            assert (engine.render(2) == screen).all()
        elif step % 4 == 1:
            assert engine.ale(2).getRAM().tolist() == rams[2]
        elif step % 4 == 2:
            for each in (engine, twin):
                each.set_np_random(2, np.random.default_rng(step))
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
    assert 5e-6 < min(seconds) < 200e-6


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
    time.sleep(0.02)  # until the thread plays it
    begin, processor_begin = time.perf_counter(), time.thread_time()
    engine.recv(1)
    assert time.perf_counter() - begin > 0.03
    assert time.thread_time() - processor_begin < 0.01
    engine.close()
