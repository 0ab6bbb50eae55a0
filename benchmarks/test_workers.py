"""A step of eight workers in a trainer's loop."""

import itertools
from typing import Any

import contenders
import pytest

STEPS = 100


@pytest.mark.parametrize("contender", [0, 1], ids=["Worker", "ReferenceWorker"])
def test_step(benchmark: Any, contender: int) -> None:
    """Time a step of all workers, after a check that both kinds give the same."""
    benchmark.group = "step of 8 workers, breakout"
    actions = contenders.draw_actions("breakout", (STEPS, contenders.WORKER_NUM))
    ours, reference = contenders.make_trainers("breakout")
    with ours, reference:
        contenders.race_steps((ours, reference), actions)
        step, endless = (ours, reference)[contender].step, itertools.cycle(actions)
        benchmark(lambda: step(next(endless)))
