"""`PlaneRing`: the last planes of a game, always contiguous."""

import numpy as np
import numpy.typing as npt

UInt8Array = npt.NDArray[np.uint8]


class PlaneRing:
    """The last K planes.

    Every plane is there twice, K planes apart, so that the last K always lie in a row and are read by one copy.

    Args:
        planes (uint8[2 * K, h, w]): the memory of the planes.
        count (int64[1]): how many planes were written. Who writes a plane to the place ``count % K`` and to that K
            planes after it counts one more.
    """

    def __init__(self, planes: UInt8Array, count: npt.NDArray[np.int64]) -> None:
        self._planes, self._count = planes, count
        self._num = len(planes) // 2
        # Views made once, because making those that a step needs would cost it 0.5 us each.
        self._stacks = [planes[slot : slot + self._num] for slot in range(self._num)]
        self._places = [planes[slot :: self._num] for slot in range(self._num)]

    @property
    def newest(self) -> UInt8Array:
        """The newest plane (uint8[h, w]), a view that is valid until K more were written."""
        newest: UInt8Array = self.stack[-1]
        return newest

    @property
    def stack(self) -> UInt8Array:
        """All K planes, the oldest first (uint8[K, h, w]), a view that is valid until the next is written."""
        return self._stacks[self._count.item() % self._num]

    def push(self, plane: UInt8Array) -> None:
        """Write a plane (uint8[h, w]) to the place of the oldest."""
        count = self._count.item()
        self._places[count % self._num][:] = plane
        self._count[0] = count + 1

    def fill(self, plane: UInt8Array, has_zeros: bool = False) -> None:
        """Write a plane (uint8[h, w]) to all places, or to the newest only and zeros to the others."""
        plane = plane.copy()
        self._planes[:] = 0 if has_zeros else plane
        self._places[(self._count.item() - 1) % self._num][:] = plane
