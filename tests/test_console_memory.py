"""What a console writes to: its own block and its own screens, whatever is played, and whatever its block holds."""

import ctypes

import ale_py.roms
import numpy as np
import ours
import programs
import pytest
import test_console_programs
import wheel

from fastatari.console import memory

ROMS = ["breakout", "pitfall2", "elevator_action", "klax", "montezuma_revenge", "robotank", "qbert", "journey_escape"]


def make_consoles(path, count):
    rom = memory.load_rom(path.read_bytes(), path.stem)
    consoles = memory.Consoles(rom, count)
    functions = ours.compiled_functions()
    for i in range(count):
        consoles[i].sticky_threshold = 1 << 30
        functions.power_on(consoles[i], ours.SYSTEM_SEED, i)
    return consoles, functions


def rom_path(name):
    return ale_py.roms.get_rom_path(name)


@pytest.mark.parametrize("name", ROMS)
def test_neighbours_stay_as_they_are(name):
    """One of three consoles plays and is reset; the others, their screens, flags and the ROM stay as they are."""
    consoles, functions = make_consoles(rom_path(name), 3)
    size = ctypes.sizeof(consoles[0])
    consoles.changed[...] = 0
    before = [(consoles.blocks[i].copy(), consoles.screens[i].copy()) for i in range(3)]
    image, program = consoles.rom.image.copy(), consoles.rom.program.copy()
    rng = np.random.default_rng(0)
    for k in range(150):
        functions.act(consoles[1], int(rng.integers(18)), 23000, int(rng.integers(1, 5)), int(rng.integers(16)))
        if k % 50 == 49:
            functions.reset_game(consoles[1])
    for i in (0, 2):
        np.testing.assert_array_equal(consoles.blocks[i], before[i][0])
        np.testing.assert_array_equal(consoles.screens[i], before[i][1])
        assert not consoles.changed[i].any()
    np.testing.assert_array_equal(consoles.blocks[1, size:], before[1][0][size:])
    np.testing.assert_array_equal(consoles.rom.image, image)
    np.testing.assert_array_equal(consoles.rom.program, program)
    assert (consoles.blocks[1] != before[1][0]).any()
    assert consoles.changed[1].any()


@pytest.mark.parametrize("name", ROMS)
def test_a_copied_block_goes_on_alike(name):
    """A console is its block and its screens: copied to where another is, it plays the same."""
    consoles, functions = make_consoles(rom_path(name), 2)
    rng = np.random.default_rng(1)
    actions = [(int(rng.integers(18)), int(rng.integers(16))) for _ in range(60)]
    for action, drawn in actions[:20]:
        functions.act(consoles[0], action, 23000, 4, drawn)
    own = list(consoles[1].screens), list(consoles[1].changed)
    ctypes.memmove(ctypes.addressof(consoles[1]), ctypes.addressof(consoles[0]), ctypes.sizeof(consoles[0]))
    consoles[1].screens[:], consoles[1].changed[:] = own
    consoles.screens[1] = consoles.screens[0]
    for action, drawn in actions[20:]:
        rewards = [functions.act(consoles[i], action, 23000, 4, drawn) for i in range(2)]
        assert rewards[0] == rewards[1]
        assert bytes(consoles[0].ram) == bytes(consoles[1].ram)
    for i in range(2):
        functions.draw(consoles[i])
    for screen in range(2):
        np.testing.assert_array_equal(consoles.screens[0, screen], consoles.screens[1, screen])
    fields = [wheel.flatten(ours.our_registers(consoles[i], str(rom_path(name)), full=True)) for i in range(2)]
    assert wheel.first_difference(*fields) is None


def scramble(console, rng):
    """Random values in all registers of the machine that a state can hold, as a wrong state might have them."""
    console.ram[:] = rng.integers(0, 256, 128).tolist()
    for name in (
        "a",
        "x",
        "y",
        "sp",
        "carry",
        "overflow",
        "decimal",
        "nusiz",
        "colup",
        "ctrlpf",
        "refp",
        "grp",
        "old_grp",
    ):
        value = getattr(console, name)
        if isinstance(value, int):
            setattr(console, name, int(rng.integers(2 if name in ("carry", "overflow", "decimal") else 256)))
        else:
            value[:] = rng.integers(0, 2 if name == "refp" else 256, len(value)).tolist()
    console.pc = int(rng.integers(65536))
    console.position[:] = rng.integers(0, 160, 5).tolist()
    console.motion[:] = rng.integers(0, 16, 5).tolist()
    console.vblank, console.vsync, console.comb = (int(value) for value in rng.integers(0, 2, 3))
    for name in ("cycle", "timer_set_cycle", "timer_read_cycle", "hmove_clock", "dump_end_cycle", "vsync_end"):
        setattr(
            console, name, int(rng.integers(-(1 << 31), 1 << 31)) if name != "cycle" else int(rng.integers(1 << 20))
        )
    console.outdated = 0x3F


@pytest.mark.parametrize("name", ROMS)
def test_random_registers_write_nowhere_else(name):
    player = ours.Direct(name)
    rng = np.random.default_rng(2)
    for _ in range(40):
        scramble(player.console, rng)
        for _ in range(4):
            player.act(int(rng.integers(18)), drawn=int(rng.integers(2)))
        player.fields()  # looks at the guards
        player.reset()
        player.fields()


@pytest.mark.parametrize("family", test_console_programs.FAMILIES)
def test_programs_write_nowhere_else(family, tmp_path):
    path = tmp_path / test_console_programs.NAME
    path.write_bytes(programs.make(family, 50))
    player = ours.Direct(path)
    rng = np.random.default_rng(3)
    for k in range(30):
        player.act(int(rng.integers(18)), frames=int(rng.integers(1, 5)), drawn=int(rng.integers(16)))
        player.fields()
        if k % 10 == 9:
            player.reset()
            player.fields()
