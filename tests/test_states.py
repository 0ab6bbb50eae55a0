"""Saved states: of ale-py's and back, of our own as bytes, and what wrong ones are refused with."""

import copy
import ctypes
import hashlib
import pickle
import re
import struct
from pathlib import Path

import ale_py
import ale_py.roms
import numpy as np
import pytest
import wheel
from hypothesis import given, settings
from hypothesis import strategies as st
from reference import ROMS

from fastatari import ALEInterface, ALEState
from fastatari.console import ale_stream, games, limits, saved, states
from fastatari.console.ale_stream import FALSE, TRUE
from fastatari.console.games.facts import MODES
from fastatari.console.state import Console, Machine

CONVERTIBLE = [rom for rom in ROMS if rom not in states.NOT_CONVERTIBLE]
TYPES = {
    "2K": "breakout", "4K": "qbert", "F8": "asterix", "F8SC": "elevator_action", "F6": "crossbow", "F6SC": "klax",
    "E0": "montezuma_revenge", "FE": "robotank", "DPC": "pitfall2",
}  # fmt: skip


def load(kind, rom, seed=1, sticky=0.25):
    ale = kind()
    ale.setInt("random_seed", seed)
    ale.setFloat("repeat_action_probability", sticky)
    ale.loadROM(ale_py.roms.get_rom_path(rom))
    return ale


def play(ale, frames, seed=0):
    """Play at random, and return all that is shown after each frame."""
    rng = np.random.default_rng(seed)
    seen = []
    for _ in range(frames):
        reward = ale.act(int(rng.integers(18)))
        seen.append((reward, ale.lives(), ale.game_over(), ale.getFrameNumber(), ale.getRAM(), ale.getScreen()))
        if ale.game_over():
            ale.reset_game()
    return seen


def assert_same(played, expected):
    for step, (mine, theirs) in enumerate(zip(played, expected, strict=True)):
        for one, other in zip(mine, theirs, strict=True):
            assert np.array_equal(one, other), step


def md5_of(rom):
    return hashlib.md5(Path(ale_py.roms.get_rom_path(rom)).read_bytes()).hexdigest()


# ale-py's states.


@pytest.mark.parametrize("rom", CONVERTIBLE)
def test_ale_pys_states_are_read_written_and_gone_on_from(rom):
    """Registers are those of ale-py's own console, which goes on without being restored, for the next frames.

    But not with sticky actions: states do not tell which action would stick.
    """
    theirs, mine = load(ale_py.ALEInterface, rom, sticky=0.0), load(ALEInterface, rom, 9, sticky=0.0)
    play(mine, 7, 3)
    play(theirs, 30)
    data = theirs.cloneSystemState().serialize()
    fields = ale_stream.read_state(data)
    assert ale_stream.write_state(fields) == data
    mine.restoreState(ALEState(data))
    assert states.to_fields(mine._console, md5_of(rom)) == fields
    assert states.to_ale_state(mine._console, md5_of(rom)) == data
    assert mine.cloneAleState(include_rng=True) == theirs.cloneSystemState()
    assert (mine.lives(), mine.game_over()) == (theirs.lives(), theirs.game_over())
    assert np.array_equal(mine.getRAM(), theirs.getRAM())
    for action in (3, 4, 2):
        assert mine.act(action) == theirs.act(action)
        found = states.to_fields(mine._console, md5_of(rom), include_rng=False)
        expected = ale_stream.read_state(theirs.cloneState().serialize())
        difference = wheel.first_difference(wheel.flatten(expected), wheel.flatten(found), skip=("cart.fraction_e8",))
        assert difference is None, difference


@pytest.mark.parametrize("rom", [*TYPES.values()])
def test_the_wheel_goes_on_from_our_states(rom):
    """ale-py's own restores are not exact: its RAM is compared, for a few frames."""
    mine, theirs = load(ALEInterface, rom), load(ale_py.ALEInterface, rom)
    play(mine, 40), play(theirs, 3)
    theirs.restoreState(mine.cloneAleState(include_rng=True))
    assert theirs.getFrameNumber() == mine.getFrameNumber()
    assert np.array_equal(theirs.getRAM(), mine.getRAM())
    mine.act(0), theirs.act(0)
    assert np.array_equal(theirs.getRAM(), mine.getRAM())


