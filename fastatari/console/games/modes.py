"""How a reset reaches the console's mode, and the actions that it plays at last: functions of the compiled language.

They play frames, so this module is above `fastatari.console.play`, and the rest of the package below it.
"""

import re
from collections.abc import Callable

from fastatari.compiler import cold
from fastatari.console.games.bookkeeping import execute
from fastatari.console.games.description import DESCRIPTIONS, NAMES, Select
from fastatari.console.games.expressions import translate
from fastatari.console.games.words import bcd
from fastatari.console.generators import draw
from fastatari.console.play import RESET_FRAMES, act, play, press_reset, press_select
from fastatari.console.state import Console

# The results of `select_mode`.
MODE_REACHED, MODE_NOT_REACHED = 0, 1

NOOP, UP, RIGHT, LEFT, DOWN, UP_FIRE = 0, 2, 3, 4, 5, 10
RESET = 40  # the console's switch, as an action

# ale-py would press for ever where a mode cannot be reached, as in a program that is not the game's. The most that a
# game needs are 134 presses (name_this_game) and some 800 actions (the last cube of video_cube). All frames of a
# selection are counted, too, because a press of adventure lasts up to 257.
MOST_PRESSES, MOST_FRAMES = 1000, 20_000
MOST_ACTIONS = 2000

_SELECTS = [game.select or Select() for game in DESCRIPTIONS]

HAS_SELECT = tuple(int(game.select is not None) for game in DESCRIPTIONS)
# Frames of a press; 0 for a random number.
PRESS_FRAMES = tuple(select.press if isinstance(select.press, int) else 0 for select in _SELECTS)
FIRST_SELECT_FRAMES = tuple(select.first_select for select in _SELECTS)
FIRST_RESET_FRAMES = tuple(select.first_reset for select in _SELECTS)
FIRST_ACTS = tuple(select.first_acts for select in _SELECTS)
ACTS_AFTER_PRESS = tuple(select.acts_after_press for select in _SELECTS)
LIMITS = tuple(select.most or MOST_PRESSES for select in _SELECTS)

# The games whose modes are chosen by a function of their own, by its name.
DOUBLE_DUNK, VIDEO_CUBE = ([select.script for select in _SELECTS].index(name) for name in ("double_dunk", "video_cube"))

# In most games one byte of RAM is the mode: its address, by game; -1 where it is not so.
_PLAIN = [re.fullmatch(r"ram\[(0x[0-7]\w)\] == m", select.until) for select in _SELECTS]
ADDRESSES = tuple(int(match[1], 16) if match else -1 for match in _PLAIN)

_CONDITIONS = [
    "1" if match else translate(select.until, {"m": "c.mode"}) for select, match in zip(_SELECTS, _PLAIN, strict=True)
]
_DISTINCT = list(dict.fromkeys(_CONDITIONS))
SOURCE = "\n".join(
    f"def is_in_mode_{number}(c: Console) -> int:\n    return {condition}\n"
    for number, condition in enumerate(_DISTINCT)
)
_FUNCTIONS = execute(SOURCE, f"<conditions of the games' modes, made by {__name__}>")

OTHER_CONDITIONS: tuple[Callable[[Console], int], ...] = tuple(
    _FUNCTIONS[f"is_in_mode_{_DISTINCT.index(condition)}"] for condition in _CONDITIONS
)
"""By game: whether the RAM shows the console's mode, where that is more than one byte."""

_RUNS = [run for game in DESCRIPTIONS for run in game.starting_actions]
RUN_FRAMES = tuple(frames for frames, _ in _RUNS)
RUN_ACTIONS = tuple(action for _, action in _RUNS)
RUN_COUNTS = tuple(len(game.starting_actions) for game in DESCRIPTIONS)
FIRST_RUNS = tuple(sum(RUN_COUNTS[:index]) for index in range(len(NAMES)))


