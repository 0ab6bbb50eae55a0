"""`PlaneRing`: the last planes of a game, always contiguous."""

import numpy as np
import numpy.typing as npt

UInt8Array = npt.NDArray[np.uint8]


class PlaneRing:
    """The last K planes.

    Every plane is there twice, K planes apart, so that the last K always lie in a row and are read by one copy.

    Args:
        shape (tuple[int, int, int]): K, h and w.

    Attributes:
        planes (uint8[2 * K, h, w]): the memory of the planes.
        slot (int64[1]): the place of the oldest plane. Who writes a plane to this place and to that K planes after it
            moves it on by one, modulo K.
    """

    def __init__(self, shape: tuple[int, int, int]) -> None:
        self._num = shape[0]
        self.planes: UInt8Array = np.zeros((2 * self._num, *shape[1:]), np.uint8)
        self.slot = np.zeros(1, np.int64)

    @property
    def newest(self) -> UInt8Array:
        """The newest plane (uint8[h, w]), a view that is valid until K more were written."""
        newest: UInt8Array = self.planes[self.slot[0] + self._num - 1]
        return newest

    @property
    def stack(self) -> UInt8Array:
        """All K planes, the oldest first (uint8[K, h, w]), a view that is valid until the next is written."""
        stack: UInt8Array = self.planes[self.slot[0] : self.slot[0] + self._num]
        return stack

    def push(self, plane: UInt8Array) -> None:
        """Write a plane (uint8[h, w]) to the place of the oldest."""
        slot = self.slot[0]
        self.planes[slot] = plane
        self.planes[slot + self._num] = plane
        self.slot[0] = (slot + 1) % self._num

    def fill(self, plane: UInt8Array) -> None:
        """Write a plane (uint8[h, w]) to all places."""
        self.planes[:] = plane
