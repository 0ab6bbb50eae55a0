"""The child's side of `Worker`: a process that plays a game as its caller asks.

Every message is one small write and one small read on the pipe. Observations lie in shared memory, in two slots that
the requests take in turn: the worker writes the observation of a request into its slot before it replies.

=======================  ===========================================================================================
request                  reply
=======================  ===========================================================================================
`STEP`, slot, action     `STEP`, whether the episode is over, reward; if it is over, the sum of its rewards, its length
`RESET`, slot            `RESET`
`STEP` or `RESET`        `FAILURE`, if an exception was raised; the slot has what `_pack_failure` writes there
`CLOSE`                  none: the process ends
=======================  ===========================================================================================
"""

import contextlib
import ctypes
import os
import pickle
import signal
import struct
import traceback
from collections.abc import Sequence
from multiprocessing import forkserver
from multiprocessing.connection import Connection
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from fastatari.engine.interface import ConsoleName
from fastatari.envs.game import OBSERVATION_SHAPE, EpisodeInfo, Game
from fastatari.errors import RemoteTraceback, WorkerError

__all__ = ["OBSERVATION_SHAPE", "EpisodeInfo", "Game"]  # imported from here by `worker.py` and `worker_connection.py`

SLOT_NUM: Final = 2  # so that a caller can have one step computed while it uses the one before
STEP, RESET, CLOSE, FAILURE = b"s", b"r", b"c", b"f"
REQUEST: Final = struct.Struct("=cB6xq")  # kind, slot, action
CLOSE_REQUEST: Final = REQUEST.pack(CLOSE, 0, 0)
REPLY: Final = struct.Struct("=c?6xddq")  # kind, whether over, reward, sum of rewards, length

# The most bytes of a pickled exception, and the most characters, of up to four bytes, of its text and of its traceback.
# All of them fit into a slot.
_MAX_BYTES = 8 * 1024
_MAX_TEXT = 2 * 1024

_PR_SET_PDEATHSIG = 1  # linux/prctl.h

Slot = npt.NDArray[np.uint8]


def view_slots(memory: Any) -> list[Slot]:
    """Return the slots of shared memory, each uint8[4, 84, 84]: views, the same in both processes."""
    return list(np.frombuffer(memory, np.uint8).reshape(SLOT_NUM, *OBSERVATION_SHAPE))


def read_message(descriptor: int, size: int) -> bytes:
    """Read a message of `size` bytes, which is there as a whole or not at all, because one call wrote it.

    Raises:
        EOFError, ConnectionError: the other end is closed.
    """
    message = os.read(descriptor, size)
    if len(message) < size:
        raise EOFError
    return message


def unpack_failure(slot: Slot, pid: int) -> BaseException:
    """Return the exception in a slot, as it is to be raised in the caller of the worker process `pid`."""
    pickled, summary, text, place = pickle.loads(slot.tobytes())
    error: BaseException = WorkerError(summary, pid)
    if pickled:
        with contextlib.suppress(Exception):  # its class cannot be imported here
            error = pickle.loads(pickled)
    error.add_note(f"raised in worker process {pid}, {place}")
    error.__cause__ = RemoteTraceback(text)
    return error


def wrong_request(message: object) -> Exception:
    """Return the exception that is the answer to a message that is no request."""
    match message:
        case (command, _):
            return NotImplementedError(f"unknown command {command!r}; a worker knows 'step', 'reset' and 'close'")
    return TypeError(f"a request must be a pair (command, data), got {message!r}")


def run_worker(
    connection: "Connection[Any, Any]",
    memory: Any,
    ignored_signals: Sequence[int],
    ends_with_parent: bool,
    seed: int,
    game: str,
    console: ConsoleName,
) -> None:
    """Play a `Game` until a close is asked for, or until the caller is gone.

    The process ignores `ignored_signals`, because the caller handles them. With `ends_with_parent` it ends at once when
    the thread that started it ends.
    """
    _prepare_process(ignored_signals, ends_with_parent)
    descriptor, slots = connection.fileno(), view_slots(memory)
    player: Game | Exception
    try:
        player = Game(seed, game=game, console=console)
    except Exception as error:
        player = error
    with contextlib.suppress(EOFError, ConnectionError):  # the caller is gone
        while True:
            kind, slot, action = REQUEST.unpack(read_message(descriptor, REQUEST.size))
            if kind == CLOSE:
                return
            os.write(descriptor, _answer(player, kind, slots[slot], action))


