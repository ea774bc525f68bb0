from __future__ import annotations

import numpy as np
import pytest
from edgebench.analysis.autocorrelation import level_variance, noise_of
from simulated_load import autocorrelated


def test_independent_values_count_as_many_as_they_are() -> None:
    found = [noise_of([np.random.default_rng(seed).normal(size=120)]) for seed in range(40)]
    assert np.median([noise.inflation(12) for noise in found]) == pytest.approx(1.0, abs=0.2)
    assert np.median([noise.freedom for noise in found]) > 90


@pytest.mark.parametrize("correlation", [0.3, 0.6, 0.8])
def test_the_inflation_of_a_mean_is_that_of_the_process(correlation: float) -> None:
    rng = np.random.default_rng(1)
    found = [noise_of([autocorrelated(rng, 400, correlation)]).inflation(12) for _ in range(40)]
    true = 1 + 2 * sum((1 - lag / 12) * correlation**lag for lag in range(1, 12))
    assert np.median(found) == pytest.approx(true, rel=0.15)


def test_levels_are_no_noise() -> None:
    rng = np.random.default_rng(1)
    parts = [rng.normal(size=60), 50 + rng.normal(size=60)]
    noise = noise_of(parts)
    assert noise.inflation(12) < 1.6
    assert level_variance(parts, noise) == pytest.approx(1.0, abs=0.3)
    assert noise_of([np.concatenate(parts)]).inflation(12) > 8


def test_what_autocorrelation_takes_from_the_spread_is_put_back() -> None:
    rng = np.random.default_rng(1)
    found = []
    for _ in range(60):
        series = [autocorrelated(rng, 120, 0.8)]
        found.append(level_variance(series, noise_of(series)))
    assert np.mean(found) == pytest.approx(1.0, abs=0.1)


@pytest.mark.parametrize("values", [[1.0], [1.0, 2.0, 3.0], [5.0] * 50])
def test_a_few_values_or_equal_ones_have_no_memory(values: list[float]) -> None:
    noise = noise_of([np.array(values)])
    assert noise.correlations == ()
    assert noise.inflation(10) == 1.0
    assert noise.freedom >= 1.0
