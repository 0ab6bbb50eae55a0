"""`PlaneRings`: the planes of each environment in a ring buffer, and the stacks that are put together of them."""

import math
import os
import shutil
import tempfile
from typing import Any, Final

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
Int64Array = npt.NDArray[np.int64]

# For gathering in the other layout: stacks at a time, so that they stay in the cache.
_CHUNK: Final = 16


class PlaneRings:
    """The last planes of each environment. Planes of an environment are numbered from 0 on, in the order they came.

    Args:
        num_envs (int): how many environments.
        slots (int): how many planes of each are kept.
        plane_shape (tuple[int, ...]): the shape of a plane.
        dtype (numpy.dtype): its dtype.
        stack_num (int): how many planes make a stack, K.
        stack_axis (0 | -1): along which axis.
        padding_type ("reset" | "zero"): what is in a stack before its first plane: that one again, or zeros.
        folder (str | None): where a file with the planes is; None for memory.

    Attributes:
        slots, plane_shape, stack_num, stack_axis: as above.
        stack_shape (tuple[int, ...]): the shape of a stack.
        memory (dtype[num_envs * slots + 1, *plane_shape]): all planes, and one of zeros.
        counts (int64[num_envs]): how many planes there were of each environment.
        owner (int | None): the process whose planes they are, if they are in a file.
        ages (int64[num_envs]): how many of the planes before the newest are in its stack, at most K - 1.

    Raises:
        OSError: there is not enough room in the folder, or it cannot be written to.
    """

    def __init__(
        self,
        num_envs: int,
        slots: int,
        plane_shape: tuple[int, ...],
        dtype: np.dtype[Any],
        stack_num: int,
        stack_axis: int,
        padding_type: str,
        folder: str | None,
    ) -> None:
        self.slots, self.plane_shape = slots, plane_shape
        self.stack_num, self.stack_axis = stack_num, stack_axis
        self._pads_zeros = padding_type == "zero"
        self.stack_shape = make_stack_shape(plane_shape, stack_num, stack_axis)
        self.counts = np.zeros(num_envs, np.int64)
        self.ages = np.zeros(num_envs, np.int64)
        self._zeros = num_envs * slots  # the place of a plane that stays as it is
        # A mapped file is shared with processes that are forked.
        self.owner = None if folder is None else os.getpid()
        self.memory = _allocate((num_envs * slots + 1, *plane_shape), dtype, folder)

    def split(self, stacks: Array) -> Array:
        """Return stacks, [m, *stack_shape], as planes, [m, K, *plane_shape], the oldest first: a view."""
        if self.stack_shape == self.plane_shape:
            return stacks[:, np.newaxis]
        if self.stack_axis == 0:
            return stacks
        if len(self.plane_shape) == 3:
            stacks = stacks.reshape(*stacks.shape[:-1], self.stack_num, self.plane_shape[-1])
            return np.moveaxis(stacks, -2, 1)
        return np.moveaxis(stacks, -1, 1)

    def begin(self, env_ids: Int64Array, planes: Array) -> None:
        """Begin stacks with one plane each."""
        self._store(env_ids, planes)
        self.ages[env_ids] = 0

    def begin_stacks(self, env_ids: Int64Array, stacks: Array) -> None:
        """Begin with stacks: of one plane and padding; of the planes before, and one more; or of any other planes."""
        planes = self.split(stacks)
        for env_id, row in zip(env_ids.tolist(), planes, strict=True):
            one = np.array([env_id])
            if self._goes_on(env_id, row):
                self.push(one, row[-1:])
                continue
            age = self.stack_num - 1
            while age and _are_same(row[self.stack_num - 1 - age], self._find_padding(row, age)):
                age -= 1
            for plane in row[self.stack_num - 1 - age :]:
                self._store(one, plane[np.newaxis])
            self.ages[env_id] = age

    def push(self, env_ids: Int64Array, planes: Array) -> None:
        """Add a plane to each stack."""
        self._store(env_ids, planes)
        self.ages[env_ids] = np.minimum(self.ages[env_ids] + 1, self.stack_num - 1)

    def gather(
        self, env_ids: Int64Array, newest: Int64Array, ages: Int64Array, out: Array, has_next: bool = False
    ) -> None:
        """Put stacks together.

        Args:
            env_ids (int64[m]): of which environments.
            newest (int64[m]): the number of the newest plane of each stack.
            ages (int64[m]): how many of the planes before that one are in it.
            out ([m, *stack_shape]): where they are written to; with `has_next`, [m, K + 1, *plane_shape].
            has_next (bool): whether the plane after the newest one is written too, which ends the next stack.
        """
        places = newest[:, np.newaxis] + np.arange(1 - self.stack_num, 1 + has_next)
        first = (newest - ages)[:, np.newaxis]
        if self._pads_zeros:
            is_padding = places < first
        else:
            np.maximum(places, first, out=places)
        places %= self.slots
        places += env_ids[:, np.newaxis] * self.slots
        if self._pads_zeros:
            places[is_padding] = self._zeros
        target = out if has_next else self.split(out)
        if self.stack_axis == 0:
            np.take(self.memory, places, 0, target, "clip")
            return
        for begin in range(0, len(places), _CHUNK):
            rows = slice(begin, begin + _CHUNK)
            target[rows] = np.take(self.memory, places[rows], 0, mode="clip")

    def _store(self, env_ids: Int64Array, planes: Array) -> None:
        self.memory[env_ids * self.slots + self.counts[env_ids] % self.slots] = planes
        self.counts[env_ids] += 1

    def _goes_on(self, env_id: int, row: Array) -> bool:
        """Return whether a stack is that of an environment, and one plane more."""
        if self.stack_num == 1 or not self.counts[env_id]:
            return False
        one = np.array([env_id])
        stack = np.empty((1, *self.stack_shape), self.memory.dtype)
        self.gather(one, self.counts[one] - 1, self.ages[one], stack)
        return _are_same(row[:-1], self.split(stack)[0, 1:])

    def _find_padding(self, row: Array, age: int) -> Array:
        """Return what the plane of that age is if it is padding."""
        padding: Array = self.memory[self._zeros] if self._pads_zeros else row[self.stack_num - age]
        return padding


