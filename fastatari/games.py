"""The games that can be played: their names, and the files with their ROMs, which ale-py brings along."""

import difflib
import functools
import re
from pathlib import Path
from typing import Final

import ale_py
import ale_py.roms

# Gymnasium's ids around the name of a game, such as ALE/Breakout-v5 and BreakoutNoFrameskip-v4. An id chooses the ROM
# only: what else it stands for, such as the frame skip and sticky actions, is chosen by the rules.
_ID: Final = re.compile(r"(?:ALE/|fastatari/)?(?P<name>\w+?)(?:NoFrameskip|Deterministic)?(?:-v\d)?")

# ale-py has the files of these ROMs, but its loadROM ends the process, because they have no mode for one player.
REFUSED: Final = ("combat", "joust", "maze_craze", "warlords")

# A reset of these games plays actions to choose the mode (``setMode`` of their RomSettings), and so draws numbers from
# the emulator's own generator.
ACTING_AT_RESET: Final = ("adventure", "berzerk", "double_dunk", "video_cube")


def find_rom(game: str) -> tuple[str, Path]:
    """Find the ROM of a game.

    Args:
        game (str): the game's name, such as ``breakout``, ``Breakout``, ``ALE/Breakout-v5`` or
            ``BreakoutNoFrameskip-v4``.

    Returns:
        tuple[str, Path]: the ROM's id in ale-py, such as ``breakout``, and its file.

    Raises:
        TypeError: `game` is not a string.
        ValueError: ale-py has no such game, or refuses to play it.
        OSError: the ROM's file is missing, or is not the one that ale-py knows.
    """
    if not isinstance(game, str):
        raise TypeError(f"`game` must be a string, got {game!r}")
    match = _ID.fullmatch(game)
    roms = _roms_by_key()
    key = _key(match["name"] if match else game)
    if key not in roms:
        closest = difflib.get_close_matches(key, roms, 1, 0.55)
        hint = f"the closest is {roms[closest[0]]!r}" if closest else "`fastatari.games.list_roms()` lists all games"
        raise ValueError(f"`game` {game!r} is not a game of ale-py {ale_py.__version__}; {hint}")
    rom = roms[key]
    path: Path | None = ale_py.roms.get_rom_path(rom)
    if path is None or ale_py.ALEInterface.isSupportedROM(path) is None:
        raise ValueError(f"`game` {game!r} is refused by ale-py {ale_py.__version__}: it has no mode for one player")
    return rom, path


def list_roms() -> list[str]:
    """Return the ids of all ROMs that can be played, sorted."""
    return sorted(set(ale_py.roms.get_all_rom_ids()) - set(REFUSED))


def to_camel_case(rom: str) -> str:
    """Return a ROM's id as gymnasium's ids spell it, such as ``MsPacman``."""
    return rom.title().replace("_", "")


def to_envpool_id(rom: str) -> str:
    """Return the id under which envpool has a ROM, such as ``MsPacman-v5``."""
    return f"{'TicTacToe3d' if rom == 'tic_tac_toe_3d' else to_camel_case(rom)}-v5"


def _key(name: str) -> str:
    """Return a name in the spelling that ``ms_pacman``, ``MsPacman`` and ``mspacman`` share."""
    return name.replace("_", "").lower()


@functools.cache
def _roms_by_key() -> dict[str, str]:
    return {_key(rom): rom for rom in ale_py.roms.get_all_rom_ids()}
