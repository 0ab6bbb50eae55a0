"""A replay buffer in a file, as plain data.

The format, version 1. Integers are unsigned and little-endian:

====== ======= =====================================================================================================
offset bytes   content
====== ======= =====================================================================================================
0      8       ``FASTREPL``
8      4       the version of the format, 1
12     4       the CRC-32 of the planes
16     8       the number of bytes of the state
24     ...     the state, as of `fastatari.checkpoint`, which has a checksum of its own: arguments, arrays, generator
...    ...     the planes that there are, of one environment after another
====== ======= =====================================================================================================
"""

import contextlib
import math
import os
import secrets
import shutil
import struct
import zlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Final, TypeVar

import numpy as np
import numpy.typing as npt

from fastatari.checkpoint import pack, take_array, take_dict, unpack, wrong_field
from fastatari.replay.arguments import check_kind, check_shape, check_stack_num, count_slots
from fastatari.replay.planes import PlaneRings
from fastatari.replay.priorities import LEAST, MOST
from fastatari.replay.transitions import TransitionRings
from fastatari.saved_generators import generator_from_values, generator_to_values

if TYPE_CHECKING:
    from fastatari.replay.buffer import ReplayBuffer

Array = npt.NDArray[Any]
AnyBuffer = TypeVar("AnyBuffer", bound="ReplayBuffer")

KIND: Final = "ReplayBuffer"
MAGIC: Final = b"FASTREPL"
VERSION: Final = 1
_START: Final = struct.Struct("<8sIIQ")
_CHUNK: Final = 1 << 24  # bytes


def write_buffer(path: "str | os.PathLike[str]", buffer: "ReplayBuffer") -> None:
    """Write a buffer to a file: first to another one, which then takes its place.

    Raises:
        OSError: it cannot be written.
        ValueError: the generator's bit generator is not one of numpy's own.
    """
    planes, transitions, priorities = buffer.planes, buffer.transitions, buffer.priorities
    arrays = {
        "counts": planes.counts,
        "plane_ages": planes.ages,
        "is_over": buffer.is_over,
        "needs_reset": buffer.needs_reset,
        **transitions.arrays,
    }
    values: dict[str, Any] = {
        "arguments": {
            name: list(value) if isinstance(value, tuple) else value for name, value in buffer.arguments.items()
        },
        "generator": generator_to_values(buffer.generator),
    }
    if priorities is not None:
        arrays["priorities"] = priorities.leaves
        values["most"] = priorities.most
    state = pack(KIND, values, arrays)
    target = Path(path)
    # In the same folder, so that one takes the place of the other at once.
    temporary = target.with_name(f".{target.name}.{secrets.token_hex(8)}")
    try:
        with temporary.open("xb") as file:
            file.write(_START.pack(MAGIC, VERSION, 0, len(state)))
            file.write(state)
            checksum = 0
            for part in _list_parts(planes):
                checksum = zlib.crc32(part, checksum)
                file.write(part)
            file.seek(0)
            file.write(_START.pack(MAGIC, VERSION, checksum, len(state)))
            file.flush()
            os.fsync(file.fileno())
        if target.exists():
            shutil.copymode(target, temporary)
        os.replace(temporary, target)
    except BaseException:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise


def read_buffer(path: "str | os.PathLike[str]", make: Callable[[dict[str, Any]], AnyBuffer]) -> AnyBuffer:
    """Return the buffer of a file, which `make` makes of its arguments.

    Raises:
        ValueError: it is no such file, cut, damaged, of another version, or of what no buffer has.
        OSError: it cannot be read, or there is not enough room for planes.
        MemoryError: there is not enough memory.
    """
    with open(path, "rb") as file:
        size = os.fstat(file.fileno()).st_size
        state, checksum = _read_state(file, size)
        values, arrays = unpack(state, KIND)
        begin = file.tell()
        arguments = _take_arguments(take_dict(values, "arguments"), arrays)
        generator = generator_from_values(take_dict(values, "generator"))
        try:
            _check_size(arguments, arrays, begin, size)
            buffer = make({**arguments, "seed": generator})
        except TypeError as error:
            raise ValueError(f"the saved arguments are of no buffer: {error}") from None
        if buffer.arguments.keys() != arguments.keys():
            missing = ", ".join(f"`{name}`" for name in buffer.arguments.keys() - arguments.keys())
            raise ValueError(f"the saved arguments are of no buffer: there is no {missing}")
        _fill(buffer, values, arrays)
        found = 0
        for part in _list_parts(buffer.planes):
            if file.readinto(part) != part.nbytes:
                raise ValueError("the file was cut while it was read")
            found = zlib.crc32(part, found)
        if found != checksum:
            raise ValueError("the file's planes are damaged: their checksum is another")
    return buffer


