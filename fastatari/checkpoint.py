"""Saved states as bytes: named values and numpy arrays in a format that holds plain data only.

A file from somebody else can be wrong, but reading it runs no code: `unpack` checks everything before it returns
anything, and whoever loads a state takes each field with a `take_` function, which checks its type and size.

The format, version 1. Integers are unsigned and little-endian:

====== ======= =====================================================================================================
offset bytes   content
====== ======= =====================================================================================================
0      8       ``FASTATAR``
8      4       the version of the format, 1
12     4       the CRC-32 of all bytes from 16 on
16     8       the number of all bytes
24     8       the number of bytes of the header, a multiple of 8
32     ...     the header: JSON in ASCII, padded with spaces
...    ...     the arrays, in the header's order: in C order, little-endian, each padded with zeros to a multiple of 8
====== ======= =====================================================================================================

The header is an object with three members: ``kind``, a string that says what the state is of; ``values``, an object;
and ``arrays``, a list with ``[name, dtype, shape]`` for each array, such as ``["planes", "uint8", [4, 84, 84]]``.
"""

import json
import math
import struct
import sys
import zlib
from collections.abc import Mapping
from typing import Any, Final, TypeVar

import numpy as np
import numpy.typing as npt

MAGIC: Final = b"FASTATAR"
VERSION: Final = 1

_START: Final = struct.Struct("<8sII")  # the magic bytes, the version, and the checksum of all that follows
_SIZES: Final = struct.Struct("<QQ")  # the number of all bytes, and of the header's
_HEADER: Final = _START.size + _SIZES.size
_PADDING: Final = 8
_MOST_LEVELS: Final = 16
_MOST_AXES: Final = 64  # numpy's
DTYPES: Final = {
    "bool": np.dtype("?"),
    **{f"{sign}int{8 * size}": np.dtype(f"<{sign or 'i'}{size}") for sign in ("", "u") for size in (1, 2, 4, 8)},
    "float32": np.dtype("<f4"),
    "float64": np.dtype("<f8"),
}
_NAMES: Final[dict[Any, str]] = {dtype: name for name, dtype in DTYPES.items()}
_TYPES: Final = (dict, list, str, int, float, bool, type(None))
_ENCODER: Final = json.JSONEncoder(allow_nan=False, separators=(",", ":"))

_Value = TypeVar("_Value")


def pack(kind: str, values: Mapping[str, Any], arrays: Mapping[str, npt.NDArray[Any]]) -> bytes:
    """Return values and arrays as bytes, from which `unpack` makes the same again.

    Args:
        kind (str): what the state is of.
        values (Mapping[str, Any]): None, booleans, integers of at most 4,300 digits, finite floats, strings, and lists
            and dicts of such, with strings as keys.
        arrays (Mapping[str, ndarray]): arrays of booleans, integers or floats (not float16). They are copied.

    Returns:
        bytes: the state, in the format that this file describes.

    Raises:
        TypeError: a value or an array is of another type.
        ValueError: a value is not finite, or nested too deeply.
    """
    _check_values(values, TypeError)
    descriptions, parts = [], [b""]
    for name, array in arrays.items():
        dtype = _NAMES.get(getattr(array, "dtype", None))
        if dtype is None:
            got = getattr(array, "dtype", type(array).__name__)
            raise TypeError(f"array {name!r} must be an array of {', '.join(DTYPES)}, got {got}")
        descriptions.append((name, dtype, array.shape))
        parts += (array.tobytes(), b"\0" * (-array.nbytes % _PADDING))
    try:
        header = _ENCODER.encode({"kind": kind, "values": values, "arrays": descriptions}).encode("ascii")
    except ValueError as error:
        raise ValueError(f"values must be finite, and integers short enough to be printed: {error}") from None
    parts[0] = header + b" " * (-len(header) % _PADDING)
    body = b"".join(parts)
    sizes = _SIZES.pack(_HEADER + len(body), len(parts[0]))
    checksum = zlib.crc32(body, zlib.crc32(sizes))
    return b"".join((_START.pack(MAGIC, VERSION, checksum), sizes, body))


