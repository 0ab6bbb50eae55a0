"""`Clone`: a copy of one environment of a `CompiledEngine`, for this process as it is, and as bytes for any other.

In an engine's own memory a clone is copied back without a look at it. As bytes it is plain data in the format of
`checkpoint`, and every field is checked before any is used.
"""

import ctypes
import sys
import zlib
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from fastatari.checkpoint import pack, take_array, take_bool, take_dict, take_int, unpack
from fastatari.console.inputs import NUM_ACTIONS
from fastatari.console.limits import check_machine
from fastatari.console.saved import ALEState
from fastatari.console.state import Machine
from fastatari.engine.results import FLAGS, FLOATS, INTEGERS
from fastatari.engine.state import CONSOLES_OWN, Environment
from fastatari.saved_generators import generator_from_values, generator_to_values, has_period

KIND = "environment"


def _list_fields(structure: Any) -> list[tuple[str, int, int]]:
    return [(name, getattr(structure, name).offset, ctypes.sizeof(kind)) for name, kind in structure._fields_]


_ENVIRONMENT: Any = Environment
# Where in a block the state begins; before that are addresses.
BEGIN = _ENVIRONMENT.has_begun.offset
_MACHINE = ctypes.sizeof(Machine)
SIZE = ctypes.sizeof(Environment)
# Where in the state it says of which of the pair there is the machine, two bytes.
PAIR_HAS_START = _ENVIRONMENT.pair_has_start.offset - BEGIN
VERSION = zlib.crc32(repr((sys.byteorder, _list_fields(Environment), _MACHINE, FLOATS, INTEGERS, FLAGS)).encode())

_BIT, _NATURAL, _INTEGER = (0, 1), (0, 2**62), (-(2**62), 2**62)
# The least and the most that a field may hold.
_LIMITS = {
    "has_begun": _BIT, "is_playing": _BIT, "is_game_over": _BIT, "lives": _INTEGER, "reference": _INTEGER,
    "frames_left": _NATURAL, "noop_draws": _BIT, "noops": _NATURAL,
    "episode_return": _INTEGER, "episode_length": _NATURAL, "sticky_action": (0, NUM_ACTIONS - 1),
    "sticky_units": (0, 2**30), "is_complete": _BIT,
}  # fmt: skip


class Contents(NamedTuple):
    """What a clone is made of.

    Attributes:
        block (bytes): the state of the `Environment`, from `BEGIN` on.
        console (ALEState): the console.
        planes (bytes): the ring of planes.
        pictures (tuple[bytes, bytes]): of the pair, where a picture is not made from the machine; else empty.
        generator (tuple[type, dict[str, Any]]): the class of numpy's bit generator, and its state.
        numbers (bytes): the column of `Arrays.numbers`.
        flags (bytes): the same of `Arrays.flags`.
        final (tuple[bytes, bytes]): the observation and the RAM that a reset replaced, if there are any; else empty.
        is_pending (bool): whether it was asked for a step whose results its caller took no notice of.
        needs_reset (bool): whether it waits for a reset by the caller.
    """

    block: bytes
    console: ALEState
    planes: bytes
    pictures: tuple[bytes, bytes]
    generator: tuple[Any, Mapping[str, Any]]
    numbers: bytes
    flags: bytes
    final: tuple[bytes, bytes]
    is_pending: bool
    needs_reset: bool


class Clone:
    """A copy of an environment. It can be compared, copied and pickled.

    Args:
        data (bytes): what `serialize` returned.

    Attributes:
        contents (Contents | None): what it is made of, if it was made in this process.
        owner (object): what stands for the environment that it is a copy of.
    """

    __slots__ = ("_data", "contents", "owner")

    def __init__(self, data: bytes) -> None:
        self._data: bytes | None = data
        self.contents: Contents | None = None
        self.owner: object = None

    @classmethod
    def of(cls, contents: Contents, owner: object) -> "Clone":
        """Return a clone that is not yet bytes."""
        self = cls(b"")
        self._data, self.contents, self.owner = None, contents, owner
        return self

    def serialize(self) -> bytes:
        """Return the clone as bytes."""
        if self._data is None:
            assert self.contents is not None
            self._data = to_bytes(self.contents)
        return self._data

    def __reduce__(self) -> tuple[type["Clone"], tuple[bytes]]:
        return Clone, (self.serialize(),)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Clone) and self.serialize() == other.serialize()

    def __hash__(self) -> int:
        return hash(self.serialize())


class Sizes(NamedTuple):
    """What decides how large the parts of a clone are.

    Attributes:
        planes (int): bytes of all planes.
        stack_num (int): how many these are.
        picture (int): bytes of a screen's picture.
        has_pair (bool): whether planes are of two screens.
        final (int): bytes of an observation that a reset replaced.
    """

    planes: int
    stack_num: int
    picture: int
    has_pair: bool
    final: int