def test_what_ale_pys_states_leave_out_is_found_in_the_ram():
    for rom in ("atlantis2", "hangman", "video_cube", "video_checkers", "chopper_command"):
        theirs, mine = load(ale_py.ALEInterface, rom), load(ALEInterface, rom)
        play(theirs, 20), play(mine, 20)
        expected = list(mine._console.variables)
        other = load(ALEInterface, rom, 5)
        other.restoreState(theirs.cloneState())
        assert list(other._console.variables) == expected, rom
        assert other.lives() == theirs.lives(), rom


def test_states_of_miniature_golf_are_refused():
    mine, theirs = (load(kind, "miniature_golf") for kind in (ALEInterface, ale_py.ALEInterface))
    with pytest.raises(ValueError, match="a state of miniature_golf cannot be taken over from ale-py"):
        mine.restoreState(theirs.cloneState())
    assert_same(play(mine, 5), play(theirs, 5))


def check_reason(error):
    assert re.match(r"the state('s emulator)? (has|is of|holds) .*", str(error)), error


def list_leaves(fields, path=()):
    for name, value in fields.items() if isinstance(fields, dict) else enumerate(fields):
        if isinstance(value, dict):
            yield from list_leaves(value, (*path, name))
        elif isinstance(value, list):
            if name in {"system_rng", "action_rng"}:
                yield from (((*path, name, i), value[i]) for i in (0, 623, 624))
            else:
                yield from (((*path, name, i), value[i]) for i in range(len(value)))
        else:
            yield (*path, name), value


def replace(fields, path, value):
    result = copy.deepcopy(fields)
    place = result
    for name in path[:-1]:
        place = place[name]
    place[path[-1]] = value
    return result


@pytest.mark.parametrize("rom", ["montezuma_revenge", "pitfall2", "klax", "breakout"])
def test_every_field_of_ale_pys_states_is_checked(rom):
    """Whatever is put into a field, the state is refused with its reason, or is one that the console plays on from."""
    ale, twin = load(ALEInterface, rom), load(ale_py.ALEInterface, rom)
    fields = ale_stream.read_state(twin.cloneSystemState().serialize())
    refused, taken = set(), set()
    before = ale.cloneSystemState()
    for path, value in list_leaves(fields):
        if isinstance(value, str):
            continue
        for other in (-(2**31), -1, 255, 256, 2**31 - 1, 700_000_000, 4_000_000):
            is_boolean = isinstance(value, bool)
            data = ale_stream.write_state(replace(fields, path, bool(other % 2) if is_boolean else other))
            if is_boolean:
                word = struct.pack("<I", TRUE if other % 2 else FALSE)
                data = data.replace(word, struct.pack("<I", 7), 1) if other == 255 else data
            try:
                ale.restoreState(ALEState(data))
            except ValueError as error:
                check_reason(error)
                refused.add(path[-1] if isinstance(path[-1], str) else path[-2])
                assert ale.cloneSystemState() == before
            else:
                taken.add(path[-1] if isinstance(path[-1], str) else path[-2])
                ale.act(1), ale.getScreen()
                ale.restoreState(before)
    assert {
        "paddle_left",
        "mode",
        "difficulty",
        "cycles",
        "system_rng",
        "pc",
        "status",
        "ram",
        "interval_shift",
    } <= refused
    assert {
        "clock_drawn",
        "clock_display_start",
        "pos_p0",
        "hmbl",
        "colup0",
        "pf",
        "stars_phase",
        "collisions",
    } <= refused
    assert {"cycle_timer_set", "clock_hmove", "clock_vsync_end", "cycle_dump_off"} <= taken


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        (("md5",), "0" * 32, "the state is of another ROM, of MD5 0{32}, not f34f08e5eb96e500e851a80be3277a56"),
        (("mode",), 3, "the state has 3 as `mode`, where this console needs 0 or 4 or 8"),
        (("difficulty",), 9, "the state has 9 as `difficulty`, where this console needs 0 or 1"),
        (("paddle_left",), 1, "the state has 1 as `paddle_left`, where this console needs one from 27450 to 790196"),
        (("cart", "type"), "Cartridge4K", "has 'Cartridge4K' as `type of cartridge`, where .* 'Cartridge2K'"),
        (("tia", "clock_frame_start"), -3, "as `lines before the picture, in clocks`, where this console needs 7752"),
        (("tia", "clock_drawn"), 10**6, "has 1000000 as `clock_drawn`, where this console needs one from .* to "),
        (("tia", "colup0"), 0x01020304, "has 16909060 as `colup0`, where this console needs 67372036"),
        (("tia", "pos_p0"), 160, "the state's emulator has 160 as `pos_p0`, which must be from 0 to 159"),
        (("riot", "interval_shift"), 5, "has 5 as `interval_shift`, which must be 0, 3, 6 or 10"),
        (("system_rng", 624), 625, "has a `system_rng` that is not of 624 numbers .* index up to 624"),
        (("action_rng", 0), 2**32, "has an `action_rng` that is not of 624 numbers below 2"),
        (("system_rng", 3), -1, "has a `system_rng` that is not of 625 decimal numbers"),
        (("game",), [1, 2], "the state has 2 words for breakout, which has 5"),
        (("game", 2), 5, "the state has 0x5 as `end`, where 0xfab1fab2 and 0xbad1bad2 are booleans"),
    ],
    ids=str,
)  # fmt: skip
def test_errors_of_ale_pys_states_say_what_came_and_what_is_allowed(path, value, message):
    ale, twin = load(ALEInterface, "breakout"), load(ale_py.ALEInterface, "breakout")
    fields = replace(ale_stream.read_state(twin.cloneSystemState().serialize()), path, value)
    with pytest.raises(ValueError, match=message):
        ale.restoreState(ALEState(ale_stream.write_state(fields)))
    assert_same(play(ale, 5), play(twin, 5))