def unpack(data: Any, kind: str) -> tuple[dict[str, Any], dict[str, npt.NDArray[Any]]]:
    """Return the values and arrays of a saved state.

    Args:
        data (bytes-like): what `pack` returned.
        kind (str): what the state has to be of.

    Returns:
        tuple[dict[str, Any], dict[str, ndarray]]: the values, and the arrays: read-only, C-contiguous and aligned.

    Raises:
        TypeError: `data` is not bytes-like.
        ValueError: it is no saved state, cut, damaged, of another version or kind, or not as the format says.
    """
    if not isinstance(data, bytes):
        try:
            data = bytes(memoryview(data))
        except TypeError:
            raise TypeError(f"`data` must be bytes, got {type(data).__name__}") from None
    header_end = _check_start(data)
    values, descriptions = _read_header(data[_HEADER:header_end], kind)
    arrays: dict[str, npt.NDArray[Any]] = {}
    offset = header_end
    for name, dtype, shape in map(_check_description, descriptions):
        if name in arrays:
            raise ValueError(f"`data` must have each array once, got array {name!r} twice")
        size = dtype.itemsize * math.prod(shape)
        if size > len(data) - offset:
            raise ValueError(
                f"`data` must have the {size} bytes of array {name!r} of shape {shape}, got {len(data) - offset}"
            )
        array = np.frombuffer(data, dtype, math.prod(shape), offset).reshape(shape)
        if dtype == np.bool_ and array.size and array.view(np.uint8).max() > 1:
            raise ValueError(f"`data` must have bytes 0 and 1 in array {name!r} of booleans, got others")
        arrays[name] = array
        offset += size + -size % _PADDING
    if offset != len(data):
        raise ValueError(f"`data` must end with its last array, after {offset} bytes, got {len(data)} bytes")
    return values, arrays


def take_int(values: Mapping[str, Any], name: str, least: int, most: int) -> int:
    """Return the integer of a saved state that is called `name`.

    Raises:
        ValueError: it is missing, no integer, below `least` or above `most`.
    """
    value = _take(values, name)
    if type(value) is not int or not least <= value <= most:
        raise wrong_field(name, f"an integer from {least} to {most}", value)
    return value


def take_bool(values: Mapping[str, Any], name: str) -> bool:
    """Return the boolean of a saved state that is called `name`.

    Raises:
        ValueError: it is missing or no boolean.
    """
    return _take_type(values, name, bool, "True or False")


def take_str(values: Mapping[str, Any], name: str) -> str:
    """Return the string of a saved state that is called `name`.

    Raises:
        ValueError: it is missing or no string.
    """
    return _take_type(values, name, str, "a string")


def take_dict(values: Mapping[str, Any], name: str) -> dict[str, Any]:
    """Return the values of a saved state that stand together under the name `name`.

    Raises:
        ValueError: they are missing, or something else stands there.
    """
    return _take_type(values, name, dict, "an object with values")


def take_array(
    arrays: Mapping[str, npt.NDArray[Any]], name: str, dtype: npt.DTypeLike, shape: tuple[int, ...]
) -> npt.NDArray[Any]:
    """Return the array of a saved state that is called `name`, as it is in `arrays`.

    Raises:
        ValueError: it is missing, or has another dtype or shape.
    """
    array: npt.NDArray[Any] = _take(arrays, name)
    if array.dtype != dtype or array.shape != shape:
        expected = f"a {np.dtype(dtype)} array of shape {shape}"
        raise ValueError(f"`{name}` in the saved state must be {expected}, got {array.dtype} of shape {array.shape}")
    return array


def _check_start(data: bytes) -> int:
    """Check what stands in front of the header, and the checksum; return where the header ends."""
    if not data or not data.startswith(MAGIC[: len(data)]):
        raise ValueError(f"`data` must be a saved state, which begins with {MAGIC!r}, got {data[: len(MAGIC)]!r}")
    if len(data) < _HEADER:
        raise ValueError(f"`data` must have at least {_HEADER} bytes, got {len(data)}: it was cut")
    _, version, checksum = _START.unpack_from(data)
    size, header_size = _SIZES.unpack_from(data, _START.size)
    if version != VERSION:
        raise ValueError(f"`data` must be of version {VERSION} of the format of saved states, got version {version}")
    if len(data) != size:
        change = "it was cut" if len(data) < size else "something was added"
        raise ValueError(f"`data` must have {size} bytes, got {len(data)}: {change}")
    found = zlib.crc32(memoryview(data)[_START.size :])
    if found != checksum:
        raise ValueError(f"`data` must have the checksum {checksum:08x}, got {found:08x}: it was damaged")
    most = size - _HEADER
    if header_size % _PADDING or header_size > most:
        raise ValueError(
            f"`data` must have a header of at most {most} bytes, a multiple of {_PADDING}, got {header_size} bytes"
        )
    return _HEADER + int(header_size)


