"""Checks of arguments. Each returns its argument in the form that is used, or raises what the caller is to be told."""

import operator
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt


def to_int(name: str, value: Any) -> int:
    """Return an integer of any type but boolean as an int.

    Raises:
        TypeError: `value` is not an integer.
    """
    try:
        number = operator.index(value)
    except TypeError:
        number = None
    if number is None or isinstance(value, bool):
        raise TypeError(f"`{name}` must be an integer, got {value!r} of type {type(value).__name__}")
    return number


def check_integer(name: str, value: Any, least: int) -> int:
    """Return what `to_int` does, if it is not below `least`.

    Raises:
        TypeError: `value` is not an integer.
        ValueError: it is below `least`.
    """
    number = to_int(name, value)
    if number < least:
        raise ValueError(f"`{name}` must be at least {least}, got {number}")
    return number


def to_float(name: str, value: Any) -> float:
    """Return a real number of any type but boolean as a float.

    Raises:
        TypeError: `value` is not a number.
    """
    if isinstance(value, bool | np.bool_ | str | bytes):
        raise TypeError(f"`{name}` must be a number, got {value!r}")
    try:
        return float(value)
    except (TypeError, ValueError):
        raise TypeError(f"`{name}` must be a number, got {value!r}") from None


def check_pair(name: str, value: Any, most: tuple[int, int], meaning: str = "(height, width)") -> tuple[int, int]:
    """Return a height and a width as ints, or whatever else the two mean.

    Raises:
        TypeError: `value` is not a pair of integers.
        ValueError: one is below 1 or above its `most`.
    """
    if not isinstance(value, tuple | list) or len(value) != 2:
        raise TypeError(f"`{name}` must be a pair {meaning}, got {value!r}")
    height, width = (check_integer(name, side, least=1) for side in value)
    if height > most[0] or width > most[1]:
        raise ValueError(f"`{name}` must be at most {most}, got {(height, width)}")
    return height, width


def check_flag(name: str, value: Any) -> bool:
    """Return a boolean, of Python or numpy.

    Raises:
        TypeError: `value` is not a boolean.
    """
    if not isinstance(value, bool | np.bool_):
        raise TypeError(f"`{name}` must be True or False, got {value!r}")
    return bool(value)


def check_choice(name: str, value: Any, allowed: Sequence[Any]) -> None:
    """Check that a value is one of those allowed, and of the same type.

    Raises:
        ValueError: it is another.
    """
    if not any(type(value) is type(choice) and value == choice for choice in allowed):
        raise ValueError(f"`{name}` must be one of {', '.join(map(repr, allowed))}, got {value!r}")


def check_array(name: str, array: Any, shape: tuple[int, ...]) -> npt.NDArray[np.uint8]:
    """Return a uint8 array of the shape asked for.

    Raises:
        TypeError: `array` is not a uint8 array.
        ValueError: it has another shape.
    """
    if not isinstance(array, np.ndarray):
        raise TypeError(f"`{name}` must be a uint8 array, got {type(array).__name__}")
    if array.dtype != np.uint8:
        raise TypeError(f"`{name}` must be a uint8 array, got dtype {array.dtype}")
    if array.shape != shape:
        raise ValueError(f"`{name}` must have shape {shape}, got {array.shape}")
    return array


def check_dtype(dtype: npt.DTypeLike) -> np.dtype[Any]:
    """Return the dtype of observations.

    Raises:
        TypeError: `dtype` names no dtype.
        ValueError: it is neither uint8 nor float64.
    """
    if dtype is None:
        raise TypeError("`dtype` must be uint8 or float64, got None")
    checked = np.dtype(dtype)
    if checked not in (np.uint8, np.float64):
        raise ValueError(f"`dtype` must be uint8 or float64, got {checked}")
    return checked