@pytest.mark.parametrize("rom", ["breakout", "pitfall2"])
def test_cut_states_are_refused(rom):
    data = load(ale_py.ALEInterface, rom).cloneSystemState().serialize()
    ours = load(ALEInterface, rom).cloneSystemState().serialize()
    for whole in (data, ours):
        for length in (*range(1, 60), *np.random.default_rng(0).integers(60, len(whole), 200)):
            with pytest.raises(ValueError, match="the state"):
                ALEState(whole[:length])
        with pytest.raises(ValueError, match=r"goes on after its end|where its header asks for"):
            ALEState(whole + b"x")


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=200))
def test_random_bytes_are_refused(data):
    for other in (data, saved.MAGIC + data):
        if other:
            with pytest.raises(ValueError, match="the state"):
                ALEState(other)


# Our own.


@pytest.mark.parametrize("rom", ROMS)
def test_a_restored_state_goes_on_as_without_it(rom):
    ale = load(ALEInterface, rom)
    play(ale, 25)
    state = ale.cloneSystemState()
    expected = play(ale, 30, 1)
    for other in (ale, load(ALEInterface, rom, 4)):
        for restored in (state, pickle.loads(pickle.dumps(state)), copy.deepcopy(state), ALEState(state.serialize())):
            other.restoreState(restored)
            assert other.cloneSystemState() == restored == state
            assert_same(play(other, 30, 1), expected)


@pytest.mark.parametrize("rom", [*TYPES.values(), "tetris", "tic_tac_toe_3d", "koolaid"])
def test_the_screen_of_a_restored_state_is_its_own(rom):
    """Whether its picture had been drawn or not, and whatever else was drawn since."""
    ale = load(ALEInterface, rom)
    for frames in range(12):
        for is_read in (False, True):
            ale.act(frames)
            if is_read:
                ale.getScreen()
            state = ale.cloneState()
            expected = ale.getScreen()
            play(ale, 3)
            ale.restoreState(state)
            assert np.array_equal(ale.getScreen(), expected)


