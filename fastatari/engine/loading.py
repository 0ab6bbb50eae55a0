"""`Loader`: loads a game's ROM, and turns consoles on and back."""

import ctypes
from pathlib import Path
from typing import Any, Literal

from ale_py import Action

from fastatari.checks import check_choice
from fastatari.console import machine_code
from fastatari.console.games.facts import DIFFICULTIES, LEGAL_ACTIONS, MINIMAL_ACTIONS, MODES
from fastatari.console.memory import Consoles, load_rom
from fastatari.console.settings import Settings
from fastatari.console.state import Console
from fastatari.engine.interface import UInt8Array
from fastatari.games import ACTING_AT_RESET, find_rom
from fastatari.rules import AtariRules

MEANINGS = tuple(Action.__members__)


def place(name: str) -> tuple[int, int]:
    """Return where a field of a console begins and ends."""
    field: Any = getattr(Console, name)
    return field.offset, field.offset + field.size


# The addresses of what is a console's own, which no other takes over from it.
_OWN = place("screens")[0], place("changed")[1]
CONSOLE_SIZE = ctypes.sizeof(Console)


class Loader:
    """A game under the rules, as it is after its ROM was loaded.

    Args:
        game (str): the name of the game.
        rules (AtariRules): the rules.

    Attributes:
        rom (Rom): the ROM.
        name (str): its id.
        actions (tuple[int, ...]): ale-py's numbers of the actions, by index.
        action_meanings (tuple[str, ...]): their names.
        console (Console): one that was turned on, with seed 0; not to be played.
        screen_shape (tuple[int, int]): height and width of the screens.
        palette ("ntsc" | "pal"): the television standard.

    Raises:
        TypeError, ValueError, OSError: as for `games.find_rom`; or the game has no such mode or difficulty.
    """

    def __init__(self, game: str, rules: AtariRules) -> None:
        self.name, path = find_rom(game)
        self.rom = load_rom(Path(path).read_bytes(), self.name)
        has_all = rules.full_action_space or rules.continuous
        self.actions: tuple[int, ...] = tuple((LEGAL_ACTIONS if has_all else MINIMAL_ACTIONS)[self.name])
        self.action_meanings = tuple(MEANINGS[number] for number in self.actions)
        self._rules = rules
        self._settings = Settings()
        # numpy's generator may decide which actions stick instead.
        probability = rules.repeat_action_probability if rules.sticky_draws == "emulator" else 0.0
        self._settings.set_float("repeat_action_probability", probability)
        budget = rules.max_num_frames_per_episode if rules.frame_budget == "game" else 0
        self._settings.set_integer("max_num_frames_per_episode", min(budget, 2**31 - 1))
        for name, value, allowed in (
            ("mode", rules.mode, MODES[self.name]),
            ("difficulty", rules.difficulty, DIFFICULTIES[self.name]),
        ):
            if value is not None:
                check_choice(name, value, sorted(allowed))
        # Some games act in their resets, so that it matters which of these actions stick.
        self._depends_on_seed = self.name in ACTING_AT_RESET and probability > 0
        self._consoles = Consoles(self.rom)
        self._blank = self._consoles.blocks[0].copy()
        self._turn_on(self._consoles, 0, 0)
        c: Any = self._consoles[0]
        self.console = c
        self.screen_shape: tuple[int, int] = c.height, self._consoles.screens.shape[-1]
        self.palette: Literal["ntsc", "pal"] = "pal" if c.is_pal else "ntsc"

    def rewind(self, consoles: Consoles, i: int, emulator_seed: int | None = None) -> None:
        """Let the next reset of a console be the first after loading the ROM; its generator of the actions stays.

        Args:
            consoles (Consoles): the consoles.
            i (int): which of them.
            emulator_seed (int, optional): the seed of that generator, if it was just seeded.
        """
        if emulator_seed is not None and self._depends_on_seed:
            self._turn_on(consoles, i, emulator_seed)
            return
        c: Any = consoles[i]
        generator = bytes(c.action_generator)
        _copy(consoles.blocks[i], self._consoles.blocks[0])
        ctypes.memmove(ctypes.addressof(c.action_generator), generator, len(generator))
        for k in range(2):
            if not c.has_start[k]:
                consoles.screens[i, k] = self._consoles.screens[0, k]

    def _turn_on(self, consoles: Consoles, i: int, seed: int) -> None:
        """Turn a console on, as by loading the ROM with a seed, and choose the rules' mode and difficulty."""
        c: Any = consoles[i]
        _copy(consoles.blocks[i], self._blank)
        system_seed, _ = self._settings.prepare(c)
        if machine_code.functions().power_on(int(consoles.addresses[i]), system_seed, seed % 2**32):
            raise RuntimeError(f"the mode {c.mode} of {self.name} was not reached")
        if self._rules.mode is not None:
            c.mode = self._rules.mode
        if self._rules.difficulty is not None:
            c.difficulty = self._rules.difficulty


def _copy(target: UInt8Array, source: UInt8Array) -> None:
    """Copy a console's block, except for the addresses of what is its own."""
    begin, end = _OWN
    target[:begin] = source[:begin]
    target[end:CONSOLE_SIZE] = source[end:CONSOLE_SIZE]
