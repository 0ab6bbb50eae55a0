"""Checks of what a replay buffer is given."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from fastatari.checkpoint import DTYPES
from fastatari.checks import check_integer, to_int
from fastatari.replay.planes import PlaneRings, make_stack_shape

Array = npt.NDArray[Any]


def check_shape(name: str, value: Any, least: int = 0) -> tuple[int, ...]:
    """Return a shape of at least so many axes as a tuple of ints.

    Raises:
        TypeError: `value` is no sequence of integers.
        ValueError: a side is below 1, or there are too few axes, or more than 3.
    """
    if not isinstance(value, Sequence) or isinstance(value, str):
        raise TypeError(f"`{name}` must be a tuple of integers, got {value!r}")
    shape = tuple(check_integer(name, side, 1) for side in value)
    if not least <= len(shape) <= 3:
        raise ValueError(f"`{name}` must have from {least} to 3 axes, got {value!r}")
    return shape


def check_stack_num(value: Any) -> int:
    """Return how many planes are in a stack.

    Raises:
        TypeError, ValueError: it is no integer from 1 to 255.
    """
    return check_integer("stack_num", value, 1, 255)


def count_slots(length: int, stack_num: int) -> int:
    """Return how many planes of an environment are kept for so many transitions.

    There is one more for each episode, and those of stacks that are none of padding, before what they replace goes.
    """
    return length + length // 16 + 2 * stack_num + 8


def check_kind(name: str, dtype: Any) -> np.dtype[Any]:
    """Return a dtype of numbers that a file can have, in the machine's byte order.

    Raises:
        TypeError: `dtype` names no dtype, or another one.
    """
    kind: np.dtype[Any] | None
    try:
        kind = np.dtype(dtype) if dtype is not None else None
    except (TypeError, ValueError, SyntaxError):
        kind = None
    if kind is None or kind.name not in DTYPES or not kind.isnative:
        raise TypeError(f"`{name}` must be one of {', '.join(DTYPES)}, in native byte order, got {dtype!r:.100}")
    checked: np.dtype[Any] = kind
    return checked


def check_generator(seed: Any) -> np.random.Generator:
    """Return a generator, of a seed if it is none.

    Raises:
        TypeError: `seed` is neither None, an integer nor a generator.
        ValueError: it is negative.
    """
    if isinstance(seed, np.random.Generator):
        return seed
    if seed is not None and to_int("seed", seed) < 0:
        raise ValueError(f"`seed` must not be negative, got {seed}")
    return np.random.default_rng(seed)


def check_rows(name: str, values: Any, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Array:
    """Return an array of this shape and dtype, of numbers of the same kind; it may be `values` itself.

    Raises:
        TypeError: `values` are of another kind, such as floats where integers are wanted.
        ValueError: they have another shape, or do not fit into the dtype.
    """
    array = np.asarray(values)
    if array.dtype == object or not np.can_cast(array.dtype, dtype, "same_kind"):
        is_integer = array.dtype.kind in "iu" and dtype.kind in "iuf"
        if not is_integer:
            raise TypeError(f"`{name}` must have dtype {dtype}, got {array.dtype}")
    if array.shape != shape:
        raise ValueError(f"`{name}` must have shape {shape}, got {array.shape}")
    with np.errstate(over="ignore"):
        cast = array.astype(dtype, copy=False)
    if array.dtype.kind == "f" and cast.dtype != array.dtype and (np.isinf(cast) & ~np.isinf(array)).any():
        raise ValueError(f"`{name}` must fit into {dtype}, got {array.min()} to {array.max()}")
    if array.dtype.kind in "iu" and dtype.kind in "iu" and not np.array_equal(cast, array):
        raise ValueError(f"`{name}` must fit into {dtype}, got {array.min()} to {array.max()}")
    return cast


def check_infos(infos: Any) -> dict[str, Any]:
    """Return infos.

    Raises:
        TypeError: they are no dict.
    """
    if not isinstance(infos, dict):
        raise TypeError(f"`infos` must be a dict, got {type(infos).__name__}")
    return infos


def check_observations(name: str, values: Any, count: int, planes: PlaneRings) -> tuple[Array, bool]:
    """Return observations of `count` environments, and whether they are stacks; if not, they are planes.

    Raises:
        TypeError: they have another dtype.
        ValueError: they have another shape.
    """
    array = np.asarray(values)
    if array.dtype != planes.memory.dtype:
        raise TypeError(f"`{name}` must have dtype {planes.memory.dtype}, got {array.dtype}")
    if not array.ndim:
        raise ValueError(f"`{name}` must be observations of {count} environments, got {values!r:.100}")
    shape = array.shape[1:]
    single = make_stack_shape(planes.plane_shape, 1, planes.stack_axis)
    if len(array) != count or shape not in (planes.stack_shape, planes.plane_shape, single):
        allowed = " or ".join(str((count, *each)) for each in (planes.stack_shape, planes.plane_shape))
        raise ValueError(f"`{name}` must have shape {allowed}, got {array.shape}")
    if shape == planes.stack_shape:
        return array, True
    return array.reshape(count, *planes.plane_shape), False
