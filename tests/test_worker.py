import contextlib
import copy
import faulthandler
import gc
import multiprocessing
import multiprocessing.connection
import os
import pickle
import signal
import sys
import threading
import time

import gymnasium
import numpy as np
import pytest
from failing import ENDS, EXCEPTIONS, BrokenEngine, FailingEngine

from fastatari import (
    Game,
    InvalidAction,
    RemoteTraceback,
    Worker,
    WorkerDiedError,
    WorkerError,
    crew,
    protocol,
    worker_process,
)

CONTEXTS = multiprocessing.get_all_start_methods()
ACTIONS = [1, 2, 3, 0, 0, 3, 1] * 12


@pytest.fixture
def failing(monkeypatch):
    """A worker, made by fork, that plays a `FailingEngine`."""
    monkeypatch.setattr(crew, "Engine", FailingEngine)
    with Worker(0, context="fork") as failing:
        failing.child.send(("reset", None))
        failing.child.recv()
        yield failing


@pytest.fixture
def pair():
    """A worker and its twin in this process, both reset."""
    game = Game(0)
    with Worker(0) as started:
        started.child.send(("reset", None))
        assert np.array_equal(started.child.recv(), game.reset())
        yield started, game


def assert_same_step(reply, expected):
    assert np.array_equal(reply[0], expected[0])
    assert reply[0].dtype == expected[0].dtype
    assert reply[1:] == expected[1:]
    assert [type(value) for value in reply[1:]] == [type(value) for value in expected[1:]]


def assert_goes_on(started, game):
    for action in ACTIONS:
        started.child.send(("step", action))
        assert_same_step(started.child.recv(), game.step(action))


@pytest.mark.parametrize("dtype", [np.uint8, np.float64])
@pytest.mark.parametrize("context", CONTEXTS)
def test_workers_play_as_the_game_does(context, dtype):
    names = ["breakout", "pong", "pooyan"]
    games = [Game(seed, game=name, dtype=dtype) for seed, name in enumerate(names)]
    with contextlib.ExitStack() as stack:
        workers = [
            stack.enter_context(Worker(seed, game=name, dtype=dtype, context=context))
            for seed, name in enumerate(names)
        ]
        for each in workers:
            each.child.send(("reset", None))
        for each, game in zip(workers, games, strict=True):
            assert np.array_equal(each.child.recv(), game.reset())
        episodes = 0
        for action in ACTIONS:
            for each in workers:
                each.child.send(("step", np.int32(action) if episodes % 2 else np.int64(action)))
            for each, game in zip(workers, games, strict=True):
                reply = each.child.recv()
                assert_same_step(reply, game.step(action))
                episodes += reply[2]
        assert episodes


def test_the_start_method_may_be_a_context():
    with Worker(0, context=multiprocessing.get_context("fork")) as started:
        started.child.send(("reset", None))
        assert started.child.recv().shape == (4, 84, 84)
    assert started.process.exitcode == 0


def test_requests_may_run_ahead_of_replies(pair):
    started, game = pair
    for action in ACTIONS:
        started.child.send(("step", action))
    started.child.send(("step", 17))
    started.child.send(("reset", None))
    for action in ACTIONS:
        assert started.child.poll(5)
        assert_same_step(started.child.recv(), game.step(action))
    with pytest.raises(InvalidAction):
        started.child.recv()
    assert np.array_equal(started.child.recv(), game.reset())
    assert not started.child.poll()
    assert_goes_on(started, game)


def test_replies_that_nobody_receives_block_nothing(pair):
    started, _ = pair
    for _ in range(300):
        started.child.send(("step", 17))
    started.child.send(("close", None))
    started.process.join(5)
    assert started.process.exitcode == 0


def test_replies_before_a_close_can_still_be_received(pair):
    started, game = pair
    started.child.send(("step", 1))
    started.child.send(("step", 2))
    started.child.send(("close", None))
    started.process.join(5)
    assert_same_step(started.child.recv(), game.step(1))
    assert_same_step(started.child.recv(), game.step(2))
    for operate in (started.child.recv, lambda: started.child.send(("step", 1))):
        with pytest.raises(gymnasium.error.ClosedEnvironmentError, match="Trying to operate on `Worker`, after a call"):
            operate()


