import cv2
import numpy as np
import pytest
from reference import ROMS

from fastatari import palette
from fastatari.emulator import Emulator


@pytest.mark.parametrize("name", palette.PALETTES)
def test_cv2_gray_is_cv2s(name):
    rgb = palette.rgb_table(name)
    assert np.array_equal(palette.gray_table(name, "cv2"), cv2.cvtColor(rgb[np.newaxis], cv2.COLOR_RGB2GRAY)[0])


@pytest.mark.parametrize("rom", ROMS)
def test_colours_are_those_of_the_emulator(rom, rng):
    console = Emulator(rom)
    rgb, gray = palette.rgb_table(console.palette), palette.gray_table(console.palette, "ale")
    console.reset()
    for frame in range(120):
        if console.game_over():
            console.reset()
        console.act(console.check_action(rng.integers(len(console.action_meanings))))
        if frame % 10 == 0:
            screen = np.empty(console.screen_shape, np.uint8)
            console.read_screen(screen)
            assert np.array_equal(rgb[screen], console.read_rgb())
            assert np.array_equal(gray[screen], console.read_gray())


def test_both_standards_occur_and_a_screen_with_odd_indices():
    assert Emulator("breakout").palette == "ntsc"
    console = Emulator("air_raid")
    assert console.palette == "pal"
    console.reset()
    seen = set()
    for _ in range(200):
        console.act(console.check_action(0))
        seen |= set(np.unique(console.read_screen()).tolist())
    assert any(index % 2 for index in seen)
