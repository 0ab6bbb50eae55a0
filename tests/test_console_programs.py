"""Generated programs on ale-py's console and on fastatari's: everything is equal after every frame.

python tests/test_console_programs.py --family tia --seeds 0 200 --frames 12
"""

import argparse
import importlib
import sys
import tempfile
from pathlib import Path

import ale_py
import bank_programs
import numpy as np
import ours
import programs
import pytest
import wheel

# Its game ends only if two bytes of RAM have certain values, it has no modes to select and no starting actions.
NAME = "wizard_of_wor.bin"
FAMILIES = list(programs.FAMILIES)


def is_jammed(fields):
    return fields["cpu.status"] == 2


def compare(family, seed, frames, folder, make_ours=ours.Ours, skip=()):
    """Play one program on both; the first difference, or None."""
    path = Path(folder) / NAME
    path.write_bytes(programs.make(family, seed))
    sticky = 0.25 * (seed % 2)
    players = [kind(path, seed, sticky) for kind in (wheel.Wheel, make_ours)]
    if family in bank_programs.FAMILIES:
        expected = f"Cartridge{bank_programs.TYPES[bank_programs.FAMILIES[family]]}"
        assert players[0].fields()["cart.type"] == expected, f"{family} {seed}: the wheel takes it for another type"
    return wheel.play(*players, frames, seed, f"{family} {seed}", skip, stop=is_jammed, resets=0.03)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("family", FAMILIES)
def test_program_is_equal_after_every_frame(family, seed, tmp_path):
    found = compare(family, seed, 12, tmp_path)
    assert found is None, str(found)


@pytest.mark.parametrize("number", [0, 3, 7])
@pytest.mark.parametrize("other", range(3))
def test_slices_of_e0_switch_segments(other, number, tmp_path):
    path = tmp_path / NAME
    path.write_bytes(bank_programs.e0_from_slices(other, number))
    players = [kind(path, 0, 0.0) for kind in (wheel.Wheel, ours.Ours)]
    found = wheel.play(*players, 4, 0, f"{other} {number}")
    assert found is None, str(found)
    assert len(set(players[0].ale.getRAM()[0x20:0x28])) > 1, "no slice ran"


@pytest.mark.sweep
@pytest.mark.parametrize("start", range(100, 500, 20))
@pytest.mark.parametrize("family", FAMILIES)
def test_many_programs(family, start, tmp_path):
    found = [compare(family, seed, 20, tmp_path) for seed in range(start, start + 20)]
    assert not any(found), "\n".join(str(difference) for difference in found if difference)


def test_a_picture_that_is_cut_turns_gray_once(tmp_path):
    """What a cut frame did not reach turns gray, in a frame that was first taken for a whole one."""
    found = compare("ram_code", 447, 20, tmp_path)
    assert found is None, str(found)


def check_drawn(family, seed, frames, folder):
    """Random frames are drawn; registers are compared after every frame, pictures of those that are."""
    path = Path(folder) / NAME
    path.write_bytes(programs.make(family, seed))
    rng = np.random.default_rng(seed)
    reference, player = wheel.Wheel(path, seed), ours.Direct(path, seed)
    for frame in range(frames):
        drawn, action = int(rng.integers(2)), int(rng.integers(18))
        reference.act(action), player.act(action, drawn=drawn)
        expected = reference.fields()
        if is_jammed(expected):
            return
        if not drawn:
            del expected["screen"]
        difference = wheel.first_difference(expected, player.fields(with_screen=bool(drawn)))
        assert difference is None, f"{family} {seed}, frame {frame}, {drawn=}: {difference}"


@pytest.mark.parametrize("seed", range(20, 22))
@pytest.mark.parametrize("family", ["tia", "hmove", "vsync", "overshoot", "cpu", "dpc"])
def test_programs_whose_frames_are_not_drawn(family, seed, tmp_path):
    check_drawn(family, seed, 20, tmp_path)


@pytest.mark.sweep
@pytest.mark.parametrize("seed", range(500, 600))
@pytest.mark.parametrize("family", FAMILIES)
def test_many_programs_whose_frames_are_not_drawn(family, seed, tmp_path):
    check_drawn(family, seed, 30, tmp_path)


def test_all_of_the_decimal_mode(tmp_path):
    """Every operand, accumulator and carry, hashed in RAM: some 130 frames a program."""
    found = compare("decimal", 1, 40, tmp_path)
    assert found is None, str(found)


@pytest.mark.sweep
@pytest.mark.parametrize("seed", range(16))
def test_all_of_the_decimal_mode_for_long(seed, tmp_path):
    found = compare("decimal", seed, 400, tmp_path)
    assert found is None, str(found)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--family", nargs="*", default=FAMILIES, choices=FAMILIES)
    parser.add_argument("--seeds", nargs=2, type=int, default=(0, 20), metavar=("FROM", "UP_TO"))
    parser.add_argument("--frames", type=int, default=12)
    parser.add_argument("--skip", nargs="*", default=[], help="fields that are not compared")
    parser.add_argument("--ours", default="ours:Ours", help="module:Class of the player that is judged")
    parser.add_argument("--most", type=int, default=10, help="how many differences of a family are shown")
    arguments = parser.parse_args()
    ale_py.ALEInterface.setLoggerMode(ale_py.LoggerMode.Error)
    module, _, name = arguments.ours.partition(":")
    make_ours = getattr(importlib.import_module(module), name)
    bad = 0
    with tempfile.TemporaryDirectory() as folder:
        for family in arguments.family:
            different = 0
            for seed in range(*arguments.seeds):
                found = compare(family, seed, arguments.frames, folder, make_ours, arguments.skip)
                different += found is not None
                if found and different <= arguments.most:
                    sys.stdout.write(f"{found}\n")
                    sys.stdout.flush()
            count = len(range(*arguments.seeds))
            sys.stdout.write(f"{family}: {count - different} of {count} programs equal\n")
            sys.stdout.flush()
            bad += different
    return min(bad, 255)


if __name__ == "__main__":
    raise SystemExit(main())
