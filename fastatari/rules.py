"""`AtariRules`: everything that decides what an environment computes, and the presets that others have published."""

import dataclasses
import difflib
import sys
import typing
from typing import Any, Literal, TextIO

from fastatari.area import MAX_SIDE
from fastatari.checks import check_choice, check_flag, check_integer, check_pair, to_float
from fastatari.frames import Gray, Order, Padding, StackAxis, check_stages


def _rule(text: str, default: Any = dataclasses.MISSING) -> Any:
    return dataclasses.field(default=default, metadata={"text": text})


@dataclasses.dataclass(frozen=True, kw_only=True)
class AtariRules:
    """What an environment computes; one field a decision. The defaults are those of the preset ``"gymnasium"``.

    Each field is explained where it is defined, and by `describe`. Where gymnasium or ale-py have a name for one, it is
    theirs.

    Raises:
        TypeError: a field has the wrong type.
        ValueError: a field has a value that is not allowed, or not together with another's.
    """

    frame_skip: int = _rule("frames that a step applies its action for", 4)
    maxpool: bool = _rule("whether a plane is the maximum of the last two frames, or the last frame alone", True)
    order: Order = _rule("the stages that make a plane of the screens, in their order", "gray-max-resize")
    gray: Gray = _rule(
        "the gray formula: ale-py's own levels, cv2's RGB2GRAY, or gymnasium's GrayscaleObservation", "ale"
    )
    screen_size: int | tuple[int, int] = _rule("side of a plane, or width and height, in pixels", 84)
    grayscale_obs: bool = _rule("whether planes are gray or RGB", True)
    scale_obs: bool = _rule("whether observations are float32 from 0 to 1 instead of uint8 from 0 to 255", False)
    stack_num: int = _rule("planes in an observation", 4)
    stack_axis: StackAxis = _rule("the axis along which they are stacked", 0)
    padding_type: Padding = _rule("what a reset fills the older planes with: its own plane, or zeros", "reset")

    noop_max: int = _rule("bounds how many no-ops follow a reset; 0 for none", 30)
    noop_range: Literal["1..max", "0..max-1"] = _rule(
        "between what their number is drawn; the latter less one if FIRE was pressed", "1..max"
    )
    noop_unit: Literal["frame", "step"] = _rule("how long a no-op lasts", "frame")
    fire_reset: Literal["never", "frame_before", "steps_after"] = _rule(
        "how a game that has FIRE is started: by FIRE for a frame before the no-ops, or after them by a step each of the "
        "actions 1 (FIRE) and 2",
        "never",
    )

    life_loss: Literal["ignore", "reset", "continue", "report"] = _rule(
        "what a lost life does: nothing; end the episode, the next one begins a new game; end it, the next one goes on "
        "with the game; or set `terminated`, while the episode goes on",
        "ignore",
    )
    life_unit: Literal["frame", "step"] = _rule(
        "when lives are looked at: after each frame, which ends the step, or after the step", "frame"
    )
    life_reference: Literal["frame", "step", "reset"] = _rule(
        "with the lives after what they are compared: the last frame, step or reset", "frame"
    )
    counts_last_life: bool = _rule("whether a life is lost that leaves none", True)

    end_rule: Literal["discard", "capture"] = _rule(
        "whether the frame that ends a step early is part of its plane", "discard"
    )
    screens_at_reset: Literal["clear", "keep"] = _rule(
        "whether the frames before a reset are part of the plane of a first step that ends early", "clear"
    )

    reward_clip: bool = _rule("whether rewards are replaced by their sign", False)
    max_num_frames_per_episode: int = _rule("frames after which an episode is truncated; 0 for never", 108_000)
    frame_budget: Literal["game", "steps"] = _rule(
        "which frames count: all since the game's start, or those of the episode's steps", "game"
    )
    max_episode_steps: int | None = _rule("steps after which an episode is truncated; None for never", None)

    repeat_action_probability: float = _rule("how probably a frame repeats the last action: sticky actions", 0.0)
    sticky_draws: Literal["emulator", "np_random"] = _rule("the generator that decides it", "emulator")
    seeding: Literal["gymnasium", "ale"] = _rule(
        "how a seed seeds the generators: as ale-py's AtariEnv, or as its AtariVectorEnv", "gymnasium"
    )

    full_action_space: bool = _rule("all 18 actions instead of those that the game uses", False)
    mode: int | None = _rule("the game's mode; None for its default", None)
    difficulty: int | None = _rule("the game's difficulty; None for its default", None)

    def __post_init__(self) -> None:
        for name, least in {"frame_skip": 1, "stack_num": 1, "noop_max": 0, "max_num_frames_per_episode": 0}.items():
            self._set(name, check_integer(name, getattr(self, name), least))
        for name, least in {"max_episode_steps": 1, "mode": 0, "difficulty": 0}.items():
            if getattr(self, name) is not None:
                self._set(name, check_integer(name, getattr(self, name), least))
        for field in dataclasses.fields(self):
            if field.type is bool:
                self._set(field.name, check_flag(field.name, getattr(self, field.name)))
            elif typing.get_origin(field.type) is Literal:
                check_choice(field.name, getattr(self, field.name), typing.get_args(field.type))
        if isinstance(self.screen_size, tuple | list):
            check_pair("screen_size", self.screen_size, (MAX_SIDE, MAX_SIDE), "(width, height)")
            self._set("screen_size", tuple(int(side) for side in self.screen_size))
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
        if not isinstance(preset, str) or preset not in names:
            allowed = ", ".join(repr(name.partition("@")[0]) for name in PRESETS)
            raise ValueError(f"`preset` must be one of {allowed}, got {preset!r}")
        fields = [field.name for field in dataclasses.fields(cls)]
        for name in overrides:
            if name not in fields:
                closest = difflib.get_close_matches(name, fields, 1, 0)[0]
                raise TypeError(f"got an unexpected keyword argument {name!r}; the closest rule is {closest!r}")
        return dataclasses.replace(PRESETS[names[preset]], **overrides)

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of a plane, in pixels."""
        if isinstance(self.screen_size, int):
            return self.screen_size, self.screen_size
        return self.screen_size[1], self.screen_size[0]

    def describe(self, file: TextIO | None = None) -> None:
        """Print the rules as a table: each field, its value, and what it decides.

        Args:
            file (TextIO, optional): where to; standard output by default.
        """
        rows = [(field.name, repr(getattr(self, field.name)), field.metadata["text"]) for field in FIELDS]
        widths = [max(len(row[column]) for row in rows) for column in range(2)]
        for name, value, text in rows:
            (file or sys.stdout).write(f"{name:{widths[0]}}  {value:{widths[1]}}  {text}\n")


FIELDS = dataclasses.fields(AtariRules)

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
