"""`TransitionRings`: what transitions are made of besides planes, in a ring buffer for each environment."""

from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
Int64Array = npt.NDArray[np.int64]


ARRAYS: Final = ("planes", "ages", "actions", "rewards", "terminated", "truncated", "totals", "firsts")


class Returns(NamedTuple):
    """What some steps from a transition on come to.

    Attributes:
        rewards (float32[m]): their discounted sum.
        last (int64[m]): the number of the last transition of them.
        terminated (bool[m]): whether that one is.
        truncated (bool[m]): the same.
        discounts (float32[m]): of the value after them: 0 where they are terminated.
    """

    rewards: npt.NDArray[np.float32]
    last: Int64Array
    terminated: npt.NDArray[np.bool_]
    truncated: npt.NDArray[np.bool_]
    discounts: npt.NDArray[np.float32]


class TransitionRings:
    """The last transitions of each environment. They are numbered from 0 on, in the order they came.

    Args:
        num_envs (int): how many environments, n.
        length (int): how many transitions of each are kept, t.
        action_shape (tuple[int, ...]): the shape of an action.
        action_dtype (numpy.dtype): its dtype.

    Attributes:
        planes (int64[n, t]): the number of the newest plane of the observation.
        ages (int32[n, t]): how many of the planes before are in it.
        actions, rewards (float32), terminated, truncated (bool): [n, t], the rest.
        totals (int64[n]): how many transitions there were of each environment.
        firsts (int64[n]): the number of the oldest that is there.
    """

    def __init__(self, num_envs: int, length: int, action_shape: tuple[int, ...], action_dtype: np.dtype[Any]) -> None:
        self.length = length
        shape = num_envs, length
        self.planes = np.zeros(shape, np.int64)
        self.ages = np.zeros(shape, np.int32)
        self.actions = np.zeros((*shape, *action_shape), action_dtype)
        self.rewards = np.zeros(shape, np.float32)
        self.terminated = np.zeros(shape, np.bool_)
        self.truncated = np.zeros(shape, np.bool_)
        self.totals = np.zeros(num_envs, np.int64)
        self.firsts = np.zeros(num_envs, np.int64)

    @property
    def arrays(self) -> dict[str, Array]:
        """All arrays, by their names."""
        return {name: getattr(self, name) for name in ARRAYS}

    def __len__(self) -> int:
        return int((self.totals - self.firsts).sum())

    @property
    def held(self) -> npt.NDArray[np.bool_]:
        """Which places have a transition, bool[n, t]."""
        everyone = np.arange(len(self.totals))[:, np.newaxis]
        numbers, newest = self.number(everyone, np.arange(self.length)), self.totals[:, np.newaxis] - 1
        is_held: npt.NDArray[np.bool_] = (numbers >= self.firsts[:, np.newaxis]) & (newest >= 0)
        return is_held

    def number(self, env_ids: Int64Array, slots: Int64Array) -> Int64Array:
        """Return which transition of an environment is in a slot, or would be."""
        newest = self.totals[env_ids] - 1
        numbers: Int64Array = newest - (newest - slots) % self.length
        return numbers

    def place(self, env_ids: Int64Array, numbers: Int64Array) -> Int64Array:
        """Return where transitions are among the slots of all environments."""
        return env_ids * self.length + numbers % self.length

    def add(self, env_ids: Int64Array, planes: Int64Array, ages: Int64Array, values: tuple[Array, ...]) -> None:
        """Add a transition of each: `values` are actions, rewards, and both kinds of ends."""
        places = env_ids, self.totals[env_ids] % self.length
        self.planes[places], self.ages[places] = planes, ages
        self.actions[places], self.rewards[places], self.terminated[places], self.truncated[places] = values
        self.totals[env_ids] += 1

    def drop(self, oldest_planes: Int64Array, added: Int64Array) -> Int64Array:
        """Make room, before it is needed.

        Args:
            oldest_planes (int64[n]): the number of the oldest plane that is kept: transitions with older ones go.
            added (int64[n]): how many transitions are about to be added to each environment.

        Returns:
            int64[m, 2]: the environment and the number of each that was dropped.
        """
        dropped: list[Int64Array] = []
        everyone = np.arange(len(self.firsts))
        while True:
            places = everyone, self.firsts % self.length
            is_old = self.planes[places] - self.ages[places] < oldest_planes
            is_old |= self.totals - self.firsts + added > self.length
            is_old &= self.firsts < self.totals
            if not np.count_nonzero(is_old):
                return np.concatenate(dropped) if dropped else np.zeros((0, 2), np.int64)
            old = np.flatnonzero(is_old)
            dropped.append(np.stack([old, self.firsts[old]], 1))
            self.firsts[old] += 1

    def draw(self, generator: np.random.Generator, count: int) -> tuple[Int64Array, Int64Array]:
        """Draw transitions, all with the same probability, with repetition; return their environments and numbers."""
        ends: Int64Array = np.cumsum(self.totals - self.firsts, dtype=np.int64)
        drawn: Int64Array = generator.integers(int(ends[-1]), size=count)
        env_ids: Int64Array = np.searchsorted(ends, drawn, "right").astype(np.int64)
        numbers: Int64Array = self.totals[env_ids] - (ends[env_ids] - drawn)
        return env_ids, numbers

    def sum_rewards(self, env_ids: Int64Array, numbers: Int64Array, n_step: int, gamma: float) -> Returns:
        """Return what up to `n_step` steps come to.

        They are fewer where an episode ends, or where there are no more transitions yet. Sums are made in float64.
        """
        places = env_ids, numbers % self.length
        last, factors = numbers, np.ones(len(numbers))
        rewards = self.rewards[places].astype(np.float64)
        goes_on = np.ones(len(numbers), np.bool_)
        for _ in range(n_step - 1):
            following = env_ids, (last + 1) % self.length
            # After a reset the numbers of planes have a gap.
            goes_on = goes_on & ~self.terminated[places] & (last + 1 < self.totals[env_ids])
            goes_on &= self.planes[following] == self.planes[places] + 1
            if not goes_on.any():
                break
            factors = np.where(goes_on, gamma * factors, factors)
            rewards += np.where(goes_on, factors * self.rewards[following], 0)
            last = last + goes_on
            places = env_ids, last % self.length
        terminated = self.terminated[places]
        discounts = np.where(terminated, 0, gamma * factors)
        return Returns(
            rewards.astype(np.float32), last, terminated, self.truncated[places], discounts.astype(np.float32)
        )
