import math

import numpy as np
import pytest
from reference import overlaps

from fastatari import area
from fastatari.kernels import COLUMN_TAPS, LANES, ROW_TAPS

SIZES = [(84, 84), (64, 64), (96, 96), (42, 42), (105, 80), (210, 160), (83, 79), (1, 1), (49, 7), (210, 40), (30, 160)]
HEIGHTS = [210, 214, 220, 230, 250]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("height", HEIGHTS)
def test_factors_are_the_overlaps_as_cv2_rounds_them(height, size):
    plan = area.plan((height, 160), size)
    rows, columns, _ = np.split(plan.cells, [size[0], sum(size)])
    scale, bias = plan.rounding
    for side, cells, table, factors in (
        (height, size[0], rows, plan.row_factors),
        (160, size[1], columns, plan.column_factors),
    ):
        dense = _dense(table, factors, side)
        scale *= dense[0].sum()
        np.testing.assert_allclose(
            dense, overlaps(side, cells) * (cells / math.lcm(side, cells)) * dense[0].sum(), 1e-6
        )
    assert scale == pytest.approx(1, rel=1e-6)
    assert bias == (0.125 if (height, 160) == (2 * size[0], 2 * size[1]) else 0)


@pytest.mark.parametrize("size", [(84, 84), (105, 84), (80, 85), (84, 88)])
@pytest.mark.parametrize("height", HEIGHTS)
def test_runs_have_all_cells_and_their_factors(height, size):
    plan = area.plan((height, 160), size)
    columns, runs = np.split(plan.cells[size[0] :], [size[1]])
    assert plan.row_factors.shape[1] == ROW_TAPS
    assert len(plan.run_factors) == len(runs) > 0
    ends = [*runs[1:, 0], size[1]]
    for (begin, first), end, factors in zip(runs, ends, plan.run_factors, strict=True):
        assert 0 < end - begin <= LANES
        assert columns[begin:end, 0].tolist() == list(range(first, first + 2 * (end - begin), 2))
        lanes = factors.reshape(COLUMN_TAPS, LANES).T
        assert np.array_equal(lanes[: end - begin], plan.column_factors[begin:end])


@pytest.mark.parametrize("size", [(84, 64), (84, 100), (84, 15), (105, 80), (50, 84)])
def test_cells_that_do_not_fit_the_lanes_have_no_runs(size):
    assert not area.plan((210, 160), size).run_factors.size


def _dense(cells, factors, side):
    dense = np.zeros((len(cells), side))
    for i, (first, count) in enumerate(cells.tolist()):
        dense[i, first : first + count] = factors[i, :count]
        assert not factors[i, count:].any()
    return dense