def _are_same(one: Array, other: Array) -> bool:
    """Return whether two arrays of a dtype have the same bytes: -0.0 is not 0.0."""
    return one.tobytes() == other.tobytes()


def make_stack_shape(plane_shape: tuple[int, ...], stack_num: int, stack_axis: int) -> tuple[int, ...]:
    """Return the shape of a stack: planes are stacked along its first axis, or along the last, with colours there.

    A single plane of one axis, such as the RAM, is a stack by itself.
    """
    if len(plane_shape) == stack_num == 1:
        return plane_shape
    if stack_axis == 0:
        return stack_num, *plane_shape
    if len(plane_shape) == 3:
        return *plane_shape[:-1], stack_num * plane_shape[-1]
    return *plane_shape, stack_num


def _allocate(shape: tuple[int, ...], dtype: np.dtype[Any], folder: str | None) -> Array:
    """Return zeros, in memory or in a file that is there as long as they are."""
    if folder is None:
        return np.zeros(shape, dtype)
    size = math.prod(shape) * dtype.itemsize
    free = shutil.disk_usage(folder).free
    if size > free:
        raise OSError(
            f"not enough room in {folder!r} for the {shape[0]:,} planes of a replay buffer: {size:,} bytes are needed, "
            f"{free:,} are free"
        )
    with tempfile.TemporaryFile(dir=folder) as file:  # without a name, or removed with the last reference
        if hasattr(os, "posix_fallocate"):  # a disk that is full later would end the process
            os.posix_fallocate(file.fileno(), 0, size)
        return np.asarray(np.memmap(file, dtype, "r+", shape=shape))
