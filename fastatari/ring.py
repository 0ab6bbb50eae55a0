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
        planes (uint8[2 * K, h, w]): what to write a new plane to, at `slot` and K after it, before `advance`.
        slot (int): the place of the oldest plane.
    """

    def __init__(self, shape: tuple[int, int, int]) -> None:
        self._num = shape[0]
        self.planes: UInt8Array = np.zeros((2 * self._num, *shape[1:]), np.uint8)
        self.slot = 0

    @property
    def newest(self) -> UInt8Array:
        """The newest plane (uint8[h, w]), a view that is valid until K more were written."""
        newest: UInt8Array = self.planes[self.slot + self._num - 1]
        return newest

    @property
    def stack(self) -> UInt8Array:
        """All K planes, the oldest first (uint8[K, h, w]), a view that is valid until the next is written."""
        stack: UInt8Array = self.planes[self.slot : self.slot + self._num]
        return stack

    def push(self, plane: UInt8Array) -> None:
        """Write a plane (uint8[h, w]) to the place of the oldest."""
        self.planes[self.slot] = plane
        self.planes[self.slot + self._num] = plane
        self.advance()

    def fill(self, plane: UInt8Array) -> None:
        """Write a plane (uint8[h, w]) to all places."""
        self.planes[:] = plane

    def advance(self) -> None:
        """Take what was written at `slot` for the newest plane."""
        self.slot = (self.slot + 1) % self._num
