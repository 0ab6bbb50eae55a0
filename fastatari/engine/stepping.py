"""A step: an action for some frames, the rules, a plane, and the results; and resets where they are due."""

from fastatari.compiler import Pointer8, Pointer64, address, copy_bytes, inline, pointer
from fastatari.compiler.intrinsics import store_double
from fastatari.console.state import Console
from fastatari.engine import pictures
from fastatari.engine.opening import act, is_used_up, reset
from fastatari.engine.results import FLAGS, FLOATS, INTEGERS
from fastatari.engine.state import DISABLED, NEXT_STEP, RAM, RAM_SIZE, SAME_STEP, TWO_SCREENS, Environment, Setup

# Rows of the results.
REWARD, RAW_REWARD, EPISODE_RETURN = map(FLOATS.index, ("reward", "raw_reward", "episode_return"))
LIVES, EPISODE_FRAME_NUMBER, FRAME_NUMBER, NOOPS, EPISODE_LENGTH = map(
    INTEGERS.index, ("lives", "episode_frame_number", "frame_number", "noops", "episode_length")
)
TERMINATED, TRUNCATED, LIFE_LOST, GAME_OVER, IS_STEP, IS_RESET, ENDS_GAME, HAS_FINAL = map(
    FLAGS.index, ("terminated", "truncated", "life_lost", "game_over", "is_step", "is_reset", "ends_game", "has_final")
)
COPIED_FLOATS, COPIED_INTEGERS, COPIED_FLAGS = map(len, (FLOATS, INTEGERS, FLAGS))


def advance(e: Environment, scratch: int, action: int, units: int) -> None:
    """Do what a step of an environment comes to: a step, or a reset, or both."""
    s = pointer(Setup, e.setup)
    if e.is_playing == 0 and s.autoreset == NEXT_STEP:
        reset(e, scratch, 0)
        write_reset(e, s)
        return
    step(e, s, scratch, action, units)
    if e.is_playing == 0 and s.autoreset == SAME_STEP:
        keep_final(e, s)
        reset(e, scratch, 0)
        write_reset_after_step(e, s)


def step(e: Environment, s: Setup, scratch: int, action: int, units: int) -> None:
    """Play a step.

    Args:
        e: the environment.
        s: its setup.
        scratch: memory of the thread, for the kernels.
        action: ale-py's number of it.
        units: how far a paddle moves in a frame.
    """
    c = pointer(Console, e.console)
    e.is_playing = e.is_split = 0
    raw_reward, reference, cut = 0, e.reference, -1
    first_drawn = s.frame_skip - 1 - int(s.plane_kind == TWO_SCREENS)
    for frame in range(s.frame_skip):
        raw_reward += act(e, s, c, action, units, int(frame >= first_drawn and s.plane_kind != RAM))
        is_lost = int(s.watches_lives != 0 and s.least_lives <= c.lives < reference)
        is_over = int(c.over != 0 or is_used_up(s, c) != 0 or (s.counts_opening == 0 and frame == e.frames_left - 1))
        if is_over or is_lost:
            cut = frame
            break
        if s.follows_lives:
            reference = c.lives
        if frame == s.frame_skip - 2:
            pictures.note_split(e, s, c)
    frames = s.frame_skip
    if cut < 0:
        pictures.push_present(e, s, c, scratch)
    else:
        frames = cut + 1
        pictures.push_cut(e, s, c, scratch, s.frame_skip - frames)

    is_reported = int(s.reports_lives != 0 and s.least_lives <= c.lives < reference)
    if s.moves_reference:
        e.reference = c.lives
    is_life_lost = int(c.lives < e.lives)
    e.lives = c.lives
    e.frames_left -= frames
    e.episode_return += raw_reward
    e.episode_length += 1

    terminated = int(c.over != 0 or is_reported != 0)
    truncated = is_used_up(s, c)
    is_over = int(c.over != 0 or truncated != 0)
    if s.counts_opening == 0 and e.frames_left == 0:
        truncated = int(terminated == 0)
        is_over = 1
    if e.episode_length == s.step_limit:
        truncated = is_over = 1
        if s.truncates_alone:
            terminated = 0
    e.is_game_over = is_over
    e.is_playing = int(is_over == 0 and (is_reported == 0 or s.ends_by_life == 0))
    write_step(e, s, raw_reward, terminated, truncated, is_life_lost)


