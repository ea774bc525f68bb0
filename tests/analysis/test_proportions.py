"""Intervals of shares: equal to the statistics libraries', and sensible where nothing or everything is right."""

from __future__ import annotations

import numpy as np
import pytest
from edgebench.analysis.lesions import lesion_count, lesion_groups
from edgebench.analysis.proportions import design_effect, f1_interval, mean_interval, roc_auc, share_interval, wilson
from scipy import stats
from sklearn.metrics import f1_score, roc_auc_score

ALONE = np.arange(1000)
EXACT = 1e-9


def hits(right: int, images: int) -> np.ndarray:
    return np.arange(images) < right


@pytest.mark.parametrize(("right", "images"), [(0, 17), (17, 17), (9, 17), (1, 1), (0, 1), (845, 988), (3, 115)])
def test_wilson_equals_scipy(right: int, images: int) -> None:
    expected = stats.binomtest(right, images).proportion_ci(method="wilson")
    assert share_interval(hits(right, images), ALONE[:images]) == pytest.approx(tuple(expected), abs=EXACT)


@pytest.mark.parametrize(("share", "number"), [(0.5, 12.7), (0.0, 9.3), (1.0, 9.3), (0.33, 600.5)])
def test_wilson_of_an_effective_number_equals_statsmodels(share: float, number: float) -> None:
    proportion = pytest.importorskip("statsmodels.stats.proportion")
    expected = proportion.proportion_confint(share * number, number, method="wilson")
    assert wilson(share, number) == pytest.approx(tuple(expected), abs=EXACT)


def test_none_and_all_of_17_have_intervals_that_say_something() -> None:
    none, every = share_interval(hits(0, 17), ALONE[:17]), share_interval(hits(17, 17), ALONE[:17])
    assert none[0] == 0
    assert none[1] == pytest.approx(0.1843, abs=1e-4)
    assert every == pytest.approx((1 - none[1], 1), abs=EXACT)


def test_images_of_one_lesion_count_as_fewer() -> None:
    pairs = ALONE[:20] // 2
    alike = np.repeat([True, True, True, False, False, True, False, True, True, False], 2)
    apart = np.tile([True, False], 10)
    assert design_effect(alike.astype(float), pairs) == 2  # bounded: lesions cannot be more alike than wholly
    assert design_effect(apart.astype(float), pairs) == 1
    assert share_interval(alike, pairs) == pytest.approx(wilson(0.6, 10), abs=EXACT)
    assert share_interval(apart, pairs) == pytest.approx(wilson(0.5, 20), abs=EXACT)


def test_the_design_effect_is_the_variance_over_lesions_to_that_over_images() -> None:
    values = np.array([1, 1, 0, 1, 0, 0, 1, 1], float)
    groups = np.array([0, 0, 1, 1, 2, 3, 4, 4])
    sums, sizes = np.array([2, 1, 0, 0, 2]), np.array([2, 2, 1, 1, 2])
    over_lesions = 5 / 4 * ((sums - 0.625 * sizes) ** 2).sum() / 64
    assert design_effect(values, groups) == pytest.approx(over_lesions / (0.625 * 0.375 / 8), abs=EXACT)
    assert design_effect(values, np.array([4, 4, 2, 2, 9, 7, 1, 1])) == design_effect(values, groups)


@pytest.mark.parametrize("right", [0, 18])
def test_at_the_extremes_lesions_count_as_wholly_alike(right: int) -> None:
    groups = np.array([0] * 6 + [1] * 6 + [2] * 6)
    low, high = share_interval(hits(right, 18), groups)
    assert (low, high) == pytest.approx(wilson(right / 18, 3), abs=EXACT)
    assert high - low > 0.5


def test_one_lesion_is_one_trial() -> None:
    assert share_interval(hits(3, 5), np.zeros(5, int)) == pytest.approx(wilson(0.6, 1), abs=EXACT)


def test_f1_interval_is_that_of_the_share_among_truth_and_answers() -> None:
    truth, answer = hits(17, 60), np.roll(hits(14, 60), 5)
    low, high = f1_interval(truth, answer, ALONE[:60])
    assert low < f1_score(truth, answer) < high
    both, either = (truth & answer).sum(), (truth | answer).sum()
    bounds = wilson(both / either, float(either))
    assert (low, high) == pytest.approx(tuple(2 * bound / (1 + bound) for bound in bounds), abs=EXACT)


def test_f1_of_0_and_1_have_intervals() -> None:
    nothing = f1_interval(hits(17, 40), np.zeros(40, bool), ALONE[:40])
    everything = f1_interval(hits(17, 40), hits(17, 40), ALONE[:40])
    assert nothing[0] == 0
    assert 0.2 < nothing[1] < 0.4
    assert everything[1] == 1
    assert 0.8 < everything[0] < 1


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("levels", [4, 1000])
def test_auc_equals_scikit_learn_with_and_without_ties(seed: int, levels: int) -> None:
    rng = np.random.default_rng(seed)
    truth = rng.random(300) < 0.1
    scores = rng.integers(0, levels, 300) / levels + 0.3 * truth
    area, (low, high) = roc_auc(scores, truth, ALONE[:300])
    assert area == pytest.approx(roc_auc_score(truth, scores), abs=EXACT)
    assert 0 <= low < area < high <= 1


def test_a_perfect_auc_of_a_small_class_is_not_certain() -> None:
    area, (low, high) = roc_auc(np.arange(1000.0), ALONE >= 983, ALONE)
    assert (area, high) == (1, 1)
    assert 0.9 < low < 0.95
    assert roc_auc(np.arange(1000.0), ALONE < 17, ALONE)[1][0] == 0


def test_aucs_of_lesions_are_less_certain() -> None:
    rng = np.random.default_rng(1)
    truth = np.repeat(rng.random(60) < 0.3, 3)
    scores = np.repeat(rng.random(60), 3) + truth * 0.4
    alone, together = roc_auc(scores, truth, ALONE[:180]), roc_auc(scores, truth, ALONE[:180] // 3)
    assert alone[0] == together[0]
    assert together[1][0] < alone[1][0] < alone[1][1] < together[1][1]


def test_one_image_of_a_class_has_an_auc_too() -> None:
    area, (low, high) = roc_auc(np.array([0.1, 0.5, 0.3]), np.array([False, True, False]), ALONE[:3])
    assert area == 1
    assert low < 0.5 < high == 1


def test_the_mean_of_shares_is_less_uncertain_than_each() -> None:
    bounds = [wilson(1.0, 17), wilson(0.8, 100)]
    low, high = mean_interval([1.0, 0.8], bounds)
    assert low == pytest.approx(0.9 - np.hypot(1 - bounds[0][0], 0.8 - bounds[1][0]) / 2, abs=EXACT)
    assert high == pytest.approx(0.9 + (bounds[1][1] - 0.8) / 2, abs=EXACT)
    assert mean_interval([1.0], [wilson(1.0, 17)]) == pytest.approx(wilson(1.0, 17), abs=EXACT)


def test_groups_are_lesions_within_a_class() -> None:
    groups = lesion_groups(["x", "x", None, None, "x", "y"], ["a", "a", "a", "a", "b", "a"])
    assert groups.tolist() == [0, 0, 1, 2, 3, 4]
    assert lesion_groups(None, ["a", "a"]).tolist() == [0, 1]
    assert lesion_count(["x", None], groups[:2]) == 1
    assert lesion_count([None, None], groups[:2]) is None
    assert lesion_count(None, groups) is None
