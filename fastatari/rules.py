"""`AtariRules`: everything that decides what an environment computes, and the presets, which are rules with a name."""

import dataclasses
import sys
import textwrap
import typing
from typing import Annotated, Any, Final, Literal, TextIO

import numpy as np
from gymnasium import spaces

from fastatari.argument_names import check_argument_names
from fastatari.checks import check_choice, check_flag, check_integer, check_pair, to_float
from fastatari.preprocessing.stages import MAX_SIDE, Gray, Order, Padding, StackAxis, check_stages, stack_shape
from fastatari.presets import PRESET_FIELDS

RAM_SIZE: Final = 128

_TABLE_WIDTH = 120

_LEAST: Final = {
    "frame_skip": 1,
    "stack_num": 1,
    "noop_max": 0,
    "max_num_frames_per_episode": 0,
    "max_episode_steps": 1,
    "mode": 0,
    "difficulty": 0,
}

# Sums of two such numbers are still int64, in which frames and steps are counted.
_MOST: Final = 2**62 - 1
# numpy and ale-py draw more of them in another way.
_MOST_NOOPS: Final = 2**31 - 1


@dataclasses.dataclass(frozen=True, kw_only=True)
class AtariRules:
    """What an environment computes; each field is one decision. The defaults are the preset ``"gymnasium"``.

    Each field is explained where it is defined, and by `describe`. Where gymnasium or ale-py has a name for a field,
    the field has that name. Integers and booleans may be numpy's.

    Example::

        >>> rules = AtariRules.from_preset("sb3", stack_axis=0, screen_size=(96, 72))
        >>> rules.life_loss, rules.shape
        ('continue', (4, 72, 96))

    Raises:
        TypeError: a field has the wrong type.
        ValueError: a field has a value that is not allowed, or that does not go together with another field's.
    """

    obs_type: Annotated[
        Literal["screen", "ram"],
        "what an observation shows: the screen, or the 128 bytes of RAM; with 'ram', the fields that make a plane of "
        "screens have no effect",
    ] = "screen"
    frame_skip: Annotated[int, "the number of frames in a step, all played with the step's action"] = 4
    maxpool: Annotated[bool, "whether a plane is the maximum of the last two frames, or the last frame alone"] = True
    order: Annotated[Order, "the stages that turn screens into a plane, in their order"] = "gray-max-resize"
    gray: Annotated[
        Gray,
        "the gray formula: cv2's RGB2GRAY, ale-py's own levels, or gymnasium's GrayscaleObservation",
    ] = "ale"
    screen_size: Annotated[int | tuple[int, int], "the side of a plane, or its width and height, in pixels"] = 84
    grayscale_obs: Annotated[bool, "whether planes are gray, or RGB"] = True
    scale_obs: Annotated[bool, "whether observations are float32 from 0 to 1, or uint8 from 0 to 255"] = False
    stack_num: Annotated[int, "the number of planes in an observation"] = 4
    stack_axis: Annotated[StackAxis, "the axis of an observation along which its planes are stacked"] = 0
    padding_type: Annotated[
        Padding,
        "what a reset fills the older planes of the stack with: copies of the new plane, or zeros",
    ] = "reset"

    noop_max: Annotated[int, "the bound of the number of no-ops after a reset; 0 for no no-ops"] = 30
    noop_range: Annotated[
        Literal["1..max", "0..max-1"],
        "the range that the number of no-ops is drawn from; one no-op fewer is played where `fire_reset` presses FIRE "
        "for a frame",
    ] = "1..max"
    noop_unit: Annotated[Literal["frame", "step"], "how long a no-op lasts"] = "frame"
    fire_reset: Annotated[
        Literal["never", "frame_before", "frame_after", "steps_after"],
        "how a game that has FIRE is started: not at all; by FIRE for one frame before the no-ops, or after them; or "
        "after the no-ops by one step of the action 1 (FIRE) and one step of the action 2",
    ] = "never"

    life_loss: Annotated[
        Literal["ignore", "reset", "continue", "report"],
        "what a lost life does: nothing; it ends the episode, and the next episode begins a new game; it ends the "
        "episode, and the next episode goes on with the same game; or it sets `terminated`, and the episode goes on",
    ] = "ignore"
    life_unit: Annotated[
        Literal["frame", "step"],
        "when the lives are counted: after each frame, so that a lost life that ends the episode also ends the step; "
        "or after each step",
    ] = "frame"
    life_reference: Annotated[
        Literal["frame", "step", "reset"],
        "what the number of lives is compared with: the number after the last frame, step or reset",
    ] = "frame"
    counts_last_life: Annotated[bool, "whether losing the last life counts as a lost life"] = True
    going_on: Annotated[
        Literal["noop_step", "opening"],
        "what is played where an episode goes on with the game after a lost life: one step of no-op; or, in the middle "
        "of the game, the no-ops and FIRE that follow a reset, and the stack keeps its planes",
    ] = "noop_step"

    end_rule: Annotated[
        Literal["discard", "capture", "stale"],
        "what the plane of a step that ends early shows: the frames before the one that ended it; that frame, too; or "
        "two buffers, one of which may still hold a screen of an earlier step or reset",
    ] = "discard"
    screens_at_reset: Annotated[
        Literal["clear", "keep"],
        "whether a first step that ends early shows nothing of the frames before the reset, or may show them",
    ] = "clear"
    end_priority: Annotated[
        Literal["both", "truncated"],
        "what a step is that ends the game and reaches `max_episode_steps`: terminated and truncated, or truncated "
        "alone",
    ] = "both"

    reward_clip: Annotated[bool, "whether a reward is replaced by its sign"] = False
    max_num_frames_per_episode: Annotated[
        int,
        "the number of frames after which a game is truncated; 0 for no limit",
    ] = 108_000
    frame_budget: Annotated[
        Literal["game", "steps"],
        "which frames count towards this number: all frames since the game's reset, or those of steps only",
    ] = "game"
    max_episode_steps: Annotated[
        int | None,
        "the number of steps since the game's reset after which it is truncated; None for no limit",
    ] = None

    repeat_action_probability: Annotated[
        float,
        "the probability that a frame repeats the action of the frame before (sticky actions)",
    ] = 0.0
    sticky_draws: Annotated[
        Literal["emulator", "np_random"],
        "the generator that decides whether a frame repeats the action: the emulator's, or the environment's",
    ] = "emulator"
    seeding: Annotated[
        Literal["gymnasium", "ale"],
        "how a seed seeds the generators: as in ale-py's AtariEnv, or as in its AtariVectorEnv",
    ] = "gymnasium"

    full_action_space: Annotated[bool, "whether there are all 18 actions, or only those that the game uses"] = False
    continuous: Annotated[
        bool,
        "whether an action is float32[3] (radius, angle, FIRE), as in ale-py's AtariEnv, or the index of an action",
    ] = False
    continuous_action_threshold: Annotated[
        float,
        "how far the stick has to be moved, and FIRE pressed, to count; for `continuous`",
    ] = 0.5
    mode: Annotated[int | None, "the game's mode; None for its default"] = None
    difficulty: Annotated[int | None, "the game's difficulty; None for its default"] = None

    def __post_init__(self) -> None:
        for name, kind in typing.get_type_hints(type(self)).items():
            value = getattr(self, name)
            if name in _LEAST and not (value is None and kind == int | None):
                self._set(name, check_integer(name, value, _LEAST[name]))
                most = _MOST_NOOPS if name == "noop_max" else _MOST
                if getattr(self, name) > most:
                    raise ValueError(f"`{name}` must be at most {most}, got {value}")
            elif kind is float:
                number = to_float(name, value)
                if not 0 <= number <= 1:
                    raise ValueError(f"`{name}` must be between 0 and 1, got {number}")
                self._set(name, number)
            elif kind is bool:
                self._set(name, check_flag(name, value))
            elif typing.get_origin(kind) is Literal:
                if isinstance(value, np.integer):
                    self._set(name, int(value))
                check_choice(name, getattr(self, name), typing.get_args(kind))
        self._set("screen_size", _check_screen_size(self.screen_size))
        check_stages(self.order, self.gray, self.grayscale_obs)
        if self.end_rule == "stale":
            # Where a reset clears the buffers, none is stale; without pooling, a plane has no second buffer.
            if self.screens_at_reset != "keep":
                raise ValueError(
                    f"`screens_at_reset` must be 'keep' with `end_rule` 'stale', got {self.screens_at_reset!r}"
                )
            if not self.maxpool:
                raise ValueError("`maxpool` must be True with `end_rule` 'stale', got False")

    def _set(self, name: str, value: Any) -> None:
        object.__setattr__(self, name, value)

    @classmethod
    def from_preset(cls, preset: str, **overrides: Any) -> "AtariRules":
        """Return the rules of a preset, of which some fields may be given other values.

        Args:
            preset (str): one of `PRESETS`; its version may be left out: ``"sb3"`` means its newest one.
            overrides: fields, by name. With ``obs_type="ram"``, `stack_num` is 1 unless it is given.

        Returns:
            AtariRules: the rules.

        Raises:
            TypeError: there is no such field, or its value has the wrong type. If another package has an argument of
                that name, the error says what it is called here.
            ValueError: there is no such preset, or a value is not allowed.
        """
        check_argument_names(overrides, cls.__annotations__)
        if overrides.get("obs_type") == "ram":
            overrides = {"stack_num": 1} | overrides
        return dataclasses.replace(PRESETS[_find_preset(preset)], **overrides)

    def check_seed(self, seed: Any) -> int:
        """Return a seed as an int.

        Raises:
            TypeError: `seed` is not an integer.
            ValueError: it is negative, or has more than 31 bits where `seeding` is "ale".
        """
        checked = check_integer("seed", seed, least=0)
        if self.seeding == "ale" and checked >= 2**31:
            raise ValueError(f"`seed` must be below 2**31 with `seeding` 'ale', got {checked}")
        return checked

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of a plane, in pixels."""
        if isinstance(self.screen_size, int):
            return self.screen_size, self.screen_size
        return self.screen_size[1], self.screen_size[0]

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of an observation."""
        if self.obs_type == "ram":
            if self.stack_num == 1:
                return (RAM_SIZE,)
            return (RAM_SIZE, self.stack_num) if self.stack_axis == -1 else (self.stack_num, RAM_SIZE)
        return stack_shape(self.size, self.stack_num, self.grayscale_obs, self.stack_axis)

    @property
    def observation_space(self) -> "spaces.Box[Any]":
        """The space of observations."""
        high, dtype = (1, np.float32) if self.scale_obs else (255, np.uint8)
        return spaces.Box(0, high, self.shape, dtype)

    @property
    def render_fps(self) -> int:
        """How many steps a second the console itself would play."""
        return max(1, round(60 / self.frame_skip))

    def describe(self, file: TextIO | None = None) -> None:
        """Print the rules as a table: the name, the value and the meaning of each field.

        Args:
            file (TextIO, optional): what the table is written to; standard output by default.

        Raises:
            TypeError: `file` has no `write`.
        """
        if file is None:
            file = sys.stdout
        elif not callable(getattr(file, "write", None)):
            raise TypeError(f"`file` must be a text file that can be written to, or None, got {file!r}")
        hints = typing.get_type_hints(type(self), include_extras=True)
        rows = [(name, repr(getattr(self, name)), hint.__metadata__[0]) for name, hint in hints.items()]
        widths = [max(len(row[column]) for row in rows) for column in range(2)]
        indent = " " * (sum(widths) + 4)
        for name, value, text in rows:
            first = f"{name:{widths[0]}}  {value:{widths[1]}}  "
            line = textwrap.fill(text, _TABLE_WIDTH, initial_indent=first, subsequent_indent=indent)
            file.write(line + "\n")


