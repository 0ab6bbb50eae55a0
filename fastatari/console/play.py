"""Frames as they are played: inputs first, then the frame, then the game's bookkeeping, which only looks at RAM."""

from fastatari.compiler import Pointer64, PointerI32, inline, pointer
from fastatari.console.frame import emulate
from fastatari.console.games import FRAME_RULES, NAMES
from fastatari.console.games.facts import LEGAL_ACTIONS
from fastatari.console.games.looks import note_looks
from fastatari.console.generators import draw
from fastatari.console.inputs import (
    NOOP,
    NUM_ACTIONS,
    PADDLE_STEP,
    PADDLES,
    RESET_SWITCH,
    SELECT_SWITCH,
    move_paddle,
    press_keys,
    release_keys,
    set_switches,
)
from fastatari.console.recording import note_look
from fastatari.console.state import Console

# By game: a bit for each action that is passed on.
LEGAL_BITS = tuple(sum(1 << action for action in LEGAL_ACTIONS[name]) for name in NAMES)

# By game: the byte of RAM that the bookkeeping looks at last. It stays on the bus between the frames of a reset, where
# a program that runs from the TIA's registers can see it; no ROM does. Known of wizard_of_wor, as which test programs
# play.
LAST_LOOK = tuple(0x57 if name == "wizard_of_wor" else 0x7F for name in NAMES)


def play_frames(c: Console, action: int, units: int, switches: int, frames: int, is_drawn: int) -> None:
    """Play some frames with an action, and some of the console's switches pressed.

    Args:
        c: the console.
        action: one of the eighteen.
        units: how far a paddle moves in each frame, in units of resistance.
        switches: bits of RESET_SWITCH and SELECT_SWITCH.
        frames: how many.
        is_drawn: whether their pictures are looked at.
    """
    for _ in range(frames):
        if c.controllers == PADDLES:
            move_paddle(c, action, units)
        press_keys(c, action)
        set_switches(c, switches, c.difficulty)
        emulate(c, is_drawn)
        FRAME_RULES[c.game](c)
        if c.recording:
            note_looks(c)
            note_look(c, LAST_LOOK[c.game])
            note_look(c, 127)
        c.bus = c.ram[LAST_LOOK[c.game]]
    c.bus = c.ram[127]  # in the end all of the RAM is copied, over the bus


@inline
def is_finished(c: Console) -> int:
    """Return whether the game is over, by its rules or by the number of its frames."""
    limit = c.max_num_frames_per_episode
    return int(c.over != 0 or (limit > 0 and c.episode_frame_number >= limit))


def act_frame(c: Console, action: int, units: int, is_drawn: int) -> int:
    """Play one frame with an action, or the last one if that sticks; nothing after the end of the game.

    Returns:
        int: the reward.
    """
    if draw(c.action_generator) >= c.sticky_threshold:
        c.sticky_action = action
        c.sticky_strength = units
    draw(c.action_generator)  # of the second player, who never acts
    if is_finished(c):
        return 0
    played = c.sticky_action
    if played >= NUM_ACTIONS or LEGAL_BITS[c.game] >> played & 1 == 0:
        played = NOOP
    play_frames(c, played, c.sticky_strength, 0, 1, is_drawn)
    c.frame_number += 1
    c.episode_frame_number += 1
    return c.reward


def act_frames(c: Console, action: int, units: int, frames: int, drawn: int) -> int:
    """Play some frames with an action.

    Args:
        c: the console.
        action: ale-py's number of it.
        units: how far a paddle moves in a frame, in units of resistance.
        frames: how many.
        drawn: which of them are looked at, a bit each; those from the 63rd on as that.

    Returns:
        int: the sum of the rewards.
    """
    reward = 0
    for i in range(frames):
        reward += act_frame(c, action, units, drawn >> min(i, 62) & 1)
    return reward


def act_all(consoles: Pointer64, count: int, actions: Pointer64, frames: int, drawn: int, rewards: PointerI32) -> None:
    """Play some frames of many consoles.

    Args:
        consoles: their addresses, int64[count].
        count: how many.
        actions: an action of each, int64[count].
        frames: how many frames of each.
        drawn: which frames are looked at, as for `act_frames`.
        rewards: what the rewards' sums are written to, int32[count].
    """
    for i in range(count):
        c = pointer(Console, consoles[i])
        rewards[i] = act_frames(c, actions[i], PADDLE_STEP, frames, drawn)


# What resets play: frames that do not count, and to which no action sticks.

# How long RESET is held to begin a game.
RESET_FRAMES = 4


def play(c: Console, action: int) -> None:
    """Play one frame with an action."""
    play_frames(c, action, PADDLE_STEP, 0, 1, 0)


def press_reset(c: Console, frames: int) -> None:
    """Hold RESET for some frames. No action sticks afterwards."""
    c.sticky_action = NOOP
    c.sticky_strength = 0
    play_frames(c, NOOP, 0, RESET_SWITCH, frames, 0)


def act(c: Console, action: int, units: int) -> int:
    """Play one ordinary frame, as `act_frame` does."""
    return act_frame(c, action, units, 0)


def press_select(c: Console, frames: int) -> None:
    """Hold SELECT for some frames, of which no books are kept, and let it go for one, which counts."""
    for _ in range(frames):
        release_keys(c)
        set_switches(c, SELECT_SWITCH, c.difficulty)
        emulate(c, 0)
    play(c, NOOP)
    c.frame_number += 1
    c.episode_frame_number += 1
