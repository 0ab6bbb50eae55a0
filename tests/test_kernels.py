"""The kernels: planes, stacks and flags beside cv2, between bytes that nobody may write to."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pictures import HEIGHTS, KINDS, MAKERS, SIZES, Bench, bands, blocks, edit, noise, speckles, stripes
from reference import make_plane, overlaps, tie_count

from fastatari.palette import gray_table
from fastatari.preprocessing import machine_code

GRAYS = [{"gray": gray} for gray in ("cv2", "gymnasium")]


@pytest.mark.parametrize("kind", KINDS, ids=str)
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("height", HEIGHTS)
def test_planes_are_cv2s(height, size, kind, rng):
    bench = Bench((height, 160), size, **kind)
    screens = [make(rng, (height, 160)) for make in MAKERS for _ in range(2)]
    for count in (1, 2, 3):
        for k in range(0, len(screens) - count + 1, count):
            bench.push(*screens[k : k + count], old=False)


sides = st.integers(1, 256)


@settings(max_examples=200, deadline=None)
@given(
    shape=st.one_of(st.just((210, 160)), st.tuples(sides, sides)),
    fractions=st.tuples(st.floats(0.0, 1.0), st.floats(0.0, 1.0)),
    kind=st.sampled_from([*(a | b for a in KINDS for b in GRAYS), {"order": "gray-resize-max", "gray": "ale"}]),
    palette=st.sampled_from(["ntsc", "pal"]),
    stack_num=st.integers(1, 5),
    stack_axis=st.sampled_from([0, -1]),
    make=st.sampled_from(MAKERS),
    seed=st.integers(0, 2**32 - 1),
)
def test_edits_of_any_screens_are_seen_in_planes_of_any_size(
    shape, fractions, kind, palette, stack_num, stack_axis, make, seed
):
    rng = np.random.default_rng(seed)
    size = tuple(max(1, round(side * fraction)) for side, fraction in zip(shape, fractions, strict=True))
    if shape == (210, 160) and rng.integers(2):
        size = (84, 84)
    bench = Bench(shape, size, stack_num, stack_axis, palette=palette, **kind)
    even = 0xFE if kind.get("gray") == "ale" else 0xFF  # of even indices, for which the levels of ale-py are a formula
    screens = np.array([make(rng, shape) & even for _ in range(2)])
    made_of, flags = screens.copy(), None
    for _ in range(6):
        bench.push(*screens, flags=flags)
        bench.read()
        made_of, screens = screens, edit(rng, screens, even)
        flags = (screens != made_of).any(axis=2).astype(np.uint8)
        change = rng.integers(6)
        if change == 0:  # more flags than needed
            flags |= rng.integers(0, 256, flags.shape, dtype=np.uint8)
        elif change == 1:  # three screens, and after them all is computed
            bench.push(*screens, make(rng, shape) & even)
            flags = None
        elif change == 2:  # one screen, as twice the same
            single = screens[0]
            flags = (single != made_of).any(axis=2).astype(np.uint8)
            bench.push(single, flags=flags)
            flags = (screens != single).any(axis=2).astype(np.uint8)
        elif change == 3:
            flags = None


@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_only_rows_that_changed_are_computed(kind, rng):
    """What of the old plane is made of other rows is copied, whatever it holds."""
    bench = Bench((210, 160), (84, 84), **kind)
    screens = [blocks(rng, (210, 160)) for _ in range(2)]
    bench.push(*screens)
    bench.ring[bench.newest] = foreign = noise(rng, bench.plan.plane_shape)
    flags = np.zeros((2, 210), np.uint8)
    flags[0, 102], flags[1, 209] = 1, 255
    is_made = overlaps(210, 84)[:, [102, 209]].any(axis=1)
    assert np.flatnonzero(is_made).tolist() == [40, 41, 83]
    made = make_plane(screens, (84, 84), **bench.kind)
    bench.expect = lambda _: np.where(is_made.reshape(84, *[1] * (made.ndim - 1)), made, foreign)
    bench.push(*screens, flags=flags)


@pytest.mark.parametrize("stack_num", [1, 4])
def test_nothing_changed_is_a_copy(stack_num, rng):
    bench = Bench((210, 160), (84, 84), stack_num, order="gray-max-resize")
    screen = blocks(rng, (210, 160))
    bench.push(screen, screen)
    bench.ring[bench.newest] = foreign = noise(rng, (84, 84))
    bench.expect = lambda _: foreign
    bench.push(screen, screen, flags=np.zeros((2, 210), np.uint8))


def test_all_is_computed_without_an_old_plane_and_with_a_third_screen(rng):
    bench = Bench((210, 160), (84, 84), order="gray-max-resize")
    for count, value, old in ((1, 3, False), (2, 0, False), (3, 0, False), (3, 0, True), (3, 1, True)):
        screens = [noise(rng, (210, 160)) for _ in range(count)]
        bench.push(*screens, flags=np.full((2, 210), value, np.uint8), old=old)


# Sizes whose cells have an even total weight; of an odd one, as for 64x64 and 96x96, there is no half.
@pytest.mark.parametrize("size", [(84, 84), (42, 42), (100, 100), (105, 80)])
def test_ties_are_hit_and_rounded_as_cv2_does(size, rng):
    table = gray_table("ntsc", "cv2")
    screens = [make(rng, (210, 160)) for make in (stripes, speckles, noise) for _ in range(30)]
    assert sum(tie_count(table[screen], size) for screen in screens) > 1000
    for kind in KINDS:
        bench = Bench((210, 160), size, **kind)
        for pair in itertools.pairwise(screens):
            bench.push(*pair, old=False)


@pytest.mark.parametrize("shape", [(256, 256), (256, 255), (250, 200)])
def test_one_cell_of_many_pixels_is_cv2s(shape, rng):
    bench = Bench(shape, (1, 1), order="gray-resize-max")
    for make in (noise, speckles, blocks, stripes):
        for _ in range(15):
            bench.push(make(rng, shape), old=False)


@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_memory_that_held_other_screens_changes_nothing(kind, rng):
    """One scratch memory serves stacks of other screens by turns."""
    benches = [Bench((210, 160), (84, 84), **kind) for _ in range(3)]
    pairs = [[blocks(rng, (210, 160)), bands(rng, (210, 160))] for _ in benches]
    for bench in benches:
        bench.scratch = benches[0].scratch
    for turn in range(4):
        for bench, pair in zip(benches, pairs, strict=True):
            flags = np.zeros((2, 210), np.uint8)
            if turn:
                rows = rng.integers(210, size=5)
                pair[turn % 2][rows] = rng.integers(256)
                flags[turn % 2, rows] = 1
            bench.push(*pair, flags=flags, old=turn > 0)


def test_changes_of_screens_are_noted_and_these_are_kept(rng):
    for shape in [(210, 160), (9, 5), (30, 161), (1, 1)]:
        bench = Bench(shape, (1, 1), order="gray-resize-max")
        kept = bench.place(noise(rng, (2, *shape)), 2)
        for turn in range(6):
            bench.screens[:2] = kept
            for screen in bench.screens[: turn % 3]:
                screen[rng.integers(shape[0], size=3), rng.integers(shape[1], size=3)] ^= np.uint8(1 << rng.integers(8))
            expected = (bench.screens[:2] != kept).any(axis=2)
            bench.flags[:] = 0
            bench.flags[:, 0] = 1  # which stays
            expected[:, 0] = True
            screens = bench.screens.copy()
            machine_code.functions()["note_changes"](
                bench.plan.address, *(bench.screens[k].ctypes.data for k in range(2)), kept.ctypes.data,
                bench.flags.ctypes.data,
            )  # fmt: skip
            assert np.array_equal(bench.flags, expected)
            assert np.array_equal(kept, screens[:2])
            assert np.array_equal(bench.screens, screens)
            bench.check()