def write_step(e: Environment, s: Setup, raw_reward: int, terminated: int, truncated: int, is_life_lost: int) -> None:
    """Write the results of a step."""
    reward = raw_reward
    if s.clips_reward:
        reward = int(raw_reward > 0) - int(raw_reward < 0)
    write_numbers(e, s, reward, raw_reward, 0)
    ends_game = int(e.is_game_over != 0 or (e.is_playing == 0 and s.ends_game_by_life != 0))
    write_flags(e, s, terminated, truncated, is_life_lost, e.is_game_over, 0, ends_game, 0)


def write_reset(e: Environment, s: Setup) -> None:
    """Write the results of a reset."""
    write_numbers(e, s, 0, 0, e.noops)
    write_flags(e, s, 0, 0, 0, 0, 1, 0, 0)


def write_reset_after_step(e: Environment, s: Setup) -> None:
    """Write the results of a reset that followed a step at once: all but the reward, and how the episode ended."""
    i, n = e.index, s.num_envs
    reward = pointer(Pointer64, s.floats)[n * REWARD + i]
    flags = pointer(Pointer8, s.flags)
    terminated, truncated = flags[n * TERMINATED + i], flags[n * TRUNCATED + i]
    write_reset(e, s)
    pointer(Pointer64, s.floats)[n * REWARD + i] = reward
    flags[n * TERMINATED + i] = terminated
    flags[n * TRUNCATED + i] = truncated
    flags[n * HAS_FINAL + i] = 1


@inline
def write_numbers(e: Environment, s: Setup, reward: int, raw_reward: int, noops: int) -> None:
    """Write the results that are numbers."""
    i, n = e.index, s.num_envs
    c = pointer(Console, e.console)
    store_double(s.floats + 8 * (n * REWARD + i), reward)
    store_double(s.floats + 8 * (n * RAW_REWARD + i), raw_reward)
    store_double(s.floats + 8 * (n * EPISODE_RETURN + i), e.episode_return)
    integers = pointer(Pointer64, s.integers)
    integers[n * LIVES + i] = c.lives
    integers[n * EPISODE_FRAME_NUMBER + i] = c.episode_frame_number
    integers[n * FRAME_NUMBER + i] = c.frame_number
    integers[n * NOOPS + i] = noops
    integers[n * EPISODE_LENGTH + i] = e.episode_length


@inline
def write_flags(
    e: Environment, s: Setup, terminated: int, truncated: int, life_lost: int, game_over: int, is_reset: int,
    ends_game: int, has_final: int,
) -> None:  # fmt: skip
    """Write the results that are true or false."""
    i, n = e.index, s.num_envs
    flags = pointer(Pointer8, s.flags)
    flags[n * TERMINATED + i] = terminated
    flags[n * TRUNCATED + i] = truncated
    flags[n * LIFE_LOST + i] = life_lost
    flags[n * GAME_OVER + i] = game_over
    flags[n * IS_STEP + i] = 1 - is_reset
    flags[n * IS_RESET + i] = is_reset
    flags[n * ENDS_GAME + i] = ends_game
    flags[n * HAS_FINAL + i] = has_final
    pointer(Pointer8, s.needs_reset)[i] = int(e.is_playing == 0 and s.autoreset == DISABLED)


def keep_final(e: Environment, s: Setup) -> None:
    """Copy the results and the observation of a step that ended an episode to where a reset leaves them alone."""
    i, n = e.index, s.num_envs
    for row in range(COPIED_FLOATS):
        pointer(Pointer64, s.final_floats)[n * row + i] = pointer(Pointer64, s.floats)[n * row + i]
    for row in range(COPIED_INTEGERS):
        pointer(Pointer64, s.final_integers)[n * row + i] = pointer(Pointer64, s.integers)[n * row + i]
    for row in range(COPIED_FLAGS):
        pointer(Pointer8, s.final_flags)[n * row + i] = pointer(Pointer8, s.flags)[n * row + i]
    pictures.read_stack(e, s, s.final_obs + s.obs_size * i)
    copy_bytes(s.final_ram + RAM_SIZE * i, address(pointer(Console, e.console).ram), RAM_SIZE)
