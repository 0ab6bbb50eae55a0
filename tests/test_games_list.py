"""The names of games, and the ROMs that they stand for."""

import re
from pathlib import Path

import ale_py
import pytest
from ale_py import roms

from fastatari.games import ACTING_AT_RESET, REFUSED, find_rom, list_roms


def test_list_roms_is_sorted_and_has_every_rom_that_is_not_refused():
    files = {path.stem for path in Path(roms.__file__).parent.glob("*.bin")}
    assert list_roms() == sorted(files - set(REFUSED))
    assert len(list_roms()) == 104


def test_find_rom_finds_every_rom_by_each_of_its_names():
    for rom in list_roms():
        name = rom.title().replace("_", "")
        names = [rom, name, name.lower(), f"ALE/{name}-v5", f"{name}NoFrameskip-v4", f"{name}Deterministic-v4"]
        for each in [*names, f"{name}-v0", f"fastatari/{name}-v0"]:
            assert find_rom(each) == (rom, roms.get_rom_path(rom)), each


@pytest.mark.parametrize("rom", REFUSED)
def test_find_rom_refuses_a_rom_when_ale_py_would_end_the_process(rom):
    message = f"^`game` '{rom}' is refused by ale-py {re.escape(ale_py.__version__)}: it has no mode for one player$"
    with pytest.raises(ValueError, match=message):
        find_rom(rom)


@pytest.mark.parametrize(
    ("game", "hint"),
    [
        ("brakeout", "the closest is 'breakout'"),
        ("mspacmann", "the closest is 'ms_pacman'"),
        ("ALE/Breakout-ram-v5", "the closest is 'breakout'"),
        ("ALE/Breakout-v", "the closest is 'breakout'"),
        ("", "`fastatari.games.list_roms()` lists all games"),
        ("LunarLander-v3", "`fastatari.games.list_roms()` lists all games"),
        ("/etc/passwd", "`fastatari.games.list_roms()` lists all games"),
        ("breakout\n", "the closest is 'breakout'"),
    ],
)
def test_find_rom_says_what_is_close_when_there_is_no_such_game(game, hint):
    message = f"`game` {game!r} is not a game of ale-py {ale_py.__version__}; {hint}"
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        find_rom(game)


@pytest.mark.parametrize("game", [None, 3, b"breakout", Path("breakout"), ["breakout"]])
def test_find_rom_raises_a_type_error_when_the_name_is_not_a_string(game):
    with pytest.raises(TypeError, match=f"^`game` must be a string, got {re.escape(repr(game))}$"):
        find_rom(game)


def test_find_rom_raises_an_os_error_when_the_file_is_missing_or_another(bad_roms, capsys):
    with pytest.raises(OSError, match=bad_roms):
        find_rom("breakout")


@pytest.mark.parametrize("rom", ["adventure", "breakout", "berzerk", "double_dunk", "pong", "surround", "video_cube"])
def test_acting_at_reset_has_a_game_when_its_reset_draws_from_the_emulators_generator(rom):
    ale_py.ALEInterface.setLoggerMode(ale_py.LoggerMode.Error)
    ale = ale_py.ALEInterface()
    ale.setInt("random_seed", 3)
    ale.loadROM(find_rom(rom)[1])
    ale.setMode(max(ale.getAvailableModes()))
    before = _generator_of(ale)
    ale.reset_game()
    assert (_generator_of(ale) != before) == (rom in ACTING_AT_RESET)


def _generator_of(ale):
    """Return what a state with the generator has behind the end of a state without."""
    without, state = (ale.cloneState(include_rng=flag).__getstate__() for flag in (False, True))
    return state[len(without) :]
