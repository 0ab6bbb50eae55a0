"""`Worker` beside `Game` and labml's worker: its replies, and how it ends."""

import contextlib
import doctest
import gc
import itertools
import multiprocessing
import multiprocessing.connection
import os
import signal
import threading
import time

import gymnasium
import numpy as np
import pytest
from reference import ReferenceWorker
from workers import ACTIONS, ask, assert_same_step, assert_same_steps, run_program

from fastatari import InvalidAction
from fastatari.envs import worker as worker_module
from fastatari.envs.worker import Worker, worker_process
from fastatari.envs.worker_server import Game

CONTEXTS = multiprocessing.get_all_start_methods()
CLOSED = "Trying to operate on `Worker`, after a call to `close\\(\\)`"


# What it gives.


@pytest.mark.parametrize("dtype", [np.uint8, np.float64])
@pytest.mark.parametrize("context", CONTEXTS)
def test_workers_give_what_games_give_with_every_start_method(context, dtype):
    names = ["breakout", "pong", "pooyan"]
    games = [Game(seed, game=name, dtype=dtype) for seed, name in enumerate(names)]
    with contextlib.ExitStack() as stack:
        workers = [
            stack.enter_context(Worker(seed, game=name, dtype=dtype, context=context))
            for seed, name in enumerate(names)
        ]
        for worker in workers:
            worker.child.send(("reset", None))
        for worker, game in zip(workers, games, strict=True):
            assert np.array_equal(worker.child.recv(), game.reset())
        episodes = 0
        for action in ACTIONS:
            for worker in workers:
                worker.child.send(("step", np.int32(action) if episodes % 2 else np.int64(action)))
            for worker, game in zip(workers, games, strict=True):
                reply = worker.child.recv()
                assert_same_step(reply, game.step(action))
                episodes += reply[2]
        assert episodes


def test_worker_gives_what_labmls_worker_gives():
    reference = ReferenceWorker(0)
    with Worker(0, dtype=np.float64) as worker:
        for action in (None, *ACTIONS):
            message = ("reset", None) if action is None else ("step", action)
            worker.child.send(message)
            reference.child.send(message)
            mine, theirs = worker.child.recv(), reference.child.recv()
            if action is None:
                assert np.array_equal(mine, theirs)
                assert mine.dtype == theirs.dtype
            else:
                assert_same_step(mine, theirs)
        reference.child.send(("close", None))
        reference.process.join()


def test_worker_gives_the_same_with_ale_pys_console(game):
    with Worker(0, console="ale") as worker:
        ask(worker, ("reset", None))
        assert_same_steps(worker, game)


def test_worker_takes_a_context():
    with Worker(0, context=multiprocessing.get_context("fork")) as worker:
        assert ask(worker, ("reset", None)).shape == (4, 84, 84)
    assert worker.process.exitcode == 0


def test_observations_are_the_callers(worker):
    observations = [ask(worker, ("step", action))[0] for action in ACTIONS[:6]]
    copies = [observation.copy() for observation in observations]
    ask(worker, ("reset", None))
    assert np.array_equal(observations, copies)
    observations[0][:] = 7
    assert np.array_equal(observations[1:], copies[1:])


def test_example_in_the_docstring_gives_its_output():
    results = doctest.testmod(worker_module)
    assert (results.failed, results.attempted) == (0, 2)


# Requests and replies.


def test_many_requests_are_answered_in_their_order(worker, game):
    for action in ACTIONS:
        worker.child.send(("step", action))
        worker.child.send(("fly", action))
    worker.child.send(("step", 17))
    worker.child.send(("reset", None))
    for action in ACTIONS:
        assert worker.child.poll(5)
        assert_same_step(worker.child.recv(), game.step(action))
        assert worker.child.poll()
        with pytest.raises(NotImplementedError, match="unknown command 'fly'"):
            worker.child.recv()
    with pytest.raises(InvalidAction, match=r"action 17 is not in 0\.\.3"):
        worker.child.recv()
    assert np.array_equal(worker.child.recv(), game.reset())
    assert not worker.child.poll()
    assert_same_steps(worker, game)


def test_every_order_of_steps_wrong_requests_and_receives_gives_the_right_replies(worker, game):
    for order in itertools.product("swr", repeat=5):
        due = []
        for each in order:
            if each == "s":
                worker.child.send(("step", 2))
                due.append(game.step(2))
            elif each == "w":
                worker.child.send(("fly", None))
                due.append(None)
            elif due:
                assert_reply(worker, due.pop(0))
        while due:
            assert_reply(worker, due.pop(0))


def assert_reply(worker, expected):
    if expected is None:
        with pytest.raises(NotImplementedError, match="unknown command 'fly'"):
            worker.child.recv()
    else:
        assert_same_step(worker.child.recv(), expected)


def test_replies_that_nobody_receives_block_nothing(worker):
    for _ in range(300):
        worker.child.send(("step", 17))
    worker.child.send(("close", None))
    worker.process.join(5)
    assert worker.process.exitcode == 0


def test_replies_before_a_close_are_received_after_it(worker, game):
    worker.child.send(("step", 1))
    worker.child.send(("step", 2))
    worker.child.send(("close", None))
    worker.process.join(5)
    assert_same_step(worker.child.recv(), game.step(1))
    assert_same_step(worker.child.recv(), game.step(2))
    for operate in (worker.child.recv, lambda: worker.child.send(("step", 1))):
        with pytest.raises(gymnasium.error.ClosedEnvironmentError, match=CLOSED):
            operate()


def test_recv_raises_when_every_request_has_been_answered(worker, game):
    with pytest.raises(gymnasium.error.NoAsyncCallError, match="Calling `recv` without any prior call to `send`"):
        worker.child.recv()
    assert_same_steps(worker, game)


