"""The command `fastatari`: which module runs, and how it ends."""

import contextlib
import importlib
import os
import sys
from collections.abc import Sequence
from typing import Any

from fastatari.cli.failures import CommandError, print_error
from fastatari.cli.parser import make_parser

# The packages of the extras that are named after the commands, by the names that they are imported by.
_EXTRAS = ("PIL", "cv2", "rich")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command.

    Args:
        argv (Sequence[str], optional): its arguments; by default the process's.

    Returns:
        int: the exit status: 0; 1 if something failed or differs; 130 after Ctrl-C.

    Raises:
        SystemExit: with 2 for arguments that make no sense, with 0 for ``--help`` and ``--version``.
    """
    name = ""
    try:
        arguments = vars(make_parser().parse_args(argv))
        name = arguments.pop("command")
        status = _run(name, **arguments)
        sys.stdout.flush()  # or nobody would hear that it failed
        return status
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130
    except (CommandError, OSError, MemoryError) as error:
        _drop_output()
        print_error(name, error)
        return 1


def _run(command: str, **arguments: Any) -> int:
    """Run a command, which is a module's function `run` with the same arguments."""
    try:
        # Only now, because what it imports comes with an extra.
        module: Any = importlib.import_module(f"fastatari.cli.{command}")
    except ImportError as error:
        if (error.name or "").partition(".")[0] not in _EXTRAS:
            raise
        raise CommandError(f'{error}; it comes with: pip install "fastatari[{command}]"') from error
    status: int = module.run(**arguments)
    return status


def _drop_output() -> None:
    """Let what cannot be written to standard output go, or Python would try again when it ends, and complain."""
    try:
        sys.stdout.flush()
    except OSError:
        with contextlib.suppress(OSError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


if __name__ == "__main__":
    sys.exit(main())
