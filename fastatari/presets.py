"""The presets as data: for each one, the fields of `AtariRules` that differ from their defaults."""

from typing import Any, Final

_SB3: Final[dict[str, Any]] = {
    "order": "max-gray-resize",
    "gray": "cv2",
    "stack_axis": -1,
    "padding_type": "zero",
    "fire_reset": "steps_after",
    "life_loss": "continue",
    "life_unit": "step",
    "life_reference": "step",
    "counts_last_life": False,
    "end_rule": "capture",
    "screens_at_reset": "keep",
    "reward_clip": True,
    "sticky_draws": "np_random",
}

# A preset is named after the package whose observations, rewards and ends of episodes it gives. A version of a preset
# never changes: if the package changes, the preset gets a new version.
PRESET_FIELDS: Final[dict[str, dict[str, Any]]] = {
    "labml@1": {
        "order": "gray-resize-max",
        "gray": "cv2",
        "noop_max": 0,
        "life_loss": "reset",
        "life_reference": "reset",
    },
    "gymnasium@1": {},
    "sb3@1": _SB3,
    "cleanrl@1": _SB3 | {"order": "max-resize-gray", "stack_axis": 0, "padding_type": "reset"},
    "dopamine@1": {
        "stack_axis": -1,
        "padding_type": "zero",
        "noop_max": 0,
        "end_rule": "capture",
        "max_num_frames_per_episode": 100_000,
        "max_episode_steps": 27_000,
        "repeat_action_probability": 0.25,
    },
    "ale@1": {
        "padding_type": "zero",
        "noop_range": "0..max-1",
        "fire_reset": "frame_before",
        "life_reference": "step",
        "counts_last_life": False,
        "reward_clip": True,
        "frame_budget": "steps",
        "seeding": "ale",
    },
    "envpool@1": {
        "fire_reset": "frame_after",
        "life_unit": "step",
        "life_reference": "step",
        "counts_last_life": False,
        "going_on": "opening",
        "end_rule": "stale",
        "screens_at_reset": "keep",
        "max_num_frames_per_episode": 0,
        "max_episode_steps": 27_000,
        "end_priority": "truncated",
        "seeding": "ale",
    },
}
