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


def check_integer(name: str, value: Any, least: int, most: int | None = None) -> int:
    """Return what `to_int` does, if it is not below `least`, nor above `most`.

    Raises:
        TypeError: `value` is not an integer.
        ValueError: it is below `least` or above `most`.
    """
    number = to_int(name, value)
    if most is not None and not least <= number <= most:
        raise ValueError(f"`{name}` must be from {least} to {most}, got {number}")
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
    except OverflowError:
        raise ValueError(f"`{name}` must be a number that a float can be, got a larger one") from None
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


def check_integers(name: str, values: Any, count: int | None, what: str) -> npt.NDArray[Any]:
    """Return so many integers, from anything that numpy makes an array of, as one of any integer dtype.

    None is any number but 0.

    Raises:
        TypeError: `values` is no sequence, or not of integers; booleans and floats are none.
        ValueError: they are not as many, or have another shape.
    """
    number = "n" if count is None else count
    try:
        array = np.asarray(values)
    except ValueError:
        raise ValueError(f"`{name}` must have shape ({number},), one integer {what}, got {values!r:.200}") from None
    if array.ndim == 0:
        raise TypeError(f"`{name}` must be a sequence of {number} integers, one {what}, got {values!r:.200}")
    if array.shape != (array.size if count is None else count,) or not array.size:
        raise ValueError(f"`{name}` must have shape ({number},), one integer {what}, got shape {array.shape}")
    if array.dtype.kind not in "iu":
        raise TypeError(f"`{name}` must be integers, one {what}, got dtype {array.dtype}")
    return array


def check_mask(name: str, mask: Any, count: int) -> npt.NDArray[np.bool_]:
    """Return an array of so many booleans of which at least one is True.

    Raises:
        TypeError: `mask` is not an array of booleans.
        ValueError: it has another shape, or all are False.
    """
    if not isinstance(mask, np.ndarray):
        raise TypeError(f"`{name}` must be a numpy array, got {type(mask).__name__}")
    if mask.dtype != np.bool_:
        raise TypeError(f"`{name}` must have dtype bool, got {mask.dtype}")
    if mask.shape != (count,):
        raise ValueError(f"`{name}` must have shape ({count},), got {mask.shape}")
    if not mask.any():
        raise ValueError(f"`{name}` must have a True among its {count} values, got none")
    return mask


def check_target(name: str, target: Any, shape: tuple[int, ...], dtype: npt.DTypeLike) -> npt.NDArray[Any]:
    """Return an array over the memory of something that can be written to, such as an array or a tensor.

    Raises:
        TypeError: `target` is no such thing, or has another dtype.
        ValueError: it has another shape, or is read-only.
    """
    if isinstance(target, np.ndarray):
        array: npt.NDArray[Any] = target
    elif hasattr(target, "__dlpack__"):
        array = np.from_dlpack(target)
        if not array.flags.writeable:  # as all are of numpy 2.0, and of what does not say whether they are
            other = np.asarray(target)
            array = other if other.ctypes.data == array.ctypes.data else array
    else:
        raise TypeError(f"`{name}` must be an array or have `__dlpack__`, got {type(target).__name__}")
    if array.dtype != dtype:
        raise TypeError(f"`{name}` must have dtype {np.dtype(dtype)}, got {array.dtype}")
    if array.shape != shape:
        raise ValueError(f"`{name}` must have shape {shape}, got {array.shape}")
    if not array.flags.writeable:
        raise ValueError(f"`{name}` must be writeable, got a read-only array")
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
