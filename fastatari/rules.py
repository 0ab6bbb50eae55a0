"""`AtariRules`: everything that decides what an environment computes, and the presets that others have published."""

import dataclasses
import difflib
import sys
import textwrap
import typing
from typing import Annotated, Any, Literal, TextIO

import numpy as np
from gymnasium import spaces

from fastatari.area import MAX_SIDE
from fastatari.checks import check_choice, check_flag, check_integer, check_pair, to_float
from fastatari.frames import Gray, Order, Padding, StackAxis, check_stages, stack_shape

_TABLE_WIDTH = 120


@dataclasses.dataclass(frozen=True, kw_only=True)
class AtariRules:
    """What an environment computes; one field a decision. The defaults are those of the preset ``"gymnasium"``.

    Each field is explained where it is defined, and by `describe`. Where gymnasium or ale-py have a name for one, it is
    theirs.

    Raises:
        TypeError: a field has the wrong type.
        ValueError: a field has a value that is not allowed, or not together with another's.
    """

    frame_skip: Annotated[int, "frames that a step applies its action for"] = 4
    maxpool: Annotated[bool, "whether a plane is the maximum of the last two frames, or the last frame alone"] = True
    order: Annotated[Order, "the stages that make a plane of the screens, in their order"] = "gray-max-resize"
    gray: Annotated[
        Gray,
        "the gray formula: ale-py's own levels, cv2's RGB2GRAY, or gymnasium's GrayscaleObservation",
    ] = "ale"
    screen_size: Annotated[int | tuple[int, int], "side of a plane, or width and height, in pixels"] = 84
    grayscale_obs: Annotated[bool, "whether planes are gray or RGB"] = True
    scale_obs: Annotated[bool, "whether observations are float32 from 0 to 1 instead of uint8 from 0 to 255"] = False
    stack_num: Annotated[int, "planes in an observation"] = 4
    stack_axis: Annotated[StackAxis, "the axis along which they are stacked"] = 0
    padding_type: Annotated[Padding, "what a reset fills the older planes with: its own plane, or zeros"] = "reset"

    noop_max: Annotated[int, "bounds how many no-ops follow a reset; 0 for none"] = 30
    noop_range: Annotated[
        Literal["1..max", "0..max-1"],
        "between what their number is drawn; the latter less one if FIRE was pressed",
    ] = "1..max"
    noop_unit: Annotated[Literal["frame", "step"], "how long a no-op lasts"] = "frame"
    fire_reset: Annotated[
        Literal["never", "frame_before", "steps_after"],
        "how a game that has FIRE is started: by FIRE for a frame before the no-ops, or after them by a "
        "step each of the actions 1 (FIRE) and 2",
    ] = "never"

    life_loss: Annotated[
        Literal["ignore", "reset", "continue", "report"],
        "what a lost life does: nothing; end the episode, the next one begins a new game; end it, the "
        "next one goes on with the game; or set `terminated`, while the episode goes on",
    ] = "ignore"
    life_unit: Annotated[
        Literal["frame", "step"],
        "when lives are looked at: after each frame, where a loss that ends the episode ends the step, too, or "
        "after the step",
    ] = "frame"
    life_reference: Annotated[
        Literal["frame", "step", "reset"],
        "with the lives after what they are compared: the last frame, step or reset",
    ] = "frame"
    counts_last_life: Annotated[bool, "whether a life is lost that leaves none"] = True

    end_rule: Annotated[
        Literal["discard", "capture"],
        "whether the frame that ends a step early is part of its plane",
    ] = "discard"
    screens_at_reset: Annotated[
        Literal["clear", "keep"],
        "whether the frames before a reset are part of the plane of a first step that ends early",
    ] = "clear"

    reward_clip: Annotated[bool, "whether rewards are replaced by their sign"] = False
    max_num_frames_per_episode: Annotated[int, "frames after which a game is truncated; 0 for never"] = 108_000
    frame_budget: Annotated[
        Literal["game", "steps"],
        "which frames count: all since the game's start, or those of its steps",
    ] = "game"
    max_episode_steps: Annotated[int | None, "steps after which a game is truncated; None for never"] = None

    repeat_action_probability: Annotated[float, "how probably a frame repeats the last action: sticky actions"] = 0.0
    sticky_draws: Annotated[Literal["emulator", "np_random"], "the generator that decides it"] = "emulator"
    seeding: Annotated[
        Literal["gymnasium", "ale"],
        "how a seed seeds the generators: as ale-py's AtariEnv, or as its AtariVectorEnv",
    ] = "gymnasium"

    full_action_space: Annotated[bool, "all 18 actions instead of those that the game uses"] = False
    mode: Annotated[int | None, "the game's mode; None for its default"] = None
    difficulty: Annotated[int | None, "the game's difficulty; None for its default"] = None

    def __post_init__(self) -> None:
        for name, least in {"frame_skip": 1, "stack_num": 1, "noop_max": 0, "max_num_frames_per_episode": 0}.items():
            self._set(name, check_integer(name, getattr(self, name), least))
        for name, least in {"max_episode_steps": 1, "mode": 0, "difficulty": 0}.items():
            if getattr(self, name) is not None:
                self._set(name, check_integer(name, getattr(self, name), least))
        for name, kind in typing.get_type_hints(type(self)).items():
            if kind is bool:
                self._set(name, check_flag(name, getattr(self, name)))
            elif typing.get_origin(kind) is Literal:
                check_choice(name, getattr(self, name), typing.get_args(kind))
        if isinstance(self.screen_size, tuple | list):
            check_pair("screen_size", self.screen_size, (MAX_SIDE, MAX_SIDE), "(width, height)")
            width, height = map(int, self.screen_size)
            self._set("screen_size", width if width == height else (width, height))
        else:
            side = check_integer("screen_size", self.screen_size, least=1)
            check_pair("screen_size", (side, side), (MAX_SIDE, MAX_SIDE))
            self._set("screen_size", side)
        check_stages(self.order, self.gray, self.grayscale_obs)
        probability = to_float("repeat_action_probability", self.repeat_action_probability)
        if not 0 <= probability <= 1:
            raise ValueError(f"`repeat_action_probability` must be between 0 and 1, got {probability}")
        self._set("repeat_action_probability", probability)

    def _set(self, name: str, value: Any) -> None:
        object.__setattr__(self, name, value)

    @classmethod
    def from_preset(cls, preset: str, **overrides: Any) -> "AtariRules":
        """Return the rules of a preset, with some fields of another value.

        Args:
            preset (str): one of `PRESETS`; its version may be left out, ``"sb3"`` for ``"sb3@1"``.
            overrides: fields, by name.

        Returns:
            AtariRules: the rules.

        Raises:
            TypeError: there is no such field, or its value has the wrong type.
            ValueError: there is no such preset, or a value is not allowed.
        """
        names = {name.partition("@")[0]: name for name in PRESETS} | {name: name for name in PRESETS}
        if preset not in list(names):
            allowed = ", ".join(repr(name.partition("@")[0]) for name in PRESETS)
            raise ValueError(f"`preset` must be one of {allowed}, got {preset!r}")
        fields = list(cls.__annotations__)
        for name in overrides:
            if name not in fields:
                closest = difflib.get_close_matches(name, fields, 1, 0)[0]
                raise TypeError(f"got an unexpected keyword argument {name!r}; the closest rule is {closest!r}")
        return dataclasses.replace(PRESETS[names[preset]], **overrides)

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
        """Print the rules as a table: each field, its value, and what it decides.

        Args:
            file (TextIO, optional): where to; standard output by default.
        """
        hints = typing.get_type_hints(type(self), include_extras=True)
        rows = [(name, repr(getattr(self, name)), hint.__metadata__[0]) for name, hint in hints.items()]
        widths = [max(len(row[column]) for row in rows) for column in range(2)]
        indent = " " * (sum(widths) + 4)
        for name, value, text in rows:
            first = f"{name:{widths[0]}}  {value:{widths[1]}}  "
            line = textwrap.fill(text, _TABLE_WIDTH, initial_indent=first, subsequent_indent=indent)
            (file or sys.stdout).write(line + "\n")


