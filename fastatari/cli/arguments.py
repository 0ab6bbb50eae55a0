"""The types of arguments: each checks a text before a command does anything."""

import argparse
import os
from collections.abc import Callable
from pathlib import Path

from fastatari.games import find_rom
from fastatari.rules import AtariRules

# Still pictures that Pillow writes.
PICTURE_ENDINGS = (".png", ".jpg", ".jpeg", ".webp")


def to_game(text: str) -> str:
    """Return the ROM's id of a game's name."""
    try:
        return find_rom(text)[0]
    except (ValueError, OSError) as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def to_preset(text: str) -> str:
    """Return the name of a preset, with a version or without one."""
    try:
        AtariRules.from_preset(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
    return text


def to_positive(text: str) -> int:
    """Return a positive integer."""
    return _to_integer(text, least=1, kind="a positive integer")


def to_seed(text: str) -> int:
    """Return an integer that is not negative."""
    return _to_integer(text, least=0, kind="a non-negative integer")


def _to_integer(text: str, *, least: int, kind: str) -> int:
    try:
        number = int(text)
    except ValueError:
        number = least - 1
    if number < least:
        raise argparse.ArgumentTypeError(f"must be {kind}, got {text!r}")
    return number


def to_seconds(text: str) -> float:
    """Return a positive number of seconds."""
    try:
        number = float(text)
    except ValueError:
        number = 0.0
    if not 0 < number < float("inf"):
        raise argparse.ArgumentTypeError(f"must be a positive number of seconds, got {text!r}")
    return number


def to_output(*endings: str, default: str | None = None) -> Callable[[str], Path]:
    """Return the type of a file that is written in the format that its name ends with.

    Args:
        endings (str): those that are allowed; none for any.
        default (str, optional): what a name without an ending is taken for; by default it is refused.
    """

    def convert(text: str) -> Path:
        path = Path(text)
        if endings and (path.suffix.lower() or default) not in endings:
            raise argparse.ArgumentTypeError(f"the name must end with {', '.join(endings)}, got {text!r}")
        if not path.parent.is_dir():
            raise argparse.ArgumentTypeError(f"there is no folder {str(path.parent)!r}")
        if path.is_dir() or not os.access(path if path.exists() else path.parent, os.W_OK):
            raise argparse.ArgumentTypeError(f"{text!r} cannot be written")
        return path

    return convert


def to_folder(text: str) -> Path:
    """Return a folder that is there, or can be made."""
    path = Path(text)
    if not path.parent.is_dir():
        raise argparse.ArgumentTypeError(f"there is no folder {str(path.parent)!r}")
    if (path.exists() and not path.is_dir()) or not os.access(path if path.exists() else path.parent, os.W_OK):
        raise argparse.ArgumentTypeError(f"{text!r} is not a folder that can be written to")
    return path
