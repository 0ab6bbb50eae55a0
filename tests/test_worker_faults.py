"""`Worker` where something goes wrong: exceptions, deaths, signals, forks, and limits of the system."""

import contextlib
import gc
import multiprocessing
import os
import pickle
import signal
import threading
import time
import weakref

import numpy as np
import pytest
from failing_games import ACTIONS as FAILING
from failing_games import ENDS, EXCEPTIONS, BrokenGame, FailingGame
from workers import ask, assert_same_steps, no_dumps, run_program, soon

from fastatari import RemoteTraceback, WorkerDiedError, WorkerError
from fastatari.envs import worker_server
from fastatari.envs.worker import Worker
from fastatari.envs.worker_server import Game

SIGNALS = [signal.SIGKILL, signal.SIGTERM, signal.SIGSEGV, signal.SIGABRT, signal.SIGBUS]


@pytest.fixture
def worker():
    """A worker that has been reset."""
    with no_dumps(), Worker(0, context="fork") as worker:
        ask(worker, ("reset", None))
        yield worker


@pytest.fixture
def failing(monkeypatch):
    """A worker that plays a `FailingGame`, and has been reset."""
    monkeypatch.setattr(worker_server, "Game", FailingGame)
    with no_dumps(), Worker(0, context="fork") as worker:
        ask(worker, ("reset", None))
        yield worker


def died(worker, text):
    return f"^worker process {worker.process.pid} died: {text}$"


# Exceptions.


@pytest.mark.parametrize(("name", "error", "text"), EXCEPTIONS)
def test_exceptions_of_every_kind_arrive_and_the_worker_goes_on(name, error, text, failing, game):
    with pytest.raises(Exception, match=f"(?m){text}") as caught:
        ask(failing, ("step", FAILING[name]))
    assert type(caught.value).__name__ == error
    assert f"raised in worker process {failing.process.pid}, in a step" in caught.value.__notes__
    assert isinstance(caught.value.__cause__, RemoteTraceback)
    assert "failing_games.py" in str(caught.value.__cause__)
    assert len(str(caught.value)) < 3000
    if error == "WorkerError":
        assert caught.value.pid == failing.process.pid
    assert_same_steps(failing, game)


def test_two_exceptions_in_flight_do_not_mix(failing):
    for name in ("value", "recursion", "local"):
        failing.child.send(("step", FAILING[name]))
    for error, text in ((ValueError, "a value"), (RecursionError, "maximum recursion"), (WorkerError, "LocalError")):
        with pytest.raises(error, match=text):
            failing.child.recv()


def test_exception_whose_class_cannot_be_imported_arrives_as_a_worker_error(failing, monkeypatch):
    failing.child.send(("step", FAILING["value"]))
    assert failing.child.poll(5)

    def load(data):
        content = loads(data)
        if isinstance(content, ValueError):
            raise ModuleNotFoundError
        return content

    loads = pickle.loads
    monkeypatch.setattr(pickle, "loads", load)
    with pytest.raises(WorkerError, match=r"(?m)^ValueError: \('a value', 7\)$"):
        failing.child.recv()


def test_game_that_cannot_be_made_is_the_answer_to_every_request(monkeypatch):
    monkeypatch.setattr(worker_server, "Game", BrokenGame)
    with Worker(0, context="fork") as worker:
        for message in [("reset", None), ("step", 1)]:
            with pytest.raises(OSError, match=r"(?m)^no cartridge$") as caught:
                ask(worker, message)
            assert caught.value.__notes__ == [f"raised in worker process {worker.process.pid}, as it started"]
        worker.child.send(("close", None))
        worker.process.join(5)
        assert worker.process.exitcode == 0


# Deaths.


@pytest.mark.parametrize(("name", "exitcode", "text"), ENDS)
def test_game_that_ends_the_worker_is_named_within_a_second(name, exitcode, text, failing):
    with soon(1.5), pytest.raises(WorkerDiedError, match=died(failing, text)) as caught:
        ask(failing, ("step", FAILING[name]))
    assert (caught.value.pid, caught.value.exitcode) == (failing.process.pid, exitcode)


@pytest.mark.parametrize("number", SIGNALS)
def test_killed_worker_is_named_within_a_second(number, worker):
    os.kill(worker.process.pid, number)
    text = died(worker, rf"killed by signal {number:d} \({number.name}\)")
    with soon(), pytest.raises(WorkerDiedError, match=text):
        ask(worker, ("step", 1))
    for operate in (worker.child.recv, worker.child.poll, worker.child.fileno, lambda: worker.child.send(("fly", 1))):
        with pytest.raises(WorkerDiedError, match=text) as caught:
            operate()
        assert caught.value.exitcode == -number
    copied = pickle.loads(pickle.dumps(caught.value))
    assert (str(copied), copied.pid, copied.exitcode) == (str(caught.value), worker.process.pid, -number)
    with soon():
        worker.close()


