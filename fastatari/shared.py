"""The memory that a caller shares with its workers: actions in, observations and all else that steps tell out."""

import math
import struct
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

# What is told of an environment besides its observation. It is a row, and not in columns as callers get it, because a
# worker writes a row by one call: `ROW` packs all up to, and with, its kind; the rest is written where there is any.
# First come words, then flags, so that a caller can copy those of a kind at once.
RECORD: Final = np.dtype(
    [
        ("reward", np.float64),
        ("raw_reward", np.float64),
        ("lives", np.int64),
        ("episode_frame_number", np.int64),
        ("frame_number", np.int64),
        ("terminated", np.bool_),
        ("truncated", np.bool_),
        ("life_lost", np.bool_),
        ("game_over", np.bool_),
        ("needs_reset", np.bool_),
        ("kind", np.uint8),
        ("noops", np.int64),
        ("episode_return", np.float64),
        ("episode_length", np.int64),
        ("episode_seconds", np.float64),
    ],
    align=True,
)
ROW: Final = struct.Struct("=2d3q5?B")
# Its words, by their numbers: reward and raw reward, then lives and both frame numbers; and its first flags, by their
# places: terminated, truncated, life lost, and game over.
FLOATS: Final = slice(0, 2)
INTEGERS: Final = slice(2, 5)
FLAGS: Final = slice(40, 44)

# The kinds of a row: of a step, of a step that ended a game, whose statistics are there too, of a reset, or of nothing,
# because the environment's worker was lost.
STEP, GAME_END, RESET, LOST = range(4)

# Arrays begin at multiples of a cache line's bytes, so that workers do not write to each other's lines.
_LINE = 64


class Slot(NamedTuple):
    """Views of what one request is about, and comes to.

    Attributes:
        observations (uint8[n, *shape] or float32[n, *shape]): a row for each environment.
        records (RECORD[n]): the same.
        actions (int64[n]): what each is to do.
        begin (int): where in the memory the observations begin, in bytes.
    """

    observations: npt.NDArray[Any]
    records: npt.NDArray[Any]
    actions: npt.NDArray[np.int64]
    begin: int


class Layout(NamedTuple):
    """How such memory is divided.

    Attributes:
        num_envs (int): the number of environments, n.
        shape (tuple[int, ...]): the shape of an observation.
        dtype (str): its dtype.
        slot_num (int): how many requests' results there is room for.
    """

    num_envs: int
    shape: tuple[int, ...]
    dtype: str
    slot_num: int

    @property
    def size(self) -> int:
        """How many bytes it needs."""
        return self.slot_num * self._slot_size

    def view(self, memory: Any) -> list[Slot]:
        """Return the slots of some memory, of any type that is a buffer; the same in each process."""
        slots = []
        for begin in range(0, self.size, self._slot_size):
            place = begin
            arrays: list[Any] = []
            for dtype, shape in self._arrays:
                arrays.append(np.frombuffer(memory, dtype, math.prod(shape), place).reshape(shape))
                place += _round_up(arrays[-1].nbytes)
            observations, records, actions = arrays
            slots.append(Slot(observations, records, actions, begin))
        return slots

    @property
    def _arrays(self) -> list[tuple[Any, tuple[int, ...]]]:
        """The dtypes and shapes of a slot's arrays."""
        num = self.num_envs
        return [(np.dtype(self.dtype), (num, *self.shape)), (RECORD, (num,)), (np.dtype(np.int64), (num,))]

    @property
    def _slot_size(self) -> int:
        return sum(_round_up(math.prod(shape) * dtype.itemsize) for dtype, shape in self._arrays)


def _round_up(size: int) -> int:
    return -(-size // _LINE) * _LINE
