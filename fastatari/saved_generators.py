"""The states of numpy's generators as plain values, for saved states."""

import re
from collections.abc import Mapping
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from fastatari.checkpoint import take_int, take_str, wrong_field

_HEX: Final = re.compile("[0-9a-f]*")

# The state of each bit generator: the largest value of a number, or the dtype and length of an array, which is saved as
# hexadecimal digits. numpy does not check positions (`pos`, `buffer_pos`), and would read beyond its arrays.
_PCG64: Final = {"state": 2**128 - 1, "inc": 2**128 - 1, "has_uint32": 1, "uinteger": 2**32 - 1}
_BIT_GENERATORS: Final[dict[str, Mapping[str, int | tuple[str, int]]]] = {
    "PCG64": _PCG64,
    "PCG64DXSM": _PCG64,
    "MT19937": {"key": ("<u4", 624), "pos": 624},
    "Philox": {
        "counter": ("<u8", 4),
        "key": ("<u8", 2),
        "buffer": ("<u8", 4),
        "buffer_pos": 4,
        "has_uint32": 1,
        "uinteger": 2**32 - 1,
    },
    "SFC64": {"state": ("<u8", 4), "has_uint32": 1, "uinteger": 2**32 - 1},
}


def generator_to_values(generator: np.random.Generator) -> dict[str, Any]:
    """Return the state of a generator of numpy as plain values, for `generator_from_values`.

    It decides all numbers to be drawn, but not the generators that ``spawn`` makes.

    Args:
        generator (np.random.Generator): the generator. Its bit generator is one of numpy's own.

    Returns:
        dict[str, Any]: strings and integers, to be saved by `pack`.

    Raises:
        TypeError: `generator` is not a generator of numpy.
        ValueError: its bit generator is not one of numpy's own.
    """
    if not isinstance(generator, np.random.Generator):
        raise TypeError(f"`generator` must be a numpy.random.Generator, got {type(generator).__name__}")
    name = type(generator.bit_generator).__name__
    if type(generator.bit_generator) is not getattr(np.random, name, None):
        raise ValueError(f"`generator` must have a bit generator of {', '.join(_BIT_GENERATORS)}, got {name}")
    state: Any = generator.bit_generator.state
    fields = state | state["state"]
    values: dict[str, Any] = {"bit_generator": name}
    for field, most in _BIT_GENERATORS[name].items():
        if isinstance(most, int):
            values[field] = int(fields[field])
        else:
            values[field] = fields[field].astype(most[0]).tobytes().hex()
    return values


def generator_from_values(values: Mapping[str, Any]) -> np.random.Generator:
    """Return a new generator in a saved state.

    Args:
        values (Mapping[str, Any]): what `generator_to_values` returned.

    Raises:
        ValueError: a value is missing, or no generator has it.
    """
    name = take_str(values, "bit_generator")
    if name not in _BIT_GENERATORS:
        raise wrong_field("bit_generator", f"one of {', '.join(_BIT_GENERATORS)}", name)
    fields: dict[str, Any] = {}
    for field, most in _BIT_GENERATORS[name].items():
        if isinstance(most, int):
            fields[field] = take_int(values, field, 0, most)
        else:
            fields[field] = _take_hex(values, field, *most)
    _check_draws(fields)
    bit_generator = getattr(np.random, name)(0)
    inner = {field: fields.pop(field) for field in bit_generator.state["state"]}
    bit_generator.state = fields | {"bit_generator": name, "state": inner}
    return np.random.Generator(bit_generator)


def _check_draws(fields: Mapping[str, Any]) -> None:
    """Check that a generator would not draw the same for ever, so that who waits for another number waits for ever."""
    if "inc" in fields and fields["inc"] % 2 == 0:
        raise wrong_field("inc", "an odd integer", fields["inc"])
    if "pos" in fields and not has_period(fields["key"]):
        raise wrong_field("key", "a string of hexadecimal digits that are not all 0", "0")


def has_period(words: npt.NDArray[np.uint32]) -> bool:
    """Return whether a Mersenne twister (uint32[624]) draws other numbers than 0; it has no use for 31 of its bits."""
    return bool(words[1:].any() or words[0] >> 31)


def _take_hex(values: Mapping[str, Any], name: str, dtype: str, length: int) -> npt.NDArray[Any]:
    """Return the array of a saved state that is written as hexadecimal digits."""
    text = take_str(values, name)
    digits = 2 * length * np.dtype(dtype).itemsize
    if len(text) != digits or not _HEX.fullmatch(text):
        raise wrong_field(name, f"a string of {digits} hexadecimal digits", text)
    return np.frombuffer(bytes.fromhex(text), dtype)
