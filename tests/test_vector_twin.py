"""`AtariVectorEnv` beside twins of all rules: random rules in all autoreset modes, infos included."""

import dataclasses
import random

import numpy as np
import pytest
from gymnasium.vector import AutoresetMode
from naive import NaiveEnv
from random_rules import GAMES, LIVES, draw_rules

import fastatari

NUM = 3
ALWAYS, OF_STEPS = ("lives", "episode_frame_number", "frame_number"), ("raw_reward", "life_lost", "game_over")


class NaiveVectorEnv:
    """A list of twins, each reset when it has to be."""

    def __init__(self, game, rules, mode):
        self.envs = [NaiveEnv(game, rules) for _ in range(NUM)]
        self.mode = mode

    def reset(self, seed, is_asked=(True,) * NUM, **kwargs):
        """Reset those that are asked; return a row of each: observation, info, or None for the others."""
        return [
            env.reset(None if seed is None else seed + number, **kwargs) if is_asked[number] else None
            for number, env in enumerate(self.envs)
        ]

    def step(self, actions):
        """Return a row of each: what a step returns, whether it is of a reset, and the final observation and info."""
        return [self._step(env, action) for env, action in zip(self.envs, actions, strict=True)]

    def _step(self, env, action):
        if not env.is_playing:
            observation, info = env.reset()
            return observation, 0.0, False, False, info, True, None, None
        observation, *values, info = env.step(action)
        if env.is_playing or self.mode != AutoresetMode.SAME_STEP:
            return observation, *values, info, False, None, None
        first, first_info = env.reset()
        return first, *values, first_info, True, observation, info


def assert_infos(infos, rows, is_reset):
    """Compare infos with those of twins, of which some may be None."""
    has_row = [row is not None for row in rows]
    for name in (*ALWAYS, *OF_STEPS, "noops"):
        masks = has_row
        if name not in ALWAYS:
            masks = [has and (reset is (name == "noops")) for has, reset in zip(has_row, is_reset, strict=True)]
        assert infos[f"_{name}"].tolist() == masks, name
        expected = [row[name] if mask else 0 for row, mask in zip(rows, masks, strict=True)]
        assert infos[name].tolist() == expected, name
    ends = [has and "episode" in row for has, row in zip(has_row, rows, strict=True)]
    assert infos["_episode"].tolist() == ends
    for name in ("r", "l"):
        expected = [row["episode"][name] if is_end else 0 for row, is_end in zip(rows, ends, strict=True)]
        assert infos["episode"][name].tolist() == expected
    assert infos["env_id"].tolist() == list(range(NUM))


def draw_actions(draw, rules, count):
    if rules.continuous:
        rows = [(draw.random(), draw.uniform(-np.pi, np.pi), draw.random()) for _ in range(NUM)]
        return np.array(rows, np.float32)
    return np.array([draw.randrange(count) for _ in range(NUM)])


def play(game, rules, draw, mode, num_threads, frames, resets):
    """Play both side by side, for `frames` frames of each environment or so many resets."""
    fields = {**dataclasses.asdict(rules), "autoreset_mode": mode, "num_threads": num_threads}
    env = fastatari.AtariVectorEnv(game, NUM, preset="gymnasium", episode_statistics=True, **fields)
    twin = NaiveVectorEnv(game, rules, mode)
    consoles = env.get_attr("ale")

    def reset(seed=None, mask=None, **kwargs):
        options = {} if mask is None else {"reset_mask": np.array(mask)}
        observations, infos = env.reset(seed=seed, options=options | kwargs or None)
        rows = twin.reset(seed, mask or (True,) * NUM, **kwargs)
        for observation, row in zip(observations, rows, strict=True):
            assert row is None or np.array_equal(observation, row[0])
        assert_infos(infos, [row and row[1] for row in rows], [True] * NUM)

    reset(seed=draw.randrange(1000))
    for _ in range(max(20, frames // rules.frame_skip)):
        if game in LIVES and draw.random() < 0.2:
            address, values = LIVES[game]
            number, value = draw.randrange(NUM), draw.choice(values)
            for ale in (consoles[number], twin.envs[number].ale):
                ale.setRAM(address, value)
        if mode == AutoresetMode.DISABLED:
            is_over = [not each.is_playing for each in twin.envs]
            if any(is_over):
                reset(mask=is_over)
                resets -= sum(is_over)
        elif draw.random() < 0.02:
            reset(new_game=draw.random() < 0.5)
            resets -= NUM
        actions = draw_actions(draw, rules, len(twin.envs[0].actions))
        observations, *values, infos = env.step(actions)
        rows = twin.step(actions)
        theirs = [list(column) for column in zip(*rows, strict=True)]
        assert all(map(np.array_equal, observations, theirs[0]))
        assert [value.tolist() for value in values] == theirs[1:4]
        assert_infos(infos, theirs[4], theirs[5])
        resets -= sum(theirs[5])
        if mode == AutoresetMode.SAME_STEP:
            assert ("final_obs" in infos) == ("final_info" in infos) == any(theirs[5])
        if "final_obs" in infos:
            assert infos["_final_obs"].tolist() == infos["_final_info"].tolist() == theirs[5]
            for mine, expected in zip(infos["final_obs"], theirs[6], strict=True):
                assert (mine is expected is None) or np.array_equal(mine, expected)
            final = infos["final_info"]
            assert_infos({**final, "env_id": infos["env_id"]}, theirs[7], [False] * NUM)
        if resets < 0:
            break
    env.close()


@pytest.mark.parametrize("number", range(9))
@pytest.mark.parametrize("mode", list(AutoresetMode))
def test_random_rules_give_what_twins_give_in_each_autoreset_mode(mode, number):
    draw = random.Random(f"{number} {mode}")
    game = GAMES[number % len(GAMES)]
    play(game, draw_rules(draw, game), draw, mode, number % 3, 200, 12)


@pytest.mark.sweep
@pytest.mark.parametrize("number", range(9, 300))
@pytest.mark.parametrize("mode", list(AutoresetMode))
def test_many_random_rules_give_what_twins_give_in_each_autoreset_mode(mode, number):
    draw = random.Random(f"{number} {mode}")
    game = GAMES[number % len(GAMES)]
    play(game, draw_rules(draw, game), draw, mode, number % 3, 2000, 200)
