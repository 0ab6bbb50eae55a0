"""What travels between a caller and its worker: short messages on a pipe, observations in shared memory.

A request is one message, and has one reply, except ``close``, which has none. The caller says in each request which
slot of the shared block the observation of its reply goes to, and does not name a slot again before it has read it.

=========  ==========================================  ==================================================
request    bytes                                       reply
=========  ==========================================  ==================================================
step       ``s``, slot, action as int64                ``s``, reward; if the episode is over ``d``, reward,
                                                       the episode's reward and length
any other  ``o``, slot, pickled message                ``o``: the observation of a reset is in the slot
close      ``c``
any        an exception in the worker                  ``f``, pickled `Failure`
=========  ==========================================  ==================================================
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

UInt8Array = npt.NDArray[np.uint8]
StepResult = tuple[UInt8Array, float, bool, Any]

# How many replies a worker may owe. Two, so that a caller can have one step computed while it uses the one before.
SLOT_NUM = 2

_STEP = struct.Struct("=cBq")
_OTHER = struct.Struct("=cB")
_REWARD = struct.Struct("=cd")
_DONE = struct.Struct("=cddq")
CLOSE = b"c"
_RESET_REPLY = b"o"

# How long a pickled exception, its summary and its traceback may be: so that the replies that a worker owes fit into
# the pipe, and it never waits for a caller that does not receive.
_MAX_TEXT = 16 * 1024


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
            if len(exception) > _MAX_TEXT or type(pickle.loads(exception)) is not type(error):
                exception = None
        except Exception:  # whatever its __reduce__ and __init__ do, the caller has to hear of the exception
            exception = None
        text = "".join(traceback.format_exception(error))
        if len(text) > _MAX_TEXT:
            text = f"{text[: _MAX_TEXT // 2]}\n...\n{text[-_MAX_TEXT // 2 :]}"
        summary = traceback.format_exception_only(error)[-1].strip()
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
    """Return the bytes of a request; those of a step are made without pickling, which costs as much as all the rest."""
    match message:
        case ("step", (int() | np.integer()) as action) if not isinstance(action, bool):
            try:
                return _STEP.pack(b"s", slot, action)
            except struct.error:  # beyond int64; the game will say that it has no such action
                pass
        case ("close", _):
            return CLOSE
    return _OTHER.pack(b"o", slot) + pickle.dumps(message)


def decode_reply(
    reply: bytes, slot: UInt8Array, dtype: npt.DTypeLike, pid: int
) -> UInt8Array | StepResult | BaseException:
    """Return what a reply stands for: a result whose observation is a fresh array, or an exception to be raised."""
    kind = reply[:1]
    if kind == b"s":
        return slot.astype(dtype), _REWARD.unpack(reply)[1], False, None
    if kind == b"d":
        _, reward, episode_reward, length = _DONE.unpack(reply)
        return slot.astype(dtype), reward, True, {"reward": episode_reward, "length": length}
    if kind == _RESET_REPLY:
        return slot.astype(dtype)
    failure: Failure = pickle.loads(reply[1:])
    return failure.unpack(pid)


def view_slots(block: Sequence[int], shape: tuple[int, ...]) -> UInt8Array:
    """Return the slots of a shared block: uint8[SLOT_NUM, *shape], a view."""
    return np.frombuffer(block, np.uint8).reshape(SLOT_NUM, *shape)  # type: ignore[call-overload, no-any-return]


class WorkerEnd:
    """The worker's end of a pipe whose observations travel through shared memory. It can be handed to a new process."""

    def __init__(self, connection: "Connection[Any, Any]", block: Sequence[int], shape: tuple[int, ...]) -> None:
        self._connection = connection
        self._block = block
        self._shape = shape

    def serve(self, answer: Callable[[Any], UInt8Array | StepResult]) -> None:
        """Answer requests until told to close.

        Args:
            answer: called with each message; what it returns or raises is the reply.

        Raises:
            EOFError, ConnectionError: the caller is gone.
        """
        connection = self._connection
        slots = view_slots(self._block, self._shape)
        while (request := connection.recv_bytes()) != CLOSE:
            message: object = "a message that cannot be unpickled"
            try:
                message = _decode_request(request)
                connection.send_bytes(_encode_reply(answer(message), slots[request[1]]))
            except ConnectionError:
                raise
            except Exception as error:
                connection.send_bytes(b"f" + pickle.dumps(Failure.of(error, message)))
        connection.close()


def _decode_request(request: bytes) -> object:
    """Return the message that a request other than close was made of."""
    if request[:1] == b"s":
        return "step", _STEP.unpack(request)[2]
    return pickle.loads(request[_OTHER.size :])


def _encode_reply(result: UInt8Array | StepResult, slot: UInt8Array) -> bytes:
    """Write what `Game.reset` or `Game.step` returned to the slot, and return the bytes that tell of it."""
    if isinstance(result, np.ndarray):
        slot[:] = result
        return _RESET_REPLY
    observation, reward, done, info = result
    slot[:] = observation
    if done:
        return _DONE.pack(b"d", reward, info["reward"], info["length"])
    return _REWARD.pack(b"s", reward)
