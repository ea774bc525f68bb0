"""Agreement of two models' outputs, whatever the truth is."""

from __future__ import annotations

import numpy as np
import pytest
from edgebench.analysis.agreement import agreement
from edgebench.analysis.proportions import wilson
from edgebench.errors import DataError, ScoreError

LABELS = ("a", "b", "c")
SCORES = np.array([[0.7, 0.2, 0.1], [0.1, 0.8, 0.1], [0.3, 0.3, 0.4], [0.5, 0.4, 0.1]], np.float32)


def test_a_model_agrees_with_itself_and_that_is_no_certainty() -> None:
    found = agreement(LABELS, SCORES, LABELS, SCORES)
    assert (found.images, found.top1, found.mean_score_difference, found.max_score_difference) == (4, 1, 0, 0)
    assert (found.low, found.high) == wilson(1.0, 4)


def test_answers_and_scores_are_counted() -> None:
    other = SCORES.copy()
    other[3] = (0.4, 0.5, 0.1)
    found = agreement(LABELS, SCORES, LABELS, other)
    assert found.top1 == 0.75
    assert found.max_score_difference == pytest.approx(0.1)
    assert found.mean_score_difference == pytest.approx(0.2 / 12)


def test_columns_are_matched_by_label() -> None:
    order = [2, 0, 1]
    found = agreement(LABELS, SCORES, [LABELS[index] for index in order], SCORES[:, order])
    assert (found.top1, found.max_score_difference) == (1, 0)


def test_other_labels_leave_the_answers_to_compare() -> None:
    found = agreement(LABELS, SCORES, ("a", "b", "d"), SCORES)
    assert found.top1 == 0.75
    assert found.max_score_difference is None
    assert found.unavailable["max_score_difference"] == "the two have other labels: only one of them knows c, d"


def test_images_of_one_lesion_count_as_fewer() -> None:
    scores = np.tile(SCORES, (10, 1))
    lesions = [f"{index // 4}" for index in range(40)]
    assert agreement(LABELS, scores, LABELS, scores, lesions).low == pytest.approx(wilson(1.0, 10)[0])


def test_what_does_not_fit_is_said() -> None:
    with pytest.raises(DataError, match="scores have shape"):
        agreement(LABELS, SCORES, LABELS, SCORES[:2])
    bad = SCORES.copy()
    bad[1, 1] = np.nan
    with pytest.raises(ScoreError, match="1 of 4 images got scores that are not finite"):
        agreement(LABELS, SCORES, LABELS, bad)