def test_poll_and_wait_see_replies(worker):
    with Worker(1) as other:
        children = [worker.child, other.child]
        assert not worker.child.poll()
        assert multiprocessing.connection.wait(children, 0.05) == []
        other.child.send(("reset", None))
        assert multiprocessing.connection.wait(children, 5) == [other.child]
        assert other.child.poll()
        assert other.child.poll(None)
        assert worker.child.fileno() != other.child.fileno()
        other.child.recv()
        assert not other.child.poll(0.01)
        assert multiprocessing.connection.wait(children, 0) == []


def test_poll_and_wait_see_replies_that_are_kept_by_the_caller(worker):
    with Worker(1) as other:
        children = [worker.child, other.child]
        for child in children:
            child.send(("fly", None))
        assert multiprocessing.connection.wait(children, 0) == children
        assert all(child.poll() for child in children)
        for child in children:
            with pytest.raises(NotImplementedError, match="unknown command 'fly'"):
                child.recv()
        assert multiprocessing.connection.wait(children, 0) == []
        for _ in range(3):
            worker.child.send(("step", 0))
        for _ in range(3):
            assert multiprocessing.connection.wait(children, 5) == [worker.child]
            worker.child.recv()
        assert multiprocessing.connection.wait(children, 0) == []


def test_connection_closes_as_connections_do(worker):
    with worker.child as child:
        assert not child.closed
    assert child.closed
    worker.process.join(5)
    assert worker.process.exitcode == 0
    for operate in (child.recv, child.poll, child.fileno, lambda: child.send(("reset", None))):
        with pytest.raises(gymnasium.error.ClosedEnvironmentError, match=CLOSED):
            operate()
    child.close()


# How it ends.


def test_worker_ends_with_its_last_reference(monkeypatch):
    monkeypatch.setattr(worker_module, "_CLOSE_SECONDS", 60.0)  # on a busy machine a process may not have begun yet
    processes = []
    for context in CONTEXTS:
        processes.append(Worker(0, context=context).process)
        Worker(1, context=context)
    gc.collect()
    for process in processes:
        process.join(60)
        assert process.exitcode == 0
    deadline = time.monotonic() + 5
    while multiprocessing.active_children() and time.monotonic() < deadline:
        time.sleep(0.01)


def test_worker_ends_with_its_program_whatever_the_program_handles():
    """`multiprocessing` would send SIGTERM, which workers ignore here, and wait for ever."""
    program = """
import signal
from fastatari.envs.worker import Worker
signal.signal(signal.SIGTERM, lambda *_: None)
worker = Worker(0, context="fork")
worker.child.send(("reset", None))
"""
    begin = time.monotonic()
    outcome = run_program("", "-X", "dev", "-W", "error::ResourceWarning", "-c", program)
    assert (outcome.returncode, outcome.stderr) == (0, "")
    assert time.monotonic() - begin < 10


@pytest.mark.parametrize("request_num", [0, 1, 2])
def test_stopped_worker_is_closed_by_force(request_num):
    worker = Worker(0)
    os.kill(worker.process.pid, signal.SIGSTOP)
    for _ in range(request_num):
        worker.child.send(("reset", None))
    worker.child.send(("close", None))
    begin = time.monotonic()
    worker.close(timeout=0.2)
    assert worker.process.exitcode == -signal.SIGKILL
    assert 0.2 <= time.monotonic() - begin < 2
    worker.close()


def test_close_in_another_thread_ends_the_worker(worker):
    thread = threading.Thread(target=worker.close)
    thread.start()
    thread.join(5)
    assert worker.process.exitcode == 0
    with pytest.raises(gymnasium.error.ClosedEnvironmentError, match=CLOSED):
        worker.child.send(("reset", None))


@pytest.mark.parametrize("context", ["fork", "spawn"])
@pytest.mark.filterwarnings("ignore:this process has 2 threads, and forks")
def test_worker_that_was_made_in_a_thread_outlives_it(context, game):
    made = []
    thread = threading.Thread(target=lambda: made.append(Worker(0, context=context)))
    thread.start()
    thread.join()
    with made[0] as worker:
        ask(worker, ("reset", None))
        assert_same_steps(worker, game)


# labml's function.


def test_worker_process_serves_a_plain_pipe_as_labmls_does():
    mine, theirs = multiprocessing.Pipe()
    process = multiprocessing.get_context("fork").Process(target=worker_process, args=(theirs, 47))
    process.start()
    theirs.close()
    game = Game(0)
    mine.send(("reset", None))
    assert np.array_equal(mine.recv(), game.reset())
    for action in ACTIONS:
        mine.send(("step", action))
        assert_same_step(mine.recv(), game.step(action))
    mine.send(("close", None))
    process.join(5)
    assert process.exitcode == 0


def test_worker_process_returns_when_its_caller_is_gone():
    mine, theirs = multiprocessing.Pipe()
    thread = threading.Thread(target=worker_process, args=(theirs, 0), kwargs={"game": "pong", "dtype": np.float64})
    thread.start()
    mine.send(("reset", None))
    assert mine.recv().dtype == np.float64
    mine.close()
    thread.join(5)
    assert not thread.is_alive()


@pytest.mark.parametrize(
    ("message", "error", "text"),
    [
        (("fly", None), NotImplementedError, "unknown command 'fly'; a worker knows 'step', 'reset' and 'close'"),
        ("reset", TypeError, "a request must be a pair \\(command, data\\), got 'reset'"),
    ],
)
def test_worker_process_raises_what_is_wrong_with_a_request(message, error, text):
    mine, theirs = multiprocessing.Pipe()
    mine.send(message)
    with pytest.raises(error, match=text):
        worker_process(theirs, 0)
