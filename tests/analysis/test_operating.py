"""Thresholds that are chosen on some images and judged on others."""

from __future__ import annotations

import numpy as np
import pytest
from edgebench.analysis.operating import JudgedImages, choose_threshold, operating_point
from edgebench.analysis.proportions import wilson
from edgebench.errors import DataError, ScoreError
from sklearn.metrics import confusion_matrix

LABELS = ("nv", "mel")


def images(mel: list[float], nv: list[float]) -> JudgedImages:
    column = np.array([*mel, *nv])
    return JudgedImages(np.column_stack([1 - column, column]), ["mel"] * len(mel) + ["nv"] * len(nv))


VALIDATION = images([0.9, 0.6, 0.4, 0.2], [i / 20 for i in range(10)])
TEST = images([0.8, 0.55, 0.46, 0.1], [0.0, 0.1, 0.2, 0.3, 0.5])


def test_the_lowest_threshold_that_holds_the_specificity() -> None:
    scores, of_class = VALIDATION.scores[:, 1], np.array(VALIDATION.truth) == "mel"
    assert choose_threshold(scores, of_class, 0.9) == 0.45
    assert choose_threshold(scores, of_class, 0.91) == 0.6
    assert choose_threshold(scores, of_class, 1.0) == 0.6
    assert choose_threshold(scores, of_class, 0.5) == 0.25


def test_equal_scores_are_on_one_side_of_the_threshold() -> None:
    scores, of_class = np.array([0.5, 0.5, 0.5, 0.5, 0.7]), np.array([True, False, False, False, True])
    assert choose_threshold(scores, of_class, 0.1) == 0.7
    assert choose_threshold(scores[:4], of_class[:4], 0.1) is None


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("wanted", [0.5, 0.9, 0.99])
def test_no_lower_threshold_would_do(seed: int, wanted: float) -> None:
    rng = np.random.default_rng(seed)
    of_class = rng.random(120) < 0.3
    scores = np.round(rng.random(120) + 0.3 * of_class, 2)
    threshold = choose_threshold(scores, of_class, wanted)
    assert threshold is not None
    specificity = [(scores[~of_class] < value).mean() for value in (threshold, scores[scores < threshold].max())]
    assert specificity[0] >= wanted > specificity[1]


def test_recall_and_specificity_are_those_of_the_judged_images() -> None:
    point = operating_point(LABELS, "mel", 0.9, VALIDATION, TEST)
    assert (point.threshold, point.validation_specificity, point.validation_recall) == (0.45, 0.9, 0.5)
    assert (point.validation_images, point.positives, point.negatives) == (14, 4, 5)
    ((true_nv, false_mel), (false_nv, true_mel)) = confusion_matrix(
        np.array(TEST.truth) == "mel", TEST.scores[:, 1] >= 0.45
    )
    assert point.recall == true_mel / (true_mel + false_nv) == 0.75
    assert point.specificity == true_nv / (true_nv + false_mel) == 0.8
    assert point.recall_interval == wilson(0.75, 4)
    assert point.specificity_interval == wilson(0.8, 5)
    assert point.unavailable == {}


def test_columns_are_found_by_label() -> None:
    turned = [JudgedImages(part.scores[:, ::-1], part.truth) for part in (VALIDATION, TEST)]
    assert operating_point(LABELS[::-1], "mel", 0.9, *turned) == operating_point(LABELS, "mel", 0.9, VALIDATION, TEST)


def test_what_cannot_be_told_says_why() -> None:
    without = operating_point(LABELS, "mel", 0.9, images([], [0.1, 0.2]), TEST)
    assert without.unavailable == {"threshold": "of class mel the validation part has none"}
    only = operating_point(LABELS, "mel", 0.9, images([0.1, 0.2], []), TEST)
    assert only.unavailable == {"threshold": "of class mel the validation part has all images"}
    beyond = operating_point(LABELS, "mel", 0.9, images([0.1, 0.2], [0.9]), TEST)
    assert "no threshold reaches this specificity" in beyond.unavailable["threshold"]
    absent = operating_point(LABELS, "mel", 0.9, VALIDATION, images([], [0.1, 0.5]))
    assert absent.unavailable == {"recall": "no evaluated image is of class mel"}
    assert (absent.recall, absent.specificity) == (None, 0.5)
    full = operating_point(LABELS, "mel", 0.9, VALIDATION, images([0.1, 0.5], []))
    assert full.unavailable == {"specificity": "all evaluated images are of class mel"}


def test_what_does_not_fit_is_said() -> None:
    with pytest.raises(DataError, match=r"operating point of class 'scc', which is not among the labels nv, mel"):
        operating_point(LABELS, "scc", 0.9, VALIDATION, TEST)
    bad = images([np.nan], [0.1])
    with pytest.raises(ScoreError, match="not finite"):
        operating_point(LABELS, "mel", 0.9, VALIDATION, bad)
