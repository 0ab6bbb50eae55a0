"""`Priorities`: sampling in proportion to priorities (Schaul et al., 2016, "Prioritized Experience Replay")."""

from typing import Final

import numpy as np
import numpy.typing as npt

Int64Array = npt.NDArray[np.int64]
Float64Array = npt.NDArray[np.float64]

# What is added to errors, so that no transition is never drawn again; a proportional priority is |error| + this.
EPSILON: Final = 1e-6

# Priorities are not below or above these, so that neither they nor their sums become 0 or infinite.
LEAST, MOST = 1e-30, 1e30


class Priorities:
    """The priorities of places, in a sum tree; 0 where there is nothing.

    Args:
        size (int): how many places.
        exponent (float): how much errors count, alpha: a priority is ``(abs(error) + EPSILON) ** alpha``.

    Attributes:
        tree (float64[2 * leaves]): node i is the sum of nodes 2 i and 2 i + 1; the places are the last half.
        most (float): the highest priority so far, which a new transition gets.
    """

    def __init__(self, size: int, exponent: float) -> None:
        self._leaves = 1 << (size - 1).bit_length()
        self._exponent = exponent
        self.size = size
        self.tree = np.zeros(2 * self._leaves)
        self.most = 1.0

    @property
    def leaves(self) -> Float64Array:
        """The priorities of all places: a view."""
        return self.tree[self._leaves : self._leaves + self.size]

    def add(self, places: Int64Array) -> None:
        """Give places the highest priority."""
        self.write(places, np.full(len(places), self.most))

    def update(self, places: Int64Array, errors: Float64Array) -> None:
        """Set the priorities of places by their errors."""
        with np.errstate(over="ignore", under="ignore"):
            priorities = np.clip((np.abs(errors) + EPSILON) ** self._exponent, LEAST, MOST)
        self.most = max(self.most, float(priorities.max(initial=0)))
        self.write(places, priorities)

    def write(self, places: Int64Array, priorities: Float64Array) -> None:
        """Set priorities; of a place that is named twice, to the last one."""
        nodes = places + self._leaves
        self.tree[nodes] = priorities
        while len(nodes) and nodes[0] > 1:
            nodes = nodes >> 1
            self.tree[nodes] = self.tree[2 * nodes] + self.tree[2 * nodes + 1]

    def rebuild(self, is_there: npt.NDArray[np.bool_]) -> None:
        """Make the tree of its leaves anew: those of places where there is something, bool[size], and only these."""
        leaves = self.leaves
        leaves[~is_there] = 0
        leaves[is_there & (leaves == 0)] = self.most
        begin = self._leaves
        while begin > 1:
            self.tree[begin // 2 : begin] = self.tree[begin : 2 * begin].reshape(-1, 2).sum(1)
            begin //= 2

    def draw(self, generator: np.random.Generator, count: int) -> Int64Array:
        """Draw places: one of each of `count` equal parts of the sum of all priorities."""
        values = (np.arange(count) + generator.random(count)) * (self.tree[1] / count)
        nodes = np.ones(count, np.int64)
        while nodes[0] < self._leaves:
            nodes = 2 * nodes
            left = self.tree[nodes]
            # By rounding, a value may be as large as the sum: what is never drawn is still not drawn.
            is_right = (values >= left) & (self.tree[nodes + 1] > 0)
            values = values - np.where(is_right, left, 0)
            nodes += is_right
        return nodes - self._leaves

    def find_weights(self, places: Int64Array, count: int, beta: float) -> npt.NDArray[np.float32]:
        """Return importance weights, ``(count * probability) ** -beta``, divided by the largest."""
        probabilities = self.tree[places + self._leaves] / self.tree[1]
        weights = (count * probabilities) ** -beta
        scaled: npt.NDArray[np.float32] = (weights / weights.max()).astype(np.float32)
        return scaled
