"""`Console`: one game on ale-py's emulator. The only file that imports `ale_py`."""

import difflib
import functools
import re
from pathlib import Path
from typing import Literal

import ale_py
import ale_py.roms
import numpy as np
import numpy.typing as npt

from fastatari import palette, start_states
from fastatari.checks import check_choice, check_integer, to_int
from fastatari.errors import InvalidAction
from fastatari.resets import Resets, Start

# gymnasium's ids around a game's name, as in ALE/Breakout-v5 and BreakoutNoFrameskip-v4. They name the ROM only:
# what else such an id stands for (frame skip, sticky actions) is for the caller to ask for.
_ID = re.compile(r"(?:ALE/)?(?P<name>\w+?)(?:NoFrameskip|Deterministic)?(?:-v\d)?")

MAX_NUM_FRAMES_PER_EPISODE = 108_000

StartStates = Literal["saved", "true"]
START_STATES = ("saved", "true")


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
    path = _find_path(rom)
    if path is None:
        raise ValueError(f"`game` {game!r} is refused by ale-py {ale_py.__version__}: it has no mode for one player")
    return rom, path


def list_roms() -> list[str]:
    """Return the ids of all ROMs that ale-py plays, sorted."""
    return [rom for rom in sorted(ale_py.roms.get_all_rom_ids()) if _find_path(rom) is not None]


def _find_path(rom: str) -> Path | None:
    """Return the file of a ROM; None if ale-py does not play it."""
    path: Path | None = ale_py.roms.get_rom_path(rom)
    # loadROM ends the process for a ROM that it does not support: ask before. The four are combat, joust, maze_craze
    # and warlords, which have no mode for one player.
    return path if path is not None and ale_py.ALEInterface.isSupportedROM(path) is not None else None


class Console:
    """An Atari 2600 with a cartridge, without sticky actions, in the game's default mode and difficulty.

    Args:
        game (str): the name of the game, as for `find_rom`.
        seed (int): seeds ale-py's generator as gymnasium does. Without sticky actions nothing depends on it.
        start_states ("saved" | "true"): whether resets restore the saved state of an earlier reset, where that is exact
            (`fastatari.start_states`): 0.04 ms instead of 5 ms, for the emulation of some 70 frames.

    Attributes:
        rom (str): the ROM's id.
        screen_shape (tuple[int, int]): height and width of the screen.
        palette ("ntsc" | "pal"): the television standard of the game.
        action_meanings (tuple[str, ...]): the names of the game's actions, its minimal action set, by index.

    Raises:
        TypeError: `game` is not a string, `seed` not an integer.
        ValueError: ale-py has no such game or refuses it; `seed` is negative; `start_states` is another.
        OSError: the ROM's file is missing or is not the one that ale-py knows.
    """

    def __init__(self, game: str, seed: int, start_states: StartStates = "saved") -> None:
        self.rom, path = find_rom(game)
        seed = check_integer("seed", seed, least=0)
        check_choice("start_states", start_states, START_STATES)
        ale_py.ALEInterface.setLoggerMode(ale_py.LoggerMode.Error)
        ale = ale_py.ALEInterface()
        _, ale_seed = np.random.SeedSequence(seed).generate_state(2)
        ale.setInt("random_seed", int(ale_seed.astype(np.int32)))
        ale.setFloat("repeat_action_probability", 0.0)
        ale.setInt("max_num_frames_per_episode", MAX_NUM_FRAMES_PER_EPISODE)
        ale.loadROM(path)
        self.screen_shape: tuple[int, int] = ale.getScreenDims()
        self.palette = _identify_palette(self.rom, ale.getScreen(), ale.getScreenRGB())
        self._actions = ale.getMinimalActionSet()
        self.action_meanings = tuple(action.name for action in self._actions)

        self._resets = Resets(ale, _known_start(self.rom) if start_states == "saved" else None)
        # Methods of the emulator itself, because a Python function around each would cost 0.1 us a call.
        self.act = ale.act
        self.lives = ale.lives
        self.game_over = ale.game_over
        self.read_screen = ale.getScreen
        self.read_rgb = ale.getScreenRGB
        self.read_gray = ale.getScreenGrayscale

    def reset(self) -> npt.NDArray[np.uint8]:
        """Begin an episode.

        Returns:
            uint8[H, W]: its first screen, colour indices; not to be written to. The emulator itself may show another
            until the first action.
        """
        return self._resets.reset()

    def check_action(self, action: int) -> ale_py.Action:
        """Return the emulator's action of an index into the game's action set.

        Raises:
            TypeError: `action` is not an integer; a boolean or a float is none.
            InvalidAction: the game has no such action.
        """
        index = action if type(action) is int else to_int("action", action)
        if not 0 <= index < len(self._actions):
            raise InvalidAction(
                f"action {index} is not in 0..{len(self._actions) - 1}, the actions of {self.rom}: "
                + ", ".join(self.action_meanings)
            )
        return self._actions[index]


def _known_start(rom: str) -> Start | None:
    """Return what the start of a ROM depends on, where that is known: for another version of ale-py nothing is."""
    return start_states.EXACT.get(rom) if ale_py.__version__ == start_states.ALE_PY else None


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
