"""Each preset beside the real package that it is named after."""

import dataclasses

import pytest

from fastatari import PRESETS, AtariRules
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


# All fields of all presets, whose versions never change.
NAMES = ["labml@1", "gymnasium@1", "sb3@1", "cleanrl@1", "dopamine@1", "ale@1", "envpool@1"]
PRESET_FIELDS = {
    "obs_type": ["screen"] * 7,
    "frame_skip": [4] * 7,
    "maxpool": [True] * 7,
    "order": [
        "gray-resize-max", "gray-max-resize", "max-gray-resize", "max-resize-gray", "gray-max-resize",
        "gray-max-resize", "gray-max-resize",
    ],
    "gray": ["cv2", "ale", "cv2", "cv2", "ale", "ale", "ale"],
    "screen_size": [84] * 7,
    "grayscale_obs": [True] * 7,
    "scale_obs": [False] * 7,
    "stack_num": [4] * 7,
    "stack_axis": [0, 0, -1, 0, -1, 0, 0],
    "padding_type": ["reset", "reset", "zero", "reset", "zero", "zero", "reset"],
    "noop_max": [0, 30, 30, 30, 0, 30, 30],
    "noop_range": ["1..max", "1..max", "1..max", "1..max", "1..max", "0..max-1", "1..max"],
    "noop_unit": ["frame"] * 7,
    "fire_reset": ["never", "never", "steps_after", "steps_after", "never", "frame_before", "frame_after"],
    "life_loss": ["reset", "ignore", "continue", "continue", "ignore", "ignore", "ignore"],
    "life_unit": ["frame", "frame", "step", "step", "frame", "frame", "step"],
    "life_reference": ["reset", "frame", "step", "step", "frame", "step", "step"],
    "counts_last_life": [True, True, False, False, True, False, False],
    "going_on": ["noop_step", "noop_step", "noop_step", "noop_step", "noop_step", "noop_step", "opening"],
    "end_rule": ["discard", "discard", "capture", "capture", "capture", "discard", "stale"],
    "screens_at_reset": ["clear", "clear", "keep", "keep", "clear", "clear", "keep"],
    "end_priority": ["both", "both", "both", "both", "both", "both", "truncated"],
    "reward_clip": [False, False, True, True, False, True, False],
    "max_num_frames_per_episode": [108_000, 108_000, 108_000, 108_000, 100_000, 108_000, 0],
    "frame_budget": ["game", "game", "game", "game", "game", "steps", "game"],
    "max_episode_steps": [None, None, None, None, 27_000, None, 27_000],
    "repeat_action_probability": [0.0, 0.0, 0.0, 0.0, 0.25, 0.0, 0.0],
    "sticky_draws": ["emulator", "emulator", "np_random", "np_random", "emulator", "emulator", "emulator"],
    "seeding": ["gymnasium", "gymnasium", "gymnasium", "gymnasium", "gymnasium", "ale", "ale"],
    "full_action_space": [False] * 7,
    "continuous": [False] * 7,
    "continuous_action_threshold": [0.5] * 7,
    "mode": [None] * 7,
    "difficulty": [None] * 7,
}  # fmt: skip


def test_presets_never_change():
    assert list(PRESETS) == NAMES
    assert list(PRESET_FIELDS) == [field.name for field in dataclasses.fields(AtariRules)]
    for number, preset in enumerate(NAMES):
        assert dataclasses.asdict(PRESETS[preset]) == {name: row[number] for name, row in PRESET_FIELDS.items()}


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
