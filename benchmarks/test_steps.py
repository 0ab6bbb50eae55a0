"""Steps of everything that has a reference, for pytest-benchmark: ``pytest -n 0 --benchmark-enable benchmarks``.

Both sides are checked to return the same before they are timed, one after the other. `ratios.py` plays them in turn.
"""

import functools
import itertools
import multiprocessing
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from benchmarks import pipelines, ratios, timing, workers
from benchmarks.pipelines import NOISE, Cv2Chain, OurChain, Screens

STEPS = 100
GAMES = ("breakout", "pong")


@pytest.mark.parametrize("side", [0, 1], ids=["FrameStack", "cv2"])
@pytest.mark.parametrize("game", [*GAMES, NOISE])
def test_stack(benchmark: Any, game: str, side: int) -> None:
    """Time two screens in, stack out, copying the screens to where a console writes them included."""
    benchmark.group = f"stack, {game}"
    screens = Screens(game)
    pairs = screens.record(STEPS)
    chains: tuple[OurChain, Cv2Chain] = OurChain(screens), Cv2Chain(screens)
    check_equal(*(functools.partial(pipelines.time_chain, chain, pairs) for chain in chains))
    chain, endless = chains[side], itertools.cycle(pairs)

    def step() -> Any:
        chain.take(next(endless))
        return chain.process()

    assert np.shape(benchmark(step)) == (4, 84, 84)


@pytest.mark.parametrize("side", [0, 1], ids=["Game", "labml"])
@pytest.mark.parametrize("game", GAMES)
def test_game(benchmark: Any, game: str, side: int) -> None:
    """Time a step of a game."""
    benchmark.group = f"Game.step, {game}"
    time_player(benchmark, pipelines.make_games(game), ratios.draw_actions(game, (STEPS,)), side)


@pytest.mark.parametrize("side", [0, 1], ids=["AtariEnv", "gymnasium"])
@pytest.mark.parametrize("game", GAMES)
def test_env(benchmark: Any, game: str, side: int) -> None:
    """Time a step of an environment."""
    benchmark.group = f"AtariEnv.step, {game}"
    time_player(benchmark, pipelines.make_envs(game), ratios.draw_actions(game, (STEPS,)), side)


@pytest.mark.parametrize("side", [0, 1], ids=["Worker", "labml"])
def test_workers(benchmark: Any, monkeypatch: pytest.MonkeyPatch, side: int) -> None:
    """Time a step of eight workers in the loop of a trainer."""
    monkeypatch.setattr(multiprocessing, "Process", multiprocessing.get_context("fork").Process)
    benchmark.group = "8 Workers, a step of all, breakout"
    ours, theirs = workers.make_trainers("breakout")
    with ours, theirs:
        actions = ratios.draw_actions("breakout", (STEPS, workers.NUM_WORKERS))
        time_player(benchmark, (ours, theirs), actions, side)


def time_player(benchmark: Any, players: tuple[Any, Any], actions: list[Any], side: int) -> None:
    """Check that both players return the same, and time a step of one of them."""
    check_equal(*(functools.partial(timing.time_steps, player.step, actions) for player in players))
    step, endless = players[side].step, itertools.cycle(actions)
    benchmark(lambda: step(next(endless)))


def check_equal(*plays: Callable[[], tuple[list[int], list[Any]]]) -> None:
    """Check that all return the same results."""
    (_, ours), (_, theirs) = (play() for play in plays)
    for our_result, their_result in zip(ours, theirs, strict=True):
        timing.assert_same(our_result, their_result)
