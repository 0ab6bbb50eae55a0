"""`Emulator`: one game on this package's console, or on ale-py's."""

import copy
import difflib
import functools
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal, NamedTuple

import ale_py
import ale_py.roms
import numpy as np
import numpy.typing as npt

from fastatari import palette
from fastatari.checks import check_choice, to_int
from fastatari.console.ale_interface import ALEInterface
from fastatari.console.saved import ALEState
from fastatari.errors import InvalidAction
from fastatari.generators import EmulatorDraws, StickyActions

# gymnasium's ids around a game's name, as in ALE/Breakout-v5 and BreakoutNoFrameskip-v4. They name the ROM only:
# what else such an id stands for (frame skip, sticky actions) is for the caller to ask for.
_ID = re.compile(r"(?:ALE/)?(?P<name>\w+?)(?:NoFrameskip|Deterministic)?(?:-v\d)?")

# They have no mode for one player. ale-py's loadROM ends the process for a ROM that it does not support.
REFUSED = ("combat", "joust", "maze_craze", "warlords")

# Their resets act to choose the mode (``setMode`` of their RomSettings), and so draw from the emulator's own generator.
ACTING_AT_RESET = ("adventure", "berzerk", "double_dunk", "video_cube")

ConsoleName = Literal["fastatari", "ale"]
CONSOLES = ("fastatari", "ale")


def find_rom(game: str) -> tuple[str, Path]:
    """Find the ROM that a game's name stands for.

    Args:
        game (str): ``breakout``, ``Breakout``, ``ALE/Breakout-v5`` or ``BreakoutNoFrameskip-v4``.

    Returns:
        tuple[str, Path]: the ROM's id in ale-py, as ``breakout``, and its file.

    Raises:
        TypeError: `game` is not a string.
        ValueError: ale-py has no such game, or refuses to play it.
        OSError: the ROM's file is missing or is not the one that ale-py knows.
    """
    if not isinstance(game, str):
        raise TypeError(f"`game` must be a string, got {game!r}")
    match = _ID.fullmatch(game)
    roms = _roms_by_key()
    key = _key(match["name"]) if match else game
    if key not in roms:
        closest = difflib.get_close_matches(key, roms, 1, 0)[0]
        raise ValueError(
            f"`game` {game!r} is not a game of ale-py {ale_py.__version__}; the closest is {roms[closest]!r}"
        )
    rom = roms[key]
    path: Path | None = ale_py.roms.get_rom_path(rom)
    if path is None or ale_py.ALEInterface.isSupportedROM(path) is None:
        raise ValueError(f"`game` {game!r} is refused by ale-py {ale_py.__version__}: it has no mode for one player")
    return rom, path


def list_roms() -> list[str]:
    """Return the ids of all ROMs that ale-py plays, sorted."""
    return sorted(set(ale_py.roms.get_all_rom_ids()) - set(REFUSED))


class EmulatorState(NamedTuple):
    """What `Emulator.clone` returns: plain data, which can be pickled.

    Attributes:
        console ("fastatari" | "ale"): which of the two it was.
        emulator (bytes): the emulator's state, serialised.
        frames_before (int): how many frames were played before the game was reset.
        last_action (int | None): the action that would stick.
        draw (Callable[[], float] | None): what decides that, if it is the console's own.
    """

    console: ConsoleName
    emulator: bytes
    frames_before: int
    last_action: int | None
    draw: Callable[[], float] | None


