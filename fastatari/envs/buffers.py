"""`ObservationBuffers`: memory for observations, aligned, and used again when nobody refers to it any more."""

import math
import weakref
from typing import Any, Final

import numpy as np
import numpy.typing as npt

# To this torch, jax and DLPack take arrays without a copy.
ALIGNMENT: Final = 64

# One that is being written, one that the caller has, and one that it had before.
BUFFER_NUM: Final = 3


class ObservationBuffers:
    """Arrays for the observations of a batch. Their addresses are multiples of 64 bytes.

    An array that was handed out is written to again only when neither it nor any view of it is referred to any more. So
    it is as good as a fresh one, without the time that fresh memory takes.

    Args:
        shape (tuple[int, ...]): of an array: the number of environments, and the shape of an observation.
        dtype (numpy.dtype): of an array.
        copies (bool): whether that is so. If not, two arrays are handed out by turns, whoever refers to them.
    """

    def __init__(self, shape: tuple[int, ...], dtype: npt.DTypeLike, copies: bool = True) -> None:
        self.shape, self.dtype = shape, np.dtype(dtype)
        self._copies = copies
        self._memories: list[tuple[bytearray, int]] = []
        self._loans: list[weakref.ref[npt.NDArray[Any]]] = []
        self._oldest = 0  # or, where two take turns, whose turn it is

    def take(self) -> npt.NDArray[Any]:
        """Return an array to write to: dtype[shape], of undefined contents."""
        number = self._find_free()
        memory, begin = self._memories[number]
        # All views of it, and of these, refer to it, because it is not a view of another array.
        array: npt.NDArray[Any] = np.ndarray(self.shape, self.dtype, memory, begin)
        self._loans[number] = weakref.ref(array)
        return array

    def give_back(self) -> None:
        """Let the next `take` return the same as the last one, to which nothing was written."""
        if not self._copies:
            self._oldest = 1 - self._oldest

    def _find_free(self) -> int:
        if not self._copies:
            number = self._oldest
            self._oldest = 1 - number
            if number == len(self._memories):
                self._add()
            return number
        for number, loan in enumerate(self._loans):
            if loan() is None:
                return number
        if len(self._memories) < BUFFER_NUM:
            self._add()
            return len(self._memories) - 1
        # The caller keeps all of them. What it has stays as it is, and this is forgotten here.
        number = self._oldest
        self._oldest = (number + 1) % BUFFER_NUM
        self._memories[number] = allocate(self.shape, self.dtype)
        return number

    def _add(self) -> None:
        self._memories.append(allocate(self.shape, self.dtype))
        self._loans.append(_NONE)


def allocate(shape: tuple[int, ...], dtype: npt.DTypeLike) -> tuple[bytearray, int]:
    """Return memory for an array, and where in it the array begins, at a multiple of 64 bytes."""
    memory = bytearray(math.prod(shape) * np.dtype(dtype).itemsize + ALIGNMENT)
    return memory, -np.frombuffer(memory, np.uint8).ctypes.data % ALIGNMENT


def make_array(shape: tuple[int, ...], dtype: npt.DTypeLike) -> npt.NDArray[Any]:
    """Return a fresh array whose address is a multiple of 64 bytes."""
    memory, begin = allocate(shape, dtype)
    return np.ndarray(shape, dtype, memory, begin)


# A reference to something that is gone.
_NONE: "weakref.ref[npt.NDArray[Any]]" = weakref.ref(np.empty(0))
