"""Resets: how an episode begins, with a reset of the game or, where the rules say so, by going on after a lost life."""

from fastatari.compiler import address, inline, pointer
from fastatari.compiler.intrinsics import call_3, call_5, draw_below, draw_word
from fastatari.console.generators import draw
from fastatari.console.inputs import FIRE, NOOP, PADDLE_STEP
from fastatari.console.repeating import FIRE_FIRST, FIRE_LAST, WITHOUT_FIRE
from fastatari.console.state import UINT32, Console
from fastatari.engine import pictures
from fastatari.engine.state import (
    CONSOLES_OWN,
    DISCARD,
    FRAME_AFTER,
    FRAME_BEFORE,
    NUMPYS,
    STALE,
    STEPS_AFTER,
    TWO_SCREENS,
    Environment,
    Setup,
)

# What `Environment.waits_for` says.
NOTHING, CONSOLE, GAME = range(3)

# Flags of `reset`.
SEEDED, NEW_GAME = 1, 2

# What is no budget.
UNLIMITED = 2**62

# Whoever's budget is smaller plays the frames of its openings one by one.
LEAST_BUDGET = 1000
MOST_NOOPS = 1000


def reset(e: Environment, scratch: int, flags: int) -> int:
    """Begin an episode.

    Args:
        e: the environment.
        scratch: memory of the thread, for the kernels.
        flags: SEEDED if the generators and the console were just seeded, NEW_GAME if it is to be a new game in any
            case.

    Returns:
        int: 0; or 1 if they have to be seeded once more: then call this again, with the same flags.
    """
    s, c = pointer(Setup, e.setup), pointer(Console, e.console)
    e.is_playing = 0
    e.is_seeded = flags & SEEDED
    if flags & (SEEDED | NEW_GAME):
        e.is_game_over = 1
    waits_for = e.waits_for
    e.waits_for = NOTHING
    if waits_for == CONSOLE:
        must_seed = reset_console(e, s, c, flags)
    elif waits_for == GAME or e.is_game_over or s.continues == 0:
        if waits_for == NOTHING:
            prepare(e, s)
        must_seed = begin_game(e, s, c, flags)
    else:
        prepare(e, s)
        must_seed = go_on(e, s, c, flags)
    while must_seed == 0 and (e.noops_left or e.fires_frame or e.fires_left):
        must_seed = play_opening(e, s, c, scratch, flags)
    if must_seed:
        return 1
    begin_episode(e, s, c, scratch)
    return 0


def prepare(e: Environment, s: Setup) -> None:
    """Note that nothing of the opening was played yet."""
    e.noops_left = e.fires_frame = 0  # of an opening that an exception cut off
    e.shows_pair = e.is_filled = e.is_new_game = 0
    e.fires_left = 2 if s.fires == STEPS_AFTER else 0


def begin_game(e: Environment, s: Setup, c: Console, flags: int) -> int:
    """Begin a new game: reset it, and draw the number of no-ops; return whether it has to be seeded first."""
    if flags & SEEDED and e.is_seeded == 0 and s.seeds_again:
        e.waits_for = GAME
        return 1
    # A game that begins among the no-ops after a lost life is counted on, as envpool does.
    e.episode_return = e.episode_length = 0
    e.frames_left = s.frame_limit if s.frame_limit else UNLIMITED
    e.noops = draw_noops(e, s)
    e.noops_left = e.noops
    e.fires_frame = int(s.fires == FRAME_BEFORE or s.fires == FRAME_AFTER)
    return reset_console(e, s, c, flags)


def draw_noops(e: Environment, s: Setup) -> int:
    """Draw how many no-ops follow."""
    if s.noop_max == 0:
        return 0
    number = draw_uniform(e, s) if e.noop_draws == CONSOLES_OWN else draw_integer(e, s)
    return max(0, number + s.noop_offset)


def draw_uniform(e: Environment, s: Setup) -> int:
    """Draw an integer below `noop_max` as libstdc++'s ``uniform_int_distribution`` does since GCC 11.

    The method is Lemire's: the upper half of a word's product with their number, unless the lower half is one of those
    few that would make some results more probable than others.
    """
    while True:
        product = draw(e.noop_generator) * s.noop_max
        if product & UINT32 >= s.noop_remainder:
            return product >> 32


def draw_integer(e: Environment, s: Setup) -> int:
    """Draw an integer below `noop_max` as `numpy.random.Generator.integers` does, by the same method."""
    while s.noop_max > 1:
        product = draw_word(e.draw_word, e.draw_state) * s.noop_max
        if product & UINT32 >= s.noop_remainder:
            return product >> 32
    return 0


def reset_console(e: Environment, s: Setup, c: Console, flags: int) -> int:
    """Reset the game, and play what follows with it if that can be repeated.

    Returns:
        int: whether the game has to be seeded first.
    """
    if flags & SEEDED and e.is_seeded == 0 and s.seeds_again:
        e.waits_for = CONSOLE
        return 1
    e.is_seeded = 0
    e.sticky_action = NOOP
    e.sticky_units = PADDLE_STEP
    e.is_new_game = 1
    e.shows_pair = 0
    opening = choose_opening(e, s, c)
    played = call_3(s.begin, address(c), s.starts, opening)
    e.has_failed |= int(played < 0)
    if opening:
        noops = played
        if e.fires_frame and (s.fires == FRAME_BEFORE or played > e.noops_left):
            e.fires_frame = 0
            noops -= 1
        e.noops_left -= noops
        # What FIRE ends is seen by the next no-op.
        if c.over and noops + e.noops_left:
            e.noops_left -= int(noops == 0)
            return reset_console(e, s, c, flags)
    return 0