def check_same_rules(name: str, theirs: AtariRules, mine: AtariRules) -> None:
    """Check that what is called `name` has the same rules.

    Raises:
        ValueError: some are others.
    """
    fields = (field.name for field in dataclasses.fields(AtariRules))
    differ = [field for field in fields if getattr(theirs, field) != getattr(mine, field)]
    if differ:
        raise ValueError(f"`{name}` must be of the same rules, got one with other {', '.join(differ)}")


_GYMNASIUM = AtariRules()
_SB3 = AtariRules(
    order="max-gray-resize",
    gray="cv2",
    stack_axis=-1,
    padding_type="zero",
    fire_reset="steps_after",
    life_loss="continue",
    life_unit="step",
    life_reference="step",
    counts_last_life=False,
    end_rule="capture",
    screens_at_reset="keep",
    reward_clip=True,
    sticky_draws="np_random",
)

# A preset never changes under its version; what the package it is named after changes becomes a new one.
PRESETS = {
    "labml@1": AtariRules(order="gray-resize-max", gray="cv2", noop_max=0, life_loss="reset", life_reference="reset"),
    "gymnasium@1": _GYMNASIUM,
    "sb3@1": _SB3,
    "cleanrl@1": dataclasses.replace(_SB3, order="max-resize-gray", stack_axis=0, padding_type="reset"),
    "dopamine@1": AtariRules(
        stack_axis=-1,
        padding_type="zero",
        noop_max=0,
        end_rule="capture",
        max_num_frames_per_episode=100_000,
        max_episode_steps=27_000,
        repeat_action_probability=0.25,
    ),
    "ale@1": AtariRules(
        padding_type="zero",
        noop_range="0..max-1",
        fire_reset="frame_before",
        life_reference="step",
        counts_last_life=False,
        reward_clip=True,
        frame_budget="steps",
        seeding="ale",
    ),
}
