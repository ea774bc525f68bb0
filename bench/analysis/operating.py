"""A class's recall at a specificity that somebody needs: the threshold is chosen on other images than it is judged on.

A threshold chosen on the images that judge it would be too good to be true there, the more so the fewer they are. How
far the specificity that it was chosen for is kept on new images is seen, not assumed: it is reported with its interval.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ..errors import DataError
from ..records import OperatingPoint
from .accuracy import check_scores
from .lesions import lesion_groups
from .proportions import share_interval

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class JudgedImages:
    """Scores [images, classes] of images with their true labels, and their lesions where these are known."""

    scores: Array
    truth: Sequence[str]
    lesions: Sequence[str | None] | None = None


def choose_threshold(scores: Array, of_class: Array, specificity: float) -> float | None:
    """Return the lowest score from which on an image may count as of the class, so that enough others do not.

    ``scores`` are one class's, ``of_class`` (bool) tells which images are of it, and at least ``specificity`` of the
    others lie below the result. It is one of the scores: None where even the highest is too low, because an image of
    another class has it.
    """
    others = np.sort(scores[~of_class])
    candidates = np.unique(scores)
    below = np.searchsorted(others, candidates, side="left") / len(others)
    enough = candidates[below >= specificity - 1e-12]
    return float(enough[0]) if len(enough) else None


def operating_point(
    labels: Sequence[str], label: str, specificity: float, validation: JudgedImages, evaluated: JudgedImages
) -> OperatingPoint:
    """Return what a class's recall is at the threshold that holds its specificity on the validation images.

    Raises:
        DataError: ``label`` is none of ``labels``, the names of the score columns; or shapes do not fit.
        ScoreError: scores that are not finite.
    """
    if label not in labels:
        raise DataError(f"operating point of class {label!r}, which is not among the labels {', '.join(labels)}")
    for images in (validation, evaluated):
        check_scores(labels, len(images.truth), images.scores)
    column = list(labels).index(label)
    chosen_on, chosen_of = _one_class(validation, column, label)
    judged_on, judged_of = _one_class(evaluated, column, label)
    point = OperatingPoint(
        label=label,
        wanted_specificity=specificity,
        validation_images=len(validation.truth),
        positives=int(judged_of.sum()),
        negatives=int((~judged_of).sum()),
    )
    if not chosen_of.any() or chosen_of.all():
        how_many = "all images" if chosen_of.any() else "none"
        return replace(point, unavailable={"threshold": f"of class {label} the validation part has {how_many}"})
    threshold = choose_threshold(chosen_on, chosen_of, specificity)
    if threshold is None:
        reason = "no threshold reaches this specificity on the validation part: other classes have the highest score"
        return replace(point, unavailable={"threshold": reason})
    point = replace(
        point,
        threshold=threshold,
        validation_specificity=float((chosen_on[~chosen_of] < threshold).mean()),
        validation_recall=float((chosen_on[chosen_of] >= threshold).mean()),
    )
    return _judged(point, evaluated, judged_on >= threshold, judged_of)


def _one_class(images: JudgedImages, column: int, label: str) -> tuple[Array, Array]:
    return images.scores[:, column].astype(np.float64), np.array([name == label for name in images.truth])


def _judged(point: OperatingPoint, images: JudgedImages, answered: Array, of_class: Array) -> OperatingPoint:
    groups = lesion_groups(images.lesions, images.truth)
    missing: dict[str, str] = {}
    if of_class.any():
        hits = answered[of_class]
        point = replace(point, recall=float(hits.mean()), recall_interval=share_interval(hits, groups[of_class]))
    else:
        missing["recall"] = f"no evaluated image is of class {point.label}"
    if not of_class.all():
        hits = ~answered[~of_class]
        point = replace(
            point, specificity=float(hits.mean()), specificity_interval=share_interval(hits, groups[~of_class])
        )
    else:
        missing["specificity"] = f"all evaluated images are of class {point.label}"
    return replace(point, unavailable=missing)
