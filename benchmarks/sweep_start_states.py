"""Finds out for which ROMs a restored start is exact, and writes the answer into the package.

``python benchmarks/sweep_start_states.py`` does three things with every ROM that ale-py loads:

* It restores a state after some play, and looks whether that is the same state again.
* It resets it truly some hundred times, each time with other contents of its RAM, until every value of the timer was
  drawn often. What the start then depends on is a `Start`: the bytes of RAM that stay, and the groups of values of the
  timer that give the same RAM and the same screen. A ROM whose start depends on anything else is left out.
* It plays it on two emulators side by side, with the same actions: one resets truly every time, the other by
  `fastatari.resets.Resets`. After every frame their screens, RAM, rewards, lives and ends of episodes are compared. A
  ROM is listed with the first kind of primer with which nothing ever differs. What differed first, and after how many
  resets and frames, is written down for the others.

Episodes are of many kinds, so that resets happen in many states: not even begun, cut off after a few frames, after the
first lost life, at the end of the game, and after a random, longer time. Actions are held for a few frames or for many,
or are all the same.
"""

import argparse
import collections
import concurrent.futures
import importlib.metadata
import multiprocessing
from pathlib import Path
from typing import Any, NamedTuple, get_args

import ale_py
import ale_py.roms
import numpy as np

import fastatari
from fastatari.console import list_roms
from fastatari.resets import TIMER_VALUES, Resets, Start, draw_timer, read_generator

TARGET = Path(fastatari.__file__).parent / "start_states.py"

DRAWS, MAX_RESETS = 3, 1500  # how often each value of the timer has to be drawn, and within how many resets
MAX_GROUPS = 4  # of starts, all of which a game has to see before it can restore any
PRIMERS = get_args(Start.__annotations__["primer"])
EPISODES = 240
# Kinds of episodes by their greatest length in frames, and how many of each are played.
LENGTHS, SHARES = (1, 40, 900, 3000, 6000), (0.05, 0.65, 0.2, 0.08, 0.02)
SHORT_HOLD, LONG_HOLD = 8, 40  # for how many frames an action is held at most

# Left out although the sweep sees no difference: whole states were compared after the resets of all ROMs.
DISTRUSTED = {
    "kung_fu_master": "two bits of the TIA after some resets, of which nothing was seen",
    "pitfall2": "a fraction of the cartridge's clock after some resets, of which nothing was seen",
}


class Outcome(NamedTuple):
    """What the sweep of one ROM found: what its start depends on; or what differed first; and how much was compared."""

    rom: str
    start: Start | None
    difference: str
    resets: int
    frames: int


def load(rom: str) -> ale_py.ALEInterface:
    """Return an emulator with a ROM, as `Console` sets it up."""
    ale_py.ALEInterface.setLoggerMode(ale_py.LoggerMode.Error)
    ale = ale_py.ALEInterface()
    ale.setFloat("repeat_action_probability", 0.0)
    path = ale_py.roms.get_rom_path(rom)
    assert path is not None
    ale.loadROM(path)
    return ale


def keeps_state(rom: str, seed: int) -> bool:
    """Return whether a restored state of a ROM, saved again, is the same."""
    ale, rng = load(rom), np.random.default_rng(seed)
    actions = ale.getMinimalActionSet()
    ale.reset_game()
    for _ in range(10):
        state = ale.cloneState()
        for _ in range(300):
            ale.act(actions[rng.integers(len(actions))])
        ale.restoreState(state)
        if ale.cloneState().serialize() != state.serialize():
            return False
        for _ in range(rng.integers(300)):
            ale.act(actions[rng.integers(len(actions))])
    return True


def find_start(rom: str, seed: int) -> Start | str:
    """Return what the start of a ROM depends on, without a primer; or why that is not little."""
    ale, rng = load(rom), np.random.default_rng(seed)
    actions = ale.getMinimalActionSet()
    is_carried = np.ones(ale.getRAMSize(), bool)
    starts = collections.defaultdict(list)
    resets = 0
    while len(starts) < TIMER_VALUES or min(map(len, starts.values())) < DRAWS:
        if resets == MAX_RESETS:
            return "the timer, for which a reset does not draw one number"
        for _ in range(rng.integers(60)):
            ale.act(actions[rng.integers(len(actions))])
        for index, byte in enumerate(rng.integers(256, size=is_carried.size)):
            ale.setRAM(index, int(byte))
        before = ale.getRAM()
        generator = read_generator(ale.cloneState())
        assert generator is not None
        timer = draw_timer(generator)
        ale.reset_game()
        resets += 1
        is_carried &= ale.getRAM() == before
        starts[timer].append((ale.getRAM(), ale.getScreen().tobytes()))
    groups = collections.defaultdict(list)
    for timer, outcomes in starts.items():
        distinct = {(ram[~is_carried].tobytes(), screen) for ram, screen in outcomes}
        if len(distinct) > 1:
            return "RAM or screen after two resets with the same timer, because RAM differed before them"
        groups[distinct.pop()].append(timer)
    if len(groups) > MAX_GROUPS:
        return f"RAM or screen after a reset, for {len(groups)} values of the timer"
    _, *others = sorted((sorted(group) for group in groups.values()), key=len, reverse=True)
    return Start(tuple(map(tuple, others)), tuple(np.flatnonzero(is_carried).tolist()))


