from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from edgebench.analysis.latency import MIN_SAMPLES, summarise_latency
from edgebench.records import Latency

THRESHOLDS = {"p50_ns": 11, "p90_ns": 64, "p95_ns": 130, "p99_ns": 662}


def summary(count: int, seed: int = 0, warmup: int = 0) -> Latency:
    result = summarise_latency(np.random.default_rng(seed).integers(10**6, 10**7, count), warmup)
    assert result is not None
    return result


def test_the_thresholds() -> None:
    assert MIN_SAMPLES == THRESHOLDS


@pytest.mark.parametrize(("name", "needed"), list(THRESHOLDS.items()))
def test_a_percentile_appears_exactly_at_its_threshold(name: str, needed: int) -> None:
    below, at = summary(needed - 1), summary(needed)
    assert getattr(below, name) is None
    assert below.unavailable[name] == f"n too small: {needed - 1} samples, {needed} needed"
    assert getattr(at, name) is not None
    assert name not in at.unavailable


@pytest.mark.parametrize("count", [1, 2, 10, 11, 63, 64, 129, 130, 661, 662, 5000])
def test_a_percentile_has_a_value_or_a_reason_never_both(count: int) -> None:
    result = summary(count)
    for name in THRESHOLDS:
        assert (getattr(result, name) is None) is (name in result.unavailable)
    assert set(result.unavailable) <= {*THRESHOLDS, "stdev_ns"}
    assert (result.stdev_ns is None) is ("stdev_ns" in result.unavailable) is (count == 1)


def test_numbers_equal_numpys() -> None:
    values = np.random.default_rng(3).integers(10**6, 10**9, 1001)
    result = summarise_latency(values, 17)
    assert result is not None
    assert (result.count, result.warmup_count) == (1001, 17)
    assert result.min_ns == values.min()
    assert result.mean_ns == pytest.approx(np.mean(values), rel=1e-15)
    assert result.stdev_ns == pytest.approx(np.std(values, ddof=1), rel=1e-15)
    assert [result.p50_ns, result.p90_ns, result.p95_ns, result.p99_ns] == list(np.percentile(values, [50, 90, 95, 99]))


def test_percentiles_are_interpolated_between_samples() -> None:
    result = summarise_latency(np.arange(0, 120, 10), 0)
    assert result is not None
    assert result.p50_ns == 55.0


def test_the_order_of_samples_does_not_matter() -> None:
    values = np.random.default_rng(1).integers(1, 1000, 700)
    one, other = summarise_latency(values, 0), summarise_latency(np.sort(values)[::-1], 0)
    assert one is not None
    assert other is not None
    assert one.stdev_ns == pytest.approx(other.stdev_ns)
    assert replace(one, stdev_ns=0.0) == replace(other, stdev_ns=0.0)


def test_one_sample_and_equal_samples() -> None:
    one = summarise_latency(np.array([7], np.int64), 0)
    assert one is not None
    assert (one.count, one.min_ns, one.mean_ns) == (1, 7, 7.0)
    same = summarise_latency(np.full(20, 7, np.int64), 0)
    assert same is not None
    assert (same.stdev_ns, same.p50_ns) == (0.0, 7.0)


def test_no_samples_no_summary() -> None:
    assert summarise_latency(np.empty(0, np.int64), 12) is None


def test_fields_are_plain_numbers_that_json_can_hold() -> None:
    result = summary(700)
    assert type(result.min_ns) is int
    for name in ("mean_ns", "stdev_ns", *THRESHOLDS):
        assert type(getattr(result, name)) is float