def test_states_without_the_generator_leave_it_as_it_is():
    ale = load(ALEInterface, "breakout")
    without, whole = ale.cloneState(), ale.cloneSystemState()
    generator = bytes(ale._console.action_generator)
    play(ale, 5)
    later = bytes(ale._console.action_generator)
    ale.restoreState(without)
    assert bytes(ale._console.action_generator) == later != generator
    ale.restoreState(ALEState(without.serialize()))
    assert bytes(ale._console.action_generator) == later
    ale.restoreState(whole)
    assert bytes(ale._console.action_generator) == generator


def test_states_are_compared_by_their_content():
    one, other = load(ALEInterface, "breakout"), load(ALEInterface, "breakout")
    for step in range(10):
        one.act(3), other.act(3)
        if step % 2:
            one.getScreen()  # which changes nothing
        assert one.cloneState() == other.cloneState()
        assert one.cloneState().equals(other.cloneSystemState()) is False
    other.act(3)
    assert one.cloneState() != other.cloneState()
    assert one.cloneState() != 3
    assert ALEState() == ALEState()
    with pytest.raises(TypeError, match="unhashable type"):
        hash(ALEState())
    state = one.cloneState()
    assert state.getFrameNumber() == state.getEpisodeFrameNumber() == 10
    assert ALEState(state, other.cloneState().serialize()) == other.cloneState()
    for wrong in (3, "x", None, bytearray(4)):
        with pytest.raises(TypeError, match="a state is made of bytes, got"):
            ALEState(wrong)
    with pytest.raises(TypeError, match="the first of two arguments must be an ALEState, got bytes"):
        ALEState(b"", b"")


def test_a_state_beside_the_screens_is_small():
    ale = load(ALEInterface, "breakout")
    assert len(ale.cloneState().serialize()) <= 4096


def test_states_of_another_rom_or_version_are_refused():
    ale, other = load(ALEInterface, "breakout"), load(ALEInterface, "pong")
    with pytest.raises(ValueError, match=r"the state is of another ROM, of MD5 60e0ea3c.*, not f34f08e5"):
        ale.restoreState(other.cloneState())
    data = bytearray(ale.cloneState().serialize())
    data[8] ^= 1
    with pytest.raises(ValueError, match=r"the state is of version 0x.*, of another fastatari; here they are 0x"):
        ALEState(bytes(data))
    for place, value, message in ((31, 2, "header has 2 and 0"), (32, 4, "header has 0 and 4"), (33, 9, "asks for")):
        data = bytearray(ale.cloneState().serialize())
        data[place] = value
        if place == 33:
            data[32] = 1
        with pytest.raises(ValueError, match=message):
            ALEState(bytes(data))


def list_places(structure, offset=0):
    """Names, places and sizes of the integers in a structure."""
    for base in structure.__mro__[::-1]:
        for name, kind in base.__dict__.get("_fields_", ()):
            place = offset + getattr(structure, name).offset
            count = getattr(kind, "_length_", 1)
            element = getattr(kind, "_type_", kind) if count > 1 or hasattr(kind, "_length_") else kind
            if hasattr(element, "_fields_"):
                for i in range(count):
                    yield from list_places(element, place + i * ctypes.sizeof(element))
            else:
                for i in range(count):
                    yield name, place + i * ctypes.sizeof(element), ctypes.sizeof(element)


HEADER = 35