def select_mode(c: Console) -> int:
    """Press SELECT until the game is in the console's mode, then RESET; nothing where the game has no such thing.

    Returns:
        int: MODE_REACHED, or MODE_NOT_REACHED.
    """
    if HAS_SELECT[c.game] == 0:
        return MODE_REACHED
    if c.game == DOUBLE_DUNK:
        return select_double_dunk(c)
    if c.game == VIDEO_CUBE:
        return select_video_cube(c)
    if FIRST_SELECT_FRAMES[c.game] > 0:
        press_select(c, FIRST_SELECT_FRAMES[c.game])
    if FIRST_RESET_FRAMES[c.game] > 0:
        press_reset(c, FIRST_RESET_FRAMES[c.game])
    play_noops(c, FIRST_ACTS[c.game])
    presses = 0
    all_frames = 0
    while is_in_mode(c) == 0:
        if presses == LIMITS[c.game] or all_frames >= MOST_FRAMES:
            return MODE_NOT_REACHED
        presses += 1
        frames = PRESS_FRAMES[c.game]
        if frames == 0:
            frames = 2 + (draw(c.action_generator) & 255)
        all_frames += frames
        press_select(c, frames)
        play_noops(c, ACTS_AFTER_PRESS[c.game])
    press_reset(c, RESET_FRAMES)
    return MODE_REACHED


@cold
def is_in_mode(c: Console) -> int:
    """Return whether the RAM shows the console's mode."""
    address = ADDRESSES[c.game]
    return int(c.ram[address] == c.mode) if address >= 0 else OTHER_CONDITIONS[c.game](c)


@cold
def play_noops(c: Console, number: int) -> None:
    """Play so many ordinary no-ops."""
    for _ in range(number):
        act(c, NOOP, 0)


@cold
def select_double_dunk(c: Console) -> int:
    """Go down the menu of double_dunk and set four options, a bit of the mode each.

    Returns:
        int: MODE_REACHED, or MODE_NOT_REACHED.
    """
    press_select(c, 1)
    failures = go_down(c)
    failures |= go_down(c)
    failures |= set_option(c, 0x08, c.mode & 1)
    failures |= go_down(c)
    failures |= set_option(c, 0x10, c.mode >> 1 & 1)
    failures |= go_down(c)
    failures |= set_option(c, 0x04, c.mode >> 2 & 1)
    failures |= go_down(c)
    failures |= set_option(c, 0x20, c.mode >> 3 & 1)
    press_reset(c, RESET_FRAMES)
    act(c, UP_FIRE, 0)
    act(c, NOOP, 0)
    return failures


@cold
def go_down(c: Console) -> int:
    """Press DOWN until the menu shows another item."""
    shown = c.ram[0x30]
    for _ in range(MOST_ACTIONS):
        act(c, DOWN, 0)
        act(c, NOOP, 0)
        if c.ram[0x30] != shown:
            return MODE_REACHED
    return MODE_NOT_REACHED


@cold
def set_option(c: Console, bit: int, wanted: int) -> int:
    """Press RIGHT until an option is on, or LEFT until it is off."""
    for _ in range(MOST_ACTIONS):
        if int(c.ram[0] & bit != 0) == wanted:
            return MODE_REACHED
        act(c, RIGHT if wanted else LEFT, 0)
        act(c, NOOP, 0)
    return MODE_NOT_REACHED


@cold
def select_video_cube(c: Console) -> int:
    """Press SELECT until video_cube is of the kind, then RIGHT until it is at the cube: the mode is 100 * cube + kind.

    Returns:
        int: MODE_REACHED, or MODE_NOT_REACHED.
    """
    kind = c.mode % 100
    shown = kind if kind == 0 else 2 if kind == 1 else 8
    cube = max(c.mode // 100, 1)
    presses = 0
    while c.ram[0x7B] & 0x1F != shown:
        if presses == MOST_PRESSES:
            return MODE_NOT_REACHED
        presses += 1
        press_select(c, 2)
    press_reset(c, RESET_FRAMES)
    for _ in range(MOST_ACTIONS):
        if bcd(c.ram[0x1F]) == cube:
            return MODE_REACHED
        act(c, RIGHT, 0)
    return MODE_NOT_REACHED


@cold
def play_starting_actions(c: Console) -> None:
    """Play what ends a reset of the console's game: each frame as it is, without sticky actions and counters."""
    first = FIRST_RUNS[c.game]
    for run in range(first, first + RUN_COUNTS[c.game]):
        if RUN_ACTIONS[run] == RESET:
            press_reset(c, RUN_FRAMES[run])
        else:
            for _ in range(RUN_FRAMES[run]):
                play(c, RUN_ACTIONS[run])