def to_bytes(contents: Contents) -> bytes:
    """Return contents in the format of `checkpoint`."""
    block: Any = _to_environment(contents.block)
    # All other fields only mean something while a call lasts, or of the screens that are there.
    values: dict[str, Any] = {name: int(getattr(block, name)) for name in _LIMITS}
    values |= {
        "newest": block.newest,
        "version": VERSION,
        "is_pending": contents.is_pending,
        "needs_reset": contents.needs_reset,
        "generator": generator_to_values(_make_generator(*contents.generator)),
        "noop_index": block.noop_generator.index,
        "pair_has_start": list(block.pair_has_start),
    }
    parts = {
        "console": contents.console.serialize_canonically(),
        "noop_words": bytes(block.noop_generator.words),
        "pair": b"".join(bytes(block.pair[k]) if block.pair_has_start[k] else bytes(_MACHINE) for k in range(2)),
        "planes": contents.planes,
        **{f"picture_{k}": contents.pictures[k] for k in range(2)},
        "numbers": contents.numbers,
        "flags": contents.flags,
        "final_obs": contents.final[0],
        "final_ram": contents.final[1],
    }
    return pack(KIND, values, {name: np.frombuffer(part, np.uint8) for name, part in parts.items()})


def from_bytes(data: bytes, sizes: Sizes, like: Any) -> Contents:
    """Return the contents of a clone that may come from anywhere.

    Args:
        data (bytes): what `to_bytes` returned.
        sizes (Sizes): what they have to be.
        like (Console): a console of the same game.

    Raises:
        TypeError: `data` is not bytes-like.
        ValueError: it is damaged, or holds what no such environment can. What the console's state holds is checked
            when it is restored.
    """
    values, arrays = unpack(data, KIND)
    if (version := take_int(values, "version", 0, 2**32 - 1)) != VERSION:
        raise ValueError(f"the state is of version {version:#x}, of another fastatari; here they are {VERSION:#x}")

    def take(name: str, size: int) -> bytes:
        return take_array(arrays, name, np.uint8, (size,)).tobytes()

    block: Any = Environment()
    for name, (least, most) in {**_LIMITS, "newest": (0, sizes.stack_num - 1)}.items():
        setattr(block, name, take_int(values, name, least, most))
    block.noop_generator.index = take_int(values, "noop_index", 0, 624)
    noop_words = take("noop_words", 4 * 624)
    if block.noop_draws == CONSOLES_OWN and not has_period(np.frombuffer(noop_words, np.uint32)):
        raise ValueError("`noop_words` in the saved state must not all be 0")
    ctypes.memmove(block.noop_generator.words, noop_words, 4 * 624)
    ctypes.memmove(block.pair, take("pair", 2 * _MACHINE), 2 * _MACHINE)
    has_starts: Any = values.get("pair_has_start")
    is_pair = isinstance(has_starts, list) and len(has_starts) == 2
    if not is_pair or not all(type(has_start) is int and has_start in _BIT for has_start in has_starts):
        raise ValueError(f"`pair_has_start` in the saved state must be two of 0 and 1, got {has_starts!r:.100}")
    needs_pictures = sizes.has_pair and bool(block.has_begun)
    pictures = []
    for k, has_start in enumerate(has_starts):
        block.pair_has_start[k] = has_start
        if has_start:
            check_machine(block.pair[k], like, f"pair[{k}].")
            if block.pair[k].cut:
                raise ValueError(f"the state has {block.pair[k].cut} as `pair[{k}].cut`, which must be 0")
        pictures.append(take(f"picture_{k}", sizes.picture if needs_pictures and not has_start else 0))
    # Of the step or reset, and of a step that a reset replaced.
    numbers, flags = take("numbers", 2 * 8 * (len(FLOATS) + len(INTEGERS))), take("flags", 2 * len(FLAGS))
    if max(flags) > 1:
        raise ValueError("`flags` in the saved state must be bytes 0 and 1, got others")
    has_final = flags[FLAGS.index("has_final")] == 1
    if has_final and not sizes.final:
        raise ValueError("the state has an observation that a reset replaced, as only with `autoreset_mode` SAME_STEP")
    final = take("final_obs", sizes.final if has_final else 0), take("final_ram", 128 if has_final else 0)
    console = ALEState(take_array(arrays, "console", np.uint8, arrays.get("console", _NOTHING).shape).tobytes())
    if not console.is_whole:
        raise ValueError("`console` in the saved state must be a state of this package's console, with all generators")
    bits = generator_from_values(take_dict(values, "generator")).bit_generator
    return Contents(
        _to_bytes(block),
        console,
        take("planes", sizes.planes),
        (pictures[0], pictures[1]),
        (type(bits), dict(bits.state)),
        numbers,
        flags,
        final,
        take_bool(values, "is_pending"),
        take_bool(values, "needs_reset"),
    )


_NOTHING = np.zeros(0, np.uint8)


def _make_generator(kind: Any, state: Mapping[str, Any]) -> np.random.Generator:
    generator = np.random.Generator(kind())
    generator.bit_generator.state = state
    return generator


def _to_environment(block: bytes) -> Any:
    return Environment.from_buffer_copy(bytes(BEGIN) + block)


def _to_bytes(block: Any) -> bytes:
    return bytes(block)[BEGIN:]
