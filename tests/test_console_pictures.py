"""Pictures of consoles: the flags of rows that were drawn differently, and pictures that are made afterwards."""

import ale_py.roms
import numpy as np
import ours
import programs
import pytest
import test_console_programs
import wheel
from assembler import Assembler
from reference import ROMS

from fastatari import ALEInterface
from fastatari.console import memory
from fastatari.console.state import STATE_SIZE, Console, Machine
from fastatari.console.tia.pixels import PIXELS

# All frames of these reach the end of the picture, and most of their rows stay as they are.
WHOLE = ["breakout", "pong", "seaquest", "space_invaders"]
# These move objects by HMOVE on nearly all lines, each of which leaves a black comb.
COMBED = ["boxing", "freeway", "kaboom", "riverraid", "skiing"]


@pytest.mark.parametrize("rom", ROMS)
def test_rows_that_change_are_flagged(rom):
    """After each step of four frames, of which the last two are drawn, some with a look at what was not drawn.

    No others are, except all rows of a screen where a frame was cut or ended within the picture.
    """
    player = ours.Direct(rom, 1, 0.25)
    flags = ours.RowFlags(player.consoles, 1)
    rng = np.random.default_rng(ROMS.index(rom))
    number, is_clear = 0, False
    for step in range(25):
        if player.over() or rng.random() < 0.05:
            player.reset()
            flags.check(f"{rom}, reset before step {step}")
            is_clear = False
        player.act(int(rng.choice(player.actions())), frames=4, drawn=int(rng.choice([0b1100, 0b1100, 0b1000, 0])))
        if rng.random() < 0.5:
            player.functions.draw_both(player.console)
        flags.check(f"{rom}, step {step}")
        differ, flagged = (rows[:, : player.console.height] for rows in flags.find())
        for k in range(2):
            is_exact = np.array_equal(differ[k], flagged[k])
            others = np.argwhere(flagged[k] & ~differ[k])
            assert not is_clear or is_exact or flagged[k].all(), f"{rom}, step {step}, screen {k}: {others.tolist()}"
        number += flagged.sum()
        is_clear = rng.random() < 0.8
        if is_clear:
            flags.clear()
    assert number
    player.fields()  # looks at the guards


@pytest.mark.parametrize("rom", [*WHOLE, *COMBED])
def test_rows_that_stay_are_not_flagged(rom):
    player = ours.Direct(rom, 2, 0.25)
    flags = ours.RowFlags(player.consoles, 1)
    rng = np.random.default_rng(2)
    player.act(1, frames=8, drawn=0xC0)
    shares = []
    for step in range(100):
        if player.over():
            player.reset()
            player.act(1, frames=8, drawn=0xC0)
        flags.clear()
        player.act(int(rng.choice(player.actions())), frames=4, drawn=0b1100)
        differ, flagged = flags.find()
        assert np.array_equal(differ, flagged), f"{rom}, step {step}: {np.argwhere(differ != flagged).tolist()}"
        assert all(player.console.has_start)
        shares.append(flagged[:, : player.console.height].mean())
    assert 0 < np.mean(shares) < 0.5


def test_combs_that_stay_are_not_flagged(tmp_path):
    """HMOVE on each line, over a background that is not black."""
    p = Assembler().store(0x09, 0x44)
    again = p.at
    p.vsync()
    for _ in range(250):
        p("STA zp", 0x02)("STA zp", 0x2A)
    path = tmp_path / test_console_programs.NAME
    path.write_bytes(p("JMP abs", again).finish())
    player = ours.Direct(path)
    player.act(0, frames=4)
    screen = player.consoles.screens[1, 0, :200]
    assert (screen[:, :8] == 0).all()
    assert (screen[:, 8:] == 0x44).all()
    flags = ours.RowFlags(player.consoles, 1)
    player.act(0, frames=4)
    assert not flags.find()[1].any()


@pytest.mark.parametrize("family", test_console_programs.FAMILIES)
def test_rows_that_programs_change_are_flagged(family, tmp_path):
    """Also in frames that are cut, or end anywhere."""
    path = tmp_path / test_console_programs.NAME
    path.write_bytes(programs.make(family, 60))
    player = ours.Direct(path)
    flags = ours.RowFlags(player.consoles, 1)
    rng = np.random.default_rng(60)
    for step in range(12):
        if step % 5 == 4:
            player.reset()
        player.act(int(rng.integers(18)), frames=int(rng.integers(1, 5)), drawn=int(rng.integers(16)))
        if rng.random() < 0.5:
            player.functions.draw_both(player.console)
        flags.check(f"{family}, step {step}")
        if rng.random() < 0.7:
            flags.clear()
    player.fields()


