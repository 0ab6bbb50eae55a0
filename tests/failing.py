"""Games and workers that fail on demand."""

import multiprocessing
import os
import signal
import sys
import time

from fastatari.crew import Crew
from fastatari.engine import Engine


class TwoArgumentsError(Exception):
    """Pickles, but does not unpickle."""

    def __init__(self, first, second):
        super().__init__(first + second)


class UnspeakableError(Exception):
    def __reduce__(self):
        raise RuntimeError

    def __str__(self):
        raise RuntimeError


def raise_(error):
    raise error


def raise_local():
    class LocalError(Exception):
        pass

    raise LocalError("local")


def raise_with_note():
    error = TwoArgumentsError("with ", "a note")
    error.add_note("the note")
    raise error


def recurse():
    recurse()


def die_later():
    time.sleep(0.5)
    os.kill(os.getpid(), signal.SIGKILL)


# Ways to end otherwise than in an observation.
FAILURES = {
    100: lambda: raise_(ValueError("a value", 7)),
    101: lambda: raise_(TwoArgumentsError("two ", "arguments")),
    102: raise_local,
    103: lambda: raise_(KeyError("x" * 10**8)),
    104: lambda: sys.exit(3),
    105: lambda: os._exit(4),
    106: recurse,
    107: lambda: raise_(KeyboardInterrupt),
    108: die_later,
    109: raise_with_note,
    110: lambda: raise_(UnspeakableError()),
    111: lambda: time.sleep(60),
    112: lambda: raise_(ConnectionResetError("of the game")),
}

# What exceptions arrive as: their class and text.
EXCEPTIONS = [
    (100, "ValueError", r"^\('a value', 7\)$"),
    (101, "WorkerError", "TwoArgumentsError: two arguments$"),
    (102, "WorkerError", "LocalError: local$"),
    (103, "WorkerError", "^KeyError: 'xxx"),
    (109, "WorkerError", "^TwoArgumentsError: with a note$"),
    (110, "WorkerError", "^UnspeakableError$"),
    (106, "RecursionError", "maximum recursion depth exceeded"),
    (112, "ConnectionResetError", "of the game"),
]
# What ends a worker: exit code, and how it is described.
ENDS = [(104, 3, "it exited with code 3"), (105, 4, "it exited with code 4"), (107, 0, "it exited with code 0")]


class FailingEngine(Engine):
    """A game in which some actions fail."""

    def step(self, action, *where):
        if action in FAILURES:
            FAILURES[action]()
        return super().step(action, *where)


class BrokenEngine:
    def __init__(self, *_, **__):
        raise OSError("no cartridge")


# What each environment is to do at its next step, by `FAILURES`; shared with forked workers.
orders = multiprocessing.RawArray("i", 16)


class FailingCrew(Crew):
    """A crew whose environments do as ordered."""

    def step(self, slot, indices):
        for index in indices:
            order = orders[self._first + index]
            if order:
                orders[self._first + index] = 0
                FAILURES[order]()
        return super().step(slot, indices)

    def save(self):
        if orders[self._first]:
            FAILURES[orders[self._first]]()
        return super().save()