def check_same_rules(name: str, theirs: AtariRules, mine: AtariRules) -> None:
    """Check that the argument `name`, whose rules are `theirs`, has the rules `mine`.

    Raises:
        ValueError: a field differs.
    """
    fields = (field.name for field in dataclasses.fields(AtariRules))
    differ = [field for field in fields if getattr(theirs, field) != getattr(mine, field)]
    if differ:
        raise ValueError(f"`{name}` must be of the same rules, got one with other {', '.join(differ)}")


def _check_screen_size(screen_size: Any) -> int | tuple[int, int]:
    """Return the side of a plane, or its width and height if they differ."""
    if isinstance(screen_size, tuple | list):
        check_pair("screen_size", screen_size, (MAX_SIDE, MAX_SIDE), "(width, height)")
        width, height = map(int, screen_size)
        return width if width == height else (width, height)
    side = check_integer("screen_size", screen_size, least=1)
    check_pair("screen_size", (side, side), (MAX_SIDE, MAX_SIDE))
    return side


def _find_preset(preset: Any) -> str:
    """Return a preset's name with its version, from its name with or without one."""
    newest = {name.partition("@")[0]: name for name in PRESETS}
    if not isinstance(preset, str) or preset.partition("@")[0] not in newest:
        raise ValueError(f"`preset` must be one of {', '.join(map(repr, newest))}, got {preset!r}")
    if preset in PRESETS:
        return preset
    name, separator, _ = preset.partition("@")
    if separator:
        versions = ", ".join(repr(other) for other in PRESETS if other.startswith(f"{name}@"))
        raise ValueError(f"`preset` must be a version of {name!r} that there is ({versions}), got {preset!r}")
    return newest[name]


# The rules of each preset, by its name with its version, such as "sb3@1".
PRESETS: Final = {name: AtariRules(**fields) for name, fields in PRESET_FIELDS.items()}
