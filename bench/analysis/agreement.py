"""How far two models answer alike: needs no labels of the images, and takes any two models' outputs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..records import Agreement
from .accuracy import check_scores
from .lesions import lesion_groups
from .proportions import share_interval

Array = np.ndarray[Any, Any]


def agreement(
    labels: Sequence[str],
    scores: Array,
    other_labels: Sequence[str],
    other_scores: Array,
    lesions: Sequence[str | None] | None = None,
) -> Agreement:
    """Return how far two models agree; rows of both are the same images, columns are matched by their labels.

    Args:
        labels: the name of each column of ``scores`` [images, classes].
        scores: one model's outputs.
        other_labels: the name of each column of ``other_scores``, in any order.
        other_scores: the other model's outputs for the same images.
        lesions: the lesion of each image where it is known: images of one lesion are not independent.

    Where the two have other labels, only answers are compared, by name, and score differences say why not.

    Raises:
        DataError: shapes that do not fit, or no image.
        ScoreError: scores that are not finite.
    """
    check_scores(labels, len(scores), scores)
    check_scores(other_labels, len(scores), other_scores)
    same = answers(labels, scores) == answers(other_labels, other_scores)
    low, high = share_interval(same, lesion_groups(lesions, ["all"] * len(scores)))
    mean = largest = None
    unavailable: dict[str, str] = {}
    if set(labels) == set(other_labels):
        columns = [list(other_labels).index(label) for label in labels]
        apart = np.abs(scores.astype(np.float64) - other_scores.astype(np.float64)[:, columns])
        mean, largest = float(apart.mean()), float(apart.max())
    else:
        only = sorted(set(labels) ^ set(other_labels))
        reason = f"the two have other labels: only one of them knows {', '.join(only[:3])}"
        unavailable = dict.fromkeys(("mean_score_difference", "max_score_difference"), reason)
    return Agreement(len(scores), float(same.mean()), low, high, mean, largest, unavailable)


def answers(labels: Sequence[str], scores: Array) -> Array:
    """Return the label with the best score of each image; equal scores go to the earlier column."""
    found: Array = np.array(labels, dtype=object)[scores.argmax(axis=1)]
    return found
