"""Workers in the loop of a trainer: fastatari's, and the reference's, which pickle every observation."""

from collections.abc import Sequence
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from benchmarks.interfaces import Worker
from fastatari.cli.reference import ReferenceWorker

NUM_WORKERS = 8


class Trainer:
    """What a trainer does with its workers: it sends each an action, then gathers their observations as uint8.

    Args:
        workers: the workers, which are reset.

    Attributes:
        observations (uint8[n, 4, 84, 84]): the last ones; valid until the next step.
    """

    def __init__(self, workers: Sequence[Worker | ReferenceWorker]) -> None:
        self._workers = workers
        self.observations = np.zeros((len(workers), 4, 84, 84), np.uint8)
        for worker in workers:
            worker.child.send(("reset", None))
        for i, worker in enumerate(workers):
            self.observations[i] = worker.child.recv()

    def step(self, actions: Sequence[int]) -> tuple[npt.NDArray[np.uint8], list[Any]]:
        """Return the observations, and each worker's reward, done and info."""
        for worker, action in zip(self._workers, actions, strict=True):
            worker.child.send(("step", action))
        rest = []
        for i, worker in enumerate(self._workers):
            self.observations[i], *others = worker.child.recv()
            rest.append(others)
        return self.observations, rest

    def close(self) -> None:
        """End the workers."""
        for worker in self._workers:
            worker.child.send(("close", None))
        for worker in self._workers:
            worker.process.join()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def make_trainers(game: str) -> tuple[Trainer, Trainer]:
    """Return trainers with workers of both kinds: fastatari's, and the reference's."""
    seeds = range(NUM_WORKERS)
    return (
        Trainer([Worker(seed, game=game) for seed in seeds]),
        Trainer([ReferenceWorker(seed, game) for seed in seeds]),
    )
