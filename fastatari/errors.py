"""Every exception that the package adds to Python's and gymnasium's own.

::

    gymnasium.error.InvalidAction, ValueError
    └── InvalidAction            an action that the game does not have; the game goes on
    RuntimeError
    └── WorkerError              a worker's exception that could not travel as itself, or a message that was cut off
        └── WorkerDiedError      a worker process ended without being asked to
    Exception
    └── RemoteTraceback          never raised: the cause of an exception that was raised in a worker

A worker's exception arrives as itself where it can be pickled; its notes name the worker's pid, its cause shows the
worker's traceback (`RemoteTraceback`). Wrong types are `TypeError`, wrong values `ValueError`; a step before the first
reset is `gymnasium.error.ResetNeeded`, a request to a closed worker `gymnasium.error.ClosedEnvironmentError`, and a
receive that nobody asked for `gymnasium.error.NoAsyncCallError`.
"""

import signal

import gymnasium.error


class InvalidAction(gymnasium.error.InvalidAction, ValueError):
    """An action outside of the game's action set."""


class WorkerError(RuntimeError):
    """An exception in a worker that could not be pickled, with its name and text; or a message that was cut off.

    Attributes:
        pid (int): the worker's process id.
    """

    def __init__(self, message: str, pid: int) -> None:
        super().__init__(message, pid)
        self.pid = pid

    def __str__(self) -> str:
        return str(self.args[0])


class WorkerDiedError(WorkerError):
    """A worker process ended without being asked to. What it owed is lost; start a new one.

    Attributes:
        pid (int): the worker's process id.
        exitcode (int | None): as in `multiprocessing.Process`: negative for a signal. None: it closed its pipe, and
            runs on.
    """

    def __init__(self, pid: int, exitcode: int | None) -> None:
        super().__init__(f"worker process {pid} died: {_describe(exitcode)}", pid)
        self.args = (pid, exitcode)
        self.exitcode = exitcode

    def __str__(self) -> str:
        return f"worker process {self.pid} died: {_describe(self.exitcode)}"


class RemoteTraceback(Exception):
    """The traceback of an exception in a worker, as text; the cause of that exception in the caller."""

    def __str__(self) -> str:
        return f'\n"""\n{self.args[0]}"""'


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
