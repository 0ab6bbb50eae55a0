"""The twin of all rules beside the real packages that presets are named after."""

import random

import pytest
from beside import Beside, make_package
from naive import NaiveEnv

from fastatari import AtariRules

SHORT = {"max_num_frames_per_episode": 101}
CASES = [
    ("labml", "breakout", {}),
    ("labml", "space_invaders", SHORT),
    ("gymnasium", "seaquest", {"life_loss": "reset"}),
    ("gymnasium", "air_raid", SHORT),
    ("gymnasium", "pacman", {"max_num_frames_per_episode": 10, "noop_max": 2}),  # its reset plays 16
    ("sb3", "space_invaders", {"frame_skip": 40}),
    ("sb3", "name_this_game", {"max_num_frames_per_episode": 150, "frame_skip": 3}),
    ("sb3", "pacman", {"max_num_frames_per_episode": 10, "noop_max": 2}),
    ("sb3", "ms_pacman", {"repeat_action_probability": 0.25}),
    ("cleanrl", "breakout", {}),
    ("cleanrl", "freeway", {"max_num_frames_per_episode": 102}),
    ("dopamine", "berzerk", {"max_episode_steps": 37}),
    ("ale", "pacman", {"life_loss": "reset"}),
    ("ale", "space_invaders", {"life_loss": "report", "frame_skip": 40}),
    ("ale", "name_this_game", SHORT),
    ("ale", "freeway", {"noop_max": 3, "maxpool": False}),
    ("envpool", "breakout", {"life_loss": "continue"}),
    ("envpool", "seaquest", {"max_episode_steps": 37, "frame_skip": 3}),
]


@pytest.mark.parametrize(("preset", "game", "fields"), CASES)
def test_the_twin_gives_what_the_package_of_a_preset_gives(preset, game, fields):
    package = make_package(preset, game, **fields)
    if package is None:
        pytest.skip("the package is not installed")
    both = Beside(NaiveEnv(game, AtariRules.from_preset(preset, **fields)), package)
    both.play(random.Random(preset + game), 200, seed=7, most_resets=9)
    package.close()
