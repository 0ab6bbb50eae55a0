"""What is noted while a reset is recorded: what the processor reads and writes, and what the bookkeeping looks at."""

import ast
import ctypes
import dataclasses
import re

import numpy as np
import ours
import pytest
import wheel

from fastatari.console import machine_code
from fastatari.console.games import FRAME_RULES, NAMES, looks
from fastatari.console.games.description import DESCRIPTIONS
from fastatari.console.games.facts import MODES
from fastatari.console.games.modes import is_in_mode
from fastatari.console.recording import LATE_BITS, PLACES, READ, TIMER, WRITTEN, Start
from fastatari.console.starts import Starts
from fastatari.console.state import Console


def record(rom):
    """What a reset notes of each place."""
    player = ours.Direct(rom)
    player.act(0, frames=20)  # the reset of tetris leaves a frame that was cut
    starts = Starts(player.consoles.rom.rows)
    machine_code.functions().begin(ctypes.addressof(player.console), starts.address, 0)
    assert starts.table.keys[0]
    assert player.console.recording == 0
    return list(Start.from_address(starts.table.starts).notes)


def test_notes_of_known_games():
    notes = record("breakout")  # clears all of its RAM
    assert all(notes[place] & (READ | WRITTEN | LATE_BITS) == WRITTEN for place in range(128))
    assert notes[TIMER] & WRITTEN
    notes = record("alien")  # takes its random numbers from the timer
    assert notes[TIMER] & READ
    notes = record("tetris")  # reads its last byte
    assert [place for place in range(128) if notes[place] & READ] == [0x7F]
    notes = record("seaquest")  # leaves one byte as it is
    assert [place for place in range(128) if not notes[place] & (READ | WRITTEN)] == [0x7B]


@pytest.mark.parametrize("rom", ["freeway", "robotank"])
def test_notes_are_those_of_the_twin(rom):
    """Two frames, compiled and under CPython, with the same notes, and the same state as without recording."""
    results = []
    for functions, is_recording in (
        (ours.compiled_functions(), 1), (ours.plain_functions(), 1), (ours.compiled_functions(), 0),
    ):  # fmt: skip
        player = ours.Direct(rom, functions=ours.compiled_functions())
        player.act(0)
        notes = ctypes.create_string_buffer(PLACES)
        player.console.recording = ctypes.addressof(notes) if is_recording else 0
        functions.act(player.console, 0, 23000, 2, 0)
        player.console.recording = 0
        results.append((notes.raw, player.fields(full=True, with_screen=True)))
    (compiled, fields), (plain, plain_fields), (_, unrecorded) = results
    assert compiled == plain
    assert any(compiled)
    assert wheel.first_difference(unrecorded, fields) is None
    assert wheel.first_difference(unrecorded, plain_fields) is None


# What the bookkeeping looks at.


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("c.variables[0] = bcd(c.ram[3]) + c.ram[0x7F]", {3, 127}),
        ("count(c, 26, 29, 0) + s8(c.ram[1])", {26, 27, 28, 29, 1}),
        ("same(c, 32, 3)", {32, 33, 34}),
        ("positives(c, 1, 2) + negatives(c, 5, 6)", {1, 2, 5, 6}),
        ("c.cartridge_ram[106] == c.mode", {234}),
        ("settle(c, 1, 2, c.ram[9])", {9}),
        ("c.reward - c.variables[1] + c.lives + c.over", set()),
    ],
)
def test_looks_are_found(text, expected):
    assert looks.find_looks(ast.parse(text)) == expected


def test_looks_of_a_score_are_found():
    pong = NAMES.index("pong")
    assert {13, 14} <= looks.LOOKS[pong]
    assert looks.find_looks(ast.parse("sum_terms(c, 0, 3)")) == {0x2A, 0x29, 0x28}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("c.ram[x]", "an address of RAM is not a number: `x`"),
        ("c.ram[True]", "an address of RAM is not a number: `True`"),
        ("count(c, x, 3, 0)", "an address of RAM is not a number: `x`"),
        ("f(c)", "it is not known which RAM `f(c)` looks at"),
        ("f(1, c)", "it is not known which RAM `f(1, c)` looks at"),
        ("c.ram[3] = 1", "it is not known which RAM `c.ram[3] = 1` looks at: `c.ram`"),
        ("c.bus", "it is not known which RAM `c.bus` looks at: `c.bus`"),
        ("d = c", "it is not known which RAM `d = c` looks at: `c`"),
        ("f(c.ram)", "it is not known which RAM `f(c.ram)` looks at: `c.ram`"),
    ],
)
def test_unknown_looks_are_refused(text, message):
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        looks.find_looks(ast.parse(text))


def test_looks_are_all_that_the_bookkeeping_reads():
    """Bytes that are not among them can be anything after a frame: nothing is kept of them."""
    rng = np.random.default_rng(12)
    for index in range(len(NAMES)):
        others = [place for place in range(128) if place not in looks.LOOKS[index]]
        results = []
        ram = rng.integers(0, 256, 128, np.uint8)
        for _ in range(2):
            c = Console()
            c.game, c.mode = index, MODES[NAMES[index]][0]
            ram[others] = rng.integers(0, 256, len(others), np.uint8)
            c.ram[:] = ram.tobytes()
            FRAME_RULES[index](c)
            results.append((list(c.variables), c.reward, c.lives, c.over, is_in_mode(c)))
        assert results[0] == results[1], NAMES[index]


def test_games_that_can_be_repeated():
    refused = {name for name, flag in zip(NAMES, looks.IS_REPEATABLE, strict=True) if not flag}
    assert refused == {"double_dunk", "klax", "video_cube"}
    assert all(map(looks.forgets, DESCRIPTIONS))


def test_variable_that_is_kept_must_be_set_in_each_frame():
    game = next(game for game in DESCRIPTIONS if game.name == "atlantis2")
    assert game.kept_over_reset == ("lives",)
    assert not looks.forgets(dataclasses.replace(game, lives="lives if ram[0x01] else 3"))
    assert not looks.forgets(dataclasses.replace(game, kept_over_reset=("last",)))
