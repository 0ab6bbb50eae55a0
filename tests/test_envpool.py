"""The preset `envpool` beside the real package, rows of the ends of episodes included."""

import random

import pytest
from beside import Beside, make_package

import fastatari

pytest.importorskip("envpool")

GAMES = ["breakout", "space_invaders", "seaquest", "freeway"]
FIELDS = [
    {},
    {"life_loss": "continue"},
    {"life_loss": "continue", "frame_skip": 1},
    {"life_loss": "continue", "frame_skip": 3, "repeat_action_probability": 0.25},
    {"repeat_action_probability": 0.25, "max_episode_steps": 43},
    {"frame_skip": 2, "max_episode_steps": 50},
    {"frame_skip": 1, "noop_max": 1, "max_episode_steps": 60},
    {"life_loss": "continue", "frame_skip": 20},
    {"life_loss": "continue", "max_episode_steps": 37, "noop_max": 5, "fire_reset": "never"},
    {"life_loss": "continue", "grayscale_obs": False, "stack_num": 2, "screen_size": (96, 70), "reward_clip": True},
    {"full_action_space": True, "max_episode_steps": 30},
]


def make_both(game, **fields):
    return Beside(fastatari.AtariEnv(game, preset="envpool", **fields), make_package("envpool", game, **fields))


@pytest.mark.parametrize(
    ("game", "fields"),
    # Every second combination.
    [(game, fields) for i, game in enumerate(GAMES) for j, fields in enumerate(FIELDS) if (i + j) % 2 == 0],
    ids=str,
)
def test_steps_and_resets_are_those_of_envpool(game, fields):
    both = make_both(game, **fields)
    both.play(random.Random(f"{game} {fields}"), 200, seed=11)
    both.package.close()


@pytest.mark.sweep
@pytest.mark.parametrize("fields", FIELDS, ids=str)
@pytest.mark.parametrize("game", [*GAMES, "pong", "qbert", "atlantis", "name_this_game"])
def test_long_play_is_that_of_envpool(game, fields):
    both = make_both(game, **fields)
    both.play(random.Random(f"{game} {fields}"), 5000, seed=12, most_resets=1000)
    both.package.close()


@pytest.mark.parametrize(
    ("game", "frame_skip", "max_episode_steps"),
    [("space_invaders", 20, 25), ("space_invaders", 30, 11), ("assault", 20, 25)],
)
def test_steps_are_counted_on_when_the_game_ends_among_the_noops_after_a_lost_life(game, frame_skip, max_episode_steps):
    fields = {"frame_skip": frame_skip, "max_episode_steps": max_episode_steps, "noop_max": 1500}
    both = make_both(game, life_loss="continue", **fields)
    draw = random.Random(game)
    both.reset(3)
    new_games = truncations = 0
    for _ in range(110):
        if both.is_over:
            _, _, is_truncated, info = both.steps[-1]
            truncations += is_truncated
            lives = both.reset()["lives"]
            new_games += bool(not info["game_over"] and lives > info["lives"])
        both.step(draw.randrange(3))
    assert new_games
    assert truncations
    both.package.close()


@pytest.mark.parametrize("life_loss", ["ignore", "continue"])
def test_a_reset_in_the_middle_of_an_episode_begins_a_new_game_as_in_envpool(life_loss):
    both = make_both("breakout", life_loss=life_loss, frame_skip=8)
    draw = random.Random(5)
    both.reset(2)
    for _ in range(150):
        if both.is_over:
            both.reset()
        elif draw.random() < 0.03:
            assert both.reset(options={"new_game": True})["lives"] == 5
        both.step(draw.randrange(4))
    lives = {int(info["lives"]) for info in both.resets}
    assert lives == {5} if life_loss == "ignore" else len(lives) > 2
    both.package.close()


@pytest.mark.parametrize("game", ["adventure", "journey_escape"])
def test_games_of_which_envpool_shows_a_part_only_are_refused_as_references(game):
    with pytest.raises(ValueError, match=f"envpool shows 210 rows of a screen, {game} has"):
        make_package("envpool", game)