def worker_process(
    remote: "Connection[Any, Any]",
    seed: int,
    *,
    game: str = "breakout",
    dtype: npt.DTypeLike = np.uint8,
    console: ConsoleName = "fastatari",
) -> None:
    """Play a game for whoever is at the other end of a plain pipe, as labml's function of this name does.

    The requests are ``("step", action)`` and ``("reset", None)``, answered by what `Game.step` and `Game.reset` return,
    pickled, and ``("close", None)``, which has no answer. The function returns after a close, or once the other end is
    closed. `Worker` is faster, and goes on after a request that fails.

    Args:
        remote (Connection): this process's end of the pipe.
        seed (int): the argument of `Game`.
        game (str): the argument of `Game`.
        dtype (numpy.dtype): the argument of `Game`.
        console ("fastatari" | "ale"): the argument of `Game`.

    Raises:
        NotImplementedError, TypeError: a request has an unknown command, or is not a pair.
        Exception: what `Game` raises.
    """
    player = Game(seed, game=game, dtype=dtype, console=console)
    with contextlib.suppress(EOFError, ConnectionError, KeyboardInterrupt):  # the caller is gone, or about to go
        while True:
            match remote.recv():
                case ("step", action):
                    remote.send(player.step(action))
                case ("reset", _):
                    remote.send(player.reset())
                case ("close", _):
                    remote.close()
                    return
                case message:
                    raise wrong_request(message)


def _prepare_process(ignored_signals: Sequence[int], ends_with_parent: bool) -> None:
    """Let the caller alone decide when this process ends."""
    signal.signal(signal.SIGTERM, signal.SIG_DFL)  # a forked process may have inherited a handler
    for number in (signal.SIGINT, *ignored_signals):
        signal.signal(number, signal.SIG_IGN)
    # A fork server ends once nobody has this descriptor, through which processes ask for more processes.
    server: Any = forkserver._forkserver
    if getattr(server, "_forkserver_alive_fd", None) is not None:
        os.close(server._forkserver_alive_fd)
        server._forkserver_alive_fd = None
    # A worker that hangs or is stopped does not see that the pipe was closed.
    if ends_with_parent:
        with contextlib.suppress(AttributeError):  # only Linux has it
            ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def _answer(player: Game | Exception, kind: bytes, slot: Slot, action: int) -> bytes:
    """Do what a request asks for, and return the reply."""
    if isinstance(player, Exception):
        return _pack_failure(player, "as it started", slot)
    try:
        if kind == RESET:
            slot[:] = player.reset()
            return REPLY.pack(RESET, False, 0.0, 0.0, 0)
        reward, done, info = player.advance(action, slot)
        total, length = (0.0, 0) if info is None else (info["reward"], info["length"])
        return REPLY.pack(STEP, done, reward, total, length)
    except Exception as error:
        return _pack_failure(error, "in a reset" if kind == RESET else "in a step", slot)


def _pack_failure(error: BaseException, place: str, slot: Slot) -> bytes:
    """Write an exception into a slot: pickled or None, its text, its traceback, and where it was raised."""
    pickled: bytes | None = None
    with contextlib.suppress(Exception):  # raised by its `__reduce__` or `__init__`
        data = pickle.dumps(error)
        if len(data) <= _MAX_BYTES and type(pickle.loads(data)) is type(error):
            pickled = data
    summary = type(error).__qualname__
    with contextlib.suppress(Exception):  # raised by its `__str__`
        summary = f"{summary}: {error}"
    text = "".join(traceback.format_exception(error))
    if len(text) > _MAX_TEXT:
        text = f"{text[: _MAX_TEXT // 2]}\n...\n{text[-_MAX_TEXT // 2 :]}"
    content = pickle.dumps((pickled, summary[:_MAX_TEXT], text, place))
    slot.reshape(-1)[: len(content)] = np.frombuffer(content, np.uint8)
    return REPLY.pack(FAILURE, False, 0.0, 0.0, 0)