def test_wait_and_poll_see_replies(pair):
    started, _ = pair
    with Worker(1) as other:
        children = [started.child, other.child]
        assert not started.child.poll()
        assert multiprocessing.connection.wait(children, 0.05) == []
        other.child.send(("reset", None))
        assert multiprocessing.connection.wait(children, 5) == [other.child]
        assert other.child.poll()
        assert other.child.poll(None)
        assert started.child.fileno() != other.child.fileno()
        other.child.recv()
        assert not other.child.poll(0.01)


def test_the_connection_closes_as_connections_do(pair):
    started, _ = pair
    with started.child as child:
        assert not child.closed
    assert child.closed
    started.process.join(5)
    assert started.process.exitcode == 0
    for operate in (child.recv, child.poll, child.fileno, lambda: child.send(("reset", None))):
        with pytest.raises(gymnasium.error.ClosedEnvironmentError, match="Trying to operate on `Worker`, after a call"):
            operate()
    child.close()


def test_receiving_what_was_not_asked_for_is_an_error_and_not_a_hang(pair):
    started, game = pair
    with pytest.raises(gymnasium.error.NoAsyncCallError, match="Calling `recv` without any prior call to `send`"):
        started.child.recv()
    assert_goes_on(started, game)


@pytest.mark.parametrize(
    ("message", "error", "text"),
    [
        (("step", 4), InvalidAction, "action 4 is not in 0..3, the actions of breakout: NOOP, FIRE, RIGHT, LEFT"),
        (("step", -1), InvalidAction, "action -1 is not in 0..3"),
        (("step", 2**70), InvalidAction, f"action {2**70} is no index of an action"),
        (("step", 1.0), TypeError, "`action` must be an integer, got 1.0 of type float"),
        (("step", True), TypeError, "`action` must be an integer, got True of type bool"),
        (("step", np.bool_(True)), TypeError, "`action` must be an integer, got np.True_ of type bool"),
        (("step", print), TypeError, "`action` must be an integer, got <built-in function print>"),
        (("step", None), TypeError, "`action` must be an integer, got None of type NoneType"),
        (("fly", 1), NotImplementedError, "unknown command 'fly'; a worker knows 'step', 'reset' and 'close'"),
        ("reset", TypeError, "a request is a pair (command, data), got 'reset'"),
        (None, TypeError, "a request is a pair (command, data), got None"),
    ],
)
def test_a_bad_request_is_an_error_and_the_worker_goes_on(message, error, text, pair):
    started, game = pair
    started.child.send(message)
    with pytest.raises(error) as caught:
        started.child.recv()
    assert text in str(caught.value)
    assert caught.value.__notes__[0].startswith(f"raised in worker process {started.process.pid}, in a ")
    assert isinstance(caught.value.__cause__, RemoteTraceback)
    assert "Traceback (most recent call last)" in str(caught.value.__cause__)
    assert_goes_on(started, game)


@pytest.mark.parametrize(("action", "error", "text"), EXCEPTIONS)
def test_exceptions_travel_whatever_they_are(action, error, text, failing):
    failing.child.send(("step", action))
    with pytest.raises(Exception, match=f"(?m){text}") as caught:
        failing.child.recv()
    assert type(caught.value).__name__ == error
    assert f"raised in worker process {failing.process.pid}, in a step" in caught.value.__notes__
    assert "failing.py" in str(caught.value.__cause__)
    if error == "WorkerError":
        assert caught.value.pid == failing.process.pid
    failing.child.send(("step", 1))
    assert failing.child.recv()[0].shape == (4, 84, 84)


@pytest.mark.parametrize(("action", "exitcode", "text"), ENDS)
def test_code_that_ends_the_worker_is_named(action, exitcode, text, failing):
    failing.child.send(("step", action))
    with pytest.raises(WorkerDiedError, match=f"^worker process {failing.process.pid} died: {text}$") as caught:
        failing.child.recv()
    assert (caught.value.pid, caught.value.exitcode) == (failing.process.pid, exitcode)


def test_a_game_that_cannot_start_says_so_to_every_request(monkeypatch):
    monkeypatch.setattr(crew, "Engine", BrokenEngine)
    with Worker(0, context="fork") as started:
        for message in [("reset", None), ("step", 1)]:
            started.child.send(message)
            with pytest.raises(OSError, match="no cartridge"):
                started.child.recv()


@pytest.fixture
def no_dumps():
    """Without pytest's faulthandler, which a forked worker would inherit, and which would print its end."""
    faulthandler.disable()
    yield
    faulthandler.enable(sys.__stderr__)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGSEGV, signal.SIGABRT, signal.SIGBUS])
