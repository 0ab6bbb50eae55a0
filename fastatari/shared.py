"""The memory that a caller shares with its workers: actions in, observations and all else that steps tell out."""

import math
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt


class Columns(NamedTuple):
    """What is told of each environment besides its observation: of everything an array of n, or a memoryview of it."""

    action: Any
    kind: Any
    needs_reset: Any
    reward: Any
    terminated: Any
    truncated: Any
    lives: Any
    episode_frame_number: Any
    frame_number: Any
    raw_reward: Any
    life_lost: Any
    game_over: Any
    noops: Any
    episode_return: Any
    episode_length: Any
    episode_seconds: Any


DTYPES: Final = Columns(
    action=np.int64,
    kind=np.uint8,
    needs_reset=np.bool_,
    reward=np.float64,
    terminated=np.bool_,
    truncated=np.bool_,
    lives=np.int64,
    episode_frame_number=np.int64,
    frame_number=np.int64,
    raw_reward=np.float64,
    life_lost=np.bool_,
    game_over=np.bool_,
    noops=np.int64,
    episode_return=np.float64,
    episode_length=np.int64,
    episode_seconds=np.float64,
)

# The kinds of a row. A row's numbers are those of a step, of a step that ended a game, whose statistics are there too,
# of a reset, or of nothing, because the environment's worker was lost.
STEP, GAME_END, RESET, LOST = range(4)

# Arrays begin at multiples of a cache line's bytes, so that workers do not write to each other's lines.
_LINE = 64


class Slot(NamedTuple):
    """Views of what one request comes to.

    Attributes:
        observations (uint8[n, *shape] or float32[n, *shape]): a row for each environment.
        columns (Columns): arrays of n, of the `DTYPES`.
        begin (int): where in the memory the observations begin, in bytes.
    """

    observations: npt.NDArray[Any]
    columns: Columns
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
        for number in range(self.slot_num):
            begin = number * self._slot_size
            observations = self._view(memory, begin, self.dtype, (self.num_envs, *self.shape))
            place = begin + _round_up(observations.nbytes)
            columns = []
            for dtype in DTYPES:
                columns.append(self._view(memory, place, dtype, (self.num_envs,)))
                place += _round_up(columns[-1].nbytes)
            slots.append(Slot(observations, Columns(*columns), begin))
        return slots

    @property
    def _slot_size(self) -> int:
        columns = (self.num_envs * np.dtype(dtype).itemsize for dtype in DTYPES)
        observations = self.num_envs * math.prod(self.shape) * np.dtype(self.dtype).itemsize
        return _round_up(observations) + sum(map(_round_up, columns))

    @staticmethod
    def _view(memory: Any, begin: int, dtype: Any, shape: tuple[int, ...]) -> npt.NDArray[Any]:
        view: npt.NDArray[Any] = np.frombuffer(memory, dtype, math.prod(shape), begin).reshape(shape)
        return view


def _round_up(size: int) -> int:
    return -(-size // _LINE) * _LINE
