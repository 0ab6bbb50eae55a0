"""`CompiledEngine` beside `PlainEngine`, and what holds for it alone: memory, draws."""

import numpy as np
import pytest
from engines import CONFIGURATIONS, assert_same, make_engine, play, reset

from fastatari.engine.plain import PlainEngine


def make_plain(game, rules, num_envs, mode, num_threads):
    return PlainEngine(game, rules, num_envs, mode)


@pytest.mark.parametrize("name", CONFIGURATIONS)
def test_compiled_engine_shows_what_the_plain_one_shows(name):
    engines = [make_engine(name, 2, kind=kind) for kind in (make_engine.__kwdefaults__ or {}).values()] or [
        make_engine(name, 2),
        make_engine(name, 2, kind=make_plain),
    ]
    for engine in engines:
        reset(engine, 5)
    rngs = [np.random.default_rng(4) for _ in range(2)]
    for mine, theirs in zip(*(play(engine, 45, rng) for engine, rng in zip(engines, rngs)), strict=True):
        assert_same(mine, theirs, f"{name}, call {mine['call']}")
