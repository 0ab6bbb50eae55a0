"""The worker's side: one game in a process of its own, which does what comes through its pipe."""

import functools
import signal
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any, NoReturn

import numpy as np
import numpy.typing as npt

from fastatari.console import StartStates
from fastatari.game import EpisodeInfo, Game
from fastatari.protocol import WorkerEnd

UInt8Array = npt.NDArray[np.uint8]
StepResult = tuple[float, bool, EpisodeInfo | None]


def worker_process(
    remote: "Connection[Any, Any] | WorkerEnd",
    seed: int,
    *,
    game: str = "breakout",
    dtype: npt.DTypeLike = np.uint8,
    start_states: StartStates = "saved",
) -> None:
    """Play a game for whoever is at the other end of a pipe, until told to close or until that end is gone.

    The requests are ``("step", action)`` and ``("reset", None)``, answered with what `Game.step` and `Game.reset`
    return, and ``("close", None)``, which has no answer.

    Args:
        remote (Connection | WorkerEnd): this process's end of the pipe. A `Connection` gets pickled answers, and what a
            request raises ends the process, as in labml. `Worker` passes a `WorkerEnd`: observations go through shared
            memory, exceptions travel to the caller, and the game goes on.
        seed (int): as for `Game`.
        game (str): as for `Game`.
        dtype (numpy.dtype): as for `Game`.
        start_states ("saved" | "true"): as for `Game`.

    Raises:
        NotImplementedError: a request of another kind came through a `Connection`.
    """
    make_game = functools.partial(Game, seed, game=game, dtype=dtype, start_states=start_states)
    try:
        if isinstance(remote, WorkerEnd):
            # Ctrl-C reaches every process of a terminal; the caller decides what becomes of its workers. It ends those
            # that it leaves behind by SIGTERM, for which a forked one may have inherited a handler.
            signal.signal(signal.SIGINT, signal.SIG_IGN)
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            remote.serve(_make_answer(make_game))
            return
        play = make_game()
        while (message := remote.recv())[0] != "close":
            result = _play(play, message)
            remote.send(play.observe() if result is None else (play.observe(), *result))
        remote.close()
    except (KeyboardInterrupt, EOFError, ConnectionError):
        pass  # the caller is gone, or about to go


def _make_answer(make_game: Callable[[], Game]) -> Callable[[Any, UInt8Array], StepResult | None]:
    """Return what answers requests: the game, or the exception that kept it from starting."""
    try:
        game = make_game()
    except Exception as error:
        failure, where = error, error.__traceback__

        def fail(*_: object) -> NoReturn:
            raise failure.with_traceback(where)

        return fail

    def answer(message: Any, out: UInt8Array) -> StepResult | None:
        result = _play(game, message)
        out[:] = game.plane
        return result

    return answer


def _play(game: Game, message: Any) -> StepResult | None:
    """Do what a message asks for; return reward, done and info of a step, None of a reset."""
    match message:
        case ("step", action):
            return game.advance(action)
        case ("reset", _):
            game.begin()
            return None
        case (command, _):
            raise NotImplementedError(f"unknown command {command!r}; a worker knows 'step', 'reset' and 'close'")
    raise TypeError(f"a request is a pair (command, data), got {message!r}")