def choose_opening(e: Environment, s: Setup, c: Console) -> int:
    """Return which frames are played with the reset, as `console.repeating` wants it; 0 for none."""
    has_budget = s.counts_opening != 0 and s.frame_limit < LEAST_BUDGET
    is_sticky = s.sticky_draws == NUMPYS or (e.fires_frame != 0 and c.sticky_threshold > 0)
    if has_budget or is_sticky or s.unit_is_step or e.noops_left > MOST_NOOPS:
        return 0
    fire = WITHOUT_FIRE
    if e.fires_frame:
        fire = FIRE_FIRST if s.fires == FRAME_BEFORE else FIRE_LAST
    return 3 * e.noops_left + fire


def play_opening(e: Environment, s: Setup, c: Console, scratch: int, flags: int) -> int:
    """Play what is next in an opening; return whether the game has to be seeded first."""
    if e.fires_frame and s.fires == FRAME_BEFORE:
        e.fires_frame = 0
        play_frame(e, s, c, FIRE)  # ale-py does not look at what it ends
    elif e.noops_left:
        e.noops_left -= 1
        e.shows_pair = s.unit_is_step
        is_over = play_step(e, s, c, NOOP) if s.unit_is_step else play_frame(e, s, c, NOOP)
        if is_over:
            return reset_console(e, s, c, flags)
    elif e.fires_frame:
        e.fires_frame = e.shows_pair = 0
        play_frame(e, s, c, FIRE)
    else:
        return play_start(e, s, c, scratch, flags)
    return 0


def play_start(e: Environment, s: Setup, c: Console, scratch: int, flags: int) -> int:
    """Play one of the two starting steps, as stable-baselines3's `FireResetEnv`; return as `play_opening`.

    The first plane is of the last of these steps, also if the game was reset or went on after it.
    """
    action = s.starting_actions[2 - e.fires_left]
    lives = c.lives
    e.fires_left -= 1
    e.is_filled = 0
    e.is_game_over = play_step(e, s, c, action)
    e.shows_pair = 1
    is_lost = s.continues != 0 and s.least_lives <= c.lives < lives
    if e.is_game_over or is_lost:
        pictures.push_first(e, s, c, scratch)
        e.is_filled = 1
    if e.is_game_over:
        return begin_game(e, s, c, flags)
    if is_lost:
        return go_on(e, s, c, flags)
    return 0


def go_on(e: Environment, s: Setup, c: Console, flags: int) -> int:
    """Go on with the game after a lost life; return whether it ended and a new one has to be seeded first."""
    if s.continues_by_opening:
        e.noops = draw_noops(e, s)
        e.noops_left = e.noops
        e.fires_frame = int(s.fires == FRAME_BEFORE or s.fires == FRAME_AFTER)
        return 0
    if play_step(e, s, c, NOOP):
        return begin_game(e, s, c, flags)
    e.shows_pair = 1
    return 0


def play_step(e: Environment, s: Setup, c: Console, action: int) -> int:
    """Play a step of an opening; return whether the game is over."""
    # What a first plane was made of already is not to be lost, if no other screens count.
    takes = int(s.plane_kind == TWO_SCREENS and (s.keeps_screens != 0 or e.is_filled == 0))
    if takes and s.keeps_screens == 0:
        take_present(e, c)
    is_over = 0
    for frame in range(s.frame_skip):
        is_over = play_frame(e, s, c, action)
        k = frame + 2 - s.frame_skip
        if takes and k >= 0 and (is_over == 0 or s.end_rule != DISCARD):
            pictures.take_pair(e, c, k, c.current)
        if is_over:
            break
    return is_over


def take_present(e: Environment, c: Console) -> None:
    """Let both of the pair be the present screen."""
    pictures.take_pair(e, c, 0, c.current)
    pictures.take_pair(e, c, 1, c.current)


def play_frame(e: Environment, s: Setup, c: Console, action: int) -> int:
    """Play a frame of an opening; return whether the game is over, or its budget used up."""
    act(e, s, c, action, PADDLE_STEP, 0)
    return int(c.over != 0 or is_used_up(s, c) != 0)


@inline
def is_used_up(s: Setup, c: Console) -> int:
    """Return whether the budget of a game's frames is used up, if those of openings count."""
    return int(s.counts_opening != 0 and c.episode_frame_number >= s.frame_limit)


@inline
def act(e: Environment, s: Setup, c: Console, action: int, units: int, is_drawn: int) -> int:
    """Play a frame with an action, or with the last one if that sticks; return the reward."""
    if s.sticky_draws == NUMPYS:
        if draw_below(e.draw_double, e.draw_state, s.sticky_probability) == 0:
            e.sticky_action = action
            e.sticky_units = units
        action = e.sticky_action
        units = e.sticky_units
    return call_5(s.act_frames, address(c), action, units, 1, is_drawn)


def begin_episode(e: Environment, s: Setup, c: Console, scratch: int) -> None:
    """Make the first plane of an episode, and set what its steps begin with."""
    if e.is_filled == 0:
        pictures.push_first(e, s, c, scratch)
    if e.is_new_game or s.continues_by_opening == 0:
        pictures.pad(e, s)
    if s.plane_kind == TWO_SCREENS and e.is_filled == 0 and e.shows_pair == 0:
        if s.keeps_screens == 0:
            take_present(e, c)
        elif s.end_rule == STALE:
            pictures.take_pair(e, c, 0, c.current)
    e.lives = e.reference = c.lives
    if s.continues_by_opening:
        e.is_game_over = 0
    e.has_begun = 1
    e.is_playing = 1
