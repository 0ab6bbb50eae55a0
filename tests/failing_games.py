"""Games that fail on demand: some actions, which no game has, raise or end the process."""

import os
import signal
import sys
import time

from fastatari.envs.worker_server import Game


class TwoArgumentsError(Exception):
    """Pickles, but does not unpickle."""

    def __init__(self, first, second):
        super().__init__(first + second)


class MuteError(Exception):
    """Neither pickles nor has a text."""

    def __reduce__(self):
        raise RuntimeError

    def __str__(self):
        raise RuntimeError


class DisguisedError(Exception):
    """Pickles as something else."""

    def __reduce__(self):
        return str, ("a text",)


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


FAILURES = {
    "value": lambda: raise_(ValueError("a value", 7)),
    "two arguments": lambda: raise_(TwoArgumentsError("two ", "arguments")),
    "local": raise_local,
    "huge": lambda: raise_(KeyError("x" * 10**7)),
    "wide": lambda: raise_(ValueError("\N{PILE OF POO}" * 10**5)),
    "note": raise_with_note,
    "mute": lambda: raise_(MuteError()),
    "disguised": lambda: raise_(DisguisedError("disguised")),
    "recursion": recurse,
    "connection": lambda: raise_(ConnectionResetError("of the game")),
    "sys.exit": lambda: sys.exit(3),
    "os._exit": lambda: os._exit(4),
    "interrupt": lambda: raise_(KeyboardInterrupt),
    "death": die_later,
}
ACTIONS = {name: 100 + number for number, name in enumerate(FAILURES)}

# What exceptions arrive as: their class and text.
EXCEPTIONS = [
    ("value", "ValueError", r"^\('a value', 7\)$"),
    ("two arguments", "WorkerError", "^TwoArgumentsError: two arguments$"),
    ("local", "WorkerError", "LocalError: local$"),
    ("huge", "WorkerError", "^KeyError: 'xxx"),
    ("wide", "WorkerError", "^ValueError: \N{PILE OF POO}"),
    ("note", "WorkerError", "^TwoArgumentsError: with a note$"),
    ("mute", "WorkerError", "^MuteError$"),
    ("disguised", "WorkerError", "^DisguisedError: disguised$"),
    ("recursion", "RecursionError", "^maximum recursion depth exceeded"),
    ("connection", "ConnectionResetError", "^of the game$"),
]
# What ends a worker: its exit code, and what is said of it.
ENDS = [
    ("sys.exit", 3, "it exited with code 3"),
    ("os._exit", 4, "it exited with code 4"),
    ("interrupt", 1, "it exited with code 1"),
    ("death", -9, r"killed by signal 9 \(SIGKILL\)"),
]


class FailingGame(Game):
    """A game in which `ACTIONS` fail."""

    def advance(self, action, out):
        if action >= 100:
            list(FAILURES.values())[action - 100]()
        return super().advance(action, out)


class BrokenGame:
    """A game that cannot be made."""

    def __init__(self, *_, **__):
        raise OSError("no cartridge")
