"""The exact test: McNemar's without lesions, by counting all flips with them; Holm; what could have been shown."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from edgebench.analysis.sign_flip import (
    detectable_difference,
    holm,
    sampled_sign_flip_p,
    sign_flip_p,
    sizes_of,
)
from scipy import stats

EXACT = 1e-9
TABLES = [(0, 0), (0, 1), (1, 15), (5, 5), (9, 2), (45, 93), (0, 40)]


@pytest.mark.parametrize(("gained", "lost"), TABLES)
def test_single_images_give_mcnemars_exact_p(gained: int, lost: int) -> None:
    p = sign_flip_p([1] * gained + [-1] * lost + [0] * 7)
    expected = stats.binomtest(gained, gained + lost).pvalue if gained + lost else 1.0
    assert p == pytest.approx(expected, abs=EXACT)


@pytest.mark.parametrize(("gained", "lost"), TABLES)
def test_and_equal_statsmodels(gained: int, lost: int) -> None:
    tables = pytest.importorskip("statsmodels.stats.contingency_tables")
    expected = tables.mcnemar([[50, lost], [gained, 9]], exact=True).pvalue
    assert sign_flip_p([1] * gained + [-1] * lost) == pytest.approx(min(1.0, expected), abs=EXACT)


@pytest.mark.parametrize("differences", [[2, -1, -1, 0, 3], [1, 1, 2, 2, -3], [-4], [2, 2, 2, -2], [1, -2, 3, -5, 1]])
def test_lesions_equal_counting_all_flips(differences: list[int]) -> None:
    sums = [
        abs(sum(sign * value for sign, value in zip(signs, differences, strict=True)))
        for signs in itertools.product((1, -1), repeat=len(differences))
    ]
    expected = np.mean([value >= abs(sum(differences)) for value in sums])
    assert sign_flip_p(differences) == pytest.approx(expected, abs=EXACT)
    sampled = sampled_sign_flip_p(np.array(differences) / 17, np.random.default_rng(0))
    assert sampled == pytest.approx(expected, abs=0.015)


def test_images_that_change_together_are_one_coin() -> None:
    assert sign_flip_p([-4, -4]) == 0.5
    assert sign_flip_p([-1] * 8) == pytest.approx(2 / 2**8, abs=EXACT)


def test_drawn_flips_never_claim_a_p_of_0() -> None:
    rng = np.random.default_rng(0)
    assert sampled_sign_flip_p(np.full(60, -0.3), rng) == 1 / 20_001
    assert sampled_sign_flip_p(np.zeros(5), rng) == 1
    assert sampled_sign_flip_p(np.array([0.1, -0.1]), rng) == 1


@pytest.mark.parametrize("seed", range(6))
def test_holm_equals_statsmodels(seed: int) -> None:
    multitest = pytest.importorskip("statsmodels.stats.multitest")
    values = np.random.default_rng(seed).random(7) ** 4
    assert holm(values) == pytest.approx(multitest.multipletests(values, method="holm")[1], abs=EXACT)


def test_holm_by_hand() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02], abs=EXACT)
    assert holm([0.9, 0.4]) == [0.9, 0.8]
    assert holm([]) == []


def test_too_few_images_can_show_nothing() -> None:
    assert detectable_difference({}, 8, 0.05 / 7) is None
    assert detectable_difference({}, 9, 0.05 / 7) is not None
    assert detectable_difference({}, 5, 0.05) is None
    assert detectable_difference({1: 2}, 6, 0.05) == pytest.approx(2 * 0.8 ** (1 / 6) - 1, abs=1e-3)


def test_more_images_show_less_and_more_churn_hides_more() -> None:
    figures = [detectable_difference({1: churn}, images, 0.05) for images, churn in ((1000, 0), (1000, 40), (100, 40))]
    small, churning, few = (figure or 0.0 for figure in figures)
    assert 0 < small < churning < few


@pytest.mark.parametrize("sizes", [{1: 20}, {1: 12, 2: 6}, {1: 3}])
def test_a_difference_of_that_size_is_found_4_times_in_5(sizes: dict[int, int]) -> None:
    images, level = 200, 0.05
    detectable = detectable_difference(sizes, images, level)
    assert detectable is not None
    changing = dict(sizes) if sizes != {1: 3} else {1: 6}  # three can show nothing: as many as it takes
    values = np.repeat(list(changing), list(changing.values()))
    lost = (1 + detectable * images / values.sum()) / 2
    rng = np.random.default_rng(0)
    found = 0
    for _ in range(2000):
        differences = values * np.where(rng.random(len(values)) < lost, -1, 1)
        found += sign_flip_p(differences) <= level and differences.sum() < 0
    assert found / 2000 == pytest.approx(0.8, abs=0.03)


def test_sizes() -> None:
    assert sizes_of([0, 1, -2, 2, -1, 1]) == {1: 3, 2: 2}
