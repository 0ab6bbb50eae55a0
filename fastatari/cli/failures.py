"""How commands fail: what they found is printed first, then one line says what failed."""

import sys


class CommandError(Exception):
    """What a user is told in one line, after which the command ends with status 1."""


def describe_error(error: BaseException) -> str:
    """Return an exception in one line: its type, and the first line of its text."""
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__


def print_error(command: str, text: object) -> None:
    """Print what failed in a command to standard error."""
    print(f"fastatari {command}: error: {text}", file=sys.stderr, flush=True)


def print_warning(command: str, text: object) -> None:
    """Print a warning of a command to standard error."""
    print(f"fastatari {command}: warning: {text}", file=sys.stderr, flush=True)
