"""Every exception that the package adds to Python's and gymnasium's own.

::

    gymnasium.error.InvalidAction, ValueError
    └── InvalidAction            an action that the game does not have; the game goes on
    RuntimeError
    └── WorkerError              an exception in a `Worker` that cannot be pickled, or an interrupted message
        └── WorkerDiedError      a worker process ended without being asked to
    Exception
    └── RemoteTraceback          never raised: the cause of an exception that was raised in a worker

A worker's exception arrives as itself if it can be pickled. Its note names the worker's pid, and its cause shows the
worker's traceback (`RemoteTraceback`).

Wrong types are `TypeError`, wrong values `ValueError`; too little memory is `MemoryError`. Of gymnasium's errors, a
step before the first reset is `ResetNeeded`, anything after `close` `ClosedEnvironmentError`, `recv` without a `send`
`NoAsyncCallError`, and a request before the answer to the last one was received `AlreadyPendingCallError`.
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
    """An exception in a worker that cannot be pickled, with its name and text; or an interrupted message.

    Attributes:
        pid (int): the worker's process id.
    """

    def __init__(self, message: str, pid: int) -> None:
        super().__init__(message, pid)
        self.pid = pid

    def __str__(self) -> str:
        return str(self.args[0])


class WorkerDiedError(WorkerError):
    """A worker process ended without being asked to. The replies that it had not sent are lost.

    Attributes:
        exitcode (int | None): as in `multiprocessing.Process`: negative for a signal. None: the process closed its pipe
            and still runs.
    """

    def __init__(self, pid: int, exitcode: int | None) -> None:
        super().__init__(f"worker process {pid} died: {_describe(exitcode)}", pid)
        self.exitcode = exitcode

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.pid, self.exitcode), self.__dict__


class RemoteTraceback(Exception):
    """The traceback of an exception in a worker, as text; the cause of that exception in the caller."""

    def __str__(self) -> str:
        return f'\n"""\n{self.args[0]}"""'


# gymnasium's, where several classes raise the same.


def make_closed_error(name: str) -> gymnasium.error.ClosedEnvironmentError:
    """Return the error of a call of an object of this class that is closed."""
    return gymnasium.error.ClosedEnvironmentError(f"Trying to operate on `{name}`, after a call to `close()`.")


def make_pending_error(name: str) -> gymnasium.error.AlreadyPendingCallError:
    """Return the error of a call of this method while the answer to a `send` is to be received."""
    return gymnasium.error.AlreadyPendingCallError(
        f"Calling `{name}` while waiting for a pending call to `send` to complete.", "send"
    )


def make_no_call_error() -> gymnasium.error.NoAsyncCallError:
    """Return the error of a `recv` without a `send`."""
    return gymnasium.error.NoAsyncCallError("Calling `recv` without any prior call to `send`.", "recv")


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
