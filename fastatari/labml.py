"""`Worker`: labml's worker process, whose connection speaks labml's messages."""

import copy
from collections import deque
from multiprocessing import util
from multiprocessing.connection import Connection
from multiprocessing.context import BaseContext
from multiprocessing.process import BaseProcess
from typing import Any, NoReturn, Self

import gymnasium.error
import numpy as np
import numpy.typing as npt
from gymnasium.vector import AutoresetMode

from fastatari.checks import check_choice, check_dtype, check_integer, to_int
from fastatari.crew import CrewRules
from fastatari.emulator import CONSOLES, ConsoleName, find_rom
from fastatari.errors import InvalidAction, WorkerDiedError
from fastatari.game import RULES, EpisodeInfo, Game
from fastatari.handle import GRACE, WorkerHandle, check_context, end_workers
from fastatari.shared import Layout

# How many replies a worker may owe. Two, so that a caller can have one step computed while it uses the one before.
_SLOT_NUM = 2


class WorkerConnection:
    """The caller's end of the pipe to a worker: a `multiprocessing.connection.Connection` as far as callers use one.

    Requests are answered in their order. A worker owes at most two replies: a third `send` first takes in the oldest,
    to keep it for `recv`, so a caller that never receives keeps them all in its memory. Not to be shared between
    threads.
    """

    def __init__(self, handle: WorkerHandle, layout: Layout, memory: Any, dtype: np.dtype[Any]) -> None:
        self._handle = handle
        self._slots = layout.view(memory)
        self._dtype = dtype
        self._sent = 0
        self._kept: deque[Any] = deque()
        self._is_closing = False

    def send(self, message: object) -> None:
        """Send a request, whose reply `recv` returns: ``("step", action)``, ``("reset", None)`` or ``("close", None)``.

        A close has no reply, and any other message is answered by an error.

        Raises:
            WorkerDiedError: the worker process is gone.
            gymnasium.error.ClosedEnvironmentError: a close was sent before, or this end is closed.
        """
        if self._is_closing:
            raise gymnasium.error.ClosedEnvironmentError("Trying to operate on `Worker`, after a call to `close()`.")
        self._check_open()
        handle = self._handle
        match message:
            case ("close", _):
                handle.request_close()
                self._is_closing = True
                return
        while len(handle.owed) == _SLOT_NUM:
            self._kept.append(self._receive())
        slot = self._sent % _SLOT_NUM
        self._sent += 1
        match message:
            case ("step", action):
                try:
                    self._slots[slot].actions[0] = to_int("action", action)
                except TypeError as error:
                    handle.request_call("refuse", error)
                except OverflowError:
                    handle.request_call("refuse", InvalidAction(f"action {action} is no index of an action"))
                else:
                    handle.request_step(slot, handle.environments)
            case ("reset", _):
                handle.request_call("reset", slot, {0: None})
            case (command, _):
                handle.request_call("refuse", NotImplementedError(_name_unknown(command)))
            case _:
                handle.request_call("refuse", TypeError(f"a request is a pair (command, data), got {message!r}"))

    def recv(self) -> Any:
        """Wait for the reply to the oldest request that has none yet, and return it.

        Returns:
            What `Game.step` or `Game.reset` returned in the worker; the observation is a fresh array.

        Raises:
            Exception: what the request raised in the worker, with a note that names the worker's pid, and the worker's
                traceback as its cause; a `WorkerError` if it could not be pickled. The worker goes on.
            WorkerDiedError: the worker process is gone, and so is its reply.
            gymnasium.error.NoAsyncCallError: every request has been answered.
            gymnasium.error.ClosedEnvironmentError: the same, after a close; or this end is closed.
        """
        result = self._kept.popleft() if self._kept else self._receive()
        if isinstance(result, BaseException):
            raise result
        return result

    def poll(self, timeout: float | None = 0.0) -> bool:
        """Return whether `recv` would not wait, after at most `timeout` seconds; None waits for ever."""
        if self._kept:
            return True
        self._check_open()
        return self._handle.wait(timeout)

    def fileno(self) -> int:
        """Return the descriptor that is readable when a reply is there, for `multiprocessing.connection.wait`."""
        self._check_open()
        return self._handle.fileno()

    def close(self) -> None:
        """Close this end of the pipe. The worker finishes what it is doing and ends."""
        self._handle.close()

    @property
    def closed(self) -> bool:
        """Whether this end of the pipe is closed."""
        return self._handle.is_closed

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _receive(self) -> Any:
        """Take the next reply off the pipe and return what it stands for; an exception is returned, not raised."""
        self._check_open()
        handle = self._handle
        owed = len(handle.owed)
        if not owed:
            if self._is_closing:
                raise gymnasium.error.ClosedEnvironmentError(
                    "Trying to operate on `Worker`, after a call to `close()`."
                )
            raise gymnasium.error.NoAsyncCallError("Calling `recv` without any prior call to `send`.", "recv")
        handle.wait(None)
        try:
            reply = handle.receive()
            if reply.error is not None:
                return reply.error
            slot = self._slots[(self._sent - owed) % _SLOT_NUM]
            observation = slot.observations[0].astype(self._dtype)
            if not reply.indices:
                return observation
            record = slot.records[0]
            reward, done = float(record["reward"]), bool(record["terminated"] or record["truncated"])
            if not done:
                return observation, reward, False, None
            info = EpisodeInfo(reward=float(record["episode_return"]), length=int(record["episode_length"]))
            return observation, reward, True, info
        except WorkerDiedError:
            raise
        except BaseException:
            handle.cut_off()
            raise

    def _check_open(self) -> None:
        if self._handle.failure:
            raise copy.copy(self._handle.failure)
        if not self._handle.is_closed:
            return
        raise gymnasium.error.ClosedEnvironmentError("Trying to operate on `Worker`, after a call to `close()`.")


