"""The numbers that the kernels compute with: plans, levels, and the factors of area resizes."""

import itertools
import math

import numpy as np
import pytest
from pictures import HEIGHTS, SIZES
from reference import overlaps

from fastatari.palette import gray_table, rgb_table, to_gray
from fastatari.preprocessing import levels
from fastatari.preprocessing.area import plan_area
from fastatari.preprocessing.layout import COLUMN_TAPS, LANES, ROW_TAPS
from fastatari.preprocessing.plan import PicturePlan, make_plan


def test_equal_arguments_have_one_plan():
    arguments = (210, 160), (84, 84), 4, "gray-resize-max", "cv2", "ntsc", True
    plan = make_plan(*arguments, 0)
    assert plan is make_plan(*arguments, 0)
    assert isinstance(plan, PicturePlan)
    assert (plan.plane_shape, plan.plane_size, plan.stack_shape) == ((84, 84), 7056, (4, 84, 84))
    plan = make_plan((210, 160), (80, 70), 3, "max-resize-gray", "cv2", "ntsc", False, -1)
    assert (plan.plane_shape, plan.plane_size, plan.stack_shape) == ((80, 70, 3), 16800, (80, 70, 9))


def test_scratch_memory_is_aligned_and_ones_own():
    plan = make_plan((210, 160), (84, 84), 4, "gray-resize-max", "cv2", "ntsc", True, 0)
    arrays = [plan.make_scratch() for _ in range(5)]
    assert {array.ctypes.data % 64 for array in arrays} == {0}
    assert not any(array.any() for array in arrays)
    assert not any(itertools.starmap(np.shares_memory, itertools.combinations(arrays, 2)))


@pytest.mark.parametrize("palette", ["ntsc", "pal"])
def test_levels_are_those_of_the_palette(palette, rng):
    first, second = np.arange(2**16) % 256, np.arange(2**16) // 256
    gray, colours = gray_table(palette, "gymnasium"), rgb_table(palette)
    for pairs, tables in (
        (levels.pair_levels(palette, "gymnasium"), [gray]),
        (levels.pair_levels(palette, None), colours.T),
    ):
        assert pairs.dtype == np.uint16
        assert pairs.flags.c_contiguous
        for pair, table in zip(pairs, tables, strict=True):
            assert np.array_equal(pair, table[first] + 256 * table[second].astype(int))
    pooled = to_gray(np.maximum(colours[first], colours[second]), "cv2")
    assert np.array_equal(levels.pooled_levels(palette, "cv2"), pooled)


AREA_SIZES = [*SIZES, (83, 79), (1, 1), (49, 7), (210, 40), (30, 160)]


@pytest.mark.parametrize("size", AREA_SIZES)
@pytest.mark.parametrize("height", HEIGHTS)
def test_factors_are_the_overlaps_as_cv2_rounds_them(height, size):
    area = plan_area((height, 160), size)
    scale, bias = area.rounding
    for side, cells, table, factors in (
        (height, size[0], area.rows, area.row_factors),
        (160, size[1], area.columns, area.column_factors),
    ):
        dense = np.zeros((cells, side))
        for i, (first, count) in enumerate(table.tolist()):
            dense[i, first : first + count] = factors[i, :count]
            assert not factors[i, count:].any()
        scale *= dense[0].sum()
        np.testing.assert_allclose(
            dense, overlaps(side, cells) * (cells / math.lcm(side, cells)) * dense[0].sum(), 1e-6
        )
    assert scale == pytest.approx(1, rel=1e-6)
    assert bias == (0.125 if (height, 160) == (2 * size[0], 2 * size[1]) else 0)


@pytest.mark.parametrize("size", [(84, 84), (105, 84), (80, 85), (84, 88)])
@pytest.mark.parametrize("height", HEIGHTS)
def test_runs_have_all_columns_and_their_factors(height, size):
    area = plan_area((height, 160), size)
    assert area.row_factors.shape[1] == ROW_TAPS
    assert len(area.run_factors) == len(area.runs) > 0
    runs = area.runs.tolist()
    ends = [*(begin for begin, _ in runs[1:]), size[1]]
    for (begin, first), end, factors in zip(runs, ends, area.run_factors, strict=True):
        assert 0 < end - begin <= LANES
        assert area.columns[begin:end, 0].tolist() == list(range(first, first + 2 * (end - begin), 2))
        lanes = factors.reshape(COLUMN_TAPS, LANES).T
        assert np.array_equal(lanes[: end - begin], area.column_factors[begin:end])


@pytest.mark.parametrize("size", [(84, 64), (84, 100), (84, 15), (105, 80), (50, 84)])
def test_cells_that_do_not_fit_the_lanes_have_no_runs(size):
    assert not plan_area((210, 160), size).runs.size
