"""What a process says while it compiles: one line on stderr, once, however many parts it compiles."""

import contextlib
import sys
from collections.abc import Iterator

_TEXT = "fastatari: compiling for this machine, once; this takes some seconds\n"


class _Notice:
    is_due = True


def announce() -> None:
    """Say that something is being compiled, if this process did not say so yet."""
    if _Notice.is_due:
        _Notice.is_due = False
        with contextlib.suppress(OSError, ValueError, AttributeError):  # stderr is closed, or there is none
            sys.stderr.write(_TEXT)
            sys.stderr.flush()


@contextlib.contextmanager
def no_notice() -> Iterator[None]:
    """Say nothing meanwhile: somebody else does."""
    before, _Notice.is_due = _Notice.is_due, False
    try:
        yield
    finally:
        _Notice.is_due = before
