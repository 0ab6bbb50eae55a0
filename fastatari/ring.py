"""`PlaneRing`: the last planes of a game."""

import numpy as np
import numpy.typing as npt

UInt8Array = npt.NDArray[np.uint8]


class PlaneRing:
    """The last K planes.

    Args:
        planes (uint8[K, h, w]): the memory of the planes.
        count (int64[1]): how many planes were written. Who writes a plane to the place ``count % K`` counts one more.
    """

    def __init__(self, planes: UInt8Array, count: npt.NDArray[np.int64]) -> None:
        self._planes, self._count = planes, count

    @property
    def newest(self) -> UInt8Array:
        """The newest plane (uint8[h, w]), a view that is valid until K more were written."""
        newest: UInt8Array = self._planes[(self._count[0] - 1) % len(self._planes)]
        return newest

    def read(self) -> UInt8Array:
        """Return all K planes, the oldest first (uint8[K, h, w]), a fresh array."""
        return np.roll(self._planes, -(self._count.item() % len(self._planes)), axis=0)

    def push(self, plane: UInt8Array) -> None:
        """Write a plane (uint8[h, w]) to the place of the oldest."""
        self._planes[self._count[0] % len(self._planes)] = plane
        self._count[0] += 1

    def fill(self, plane: UInt8Array, has_zeros: bool = False) -> None:
        """Write a plane (uint8[h, w]) to all places, or to the newest only and zeros to the others."""
        plane = plane.copy()
        self._planes[:] = 0 if has_zeros else plane
        self.newest[:] = plane