class Emulator:
    """An Atari 2600 with a cartridge.

    Args:
        game (str): the name of the game, as for `find_rom`.
        console ("fastatari" | "ale"): whose emulator plays: this package's or ale-py's.
        repeat_action_probability (float): how probably a frame repeats the last action.
        sticky_draws ("emulator" | "np_random"): whether ale-py's numbers decide that, or those set by `draw_by`.
        full_action_space (bool): all 18 actions instead of those that the game uses.
        mode (int, optional): the game's mode; by default its default mode.
        difficulty (int, optional): the game's difficulty; the same.
        is_shown (bool): whether ale-py shows the screen in a window, plays the sound, and keeps to the console's speed;
            only with ``"ale"``.

    Attributes:
        rom (str): the ROM's id.
        screen_shape (tuple[int, int]): height and width of the screen.
        palette ("ntsc" | "pal"): the television standard of the game.
        actions (tuple[ale_py.Action, ...]): the game's actions, by index.
        action_meanings (tuple[str, ...]): their names.
        ale (ALEInterface): the emulator, fastatari's or ale-py's.
        draws_at_reset (bool): whether starts depend on `seed`, which then takes effect by `rewind`.
        stops_at_end (bool): whether `act` does nothing after the end of a game. If not, it draws a number.

    Raises:
        TypeError: `game` is not a string.
        ValueError: ale-py has no such game or refuses it; the game has no such mode or difficulty; `console` is
            another.
        NotImplementedError: `is_shown` with this package's console.
        OSError: the ROM's file is missing or is not the one that ale-py knows.
    """

    def __init__(
        self,
        game: str,
        *,
        console: ConsoleName = "fastatari",
        repeat_action_probability: float = 0.0,
        sticky_draws: str = "emulator",
        full_action_space: bool = False,
        mode: int | None = None,
        difficulty: int | None = None,
        is_shown: bool = False,
    ) -> None:
        self.rom, self._path = find_rom(game)
        check_choice("console", console, CONSOLES)
        self._name = console
        ale_py.ALEInterface.setLoggerMode(ale_py.LoggerMode.Error)
        interface: Any = ALEInterface if console == "fastatari" else ale_py.ALEInterface
        self.ale = ale = interface()
        # Not the emulator makes actions stick, and so starts are the same whatever its generator draws; but for a few
        # games.
        self.draws_at_reset = self.rom in ACTING_AT_RESET and (repeat_action_probability > 0 or mode is not None)
        is_native = self.draws_at_reset and sticky_draws == "emulator"
        ale.setInt("random_seed", 0)
        ale.setFloat("repeat_action_probability", repeat_action_probability if is_native else 0.0)
        ale.setInt("max_num_frames_per_episode", 0)
        ale.setBool("display_screen", is_shown)
        ale.setBool("sound", is_shown)
        self._mode, self._difficulty = mode, difficulty
        self._load()
        self.screen_shape: tuple[int, int] = ale.getScreenDims()
        self.palette = _identify_palette(self.rom, ale.getScreen(), ale.getScreenRGB())
        self.actions = tuple(ale.getLegalActionSet() if full_action_space else ale.getMinimalActionSet())
        self.action_meanings = tuple(action.name for action in self.actions)

        # Where states are exact, and starts do not depend on the seed, this one stands for loading the ROM again.
        has_exact_states = console == "fastatari" and not self.draws_at_reset
        self._loaded = ale.cloneState() if has_exact_states else None
        self._frames_before = 0
        # Methods of the emulator itself, because a Python function around each would cost 0.1 us a call.
        self.act: Callable[[ale_py.Action], float] = ale.act
        self._sticky: StickyActions | None = None
        if repeat_action_probability > 0 and not is_native:
            # ale-py compares its numbers with a float32.
            is_own = sticky_draws == "emulator"
            probability = float(np.float32(repeat_action_probability)) if is_own else repeat_action_probability
            self.act = self._sticky = StickyActions(ale.act, probability, ale_py.Action.NOOP)
        self.stops_at_end = self._sticky is None and not self.draws_at_reset
        self._has_draws = self._sticky is not None and sticky_draws == "emulator"
        # A whole step in one call, where the console can do that and no action sticks.
        has_steps = console == "fastatari" and self.stops_at_end
        self.play_step: Callable[..., tuple[int, int | None]] | None = ale._play_step if has_steps else None
        self.lives = ale.lives
        self.game_over = ale.game_over
        self.read_screen = ale.getScreen
        self.read_rgb = ale.getScreenRGB
        self.read_gray = ale.getScreenGrayscale

    def reset(self) -> npt.NDArray[np.uint8]:
        """Begin a game.

        Returns:
            uint8[H, W]: its first screen, colour indices; a fresh array.
        """
        self._frames_before = self.frame_number
        self.ale.reset_game()
        if self._sticky is not None:
            self._sticky.last_action = ale_py.Action.NOOP
        screen: npt.NDArray[np.uint8] = self.ale.getScreen()
        return screen

    def seed(self, seed: int) -> None:
        """Seed the emulator's generator, with the lower 32 bits of an integer."""
        if self._has_draws:
            self.draw_by(EmulatorDraws(seed))
        if self.draws_at_reset:
            self.ale.setInt("random_seed", int(np.uint32(seed % 2**32).astype(np.int32)))

    def draw_by(self, draw: Callable[[], float]) -> None:
        """Let other numbers than the emulator's, from 0 to 1, decide whether a frame repeats the last action."""
        if self._sticky is not None:
            self._sticky.draw = draw

    def rewind(self) -> None:
        """Let the next reset be the first after loading the ROM; where need be, by loading it."""
        if self._loaded is not None:
            self.ale.restoreState(self._loaded)
        else:
            self._load()
        self._frames_before = -self.episode_frame_number

    @property
    def frame_number(self) -> int:
        """How many frames were played since the ROM was loaded, or since `rewind`."""
        return self._frames_before + self.episode_frame_number

    @property
    def episode_frame_number(self) -> int:
        """How many frames were played since the last reset."""
        number: int = self.ale.getEpisodeFrameNumber()
        return number

    def clone(self) -> EmulatorState:
        """Return all that the frames and the resets to come depend on, but for numbers set by `draw_by`."""
        emulator = self.ale.cloneState(include_rng=self.draws_at_reset).serialize()
        if self._sticky is None:
            return EmulatorState(self._name, emulator, self._frames_before, None, None)
        draw = copy.deepcopy(self._sticky.draw) if self._has_draws else None
        return EmulatorState(self._name, emulator, self._frames_before, self._sticky.last_action.value, draw)

    def restore(self, state: EmulatorState) -> None:
        """Go on from what `clone` returned in this console or one of the same arguments, in any process.

        It is exact, but with ``"ale"``; `AtariEnv.restore_state` says where ale-py's states are not.

        Raises:
            ValueError: the state is of the other console, of another ROM, or not the state of any console.
        """
        if state.console != self._name:
            raise ValueError(f"the state is of `console` {state.console!r}, not of {self._name!r}")
        if self._name == "fastatari":
            self.ale.restoreState(ALEState(state.emulator))
        else:
            self._restore_ale(ale_py.ALEState(state.emulator))
        self._frames_before = state.frames_before
        if self._sticky is not None and state.last_action is not None:
            self._sticky.last_action = ale_py.Action(state.last_action)
        if state.draw is not None:
            self.draw_by(copy.deepcopy(state.draw))

    def check_action(self, action: int) -> ale_py.Action:
        """Return the emulator's action of an index into the game's action set.

        Raises:
            TypeError: `action` is not an integer; a boolean or a float is none.
            InvalidAction: the game has no such action.
        """
        index = action if type(action) is int else to_int("action", action)
        if not 0 <= index < len(self.actions):
            raise InvalidAction.of(index, self.rom, self.action_meanings)
        chosen: ale_py.Action = self.actions[index]
        return chosen

    def _restore_ale(self, state: ale_py.ALEState) -> None:
        self.ale.restoreState(state)
        # What ale-py's states leave out is as after a reset, or as after a frame.
        if self.ale.getEpisodeFrameNumber() == 0:
            self.ale.reset_game()
        else:
            self.ale.act(ale_py.Action.NOOP)
        self.ale.restoreState(state)

    def _load(self) -> None:
        ale = self.ale
        ale.loadROM(self._path)
        for name, value, allowed, choose in (
            ("mode", self._mode, ale.getAvailableModes, ale.setMode),
            ("difficulty", self._difficulty, ale.getAvailableDifficulties, ale.setDifficulty),
        ):
            if value is not None:
                check_choice(name, value, sorted(allowed()))
                choose(value)


def _key(name: str) -> str:
    """Return what is the same in ``ms_pacman``, ``MsPacman`` and ``mspacman``."""
    return name.replace("_", "").lower()


@functools.cache
def _roms_by_key() -> dict[str, str]:
    return {_key(rom): rom for rom in ale_py.roms.get_all_rom_ids()}


def _identify_palette(rom: str, screen: npt.NDArray[np.uint8], rgb: npt.NDArray[np.uint8]) -> Literal["ntsc", "pal"]:
    """Return the palette that a ROM's start screen is shown in. ale-py has no accessor for it."""
    # Black alone would fit both. ale-py's PAL screens are 250 lines high, NTSC ones at most 230.
    candidates: tuple[Literal["ntsc", "pal"], ...] = ("pal", "ntsc") if len(screen) == 250 else ("ntsc", "pal")
    for candidate in candidates:
        if np.array_equal(palette.rgb_table(candidate)[screen], rgb):
            return candidate
    raise ValueError(
        f"the colours of {rom} are neither NTSC's nor PAL's as in ale-py 0.12; this is ale-py {ale_py.__version__}"
    )
