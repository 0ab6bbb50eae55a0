"""Random combinations of all rules, in `AtariEnv` and in the slow, obvious twin of them."""

import dataclasses
import random

import numpy as np
import pytest
from naive import NaiveEnv
from random_rules import GAMES, LIVES, draw_rules

import fastatari


def assert_same(mine, theirs):
    """Compare what a reset or a step gave."""
    (observation, *values, info), (twin_observation, *twin_values, twin_info) = mine, theirs
    assert observation.dtype == twin_observation.dtype
    assert observation.shape == twin_observation.shape
    assert np.array_equal(observation, twin_observation)
    assert values == twin_values
    assert list(map(type, values)) == list(map(type, twin_values))
    episode, twin_episode = info.pop("episode", None), twin_info.pop("episode", None)
    assert (episode is None) == (twin_episode is None)
    if episode is not None:
        assert {"r": episode["r"], "l": episode["l"]} == twin_episode
    assert info == twin_info


def play(game, rules, draw, frames, resets):
    """Play `AtariEnv` and the twin side by side, with resets of all kinds and lives that come and go.

    It ends after `frames` frames of steps, or so many resets.
    """
    env = fastatari.AtariEnv(game, preset="gymnasium", episode_statistics=True, **dataclasses.asdict(rules))
    assert env.rules == rules
    twin = NaiveEnv(game, rules)
    assert env.get_action_meanings() == twin.action_meanings
    ale = env.unwrapped.ale

    def change_lives():
        address, values = LIVES[game]
        value = draw.choice(values)
        ale.setRAM(address, value)
        twin.ale.setRAM(address, value)

    def reset(kind):
        seed = draw.randrange(2**31) if kind == "seeded" else None
        options = {"new_game": True} if kind == "new game" else None
        assert_same(env.reset(seed=seed, options=options), twin.reset(seed, new_game=kind == "new game"))

    def draw_action():
        if rules.continuous:
            return np.array([draw.random(), draw.uniform(-np.pi, np.pi), draw.random()], np.float32)
        return draw.randrange(len(twin.action_meanings))

    reset("seeded")
    action = draw_action()
    for _ in range(max(20, frames // rules.frame_skip)):
        chance = 0.02
        while not twin.is_playing or draw.random() < chance:
            if game in LIVES and draw.random() < 0.3:
                change_lives()
            resets -= 1
            chance = 0.15  # of another reset without a step between them
            # Few are seeded: ale-py loads the ROM for a seed, which takes as long as many steps.
            reset(draw.choices(["plain", "seeded", "new game"], [12, 1, 2])[0])
        if draw.random() < 0.01:
            seed = draw.randrange(1000)
            env.np_random, twin.np_random = np.random.default_rng(seed), np.random.default_rng(seed)
        if game in LIVES and draw.random() < 0.1:
            change_lives()
        if draw.random() < 0.7:
            action = draw_action()
        assert_same(env.step(action), twin.step(action))
        if resets < 0:
            break
    env.close()


@pytest.mark.parametrize("number", range(60))
def test_random_rules_give_what_the_twin_gives(number):
    draw = random.Random(number)
    game = GAMES[number % len(GAMES)]
    play(game, draw_rules(draw, game), draw, 700, 15)


@pytest.mark.sweep
@pytest.mark.parametrize("number", range(100, 2000))
def test_many_random_rules_give_what_the_twin_gives(number):
    draw = random.Random(number)
    game = GAMES[number % len(GAMES)]
    play(game, draw_rules(draw, game), draw, 4000, 300)