def test_a_killed_worker_is_named_at_once(number, no_dumps, pair):
    started, _ = pair
    os.kill(started.process.pid, number)
    begin = time.monotonic()
    text = f"^worker process {started.process.pid} died: killed by signal {number:d} \\({number.name}\\)$"
    with pytest.raises(WorkerDiedError, match=text):  # noqa: PT012 -- whichever notices first
        started.child.send(("step", 1))
        started.child.recv()
    assert time.monotonic() - begin < 1
    for operate in (started.child.recv, started.child.poll, lambda: started.child.send(("reset", None))):
        with pytest.raises(WorkerDiedError, match=text) as caught:
            operate()
        assert caught.value.exitcode == -number


def test_a_worker_that_dies_while_the_caller_waits_is_named_at_once(failing):
    failing.child.send(("step", 108))
    begin = time.monotonic()
    with pytest.raises(WorkerDiedError, match=r"killed by signal 9 \(SIGKILL\)"):
        failing.child.recv()
    assert time.monotonic() - begin < 1.5


def test_a_reply_sent_before_the_death_is_received(pair):
    started, game = pair
    started.child.send(("step", 1))
    assert started.child.poll(5)
    os.kill(started.process.pid, signal.SIGKILL)
    started.process.join(5)
    assert_same_step(started.child.recv(), game.step(1))
    with pytest.raises(WorkerDiedError):  # noqa: PT012 -- whichever notices first
        started.child.send(("step", 1))
        started.child.recv()


def test_a_death_among_several_is_seen_while_the_others_go_on():
    with contextlib.ExitStack() as stack:
        workers = [stack.enter_context(Worker(seed, context="fork")) for seed in range(3)]
        for each in workers:
            each.child.send(("reset", None))
        os.kill(workers[1].process.pid, signal.SIGKILL)
        workers[0].child.recv()
        workers[2].child.recv()
        with contextlib.suppress(WorkerDiedError):
            workers[1].child.recv()
        with pytest.raises(WorkerDiedError):  # noqa: PT012 -- whichever notices first
            workers[1].child.send(("step", 0))
            workers[1].child.recv()
        for each in (workers[0], workers[2]):
            each.child.send(("step", 1))
            assert each.child.recv()[0].shape == (4, 84, 84)


def test_death_is_seen_although_another_process_holds_the_pipe_open(monkeypatch):
    """The worker's end of a pipe is inherited by what another thread forks at the wrong moment."""
    ends = []
    start = multiprocessing.context.ForkProcess.start

    def start_and_keep(process):
        ends.append(os.dup(process._args[0].fileno()))
        start(process)

    monkeypatch.setattr(multiprocessing.context.ForkProcess, "start", start_and_keep)
    with Worker(0, context="fork") as started:
        started.child.send(("reset", None))
        started.child.recv()
        os.kill(started.process.pid, signal.SIGKILL)
        begin = time.monotonic()
        started.child.send(("step", 0))
        assert started.child.poll(None)
        with pytest.raises(WorkerDiedError, match=r"killed by signal 9 \(SIGKILL\)"):
            started.child.recv()
        assert time.monotonic() - begin < 1
    os.close(ends[0])


@pytest.mark.parametrize("owed", [0, 1, 2])
def test_a_stopped_worker_is_closed_by_force(owed):
    started = Worker(0)
    os.kill(started.process.pid, signal.SIGSTOP)
    for _ in range(owed):
        started.child.send(("reset", None))
    started.child.send(("close", None))
    begin = time.monotonic()
    started.close(timeout=0.2)
    assert started.process.exitcode is not None
    assert time.monotonic() - begin < 2
    started.close()


class Interrupt(Exception):
    pass


@pytest.mark.parametrize("name", ["write", "read"])
def test_an_interrupt_within_a_message_ends_the_worker_and_says_so(name, pair, monkeypatch):
    """What comes after would be taken for the reply to another request."""
    started, _ = pair
    function = getattr(protocol, name)

    def interrupted(*arguments):
        function(*arguments)
        raise Interrupt

    with monkeypatch.context() as patch:
        patch.setattr(protocol, name, interrupted)
        with pytest.raises(Interrupt):  # noqa: PT012 -- one of the two
            started.child.send(("step", 1))
            started.child.recv()
    text = f"an interrupt cut off a message to or from worker process {started.process.pid}"
    for operate in (started.child.recv, started.child.poll, lambda: started.child.send(("step", 1))):
        with pytest.raises(WorkerError, match=text):
            operate()
    started.process.join(5)
    assert started.process.exitcode == 0


