"""Signals of commands that start processes: none of these is interrupted, and all of them are ended."""

import contextlib
import os
import signal
import sys
from collections.abc import Iterator
from types import FrameType


@contextlib.contextmanager
def sigint_blocked() -> Iterator[None]:
    """Put Ctrl-C off. It never reaches processes that are started meanwhile: they begin with the signal blocked."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextlib.contextmanager
def exit_on_termination() -> Iterator[None]:
    """Let SIGTERM and SIGHUP raise `SystemExit`, so that what was started is ended as after Ctrl-C."""
    owner = os.getpid()

    def exit_process(number: int, _: FrameType | None) -> None:
        if os.getpid() != owner:
            os._exit(128 + number)  # a process that was forked: it has nothing to end or to say
        sys.exit(128 + number)

    # What is ignored stays so, as SIGHUP is under nohup.
    numbers = [number for number in (signal.SIGTERM, signal.SIGHUP) if signal.getsignal(number) != signal.SIG_IGN]
    before = {number: signal.signal(number, exit_process) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
