"""`NaiveEnv`: the slow, obvious twin of all rules of `AtariRules`, over ale-py's console, cv2 and numpy.

It really loads the ROM for a seed, really resets, keeps whole screens, and makes each plane from nothing. It is to be
read from top to bottom: a reset first, then a step, then what both are made of.
"""

import ale_py
import ale_py.roms
import cv2
import numpy as np
from gymnasium.utils.seeding import np_random
from reference import TO_GRAY

NOOP, FIRE = ale_py.Action.NOOP, ale_py.Action.FIRE


class NaiveEnv:
    """One game under a set of rules.

    Args:
        rom (str): the ROM's id in ale-py.
        rules (AtariRules): the rules.

    Attributes:
        action_meanings (list[str]): the names of the actions, by index.
        np_random (np.random.Generator): draws no-ops and sticky actions as the rules say; may be replaced.
        is_playing (bool): whether there can be a step before the next reset.
    """

    def __init__(self, rom, rules):
        self.rules = rules
        self.path = ale_py.roms.get_rom_path(rom)
        ale_py.ALEInterface.setLoggerMode(ale_py.LoggerMode.Error)
        self.ale = ale_py.ALEInterface()
        self.draws_itself = rules.sticky_draws == "np_random" and rules.repeat_action_probability > 0
        self.ale.setFloat("repeat_action_probability", 0.0 if self.draws_itself else rules.repeat_action_probability)
        budget = rules.max_num_frames_per_episode
        self.ale.setInt("max_num_frames_per_episode", budget if rules.frame_budget == "game" else 0)
        self.step_budget = budget if rules.frame_budget == "steps" else 0
        self.load(0)

        has_all_actions = rules.full_action_space or rules.continuous
        self.actions = self.ale.getLegalActionSet() if has_all_actions else self.ale.getMinimalActionSet()
        self.action_meanings = [action.name for action in self.actions]
        self.is_pooled = rules.maxpool and rules.frame_skip > 1
        self.least_lives = 0 if rules.counts_last_life else 1
        self.buffers = [np.zeros_like(self.look()), np.zeros_like(self.look())]  # the screens that planes are made of
        self.planes = []
        self.is_game_over = True
        self.is_playing = False

    def reset(self, seed=None, new_game=False):
        """Begin an episode; return the observation and info."""
        rules = self.rules
        self.seed = seed
        self.was_reset = False
        if seed is not None or new_game:
            self.is_game_over = True
        goes_on = rules.life_loss == "continue" and not self.is_game_over
        shown = self.go_on() if goes_on else self.begin_game()
        if rules.fire_reset == "steps_after" and self.action_meanings[1:2] == ["FIRE"] and len(self.actions) > 2:
            for action in self.actions[1:3]:
                self.is_game_over = self.play_step_of_opening(action)
                shown = list(self.buffers)  # also where the game is reset now
                lives, before = self.ale.lives(), self.reference
                self.reference = lives
                if self.is_game_over:
                    self.begin_game()
                elif rules.life_loss == "continue" and self.least_lives <= lives < before:
                    self.go_on()
        self.lives = self.reference = self.ale.lives()
        self.is_playing = True
        if rules.going_on == "opening":
            self.is_game_over = False  # stable-baselines3's wrappers find that out in the next step only

        if rules.screens_at_reset == "clear":
            self.buffers = [shown[0], shown[-1]]
        elif rules.end_rule == "stale" and len(shown) == 1:
            self.buffers[0] = shown[0]
        plane = self.make_plane(shown)
        if self.was_reset or rules.going_on == "noop_step":
            padding = plane if rules.padding_type == "reset" else np.zeros_like(plane)
            self.planes = [padding] * (rules.stack_num - 1) + [plane]
        else:
            self.planes = [*self.planes[1:], plane]
        return self.observe(), self.read_info(noops=self.noops)

    def step(self, action):
        """Play a step; return the observation, reward, terminated, truncated, and info."""
        assert self.is_playing
        rules = self.rules
        action, strength = self.map_action(action)
        raw_reward, screens, reference = 0.0, [], self.reference
        is_cut = False
        for _ in range(rules.frame_skip):
            raw_reward += self.act(action, strength)
            screens.append(self.look())
            self.frames_of_steps += 1
            is_cut = self.ale.game_over() or self.frames_of_steps == self.step_budget
            if not is_cut and rules.life_unit == "frame" and rules.life_loss in {"reset", "continue"}:
                lives = self.ale.lives()
                is_cut = self.least_lives <= lives < reference
                if not is_cut and rules.life_reference == "frame":
                    reference = lives
            if is_cut:
                break
        self.push_plane(screens, is_cut)

        lives, lives_before = self.ale.lives(), self.lives
        is_life_reported = rules.life_loss != "ignore" and self.least_lives <= lives < reference
        if rules.life_reference != "reset":
            self.reference = lives
        self.lives = lives
        self.episode_length += 1
        self.episode_return += raw_reward

        terminated = self.ale.game_over(with_truncation=False) or is_life_reported
        truncated = self.ale.game_truncated()
        self.is_game_over = self.ale.game_over()
        if self.frames_of_steps == self.step_budget:
            truncated = not terminated
            self.is_game_over = True
        if self.episode_length == rules.max_episode_steps:
            truncated = self.is_game_over = True
            if rules.end_priority == "truncated":
                terminated = False
        self.is_playing = not (self.is_game_over or (is_life_reported and rules.life_loss != "report"))

        reward = float(np.sign(raw_reward)) if rules.reward_clip else raw_reward
        info = self.read_info(raw_reward=raw_reward, life_lost=lives < lives_before, game_over=self.is_game_over)
        if self.is_game_over or (not self.is_playing and rules.life_loss == "reset"):
            info["episode"] = {"r": self.episode_return, "l": self.episode_length}
        return self.observe(), reward, terminated, truncated, info

    def begin_game(self):
        """Reset the game and play what follows; return the screens of which the first plane is made."""
        self.reset_game()
        self.episode_return, self.episode_length, self.frames_of_steps = 0.0, 0, 0
        return self.play_opening()

    def go_on(self):
        """Go on with the game after a lost life; return the screens of which the first plane is made."""
        if self.rules.going_on == "opening":
            return self.play_opening()
        if self.play_step_of_opening(NOOP):
            return self.begin_game()
        self.reference = self.ale.lives()
        return list(self.buffers)

    def play_opening(self):
        """Play no-ops and frames of FIRE; return the screens of which a plane is made."""
        rules = self.rules
        self.noops = self.draw_noops()
        shown = [self.look()]
        if rules.fire_reset == "frame_before" and "FIRE" in self.action_meanings:
            self.act(FIRE)
            shown = [self.look()]
        for _ in range(self.noops):
            if rules.noop_unit == "step":
                self.play_step_of_opening(NOOP)
                shown = list(self.buffers)
            else:
                self.act(NOOP)
                shown = [self.look()]
            if self.ale.game_over():
                self.reset_game()
                shown = [self.look()]
        if rules.fire_reset == "frame_after" and "FIRE" in self.action_meanings:
            self.act(FIRE)
            shown = [self.look()]
        self.reference = self.ale.lives()
        return shown

    def play_step_of_opening(self, action):
        """Play a step before the first observation, into the buffers; return whether it ended the game."""
        rules = self.rules
        if rules.screens_at_reset == "clear":
            self.buffers = [self.look(), self.look()]
        for frame in range(rules.frame_skip):
            self.act(action)
            is_over = self.ale.game_over()
            if self.is_pooled and frame >= rules.frame_skip - 2 and not (is_over and rules.end_rule == "discard"):
                self.buffers[frame - rules.frame_skip] = self.look()
            if is_over:
                break
        if not self.is_pooled:
            self.buffers = [self.look(), self.look()]
        return is_over

    def reset_game(self):
        """Reset the game, as after loading the ROM if there is a seed."""
        if self.seed is not None:
            self.load(self.seed)
            if self.rules.seeding == "ale":
                self.seed = None  # gymnasium's wrappers pass it on to a second reset, ale-py has used it up
        self.ale.reset_game()
        self.last_action = NOOP, 1.0
        self.was_reset = True

    def load(self, seed):
        """Seed all generators and load the ROM."""
        rules = self.rules
        if rules.seeding == "gymnasium":
            numpy_seed, emulator_seed = np.random.SeedSequence(seed).generate_state(2)
        else:
            numpy_seed = emulator_seed = np.uint32(seed)
        self.np_random, _ = np_random(int(numpy_seed))
        # A std::mt19937, which draws the no-ops of ale-py's vector environment, until `np_random` is replaced.
        self.mt19937 = np.random.RandomState(numpy_seed), self.np_random
        self.ale.setInt("random_seed", int(emulator_seed.astype(np.int32)))
        self.ale.loadROM(self.path)
        if rules.mode is not None:
            self.ale.setMode(rules.mode)
        if rules.difficulty is not None:
            self.ale.setDifficulty(rules.difficulty)

    def draw_noops(self):
        """Draw the number of no-ops."""
        rules = self.rules
        if not rules.noop_max:
            return 0
        generator, replaceable = self.mt19937
        if rules.seeding == "ale" and replaceable is self.np_random:
            # As std::uniform_int_distribution of libstdc++: the upper half of a word's product with the number of
            # results, except where the lower half would make some results more probable than others.
            is_fair = False
            while not is_fair:
                product = int(generator.randint(0, 2**32, dtype=np.uint32)) * rules.noop_max
                is_fair = product % 2**32 >= 2**32 % rules.noop_max
            number = product >> 32
        else:
            number = int(self.np_random.integers(rules.noop_max))
        number += rules.noop_range == "1..max"
        has_fire_frame = rules.fire_reset in {"frame_before", "frame_after"} and "FIRE" in self.action_meanings
        return max(0, number - has_fire_frame)

    def act(self, action, strength=1.0):
        """Play a frame, of the action or of the one that sticks; return its reward."""
        if self.draws_itself:
            if self.np_random.random() >= self.rules.repeat_action_probability:
                self.last_action = action, strength
            action, strength = self.last_action
        return self.ale.act(action, strength)

    def look(self):
        """Return the screen: the gray levels that ale-py gives, or RGB if the rules make something else of it."""
        is_gray = self.rules.grayscale_obs and self.rules.gray == "ale"
        return self.ale.getScreenGrayscale() if is_gray else self.ale.getScreenRGB()

    def map_action(self, action):
        """Return the console's action, and how far the stick or paddle is moved."""
        if not self.rules.continuous:
            return self.actions[action], 1.0
        radius, angle, fire = action
        x, y = radius * np.cos(angle), radius * np.sin(angle)
        threshold = np.float32(self.rules.continuous_action_threshold)
        name = "UP" * bool(y > threshold) + "DOWN" * bool(y < -threshold)
        name += "RIGHT" * bool(x > threshold) + "LEFT" * bool(x < -threshold)
        name += "FIRE" * bool(fire > threshold)
        return ale_py.Action.__members__[name or "NOOP"], radius

    def push_plane(self, screens, is_cut):
        """Add the plane of a step to the stack, of all screens that it showed."""
        rules, buffers = self.rules, self.buffers
        missing = rules.frame_skip - len(screens)
        last = screens[-1]
        shown = buffers
        if is_cut and rules.end_rule == "discard":
            shown = [*buffers, screens[-2]] if self.is_pooled and not missing else None
        elif not self.is_pooled:
            shown = self.buffers = [last, last]
        elif missing == 0:
            shown = self.buffers = screens[-2:]
        elif missing == 1:
            buffers[0] = last
            shown = buffers if rules.end_rule == "capture" else [last]
        is_repeated = shown is None and rules.obs_type == "screen"
        self.planes = [*self.planes[1:], self.planes[-1] if is_repeated else self.make_plane(shown)]

    def make_plane(self, screens):
        """Make a plane of screens that `look` returned, stage by stage, or of the RAM as it is now."""
        rules = self.rules
        if rules.obs_type == "ram":
            return self.ale.getRAM()
        images = screens
        for stage in rules.order.split("-"):
            if stage == "max":
                images = [np.maximum.reduce(images)]
            elif stage == "resize":
                images = [cv2.resize(image, rules.size[::-1], interpolation=cv2.INTER_AREA) for image in images]
            elif rules.grayscale_obs and rules.gray != "ale":
                images = [TO_GRAY[rules.gray](image) for image in images]
        return images[0]

    def observe(self):
        """Return the stack, a fresh array."""
        rules = self.rules
        if rules.obs_type == "ram":
            observation = np.stack(self.planes, axis=rules.stack_axis) if rules.stack_num > 1 else self.planes[0]
        elif rules.stack_axis == 0:
            observation = np.stack(self.planes)
        else:
            observation = np.concatenate([np.atleast_3d(plane) for plane in self.planes], axis=-1)
        return observation.astype(np.float32) / np.float32(255) if rules.scale_obs else observation.copy()

    def read_info(self, *, raw_reward=0.0, life_lost=False, game_over=False, noops=0):
        """Return the info of a reset or a step."""
        return {
            "lives": self.lives,
            "episode_frame_number": self.ale.getEpisodeFrameNumber(),
            "frame_number": self.ale.getFrameNumber(),
            "raw_reward": raw_reward,
            "life_lost": life_lost,
            "game_over": game_over,
            "noops": noops,
        }
