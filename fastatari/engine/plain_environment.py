"""`PlainEnvironment`: one environment, as plainly as its step and its reset can be said."""

import time
from typing import Any

import ale_py
import numpy as np
import numpy.typing as npt

from fastatari.engine.plain_console import NOOP, PlainConsole
from fastatari.palette import rgb_table
from fastatari.preprocessing.frame_stack import FrameStack

UInt8Array = npt.NDArray[np.uint8]
Row = dict[str, Any]


class PlainEnvironment:
    """A game under a set of rules. It is the twin of the compiled step and reset.

    Args:
        console (PlainConsole): the console.

    Attributes:
        planes (list[uint8[h, w]]): the stack, the oldest plane first; planes in colour are uint8[h, w, 3], those of RAM
            uint8[128].
        buffers (list[uint8[H, W]]): the two screens of which the last plane was made, as far as the rules keep them.
        shown (list[uint8[H, W]]): those that `render` shows.
        is_playing (bool): whether there can be a step before the next reset.
        is_game_over (bool): whether the next reset begins a new game whatever the rules.
    """

    def __init__(self, console: PlainConsole) -> None:
        self.console, self.rules, self.ale = console, console.rules, console.ale
        rules = self.rules
        self.is_pooled = rules.maxpool and rules.frame_skip > 1
        self.least_lives = 0 if rules.counts_last_life else 1
        self.has_fire = ale_py.Action.FIRE in console.actions
        # Makes planes; the stack is kept here.
        self._stack = FrameStack(
            self.ale.getScreenDims(), rules.size, 1, rules.order, rules.gray, console.palette, rules.grayscale_obs
        )
        black = np.zeros(self.ale.getScreenDims(), np.uint8)
        self._stack.reset(black)
        self.buffers, self.shown = [black, black], [black]
        self.planes: list[UInt8Array] = []
        self.lives = self.reference = self.noops = 0
        self.episode_return = self.episode_length = self.frames_of_steps = 0
        self.begin_time = 0.0
        self.is_game_over, self.is_playing = True, False

    def step(self, action: int, strength: float) -> Row:
        """Play a step; return a column of `Results`.

        The comments have the values of a step of Breakout that hits a brick of 4 points, by stable-baselines3's rules.
        """
        rules, ale = self.rules, self.ale
        self.is_playing = False  # until all is done
        raw_reward, reference, has_ended = 0, self.reference, False
        screens = []  # uint8[210, 160] of frames 2 and 3
        for frame in range(rules.frame_skip):  # 0, 1, 2, 3
            # Sticky draw, inputs, one frame of the console, and the reward that its RAM says: 0, 4, 0, 0.
            raw_reward += self.console.act(self.console.actions[action], strength)
            self.frames_of_steps += 1
            if frame >= rules.frame_skip - 1 - self.is_pooled:
                screens.append(ale.getScreen())
            has_ended = ale.game_over() or self._is_out_of_frames()  # False
            if not has_ended and rules.life_unit == "frame" and rules.life_loss in {"reset", "continue"}:
                has_ended = self.least_lives <= ale.lives() < reference
                if not has_ended and rules.life_reference == "frame":
                    reference = ale.lives()
            if has_ended:
                break

        # Lives.
        lives = ale.lives()  # 5
        is_reported = rules.life_loss != "ignore" and self.least_lives <= lives < reference
        is_lost, self.lives = lives < self.lives, lives
        if rules.life_reference != "reset":
            self.reference = lives
        self.episode_length += 1
        self.episode_return += raw_reward

        # Ends.
        terminated, truncated = ale.game_over(with_truncation=False) or is_reported, ale.game_truncated()
        self.is_game_over = ale.game_over()
        if self._is_out_of_frames():
            truncated, self.is_game_over = not terminated, True
        if self.episode_length == rules.max_episode_steps:
            truncated = self.is_game_over = True
            terminated = terminated and rules.end_priority == "both"

        self._push_plane(screens, has_ended)  # pool, gray, resize: uint8[84, 84], the last of 4 planes
        is_over = self.is_game_over or (is_reported and rules.life_loss != "report")
        self.is_playing = not is_over
        return self._column(
            reward=np.sign(raw_reward) if rules.reward_clip else raw_reward, raw_reward=raw_reward,  # 1 and 4
            terminated=terminated, truncated=truncated, life_lost=is_lost, game_over=self.is_game_over,
            ends_game=self.is_game_over or (is_over and rules.life_loss == "reset"), is_step=True,
        )  # fmt: skip

    def reset(self, seed: int | None, new_game: bool = False) -> Row:
        """Begin an episode; return a column of `Results`."""
        rules = self.rules
        self.is_playing = False
        self._seed, self._is_new_game = seed, False
        if seed is not None or new_game:
            self.is_game_over = True
        goes_on = rules.life_loss == "continue" and not self.is_game_over
        shown = self._go_on() if goes_on else self._begin_game()
        if rules.fire_reset == "steps_after" and self.console.actions[1:2] == [ale_py.Action.FIRE]:
            for action in self.console.actions[1:3] if len(self.console.actions) > 2 else ():
                shown = self._play_start(action)
        self.lives = self.reference = self.ale.lives()
        if rules.going_on == "opening":
            self.is_game_over = False

        if rules.screens_at_reset == "clear":
            self.buffers = [shown[0], shown[-1]]
        elif rules.end_rule == "stale" and len(shown) == 1:
            self.buffers[0] = shown[0]
        plane, self.shown = self._make_plane(*shown), [self.ale.getScreen()]
        if self._is_new_game or rules.going_on == "noop_step":
            padding = plane if rules.padding_type == "reset" else np.zeros_like(plane)
            self.planes = [padding] * rules.stack_num
        self.planes = [*self.planes[1:], plane]
        self.is_playing = True
        return self._column(noops=self.noops, is_reset=True)

    def _begin_game(self) -> list[UInt8Array]:
        """Reset the game and play what follows; return the screens of a first plane."""
        self._reset_game()
        # A game that begins among the no-ops after a lost life is counted on, as envpool does.
        self.episode_return = self.episode_length = self.frames_of_steps = 0
        self.begin_time = time.perf_counter()
        return self._play_opening()

    def _go_on(self) -> list[UInt8Array]:
        """Go on with the game after a lost life; return the screens of a first plane."""
        if self.rules.going_on == "opening":
            return self._play_opening()
        if self._play_step(NOOP):
            return self._begin_game()
        self.reference = self.ale.lives()
        return list(self.buffers)

    def _reset_game(self) -> None:
        if self._seed is not None:
            self.console.seed(self._seed)
            if self.rules.seeding == "ale":
                self._seed = None  # gymnasium's wrappers pass it on to a second reset, ale-py has used it up
        self.console.reset()
        self._is_new_game = True

    def _play_opening(self) -> list[UInt8Array]:
        """Play no-ops and frames of FIRE; return the screens of a first plane."""
        rules, console, ale = self.rules, self.console, self.ale
        self.noops = console.draw_noops()
        if rules.fire_reset == "frame_before" and self.has_fire:
            console.act(ale_py.Action.FIRE)
        shown = [ale.getScreen()]
        for _ in range(self.noops):
            if rules.noop_unit == "step":
                self._play_step(NOOP)
                shown = list(self.buffers)
            else:
                console.act(NOOP)
                shown = [ale.getScreen()]
            if ale.game_over():
                self._reset_game()
                shown = [ale.getScreen()]
        if rules.fire_reset == "frame_after" and self.has_fire:
            console.act(ale_py.Action.FIRE)
            shown = [ale.getScreen()]
        self.reference = ale.lives()
        return shown

    def _play_start(self, action: Any) -> list[UInt8Array]:
        """Play one of the steps that start a game, as stable-baselines3's `FireResetEnv`; return its screens.

        They are those of the first plane also if the game is reset or goes on after the step.
        """
        self.is_game_over = self._play_step(action)
        shown = list(self.buffers)
        lives, reference = self.ale.lives(), self.reference
        self.reference = lives
        if self.is_game_over:
            self._begin_game()
        elif self.rules.life_loss == "continue" and self.least_lives <= lives < reference:
            self._go_on()
        return shown

    def _play_step(self, action: Any) -> bool:
        """Play a step before the first observation, into the buffers; return whether it ended the game."""
        rules, ale = self.rules, self.ale
        if rules.screens_at_reset == "clear":
            self.buffers = [ale.getScreen(), ale.getScreen()]
        for frame in range(rules.frame_skip):
            self.console.act(action)
            is_seen = not ale.game_over() or rules.end_rule != "discard"
            if self.is_pooled and frame >= rules.frame_skip - 2 and is_seen:
                self.buffers[frame - rules.frame_skip] = ale.getScreen()
            if ale.game_over():
                break
        if not self.is_pooled:
            self.buffers = [ale.getScreen(), ale.getScreen()]
        return bool(ale.game_over())

    def _push_plane(self, screens: list[UInt8Array], has_ended: bool) -> None:
        """Add the plane of a step to the stack.

        Args:
            screens (list of uint8[H, W]): of the step's last frames, of which a plane is made: two if planes are
                pooled, else one; fewer if the step ended early.
            has_ended (bool): whether a frame ended the step.
        """
        rules, count = self.rules, len(screens)
        if has_ended and rules.end_rule == "discard":
            seen = [*self.buffers, screens[0]] if count == 2 else []
        elif self.is_pooled:
            self.buffers = [*screens, *self.buffers[count:]]
            seen = screens if rules.end_rule == "stale" and count == 1 else self.buffers
        else:
            seen = self.buffers = [self.ale.getScreen()] * 2
        has_plane = bool(seen) or rules.obs_type == "ram"
        plane = self._make_plane(*seen) if has_plane else self.planes[-1]
        self.planes = [*self.planes[1:], plane]
        is_pooled = count == 2 and not has_ended and rules.obs_type == "screen"
        self.shown = screens if is_pooled else [self.ale.getScreen()]

    def _make_plane(self, *screens: UInt8Array) -> UInt8Array:
        """Make a plane of one to three screens, or of the RAM as it is now."""
        if self.rules.obs_type == "ram":
            ram: UInt8Array = self.ale.getRAM()
            return ram
        self._stack.push(*screens)
        return self._stack.newest

    def _is_out_of_frames(self) -> bool:
        """Return whether as many frames of steps were played as there may be."""
        limit = self.rules.max_num_frames_per_episode
        return self.rules.frame_budget == "steps" and 0 < limit <= self.frames_of_steps

    def _column(self, **values: Any) -> Row:
        """Return a column of `Results`; what is not given is 0."""
        return values | {
            "episode_return": self.episode_return,
            "episode_length": self.episode_length,
            "episode_seconds": time.perf_counter() - self.begin_time,
            "lives": self.lives,
            "episode_frame_number": self.ale.getEpisodeFrameNumber(),
            "frame_number": self.ale.getFrameNumber(),
        }

    def observe(self) -> npt.NDArray[Any]:
        """Return the stack: uint8[shape], or float32[shape] if it is scaled; a fresh array."""
        rules = self.rules
        axis = rules.stack_axis if rules.grayscale_obs or rules.stack_axis == 0 or rules.obs_type == "ram" else 2
        stack = np.stack(self.planes, axis).reshape(rules.shape)
        return np.divide(stack, np.float32(255), dtype=np.float32) if rules.scale_obs else stack

    def render(self, pooled: bool) -> UInt8Array:
        """Return the screen in its colours: uint8[H, W, 3], a fresh array. See `Engine.render`."""
        colours = rgb_table(self.console.palette)
        screens = self.shown if pooled else self.shown[-1:]
        rgb: UInt8Array = np.maximum.reduce([colours[screen] for screen in screens])
        return rgb
