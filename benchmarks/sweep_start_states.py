"""Finds out for which ROMs a saved start state is exact, and writes the answer into the package.

``python benchmarks/sweep_start_states.py`` plays every ROM that ale-py loads on two emulators side by side, with the
same actions: one resets truly every time, the other resets truly twice, saves its state after the second reset, and
restores that from then on. After every frame their screens, RAM, rewards, lives and game-over flags are compared. A
ROM is listed if nothing ever differs; what differed first, and after how many resets and frames, is written down for
the others.

Episodes are of four kinds, so that resets happen in many states: cut off after a few frames, after the first lost
life, at the end of the game, and after a random, longer time.
"""

import argparse
import concurrent.futures
import importlib.metadata
import multiprocessing
import sys
from pathlib import Path
from typing import NamedTuple

import ale_py
import ale_py.roms
import numpy as np

import fastatari

TARGET = Path(fastatari.__file__).parent / "start_states.py"

SHORT, MIDDLE, LONG = 40, 900, 3000  # frames
EPISODES = 240
MAX_HOLD = 8  # an action is held for up to so many frames


class Outcome(NamedTuple):
    """What the sweep of one ROM found: "" or what differed first, and how much was compared."""

    rom: str
    difference: str
    resets: int
    frames: int


class Saved:
    """An emulator whose resets are true until the second, and restore that one's state afterwards."""

    def __init__(self, path: Path, saved_after: int) -> None:
        self.ale = ale_py.ALEInterface()
        self.ale.setFloat("repeat_action_probability", 0.0)
        self.ale.loadROM(path)
        self._saved_after = saved_after
        self._resets = 0

    def reset(self) -> np.ndarray:
        """Reset; return the first screen (uint8[H, W])."""
        self._resets += 1
        if self._resets > self._saved_after:
            self.ale.restoreState(self._state)
            return self._screen
        self.ale.reset_game()
        self._state, self._screen = self.ale.cloneState(), self.ale.getScreen()
        return self._screen


def sweep(rom: str, saved_after: int, seed: int, episodes: int) -> Outcome:
    """Compare true resets of a ROM with restored ones."""
    ale_py.ALEInterface.setLoggerMode(ale_py.LoggerMode.Error)
    path = ale_py.roms.get_rom_path(rom)
    assert path is not None
    rng = np.random.default_rng(seed)
    true, saved = Saved(path, sys.maxsize), Saved(path, saved_after)
    actions = true.ale.getMinimalActionSet()
    frames = 0
    for episode in range(episodes):
        screens = true.reset(), saved.reset()
        lives = true.ale.lives()
        kind = rng.choice(4, p=[0.55, 0.25, 0.1, 0.1])
        length = int(rng.integers(1, (SHORT, MIDDLE, LONG, LONG)[kind]))
        frame = hold = 0
        while True:
            difference = compare(true.ale, saved.ale, screens)
            if difference:
                return Outcome(rom, f"{difference} after reset {episode + 1}, frame {frame}", episode, frames)
            is_over = true.ale.game_over() or (kind == 1 and true.ale.lives() < lives)
            if is_over or frame == length:
                break
            if not hold:
                action, hold = actions[rng.integers(len(actions))], int(rng.integers(1, MAX_HOLD + 1))
            hold -= 1
            rewards = true.ale.act(action), saved.ale.act(action)
            if rewards[0] != rewards[1]:
                return Outcome(rom, f"reward after reset {episode + 1}, frame {frame + 1}", episode, frames)
            screens = true.ale.getScreen(), saved.ale.getScreen()
            frame += 1
            frames += 1
    return Outcome(rom, "", episodes, frames)


def compare(true: ale_py.ALEInterface, saved: ale_py.ALEInterface, screens: tuple[np.ndarray, np.ndarray]) -> str:
    """Return what differs between two emulators; "" if nothing does."""
    if true.lives() != saved.lives():
        return "lives"
    if true.game_over() != saved.game_over():
        return "game over"
    if not np.array_equal(*screens):
        return "screen"
    if not np.array_equal(true.getRAM(), saved.getRAM()):
        return "RAM"
    return ""


def main() -> None:
    """Sweep, print and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--roms", nargs="*", metavar="ROM", help="some ROMs only; nothing is written")
    parser.add_argument("--saved-after", type=int, default=2, metavar="N", help="save after another true reset")
    parser.add_argument("--episodes", type=int, default=EPISODES, metavar="N", help="how many resets of each ROM")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    roms = arguments.roms or [
        rom
        for rom in sorted(ale_py.roms.get_all_rom_ids())
        if ale_py.ALEInterface.isSupportedROM(ale_py.roms.get_rom_path(rom)) is not None
    ]
    context = multiprocessing.get_context("spawn")
    with concurrent.futures.ProcessPoolExecutor(mp_context=context) as pool:
        jobs = [pool.submit(sweep, rom, arguments.saved_after, arguments.seed, arguments.episodes) for rom in roms]
        outcomes = []
        for job in concurrent.futures.as_completed(jobs):
            outcomes.append(job.result())
            rom, difference, resets, frames = outcomes[-1]
            amount = f"{resets} resets, {frames:,} frames"
            print(f"{len(outcomes):3}/{len(roms)} {rom}: {difference or 'same'} ({amount})", flush=True)
    if arguments.roms or arguments.saved_after != 2:
        return
    write(sorted(outcomes), arguments)


def write(outcomes: list[Outcome], arguments: argparse.Namespace) -> None:
    """Write the module that holds the result."""
    version = importlib.metadata.version("ale-py")
    same = [outcome for outcome in outcomes if not outcome.difference]
    lines = [
        '"""For which ROMs a saved start state is exact; written by ``benchmarks/sweep_start_states.py``, not by hand.',
        "",
        f"Found with ale-py {version} in default mode and difficulty, without sticky actions, for {arguments.episodes}",
        f"resets of each ROM, and {min(o.frames for o in same):,} to {max(o.frames for o in same):,} frames.",
        '"""',
        "",
        f'ALE_PY = "{version}"',
        "",
        "# The true reset whose state is saved. Every one after it plays as that state does when it is restored.",
        f"SAVED_RESET = {arguments.saved_after}",
        "",
        "EXACT = frozenset({",
        *(f'    "{outcome.rom}",' for outcome in same),
        "})",
        "",
        "# What differed first between a true and a restored start.",
        "LEFT_OUT = {",
        *(f'    "{outcome.rom}": "{outcome.difference}",' for outcome in outcomes if outcome.difference),
        "}",
        "",
    ]
    TARGET.write_text("\n".join(lines))
    print(f"{len(same)} of {len(outcomes)} ROMs are exact; written to {TARGET}")


if __name__ == "__main__":
    main()