def _read_state(file: BinaryIO, size: int) -> tuple[bytes, int]:
    """Return the bytes of the state, and the checksum of the planes."""
    start = file.read(_START.size)
    if not start or not start.startswith(MAGIC[: len(start)]):
        raise ValueError(f"the file must be a saved replay buffer, which begins with {MAGIC!r}, got {start[:8]!r}")
    if len(start) < _START.size:
        raise ValueError(f"the file must have at least {_START.size} bytes, got {len(start)}: it was cut")
    _, version, checksum, state_size = _START.unpack(start)
    if version != VERSION:
        raise ValueError(f"the file must be of version {VERSION} of the format of replay buffers, got {version}")
    if state_size > size - _START.size:
        raise ValueError(f"the file must have the {state_size:,} bytes of its state, got {size:,}: it was cut")
    return file.read(state_size), checksum


def _take_arguments(saved: Mapping[str, Any], arrays: Mapping[str, Array]) -> dict[str, Any]:
    """Return the arguments of a buffer; it takes no more memory than its arrays say."""
    arguments = {name: tuple(value) if isinstance(value, list) else value for name, value in saved.items()}
    counts, actions = arrays.get("counts"), arrays.get("actions")
    num_envs, capacity = arguments.get("num_envs"), arguments.get("capacity")
    if counts is None or actions is None or counts.ndim != 1 or actions.ndim < 2 or counts.size != num_envs:
        raise wrong_field("num_envs", "the number of environments of the arrays", num_envs)
    if type(capacity) is not int or capacity != actions.shape[0] * actions.shape[1]:
        raise wrong_field("capacity", "the number of transitions of the arrays", capacity)
    return arguments


def _check_size(arguments: Mapping[str, Any], arrays: Mapping[str, Array], begin: int, size: int) -> None:
    """Check that a file has all planes that it says, before there is room for them."""
    num_envs, plane_shape = arguments["num_envs"], check_shape("plane_shape", arguments.get("plane_shape"), 1)
    slots = count_slots(arguments["capacity"] // num_envs, check_stack_num(arguments.get("stack_num")))
    itemsize = check_kind("dtype", arguments.get("dtype")).itemsize
    planes = np.minimum(take_array(arrays, "counts", np.int64, (num_envs,)), slots)
    wanted = int(planes.sum()) * math.prod(plane_shape) * itemsize
    if size - begin != wanted:
        raise ValueError(f"the file must have {begin + wanted:,} bytes, got {size:,}: it was cut, or added to")


def _fill(buffer: "ReplayBuffer", values: Mapping[str, Any], arrays: Mapping[str, Array]) -> None:
    """Set all of a new buffer but its planes; check that each transition has the planes that it needs."""
    planes, transitions = buffer.planes, buffer.transitions
    for name, array in [
        ("counts", planes.counts),
        ("plane_ages", planes.ages),
        ("is_over", buffer.is_over),
        ("needs_reset", buffer.needs_reset),
        *transitions.arrays.items(),
    ]:
        array[...] = take_array(arrays, name, array.dtype, array.shape)
    _check(planes, transitions)
    if buffer.priorities is not None:
        leaves = take_array(arrays, "priorities", np.float64, (buffer.capacity,))
        most = values.get("most")
        if type(most) is not float or not LEAST <= most <= MOST:
            raise wrong_field("most", f"a number from {LEAST} to {MOST}", most)
        held = transitions.held.reshape(-1)
        if not (leaves[~held] == 0).all() or not ((leaves[held] >= LEAST) & (leaves[held] <= most)).all():
            raise wrong_field("priorities", f"from {LEAST} to `most` where there is a transition, or 0", "others")
        buffer.priorities.write(np.arange(buffer.capacity), leaves)
        buffer.priorities.most = most


def _check(planes: PlaneRings, transitions: TransitionRings) -> None:
    counts, ages, most = planes.counts, planes.ages, 2**62
    if not ((counts >= 0) & (counts < most)).all() or not ((ages >= 0) & (ages < planes.stack_num)).all():
        raise wrong_field("counts", "numbers of planes", "others")
    if not (ages <= np.maximum(counts - 1, 0)).all():
        raise wrong_field("plane_ages", "at most the number of planes before", "others")
    totals, firsts = transitions.totals, transitions.firsts
    in_range = (firsts >= 0) & (firsts <= totals) & (totals < most) & (totals - firsts <= transitions.length)
    if not in_range.all():
        raise wrong_field("totals", "numbers of transitions", "others")
    held = transitions.held
    count = counts[:, np.newaxis]
    has_planes = (transitions.planes - transitions.ages >= count - planes.slots) & (transitions.planes >= 0)
    has_planes &= (transitions.planes + 1 < count) & (transitions.ages >= 0)
    has_planes &= (transitions.ages < planes.stack_num) & (transitions.ages <= transitions.planes)
    if not has_planes[held].all():
        raise wrong_field("planes", "the numbers of planes that there are", "others")


def _list_parts(planes: PlaneRings) -> Iterator[memoryview]:
    """Yield the bytes of the planes that there are, in parts: views."""
    for env_id, count in enumerate(planes.counts.tolist()):
        begin = env_id * planes.slots
        rows = planes.memory[begin : begin + min(count, planes.slots)].reshape(-1).view(np.uint8)
        for offset in range(0, rows.size, _CHUNK):
            yield rows[offset : offset + _CHUNK].data
