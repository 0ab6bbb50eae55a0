"""The console's sources under CPython against the same ones compiled: every byte of the console is equal.

CPython takes some 0.1 s a frame, so two frames of each type of cartridge are played, from the middle of a game.
"""

import ctypes

import numpy as np
import ours
import programs
import pytest
import test_console_programs
import wheel

from fastatari.console.state import Machine

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
