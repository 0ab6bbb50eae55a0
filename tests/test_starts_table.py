"""What is kept of resets: what is compared, how much there is room for, and many threads that record at once."""

import ctypes
import threading
import weakref

import numpy as np
import ours
import programs
import pytest
import reset_programs
import test_console_programs
from pairs import Pair, check_resets, read_starts

from fastatari.console import starts
from fastatari.console.recording import MOST, MOST_IN_VAIN, MOST_PICTURES, Start


@pytest.fixture(autouse=True)
def _no_starts(monkeypatch):
    """Each test begins without starts."""
    monkeypatch.setattr(starts, "_ALL", weakref.WeakKeyDictionary())


# Programs.


@pytest.mark.parametrize("family", ["cpu", "riot", "stack", "vsync", "ram_code", "overshoot", "f8", "e0", "fe"])
def test_resets_of_programs_are_equal(family, tmp_path):
    """Programs that read what they have not written, whose frames are cut or end early, that change banks, or jam."""
    path = tmp_path / test_console_programs.NAME
    for seed in range(2):
        path.write_bytes(programs.make(family, 300 + seed))
        pair = Pair(path, seed)
        check_resets(pair, np.random.default_rng(seed), 10, [0, 6])


@pytest.mark.sweep
@pytest.mark.parametrize("start", range(400, 500, 10))
@pytest.mark.parametrize("family", [*programs.FAMILIES])
def test_resets_of_many_programs_are_equal(family, start, tmp_path):
    path = tmp_path / test_console_programs.NAME
    for seed in range(start, start + 10):
        path.write_bytes(programs.make(family, seed))
        check_resets(Pair(path, seed), np.random.default_rng(seed), 20, [0, 6, 15])


def test_each_byte_that_is_read_is_compared_and_others_are_kept(tmp_path):
    reads, changes, kept = (0x90, 0x91, 0xB0), (0x95,), (0x99, 0xC0)
    pair = Pair(reset_programs.write(tmp_path, reads=reads, changes=changes), sticky=0)
    ram = bytearray(pair.consoles[0].ram)
    assert not pair.reset()
    (start,) = read_starts(pair)
    last = 0xFF  # which stays on the bus after each frame
    assert [0x80 | place for place in start.read[: start.number_read]] == [*reads[:2], *changes, reads[2], last]
    assert {0x80 | place for place in start.kept[: start.number_kept]} >= set(kept)
    for draws, address in enumerate((0, *reads, *changes, last, *kept)):  # it does not read the timer
        other = bytearray(ram)
        if address:
            other[address & 0x7F] ^= 1
        for c in pair.consoles:
            c.ram[:] = bytes(other)
        assert pair.reset(draws=draws) == (address in (0, *kept))
        pair.check(f"reset after {address:#x} was changed")


@pytest.mark.parametrize("opening", [0, 3, 6, 9])
@pytest.mark.parametrize("frame", range(reset_programs.RESET_FRAMES - 2, reset_programs.RESET_FRAMES + 4))
def test_a_byte_that_is_first_written_in_one_of_the_last_frames(frame, opening, tmp_path):
    """Where a frame began that is kept, it was as before the reset."""
    pair = Pair(reset_programs.write(tmp_path, writes_after=frame, changes=()), sticky=0)
    ram = bytearray(pair.consoles[0].ram)
    hits = 0
    for value in (1, 2, 3, 3):
        ram[reset_programs.LATE & 0x7F] = value
        for c in pair.consoles:
            c.ram[:] = bytes(ram)
        hits += pair.reset(opening)
        pair.check(f"reset with {value}")
        pair.check_screens(f"reset with {value}")
    # The two last frames are kept; in the first one of all the program counts nothing, because VSYNC ends it.
    is_late = reset_programs.RESET_FRAMES + opening // 3 - frame in (1, 2)
    assert hits == (1 if is_late else 3)


def test_an_opening_ends_with_the_game_and_is_not_kept(tmp_path):
    pair = Pair(reset_programs.write(tmp_path, ends_after=reset_programs.RESET_FRAMES + 5), sticky=0)
    frames = []
    for opening in range(3 * 8):
        noops, fire = divmod(opening, 3)
        pair.reset(opening)
        pair.check(f"opening {opening}")
        frames.append((pair.consoles[0].episode_frame_number, noops + (fire > 0)))
    ends = {played for played, wanted in frames if played < wanted}
    assert len(ends) == 1
    assert all(played == min(wanted, *ends) for played, wanted in frames)
    assert pair.number == sum(wanted < min(ends) for _, wanted in frames)


# What is kept is limited.


def test_the_number_of_starts_is_limited():
    pair = Pair("seaquest", 8, sticky=0)
    table = pair.starts.table
    table.reserved, table.hits = MOST - 3, MOST
    hits = 0
    for count in range(24):
        opening = 3 * (count % 6)
        hits += pair.reset(opening, draws=0)
        pair.check(f"reset {count}")
    assert pair.number == 3
    assert table.reserved == MOST
    # Openings that there is no room for begin with the reset that was kept.
    assert hits == 21