@pytest.mark.parametrize("request_num", [0, 1, 2])
def test_worker_killed_between_send_and_recv_is_named(request_num, worker):
    os.kill(worker.process.pid, signal.SIGSTOP)
    for _ in range(request_num):
        worker.child.send(("step", 1))
    os.kill(worker.process.pid, signal.SIGKILL)
    worker.process.join(5)
    with soon(), pytest.raises(WorkerDiedError, match="SIGKILL"):
        ask(worker, ("step", 1))


def test_worker_killed_while_the_caller_waits_is_named_within_a_second(worker):
    os.kill(worker.process.pid, signal.SIGSTOP)
    worker.child.send(("step", 1))
    timer = threading.Timer(0.2, os.kill, (worker.process.pid, signal.SIGKILL))
    timer.start()
    with soon(1.2), pytest.raises(WorkerDiedError, match="SIGKILL"):
        worker.child.recv()
    timer.join()


def test_worker_killed_as_it_starts_is_named(monkeypatch):
    monkeypatch.setattr(worker_server, "Game", lambda *_, **__: os.kill(os.getpid(), signal.SIGKILL))
    with Worker(0, context="fork") as worker, soon(), pytest.raises(WorkerDiedError, match="SIGKILL"):
        ask(worker, ("reset", None))


def test_worker_killed_as_it_is_closed_closes_quietly(worker):
    worker.child.send(("step", 0))
    os.kill(worker.process.pid, signal.SIGKILL)
    with soon():
        worker.close()
    assert worker.process.exitcode == -signal.SIGKILL


def test_replies_sent_before_the_death_are_received_after_it(worker, game):
    worker.child.send(("step", 1))
    worker.child.send(("step", 2))
    worker.child.send(("fly", None))  # keeps the first reply
    while len(os.listdir(f"/proc/{worker.process.pid}/fd")) and not worker.child._poller.poll(0):
        time.sleep(0.01)
    os.kill(worker.process.pid, signal.SIGKILL)
    worker.process.join(5)
    for action in (1, 2):
        assert np.array_equal(worker.child.recv()[0], game.step(action)[0])
    with pytest.raises(NotImplementedError, match="unknown command 'fly'"):
        worker.child.recv()
    with pytest.raises(WorkerDiedError, match="SIGKILL"):
        ask(worker, ("step", 1))


def test_death_of_one_worker_leaves_the_others():
    with contextlib.ExitStack() as stack:
        workers = [stack.enter_context(Worker(seed, context="fork")) for seed in range(3)]
        games = [Game(seed) for seed in range(3)]
        for worker, game in zip(workers, games, strict=True):
            assert np.array_equal(ask(worker, ("reset", None)), game.reset())
        os.kill(workers[1].process.pid, signal.SIGKILL)
        assert_same_steps(workers[0], games[0])
        with pytest.raises(WorkerDiedError, match="SIGKILL"):
            ask(workers[1], ("step", 0))
        for index in (0, 2):
            assert_same_steps(workers[index], games[index])


def test_death_is_seen_when_another_process_holds_the_pipe_open(monkeypatch):
    """What another thread forks at the wrong moment inherits the worker's end of a pipe."""
    ends = []
    start = multiprocessing.context.ForkProcess.start

    def start_and_keep(process):
        ends.append(os.dup(process._args[0].fileno()))
        start(process)

    monkeypatch.setattr(multiprocessing.context.ForkProcess, "start", start_and_keep)
    with Worker(0, context="fork") as worker:
        ask(worker, ("reset", None))
        os.kill(worker.process.pid, signal.SIGKILL)
        with soon():
            worker.child.send(("step", 0))
            assert worker.child.poll(None)
            with pytest.raises(WorkerDiedError, match=died(worker, r"killed by signal 9 \(SIGKILL\)")):
                worker.child.recv()
    os.close(ends[0])


def test_dead_worker_is_collected_with_its_last_reference():
    """Although its errors refer to the frames in which it was used."""

    def use():
        worker = Worker(0, context="fork")
        os.kill(worker.process.pid, signal.SIGKILL)
        for _ in range(3):
            with contextlib.suppress(WorkerDiedError):
                ask(worker, ("reset", None))
        return weakref.ref(worker)

    reference = use()
    gc.collect()
    assert reference() is None


