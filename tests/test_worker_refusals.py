"""What `Worker` refuses: requests, arguments, copies, and processes and programs that cannot start one."""

import copy
import multiprocessing
import os
import pickle
import signal
import threading

import gymnasium
import numpy as np
import pytest
from workers import ask, assert_same_steps, run_program

from fastatari import InvalidAction, RemoteTraceback
from fastatari.envs.worker import Worker


@pytest.mark.parametrize(
    ("message", "error", "text"),
    [
        (("step", 2**70), InvalidAction, f"action {2**70} is no index of an action"),
        (("step", 1.0), TypeError, "`action` must be an integer, got 1.0 of type float"),
        (("step", True), TypeError, "`action` must be an integer, got True of type bool"),
        (("step", np.bool_(True)), TypeError, "`action` must be an integer, got np.True_ of type bool"),
        (("step", print), TypeError, "`action` must be an integer, got <built-in function print>"),
        (("step", None), TypeError, "`action` must be an integer, got None of type NoneType"),
        (("fly", 1), NotImplementedError, "unknown command 'fly'; a worker knows 'step', 'reset' and 'close'"),
        ("reset", TypeError, "a request must be a pair (command, data), got 'reset'"),
        (("reset",), TypeError, "a request must be a pair (command, data), got ('reset',)"),
        (None, TypeError, "a request must be a pair (command, data), got None"),
    ],
)
def test_wrong_request_is_answered_without_the_worker(message, error, text, worker, game):
    os.kill(worker.process.pid, signal.SIGSTOP)
    worker.child.send(message)
    assert worker.child.poll()
    with pytest.raises(error) as caught:
        worker.child.recv()
    assert text in str(caught.value)
    os.kill(worker.process.pid, signal.SIGCONT)
    assert_same_steps(worker, game)


@pytest.mark.parametrize("action", [4, -1, 2**63 - 1, -(2**63)])
def test_action_that_the_game_does_not_have_is_refused_by_the_worker(action, worker, game):
    with pytest.raises(InvalidAction, match=f"^action {action} is not in 0..3, the actions of breakout") as caught:
        ask(worker, ("step", action))
    assert caught.value.__notes__ == [f"raised in worker process {worker.process.pid}, in a step"]
    assert isinstance(caught.value.__cause__, RemoteTraceback)
    assert "Traceback (most recent call last)" in str(caught.value.__cause__)
    assert_same_steps(worker, game)


def test_step_before_a_reset_raises_and_the_worker_goes_on(game):
    with Worker(0) as worker:
        with pytest.raises(gymnasium.error.ResetNeeded):
            ask(worker, ("step", 0))
        ask(worker, ("reset", None))
        assert_same_steps(worker, game)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"game": "brakeout"}, ValueError, "the closest is 'breakout'"),
        ({"game": "combat"}, ValueError, "`game` 'combat' is refused by ale-py"),
        ({"seed": -1}, ValueError, "`seed` must be at least 0, got -1"),
        ({"seed": 0.5}, TypeError, "`seed` must be an integer, got 0.5"),
        ({"dtype": np.int8}, ValueError, "`dtype` must be uint8 or float64, got int8"),
        ({"console": "nes"}, ValueError, "`console` must be one of 'fastatari', 'ale', got 'nes'"),
        ({"context": "illegal"}, ValueError, "cannot find context for 'illegal'"),
    ],
)
def test_wrong_arguments_are_refused_before_a_process_starts(arguments, error, message):
    with pytest.raises(error, match=message):
        Worker(**{"seed": 0, **arguments})
    assert not multiprocessing.active_children()


@pytest.mark.parametrize(
    ("timeout", "error", "message"),
    [
        ("x", TypeError, "`timeout` must be a number, got 'x'"),
        (-1, ValueError, "`timeout` must be from 0 to 1000000 seconds, got -1"),
        (float("nan"), ValueError, "`timeout` must be from 0 to 1000000 seconds, got nan"),
        (float("inf"), ValueError, "`timeout` must be from 0 to 1000000 seconds, got inf"),
    ],
)
def test_wrong_timeouts_are_refused_and_the_worker_goes_on(timeout, error, message, worker, game):
    for operate in (worker.close, worker.child.poll):
        with pytest.raises(error, match=message):
            operate(timeout)
    with pytest.raises(TypeError, match="`timeout` must be a number, got None"):
        worker.close(None)
    assert_same_steps(worker, game)


