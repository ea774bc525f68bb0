"""Gains and losses by class: verdicts, intervals, and what is said where they do not agree."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from edgebench.analysis.paired import BALANCED, TOP1, Paired, paired_differences
from edgebench.records import AccuracyVerdict, PairedDifference
from scipy import stats

LABELS = ("df", "nv", "mel")


def answered(*classes: tuple[str, int, int, int]) -> tuple[list[str], np.ndarray, np.ndarray]:
    """Return truth, right and baseline's right of classes given as (name, images, gained, lost)."""
    truth: list[str] = []
    right: list[bool] = []
    before: list[bool] = []
    for name, images, gained, lost in classes:
        same = images - gained - lost
        truth += [name] * images
        right += [True] * gained + [False] * lost + [index % 2 == 0 for index in range(same)]
        before += [False] * gained + [True] * lost + [index % 2 == 0 for index in range(same)]
    return truth, np.array(right), np.array(before)


def compared(*classes: tuple[str, int, int, int], labels: Sequence[str] = LABELS) -> Paired:
    return paired_differences(labels, *answered(*classes))


def of(found: Paired, name: str) -> PairedDifference:
    return next(item for item in found.classes if item.name == name)


def test_figures_of_each_class_and_of_all() -> None:
    found = compared(("nv", 200, 4, 30), ("mel", 100, 3, 2), ("df", 17, 0, 0))
    nv = of(found, "nv")
    assert [item.name for item in found.classes] == list(LABELS)
    assert (nv.images, nv.lesions, nv.gained, nv.lost, nv.difference) == (200, None, 4, 30, -0.13)
    assert nv.p == pytest.approx(stats.binomtest(4, 34).pvalue, abs=1e-9)
    assert nv.p_holm == pytest.approx(3 * stats.binomtest(4, 34).pvalue, abs=1e-9)
    assert nv.verdict is AccuracyVerdict.WORSE
    assert nv.low is not None
    assert nv.high is not None
    assert nv.low < -0.13 < nv.high < 0
    assert (found.top1.name, found.top1.gained, found.top1.lost) == (TOP1, 7, 32)
    assert found.top1.difference == pytest.approx(-25 / 317)
    assert (found.top1.verdict, found.top1.p_holm) == (AccuracyVerdict.WORSE, None)
    assert found.balanced_accuracy.name == BALANCED
    assert found.balanced_accuracy.difference == pytest.approx((-26 / 200 + 1 / 100 + 0) / 3)


def test_the_other_way_round_is_better() -> None:
    found = compared(("nv", 200, 30, 4), ("mel", 100, 2, 3))
    assert of(found, "nv").verdict is AccuracyVerdict.BETTER
    assert found.top1.verdict is AccuracyVerdict.BETTER


def test_no_change_in_17_images_is_no_proof_of_equality() -> None:
    item = of(compared(("df", 17, 0, 0), ("nv", 100, 0, 0)), "df")
    assert (item.p, item.verdict) == (1, AccuracyVerdict.NONE_SHOWN)
    assert item.low is not None
    assert item.high is not None
    assert item.low <= -0.1 < 0.1 <= item.high
    assert item.detectable is not None
    assert 0.3 < item.detectable < 0.6


def test_all_of_17_lost() -> None:
    item = of(compared(("df", 17, 0, 17), ("nv", 100, 0, 0)), "df")
    assert (item.difference, item.low, item.verdict) == (-1, -1, AccuracyVerdict.WORSE)
    assert item.high is not None
    assert -0.8 < item.high < -0.5


def test_a_class_without_images_is_no_part_of_the_family() -> None:
    found = compared(("nv", 100, 1, 12), ("mel", 100, 0, 0))
    absent = of(found, "df")
    assert (absent.images, absent.difference, absent.p, absent.verdict) == (0, None, None, None)
    assert absent.unavailable == {"difference": "no image of this class"}
    nv = of(found, "nv")
    assert nv.p is not None
    assert nv.p_holm == pytest.approx(2 * nv.p)


