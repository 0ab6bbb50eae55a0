"""Spaces of batches whose bounds take no memory."""

from typing import Any

import numpy as np
from gymnasium import spaces
from gymnasium.vector.utils import batch_space


class BatchedBox(spaces.Box):
    """`gymnasium.vector.utils.batch_space` of a box, whose bounds are views of the single box's.

    gymnasium's own has four arrays of the batch's shape: 113 KB for each environment with four planes of 84x84.

    Args:
        single (spaces.Box): the space of one environment.
        num_envs (int): how many of them.
    """

    def __init__(self, single: "spaces.Box[Any]", num_envs: int) -> None:
        super().__init__(single.low[:0], single.high[:0], dtype=single.dtype)
        shape = (num_envs, *single.shape)
        self._shape = shape
        for name in ("low", "high", "bounded_below", "bounded_above"):
            setattr(self, name, np.broadcast_to(getattr(single, name), shape))
        self.low_repr, self.high_repr = single.low_repr, single.high_repr


def make_batch_space(single: Any, num_envs: int) -> Any:
    """Return the space of a batch of a space."""
    if isinstance(single, spaces.Box):
        return BatchedBox(single, num_envs)
    return batch_space(single, num_envs)