# Signals, forks, and limits of the system.


def test_signals_that_the_caller_handles_do_not_end_the_worker(game):
    """Such as those that a cluster sends to all processes of a job before it ends the job."""
    received = []
    numbers = (signal.SIGTERM, signal.SIGUSR1, signal.SIGINT)
    before = {number: signal.signal(number, lambda *_: received.append(1)) for number in numbers}
    with Worker(0, context="fork") as worker:
        for number, handler in before.items():
            signal.signal(number, handler)
        ask(worker, ("reset", None))
        for number in numbers:
            os.kill(worker.process.pid, number)
        assert_same_steps(worker, game)
    assert not received


def test_signal_that_the_caller_does_not_handle_ends_the_worker(worker):
    os.kill(worker.process.pid, signal.SIGUSR1)
    with pytest.raises(WorkerDiedError, match="SIGUSR1"):
        ask(worker, ("step", 1))


def test_forked_process_can_neither_use_nor_harm_the_worker(worker, game):
    worker.child.send(("step", 1))
    pid = os.fork()
    if pid == 0:
        right = 0
        with contextlib.suppress(BaseException):
            for operate in (worker.child.recv, worker.child.poll, lambda: worker.child.send(("step", 1))):
                try:
                    operate()
                except RuntimeError as error:
                    right += f"belongs to process {os.getppid()}; a forked process cannot use it" in str(error)
            worker.close()
            os._exit(0 if right == 3 else 1)
        os._exit(2)
    assert os.waitpid(pid, 0)[1] == 0
    assert np.array_equal(worker.child.recv()[0], game.step(1)[0])
    assert_same_steps(worker, game)


def test_later_workers_do_not_keep_earlier_ones_alive():
    workers = [Worker(seed, context="fork") for seed in range(3)]
    workers[0].child.close()
    workers[0].process.join(5)
    assert workers[0].process.exitcode == 0
    for worker in workers:
        worker.close()


def count_descriptors():
    gc.collect()
    return len(os.listdir("/proc/self/fd"))


@pytest.mark.parametrize("context", ["fork", "forkserver"])
def test_workers_leave_no_descriptors(context):
    with Worker(0, context=context):
        pass
    before = count_descriptors()
    for number in range(8 if context == "fork" else 2):
        with Worker(0, context=context) as worker:
            worker.child.send(("fly", None))
            worker.child.fileno()
            if number % 2:
                ask_dead(worker)
    del worker
    assert count_descriptors() == before


def ask_dead(worker):
    os.kill(worker.process.pid, signal.SIGKILL)
    with contextlib.suppress(NotImplementedError, WorkerDiedError):
        ask(worker, ("reset", None))


def test_process_that_cannot_start_leaves_nothing(monkeypatch):
    def fail(_):
        raise OSError("no more processes")

    Worker(0, context="fork").close()
    before = count_descriptors()
    monkeypatch.setattr(multiprocessing.context.ForkProcess, "start", fail)
    with pytest.raises(OSError, match=r"^no more processes$"):
        Worker(0, context="fork")
    assert count_descriptors() <= before + 1  # that of shared memory that later workers use


@pytest.mark.parametrize(("limit", "most", "number"), [("NOFILE", 8, 24), ("FSIZE", 10_000, 27)])
def test_limits_of_the_system_give_an_error_and_leave_nothing(limit, most, number):
    """Limits of open files, and of the size of a file, as on a file system that is full."""
    program = f"""
import os, resource
from fastatari.envs.worker import Worker
from fastatari.envs.worker_server import Game
game = Game(0)
before = len(os.listdir("/proc/self/fd"))
limits = resource.getrlimit(resource.RLIMIT_{limit})
resource.setrlimit(resource.RLIMIT_{limit}, ({most}, limits[1]))
workers = []
try:
    for _ in range(8):
        workers.append(Worker(0, context="fork"))
except OSError as error:
    print(error.errno)
resource.setrlimit(resource.RLIMIT_{limit}, limits)
for worker in workers:
    worker.close()
workers = worker = None
# One is of the shared memory that later workers use; `multiprocessing` loses two if a process's second pipe fails.
print(len(os.listdir("/proc/self/fd")) - before <= 3)
with Worker(0, context="fork") as worker:
    worker.child.send(("reset", None))
    print((worker.child.recv() == game.reset()).all())
"""
    outcome = run_program("", "-c", program)
    assert outcome.stdout == f"{number}\nTrue\nTrue\n", outcome.stderr
