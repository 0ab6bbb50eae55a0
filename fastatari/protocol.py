"""What travels through the pipe between a caller and its worker. What it is about lies in shared memory.

The messages of a worker come in the order of the requests. Their heads are of a fixed size, so that most are read and
written by one system call each; where they cannot hold everything, more follows: ``numbers``, of 32 bits each, or a
pickled object. A worker that gets no more requests, because its caller is gone or has closed the pipe, ends.

=========  ==================================================  ======================================================
request    8 bytes                                             answered by, 16 bytes
=========  ==================================================  ======================================================
step       ``s``, slot, how many numbers: the environments     ``s``, whether all went on as always, how many have
           that are to play, or none for all                   played, size of their pickled `Final`; for each request
                                                               one or several
call       ``o``, slot, size of the pickled name of a method   ``o``, size of what it returned, pickled
           of `Crew` and its arguments
close      ``c``
any        an exception in the worker                          ``f``, size of the pickled `Failure`; nothing else of
                                                               the request is answered
(none)     at the start, for each environment                  ``p``, how many are there
           then                                                ``o``, size of the pickled `Description`; or ``f``
=========  ==================================================  ======================================================
"""

import os
import pickle
import struct
from array import array
from collections.abc import Callable, Sequence
from typing import Any, Final

_REQUEST: Final = struct.Struct("=cB2xI")
_REPLY: Final = struct.Struct("=cB2xIQ")

HEAD_SIZE: Final = _REPLY.size  # of a reply

STEP, CALL, CLOSE, FAILURE, PROGRESS = b"s", b"o", b"c", b"f", b"p"

# A pipe holds some 200 KB: what is read at once is of that order.
_CHUNK = 2**20


def pack_step(slot: int, indices: Sequence[int]) -> bytes:
    """Return the request for a step of some of a worker's environments, by their indices in its crew; () for all."""
    if not indices:
        return _REQUEST.pack(STEP, slot, 0)
    return _REQUEST.pack(STEP, slot, len(indices)) + array("I", indices).tobytes()


def pack_call(name: str, *arguments: Any) -> bytes:
    """Return the request for a call of a method of `Crew`."""
    pickled = pickle.dumps((name, arguments))
    return _REQUEST.pack(CALL, 0, len(pickled)) + pickled


def pack_close() -> bytes:
    """Return the request that a worker end once it has answered those before."""
    return _REQUEST.pack(CLOSE, 0, 0)


def read_request(descriptor: int) -> tuple[bytes, int, Any]:
    """Read a request: its kind, its slot, and its numbers (array of uint32) or its name and arguments.

    Raises:
        EOFError, ConnectionError: the caller is gone.
    """
    kind, slot, number = _REQUEST.unpack(read(descriptor, _REQUEST.size))
    if kind == STEP:
        return kind, slot, array("I", read(descriptor, 4 * number) if number else b"")
    return kind, slot, pickle.loads(read(descriptor, number)) if number else None


def pack_reply(kind: bytes, is_plain: bool = True, count: int = 0, content: Any = None) -> bytes:
    """Return a reply, of content that can be pickled."""
    pickled = b"" if content is None else pickle.dumps(content)
    return _REPLY.pack(kind, is_plain, count, len(pickled)) + pickled


def read_reply(head: bytes, descriptor: int, wait: Callable[[], object]) -> tuple[bytes, bool, int, Any]:
    """Read the rest of a reply; return its kind, whether all went on as always, its count, and its content.

    Args:
        head (bytes): its first `HEAD_SIZE` bytes.
        descriptor (int): of a pipe that does not block.
        wait (Callable): waits until there is more to be read.

    Raises:
        EOFError, ConnectionError: the worker is gone.
    """
    kind, is_plain, count, size = _REPLY.unpack(head)
    return kind, bool(is_plain), count, pickle.loads(read(descriptor, size, wait)) if size else None


def read(descriptor: int, size: int, wait: Callable[[], object] = lambda: None) -> bytes:
    """Read so many bytes."""
    parts: list[bytes] = []
    while True:
        try:
            part = os.read(descriptor, min(size, _CHUNK))
        except BlockingIOError:
            wait()
            continue
        if len(part) == size:
            return b"".join((*parts, part)) if parts else part
        if not part:
            raise EOFError
        size -= len(part)
        parts.append(part)


def write(descriptor: int, data: bytes | memoryview, wait: Callable[[], object] = lambda: None) -> None:
    """Write all of some bytes; `wait` waits until there is room, if the pipe does not block.

    Raises:
        ConnectionError: nobody is at the other end.
    """
    while True:
        try:
            written = os.write(descriptor, data)
        except BlockingIOError:
            wait()
            continue
        if written == len(data):
            return
        data = memoryview(data)[written:]