@pytest.mark.parametrize("rom", ["breakout", "pong", "adventure", "journey_escape", "qbert"])
def test_rows_that_a_restored_state_changes_are_flagged(rom):
    consoles = memory.Consoles(memory.load_rom(ale_py.roms.get_rom_path(rom).read_bytes(), rom))
    ours.compiled_functions().power_on(consoles[0], ours.SYSTEM_SEED, 1)
    ale = ALEInterface.show(consoles, 0)
    flags = ours.RowFlags(consoles)
    rng = np.random.default_rng(4)
    states = []
    for step in range(60):
        ale.act(int(rng.integers(18)))
        if rng.random() < 0.2:
            states.append(ale.cloneState())
        if states and rng.random() < 0.2:
            ale.restoreState(states[int(rng.integers(len(states)))])
        if rng.random() < 0.7:
            ale.getScreen()
        flags.check(f"{rom}, step {step}")
        if rng.random() < 0.3:
            flags.clear()


# Pictures that are made afterwards.


def draw_start(player, start):
    """The picture of a frame that began so, drawn between guards; and which of its rows were flagged."""
    rows = player.consoles.rom.rows
    screen = memory.allocate((rows + 2) * PIXELS).reshape(-1, PIXELS)
    flags = np.zeros(rows + 2, np.uint8)
    for guarded in (screen, flags):
        guarded[0] = guarded[player.console.height + 1 :] = ours.GUARD
    player.functions.draw_start(player.console, start, screen[1:].ctypes.data, flags[1:].ctypes.data)
    for guarded in (screen, flags):
        assert (guarded[0] == ours.GUARD).all()
        assert (guarded[player.console.height + 1 :] == ours.GUARD).all()
    return screen[1 : player.console.height + 1], flags[1 : player.console.height + 1]


def take_all(player):
    """A console's state, its settings and addresses, and its screens and flags."""
    block = bytes(player.console)
    return (
        block[:STATE_SIZE],
        block[Console.recording.offset : Console.rom.offset],
        player.consoles.screens[1].copy(),
        player.consoles.changed[1].copy(),
    )


@pytest.mark.parametrize("rom", [*WHOLE, "adventure", "montezuma_revenge", "pitfall2", "robotank", "klax", "crossbow"])
def test_a_frame_start_gives_the_picture_that_the_frame_had(rom):
    """However much was played since, also by the other screen's turn; and the console is left as it was."""
    player = ours.Direct(rom, 3, 0.25)
    rng = np.random.default_rng(3)
    kept = []
    for step in range(40):
        if player.over():
            player.reset()
        player.act(int(rng.choice(player.actions())), frames=int(rng.integers(1, 5)), drawn=-1)
        c = player.console
        k = int(c.current)
        if c.has_start[k]:
            kept.append((Machine.from_buffer_copy(c.frame_starts[k]), player.screen().copy()))
        elif not kept:
            continue
        before = take_all(player)
        start, expected = kept[int(rng.integers(len(kept)))]
        screen, flags = draw_start(player, start)
        np.testing.assert_array_equal(screen, expected, f"{rom}, step {step}")
        np.testing.assert_array_equal(flags, (expected != 0).any(axis=-1), f"{rom}, step {step}")
        for one, other in zip(before, take_all(player), strict=True):
            np.testing.assert_array_equal(one, other, f"{rom}, step {step}")
    assert len(kept) > 30


@pytest.mark.parametrize("rom", [*WHOLE, "montezuma_revenge", "qbert"])
def test_drawing_a_frame_start_does_not_matter(rom):
    """A console that did goes on as one that did not."""
    one, other = ours.Direct(rom, 4, 0.25), ours.Direct(rom, 4, 0.25)
    rng = np.random.default_rng(4)
    for step in range(60):
        action, drawn = int(rng.choice(one.actions())), int(rng.integers(16))
        for player in (one, other):
            if player.over():
                player.reset()
            player.act(action, frames=4, drawn=drawn)
        c = one.console
        for k in range(2):
            if c.has_start[k] and rng.random() < 0.5:
                draw_start(one, Machine.from_buffer_copy(c.frame_starts[k]))
        difference = wheel.first_difference(other.fields(), one.fields())
        assert difference is None, f"{rom}, step {step}: {difference}"


@pytest.mark.parametrize("rom", ["breakout", "pitfall2", "journey_escape", "qbert", "surround"])
def test_both_pictures_are_made_at_once(rom):
    """They are those of a console that draws each frame, and nothing else changes."""
    drawing, player = ours.Direct(rom, 5, 0.25), ours.Direct(rom, 5, 0.25)
    rng = np.random.default_rng(5)
    for step in range(60):
        action, frames, drawn = int(rng.choice(player.actions())), int(rng.integers(2, 5)), int(rng.integers(16))
        if player.over():
            drawing.reset(), player.reset()
        drawing.act(action, frames=frames)
        player.act(action, frames=frames, drawn=drawn)
        registers = ours.our_registers(player.console, player.path, full=True)
        player.functions.draw_both(player.console)
        assert list(player.console.is_drawn) == [1, 1]
        assert wheel.first_difference(registers, ours.our_registers(player.console, player.path, full=True)) is None
        height = player.console.height
        np.testing.assert_array_equal(
            player.consoles.screens[1, :, :height], drawing.consoles.screens[1, :, :height], f"{rom}, step {step}"
        )
    assert player.console.frame_number == drawing.console.frame_number
