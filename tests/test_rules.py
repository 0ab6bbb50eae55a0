"""`AtariRules` and the presets."""

import dataclasses
import doctest
import io
import pickle
import re
import typing

import numpy as np
import pytest
from gymnasium import spaces

from fastatari.rules import PRESETS, AtariRules, check_same_rules

FIELDS = [field.name for field in dataclasses.fields(AtariRules)]
MOST = 2**62 - 1


@pytest.mark.parametrize("name", PRESETS)
def test_from_preset_finds_a_preset_with_and_without_its_version(name):
    assert AtariRules.from_preset(name) == AtariRules.from_preset(name.partition("@")[0]) == PRESETS[name]


def test_from_preset_takes_the_newest_version_when_none_is_given(monkeypatch):
    newer = dataclasses.replace(PRESETS["sb3@1"], frame_skip=3)
    monkeypatch.setitem(PRESETS, "sb3@2", newer)
    assert AtariRules.from_preset("sb3") == AtariRules.from_preset("sb3@2") == newer
    assert AtariRules.from_preset("sb3@1") == PRESETS["sb3@1"]
    with pytest.raises(ValueError, match=r"that there is \('sb3@1', 'sb3@2'\), got 'sb3@3'$"):
        AtariRules.from_preset("sb3@3")


def test_from_preset_replaces_fields():
    found = AtariRules.from_preset("sb3", frame_skip=2, life_loss="ignore")
    assert found == dataclasses.replace(PRESETS["sb3@1"], frame_skip=2, life_loss="ignore")


def test_the_defaults_are_the_preset_gymnasium():
    assert AtariRules() == PRESETS["gymnasium@1"]


def test_rules_are_frozen_hashable_and_can_be_pickled():
    with pytest.raises(dataclasses.FrozenInstanceError):
        PRESETS["sb3@1"].frame_skip = 1
    assert len(set(PRESETS.values())) == len(PRESETS)
    assert pickle.loads(pickle.dumps(PRESETS["envpool@1"])) == PRESETS["envpool@1"]


def test_the_preset_envpool_is_what_envpool_does():
    changed = {
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
    }
    assert dataclasses.asdict(PRESETS["envpool@1"]) == dataclasses.asdict(AtariRules()) | changed


@pytest.mark.parametrize(
    ("screen_size", "size"), [(84, (84, 84)), ((96, 70), (70, 96)), ([96, 70], (70, 96)), ((160, 210), (210, 160))]
)
def test_a_screen_size_is_a_side_or_width_and_height(screen_size, size):
    assert AtariRules(screen_size=screen_size).size == size
    assert hash(AtariRules(screen_size=screen_size))


def test_a_screen_size_is_a_side_when_width_and_height_are_equal():
    assert AtariRules(screen_size=84) == AtariRules(screen_size=(84, 84))


@pytest.mark.parametrize(
    ("fields", "shape"),
    [
        ({}, (4, 84, 84)),
        ({"stack_axis": -1, "screen_size": (96, 72)}, (72, 96, 4)),
        ({"grayscale_obs": False}, (4, 84, 84, 3)),
        ({"grayscale_obs": False, "stack_axis": -1}, (84, 84, 12)),
        ({"stack_num": 1, "stack_axis": -1}, (84, 84, 1)),
        ({"obs_type": "ram"}, (128,)),
        ({"obs_type": "ram", "stack_axis": -1}, (128,)),
        ({"obs_type": "ram", "stack_num": 3}, (3, 128)),
        ({"obs_type": "ram", "stack_num": 3, "stack_axis": -1}, (128, 3)),
        ({"obs_type": "ram", "stack_num": 3, "grayscale_obs": False, "screen_size": 7}, (3, 128)),
    ],
)
@pytest.mark.parametrize("scale_obs", [False, True])
def test_the_observation_space_has_the_shape_and_dtype_of_observations(fields, shape, scale_obs):
    found = AtariRules.from_preset("gymnasium", scale_obs=scale_obs, **fields)
    assert found.shape == shape
    expected = spaces.Box(0, 1, shape, np.float32) if scale_obs else spaces.Box(0, 255, shape, np.uint8)
    assert found.observation_space == expected