def test_worker_and_its_connection_are_neither_pickled_nor_copied(worker, game):
    for duplicate in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(TypeError, match="a `Worker` cannot be pickled or copied: its process belongs to this one"):
            duplicate(worker)
        with pytest.raises(TypeError, match="the connection of a `Worker` cannot be pickled or copied"):
            duplicate(worker.child)
    assert_same_steps(worker, game)


def run_in_daemon(connection):
    try:
        Worker(0)
    except RuntimeError as error:
        connection.send(str(error))


def test_daemonic_process_may_not_start_workers():
    mine, theirs = multiprocessing.Pipe()
    process = multiprocessing.get_context("fork").Process(target=run_in_daemon, args=(theirs,), daemon=True)
    process.start()
    assert "a daemonic process may not start a `Worker`; use `Game`" in mine.recv()
    process.join(5)


def test_worker_warns_when_a_process_with_threads_forks():
    done = threading.Event()
    thread = threading.Thread(target=done.wait)
    thread.start()
    with pytest.warns(RuntimeWarning, match="threads, and forks: a lock that one of them holds") as warned:
        Worker(0, context="fork").close()
    assert warned[0].filename == __file__
    done.set()
    thread.join()


PROGRAM = """
from fastatari.envs.worker import Worker
if __name__ == "__main__":
    with Worker(0, context="{context}") as worker:
        worker.child.send(("reset", None))
        print(worker.child.recv().shape)
"""


@pytest.mark.parametrize("context", ["forkserver", "spawn"])
def test_program_on_standard_input_gets_an_error_that_says_so(context):
    outcome = run_program(PROGRAM.format(context=context), "-")
    assert outcome.returncode == 1
    assert outcome.stderr.count("Traceback") == 1
    assert "RuntimeError: a worker imports the program, and there is no file" in outcome.stderr
    assert "standard input; save it in a file, or use `context='fork'`" in outcome.stderr


@pytest.mark.parametrize(("context", "place"), [("fork", "input"), ("spawn", "file"), ("spawn", "argument")])
def test_program_in_other_places_starts_workers(context, place, tmp_path):
    program = PROGRAM.format(context=context)
    path = tmp_path / "program.py"
    path.write_text(program)
    outcome = run_program(program, *{"input": ["-"], "file": [path], "argument": ["-c", program]}[place])
    assert outcome.stdout == "(4, 84, 84)\n", outcome.stderr


def test_program_without_a_guard_gets_an_error_that_says_so(tmp_path):
    path = tmp_path / "program.py"
    path.write_text(PROGRAM.format(context="spawn").replace('if __name__ == "__main__"', "if True"))
    outcome = run_program("", path)
    assert outcome.returncode == 1
    assert not outcome.stdout
    assert "WorkerDiedError: worker process " in outcome.stderr
    assert "belongs behind `if __name__ == '__main__':`" in outcome.stderr.replace("\n", " ")


def test_worker_says_that_it_needs_posix_where_it_can_be_imported():
    """As on Windows, which has none of these functions."""
    program = """
import os, select, signal, sys
import fastatari.envs.worker
for name in ("worker", "worker_connection", "worker_server"):
    del sys.modules[f"fastatari.envs.{name}"]
del os.fork, os.register_at_fork, select.poll, signal.pthread_sigmask
from fastatari.envs.worker import Game, Worker
assert Game(0).reset().any()
Worker(0)
"""
    outcome = run_program("", "-c", program)
    assert outcome.stderr.endswith(
        "NotImplementedError: a `Worker` needs a POSIX system, such as Linux or macOS; use `Game` instead\n"
    )
