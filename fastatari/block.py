"""Puts all arrays of a `FrameStack` into one block of memory."""

import itertools
from typing import Any

import numpy as np
import numpy.typing as npt

from fastatari.kernels import Block

# Arrays begin at multiples of so many 8-byte words: a vector that lies across two lines of a cache would be read twice.
LINE = 8


def pack(arrays: Block) -> tuple[npt.NDArray[np.uint64], Block]:
    """Copy arrays into one block of memory.

    Args:
        arrays (Block): arrays of at most three axes.

    Returns:
        tuple: the block (uint64[n]), and views of the arrays in it. It has a head of four words for each of them: where
        it begins, in words, and its shape, with ones before it.
    """
    members: tuple[npt.NDArray[Any], ...] = arrays
    sizes = [LINE * -(-array.nbytes // (8 * LINE)) for array in members]
    head = LINE * -(-4 * len(members) // LINE)
    memory = np.zeros(head + sum(sizes) + LINE, np.uint64)
    block = memory[-memory.ctypes.data // 8 % LINE :][: head + sum(sizes)]
    views: list[Any] = []
    for number, (array, begin) in enumerate(zip(members, itertools.accumulate(sizes, initial=head), strict=False)):
        block[4 * number : 4 * number + 4] = begin, *(1,) * (3 - array.ndim), *array.shape
        views.append(block[begin:].view(array.dtype)[: array.size].reshape(array.shape))
        views[-1][:] = array
    return block, Block(*views)
