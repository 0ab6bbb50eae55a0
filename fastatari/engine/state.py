"""What an engine's compiled functions read and write: plain data, an `Environment` each and a `Setup` for all.

An environment is this, its console, its ring of planes and its row of results; `compiled.CompiledEngine` owns all four.
"""

import ctypes
from ctypes import c_int64, c_uint8
from typing import Annotated

from fastatari.compiler import Array, Ints, i64, structure
from fastatari.console.state import Generator, Machine

# What a plane is made of.
ONE_SCREEN, TWO_SCREENS, RAM = range(3)

# What the frame that ends a step early does to its plane: `AtariRules.end_rule`.
DISCARD, CAPTURE, STALE = range(3)

# How the rules press FIRE in an opening: never, for a frame before or after the no-ops, or by steps after them.
NEVER, FRAME_BEFORE, FRAME_AFTER, STEPS_AFTER = range(4)

# Whose generator decides whether an action sticks, or draws the no-ops.
CONSOLES_OWN, NUMPYS = range(2)

# When an environment is reset: `gymnasium.vector.AutoresetMode`.
NEXT_STEP, SAME_STEP, DISABLED = range(3)

RAM_SIZE = 128


@structure
class Setup(ctypes.Structure):
    """What all environments of an engine have in common; nothing of it changes."""

    # The rules.
    frame_skip: i64
    plane_kind: i64  # ONE_SCREEN, TWO_SCREENS or RAM
    end_rule: i64
    keeps_screens: i64  # whether the screens before a reset are those before the first step
    watches_lives: i64  # whether a lost life ends a step
    follows_lives: i64  # whether lives are compared with those after the last frame
    least_lives: i64  # how many lives have to be left for one to count as lost
    reports_lives: i64  # whether a lost life is `terminated`
    ends_by_life: i64  # whether the episode is over then
    ends_game_by_life: i64  # whether the next reset begins a new game then
    continues: i64  # whether the next episode goes on with the game then,
    continues_by_opening: i64  # and that by no-ops and FIRE instead of a step of no-op
    moves_reference: i64  # whether lives are compared with those after the last step, not after the last reset
    clips_reward: i64
    step_limit: i64  # after how many steps a game is truncated; 0 for never
    frame_limit: i64  # after how many frames; 0 for never
    counts_opening: i64  # whether those before the first step count
    truncates_alone: i64  # whether a step that reaches `step_limit` is truncated, and not terminated
    pads_with_zeros: i64
    noop_max: i64
    noop_remainder: i64  # 2**32 modulo noop_max
    noop_offset: i64  # what is added to the number of no-ops that was drawn
    unit_is_step: i64  # whether a no-op is a step, and not a frame
    fires: i64
    starting_actions: Annotated[Ints, c_int64 * 2]  # of STEPS_AFTER
    seeds_again: i64  # whether a reset within a seeded reset is seeded too
    sticky_draws: i64  # CONSOLES_OWN, which the console does by itself, or NUMPYS
    sticky_probability: i64  # of NUMPYS, the bits of a double
    action_num: i64  # how many actions the game has,
    actions: Annotated[Ints, c_int64 * 18]  # and ale-py's numbers of them
    autoreset: i64
    # Sizes.
    stack_num: i64
    is_stacked_last: i64  # whether the stack lies along the last axis
    plane_size: i64  # bytes
    obs_size: i64
    screen_size: i64
    scratch_pictures: i64  # where in a thread's memory there is room for two pictures,
    scratch_flags: i64  # and for flags of rows, of no meaning
    num_envs: i64
    # Addresses.
    environments: i64  # int64[num_envs]: where they are
    plan: i64  # of `preprocessing.PicturePlan`
    starts: i64  # of `console.recording.StartTable`
    act_frames: i64  # functions
    begin: i64
    draw_picture: i64
    draw_pictures: i64
    draw_start: i64
    push: i64
    read: i64
    floats: i64  # results: see `results.Results`
    integers: i64
    flags: i64
    final_floats: i64
    final_integers: i64
    final_flags: i64
    needs_reset: i64  # uint8[num_envs]: which environments wait for a reset by the caller
    final_obs: i64  # uint8[num_envs, obs_size]
    final_ram: i64  # uint8[num_envs, 128]


@structure
class Environment(ctypes.Structure):
    """One environment, but for its console and planes."""

    # Addresses.
    setup: i64
    console: i64
    planes: i64  # uint8[stack_num, plane_size]
    pair_screens: Annotated[Ints, c_int64 * 3]  # uint8[H, 160] each: memory for pictures of the pair, and one more
    draw_double: i64  # numpy's generator: functions and state
    draw_word: i64
    draw_state: i64
    index: i64
    # The episode.
    has_begun: i64
    is_playing: i64  # whether there can be a step before the next reset
    is_game_over: i64  # whether the next reset begins a new game, whatever the rules
    lives: i64
    reference: i64  # the lives with which those to come are compared
    frames_left: i64  # of the budget
    noop_draws: i64  # who draws how many no-ops there are: ale-py's generator, CONSOLES_OWN, or NUMPYS
    noops: i64  # how many followed the last reset of the game
    episode_return: i64
    episode_length: i64
    sticky_action: i64  # of NUMPYS
    sticky_units: i64
    # The opening, while it is played.
    noops_left: i64
    fires_left: i64  # how many starting steps are still to come
    fires_frame: i64  # whether FIRE is still to be pressed for a frame
    is_seeded: i64  # whether the generators were seeded for the next reset of the console
    waits_for: i64  # what goes on once they are: NOTHING, CONSOLE or GAME
    shows_pair: i64  # whether the first plane is made of the pair, and not of the present screen
    is_filled: i64  # whether the first plane is there already
    is_new_game: i64  # whether the stack begins anew
    has_failed: i64  # whether a reset did not reach the game's mode
    # The planes.
    newest: i64  # which plane
    is_exact: i64  # whether the rows that changed since it was made are exactly those that are flagged,
    made_of: i64  # and of ONE_SCREEN, of which of the console's screens it was made
    is_complete: i64  # whether it is of the last two frames of a step that did not end early
    is_split: i64  # whether the last two frames share a screen, and the first one's picture was copied
    # The pair: the two screens of the last plane. Each is the machine before its frame, or its picture.
    pair_has_start: Annotated[Ints, c_uint8 * 2]
    unused: Annotated[Ints, c_uint8 * 6]
    noop_generator: Annotated[Generator, Generator]  # as ale-py's draws no-ops
    pair: Annotated[Array[Machine], Machine * 2]
