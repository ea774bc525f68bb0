from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from edgebench.analysis.latency import MIN_SAMPLES, summarise_latency
from edgebench.records import Latency
from scipy import stats

THRESHOLDS = {"p50_ns": 11, "p90_ns": 64, "p95_ns": 130, "p99_ns": 662}


def summary(count: int, seed: int = 0, warmup: int = 0) -> Latency:
    result = summarise_latency([np.random.default_rng(seed).integers(10**6, 10**7, count)], warmup)
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
    result = summarise_latency([values[:400], values[400:]], 17)
    assert result is not None
    assert (result.count, result.warmup_count) == (1001, 17)
    assert result.min_ns == values.min()
    assert result.mean_ns == pytest.approx(np.mean(values), rel=1e-15)
    assert result.stdev_ns == pytest.approx(np.std(values, ddof=1), rel=1e-15)
    assert [result.p50_ns, result.p90_ns, result.p95_ns, result.p99_ns] == list(np.percentile(values, [50, 90, 95, 99]))


def test_percentiles_are_interpolated_between_samples() -> None:
    result = summarise_latency([np.arange(0, 120, 10)], 0)
    assert result is not None
    assert result.p50_ns == 55.0


def test_the_order_of_samples_does_not_matter() -> None:
    values = np.random.default_rng(1).integers(1, 1000, 700)
    one, other = summarise_latency([values], 0), summarise_latency([np.sort(values)[::-1]], 0)
    assert one is not None
    assert other is not None
    assert one.stdev_ns == pytest.approx(other.stdev_ns)
    assert replace(one, stdev_ns=0.0) == replace(other, stdev_ns=0.0)


def test_one_sample_and_equal_samples() -> None:
    one = summarise_latency([np.array([7], np.int64)], 0)
    assert one is not None
    assert (one.count, one.min_ns, one.mean_ns) == (1, 7, 7.0)
    same = summarise_latency([np.full(20, 7, np.int64)], 0)
    assert same is not None
    assert (same.stdev_ns, same.p50_ns) == (0.0, 7.0)


def test_no_samples_no_summary() -> None:
    assert summarise_latency([], 12) is None
    assert summarise_latency([np.empty(0, np.int64)] * 3, 12) is None


def test_fields_are_plain_numbers_that_json_can_hold() -> None:
    result = summary(700)
    assert type(result.min_ns) is int
    for name in ("mean_ns", "stdev_ns", *THRESHOLDS):
        assert type(getattr(result, name)) is float


def blocks_of(*sizes: int, seed: int = 5) -> list[np.ndarray[Any, Any]]:
    """Blocks that each have an offset of their own, as processes have."""
    random = np.random.default_rng(seed)
    offsets = (0.97, 1.02, 1.0, 0.98, 1.03, 1.01)
    return [(1e6 * own * random.gamma(500, 0.002, n)).astype(np.int64) for own, n in zip(offsets, sizes, strict=False)]


def test_the_interval_of_a_percentile_is_students_t_over_the_blocks_own_percentiles() -> None:
    blocks = blocks_of(700, 800, 700, 900)
    result = summarise_latency(blocks, 0)
    assert result is not None
    assert result.blocks == 4
    assert set(result.intervals) == set(THRESHOLDS)
    for name, quantile in {"p50_ns": 0.5, "p90_ns": 0.9, "p95_ns": 0.95, "p99_ns": 0.99}.items():
        logs = np.log([np.quantile(block, quantile) for block in blocks])
        expected = stats.ttest_1samp(logs, 0).confidence_interval(0.95)
        assert result.intervals[name] == pytest.approx((math.exp(expected.low), math.exp(expected.high)), rel=1e-12)


def test_the_block_is_the_unit_not_the_sample() -> None:
    """A hundred times the samples of the same processes promise nothing more about other processes."""
    widths = []
    for size in (200, 20_000):
        result = summarise_latency(blocks_of(*[size] * 6), 0)
        assert result is not None
        low, high = result.intervals["p50_ns"]
        widths.append(math.log(high / low))
    assert widths[1] > 0.8 * widths[0]


@pytest.mark.parametrize("count", [1, 2])
def test_too_few_blocks_have_percentiles_without_interval(count: int) -> None:
    result = summarise_latency(blocks_of(*[700] * count), 0)
    assert result is not None
    assert (result.blocks, result.intervals) == (count, {})
    assert result.p99_ns is not None


@pytest.mark.parametrize(
    ("smallest", "named"),
    [(1, set()), (2, {"p50_ns"}), (10, {"p50_ns", "p90_ns"}), (20, {"p50_ns", "p90_ns", "p95_ns"}), (100, THRESHOLDS)],
)
def test_a_block_without_samples_beyond_a_percentile_denies_its_interval(smallest: int, named: set[str]) -> None:
    result = summarise_latency(blocks_of(700, 700, smallest), 0)
    assert result is not None
    assert set(result.intervals) == set(named)


def test_a_block_without_samples_is_no_block() -> None:
    result = summarise_latency([*blocks_of(20, 20), np.empty(0, np.int64)], 0)
    assert result is not None
    assert (result.blocks, result.count) == (2, 40)


def test_zeros_of_a_coarse_clock_break_no_interval() -> None:
    result = summarise_latency([np.zeros(20, np.int64)] * 3, 0)
    assert result is not None
    assert (result.p50_ns, result.intervals["p50_ns"]) == (0.0, (1.0, 1.0))