def test_the_ram_is_stacked_four_times_when_rules_are_made_without_a_preset():
    assert AtariRules(obs_type="ram").shape == (4, 128)
    assert AtariRules.from_preset("ale", obs_type="ram") == dataclasses.replace(
        PRESETS["ale@1"], obs_type="ram", stack_num=1
    )


NUMPY = [
    {"stack_axis": np.int64(-1)},
    {"stack_axis": np.int8(0)},
    {"frame_skip": np.int32(3), "stack_num": np.uint8(2), "noop_max": np.int16(7), "max_episode_steps": np.int64(9)},
    {"screen_size": np.int64(70)},
    {"screen_size": (np.int64(70), np.uint16(60))},
    {"max_num_frames_per_episode": np.uint64(MOST), "mode": np.int8(1), "difficulty": np.int8(0)},
    {"maxpool": np.bool_(False), "continuous": np.bool_(True)},
    {"repeat_action_probability": np.float64(0.25), "continuous_action_threshold": np.float64(0.75)},
]


@pytest.mark.parametrize("fields", NUMPY)
def test_a_field_may_be_a_number_of_numpy_and_becomes_pythons(fields):
    found = AtariRules(**fields)
    for name, value in fields.items():
        plain = tuple(map(int, value)) if isinstance(value, tuple) else value.item()
        assert getattr(found, name) == plain
        assert type(getattr(found, name)) is type(plain)
    if isinstance(found.screen_size, tuple):
        assert {type(side) for side in found.screen_size} == {int}


def test_describe_prints_each_rule_with_its_value_and_meaning(capsys):
    PRESETS["sb3@1"].describe()
    printed = capsys.readouterr().out
    for name in FIELDS:
        assert f"\n{name} " in f"\n{printed}"
    assert "order                        'max-gray-resize'  the stages that turn screens into a plane" in printed
    assert max(map(len, printed.splitlines())) <= 120
    file = io.StringIO()
    PRESETS["sb3@1"].describe(file)
    assert file.getvalue() == printed


def test_the_texts_of_all_fields_are_phrases_and_not_sentences():
    hints = typing.get_type_hints(AtariRules, include_extras=True)
    assert all(hint.__metadata__[0][0].islower() and not hint.__metadata__[0].endswith(".") for hint in hints.values())


@pytest.mark.parametrize("file", [5, "rules.txt", object()])
def test_describe_raises_a_type_error_when_the_file_cannot_be_written_to(file):
    message = f"`file` must be a text file that can be written to, or None, got {file!r}"
    with pytest.raises(TypeError, match=f"^{re.escape(message)}$"):
        AtariRules().describe(file)


