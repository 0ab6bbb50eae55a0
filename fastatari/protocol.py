"""What travels between a caller and its worker: short messages on a pipe, planes in shared memory.

A request is one message, and has one reply, except ``close``, which has none. The caller says in each request which
slot of the shared block the new plane of its reply goes to, and does not name a slot again before it has read it. The
caller stacks the planes: three of the four that make an observation are there already.

Messages are of a fixed size, so that each is read and written by one system call; where they cannot hold everything, a
pickled object of the size that they name follows.

=========  ================================================  ========================================================
request    16 bytes                                          reply, 32 bytes
=========  ================================================  ========================================================
step       ``s``, slot, action                               ``s``, reward; if the episode is over ``d``, reward, the
                                                             episode's reward and length
any other  ``o``, slot, size of the pickled message          ``o``: the plane of a reset is in the slot
close      ``c``
any        an exception in the worker                        ``f``, size of the pickled `Failure`
=========  ================================================  ========================================================
"""

import os
import pickle
import struct
import traceback
from collections.abc import Callable, Sequence
from multiprocessing.connection import Connection
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from fastatari.errors import RemoteTraceback, WorkerError
from fastatari.ring import PlaneRing

UInt8Array = npt.NDArray[np.uint8]
Reply = tuple[float, bool, Any] | None

# How many replies a worker may owe. Two, so that a caller can have one step computed while it uses the one before.
SLOT_NUM = 2

_REQUEST = struct.Struct("=cB6xq")
_REPLY = struct.Struct("=c7xddq")
CLOSE = _REQUEST.pack(b"c", 0, 0)

# How long a pickled exception may be, and how many characters, of up to four bytes, its summary and its traceback: so
# that the replies that a worker owes fit into the pipe, and it never waits for a caller that does not receive.
_MAX_BYTES = 16 * 1024
_MAX_TEXT = 4 * 1024


class Failure(NamedTuple):
    """An exception in a worker.

    Attributes:
        exception (bytes | None): the exception, pickled; None if it cannot be.
        summary (str): its class and text.
        traceback (str): its traceback.
        note (str): where it was raised.
    """

    exception: bytes | None
    summary: str
    traceback: str
    note: str

    @classmethod
    def of(cls, error: BaseException, request: object) -> "Failure":
        """Pack the exception that a request raised in this process."""
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
        return cls(
            exception,
            summary[:_MAX_TEXT],
            text,
            f"raised in worker process {os.getpid()} by {request!r:.200}",
        )

    def unpack(self, pid: int) -> BaseException:
        """Return the exception as it is to be raised in the caller."""
        error: BaseException
        try:
            error = pickle.loads(self.exception) if self.exception else WorkerError(self.summary, pid)
        except Exception:  # its class cannot be imported here
            error = WorkerError(self.summary, pid)
        error.add_note(self.note)
        error.__cause__ = RemoteTraceback(self.traceback)
        return error


def encode_request(message: object, slot: int) -> bytes:
    """Return the bytes of a request; for a step without pickling, which would cost as much as all the rest."""
    match message:
        case ("step", (int() | np.integer()) as action) if not isinstance(action, bool) and -(2**63) <= action < 2**63:
            return _REQUEST.pack(b"s", slot, action)
        case ("close", _):
            return CLOSE
    pickled = pickle.dumps(message)
    return _REQUEST.pack(b"o", slot, len(pickled)) + pickled


def receive_reply(descriptor: int, slot: UInt8Array, ring: PlaneRing, pid: int) -> Reply | BaseException:
    """Read a reply from a pipe, and put its plane into the ring.

    Returns:
        Reward, done and info of a step, None of a reset; or an exception to be raised.

    Raises:
        EOFError, ConnectionError: the worker is gone.
    """
    kind, reward, episode_reward, number = _REPLY.unpack(_read(descriptor, _REPLY.size))
    if kind == b"s":
        ring.push(slot)
        return reward, False, None
    if kind == b"d":
        ring.fill(slot)
        return reward, True, {"reward": episode_reward, "length": number}
    if kind == b"o":
        ring.fill(slot)
        return None
    failure: Failure = pickle.loads(_read(descriptor, number))
    return failure.unpack(pid)


def view_slots(block: Sequence[int], shape: tuple[int, ...]) -> UInt8Array:
    """Return the slots of a shared block: uint8[SLOT_NUM, *shape], a view."""
    return np.frombuffer(block, np.uint8).reshape(SLOT_NUM, *shape)  # type: ignore[call-overload, no-any-return]


class WorkerEnd:
    """The worker's end of a pipe whose planes travel through shared memory. It can be handed to a new process."""

    def __init__(self, connection: "Connection[Any, Any]", block: Sequence[int], shape: tuple[int, ...]) -> None:
        self._connection = connection
        self._block = block
        self._shape = shape

    def serve(self, answer: Callable[[Any, UInt8Array], Reply]) -> None:
        """Answer requests until told to close.

        Args:
            answer: called with each message and a slot to write the new plane to; returns reward, done and info of a
                step, None of a reset. What it raises is the reply.

        Raises:
            EOFError, ConnectionError: the caller is gone.
        """
        descriptor = self._connection.fileno()
        slots = view_slots(self._block, self._shape)
        while (request := _read(descriptor, _REQUEST.size)) != CLOSE:
            kind, slot, number = _REQUEST.unpack(request)
            pickled = _read(descriptor, number) if kind == b"o" else b""
            message: object = "a message that cannot be unpickled"
            try:
                message = pickle.loads(pickled) if pickled else ("step", number)
                reply = _pack_reply(answer(message, slots[slot]))
            except Exception as error:
                failure = pickle.dumps(Failure.of(error, message))
                reply = _REPLY.pack(b"f", 0.0, 0.0, len(failure)) + failure
            write(descriptor, reply)
        self._connection.close()


def _pack_reply(reply: Reply) -> bytes:
    if reply is None:
        return _REPLY.pack(b"o", 0.0, 0.0, 0)
    reward, done, info = reply
    if done:
        return _REPLY.pack(b"d", reward, info["reward"], info["length"])
    return _REPLY.pack(b"s", reward, 0.0, 0)


def _read(descriptor: int, size: int) -> bytes:
    data = os.read(descriptor, size)
    while len(data) < size:
        more = os.read(descriptor, size - len(data))
        if not more:
            raise EOFError
        data += more
    return data


def write(descriptor: int, data: bytes) -> None:
    """Write all of some bytes to a pipe. Raises ConnectionError if nobody is at its other end."""
    while data:
        data = data[os.write(descriptor, data) :]
