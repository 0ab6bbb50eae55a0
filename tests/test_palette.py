import ale_py
import ale_py.roms
import cv2
import numpy as np
import pytest
from reference import ROMS

from fastatari import AtariRules, palette
from fastatari.engine.loading import Loader


@pytest.mark.parametrize("name", palette.PALETTES)
def test_cv2_gray_is_cv2s(name):
    rgb = palette.rgb_table(name)
    assert np.array_equal(palette.gray_table(name, "cv2"), cv2.cvtColor(rgb[np.newaxis], cv2.COLOR_RGB2GRAY)[0])


def load(rom):
    ale = ale_py.ALEInterface()
    ale.loadROM(ale_py.roms.get_rom_path(rom))
    return ale


def find_palette(rom):
    return Loader(rom, AtariRules()).palette


@pytest.mark.parametrize("rom", ROMS)
def test_colours_are_those_of_the_emulator(rom, rng):
    ale, name = load(rom), find_palette(rom)
    rgb, gray = palette.rgb_table(name), palette.gray_table(name, "ale")
    actions = ale.getLegalActionSet()
    for frame in range(120):
        if ale.game_over():
            ale.reset_game()
        ale.act(actions[rng.integers(len(actions))])
        if frame % 10 == 0:
            screen = ale.getScreen()
            assert np.array_equal(rgb[screen], ale.getScreenRGB())
            assert np.array_equal(gray[screen], ale.getScreenGrayscale())


def test_both_standards_occur_and_a_screen_with_odd_indices():
    assert find_palette("breakout") == "ntsc"
    assert find_palette("air_raid") == "pal"
    ale = load("air_raid")
    seen = set()
    for _ in range(200):
        ale.act(0)
        seen |= set(np.unique(ale.getScreen()).tolist())
    assert any(index % 2 for index in seen)
