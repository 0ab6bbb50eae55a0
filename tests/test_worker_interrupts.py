"""`Worker` where something happens at any moment: exceptions and deaths at every line of both sides."""

import contextlib
import gc
import multiprocessing
import os
import signal
import time

import gymnasium
import numpy as np
import pytest
from interrupts import Interrupt, run_lines
from workers import ask, assert_same_steps, soon

from fastatari import InvalidAction, WorkerDiedError, WorkerError
from fastatari.envs import worker as worker_module
from fastatari.envs import worker_connection, worker_server
from fastatari.envs.worker import Worker
from fastatari.envs.worker_server import Game

INTERRUPTED = "an exception interrupted a message to or from worker process {}, so .*; make a new `Worker`$"
FILES = {worker_connection.__file__, worker_server.__file__}


@pytest.fixture
def worker():
    """A worker that has been reset."""
    with Worker(0, context="fork") as worker:
        ask(worker, ("reset", None))
        yield worker


@pytest.fixture
def at_line(monkeypatch):
    """Make workers that do something before line number n of `worker_server.py`; return how many lines they began."""
    line_num = multiprocessing.RawValue("i", 0)
    run_worker = worker_server.run_worker

    def make(stop, act=None):
        def run_with_lines(*arguments):
            line_num.value = run_lines(lambda: run_worker(*arguments), FILES, stop, act)

        monkeypatch.setattr(worker_module, "run_worker", run_with_lines)
        return Worker(0, context="fork")

    make.line_num = line_num
    return make


# Of a worker that is asked for all that there is, and the replies.
REQUESTS = [("reset", None), ("step", 1), ("step", 17), ("step", 2)]


def expected_replies():
    game = Game(0)
    return [game.reset(), game.step(1)[0], InvalidAction, game.step(2)[0]]


def play(child):
    """Ask for `REQUESTS`, and return the replies until the worker died."""
    replies = []
    for request in REQUESTS:
        try:
            child.send(request)
            reply = child.recv()
        except WorkerDiedError as error:
            return replies, error
        except Exception as error:
            reply = error
        replies.append(reply[0] if isinstance(reply, tuple) else reply)
    try:
        child.send(("close", None))
    except WorkerDiedError as error:
        return replies, error
    return replies, None


def matches(reply, expected):
    return type(reply) is expected if isinstance(expected, type) else np.array_equal(reply, expected)


@pytest.mark.parametrize("stride", [3, pytest.param(1, marks=pytest.mark.chaos)])
def test_worker_that_dies_at_any_line_gives_right_replies_before(stride, at_line):
    expected = expected_replies()
    with at_line(0) as worker:
        replies, death = play(worker.child)
        worker.process.join(5)
    assert death is None
    assert all(map(matches, replies, expected))
    line_num = at_line.line_num.value
    assert line_num > 70
    for stop in range(1 + os.getpid() % stride, line_num + 1, stride):
        with at_line(stop, lambda: os.kill(os.getpid(), signal.SIGKILL)) as worker, soon(5):
            replies, death = play(worker.child)
            worker.process.join(5)
            assert worker.process.exitcode == -signal.SIGKILL
        assert death is not None or len(replies) == len(REQUESTS)
        assert all(map(matches, replies, expected))


@pytest.mark.parametrize("stride", [3, pytest.param(1, marks=pytest.mark.chaos)])
def test_exception_at_any_line_of_the_worker_arrives_or_ends_it(stride, at_line, capfd):
    def fail():
        raise ArithmeticError("at a line")

    expected = expected_replies()
    with at_line(0) as worker:
        play(worker.child)
        worker.process.join(5)
    failures = deaths = 0
    for stop in range(1 + os.getpid() % stride, at_line.line_num.value + 1, stride):
        with at_line(stop, fail) as worker, soon(5):
            replies, death = play(worker.child)
            worker.process.join(5)
            assert worker.process.exitcode in (0, 1)
        right = 0
        while right < len(replies) and matches(replies[right], expected[right]):
            right += 1
        if right < len(replies):
            assert isinstance(replies[right], ArithmeticError | WorkerError), replies[right]
            assert "raised in worker process" in replies[right].__notes__[0]
            failures += 1
        deaths += death is not None
    assert failures > 10 // stride
    assert deaths > 10 // stride
    assert "ArithmeticError: at a line" in capfd.readouterr().err  # as Python says of any process that ends so


