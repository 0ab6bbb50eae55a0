"""The console's sources under CPython against the same ones compiled: every byte of the console is equal.

CPython takes some 0.1 s a frame, so two frames of each type of cartridge are played, from the middle of a game.
"""

import ctypes

import numpy as np
import ours
import programs
import pytest
import reset_programs
import test_console_programs
import wheel

from fastatari.console.recording import Start
from fastatari.console.repeating import FIRE_FIRST, FIRE_LAST
from fastatari.console.starts import Starts
from fastatari.console.state import STATE_SIZE, Machine

# A ROM of each type of cartridge, one with paddles, one of PAL, one whose frames are cut, one with moving stars.
ROMS = {
    "2K": "freeway",
    "4K": "seaquest",
    "F8": "asterix",
    "F8SC": "elevator_action",
    "F6": "crossbow",
    "F6SC": "klax",
    "E0": "montezuma_revenge",
    "FE": "robotank",
    "DPC": "pitfall2",
    "paddles": "breakout",
    "PAL": "adventure",
    "cut frames": "qbert",
    "stars": "journey_escape",
}


def play_on_both(player, steps, seed):
    """Play one console compiled, then from the same block and screens under CPython; both blocks must be the same."""
    plain = ours.plain_functions()
    size = ctypes.sizeof(player.console)
    block = bytearray(bytes(player.console))
    screens = player.consoles.screens[1].copy()
    rng = np.random.default_rng(seed)
    acts = [(int(rng.integers(18)), int(rng.integers(2))) for _ in range(steps)]
    results = []
    for functions in (player.functions, plain):
        ctypes.memmove(ctypes.addressof(player.console), bytes(block), size)
        player.consoles.screens[1] = screens
        rewards = [functions.act(player.console, action, 23000, 1, drawn) for action, drawn in acts]
        functions.draw(player.console)
        machine = np.frombuffer(bytes(player.console), np.uint8)[: ctypes.sizeof(Machine)].copy()
        fields = wheel.flatten(ours.our_registers(player.console, player.path, full=True))
        results.append((rewards, machine, fields, player.consoles.screens[1].copy()))
    (rewards, machine, fields, shown), (plain_rewards, plain_machine, plain_fields, plain_shown) = results
    assert rewards == plain_rewards
    difference = wheel.first_difference(plain_fields, fields)
    assert difference is None, difference.replace("the wheel", "CPython").replace("ours", "compiled")
    np.testing.assert_array_equal(shown, plain_shown)
    different = [
        name for name, _ in Machine._fields_ if name != "bus" and differs(Machine, name, machine, plain_machine)
    ]
    assert not different


def differs(structure, name, one, other):
    field = getattr(structure, name)
    return bool(
        (one[field.offset : field.offset + field.size] != other[field.offset : field.offset + field.size]).any()
    )


@pytest.mark.parametrize("rom", ROMS.values(), ids=list(ROMS))
def test_frames_of_each_type_of_cartridge(rom):
    player = ours.Direct(rom, 3, 0.25)
    rng = np.random.default_rng(3)
    for _ in range(40):
        player.act(int(rng.integers(18)), frames=2, drawn=0)
    play_on_both(player, 2, 4)


@pytest.mark.parametrize("family", test_console_programs.FAMILIES)
def test_frames_of_programs(family, tmp_path):
    path = tmp_path / test_console_programs.NAME
    path.write_bytes(programs.make(family, 70))
    player = ours.Direct(path, 3)
    player.act(2, frames=3, drawn=0)
    play_on_both(player, 2, 5)


@pytest.mark.sweep
@pytest.mark.parametrize("seed", range(71, 80))
@pytest.mark.parametrize("family", test_console_programs.FAMILIES)
def test_frames_of_many_programs(family, seed, tmp_path):
    path = tmp_path / test_console_programs.NAME
    path.write_bytes(programs.make(family, seed))
    player = ours.Direct(path, 3)
    for step in range(3):
        player.act(2, frames=3, drawn=0)
        play_on_both(player, 3, step)


def table_contents(starts):
    """All that a table of starts holds, with addresses of pictures relative to the first."""
    table, size = starts.table, ctypes.sizeof(Start)
    counters = table.reserved, table.pictures_reserved, table.hits
    kept = []
    for i in range(table.reserved):
        start = Start.from_buffer_copy(ctypes.string_at(table.starts + i * size, size))
        for k in range(2):
            start.pictures[k] -= table.pictures if start.pictures[k] else -1
        kept.append(bytes(start))
    pictures = ctypes.string_at(table.pictures, table.pictures_reserved * table.picture_size)
    return counters, list(table.keys[: table.reserved]), list(table.has_picture), kept, pictures


# What a program does, and its openings: each is recorded, found, or emulated because it ends the game.
RESETS = {
    "reads RAM and the timer": ({"reads_timer": True, "is_black": True}, [0, 0, 3 * 2 + FIRE_LAST, 3 * 2 + FIRE_LAST]),
    "keeps pictures": ({"lines": 36}, [0, 3 * 1 + FIRE_FIRST, 3 * 1 + FIRE_FIRST]),
    "ends": ({"is_black": True, "ends_after": reset_programs.RESET_FRAMES + 1}, [3 * 3]),
}


@pytest.mark.parametrize("name", RESETS)
def test_resets_that_are_recorded_and_repeated(name, tmp_path):
    settings, openings = RESETS[name]
    path = reset_programs.write(tmp_path, **settings)
    players = [ours.Direct(path) for _ in range(2)]
    players[1].functions = ours.plain_functions()
    tables = [Starts(player.consoles.rom.rows) for player in players]
    for count, opening in enumerate(openings):
        results = []
        for player, starts in zip(players, tables, strict=True):
            c = player.console
            c.system_generator.index = 5  # for the same timer
            c.ram[0x11] = 0  # what the program changes
            player.consoles.changed[1] = 0
            frames = player.functions.begin(c, starts.table, opening)
            player.functions.draw_both(c)
            results.append((frames, bytes(c)[:STATE_SIZE], player.consoles.screens[1].copy()))
            results[-1] += player.consoles.changed[1].copy(), table_contents(starts)
        for one, other in zip(*results, strict=True):
            np.testing.assert_equal(one, other, f"reset {count}")
    assert tables[0].table.hits == len(openings) - len(set(openings))
    assert bool(tables[0].table.pictures_reserved) == (name == "keeps pictures")
    assert bool(tables[0].table.keys[0]) == (name != "ends")


@pytest.mark.sweep
@pytest.mark.parametrize("rom", ["breakout", "pitfall2", "elevator_action"])
def test_power_on(rom):
    """From the first cycle on, through the detection of the format and a reset."""
    players = [
        ours.Direct(rom, 3, functions=functions()) for functions in (ours.compiled_functions, ours.plain_functions)
    ]
    for action in (0, 1, 2):
        difference = wheel.first_difference(*(player.fields(full=True) for player in players))
        assert difference is None, difference.replace("the wheel", "compiled").replace("ours", "CPython")
        for player in players:
            player.act(action)
