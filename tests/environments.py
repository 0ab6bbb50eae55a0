"""What the tests of the environments have in common: plays, comparisons, and interrupts."""

from pathlib import Path

import numpy as np
from interrupts import run_lines

import fastatari

PACKAGE = Path(fastatari.__file__).parent

# Ends of episodes within some fifty steps, but not all at once: a random number of no-ops counts, too.
SHORT = {"max_num_frames_per_episode": 203}

# Starts that depend on the timer, on RAM that stays, on what ale-py's states leave out, and on all of the RAM; and
# games whose resets act.
STARTS = ["breakout", "seaquest", "berzerk", "venture", "qbert", "atlantis2", "assault", "double_dunk", "adventure"]


def assert_same(mine, theirs, path=""):
    """Check that two things that environments returned are the same to the byte, except for times."""
    if isinstance(theirs, dict):
        assert mine.keys() == theirs.keys(), path
        for name in theirs:
            assert_same(mine[name], theirs[name], f"{path}/{name}")
    elif isinstance(theirs, tuple):
        assert len(mine) == len(theirs), path
        for number, pair in enumerate(zip(mine, theirs, strict=True)):
            assert_same(*pair, f"{path}/{number}")
    elif isinstance(theirs, np.ndarray) and theirs.dtype == object:
        assert mine.dtype == object, path
        for number, pair in enumerate(zip(mine, theirs, strict=True)):
            assert_same(*pair, f"{path}/{number}")
    elif isinstance(theirs, np.ndarray | np.generic):
        assert (type(mine), mine.dtype, mine.shape) == (type(theirs), theirs.dtype, theirs.shape), path
        assert path.endswith("episode/t") or mine.tobytes() == theirs.tobytes(), path
    else:
        assert type(mine) is type(theirs), path
        assert mine == theirs, path


def play(env, steps, rng, seed=None):
    """Play an `AtariEnv` at random, from a reset on; yield all that comes out."""
    is_over = True
    for step in range(steps):
        if is_over:
            yield env.reset(seed=seed)
            seed = None
        result = env.step(draw_action(env.action_space, rng))
        yield result
        is_over = result[2] or result[3] or step % 97 == 96


def play_on(env, steps):
    """Play an `AtariEnv` at random without a reset at the beginning; return all that comes out."""
    rng = np.random.default_rng(9)
    results = []
    for _ in range(steps):
        results.append(env.step(draw_action(env.action_space, rng)))
        if results[-1][2] or results[-1][3]:
            results.append(env.reset())
    return results


def draw_action(space, rng):
    """Return a random action of a space; its own generator is not touched."""
    return int(rng.integers(space.n)) if hasattr(space, "n") else rng.uniform(space.low, space.high).astype(np.float32)


def assert_same_play(played, expected):
    for mine, theirs in zip(played, expected, strict=True):
        assert_same(mine, theirs)


class _PackageFiles:
    """The files of the package."""

    def __contains__(self, path):
        return path.startswith(str(PACKAGE))


def cut_off(function, line):
    """Call a function, and raise an `Interrupt` in it at the n-th line of fastatari's, as a signal handler may."""
    run_lines(function, _PackageFiles(), line)
