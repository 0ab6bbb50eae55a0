"""Puts arrays into one block of memory."""

import itertools
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from fastatari.kernels import Block, Desk

B = TypeVar("B", bound=Block | Desk)

# Arrays begin at multiples of so many 8-byte words: a vector that lies across two lines of a cache would be read twice.
LINE = 8


def pack(arrays: B) -> tuple[npt.NDArray[np.uint64], B]:
    """Copy arrays into one block of memory.

    Args:
        arrays (Block | Desk): arrays of at most three axes.

    Returns:
        tuple: the block (uint64[n]), and views of the arrays in it. It has a head of four words for each of them: where
        it begins, in words, and its shape, with ones before it.
    """
    members: list[npt.NDArray[Any]] = list(arrays)
    sizes = [LINE * -(-member.nbytes // (8 * LINE)) for member in members]
    head = LINE * -(-4 * len(members) // LINE)
    memory = np.zeros(head + sum(sizes) + LINE, np.uint64)
    block = memory[-memory.ctypes.data // 8 % LINE :][: head + sum(sizes)]
    views: list[Any] = []
    begins = itertools.accumulate(sizes[:-1], initial=head)
    for number, begin, member in zip(itertools.count(), begins, members, strict=False):
        block[4 * number : 4 * number + 4] = begin, *(1,) * (3 - member.ndim), *member.shape
        views.append(block[begin:].view(member.dtype)[: member.size].reshape(member.shape))
        views[-1][:] = member
    return block, type(arrays)(*views)
