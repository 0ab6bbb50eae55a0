import dataclasses

import pytest

from fastatari import PRESETS, AtariRules
from fastatari.rules import AtariRules as Rules


@pytest.mark.parametrize("name", PRESETS)
def test_presets_are_found_with_and_without_their_version(name):
    assert AtariRules.from_preset(name) == AtariRules.from_preset(name.partition("@")[0]) == PRESETS[name]


def test_any_field_can_be_overridden():
    rules = AtariRules.from_preset("sb3", frame_skip=2, life_loss="ignore")
    assert rules == dataclasses.replace(PRESETS["sb3@1"], frame_skip=2, life_loss="ignore")


def test_rules_are_frozen_and_can_be_compared():
    with pytest.raises(dataclasses.FrozenInstanceError):
        PRESETS["sb3@1"].frame_skip = 1
    assert len(set(PRESETS.values())) == len(PRESETS)


@pytest.mark.parametrize(
    ("screen_size", "size"), [(84, (84, 84)), ((96, 70), (70, 96)), ([96, 70], (70, 96)), ((160, 210), (210, 160))]
)
def test_a_screen_size_is_width_and_height(screen_size, size):
    assert Rules(screen_size=screen_size).size == size
    assert hash(Rules(screen_size=screen_size))
    assert Rules(screen_size=84) == Rules(screen_size=(84, 84))


def test_describe_prints_each_rule(capsys):
    AtariRules.from_preset("sb3").describe()
    printed = capsys.readouterr().out
    for field in dataclasses.fields(AtariRules):
        assert f"\n{field.name} " in f"\n{printed}"
    assert "order                       'max-gray-resize'  the stages that make a plane" in printed
    assert max(map(len, printed.splitlines())) <= 120


CHOICES = {
    "order": "'gray-resize-max', 'gray-max-resize', 'max-gray-resize', 'max-resize-gray'",
    "gray": "'cv2', 'ale', 'gymnasium'",
    "stack_axis": "0, -1",
    "padding_type": "'reset', 'zero'",
    "noop_range": "'1..max', '0..max-1'",
    "noop_unit": "'frame', 'step'",
    "fire_reset": "'never', 'frame_before', 'steps_after'",
    "life_loss": "'ignore', 'reset', 'continue', 'report'",
    "life_unit": "'frame', 'step'",
    "life_reference": "'frame', 'step', 'reset'",
    "end_rule": "'discard', 'capture'",
    "screens_at_reset": "'clear', 'keep'",
    "frame_budget": "'game', 'steps'",
    "sticky_draws": "'emulator', 'np_random'",
    "seeding": "'gymnasium', 'ale'",
}
FLAGS = ["maxpool", "grayscale_obs", "scale_obs", "counts_last_life", "reward_clip", "full_action_space"]
LEAST = {
    "frame_skip": 1, "stack_num": 1, "noop_max": 0, "max_num_frames_per_episode": 0, "max_episode_steps": 1,
    "mode": 0, "difficulty": 0, "screen_size": 1,
}  # fmt: skip
BAD = [
    *((name, None, ValueError, f"`{name}` must be one of {names}, got None") for name, names in CHOICES.items()),
    *((name, "maybe", ValueError, f"`{name}` must be one of {names}, got 'maybe'") for name, names in CHOICES.items()),
    *((name, [], ValueError, f"`{name}` must be one of {names}, got \\[\\]") for name, names in CHOICES.items()),
    *((name, 1, TypeError, f"`{name}` must be True or False, got 1") for name in FLAGS),
    *((name, None, TypeError, f"`{name}` must be True or False, got None") for name in FLAGS),
    *((name, "no", TypeError, f"`{name}` must be True or False, got 'no'") for name in FLAGS),
    *((name, least - 1, ValueError, f"`{name}` must be at least {least}, got") for name, least in LEAST.items()),
    *((name, 4.0, TypeError, f"`{name}` must be an integer, got 4.0 of type float") for name in LEAST),
    *((name, True, TypeError, f"`{name}` must be an integer, got True of type bool") for name in LEAST),
    *((name, "4", TypeError, f"`{name}` must be an integer, got '4' of type str") for name in LEAST),
    ("frame_skip", None, TypeError, "`frame_skip` must be an integer, got None"),
    ("frame_skip", (2, 5), TypeError, r"`frame_skip` must be an integer, got \(2, 5\)"),
    ("screen_size", (84,), TypeError, r"`screen_size` must be a pair \(width, height\), got \(84,\)"),
    ("screen_size", (84, 84, 3), TypeError, r"`screen_size` must be a pair \(width, height\), got \(84, 84, 3\)"),
    ("screen_size", (84, 0), ValueError, "`screen_size` must be at least 1, got 0"),
    ("screen_size", 257, ValueError, r"`screen_size` must be at most \(256, 256\), got \(257, 257\)"),
    ("repeat_action_probability", 1.5, ValueError, "`repeat_action_probability` must be between 0 and 1, got 1.5"),
    ("repeat_action_probability", -0.1, ValueError, "`repeat_action_probability` must be between 0 and 1, got -0.1"),
    ("repeat_action_probability", float("nan"), ValueError, "`repeat_action_probability` must be .*, got nan"),
    ("repeat_action_probability", True, TypeError, "`repeat_action_probability` must be a number, got True"),
    ("repeat_action_probability", "0.1", TypeError, "`repeat_action_probability` must be a number, got '0.1'"),
    ("repeat_action_probability", None, TypeError, "`repeat_action_probability` must be a number, got None"),
]  # fmt: skip


def test_each_field_is_in_the_table():
    assert {name for name, *_ in BAD} == {field.name for field in dataclasses.fields(AtariRules)}


@pytest.mark.parametrize(("name", "value", "error", "message"), BAD)
def test_bad_fields_are_refused(name, value, error, message):
    with pytest.raises(error, match=message):
        AtariRules.from_preset("gymnasium", **{name: value})


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"gray": "ale", "order": "max-gray-resize"}, "`gray` must be 'cv2' or 'gymnasium' with `order`"),
        ({"grayscale_obs": False, "order": "gray-resize-max"}, "`grayscale_obs` must be True with `order`"),
    ],
)
def test_fields_that_do_not_go_together_are_refused(fields, message):
    with pytest.raises(ValueError, match=message):
        AtariRules.from_preset("gymnasium", **fields)


@pytest.mark.parametrize("name", ["sb4", "sb3@2", "", None, 3, ["sb3"]])
def test_unknown_presets_are_refused(name):
    with pytest.raises(ValueError, match=r"`preset` must be one of 'labml', 'gymnasium', 'sb3', 'cleanrl', .*, got "):
        AtariRules.from_preset(name)


def test_unknown_fields_are_refused():
    message = "got an unexpected keyword argument 'frameskip'; the closest rule is 'frame_skip'"
    with pytest.raises(TypeError, match=message):
        AtariRules.from_preset("gymnasium", frameskip=4)
