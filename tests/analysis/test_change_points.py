from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from edgebench.analysis.change_points import (
    FALSE_ALARMS,
    MIN_SIDE,
    MIN_VALUES,
    Shift,
    _outside,
    _rank_sum_counts,
    find_shifts,
)
from scipy import stats

TEN_PERCENT = math.log(1.10)


def shifted(rng: np.random.Generator, *, before: int = 10, after: int = 10, by: float = TEN_PERCENT) -> list[float]:
    return [*rng.normal(0.0, 0.03, before), *rng.normal(by, 0.03, after)]


@pytest.mark.parametrize("count", [10, 20, 60])
def test_no_more_false_alarms_than_stated(count: int) -> None:
    rng = np.random.default_rng(count)
    alarms = sum(bool(find_shifts(rng.normal(0.0, 0.03, count))) for _ in range(200))
    # With the stated rate, more would come about once in two thousand such tests.
    assert alarms <= stats.binom.ppf(0.9995, 200, FALSE_ALARMS)


def test_no_more_false_alarms_with_wild_outliers() -> None:
    rng = np.random.default_rng(7)
    alarms = sum(bool(find_shifts(rng.standard_cauchy(20))) for _ in range(200))
    assert alarms <= stats.binom.ppf(0.9995, 200, FALSE_ALARMS)


def test_ten_percent_is_found_from_ten_and_ten_runs() -> None:
    rng = np.random.default_rng(1)
    found = [find_shifts(shifted(rng)) for _ in range(100)]
    assert sum(bool(shifts) for shifts in found) >= 97
    near = [shift for shifts in found for shift in shifts if abs(shift.first - 10) <= 1]
    assert len(near) >= 90
    held = sum(shift.low <= TEN_PERCENT <= shift.high for shift in near if shift.low is not None and shift.high)
    assert held >= 0.88 * len(near)


def test_a_shift_is_told_with_its_place_size_and_interval() -> None:
    (found,) = find_shifts([1.0, 1.1, 0.9, 1.05, 0.95, 1.02, 3.0, 3.1, 2.9, 3.05, 2.95, 3.02])
    assert found.first == 6
    assert found.by == pytest.approx(2.0, abs=0.05)
    assert found.low is not None
    assert found.high is not None
    assert found.low < 2.0 < found.high
    assert found.p <= FALSE_ALARMS


def test_outliers_neither_make_nor_hide_a_shift() -> None:
    rng = np.random.default_rng(4)
    still = list(rng.normal(0.0, 0.03, 20))
    still[4], still[15] = 3.0, 5.0
    assert find_shifts(still) == ()
    moved = shifted(rng, by=0.2)
    moved[4], moved[15] = 3.0, 5.0
    assert [shift.first for shift in find_shifts(moved)] == [10]
    assert find_shifts(moved)[0].by == pytest.approx(0.2, abs=0.06)


def test_several_shifts_are_found_in_order() -> None:
    rng = np.random.default_rng(2)
    values = [*shifted(rng, before=15, after=15, by=0.2), *rng.normal(0.4, 0.03, 15), *rng.normal(0.0, 0.03, 15)]
    found = find_shifts(values)
    assert [shift.first for shift in found] == [15, 30, 45]
    assert [round(shift.by, 1) for shift in found] == [0.2, 0.2, -0.4]


@pytest.mark.parametrize("length", [10, 15, 100])
def test_a_level_that_rose_and_fell_back_is_found(length: int) -> None:
    rng = np.random.default_rng(length)
    values = [*shifted(rng, before=length, after=length, by=0.2), *rng.normal(0.0, 0.03, length)]
    found = find_shifts(values)
    assert [abs(shift.first - place) <= 1 for shift, place in zip(found, (length, 2 * length), strict=True)] == [
        True
    ] * 2
    assert found[0].by == pytest.approx(0.2, abs=0.05)
    assert found[1].by == pytest.approx(-0.2, abs=0.05)


def test_the_same_values_give_the_same_answer() -> None:
    values = shifted(np.random.default_rng(3))
    assert find_shifts(values) == find_shifts(values)


@pytest.mark.parametrize("count", [0, 1, 2, 5, 6, MIN_VALUES - 1])
def test_too_few_values_never_shift(count: int) -> None:
    half = count // 2
    assert find_shifts([0.0] * half + [9.0] * (count - half)) == ()
    assert find_shifts([*np.arange(half) / 100, *(9 + np.arange(count - half) / 100)]) == ()


def test_the_fewest_values_that_can_shift_do() -> None:
    values = [*(np.arange(5) / 100), *(9 + np.arange(5) / 100)]
    assert [shift.first for shift in find_shifts(values)] == [5]


def test_a_level_has_at_least_three_values() -> None:
    rng = np.random.default_rng(5)
    values = [*rng.normal(0, 0.01, 40), 1.0, 1.1]
    assert find_shifts(values) == () or all(
        MIN_SIDE <= shift.first <= len(values) - MIN_SIDE for shift in find_shifts(values)
    )


def test_equal_values_are_no_shift() -> None:
    assert find_shifts([1.0] * 50) == ()


def test_two_constant_levels_are_one_shift() -> None:
    assert [shift.first for shift in find_shifts([1.0] * 8 + [2.0] * 8)] == [8]


def test_levels_too_short_for_an_interval_have_none() -> None:
    assert _outside(3, 3) is None
    found = find_shifts([0.0, 0.01, 0.02, 5.0, 5.01, 5.02, *np.arange(9.0, 9.4, 0.02)])
    assert [shift.first for shift in found if shift.low is None] in ([], [3])
    assert all(isinstance(shift, Shift) for shift in found)


@pytest.mark.parametrize(("fewer", "more"), [(3, 3), (3, 5), (4, 4), (5, 7)])
def test_rank_sums_are_counted_as_by_listing_all_orders(fewer: int, more: int) -> None:
    counted = np.zeros(fewer * more + 1)
    for places in itertools.combinations(range(fewer + more), fewer):
        counted[sum(places) - fewer * (fewer - 1) // 2] += 1
    assert _rank_sum_counts(fewer, more).tolist() == counted.tolist()


def test_the_interval_is_that_of_published_tables() -> None:
    """Critical values of Mann and Whitney's U, two-sided 5 %: the interval leaves out as many differences a side."""
    assert {sizes: _outside(*sizes) for sizes in ((5, 5), (4, 8), (10, 10), (8, 20))} == {
        (5, 5): 2,
        (4, 8): 4,
        (10, 10): 23,
        (8, 20): 41,
    }


def test_long_series_are_quick_enough_to_be_exact() -> None:
    rng = np.random.default_rng(6)
    found = find_shifts(shifted(rng, before=250, after=250))
    assert [abs(shift.first - 250) <= 2 for shift in found] == [True]
