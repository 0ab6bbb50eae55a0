"""Each preset beside the real package that it is named after."""

import pytest

from fastatari.cli.packages import PEERS
from fastatari.cli.verify import compare

GAMES = [
    "breakout", "pong", "ms_pacman", "space_invaders", "qbert", "seaquest", "enduro", "mr_do", "boxing", "berzerk",
]  # fmt: skip

# With budgets of 101 to 104 frames and a random number of no-ops, episodes end at each frame of a step.
BUDGETS = [{"max_num_frames_per_episode": frames} for frames in (101, 102, 103, 104)]
SKIPS = [{"frame_skip": frames} for frames in (1, 2, 3, 5)]
LIVES = [{"life_loss": "reset", "frame_skip": frames} for frames in (1, 2, 3, 4, 5)]
FIELDS = {
    "labml": [{}, {}, {}, {}, {}, *BUDGETS],
    "gymnasium": [
        {}, *SKIPS, *LIVES, *BUDGETS,
        {"grayscale_obs": False},
        {"grayscale_obs": False, "life_loss": "reset", "max_num_frames_per_episode": 99},
        {"grayscale_obs": False, "frame_skip": 3, "screen_size": (96, 70)},
        {"max_num_frames_per_episode": 20},
        {"max_num_frames_per_episode": 102, "frame_skip": 3},
        {"scale_obs": True, "screen_size": (96, 70)},
        {"padding_type": "zero", "stack_num": 3},
        {"repeat_action_probability": 0.25},
        {"repeat_action_probability": 0.1, "life_loss": "reset"},
        {"noop_max": 0},
    ],
    "sb3": [
        {}, *SKIPS, *BUDGETS,
        {"life_loss": "ignore"},
        {"reward_clip": False, "noop_max": 0},
        {"max_num_frames_per_episode": 30},
        {"max_num_frames_per_episode": 12},
        {"max_num_frames_per_episode": 301},
        {"max_num_frames_per_episode": 450},
        {"repeat_action_probability": 0.25},
        {"screen_size": 64, "stack_num": 3},
    ],
    "cleanrl": [{}, *SKIPS, *BUDGETS, {"gray": "gymnasium"}, {"gray": "gymnasium", "max_num_frames_per_episode": 40}],
    "dopamine": [
        {}, *SKIPS[1:], *BUDGETS,
        {"life_loss": "reset"},
        {"max_num_frames_per_episode": 102, "frame_skip": 3},
        {"max_episode_steps": 37},
    ],
    "ale": [
        {}, *SKIPS, *LIVES, *BUDGETS,
        {"life_loss": "report"},
        {"grayscale_obs": False},
        {"grayscale_obs": False, "life_loss": "reset", "max_num_frames_per_episode": 99},
        {"max_num_frames_per_episode": 102, "frame_skip": 3},
        {"maxpool": False},
        {"maxpool": False, "life_loss": "reset", "max_num_frames_per_episode": 90},
        {"fire_reset": "never"},
        {"noop_max": 0},
        {"reward_clip": False, "screen_size": (96, 70)},
        {"repeat_action_probability": 0.25},
    ],
}  # fmt: skip
CASES = [(preset, fields, number) for preset, all_fields in FIELDS.items() for number, fields in enumerate(all_fields)]


def name(value):
    return "-".join(map(str, value.values())) if isinstance(value, dict) else str(value)


def check(preset, rom, steps, fields):
    for module in PEERS[preset].modules:
        pytest.importorskip(module)
    found = compare(preset, rom, steps, fields=fields)
    assert found.difference is None
    assert found[:4] == (steps, found.episodes, 0, 0)
    return found


@pytest.mark.parametrize(("preset", "fields", "number"), CASES, ids=name)
def test_presets_are_exact(preset, fields, number):
    """At least 5,000 steps a preset."""
    steps = max(200, -(-5000 // len(FIELDS[preset])))
    found = check(preset, GAMES[number % len(GAMES)], steps, fields)
    if "max_num_frames_per_episode" in fields:
        assert found.episodes > 2


@pytest.mark.parametrize("preset", ["sb3", "cleanrl"])
@pytest.mark.parametrize(("rom", "frame_skip"), [("space_invaders", 120), ("space_invaders", 200), ("assault", 120)])
def test_lives_lost_in_the_starting_steps_are_as_in_stable_baselines3(preset, rom, frame_skip):
    check(preset, rom, 25, {"frame_skip": frame_skip})


@pytest.mark.sweep
@pytest.mark.parametrize("rom", GAMES)
@pytest.mark.parametrize(("preset", "fields", "number"), CASES, ids=name)
def test_long_play_is_exact(preset, fields, number, rom):
    check(preset, rom, 5000, fields)