CHOICES = {
    "obs_type": "'screen', 'ram'",
    "order": "'gray-resize-max', 'gray-max-resize', 'max-gray-resize', 'max-resize-gray'",
    "gray": "'cv2', 'ale', 'gymnasium'",
    "stack_axis": "0, -1",
    "padding_type": "'reset', 'zero'",
    "noop_range": "'1..max', '0..max-1'",
    "noop_unit": "'frame', 'step'",
    "fire_reset": "'never', 'frame_before', 'frame_after', 'steps_after'",
    "life_loss": "'ignore', 'reset', 'continue', 'report'",
    "life_unit": "'frame', 'step'",
    "life_reference": "'frame', 'step', 'reset'",
    "going_on": "'noop_step', 'opening'",
    "end_rule": "'discard', 'capture', 'stale'",
    "screens_at_reset": "'clear', 'keep'",
    "end_priority": "'both', 'truncated'",
    "frame_budget": "'game', 'steps'",
    "sticky_draws": "'emulator', 'np_random'",
    "seeding": "'gymnasium', 'ale'",
}
FLAGS = ["maxpool", "grayscale_obs", "scale_obs", "counts_last_life", "reward_clip", "full_action_space", "continuous"]
LEAST = {
    "frame_skip": 1, "stack_num": 1, "noop_max": 0, "max_num_frames_per_episode": 0, "max_episode_steps": 1,
    "mode": 0, "difficulty": 0, "screen_size": 1,
}  # fmt: skip
MAY_BE_NONE = ["max_episode_steps", "mode", "difficulty"]
FRACTIONS = ["repeat_action_probability", "continuous_action_threshold"]
BAD = [
    *((name, None, ValueError, f"`{name}` must be one of {names}, got None") for name, names in CHOICES.items()),
    *((name, "maybe", ValueError, f"`{name}` must be one of {names}, got 'maybe'") for name, names in CHOICES.items()),
    *((name, [], ValueError, f"`{name}` must be one of {names}, got []") for name, names in CHOICES.items()),
    *((name, True, ValueError, f"`{name}` must be one of {names}, got True") for name, names in CHOICES.items()),
    *((name, 1, TypeError, f"`{name}` must be True or False, got 1") for name in FLAGS),
    *((name, None, TypeError, f"`{name}` must be True or False, got None") for name in FLAGS),
    *((name, "no", TypeError, f"`{name}` must be True or False, got 'no'") for name in FLAGS),
    *((name, least - 1, ValueError, f"`{name}` must be at least {least}, got ") for name, least in LEAST.items()),
    *((name, 4.0, TypeError, f"`{name}` must be an integer, got 4.0 of type float") for name in LEAST),
    *((name, True, TypeError, f"`{name}` must be an integer, got True of type bool") for name in LEAST),
    *((name, "4", TypeError, f"`{name}` must be an integer, got '4' of type str") for name in LEAST),
    *((name, None, TypeError, f"`{name}` must be an integer, got None") for name in LEAST if name not in MAY_BE_NONE),
    *(
        (name, 10**30, ValueError, f"`{name}` must be at most {2**31 - 1 if name == 'noop_max' else MOST}, got 1")
        for name in LEAST
        if name != "screen_size"
    ),
    *((name, 1.5, ValueError, f"`{name}` must be between 0 and 1, got 1.5") for name in FRACTIONS),
    *((name, -0.1, ValueError, f"`{name}` must be between 0 and 1, got -0.1") for name in FRACTIONS),
    *((name, float("nan"), ValueError, f"`{name}` must be between 0 and 1, got nan") for name in FRACTIONS),
    *((name, True, TypeError, f"`{name}` must be a number, got True") for name in FRACTIONS),
    *((name, "0.1", TypeError, f"`{name}` must be a number, got '0.1'") for name in FRACTIONS),
    *((name, None, TypeError, f"`{name}` must be a number, got None") for name in FRACTIONS),
    ("frame_skip", (2, 5), TypeError, "`frame_skip` must be an integer, got (2, 5) of type tuple"),
    ("stack_axis", 1, ValueError, "`stack_axis` must be one of 0, -1, got 1"),
    ("stack_axis", -1.0, ValueError, "`stack_axis` must be one of 0, -1, got -1.0"),
    ("stack_axis", False, ValueError, "`stack_axis` must be one of 0, -1, got False"),
    ("obs_type", "rgb", ValueError, "`obs_type` must be one of 'screen', 'ram', got 'rgb'"),
    ("screen_size", (84,), TypeError, "`screen_size` must be a pair (width, height), got (84,)"),
    ("screen_size", (84, 84, 3), TypeError, "`screen_size` must be a pair (width, height), got (84, 84, 3)"),
    ("screen_size", (84, 0), ValueError, "`screen_size` must be at least 1, got 0"),
    ("screen_size", 257, ValueError, "`screen_size` must be at most (256, 256), got (257, 257)"),
    ("screen_size", 10**30, ValueError, "`screen_size` must be at most (256, 256), got "),
]  # fmt: skip


def test_every_field_has_bad_values_in_the_table():
    assert {name for name, *_ in BAD} == set(FIELDS)


