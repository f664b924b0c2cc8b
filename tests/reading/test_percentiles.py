"""Percentiles against NumPy's."""

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from tenfold.reading.percentiles import find_percentile, find_percentiles, find_weighted_median


@pytest.mark.parametrize("shape", [(1,), (2,), (7, 9), (30, 40)])
@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_percentiles_are_numpys(shape: tuple[int, ...], dtype: type) -> None:
    values: npt.NDArray[Any] = np.random.default_rng(0).uniform(0, 255, shape).astype(dtype)
    percents = (0, 10, 33.3, 50, 99.8, 100)
    expected = np.percentile(values.astype(np.float64), percents)
    assert find_percentiles(values, *percents) == pytest.approx(expected.tolist())
    assert find_percentile(values, 50) == pytest.approx(float(np.median(values)))


def test_the_weighted_median_repeats_values_by_their_weight() -> None:
    values, weights = np.array([30, 10, 20]), np.array([2, 1, 2])
    assert find_weighted_median(values, weights) == np.median(np.repeat(values, weights))
    assert find_weighted_median(values[:1], weights[:1]) == 30
