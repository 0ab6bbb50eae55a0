"""How an exception in a worker travels to the caller."""

import pickle
import traceback
from typing import NamedTuple

from fastatari.errors import RemoteTraceback, WorkerError, name_worker

# How long a pickled exception may be, and how many characters, of up to four bytes, its summary and its traceback: so
# that a failure fits into the pipe, and its worker never waits for a caller that does not receive.
_MAX_BYTES = 16 * 1024
_MAX_TEXT = 4 * 1024


class Failure(NamedTuple):
    """An exception in a worker.

    Attributes:
        exception (bytes | None): the exception, pickled; None if it cannot be.
        summary (str): its class and text.
        traceback (str): its traceback.
        doing (str): what the worker was doing.
    """

    exception: bytes | None
    summary: str
    traceback: str
    doing: str

    @classmethod
    def of(cls, error: BaseException, doing: str) -> "Failure":
        """Pack an exception that was raised in this process."""
        exception: bytes | None = None
        try:
            exception = pickle.dumps(error)
            if len(exception) > _MAX_BYTES or type(pickle.loads(exception)) is not type(error):
                exception = None
        except Exception:  # whatever its __reduce__ and __init__ do, the caller has to hear of the exception
            exception = None
        try:
            summary = f"{type(error).__qualname__}: {error}"
        except Exception:  # its __str__ fails
            summary = type(error).__qualname__
        text = "".join(traceback.format_exception(error))
        if len(text) > _MAX_TEXT:
            text = f"{text[: _MAX_TEXT // 2]}\n...\n{text[-_MAX_TEXT // 2 :]}"
        return cls(exception, summary[:_MAX_TEXT], text, doing)

    def unpack(self, index: int | None, pid: int) -> BaseException:
        """Return the exception as it is to be raised in the caller.

        Args:
            index (int | None): the worker's index in its pool.
            pid (int): its process id.
        """
        error: BaseException
        try:
            error = pickle.loads(self.exception) if self.exception else WorkerError(self.summary, index, pid)
        except Exception:  # its class cannot be imported here
            error = WorkerError(self.summary, index, pid)
        error.add_note(f"raised in {name_worker(index, pid)}, {self.doing}")
        error.__cause__ = RemoteTraceback(self.traceback)
        return error