@pytest.mark.parametrize(("name", "value", "error", "message"), BAD)
def test_a_field_is_refused_when_its_value_is_wrong(name, value, error, message):
    with pytest.raises(error, match=f"^{re.escape(message)}"):
        AtariRules.from_preset("gymnasium", **{name: value})


@pytest.mark.parametrize("name", MAY_BE_NONE)
def test_a_field_may_be_none_when_none_means_its_default(name):
    assert getattr(AtariRules(**{name: None}), name) is None


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"gray": "ale", "order": "max-gray-resize"}, "`gray` must be 'cv2' or 'gymnasium' with `order`"),
        ({"grayscale_obs": False, "order": "gray-resize-max"}, "`grayscale_obs` must be True with `order`"),
        ({"end_rule": "stale"}, "`screens_at_reset` must be 'keep' with `end_rule` 'stale', got 'clear'"),
        (
            {"end_rule": "stale", "screens_at_reset": "keep", "maxpool": False},
            "`maxpool` must be True with `end_rule` 'stale', got False",
        ),
    ],
)
def test_fields_are_refused_when_they_do_not_go_together(fields, message):
    with pytest.raises(ValueError, match=f"^{re.escape(message)}"):
        AtariRules.from_preset("gymnasium", **fields)


@pytest.mark.parametrize("preset", ["sb4", "", None, 3, ["sb3"], b"sb3", "@1", "SB3"])
def test_from_preset_names_all_presets_when_there_is_none_of_that_name(preset):
    names = "'labml', 'gymnasium', 'sb3', 'cleanrl', 'dopamine', 'ale', 'envpool'"
    with pytest.raises(ValueError, match=f"^{re.escape(f'`preset` must be one of {names}, got {preset!r}')}$"):
        AtariRules.from_preset(preset)


@pytest.mark.parametrize("preset", ["sb3@2", "sb3@", "sb3@@1", "sb3@1 "])
def test_from_preset_names_all_versions_when_there_is_no_such_version(preset):
    message = f"`preset` must be a version of 'sb3' that there is ('sb3@1'), got {preset!r}"
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        AtariRules.from_preset(preset)


@pytest.mark.parametrize(("seeding", "most"), [("gymnasium", 10**40), ("ale", 2**31 - 1)])
def test_check_seed_allows_the_seeds_that_the_generators_take(seeding, most):
    checked = AtariRules(seeding=seeding)
    assert [checked.check_seed(seed) for seed in (0, np.uint8(7), most)] == [0, 7, most]
    for seed, error, message in [
        (-1, ValueError, "`seed` must be at least 0, got -1"),
        (1.0, TypeError, "`seed` must be an integer, got 1.0 of type float"),
        (True, TypeError, "`seed` must be an integer, got True of type bool"),
    ]:
        with pytest.raises(error, match=f"^{re.escape(message)}$"):
            checked.check_seed(seed)


def test_check_seed_refuses_more_than_31_bits_when_the_emulator_takes_the_seed_itself():
    message = re.escape("`seed` must be below 2**31 with `seeding` 'ale', got 2147483648")
    with pytest.raises(ValueError, match=f"^{message}$"):
        AtariRules(seeding="ale").check_seed(2**31)


def test_check_same_rules_names_the_fields_that_differ():
    check_same_rules("state", AtariRules(), AtariRules())
    message = "`state` must be of the same rules, got one with other frame_skip, gray"
    with pytest.raises(ValueError, match=f"^{message}$"):
        check_same_rules("state", AtariRules(frame_skip=3, gray="cv2"), AtariRules())


@pytest.mark.parametrize(("frame_skip", "fps"), [(1, 60), (4, 15), (7, 9), (1000, 1)])
def test_render_fps_is_the_speed_of_the_console(frame_skip, fps):
    assert AtariRules(frame_skip=frame_skip).render_fps == fps


def test_the_example_in_the_docstring_gives_its_output():
    found = doctest.DocTestFinder(recurse=False).find(AtariRules, globs={"AtariRules": AtariRules})
    results = [doctest.DocTestRunner().run(test) for test in found]
    assert sum(result.attempted for result in results) >= 2
    assert sum(result.failed for result in results) == 0
