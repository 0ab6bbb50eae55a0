"""A step of a game in this process."""

import itertools
from typing import Any

import contenders
import pytest

STEPS = 300


@pytest.mark.parametrize("game", ["breakout", "pong"])
@pytest.mark.parametrize("contender", [0, 1], ids=["Game", "ReferenceGame"])
def test_step(benchmark: Any, game: str, contender: int) -> None:
    """Time a step, after a check that both games give the same."""
    benchmark.group = f"step {game}"
    games = contenders.make_games(game)
    actions = contenders.draw_actions(game, (STEPS,))
    contenders.race_steps(games, actions)
    step, endless = games[contender].step, itertools.cycle(actions)
    benchmark(lambda: step(next(endless)))