def test_a_class_of_few_images_says_that_nothing_could_have_been_shown() -> None:
    item = of(compared(("df", 5, 0, 5), ("nv", 100, 0, 0), ("mel", 10, 0, 0)), "df")
    assert (item.verdict, item.detectable) == (AccuracyVerdict.NONE_SHOWN, None)
    assert "too few images" in item.unavailable["detectable"]


def test_an_interval_that_holm_overrules_is_explained() -> None:
    classes = [(f"c{index}", 100, 0, 0) for index in range(6)]
    found = compared(("nv", 100, 1, 9), *classes, labels=("nv", *(name for name, *_ in classes)))
    nv = of(found, "nv")
    assert nv.p is not None
    assert nv.high is not None
    assert nv.p < 0.05
    assert nv.high < 0
    assert nv.verdict is AccuracyVerdict.NONE_SHOWN
    assert nv.explanation is not None
    assert "with 7 classes looked at, one such interval is no sign (p = 0.021, adjusted 0.15)" in nv.explanation


@pytest.mark.parametrize("seed", range(20))
def test_a_verdict_never_contradicts_its_interval_silently(seed: int) -> None:
    rng = np.random.default_rng(seed)
    truth = list(rng.choice(LABELS, 150))
    before = rng.random(150) < 0.7
    lost = rng.random(150) < rng.choice([0.05, 0.12, 0.2])
    lesions = [f"{name}{number}" for name, number in zip(truth, rng.integers(0, 60, 150), strict=True)]
    found = paired_differences(LABELS, truth, before & ~lost, before, lesions, resamples=400)
    for item in (*found.classes, found.top1, found.balanced_accuracy):
        assert item.low is not None
        assert item.high is not None
        shown = item.verdict is not AccuracyVerdict.NONE_SHOWN
        agree = shown == (item.low > 0 or item.high < 0)
        assert agree == (item.explanation is None)


def test_images_of_one_lesion_are_one_change() -> None:
    truth, right, before = answered(("nv", 40, 0, 12), ("mel", 40, 0, 0))
    single = paired_differences(LABELS, truth, right, before)
    together = paired_differences(LABELS, truth, right, before, [f"{name}{i // 4}" for i, name in enumerate(truth)])
    assert of(single, "nv").verdict is AccuracyVerdict.WORSE
    assert of(together, "nv").verdict is AccuracyVerdict.NONE_SHOWN
    assert of(together, "nv").p == 2 / 2**3
    assert (of(together, "nv").lesions, together.top1.lesions) == (10, 20)
    widths = [(item.high or 0) - (item.low or 0) for item in (of(single, "nv"), of(together, "nv"))]
    assert widths[1] > 1.3 * widths[0]


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 0, 1), (1, 2, 0)])
def test_the_order_of_labels_changes_nothing(order: tuple[int, ...]) -> None:
    classes = ("nv", 200, 4, 30), ("mel", 100, 3, 2), ("df", 17, 0, 1)
    one, other = compared(*classes), compared(*classes, labels=[LABELS[index] for index in order])
    assert {item.name: item for item in one.classes} == {item.name: item for item in other.classes}
    assert (one.top1, one.balanced_accuracy) == (other.top1, other.balanced_accuracy)


def test_the_same_seed_gives_the_same_figures() -> None:
    classes = ("nv", 200, 4, 30), ("mel", 100, 3, 2)
    truth, right, before = answered(*classes)
    assert compared(*classes) == compared(*classes)
    other = paired_differences(LABELS, truth, right, before, seed=1)
    assert of(other, "nv").low != of(compared(*classes), "nv").low
    assert of(other, "nv").p == of(compared(*classes), "nv").p


def test_the_interval_is_near_the_score_interval_of_paired_shares() -> None:
    """Bonett and Price's closed form, for lesions of one image."""
    item = of(compared(("nv", 300, 12, 30), ("mel", 50, 0, 0)), "nv")
    estimate = (13 - 31) / 302
    spread = np.sqrt((13 + 31) / 302**2 - estimate**2 / 302)
    assert item.low == pytest.approx(estimate - 1.96 * spread, abs=0.004)
    assert item.high == pytest.approx(estimate + 1.96 * spread, abs=0.004)
