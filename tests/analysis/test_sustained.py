from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from edgebench.analysis.sustained import BEGIN_NS, MIN_WINDOWS, ranking, trend
from edgebench.sustained_records import Pace, Trend, Windows
from simulated_load import Floats, S, case_of, noisy, windows_of

MS = 1e6


def found_in(latency_ns: Floats, each_ns: int = 5 * S) -> Trend:
    found = trend(windows_of(latency_ns, each_ns), each_ns * len(latency_ns))
    assert found is not None
    return found


def steps(*levels: tuple[int, float]) -> Floats:
    return np.concatenate([np.full(count, level * MS) for count, level in levels])


@pytest.mark.parametrize("count", [30, 120])
def test_a_steady_device_is_called_steady_in_19_of_20_series(count: int) -> None:
    """With neighbours as alike as those of a quiet board; ``tests/proofs/sustained.py`` has more kinds and numbers."""
    rng = np.random.default_rng(5)
    series = [found_in(noisy(rng, steps((count, 10.0)), 0.007, 0.5)) for _ in range(60)]
    assert sum(item.pace is Pace.KEEPS for item in series) >= 57
    outside = sum(not item.low <= 1 <= item.high for item in series if item.low and item.high)
    assert outside <= 7  # 5 % of 60 are 3; more than 7 come by chance once in fifty


def test_a_noisy_device_is_undecided_rather_than_slow() -> None:
    rng = np.random.default_rng(1)
    paces = [found_in(noisy(rng, steps((30, 10.0)), 0.04, 0.6)).pace for _ in range(20)]
    assert paces.count(Pace.SLOWS) <= 2
    assert paces.count(Pace.UNDECIDED) >= 15


@pytest.mark.parametrize("correlation", [0.0, 0.6])
def test_how_much_and_when_a_device_slows_down(correlation: float) -> None:
    rng = np.random.default_rng(1)
    series = [found_in(noisy(rng, steps((42, 10.0), (78, 11.8)), 0.01, correlation)) for _ in range(25)]
    assert {item.pace for item in series} == {Pace.SLOWS}
    assert sum(item.low < 1.18 < item.high for item in series if item.low and item.high) >= 21
    after_s = [(item.slowed_after_ns or 0) / S for item in series]
    assert np.median(after_s) == 210
    assert min(after_s) >= 195
    assert max(after_s) <= 225
    assert np.median([item.steady_ns or 0 for item in series]) == pytest.approx(11.8 * MS, rel=0.01)


def test_the_truth_of_exact_series() -> None:
    found = found_in(steps((42, 10.0), (78, 11.8)))
    assert found.ratio == pytest.approx(1.18)
    assert found.low == pytest.approx(1.18)
    assert (found.begin_ns, found.end_ns) == pytest.approx((10 * MS, 11.8 * MS))
    assert (found.begin_windows, found.end_windows) == (12, 12)
    assert found.slowed_after_ns == 210 * S
    assert found.changes == (42,)
    assert found_in(steps((120, 10.0))).pace is Pace.KEEPS
    assert found_in(steps((50, 10.0), (70, 8.0))).pace is Pace.SPEEDS_UP


def test_a_slow_climb_is_told_and_begins_early() -> None:
    rng = np.random.default_rng(1)
    climb = 10 * MS * (1 + 0.3 * (1 - np.exp(-np.arange(120) / 30)))
    found = found_in(noisy(rng, climb, 0.005, 0.3))
    assert found.pace is Pace.SLOWS
    assert found.low is not None
    assert found.low > 1.1
    assert 0 < (found.slowed_after_ns or 0) < 150 * S


def test_a_spell_in_the_middle_changes_neither_end() -> None:
    rng = np.random.default_rng(1)
    found = found_in(noisy(rng, steps((50, 10.0), (20, 15.0), (50, 10.0)), 0.005, 0.3))
    assert found.pace is Pace.KEEPS
    assert found.slowed_after_ns is None
    assert found.changes == (50, 70)


def test_the_beginning_is_a_minute_at_most() -> None:
    found = found_in(steps((120, 10.0)), each_ns=60 * S)
    assert BEGIN_NS == 60 * S
    assert found.begin_windows == 3  # a mean needs some
    assert found.end_windows == 12


def test_slow_models_get_more_windows_for_a_beginning() -> None:
    windows = windows_of(steps((60, 10_000.0)), each_ns=10 * S, count=1)
    found = trend(windows, 600 * S)
    assert found is not None
    assert (found.begin_windows, found.end_windows) == (11, 11)


def test_too_few_windows_have_figures_and_a_reason() -> None:
    found = found_in(steps((5, 10.0)))
    assert found.pace is Pace.UNDECIDED
    assert found.ratio is None
    assert found.unavailable["ratio"] == f"5 windows, {MIN_WINDOWS} needed; sustain the load for longer"
    assert found.begin_ns == pytest.approx(10 * MS)
    assert found_in(steps((1, 10.0))).begin_windows == 1
    assert trend(Windows(), 0) is None


def test_temperature_and_clock_are_medians_of_what_is_told() -> None:
    windows = replace(
        windows_of(steps((20, 10.0))),
        celsius=(None, 40.0, 42.0, *([60.0] * 14), 80.0, 82.0, 90.0),
        clock_hz=(2_000, *([1_500] * 16), None, None, None),
    )
    found = trend(windows, 100 * S)
    assert found is not None
    assert (found.begin_celsius, found.end_celsius) == (41.0, 82.0)
    assert (found.begin_clock_hz, found.end_clock_hz) == (1_500.0, None)


def test_variants_that_swap_are_named_with_the_time() -> None:
    rng = np.random.default_rng(1)
    float16 = case_of(noisy(rng, steps((120, 12.0)), 0.01, 0.5))
    int8 = case_of(noisy(rng, steps((48, 10.0), (72, 14.0)), 0.01, 0.5))
    found = ranking([float16, int8])
    assert (found.begin, found.end) == (((1,), (0,)), ((0,), (1,)))
    assert [(swap.first, swap.second) for swap in found.swaps] == [(1, 0)]
    assert found.swaps[0].after_ns == pytest.approx(240 * S, abs=10 * S)


def test_what_is_not_shown_to_differ_stands_together_and_does_not_swap() -> None:
    rng = np.random.default_rng(1)
    one = case_of(noisy(rng, steps((120, 10.0)), 0.01, 0.5))
    other = case_of(noisy(rng, steps((60, 9.95), (60, 10.05)), 0.01, 0.5))
    third = case_of(noisy(rng, steps((120, 20.0)), 0.01, 0.5))
    found = ranking([third, one, other])
    assert found.swaps == ()
    for order in (found.begin, found.end):
        assert [sorted(group) for group in order] == [[1, 2], [0]]


def test_cases_too_short_to_compare_stand_together() -> None:
    assert ranking([case_of(steps((5, 10.0))), case_of(steps((120, 30.0)))]).begin == ((0, 1),)
    assert ranking([]).begin == ()
