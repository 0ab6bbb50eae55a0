import cv2
import numpy as np
import pytest
from reference import area_sums

from fastatari import area

SIZES = [(84, 84), (64, 64), (96, 96), (42, 42), (105, 80), (210, 160), (83, 79), (1, 1), (49, 7), (210, 40), (30, 160)]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("height", [210, 214, 220, 230, 250])
def test_exact_weights_are_the_overlaps(height, size, rng):
    plan = area.plan((height, 160), size)
    gray = rng.integers(0, 256, (height, 160))
    sums, total = area_sums(gray, size)
    scale = total // plan.total  # the twin's units are 1/lcm of a side, the plan's may be coarser
    assert plan.total * scale == total
    rows, columns = np.split(plan.weights, [size[0]])
    mine = _dense(rows, height) @ gray @ _dense(columns, 160).T
    np.testing.assert_array_equal(mine * scale, sums)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("height", [210, 214, 220, 230, 250])
def test_factors_are_the_weights_as_cv2_rounds_them(height, size):
    plan = area.plan((height, 160), size)
    for axis in (slice(None, size[0]), slice(size[0], None)):
        exact = plan.weights[axis, 2:].astype(np.float64)
        exact /= exact[0].sum()
        mine = plan.factors[axis].astype(np.float64)
        if plan.scale != 1 or size == (height, 160):
            assert not mine.any()
        else:
            np.testing.assert_allclose(mine, exact, rtol=1e-6, atol=1e-12)


def test_the_band_around_a_tie_holds_every_pixel_that_cv2_rounds_otherwise(rng):
    beyond = 0
    for size in [(84, 84), (83, 79), (41, 37), (13, 11)]:
        plan = area.plan((250, 160), size)
        for _ in range(40):
            gray = rng.integers(0, 256, (250, 160), dtype=np.uint8)
            sums, total = area_sums(gray, size)
            differs = cv2.resize(gray, size[::-1], interpolation=cv2.INTER_AREA) != (2 * sums + total) // (2 * total)
            distance = np.minimum((2 * sums + total) % (2 * total), -(2 * sums + total) % (2 * total))
            assert np.all(distance[differs] <= plan.near // 2)
            beyond += np.count_nonzero(differs)
    assert beyond > 0


def _dense(axis, side):
    dense = np.zeros((len(axis), side), np.int64)
    for i, (first, count, *weights) in enumerate(axis.tolist()):
        dense[i, first : first + count] = weights[:count]
        assert not any(weights[count:])
    return dense