def play(rom: str, start: Start, seed: int, episodes: int) -> Outcome:
    """Compare true resets of a ROM with those of `Resets`."""
    rng = np.random.default_rng(seed)
    true, saved = load(rom), load(rom)
    resets = Resets(saved, start)
    actions = true.getMinimalActionSet()
    frames = 0
    for episode in range(episodes):
        for index in start.carried if rng.integers(2) else ():
            byte = int(rng.integers(256))
            true.setRAM(index, byte)
            saved.setRAM(index, byte)
        true.reset_game()
        screens = true.getScreen(), resets.reset()
        lives = true.lives()
        kind = rng.choice(len(LENGTHS), p=SHARES)
        length = int(rng.integers(LENGTHS[kind]))
        max_hold = (SHORT_HOLD, LONG_HOLD, length + 1)[rng.choice(3, p=[0.7, 0.2, 0.1])]
        hold = 0
        for frame in range(length + 1):
            difference = compare(true, saved, screens)
            if difference:
                difference = f"{difference} after reset {episode + 1}, frame {frame}"
                return Outcome(rom, start, difference, episode + 1, frames)
            if frame == length or true.game_over() or (kind == 2 and true.lives() < lives):
                break
            if not hold:
                action, hold = actions[rng.integers(len(actions))], int(rng.integers(1, max_hold + 1))
            hold -= 1
            if true.act(action) != saved.act(action):
                difference = f"reward after reset {episode + 1}, frame {frame + 1}"
                return Outcome(rom, start, difference, episode + 1, frames)
            screens = true.getScreen(), saved.getScreen()
            frames += 1
    # Or all that was compared were true resets.
    assert resets.restores >= episodes // 4
    return Outcome(rom, start, "", episodes, frames)


def compare(true: ale_py.ALEInterface, saved: ale_py.ALEInterface, screens: tuple[Any, Any]) -> str:
    """Return what differs between two emulators; "" if nothing does."""
    if true.lives() != saved.lives():
        return "lives"
    if (true.game_over(), true.game_truncated()) != (saved.game_over(), saved.game_truncated()):
        return "end of the episode"
    if true.getEpisodeFrameNumber() != saved.getEpisodeFrameNumber():
        return "number of the frame"
    if not np.array_equal(*screens):
        return "screen"
    if not np.array_equal(true.getRAM(), saved.getRAM()):
        return "RAM"
    return ""


def sweep(rom: str, seed: int, episodes: int) -> Outcome:
    """Find what the start of a ROM depends on, and whether its restored starts are exact."""
    if not keeps_state(rom, seed):
        return Outcome(rom, None, "a state saved after its restore", 0, 0)
    start = find_start(rom, seed)
    if isinstance(start, str):
        return Outcome(rom, None, start, 0, 0)
    if rom in DISTRUSTED:
        return Outcome(rom, None, DISTRUSTED[rom], 0, 0)
    outcomes = []
    for primer in PRIMERS:
        try:
            outcomes.append(play(rom, start._replace(primer=primer), seed, episodes))
        except RuntimeError:  # it has no such primer
            continue
        if not outcomes[-1].difference:
            return outcomes[-1]
    # What it does without a primer says the most.
    return outcomes[0]._replace(start=None)


def main() -> None:
    """Sweep, print and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--roms", nargs="*", metavar="ROM", help="some ROMs only; nothing is written")
    parser.add_argument("--episodes", type=int, default=EPISODES, metavar="N", help="how many resets of each ROM")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    roms = arguments.roms or list_roms()
    context = multiprocessing.get_context("spawn")
    with concurrent.futures.ProcessPoolExecutor(mp_context=context) as pool:
        jobs = [pool.submit(sweep, rom, arguments.seed, arguments.episodes) for rom in roms]
        outcomes = []
        for job in concurrent.futures.as_completed(jobs):
            outcomes.append(job.result())
            rom, start, difference, resets, frames = outcomes[-1]
            found = f"exact, {format_start(start)}" if start else difference
            print(f"{len(outcomes):3}/{len(roms)} {rom}: {found} ({resets} resets, {frames:,} frames)", flush=True)
    if not arguments.roms:
        write(sorted(outcomes), arguments.episodes)


def format_start(start: Start) -> str:
    """Return the call that makes a `Start`."""
    parts = [f"{name}={value!r}" for name, value in start._asdict().items() if value != Start._field_defaults[name]]
    return f"Start({', '.join(parts)})"


def write(outcomes: list[Outcome], episodes: int) -> None:
    """Write the module that holds the result."""
    version = importlib.metadata.version("ale-py")
    exact = [outcome for outcome in outcomes if outcome.start]
    lines = [
        '"""For which ROMs a restored start is exact; written by ``benchmarks/sweep_start_states.py``, not by hand.',
        "",
        f"Found with ale-py {version} in default mode and difficulty, without sticky actions, for {episodes} resets of",
        f"each ROM, and {min(o.frames for o in exact):,} to {max(o.frames for o in exact):,} frames.",
        '"""',
        "",
        "from fastatari.resets import Start",
        "",
        f'ALE_PY = "{version}"',
        "",
        "EXACT = {",
        *(f'    "{outcome.rom}": {format_start(outcome.start)},' for outcome in exact),
        "}",
        "",
        "# What differed first between a true and a restored start, or between two true ones.",
        "LEFT_OUT = {",
        *(f'    "{outcome.rom}": "{outcome.difference}",' for outcome in outcomes if not outcome.start),
        "}",
        "",
    ]
    TARGET.write_text("\n".join(lines))
    print(f"{len(exact)} of {len(outcomes)} ROMs are exact; written to {TARGET}; to be formatted by `ruff format`")


if __name__ == "__main__":
    main()
