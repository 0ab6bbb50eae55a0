"""All calls of an engine in random order, with any number of threads, beside an engine for each environment."""

import random
import time

import numpy as np
import pytest
from engines import CONFIGURATIONS, close_all, describe, find_threads, make_engine, make_out, read, reset, show_one
from gymnasium.vector import AutoresetMode


@pytest.fixture(autouse=True)
def _no_thread_is_left():
    assert not find_threads()
    yield
    close_all()


class Twins:
    """For each environment an engine of its own, without threads."""

    def __init__(self, name, num_envs, mode):
        self.engines = [make_engine(name, 1, mode=mode) for _ in range(num_envs)]
        for i, engine in enumerate(self.engines):
            reset(engine, i)

    def apply(self, env_ids, function, *values):
        """Call a function with the engine of each of some environments, and a value of each list."""
        for i, *its_values in zip(env_ids.tolist(), *values, strict=True):
            function(self.engines[i], *its_values)


ONE = np.array([0])


def play_at_random(seconds, seed, most=10**9):
    """Do all that an engine can do, in any order, and compare with twins; return how many calls that were."""
    rng, end, calls = np.random.default_rng(seed), time.monotonic() + seconds, 0
    while time.monotonic() < end and calls < most:
        name = str(rng.choice(list(CONFIGURATIONS)))
        mode = list(AutoresetMode)[rng.integers(3)]
        num_envs, num_threads = int(rng.integers(1, 7)), int(rng.integers(4))
        where = f"seed {seed}, {name}, {mode}, {num_envs} environments, {num_threads} threads"
        engine, twins = make_engine(name, num_envs, num_threads, mode=mode), Twins(name, num_envs, mode)
        reset(engine)
        for _ in range(int(rng.integers(60))):
            calls += 1
            call_at_random(engine, twins, rng)
            for i in np.flatnonzero(~engine.is_pending).tolist():
                assert show_one(engine, i) == show_one(twins.engines[i], 0), where
                assert engine.needs_reset[i] == twins.engines[i].needs_reset[0], where
        for i in range(num_envs):
            (values, parts), (twin_values, twin_parts) = describe(engine, i), describe(twins.engines[i], 0)
            assert (values, parts) == (twin_values, twin_parts), where
        if rng.random() < 0.7:
            engine.close()
        del engine
    return calls


def choose(rng, env_ids):
    """Return some of the environments, at least one, in any order."""
    return rng.permutation(env_ids)[: rng.integers(1, len(env_ids) + 1)]


def call_at_random(engine, twins, rng):
    everyone = np.arange(engine.num_envs)
    idle = everyone[~engine.is_pending & ~engine.needs_reset]
    needy, pending = everyone[engine.needs_reset], everyone[engine.is_pending]
    chance = rng.random()
    if len(needy) and chance < 0.5:
        reset_both(engine, twins, choose(rng, needy), rng)
    elif chance < 0.05:
        reset_both(engine, twins, choose(rng, everyone), rng)
    elif chance < 0.15:
        i, k = rng.integers(len(everyone), size=2).tolist()
        if rng.random() < 0.5:
            engine.load(i, engine.save(k))
        else:
            engine.restore(i, engine.clone(k))
        twins.engines[i].load(0, twins.engines[k].save(0))
    elif chance < 0.2:
        i = int(rng.integers(len(everyone)))
        assert (engine.render(i) == twins.engines[i].render(0)).all()
    elif len(pending) and chance < 0.6:
        for i in engine.recv(int(rng.integers(1, len(pending) + 1))).tolist():
            assert twins.engines[i].recv(1).tolist() == [0]
    elif len(idle):
        some = choose(rng, idle)
        actions = rng.integers(len(engine.action_meanings), size=len(some))
        if rng.random() < 0.5:
            engine.send(some, actions)
            twins.apply(some, lambda twin, action: twin.send(ONE, action), actions[:, None])
        else:
            out = make_out(engine, len(some))
            engine.step(some, actions, None, out)
            twins.apply(some, lambda twin, action: twin.step(ONE, action, None, make_out(twin, 1)), actions[:, None])
            for i, row in zip(some.tolist(), out, strict=True):
                assert (read(twins.engines[i])[0] == row).all()


def reset_both(engine, twins, some, rng):
    seeds = [None if rng.random() < 0.6 else int(rng.integers(2**31)) for _ in some]
    new_game = bool(rng.random() < 0.2)
    engine.reset(some, seeds, new_game)
    twins.apply(some, lambda twin, seed: twin.reset(ONE, [seed], new_game), seeds)


def test_random_calls_give_the_same_with_any_threads():
    assert play_at_random(20, random.randrange(2**31), 600) >= 600


@pytest.mark.chaos
def test_many_random_calls_give_the_same_with_any_threads():
    play_at_random(90, random.randrange(2**31))
