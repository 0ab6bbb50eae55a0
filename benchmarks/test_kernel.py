"""The chain from two screens to a stack, on recorded screens of real games and on noise."""

from collections.abc import Callable
from typing import Any

import contenders
import numpy as np
import pytest

STEPS = 50


@pytest.fixture(scope="module", params=[*contenders.GAMES, contenders.NOISE])
def source(request: pytest.FixtureRequest) -> contenders.Source:
    """Return the screens of a game, or noise, after a check that both chains make the same of them."""
    sources = contenders.make_sources(request.param, STEPS)
    contenders.race_chains(sources, (contenders.FastChain(sources[0]), contenders.Cv2Chain(sources[1])), STEPS)
    return sources[0]


@pytest.mark.parametrize("make_chain", [contenders.FastChain, contenders.Cv2Chain])
def test_chain(
    benchmark: Any,
    request: pytest.FixtureRequest,
    source: contenders.Source,
    make_chain: Callable[[contenders.Source], contenders.FastChain | contenders.Cv2Chain],
) -> None:
    """Time one step: two screens in, stack out."""
    benchmark.group = f"chain {request.node.callspec.params['source']}"
    chain = make_chain(source)

    def step() -> Any:
        source.advance()
        chain.take_first()
        source.advance()
        return chain.take_second()

    assert np.shape(benchmark(step)) == (4, 84, 84)
