"""`Engine`: one console under one set of rules; the only place where steps are played."""

import copy
import dataclasses
import functools
import math
import sys
import time
from typing import Any, NamedTuple

import gymnasium.error
import numpy as np
import numpy.typing as npt
from gymnasium.utils.seeding import np_random

from fastatari.checks import check_pair
from fastatari.emulator import ConsoleName, Emulator, EmulatorState
from fastatari.frames import NOWHERE, FrameStack, Palette
from fastatari.generators import draw_uniform, new_seed
from fastatari.palette import rgb_table
from fastatari.rules import AtariRules, check_same_rules

UInt8Array = npt.NDArray[np.uint8]
Observation = npt.NDArray[np.uint8] | npt.NDArray[np.float32]

_Screens = tuple[UInt8Array, UInt8Array]

# Of the indices that stable-baselines3's `FireResetEnv` plays, the first has to be FIRE.
_STARTING_ACTIONS = (1, 2)


class EngineState(NamedTuple):
    """What `Engine.clone_state` returns: plain data, which can be pickled.

    Attributes:
        rom (str): the ROM's id.
        rules (AtariRules): the rules.
        console (EmulatorState): the console.
        screens (uint8[2, H, W]): the last two screens.
        planes (uint8[K, ...] | None): the stack; None before the first reset.
        values (dict[str, Any]): counters and generators.
    """

    rom: str
    rules: AtariRules
    console: EmulatorState
    screens: UInt8Array
    planes: UInt8Array | None
    values: dict[str, Any]


@dataclasses.dataclass(frozen=True, slots=True)
class _StepRules:
    """The rules as steps ask for them; engines of the same rules have the same one.

    Attributes:
        frame_skip (int): how many frames a step has.
        is_pooled (bool): whether a plane is made of two screens.
        first_frames (range): the frames of a step up to the one whose screen is the first of its plane.
        last_frames (range): those after it, up to the one whose screen is the second.
        drawn (int): the frames whose screens these are, a bit each.
        watches_lives (bool): whether a lost life ends a step.
        plays_on (bool): whether nothing has to be looked at between the frames of a step.
        plays_at_once (bool): whether a console that can do that plays all frames of a step in one call.
        least_lives (int): how many lives have to be left for one to count as lost.
        reports_lives (bool): whether a lost life is `terminated`.
        ends_by_life (bool): whether the episode is over then.
        moves_reference (bool): whether lives are compared with those after the last step.
        clips_reward (bool): whether rewards are replaced by their sign.
        step_limit (int | None): after how many steps a game is truncated.
        frame_limit (int): after how many frames; 0 for never. Not by the emulator, which would also refuse to play the
            frames of an opening.
        counts_opening (bool): whether those before the first step count.
    """

    frame_skip: int
    is_pooled: bool
    first_frames: range
    last_frames: range
    drawn: int
    watches_lives: bool
    plays_on: bool
    plays_at_once: bool
    least_lives: int
    reports_lives: bool
    ends_by_life: bool
    moves_reference: bool
    clips_reward: bool
    step_limit: int | None
    frame_limit: int
    counts_opening: bool


@functools.lru_cache
def _read_rules(rules: AtariRules, stops_at_end: bool) -> _StepRules:
    is_pooled = rules.maxpool and rules.frame_skip > 1
    watches_lives = rules.life_unit == "frame" and rules.life_loss in {"reset", "continue"}
    frame_limit = rules.max_num_frames_per_episode
    return _StepRules(
        frame_skip=rules.frame_skip,
        is_pooled=is_pooled,
        first_frames=range(rules.frame_skip - is_pooled),
        last_frames=range(is_pooled),
        drawn=sum(1 << frame for frame in range(rules.frame_skip - 1 - is_pooled, rules.frame_skip)),
        watches_lives=watches_lives,
        plays_on=stops_at_end and not watches_lives,
        plays_at_once=rules.frame_skip < 63 and not (watches_lives and rules.life_reference == "frame"),
        least_lives=0 if rules.counts_last_life else 1,
        reports_lives=rules.life_loss != "ignore",
        ends_by_life=rules.life_loss != "report",
        moves_reference=rules.life_reference != "reset",
        clips_reward=rules.reward_clip,
        step_limit=rules.max_episode_steps,
        frame_limit=frame_limit,
        counts_opening=rules.frame_budget == "game" and frame_limit > 0,
    )