# Interrupts.


def play_ahead(child, received):
    """Send requests of all kinds before their replies are received."""
    child.send(("step", 1))
    child.send(("step", 2))
    child.send(("fly", None))
    child.send(("step", 17))
    child.poll()
    child.fileno()
    for _ in range(4):
        receive(child, received)


def receive(child, received):
    try:
        received.append(child.recv()[0])
    except (NotImplementedError, InvalidAction) as error:
        received.append(error)


def expected_ahead():
    """The replies to `play_ahead`; and of each number of these requests, what a step gives after them."""
    game = Game(0)
    game.reset()
    replies = [game.step(1)[0], game.step(2)[0], NotImplementedError, InvalidAction]
    after = []
    for number in range(5):
        game.reset()
        for action in range(1, min(number, 2) + 1):
            game.step(action)
        after.append(game.step(3)[0])
    return replies, after


@pytest.mark.parametrize("stride", [4, pytest.param(1, marks=pytest.mark.chaos)])
def test_interrupt_at_any_line_of_the_caller_loses_and_mixes_no_replies(stride):
    """Afterwards every reply comes, in its order; or the connection says that it was interrupted."""
    expected, after = expected_ahead()
    worker, received = Worker(0, context="fork"), []
    ask(worker, ("reset", None))
    line_num = run_lines(lambda: play_ahead(worker.child, received), FILES)
    assert all(map(matches, received, expected))
    assert line_num > 150
    interrupted = 0
    for stop in range(1 + os.getpid() % stride, line_num + 1, stride):
        received.clear()
        if worker.child.closed:
            worker.close()
            worker = Worker(0, context="fork")
        child = worker.child
        ask(worker, ("reset", None))
        with contextlib.suppress(Interrupt):  # a worker that was used before runs fewer lines
            run_lines(lambda: play_ahead(child, received), FILES, stop)  # noqa: B023
        with soon(5):
            with contextlib.suppress(gymnasium.error.NoAsyncCallError, WorkerError):
                while True:
                    receive(child, received)
            assert all(map(matches, received, expected))
            if child.closed:
                interrupted += 1
                for operate in (child.recv, child.poll, child.fileno, lambda: child.send(("reset", None))):  # noqa: B023
                    with pytest.raises(WorkerError, match=INTERRUPTED.format(worker.process.pid)):
                        operate()
                worker.process.join(5)
                assert worker.process.exitcode == 0
            else:
                assert np.array_equal(ask(worker, ("step", 3))[0], after[len(received)])
    worker.close()
    assert 0 < interrupted < line_num // stride


def test_interrupt_of_a_wait_loses_nothing(worker, game):
    def interrupt(*_):
        raise Interrupt

    before = signal.signal(signal.SIGALRM, interrupt)
    os.kill(worker.process.pid, signal.SIGSTOP)
    worker.child.send(("step", 1))
    for wait in (worker.child.recv, lambda: worker.child.poll(None)):
        signal.setitimer(signal.ITIMER_REAL, 0.05)
        with pytest.raises(Interrupt):
            wait()
    signal.signal(signal.SIGALRM, before)
    os.kill(worker.process.pid, signal.SIGCONT)
    assert np.array_equal(worker.child.recv()[0], game.step(1)[0])
    assert_same_steps(worker, game)


@pytest.mark.parametrize(
    ("context", "stride"), [("fork", 5), ("spawn", 50), pytest.param("fork", 1, marks=pytest.mark.chaos)]
)
def test_interrupt_at_any_line_of_the_start_leaves_no_process(context, stride):
    def start():
        with Worker(0, context=context):
            pass

    files = {worker_module.__file__, worker_connection.__file__}
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, ())
    line_num = run_lines(start, files)
    for stop in range(1 + os.getpid() % stride, line_num + 1, stride):
        with contextlib.suppress(Interrupt):
            run_lines(start, files, stop)
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)  # it was before the line that does so
        gc.collect()
    deadline = time.monotonic() + 5
    while multiprocessing.active_children():
        assert time.monotonic() < deadline
        time.sleep(0.01)
