"""`PlainConsole`: ale-py's emulator with a game, and the generators that a seed seeds."""

from collections.abc import Callable
from typing import Any, Literal

import ale_py
import numpy as np
import numpy.typing as npt
from gymnasium.utils.seeding import np_random

from fastatari.checks import check_choice
from fastatari.games import ACTING_AT_RESET, find_rom
from fastatari.palette import rgb_table
from fastatari.rules import AtariRules

NOOP: Any = ale_py.Action.NOOP


class PlainConsole:
    """An Atari 2600 as ale-py emulates it, with what the rules say of its generators.

    ale-py's states leave out which action sticks. So actions are made to stick here, by the numbers that ale-py would
    draw; except in games whose resets act, and so draw from the emulator's own generator.

    Args:
        game (str): as for `find_rom`.
        rules (AtariRules): the rules.
        is_shown (bool): whether ale-py shows every frame in a window, with sound, at the console's speed.

    Attributes:
        rom (str): the ROM's id.
        ale (ale_py.ALEInterface): the emulator.
        actions (list[ale_py.Action]): the actions, by index.
        palette ("ntsc" | "pal"): the television standard of the game.
        np_random (np.random.Generator): draws no-ops, and with ``sticky_draws="np_random"`` what sticks.
        noop_draws (np.random.Generator | None): draws no-ops instead, with ``seeding="ale"``.
        sticky_draws (np.random.Generator | None): draws what sticks as ale-py does, if that is done here.
        sticking (tuple): the action, and its strength, that the next frame may repeat.

    Raises:
        TypeError, ValueError, OSError: as for `find_rom`; or the game has no such mode or difficulty.
    """

    def __init__(self, game: str, rules: AtariRules, is_shown: bool = False) -> None:
        self.rules = rules
        self.rom, self.path = find_rom(game)
        ale_py.ALEInterface.setLoggerMode(ale_py.LoggerMode.Error)
        self.ale = ale = ale_py.ALEInterface()
        probability, is_own = rules.repeat_action_probability, rules.sticky_draws == "emulator"
        acts_at_reset = self.rom in ACTING_AT_RESET and (probability > 0 or rules.mode is not None)
        self.is_native = is_own and acts_at_reset
        ale.setFloat("repeat_action_probability", probability if self.is_native else 0.0)
        # ale-py compares its numbers with a float32.
        self._probability = float(np.float32(probability)) if is_own else probability
        has_budget = rules.frame_budget == "game"
        ale.setInt("max_num_frames_per_episode", rules.max_num_frames_per_episode if has_budget else 0)
        ale.setBool("display_screen", is_shown)
        ale.setBool("sound", is_shown)
        self.sticky_draws: np.random.Generator | None = None
        self.sticking = NOOP, 1.0
        self.seed(None)
        has_all_actions = rules.full_action_space or rules.continuous
        self.actions: list[Any] = ale.getLegalActionSet() if has_all_actions else ale.getMinimalActionSet()
        self.palette = _identify_palette(self.rom, ale.getScreen(), ale.getScreenRGB())

    def seed(self, seed: int | None) -> None:
        """Seed all generators, unforeseeably for None, and load the ROM."""
        rules = self.rules
        if rules.seeding == "gymnasium":
            np_seed, ale_seed = map(int, np.random.SeedSequence(seed).generate_state(2))
        else:
            unforeseeable = int(np.random.SeedSequence().generate_state(1)[0]) >> 1
            np_seed = ale_seed = unforeseeable if seed is None else seed
        self.np_random, _ = np_random(np_seed)
        self.noop_draws = make_mt19937(np_seed) if rules.seeding == "ale" else None
        if rules.sticky_draws == "emulator" and not self.is_native:
            self.sticky_draws = make_mt19937(ale_seed)
        self.ale.setInt("random_seed", int(np.uint32(ale_seed).astype(np.int32)))
        self.ale.loadROM(self.path)
        if rules.mode is not None:
            check_choice("mode", rules.mode, sorted(self.ale.getAvailableModes()))
            self.ale.setMode(rules.mode)
        if rules.difficulty is not None:
            check_choice("difficulty", rules.difficulty, sorted(self.ale.getAvailableDifficulties()))
            self.ale.setDifficulty(rules.difficulty)

    def reset(self) -> None:
        """Reset the game."""
        self.ale.reset_game()
        self.sticking = NOOP, 1.0

    def act(self, action: Any, strength: float = 1.0) -> int:
        """Play a frame of an action, or of the one that sticks; return its reward."""
        if self._probability and not self.is_native:
            draw: Callable[[], float] = self.np_random.random if self.sticky_draws is None else self._draw
            if draw() >= self._probability:
                self.sticking = action, strength
            action, strength = self.sticking
        reward: int = self.ale.act(action, strength)
        return reward

    def _draw(self) -> float:
        # A word for each of two players.
        assert self.sticky_draws is not None
        return float(self.sticky_draws.integers(0, 2**32, 2, np.uint32)[0]) / 2**32

    def draw_noops(self) -> int:
        """Draw the number of no-ops."""
        rules = self.rules
        if not rules.noop_max:
            return 0
        if self.noop_draws is None:
            number = int(self.np_random.integers(rules.noop_max))
        else:
            number = draw_uniform(self.noop_draws, rules.noop_max)
        has_fire = rules.fire_reset in {"frame_before", "frame_after"} and ale_py.Action.FIRE in self.actions
        return max(0, number + (rules.noop_range == "1..max") - has_fire)

    def set_np_random(self, generator: np.random.Generator) -> None:
        """Draw from another generator, except for what the emulator draws."""
        self.np_random, self.noop_draws = generator, None

    def restore(self, state: ale_py.ALEState) -> None:
        """Go on from a state of ale-py's, as exactly as it can be."""
        ale = self.ale
        ale.restoreState(state)
        # What ale-py's states leave out is then as after a reset, or as after a frame.
        if ale.getEpisodeFrameNumber() == 0:
            ale.reset_game()
        else:
            ale.act(NOOP)
        ale.restoreState(state)


def make_mt19937(seed: int) -> np.random.Generator:
    """Return a generator whose words of 32 bits are those of a ``std::mt19937`` with that seed."""
    generator: Any = np.random.RandomState(seed)
    return np.random.Generator(generator._bit_generator)


def draw_uniform(generator: np.random.Generator, count: int) -> int:
    """Draw an integer below `count`, as libstdc++'s ``uniform_int_distribution`` does since GCC 11.

    The method is Lemire's: the upper half of a word's product with `count`, unless the lower half is one of those few
    that would make some results more probable than others.
    """
    while True:
        product = int(generator.integers(0, 2**32, dtype=np.uint32)) * count
        if product % 2**32 >= 2**32 % count:
            return product >> 32


def _identify_palette(rom: str, screen: npt.NDArray[np.uint8], rgb: npt.NDArray[np.uint8]) -> Literal["ntsc", "pal"]:
    """Return the palette that a ROM's start screen is shown in. ale-py has no accessor for it."""
    # Black alone would fit both. ale-py's PAL screens are 250 lines high, NTSC ones at most 230.
    candidates: tuple[Literal["ntsc", "pal"], ...] = ("pal", "ntsc") if len(screen) == 250 else ("ntsc", "pal")
    for candidate in candidates:
        if np.array_equal(rgb_table(candidate)[screen], rgb):
            return candidate
    raise ValueError(
        f"the colours of {rom} are neither NTSC's nor PAL's as in ale-py 0.12; this is ale-py {ale_py.__version__}"
    )
