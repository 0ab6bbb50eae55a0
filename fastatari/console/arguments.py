"""Checks of what is given to an `ALEInterface`; errors are of the types that ale-py's has."""

import hashlib
import math
import operator
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import numpy.typing as npt
from ale_py import Action

from fastatari.console.games import NAMES
from fastatari.console.inputs import NUM_ACTIONS, PADDLE_STEP
from fastatari.console.memory import Rom, load_rom
from fastatari.console.properties import MD5_NAMES
from fastatari.errors import InvalidAction

# A paddle cannot move farther.
_MOST_UNITS = 2**30


def read_rom(path: str | os.PathLike[str]) -> Rom:
    """Read a file and return the ROM that it is.

    Raises:
        TypeError: `path` is of another type.
        OSError: there is no such file, or it cannot be read.
        ValueError: it is the ROM of no game that is played.
    """
    if not isinstance(path, str | os.PathLike):
        refuse("loadROM", "(path: str | os.PathLike)", path)
    image = Path(path).read_bytes()
    game = name_game(image, Path(path).stem.lower())
    if game is None:
        known = MD5_NAMES.get(_md5(image))
        raise ValueError(
            f"{os.fspath(path)!r} is the ROM of {known}, which has no mode for one player"
            if known
            else f"{os.fspath(path)!r} is none of the {len(MD5_NAMES)} ROMs that are known, and its name, without its "
            f"suffix, is that of no game, so that it is not known what its rewards are; games are {', '.join(NAMES)}"
        )
    return load_rom(image, game)


def name_game(image: bytes, name: str) -> str | None:
    """Return the game of a ROM: by its bytes, or else by the name of its file; None if there is none."""
    known = MD5_NAMES.get(_md5(image), "")
    return known if known in NAMES else name if name in NAMES else None


def _md5(image: bytes) -> str:
    return hashlib.md5(image, usedforsecurity=False).hexdigest()


def to_number(action: Any) -> int:
    """Return the number of an action.

    Raises:
        TypeError: it is neither an action nor an integer.
        InvalidAction: it is no action's number.
    """
    try:
        number = operator.index(action)
    except TypeError:
        refuse("act", "(action: Action | int, paddle_strength: float)", action)
    if not 0 <= number < NUM_ACTIONS:
        meanings = ", ".join(Action.__members__)
        raise InvalidAction(f"action {number} is not in 0..{NUM_ACTIONS - 1}, the actions of ale-py: {meanings}")
    return number


def to_units(strength: Any) -> int:
    """Return how far a paddle moves by an action of some strength, in units of resistance.

    Raises:
        TypeError: the strength is not a number.
        ValueError: it is not finite.
    """
    if isinstance(strength, str | bytes) or not hasattr(strength, "__float__"):
        refuse("act", "(action: Action | int, paddle_strength: float)", strength)
    with np.errstate(over="ignore"):
        number = abs(float(np.float32(strength)))
    if not math.isfinite(number):
        raise ValueError(f"`paddle_strength` must be a finite number of 32 bits, got {strength!r}")
    return min(int(number * PADDLE_STEP), _MOST_UNITS)


def check_natural(function: str, name: str, value: Any, most: int = 2**32 - 1) -> int:
    """Return an integer that is not negative, nor above `most`.

    Raises:
        TypeError: it is another, or no integer.
    """
    try:
        number = operator.index(value)
    except TypeError:
        number = -1
    if not 0 <= number <= most:
        refuse(function, f"({name}: int from 0 to {most})", value)
    return number


def check_flag(function: str, name: str, value: Any) -> bool:
    """Return a boolean.

    Raises:
        TypeError: it is none.
    """
    if not isinstance(value, bool):
        refuse(function, f"({name}: bool)", value)
    return value


def check_buffer(function: str, buffer: Any, shape: tuple[int, ...]) -> npt.NDArray[np.uint8]:
    """Return an array over memory that can be written to: of an array, a tensor, or another buffer.

    Raises:
        TypeError: it is no such thing, or of another dtype, or read-only.
        RuntimeError: it has another shape.
    """
    allowed = f"(buffer: writeable uint8{list(shape)})"
    if isinstance(buffer, np.ndarray):
        array: npt.NDArray[Any] = buffer
    elif hasattr(buffer, "__dlpack__"):
        array = np.from_dlpack(buffer)
        if not array.flags.writeable:  # as all are of numpy 2.0
            array = np.asarray(buffer)
    elif isinstance(buffer, bytearray | memoryview):
        array = np.asarray(buffer)
    else:
        refuse(function, allowed, buffer)
    is_flat = array.size == shape[0] and array.flags.c_contiguous
    has_shape = len(shape) > 1 or is_flat or array.shape == shape
    if array.dtype != np.uint8 or not array.flags.writeable or not has_shape:
        access = "writeable" if array.flags.writeable else "read-only"
        access = access if array.flags.c_contiguous else f"{access}, not contiguous,"
        refuse(function, allowed, buffer, f"{access} {array.dtype}{list(array.shape)}")
    if len(shape) == 1:
        return array.reshape(shape)
    if array.shape != shape:
        raise RuntimeError(f"{function}(): invalid shape {array.shape}, expecting shape {shape}")
    return array


def list_choices(choices: Sequence[int]) -> str:
    """Return some integers as text."""
    return ", ".join(map(str, choices))


def refuse(function: str, allowed: str, value: object, what: str = "") -> NoReturn:
    """Raise the error of an argument of the wrong type.

    Raises:
        TypeError: always.
    """
    raise TypeError(
        f"{function}(): incompatible function arguments. The following argument types are supported: {allowed}; got "
        f"{what or f'{value!r:.80}'} of type {type(value).__name__}"
    )
