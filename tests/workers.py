"""What the tests of `Worker` have in common."""

import contextlib
import faulthandler
import subprocess
import sys
import time

import numpy as np

ACTIONS = [1, 2, 3, 0, 0, 3, 1] * 12


def ask(worker, message):
    """Send a request, and return the reply."""
    worker.child.send(message)
    return worker.child.recv()


def assert_same_step(reply, expected):
    assert np.array_equal(reply[0], expected[0])
    assert reply[0].dtype == expected[0].dtype
    assert reply[1:] == expected[1:]
    assert [type(value) for value in reply[1:]] == [type(value) for value in expected[1:]]


def assert_same_steps(worker, game, actions=ACTIONS):
    for action in actions:
        assert_same_step(ask(worker, ("step", action)), game.step(action))


@contextlib.contextmanager
def soon(seconds=1.0):
    """Check that something takes no longer."""
    begin = time.monotonic()
    yield
    assert time.monotonic() - begin < seconds


@contextlib.contextmanager
def no_dumps():
    """Disable pytest's faulthandler, which forked workers would inherit, and which would print how they end."""
    faulthandler.disable()
    yield
    faulthandler.enable(sys.__stderr__)


def run_program(program, *arguments, **fields):
    """Run Python with arguments, and with a program on its standard input."""
    return subprocess.run([sys.executable, *arguments], input=program, capture_output=True, text=True, check=False,
                          timeout=60, **fields)  # fmt: skip