@pytest.mark.parametrize("rom", ["breakout", "montezuma_revenge", "pitfall2", "klax", "mr_do"])
def test_every_field_of_our_states_is_checked(rom):
    """Whatever is put into a field, the state is refused with its reason, or is one that the console plays on from."""
    ale = load(ALEInterface, rom)
    play(ale, 20)
    state = ale.cloneSystemState()
    data = state.serialize()
    assert len(data) == HEADER + saved.WITH_GENERATOR
    refused, taken = set(), set()
    rng = np.random.default_rng(0)
    for name, place, size in list_places(Console):
        if place >= saved.WITH_GENERATOR or (name == "words" and rng.random() < 0.98):
            continue
        for value in (0, 1, 2, 3, 7, 160, 255, 2 ** (8 * size - 1), 2 ** (8 * size) - 1, 2 ** (8 * size - 2)):
            other = bytearray(data)
            other[HEADER + place : HEADER + place + size] = (value % 2 ** (8 * size)).to_bytes(size, "little")
            try:
                ale.restoreState(ALEState(bytes(other)))
            except ValueError as error:
                check_reason(error)
                refused.add(name)
                assert ale.cloneSystemState() == state
            else:
                taken.add(name)
                ale.act(1), ale.getScreen(), ale.act(2), ale.getScreen()
                if rng.random() < 0.01:
                    ale.reset_game()
                ale.restoreState(state)
    assert set(limits.MACHINE) | set(limits.AROUND) <= refused
    assert {"window_start", "window_end", "limit_clock", "line_clock", "drawn", "row", "mode", "difficulty"} <= refused
    assert {"index", "has_start", "is_drawn", "current", "cut"} <= refused
    assert {"ram", "pc", "a", "x", "y", "sp", "timer", "nusiz", "grp", "variables", "lives", "words"} <= taken
    assert "must be from 0 to 159" in _refusal(ale, data, "position", 160)
    assert "frame_starts[0].bank" in _refusal(ale, data, "bank", 9, where=Console.frame_starts.offset)


def _refusal(ale, data, name, value, where=0):
    other = bytearray(data)
    other[HEADER + where + getattr(Machine, name).offset] = value
    with pytest.raises(ValueError, match="the state has") as caught:
        ale.restoreState(ALEState(bytes(other)))
    return str(caught.value)


def test_states_without_the_screens_they_need_are_refused():
    ale = load(ALEInterface, "breakout")
    data = bytearray(ale.cloneSystemState().serialize())
    data[HEADER + saved.HAS_START] = 0
    data[HEADER + saved.IS_DRAWN] = 1
    with pytest.raises(ValueError, match="the state has 0 rows of screen 0, where this console needs 210"):
        ale.restoreState(ALEState(bytes(data)))


@pytest.mark.parametrize("rom", ["breakout", "montezuma_revenge"])
def test_random_changes_of_states_do_no_harm(rom):
    ale = load(ALEInterface, rom)
    play(ale, 20)
    state = ale.cloneSystemState()
    data = state.serialize()
    rng = np.random.default_rng(5)
    taken = 0
    for _ in range(1500):
        other = bytearray(data)
        for _ in range(int(rng.integers(1, 4))):
            other[HEADER + int(rng.integers(len(data) - HEADER))] = int(rng.integers(256))
        try:
            ale.restoreState(ALEState(bytes(other)))
        except ValueError as error:
            check_reason(error)
            assert ale.cloneSystemState() == state
        else:
            taken += 1
            for action in (1, 3):
                ale.act(action)
                ale.getScreen()
            ale.restoreState(state)
    assert taken > 100


def test_every_game_of_a_state_has_its_variables():
    for name in games.NAMES:
        known = {*games.VARIABLES[name], "reward"}
        assert {variable for _, variable in games.SAVED[name]} <= known, name
        assert MODES[name]


def test_states_of_the_same_bytes_played_as_another_game_are_refused(tmp_path):
    image = bytes([0xA9, 2, 0x85, 0, 0x85, 2, 0xA9, 0, 0x85, 0, 0x4C, 0, 0xF0]).ljust(4092, b"\xea") + b"\0\xf0\0\xf0"
    ales = []
    for name in ("tetris", "kaboom"):
        path = tmp_path / f"{name}.bin"
        path.write_bytes(image)
        ales.append(ALEInterface())
        ales[-1].loadROM(path)
    for state in (ales[0].cloneState(), ALEState(ales[0].cloneState().serialize())):
        with pytest.raises(ValueError, match=r"is of tetris, .* where the same ROM is played here as kaboom, "):
            ales[1].restoreState(state)
    ales[1].act(0)


def test_states_after_a_long_silence_are_taken(tmp_path):
    path = tmp_path / "tetris.bin"
    path.write_bytes(bytes([0x4C, 0, 0xF0]).ljust(4092, b"\xea") + b"\0\xf0\0\xf0")
    ale = ALEInterface()
    ale.loadROM(path)
    for _ in range(12_000):  # nothing ends a frame, whose cycles are counted on
        ale.act(0)
    ale.restoreState(ALEState(ale.cloneState().serialize()))
    ale.act(0)