class Engine:
    """A game under a set of rules: what it does at a reset, in a step, and what is observed.

    Args:
        game (str): the name of the game, as for `console.find_rom`.
        rules (AtariRules): the rules.
        console ("fastatari" | "ale"): as for `Emulator`.
        is_shown (bool): as for `Emulator`.
        sibling (Engine, optional): another of the same game and rules, with which this one shares what it can: where
            screens are read to. They have to be used by turns: all that a step or reset comes to
            has to be observed before the next of another engine.

    Attributes:
        console (Emulator): the console. Acting on it is not seen by the engine.
        rules (AtariRules): the rules.
        np_random (np.random.Generator): draws the no-ops, but for ``seeding="ale"``, and the repeated actions of
            ``sticky_draws="np_random"``.
        noops (int): how many no-ops followed the last reset of the game.
        lives (int): the lives after the last step or reset.
        has_lost_life (bool): whether they are fewer than those before the last step.
        raw_reward (float): the sum of the last step's rewards, not clipped.
        episode_return (float): the sum of all since the last reset of the game.
        episode_length (int): how many steps there were since then.
        episode_seconds (float): the time since then.
        episode_frame_number (int): how many frames were played since the last reset of the emulator.
        frames_before (int): how many were played before that since the ROM was loaded, or since `Emulator.rewind`.
        can_step_into (bool): whether `step` can write observations somewhere.
        is_playing (bool): whether there can be a step before the next reset.
        is_game_over (bool): whether the next reset begins a new game whatever the rules.

    Raises:
        TypeError, ValueError, OSError: as for `Emulator` and `FrameStack`.
    """

    # Those that a step needs come first, side by side: where a process plays many games, each line of the cache that it
    # needs comes from memory.
    __slots__ = (  # noqa: RUF023
        "is_playing", "_act_and_read", "_act", "_read_screen", "_game_over", "_lives", "_actions", "_push", "_screen",
        "_cut", "_kept", "_reference", "_frames_left", "lives", "has_lost_life", "raw_reward", "episode_return",
        "episode_length",
        "episode_frame_number", "frames_before", "is_game_over", "_step_rules", "_screens", "_stack", "console",
        "rules", "can_step_into", "np_random", "noops", "_begin_time", "_size", "_noop", "_fire",
        "_fires_before", "_fires_after", "_noop_draws",
    )  # fmt: skip

    # What a state holds besides console and stack.
    _VALUES = (
        "np_random", "noops", "lives", "has_lost_life", "raw_reward", "episode_return", "episode_length",
        "episode_seconds", "is_game_over", "_noop_draws", "_reference", "_frames_left", "is_playing", "_kept",
    )  # fmt: skip

    def __init__(
        self,
        game: str,
        rules: AtariRules,
        *,
        console: ConsoleName = "fastatari",
        is_shown: bool = False,
        sibling: "Engine | None" = None,
    ) -> None:
        self.rules = rules
        self.console = Emulator(
            game,
            console=console,
            repeat_action_probability=rules.repeat_action_probability,
            sticky_draws=rules.sticky_draws,
            full_action_space=rules.full_action_space,
            mode=rules.mode,
            difficulty=rules.difficulty,
            is_shown=is_shown,
        )
        height, width = self.console.screen_shape
        check_pair("screen_size", rules.size[::-1], (width, height), "(width, height)")
        other = None if sibling is None else sibling._stack
        self._stack: FrameStack = make_stack(rules, self.console.screen_shape, self.console.palette, other)
        self._noop = self.console.ale.getLegalActionSet()[0]
        meanings = self.console.action_meanings
        self._fires_before = rules.fire_reset == "frame_before" and "FIRE" in meanings
        self._fires_after = rules.fire_reset == "steps_after" and len(meanings) > 2 and meanings[1] == "FIRE"
        self._fire = self.console.actions[meanings.index("FIRE")] if "FIRE" in meanings else None
        # What a step needs of the emulator and the stack. It is one function, for after an emulator was in the
        # processor's caches, each further one of Python takes 1 us.
        self._act, self._read_screen = self.console.act, self.console.read_screen
        self._act_and_read = self.console.play_step
        self._game_over, self._lives = self.console.game_over, self.console.lives
        self._actions = self.console.actions
        self._push, self._screens = self._stack.push_into, self._stack.screens
        self._size = math.prod(rules.shape)
        self.can_step_into = self._stack.can_push_into and not rules.scale_obs

        self._step_rules = _read_rules(rules, self.console.stops_at_end)

        self._noop_draws: np.random.RandomState | None = None

        self.noops = 0
        self.lives = 0
        self.has_lost_life = False
        self.raw_reward = 0.0
        self.episode_return = 0.0
        self.episode_length = 0
        self.episode_seconds = 0.0
        self.episode_frame_number = 0
        self.frames_before = 0
        self.is_game_over = True
        self._reference = 0
        self._frames_left = 0
        self.is_playing = False
        # The frame that ended the last step early, until its plane is made.
        self._cut: int | None = None
        # The two screens before the reset, where the rules keep them, until two new ones were read.
        self._kept: UInt8Array | None = None
        # The screen where the emulator may show another: after a reset and a restore.
        self._screen: UInt8Array | None = None
        self._seed(None)
        if self.console.draws_at_reset:
            self.console.rewind()

    def reset(self, seed: int | None = None) -> None:
        """Begin an episode: with a reset of the game, or, where the rules have it so, by going on after a lost life.

        Args:
            seed (int, optional): seeds all generators, and begins a new game as after loading the ROM.

        Raises:
            TypeError: `seed` is not an integer.
            ValueError: `seed` is negative, or has more than 31 bits where ``seeding`` is "ale".
        """
        if seed is not None:
            seed = self.rules.check_seed(seed)
            self.is_game_over = True
        self.is_playing = False  # until all is done: an exception of a signal handler can come between any two lines
        stack = self._stack
        slots = stack.screens
        if self.rules.screens_at_reset == "keep":
            self._finish_plane()
            self._kept = stack.last_screens if self._kept is None else self._kept
            for slot, screen in zip(slots, self._kept, strict=True):
                slot[:] = screen
        self._cut = None
        shown = self._begin_episode(seed, slots)
        if shown is None:
            assert self._screen is not None
            stack.reset(self._screen)
        else:
            self._kept = None if shown is slots or self._kept is None else np.array(slots)
            stack.reset(*shown)
        self.lives = self.console.lives()
        self._read_frames()
        if self._step_rules.counts_opening:
            self._frames_left = self._step_rules.frame_limit - self.episode_frame_number
        elif not self.episode_length:
            self._frames_left = self._step_rules.frame_limit or sys.maxsize
        self.is_playing = True

    def step(self, action: int, out: UInt8Array = NOWHERE, begin: int = 0) -> tuple[float, bool, bool]:
        """Apply an action for as many frames as the rules say, or until the episode is over.

        Args:
            action (int): an index into the game's action set; any integer type.
            out (uint8[n], optional): where the observation is written to at once, in C order; nothing is checked. Only
                if `can_step_into`.
            begin (int): where in it.

        Returns:
            tuple: the reward, whether the episode is terminated, and whether it is truncated. Both can be.

        Raises:
            TypeError: `action` is not an integer; the game goes on.
            InvalidAction: the game has no such action; the game goes on.
            gymnasium.error.ResetNeeded: there was no `reset` yet, or the episode is over, or an exception, as of a
                signal handler, came in the middle of a step or reset.
        """
        if not self.is_playing:
            raise gymnasium.error.ResetNeeded(
                "Cannot call `step` before calling `reset`, after the end of an episode, or after an exception cut off "
                "either."
            )
        actions = self._actions
        is_index = type(action) is int and 0 <= action < len(actions)
        ale_action = actions[action] if is_index else self.console.check_action(action)
        self.is_playing = False
        self._screen = None
        rules, reference = self._step_rules, self._reference
        frames, cut = rules.frame_skip, None
        if rules.plays_at_once and self._act_and_read is not None and self._frames_left > frames:
            lives = reference if rules.watches_lives else 0
            reward_sum, cut = self._act_and_read(
                ale_action, frames, rules.drawn, rules.least_lives, lives, *self._screens
            )
            raw_reward = float(reward_sum)
        elif rules.plays_on and self._frames_left > frames:
            # All frames, whatever happens: as good as to look after each, and faster, where the emulator does nothing
            # after the end of a game.
            raw_reward = self._play_all(ale_action)
            if self._game_over():
                cut = min(frames, max(1, self.console.episode_frame_number - self.episode_frame_number)) - 1
        else:
            raw_reward, reference, cut = self._play_watchfully(ale_action)
        if cut is None:
            self._push(out, begin)
            self._kept = None
        else:
            frames = cut + 1

        lives = self._lives()
        is_reported = rules.reports_lives and rules.least_lives <= lives < reference
        if rules.moves_reference:
            self._reference = lives
        self.has_lost_life = lives < self.lives
        self.lives = lives
        self.episode_frame_number += frames
        self._frames_left -= frames
        self.raw_reward = raw_reward
        self.episode_return += raw_reward
        self.episode_length += 1
        reward = float((raw_reward > 0) - (raw_reward < 0)) if rules.clips_reward else raw_reward
        if cut is None and not is_reported and self._frames_left and self.episode_length != rules.step_limit:
            self.is_game_over = False
            self.is_playing = True
            return reward, False, False
        if cut is not None:
            self._cut = cut
            if len(out):
                self.observe(out[begin : begin + self._size].reshape(self.rules.shape))
        return reward, *self._end_step(cut is not None, is_reported)

    def _end_step(self, is_cut: bool, is_reported: bool) -> tuple[bool, bool]:
        """Find out what a step ended.

        Args:
            is_cut (bool): whether one of its frames ended it.
            is_reported (bool): whether a life was lost that is to be reported.

        Returns:
            tuple: whether the episode is terminated, and whether it is truncated.
        """
        rules = self._step_rules
        is_over = is_cut and self._game_over()
        terminated, truncated = is_over or is_reported, False
        if not self._frames_left:
            truncated = rules.counts_opening or not terminated
            is_over = True
        if self.episode_length == rules.step_limit:
            truncated = is_over = True
        self.is_game_over = is_over
        self.is_playing = not (is_over or (is_reported and rules.ends_by_life))
        return terminated, truncated

    def _play_all(self, action: Any) -> float:
        """Play all frames of a step and read the two screens of its plane; return the sum of the rewards."""
        rules = self._step_rules
        first, second = self._screens
        act, read_screen = self._act, self._read_screen
        raw_reward = 0.0
        for _ in rules.first_frames:
            raw_reward += act(action)
        read_screen(first)
        for _ in rules.last_frames:
            raw_reward += act(action)
        read_screen(second)
        return raw_reward

    def _play_watchfully(self, ale_action: Any) -> tuple[float, int, int | None]:
        """Play the frames of a step up to one that ends it, and read the screens.

        Returns:
            tuple: the sum of the rewards, the lives with which those after are compared, and which frame ended the
            step before its plane was complete, if one did.
        """
        rules, screens = self._step_rules, self._screens
        act, lives, game_over, read_screen = self._act, self._lives, self._game_over, self._read_screen
        reference, follows_lives = self._reference, self.rules.life_reference == "frame"
        first_read = rules.frame_skip - 2 if rules.is_pooled else rules.frame_skip
        last_frame = self._frames_left - 1
        raw_reward = 0.0
        for frame in range(rules.frame_skip):
            raw_reward += act(ale_action)
            if game_over() or frame == last_frame:
                return raw_reward, reference, frame
            if rules.watches_lives:
                lives_now = lives()
                if rules.least_lives <= lives_now < reference:
                    return raw_reward, reference, frame
                if follows_lives:
                    reference = lives_now
            if frame >= first_read:
                read_screen(screens[frame - rules.frame_skip])
        if not rules.is_pooled:
            read_screen(screens[0])
            read_screen(screens[1])
        return raw_reward, reference, None

    def observe(self, out: npt.NDArray[Any] | None = None) -> Observation:
        """Return the observation after the last step or reset, a fresh array.

        Args:
            out (uint8[shape], or float32 if it is scaled; optional): where to write it instead.

        Raises:
            TypeError, ValueError: as for `FrameStack.read`.
            gymnasium.error.ResetNeeded: there was no `reset` yet.
        """
        self._finish_plane()
        if self.rules.scale_obs:
            return np.divide(self._stack.read(), np.float32(255), out=out, dtype=np.float32)
        return self._stack.read(out)

    def tell_reset(self) -> dict[str, Any]:
        """Return what there is to tell after a reset, besides the observation."""
        return {
            "lives": self.lives,
            "episode_frame_number": self.episode_frame_number,
            "frame_number": self.frames_before + self.episode_frame_number,
            "noops": self.noops,
        }

    def tell_step(self, has_statistics: bool) -> dict[str, Any]:
        """Return what there is to tell after a step, besides what it returned and the observation.

        Args:
            has_statistics (bool): whether that includes, after the last step of a game, ``episode``.
        """
        info: dict[str, Any] = {
            "lives": self.lives,
            "episode_frame_number": self.episode_frame_number,
            "frame_number": self.frames_before + self.episode_frame_number,
            "raw_reward": self.raw_reward,
            "life_lost": self.has_lost_life,
            "game_over": self.is_game_over,
        }
        if has_statistics and self.ends_game:
            info["episode"] = {
                "r": self.episode_return,
                "l": self.episode_length,
                "t": round(self.episode_seconds, 6),
            }
        return info

    def read_rgb(self) -> UInt8Array:
        """Return the screen in its colours: uint8[H, W, 3], a fresh array.

        Raises:
            gymnasium.error.ResetNeeded: there was no `reset` yet.
        """
        if not self._stack.has_reset:
            raise gymnasium.error.ResetNeeded("Cannot call `render` before calling `reset`.")
        if self._screen is None:
            rgb: UInt8Array = self.console.read_rgb()
            return rgb
        return rgb_table(self.console.palette)[self._screen]

    @property
    def has_begun(self) -> bool:
        """Whether there was a `reset`."""
        return self._stack.has_reset

    @property
    def ends_game(self) -> bool:
        """Whether the last step was the last before a reset of the game."""
        return self.is_game_over or (not self.is_playing and self.rules.life_loss == "reset")

    @property
    def episode_seconds(self) -> float:
        """The time since the last reset of the game."""
        return time.perf_counter() - self._begin_time

    @episode_seconds.setter
    def episode_seconds(self, seconds: float) -> None:
        self._begin_time = time.perf_counter() - seconds

    @property
    def plane(self) -> UInt8Array:
        """The newest plane: uint8[h, w] or uint8[h, w, 3], a view that is valid until the next step or reset."""
        return self._stack.newest

    def clone_state(self) -> EngineState:
        """Return a copy of all that the steps and resets to come depend on."""
        self._finish_plane()
        stack = self._stack
        values = {name: copy.deepcopy(getattr(self, name)) for name in self._VALUES}
        values["_screen"] = self.console.read_screen() if self._screen is None else self._screen.copy()
        screens, planes = stack.last_screens, stack.read_planes() if stack.has_reset else None
        return EngineState(self.console.rom, self.rules, self.console.clone(), screens, planes, values)

    def restore_state(self, state: EngineState) -> None:
        """Go on from what `clone_state` returned, of this engine or one of the same game and rules, in any process.

        It is as exact as `Emulator.restore`.

        Raises:
            TypeError: `state` is none.
            ValueError: it is of another game or of other rules.
        """
        if not isinstance(state, EngineState):
            raise TypeError(f"`state` must come from `clone_state`, got {type(state).__name__}")
        if state.rom != self.console.rom:
            raise ValueError(f"`state` must be of {self.console.rom}, got one of {state.rom}")
        check_same_rules("state", state.rules, self.rules)
        self.is_playing = False
        self.console.restore(state.console)
        self._stack.restore(state.screens, state.planes)
        self._cut = None
        for name, value in state.values.items():
            setattr(self, name, copy.deepcopy(value))
        self._bind_draws()
        self._read_frames()

    def _read_frames(self) -> None:
        self.episode_frame_number = self.console.episode_frame_number
        self.frames_before = self.console.frame_number - self.episode_frame_number

    def set_np_random(self, generator: np.random.Generator) -> None:
        """Draw all from another generator from now on, but for what the emulator draws."""
        self.np_random = generator
        self._noop_draws = None
        self._bind_draws()

    def _seed(self, seed: int | None) -> None:
        if self.rules.seeding == "gymnasium":
            np_seed, emulator_seed = map(int, np.random.SeedSequence(seed).generate_state(2))
        else:
            np_seed = emulator_seed = new_seed() if seed is None else seed
        self.np_random, _ = np_random(np_seed)
        self._noop_draws = np.random.RandomState(np_seed) if self.rules.seeding == "ale" else None
        self.console.seed(emulator_seed)
        self._bind_draws()

    def _bind_draws(self) -> None:
        if self.rules.sticky_draws == "np_random":
            self.console.draw_by(self.np_random.random)

    def _draw_noops(self) -> int:
        if not self.rules.noop_max:
            return 0
        if self._noop_draws is None:
            noops = int(self.np_random.integers(self.rules.noop_max))
        else:
            noops = draw_uniform(self._noop_draws, self.rules.noop_max)
        return max(0, noops + (self.rules.noop_range == "1..max") - self._fires_before)

    def _begin_episode(self, seed: int | None, slots: _Screens) -> _Screens | None:
        """Play to where an episode begins, and leave the last two screens in `slots`.

        Returns:
            tuple | None: two screens of which its first plane is made, `slots` or others; or None if it is made of
            `_screen`.
        """
        if self.rules.life_loss == "continue" and not self.is_game_over:
            has_gone_on = self._go_on(seed, slots)
            return self._fire_steps(seed, slots) or (slots if has_gone_on else None)
        self._begin_game(seed)
        self._play_noops(seed, slots)
        return self._fire_steps(seed, slots)

    def _begin_game(self, seed: int | None) -> None:
        self._reset_game(seed)
        self.noops = self._draw_noops()
        self.episode_return = 0.0
        self.episode_length = 0
        self.episode_seconds = 0.0

    def _reset_game(self, seed: int | None) -> None:
        if seed is not None:
            self._seed(seed)
            self.console.rewind()
        self._screen = self.console.reset()

    def _play_noops(self, seed: int | None, slots: _Screens) -> None:
        """Play what follows a reset of the game, up to the steps of `_fire_steps`."""
        if self._fires_before:
            self._play_opening(self._fire)
        for _ in range(self.noops):
            if self.rules.noop_unit == "step":
                is_over = self._play_step(self._noop, slots)
            else:
                is_over = self._play_opening(self._noop)
            if is_over:
                # gymnasium's wrapper passes its seed on to a reset that comes in between, ale-py has used it up.
                self._reset_game(seed if self.rules.seeding == "gymnasium" else None)
        self._reference = self.console.lives()

    def _go_on(self, seed: int | None, slots: _Screens) -> bool:
        """Begin an episode after a lost life; return whether the game went on."""
        if not self._play_step(self._noop, slots):
            self._reference = self.console.lives()
            return True
        self._begin_game(seed)
        self._play_noops(seed, slots)
        return False

    def _fire_steps(self, seed: int | None, slots: _Screens) -> _Screens | None:
        """Play the steps that start a game, as stable-baselines3's `FireResetEnv`.

        Returns:
            tuple | None: the last two screens of the last of these steps, also if the game was reset or went on after
            it; None if there are none.
        """
        shown = None
        for index in _STARTING_ACTIONS if self._fires_after else ():
            self.is_game_over = self._play_step(self.console.actions[index], slots)
            shown = slots
            lives = self.console.lives()
            is_lost = self._step_rules.least_lives <= lives < self._reference and self.rules.life_loss == "continue"
            self._reference = lives
            if self.is_game_over or is_lost:
                shown = slots[0].copy(), slots[1].copy()
            if self.is_game_over:
                self._begin_game(seed)
                self._play_noops(seed, slots)
            elif is_lost:
                self._go_on(seed, slots)
        return shown

    def _play_step(self, action: Any, slots: _Screens) -> bool:
        """Play a step of an opening and read its screens; return whether the game is over."""
        is_over = False
        for frame in range(self.rules.frame_skip):
            is_over = self._play_opening(action)
            if (
                self._step_rules.is_pooled
                and frame >= self._step_rules.frame_skip - 2
                and (not is_over or self.rules.end_rule == "capture")
            ):
                self.console.read_screen(slots[frame - self.rules.frame_skip])
            if is_over:
                break
        if not self._step_rules.is_pooled:
            for slot in slots:
                self.console.read_screen(slot)
        return is_over

    def _play_opening(self, action: Any) -> bool:
        """Play a frame of an opening; return whether the game is over."""
        self.console.act(action)
        self._screen = self.console.read_screen()
        is_over: bool = self.console.game_over()
        return is_over or (
            self._step_rules.counts_opening and self.console.episode_frame_number >= self._step_rules.frame_limit
        )

    def _finish_plane(self) -> None:
        """Add the plane of a step that was cut short, as the rules say."""
        frame, self._cut = self._cut, None
        if frame is None:
            return
        stack, read_screen = self._stack, self.console.read_screen
        screens, frames_missing = stack.screens, self.rules.frame_skip - 1 - frame
        before = stack.last_screens if self._kept is None else self._kept
        if self.rules.end_rule == "discard":
            if self._step_rules.is_pooled and frames_missing == 0:
                stack.push_pooled([*before, screens[0]])
            else:
                stack.repeat()
            return
        if not self._step_rules.is_pooled:
            read_screen(screens[0])
            read_screen(screens[1])
        elif frames_missing == 0:
            read_screen(screens[1])
        elif frames_missing == 1:
            read_screen(screens[0])
            screens[1][:] = before[1]
        else:
            for screen, earlier in zip(screens, before, strict=True):
                screen[:] = earlier
        stack.push_screens()
        self._kept = None


def make_stack(
    rules: AtariRules, screen_shape: tuple[int, int], palette: Palette, sibling: FrameStack | None = None
) -> FrameStack:
    """Return the frame stack of a set of rules."""
    return FrameStack(
        screen_shape,
        rules.size,
        rules.stack_num,
        rules.order,
        rules.gray,
        palette,
        rules.grayscale_obs,
        rules.padding_type,
        rules.stack_axis,
        sibling,
    )