class Worker:
    """A `Game` in a process of its own, as in labml's ``labml_nn/rl/game.py``.

    What a caller can rely on:

    1. Observations, rewards, flags and infos are those of `Game`, whatever the start method.
    2. A request that fails leaves the worker as it was; the exception is raised by `recv`.
    3. A worker that dies makes `send` and `recv` raise `WorkerDiedError` within a second, also one that is waiting.
    4. A worker ends when its caller's process ends, however that happens, and leaves nothing in ``/dev/shm``.
    5. Ctrl-C interrupts the caller only, and so does a signal that the caller handled when it made the worker.

    Args:
        seed (int): as for `Game`.
        game (str): as for `Game`.
        dtype (numpy.dtype): as for `Game`.
        console ("fastatari" | "ale"): as for `Game`.
        context (str | multiprocessing.context.BaseContext, optional): the start method, ``"fork"``, ``"forkserver"`` or
            ``"spawn"``; by default the one that `multiprocessing` would use.

    Attributes:
        child (WorkerConnection): the caller's end of the pipe: ``send(("step", action))``, then ``recv()``.
        process (multiprocessing.Process): the worker process; a daemon.

    Raises:
        TypeError, ValueError, OSError: as for `Game`, before a process is started; or `context` is unknown.
        RuntimeError: this is a daemonic process, which may not have processes of its own.
    """

    def __init__(
        self,
        seed: int,
        *,
        game: str = "breakout",
        dtype: npt.DTypeLike = np.uint8,
        console: ConsoleName = "fastatari",
        context: str | BaseContext | None = None,
    ) -> None:
        check_integer("seed", seed, least=0)
        rom, _ = find_rom(game)
        checked_dtype = check_dtype(dtype)
        check_choice("console", console, CONSOLES)
        checked_context = check_context(context, RULES, "a `Worker`", "`Game`")
        layout = Layout(1, RULES.shape, "uint8", _SLOT_NUM)
        memory = checked_context.RawArray("B", layout.size)
        crew_rules = CrewRules(rom, RULES, AutoresetMode.SAME_STEP, console, keeps_finals=False)
        handle = WorkerHandle(
            checked_context, None, crew_rules, 0, [None], layout, memory, group=1, looks_out=False, announces=False
        )
        self._handles = [handle]
        self._finalizer = util.Finalize(self, end_workers, (self._handles, GRACE), exitpriority=0)
        self.process: BaseProcess = handle.process
        self.child = WorkerConnection(handle, layout, memory, checked_dtype)

    def __reduce__(self) -> NoReturn:
        raise TypeError("a `Worker` cannot be pickled or copied: its process belongs to this one")

    def close(self, timeout: float = GRACE) -> None:
        """End the worker, by force after `timeout` seconds. May be called again."""
        self._finalizer.cancel()
        end_workers(self._handles, timeout)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def worker_process(
    remote: "Connection[Any, Any]",
    seed: int,
    *,
    game: str = "breakout",
    dtype: npt.DTypeLike = np.uint8,
    console: ConsoleName = "fastatari",
) -> None:
    """Play a game for whoever is at the other end of a plain pipe, as labml's function of this name.

    The requests are ``("step", action)`` and ``("reset", None)``, answered by what `Game.step` and `Game.reset` return,
    pickled, and ``("close", None)``, which has no answer. The function returns then, or once the other end is closed.
    `Worker` is faster, and goes on after a request that fails.

    Args:
        remote (Connection): this process's end of the pipe.
        seed (int): as for `Game`.
        game (str): as for `Game`.
        dtype (numpy.dtype): as for `Game`.
        console ("fastatari" | "ale"): as for `Game`.

    Raises:
        NotImplementedError: a request of another kind came.
        Exception: as for `Game`.
    """
    try:
        play = Game(seed, game=game, dtype=dtype, console=console)
        while (message := remote.recv())[0] != "close":
            match message:
                case ("step", action):
                    remote.send(play.step(action))
                case ("reset", _):
                    remote.send(play.reset())
                case (command, _):
                    raise NotImplementedError(_name_unknown(command))
        remote.close()
    except (KeyboardInterrupt, EOFError, ConnectionError):
        pass  # the caller is gone, or about to go


def _name_unknown(command: object) -> str:
    return f"unknown command {command!r}; a worker knows 'step', 'reset' and 'close'"