def _read_header(text: bytes, kind: str) -> tuple[dict[str, Any], list[Any]]:
    """Return the values that a header has, and its descriptions of arrays."""
    try:
        header = _DECODER.decode(text.decode("ascii"))
    except RecursionError:
        raise ValueError("`data` must have a header of few levels, got one that is nested too deeply") from None
    except ValueError as error:
        raise ValueError(f"`data` must have a header of valid JSON, got an error: {error}") from None
    if type(header) is not dict or set(header) != {"kind", "values", "arrays"}:
        raise ValueError("`data` must have a header with the members kind, values and arrays, got others")
    found, values, descriptions = header["kind"], header["values"], header["arrays"]
    if type(found) is not str or type(values) is not dict or type(descriptions) is not list:
        raise ValueError("`data` must have a string, an object and a list as kind, values and arrays, got other types")
    if found != kind:
        raise ValueError(f"`data` must be a saved state of kind {kind!r}, got kind {found!r:.100}")
    _check_values(values, ValueError)
    return values, descriptions


def _check_values(values: Any, error: type[Exception]) -> None:
    """Check that values are of types that JSON has, and nested on few levels.

    Raises:
        error: a type is another.
        ValueError: they are nested too deeply.
    """
    level = [values]
    for _ in range(_MOST_LEVELS):
        level = _list_members(level, error)
        if not level:
            return
    raise ValueError(f"values must be nested on at most {_MOST_LEVELS} levels, got more")


def _list_members(level: list[Any], error: type[Exception]) -> list[Any]:
    """Return the members of all lists and dicts in a list."""
    members: list[Any] = []
    for value in level:
        kind = type(value)
        if kind is list:
            members += value
        elif kind is dict:
            members += value.values()
            if not all(type(key) is str for key in value):
                raise error(f"names of values must be strings, got {list(value)!r:.100}")
        elif kind not in _TYPES:
            raise error(f"values must be numbers, strings, lists or dicts, got {kind.__name__}")
    return members


def _check_description(description: Any) -> tuple[str, np.dtype[Any], tuple[int, ...]]:
    """Return the name, dtype and shape of an array, from its description in a header."""
    if type(description) is not list or [type(member) for member in description] != [str, str, list]:
        raise ValueError("`data` must describe an array as [name, dtype, shape], got something else")
    name, dtype, shape = description
    if dtype not in DTYPES:
        raise ValueError(f"`data` must have a dtype of {', '.join(DTYPES)} for array {name!r}, got {dtype!r:.100}")
    if len(shape) > _MOST_AXES or not all(type(length) is int and length >= 0 for length in shape):
        raise ValueError(
            f"`data` must have a shape of at most {_MOST_AXES} integers from 0 on for array {name!r}, got another"
        )
    # numpy leaves lengths of 0 out when it checks that all sizes fit into its integers.
    if math.prod(length or 1 for length in shape) * DTYPES[dtype].itemsize > sys.maxsize:
        raise ValueError(f"`data` must have a shape that numpy allows for array {name!r}, got one that is too large")
    return name, DTYPES[dtype], tuple(shape)


def _make_dict(members: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return the members of a JSON object as a dict, each of which has to be there once."""
    made = dict(members)
    if len(made) != len(members):
        raise ValueError("a name is there twice in an object")
    return made


def _parse_float(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"the number {text} is not finite")
    return number


_DECODER: Final = json.JSONDecoder(parse_float=_parse_float, parse_constant=_parse_float, object_pairs_hook=_make_dict)


def _take(fields: Mapping[str, Any], name: str) -> Any:
    if name not in fields:
        raise ValueError(f"`{name}` is missing in the saved state")
    return fields[name]


def _take_type(values: Mapping[str, Any], name: str, kind: type[_Value], expected: str) -> _Value:
    value = _take(values, name)
    if type(value) is not kind:
        raise wrong_field(name, expected, value)
    return value


def wrong_field(name: str, expected: str, value: Any) -> ValueError:
    """Return the error of a field of a saved state that is not what it has to be."""
    return ValueError(f"`{name}` in the saved state must be {expected}, got {value!r:.100}")