def test_an_interrupt_of_a_wait_harms_nothing(pair):
    started, game = pair

    def interrupt(*_):
        raise Interrupt

    before = signal.signal(signal.SIGALRM, interrupt)
    os.kill(started.process.pid, signal.SIGSTOP)
    started.child.send(("step", 1))
    signal.setitimer(signal.ITIMER_REAL, 0.05)
    with pytest.raises(Interrupt):
        started.child.recv()
    signal.signal(signal.SIGALRM, before)
    os.kill(started.process.pid, signal.SIGCONT)
    assert_same_step(started.child.recv(), game.step(1))
    assert_goes_on(started, game)


def test_a_worker_is_neither_pickled_nor_copied(pair):
    started, game = pair
    for duplicate in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(TypeError, match="a `Worker` cannot be pickled or copied"):
            duplicate(started)
    assert_goes_on(started, game)


def test_workers_do_not_outlive_their_last_reference(monkeypatch):
    monkeypatch.setattr("fastatari.labml.GRACE", 60.0)  # on a busy machine a process may not have begun yet
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


def test_starting_and_closing_leaks_no_descriptors():
    with Worker(0, context="fork"):
        pass
    gc.collect()
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(15):
        with Worker(0, context="fork") as started:
            started.child.send(("reset", None))
    del started
    gc.collect()
    assert len(os.listdir("/proc/self/fd")) == before


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"game": "brakeout"}, ValueError, "the closest is 'breakout'"),
        ({"game": "combat"}, ValueError, "`game` 'combat' is refused by ale-py"),
        ({"seed": -1}, ValueError, "`seed` must be at least 0, got -1"),
        ({"seed": 0.5}, TypeError, "`seed` must be an integer, got 0.5"),
        ({"dtype": np.int8}, ValueError, "`dtype` must be uint8 or float64, got int8"),
        ({"context": "illegal"}, ValueError, "cannot find context for 'illegal'"),
    ],
)
def test_bad_arguments_are_refused_before_a_process_starts(arguments, error, message):
    with pytest.raises(error, match=message):
        Worker(**{"seed": 0, **arguments})
    assert not multiprocessing.active_children()


def test_a_process_that_cannot_start_leaves_nothing(monkeypatch):
    def fail(_):
        raise OSError("no more processes")

    monkeypatch.setattr(multiprocessing.context.ForkProcess, "start", fail)
    Game(0)
    before = len(os.listdir("/proc/self/fd"))
    with pytest.raises(OSError, match="no more processes"):
        Worker(0, context="fork")
    gc.collect()
    assert len(os.listdir("/proc/self/fd")) <= before + 1  # the arena that later workers share


def run_in_daemon(connection):
    try:
        Worker(0)
    except RuntimeError as error:
        connection.send(str(error))


def test_a_daemonic_process_is_told_that_it_may_not():
    mine, theirs = multiprocessing.Pipe()
    process = multiprocessing.get_context("fork").Process(target=run_in_daemon, args=(theirs,), daemon=True)
    process.start()
    assert "a daemonic process may not start a `Worker`; use `Game`" in mine.recv()
    process.join(5)


def test_a_forked_process_neither_uses_nor_harms_its_parents_worker(pair):
    started, game = pair
    pid = os.fork()
    if pid == 0:
        with contextlib.suppress(BaseException):
            try:
                started.child.send(("step", 1))
            except RuntimeError as error:
                started.close()
                os._exit(0 if "belongs to process" in str(error) else 1)
        os._exit(2)
    assert os.waitpid(pid, 0)[1] == 0
    assert_goes_on(started, game)


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


def test_worker_process_on_a_plain_pipe_raises_what_it_does_not_know_and_ends_with_its_caller():
    mine, theirs = multiprocessing.Pipe()
    thread = threading.Thread(target=worker_process, args=(theirs, 0), kwargs={"game": "pong", "dtype": np.float64})
    thread.start()
    mine.send(("reset", None))
    assert mine.recv().dtype == np.float64
    mine.close()
    thread.join(5)
    assert not thread.is_alive()
    mine, theirs = multiprocessing.Pipe()
    mine.send(("fly", None))
    with pytest.raises(NotImplementedError, match="unknown command 'fly'; a worker knows 'step', 'reset' and 'close'"):
        worker_process(theirs, 0)
