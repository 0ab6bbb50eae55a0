"""Every exception that the package adds to Python's and gymnasium's own.

::

    gymnasium.error.InvalidAction, ValueError
    └── InvalidAction            an action that the game does not have; the game goes on
    RuntimeError
    └── WorkerError              a worker's exception that could not travel as itself, or a message that was cut off
        ├── WorkerDiedError      a worker process ended without being asked to
        └── WorkerTimeoutError   a worker did not answer in time; it may still do so (a `TimeoutError`, too)
    Exception
    └── RemoteTraceback          never raised: the cause of an exception that was raised in a worker

A worker's exception arrives as itself where it can be pickled; its notes name the worker and its pid, its cause shows
the worker's traceback (`RemoteTraceback`). Wrong types are `TypeError`, wrong values `ValueError`; a step before the
first reset is `gymnasium.error.ResetNeeded`, anything after `close` `gymnasium.error.ClosedEnvironmentError`, a
receive that nobody asked for `gymnasium.error.NoAsyncCallError`, and a request before the answer to the last one was
received `gymnasium.error.AlreadyPendingCallError`.
"""

import signal
from collections.abc import Sequence
from typing import Any

import gymnasium.error


class InvalidAction(gymnasium.error.InvalidAction, ValueError):
    """An action outside of the game's action set."""

    @classmethod
    def of(cls, action: int, rom: str, meanings: Sequence[str], where: str = "") -> "InvalidAction":
        """Return the error that says which actions there are.

        Args:
            action (int): the action.
            rom (str): the ROM's id.
            meanings (Sequence[str]): the names of its actions.
            where (str): what stands before the action.
        """
        last = len(meanings) - 1
        return cls(f"{where}action {action} is not in 0..{last}, the actions of {rom}: {', '.join(meanings)}")


class WorkerError(RuntimeError):
    """An exception in a worker that could not be pickled, with its name and text; or a message that was cut off.

    Attributes:
        index (int | None): the worker's index in its pool; None if it is by itself.
        pid (int): its process id.
    """

    def __init__(self, message: str, index: int | None, pid: int) -> None:
        super().__init__(message, index, pid)
        self.index = index
        self.pid = pid

    def __str__(self) -> str:
        return str(self.args[0])


class WorkerDiedError(WorkerError):
    """A worker process ended without being asked to. What it owed is lost.

    Attributes:
        exitcode (int | None): as in `multiprocessing.Process`: negative for a signal. None: it closed its pipe, and
            runs on.
    """

    def __init__(self, index: int | None, pid: int, exitcode: int | None) -> None:
        super().__init__(f"{name_worker(index, pid)} died: {_describe(exitcode)}", index, pid)
        self.exitcode = exitcode

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.index, self.pid, self.exitcode), self.__dict__


class WorkerTimeoutError(WorkerError, TimeoutError):
    """A worker did not answer in time. Waiting again is allowed; so is closing."""

    def __init__(self, index: int | None, pid: int, seconds: float) -> None:
        super().__init__(f"{name_worker(index, pid)} has not answered for {seconds:g} seconds", index, pid)
        self.seconds = seconds

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.index, self.pid, self.seconds), self.__dict__


class RemoteTraceback(Exception):
    """The traceback of an exception in a worker, as text; the cause of that exception in the caller."""

    def __str__(self) -> str:
        return f'\n"""\n{self.args[0]}"""'


def name_worker(index: int | None, pid: int) -> str:
    """Return how messages call a worker."""
    return f"worker process {pid}" if index is None else f"worker {index} (process {pid})"


def _describe(exitcode: int | None) -> str:
    """Say in words how a process ended."""
    if exitcode is None:
        return "it closed its pipe but still runs"
    if exitcode >= 0:
        return f"it exited with code {exitcode}"
    try:
        name = signal.Signals(-exitcode).name
    except ValueError:
        name = "unknown"
    return f"killed by signal {-exitcode} ({name})"