@pytest.mark.parametrize("room", [0, 1, 2, 5])
def test_the_number_of_pictures_is_limited(room, tmp_path):
    """Frames that end within the picture; what they leave cannot be made again."""
    pair = Pair(reset_programs.write(tmp_path, lines=100), sticky=0)
    table = pair.starts.table
    table.pictures_reserved = MOST_PICTURES - room
    for count in range(32):
        pair.reset(3 * (count % 16))
        pair.check(f"reset {count}")
        pair.check_screens(f"reset {count}")
    assert table.pictures_reserved >= MOST_PICTURES
    pictures = {picture for start in read_starts(pair) for picture in start.pictures}
    assert 0 not in pictures
    assert len(pictures) <= room
    assert bool(pair.number) == (room > 0)


def test_equal_pictures_are_kept_once(tmp_path):
    pair = Pair(reset_programs.write(tmp_path, lines=50, is_black=True), sticky=0)
    for opening in range(0, 30, 3):
        pair.reset(opening)
    assert pair.number == 10
    assert pair.starts.table.pictures_reserved == 1
    assert list(pair.starts.table.has_picture[:2]) == [1, 0]


def test_a_picture_that_is_not_written_to_its_end_is_not_taken(tmp_path):
    """Another thread may be writing it."""
    pair = Pair(reset_programs.write(tmp_path, lines=50, is_black=True), sticky=0)
    pair.reset()
    pair.starts.table.has_picture[0] = 0
    pair.reset(3)
    first, second = read_starts(pair)
    assert set(first.pictures).isdisjoint(second.pictures)


def test_recording_stops_where_nothing_is_repeated():
    pair = Pair("surround", 9)
    rng = np.random.default_rng(9)
    for _ in range(MOST_IN_VAIN + 5):
        pair.play(rng, 10)
        assert not pair.reset()
    assert pair.number == pair.starts.table.reserved == MOST_IN_VAIN


# Threads.


def run_threads(number, target):
    """Run a function of 0, 1, ... in threads that begin at once, and raise what one of them has raised."""
    errors = []
    barrier = threading.Barrier(number)

    def work(index):
        barrier.wait()
        try:
            target(index)
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=work, args=(index,)) for index in range(number)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for error in errors:
        raise error


@pytest.mark.parametrize("rom", ["alien", "seaquest", "partial frames"])
def test_threads_record_into_one_table_at_once(rom, tmp_path):
    """The compiled functions let go of the GIL, so recording, finding and repeating overlap."""
    if rom == "partial frames":
        rom = reset_programs.write(tmp_path, lines=100, reads_timer=True)
    pairs = [Pair(rom, 0, sticky=0) for _ in range(4)]
    table = pairs[0].starts.table
    assert all(pair.starts.table is table for pair in pairs)
    table.hits = MOST  # so that much is recorded
    hits = [0] * 4

    def work(index):
        rng = np.random.default_rng(index)
        pair = pairs[index]
        for count in range(60):
            opening = 3 * int(rng.integers(4))
            hits[index] += pair.functions.begin(pair.addresses[0], pair.starts.address, opening) == opening // 3
            pair.emulate(opening)
            pair.check(f"thread {index}, reset {count}")
            if count % 8 == 0:
                pair.check_screens(f"thread {index}, reset {count}")
            for c in pair.consoles:  # few different values of the timer
                c.system_generator.index = int(count % 3)

    run_threads(4, work)
    assert hits == [60] * 4
    assert table.hits - MOST + table.reserved == 240
    assert 12 <= pairs[0].number <= table.reserved


def test_threads_that_are_at_the_limit_at_once_write_nowhere_else():
    pairs = [Pair("seaquest", 0, sticky=0) for _ in range(4)]
    table = pairs[0].starts.table
    size = ctypes.sizeof(Start)
    kept = np.full((MOST + 4) * size, ours.GUARD, np.uint8)
    table.starts = kept.ctypes.data
    table.reserved, table.hits = MOST - 5, MOST

    def work(index):
        pair = pairs[index]
        for count in range(12):
            opening = 3 * (4 * count + index)
            pair.functions.begin(pair.addresses[0], pair.starts.address, opening)
            pair.emulate(opening)
            pair.check(f"thread {index}, reset {count}")

    run_threads(4, work)
    assert pairs[0].number == 5
    rows = kept.reshape(-1, size)
    assert (rows[: MOST - 5] == ours.GUARD).all()
    assert (rows[MOST:] == ours.GUARD).all()
    assert MOST <= table.reserved < MOST + 4


def test_consoles_of_one_rom_share_starts():
    first, second = Pair("alien"), Pair("alien")
    assert first.starts is second.starts
    assert first.starts is not Pair("pong").starts
    first.reset()
    assert second.reset()
    second.check("a reset that another console has recorded")
