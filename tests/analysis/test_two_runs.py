from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from edgebench.analysis.comparison import t_interval
from edgebench.analysis.run_noise import RunNoise
from edgebench.analysis.two_runs import (
    Reading,
    error_of_interval,
    percentile_reading,
    ratio_interval,
    ratio_verdict,
    typical_reading,
)
from edgebench.changes import ChangeVerdict
from scipy import stats


def frame(blocks: list[list[float]]) -> pd.DataFrame:
    """Return samples, each block one burst."""
    rows = [(block, 0, value) for block, values in enumerate(blocks) for value in values]
    return pd.DataFrame(rows, columns=["block", "round", "latency_ns"])


def test_assumed_noise_alone_gives_the_normal_interval_of_two_runs() -> None:
    found = ratio_interval(Reading(0.0), Reading(0.1), RunNoise(0.1, None, ""))
    half = stats.norm.ppf(0.975) * 0.1 * math.sqrt(2)
    assert math.log(found.value) == pytest.approx(0.1)
    assert (math.log(found.low), math.log(found.high)) == pytest.approx((0.1 - half, 0.1 + half))
    assert math.log(found.one_sided_high) == pytest.approx(0.1 + stats.norm.ppf(0.95) * 0.1 * math.sqrt(2))


def test_noise_from_repeats_has_their_degrees_of_freedom() -> None:
    found = ratio_interval(Reading(0.0, 0.01, 6), Reading(0.0, 0.01, 6), RunNoise(0.05, 4, ""))
    assert math.log(found.high) == pytest.approx(stats.t.ppf(0.975, 4) * 0.05 * math.sqrt(2))


def test_a_run_that_is_noisier_than_repeats_counts_by_its_own_blocks() -> None:
    noise = RunNoise(0.01, 10, "")
    calm, wild = Reading(0.0, 0.005, 6), Reading(0.0, 0.2, 6)
    found = ratio_interval(calm, wild, noise)
    variance = 0.01**2 + 0.2**2
    freedom = variance**2 / (0.2**4 / 5 + 0.01**4 / 10)
    assert math.log(found.high) == pytest.approx(stats.t.ppf(0.975, freedom) * math.sqrt(variance))


@pytest.mark.parametrize(
    ("low", "high", "verdict"),
    [
        (0.95, 1.05, ChangeVerdict.UNDECIDED),
        (1.02, 1.05, ChangeVerdict.WORSE),
        (0.80, 0.90, ChangeVerdict.BETTER),
        (0.995, 1.008, ChangeVerdict.SAME),
        (1.002, 1.006, ChangeVerdict.SAME),
        (1.002, 1.02, ChangeVerdict.WORSE),
    ],
)
def test_verdicts(low: float, high: float, verdict: ChangeVerdict) -> None:
    assert ratio_verdict(low, high) is verdict


def test_a_typical_latency_is_that_of_lower_quartiles_and_no_pause_moves_it() -> None:
    calm = [[100.0] * 8, [110.0] * 8, [121.0] * 8]
    paused = [[*block[:-1], 9_000.0] for block in calm]
    found, disturbed = typical_reading(frame(calm)), typical_reading(frame(paused))
    assert found == disturbed
    assert found is not None
    assert math.exp(found.log) == pytest.approx(110)
    assert found.error == pytest.approx(math.log(1.1) / math.sqrt(3))
    assert typical_reading(frame([])) is None


def test_fewer_than_three_blocks_have_no_error_of_their_own() -> None:
    found = typical_reading(frame([[100.0] * 8, [110.0] * 8]))
    assert found is not None
    assert found.error is None


def test_a_percentile_has_an_error_where_each_block_can_place_it() -> None:
    rng = np.random.default_rng(0)
    enough = frame([list(rng.normal(100, 5, 40)) for _ in range(4)])
    few = frame([list(rng.normal(100, 5, 9)) for _ in range(4)])
    found = percentile_reading(enough, 0.9, 106.0)
    assert found.log == math.log(106.0)
    assert found.error is not None
    assert 0 < found.error < 0.1
    assert percentile_reading(few, 0.9, 106.0).error is None


def test_the_error_behind_an_interval_is_found_again() -> None:
    values = [0.1, 0.12, 0.09, 0.15]
    interval = t_interval(values)
    assert interval is not None
    found = error_of_interval(math.exp(interval.low), math.exp(interval.high), 4)
    assert found == pytest.approx(np.std(values, ddof=1) / 2)
