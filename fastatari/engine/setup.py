"""Makes the `Setup` of an engine: its rules as numbers, and where everything lies."""

import math
import struct
from typing import Any

from gymnasium.vector import AutoresetMode

from fastatari.engine import state
from fastatari.engine.state import Setup
from fastatari.rules import AtariRules

_AUTORESETS = {
    AutoresetMode.NEXT_STEP: state.NEXT_STEP,
    AutoresetMode.SAME_STEP: state.SAME_STEP,
    AutoresetMode.DISABLED: state.DISABLED,
}
_END_RULES = {"discard": state.DISCARD, "capture": state.CAPTURE, "stale": state.STALE}
_WITH_LIFE = {"reset", "continue"}


def draws_sticky(rules: AtariRules) -> bool:
    """Return whether numpy's generator decides which actions stick."""
    return rules.sticky_draws == "np_random" and rules.repeat_action_probability > 0


def choose_fire(rules: AtariRules, meanings: tuple[str, ...]) -> int:
    """Return how FIRE is pressed in the openings of a game with these actions."""
    if rules.fire_reset == "frame_before" and "FIRE" in meanings:
        return state.FRAME_BEFORE
    if rules.fire_reset == "frame_after" and "FIRE" in meanings:
        return state.FRAME_AFTER
    if rules.fire_reset == "steps_after" and len(meanings) > 2 and meanings[1] == "FIRE":
        return state.STEPS_AFTER
    return state.NEVER


def make_setup(rules: AtariRules, autoreset_mode: AutoresetMode, meanings: tuple[str, ...], actions: Any) -> Any:
    """Return a `Setup` with the rules of a game, without addresses and sizes.

    Args:
        rules (AtariRules): the rules.
        autoreset_mode (AutoresetMode): when an environment is reset after the end of an episode.
        meanings (tuple[str, ...]): the names of the game's actions.
        actions (Sequence[int]): ale-py's numbers of them.
    """
    s: Any = Setup()
    s.frame_skip = rules.frame_skip
    is_pooled = rules.maxpool and rules.frame_skip > 1
    s.plane_kind = state.RAM if rules.obs_type == "ram" else state.TWO_SCREENS if is_pooled else state.ONE_SCREEN
    s.end_rule = _END_RULES[rules.end_rule]
    s.keeps_screens = rules.screens_at_reset == "keep"
    ends_by_life = rules.life_loss in _WITH_LIFE
    s.watches_lives = rules.life_unit == "frame" and ends_by_life
    s.follows_lives = s.watches_lives and rules.life_reference == "frame"
    s.least_lives = 0 if rules.counts_last_life else 1
    s.reports_lives = rules.life_loss != "ignore"
    s.ends_by_life = rules.life_loss != "report"
    s.ends_game_by_life = rules.life_loss == "reset"
    s.continues = rules.life_loss == "continue"
    s.continues_by_opening = rules.life_loss == "continue" and rules.going_on == "opening"
    s.moves_reference = rules.life_reference != "reset"
    s.clips_reward = rules.reward_clip
    s.step_limit = rules.max_episode_steps or 0
    s.frame_limit = rules.max_num_frames_per_episode
    s.counts_opening = rules.frame_budget == "game" and rules.max_num_frames_per_episode > 0
    s.truncates_alone = rules.end_priority == "truncated"
    s.pads_with_zeros = rules.padding_type == "zero"
    s.fires = choose_fire(rules, meanings)
    s.noop_max = rules.noop_max
    s.noop_remainder = 2**32 % rules.noop_max if rules.noop_max else 0
    fires_a_frame = s.fires in {state.FRAME_BEFORE, state.FRAME_AFTER}
    s.noop_offset = (rules.noop_range == "1..max") - fires_a_frame
    s.unit_is_step = rules.noop_unit == "step"
    if s.fires == state.STEPS_AFTER:
        s.starting_actions[:] = actions[1:3]
    s.seeds_again = rules.seeding == "gymnasium"
    s.sticky_draws = state.NUMPYS if draws_sticky(rules) else state.CONSOLES_OWN
    s.sticky_probability = struct.unpack("<q", struct.pack("<d", rules.repeat_action_probability))[0]
    s.action_num = len(actions)
    s.actions[: len(actions)] = actions
    s.autoreset = _AUTORESETS[autoreset_mode]
    s.stack_num = rules.stack_num
    s.is_stacked_last = rules.stack_axis == -1
    s.obs_size = math.prod(rules.shape)
    return s
