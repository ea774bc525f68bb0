"""Accuracy from scores and labels, with scikit-learn's definitions, and an interval for each figure.

Shares have intervals in closed form (:mod:`.proportions`); the others are resampled by lesion within classes
(:mod:`.resampling`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..errors import DataError, ScoreError
from ..records import Accuracy, ClassMetrics
from .calibration import bin_gaps, brier_of_images, calibration_error, why_not_probabilities
from .lesions import lesion_count, lesion_groups
from .proportions import Bounds, f1_interval, mean_interval, roc_auc, share_interval
from .resampling import RESAMPLES, percentile_interval, resampled_sums, totals_by_group

Array = np.ndarray[Any, Any]

_NO_IMAGE = "no image of this class"
_NEVER_ANSWERED = "no image was answered as this class"
_NO_SPREAD = "every resample gives the same figure, so the spread cannot be seen"
_TWO_CLASSES = "the model has two classes or fewer: top-2 is always right"


@dataclass(frozen=True)
class _Images:
    """The evaluated images, by column number."""

    labels: Sequence[str]
    truth: Array
    answers: Array
    scores: Array
    groups: Array

    @property
    def present(self) -> list[int]:
        """The columns of classes that have images, in the order of their names."""
        found = set(self.truth.tolist())
        return sorted(found, key=lambda column: self.labels[column])


@dataclass
class _Figures:
    """Values and intervals by name, and reasons for what is missing."""

    values: dict[str, float] = field(default_factory=dict)
    intervals: dict[str, Bounds] = field(default_factory=dict)
    unavailable: dict[str, str] = field(default_factory=dict)


def measure_accuracy(
    labels: Sequence[str],
    truth: Sequence[str],
    scores: Array,
    lesions: Sequence[str | None] | None = None,
    *,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Accuracy:
    """Return accuracy figures over the images.

    Args:
        labels: the name of each score column, in the model's own order.
        truth: the true label of each image; each must be one of ``labels``.
        scores: float [images, len(labels)], higher is more likely.
        lesions: the lesion of each image where it is known: images of one lesion are not independent.
        resamples: bootstrap samples for the figures that need them.
        seed: of these samples.

    Ratios with an empty denominator are None. Balanced accuracy is the mean recall over the classes that have
    images (scikit-learn's ``balanced_accuracy_score``); macro figures likewise average over those classes, so that an
    absent class neither helps nor hurts, and a class that is never answered has precision 0 there. Equal scores are
    broken towards the earlier column, as ``argmax`` does.

    Raises:
        DataError: truth outside ``labels`` or shapes that do not fit.
        ScoreError: scores that are not finite.
    """
    from sklearn.metrics import confusion_matrix

    known = {label: column for column, label in enumerate(labels)}
    check_scores(labels, len(truth), scores)
    unknown = sorted(set(truth) - set(known))
    if unknown:
        raise DataError(f"images of class {unknown[0]!r}, which is not among the model's labels {', '.join(labels)}")
    scores = scores.astype(np.float64)
    y_true = np.array([known[label] for label in truth], dtype=np.int64)
    images = _Images(labels, y_true, scores.argmax(axis=1), scores, lesion_groups(lesions, truth))
    matrix = confusion_matrix(y_true, images.answers, labels=list(range(len(labels))))
    classes = _per_class(images, lesions)
    overall = _overall(images, classes)
    _resample(images, overall, resamples, seed)
    return Accuracy(
        images=len(truth),
        top1=overall.values["top1"],
        top2=overall.values.get("top2"),
        balanced_accuracy=overall.values["balanced_accuracy"],
        macro_precision=overall.values["macro_precision"],
        macro_f1=overall.values["macro_f1"],
        weighted_precision=overall.values["weighted_precision"],
        weighted_f1=overall.values["weighted_f1"],
        ece=overall.values.get("ece"),
        brier=overall.values.get("brier"),
        labels=tuple(labels),
        classes=classes,
        confusion=tuple(tuple(int(cell) for cell in row) for row in matrix),
        lesions=lesion_count(lesions, images.groups),
        intervals=overall.intervals,
        unavailable=overall.unavailable,
        resamples=resamples,
    )


def check_scores(labels: Sequence[str], images: int, scores: Array) -> None:
    """Check that scores are finite and have one row an image and one column a label.

    Raises:
        DataError: they have another shape, there is no image, or a label stands there twice.
        ScoreError: some are not finite.
    """
    if len(set(labels)) != len(labels):
        raise DataError("the labels repeat a name: each score column needs its own")
    if scores.shape != (images, len(labels)) or not images:
        raise DataError(f"scores have shape {scores.shape}, expected {(images, len(labels))} with at least one image")
    bad = int((~np.isfinite(scores)).any(axis=1).sum())
    if bad:
        raise ScoreError(f"{bad} of {images} images got scores that are not finite (NaN or infinity)")


def _per_class(images: _Images, lesions: Sequence[str | None] | None) -> tuple[ClassMetrics, ...]:
    from sklearn.metrics import precision_recall_fscore_support

    precision, recall, f1, support = precision_recall_fscore_support(
        images.truth, images.answers, labels=list(range(len(images.labels))), zero_division=0
    )
    predicted = np.bincount(images.answers, minlength=len(images.labels))
    found = []
    for column, label in enumerate(images.labels):
        area, intervals, unavailable = _class_intervals(images, column)
        found.append(
            ClassMetrics(
                label=label,
                support=int(support[column]),
                predicted=int(predicted[column]),
                recall=float(recall[column]) if support[column] else None,
                precision=float(precision[column]) if predicted[column] else None,
                f1=float(f1[column]) if support[column] else None,
                roc_auc=area,
                lesions=lesion_count(lesions, images.groups[images.truth == column]),
                intervals=intervals,
                unavailable=unavailable,
            )
        )
    return tuple(found)


def _class_intervals(images: _Images, column: int) -> tuple[float | None, dict[str, Bounds], dict[str, str]]:
    """Return a class's AUC, its intervals by name and its reasons for what is missing."""
    of_class, answered = images.truth == column, images.answers == column
    intervals: dict[str, Bounds] = {}
    missing: dict[str, str] = {}
    if answered.any():
        intervals["precision"] = share_interval(of_class[answered], images.groups[answered])
    else:
        missing["precision"] = _NEVER_ANSWERED
    if not of_class.any():
        return None, intervals, missing | dict.fromkeys(("recall", "f1", "roc_auc"), _NO_IMAGE)
    intervals["recall"] = share_interval(answered[of_class], images.groups[of_class])
    intervals["f1"] = f1_interval(of_class, answered, images.groups)
    if of_class.all():
        return None, intervals, missing | {"roc_auc": "all images are of this class"}
    area, intervals["roc_auc"] = roc_auc(images.scores[:, column], of_class, images.groups)
    return area, intervals, missing


def _overall(images: _Images, classes: Sequence[ClassMetrics]) -> _Figures:
    present = [item for item in classes if item.support]
    weights = [item.support for item in present]
    recalls = [item.recall or 0.0 for item in present]
    precisions = [item.precision or 0.0 for item in present]
    scores = [item.f1 or 0.0 for item in present]
    hits = images.answers == images.truth
    figures = _Figures(
        values={
            "top1": float(np.mean(hits)),
            "balanced_accuracy": float(np.mean(recalls)),
            "macro_precision": float(np.mean(precisions)),
            "macro_f1": float(np.mean(scores)),
            "weighted_precision": float(np.average(precisions, weights=weights)),
            "weighted_f1": float(np.average(scores, weights=weights)),
        },
        intervals={
            "top1": share_interval(hits, images.groups),
            "balanced_accuracy": mean_interval(recalls, [item.intervals["recall"] for item in present]),
        },
    )
    if len(images.labels) > 2:
        among = _among_best(images, 2)
        figures.values["top2"], figures.intervals["top2"] = float(among.mean()), share_interval(among, images.groups)
    else:
        figures.unavailable["top2"] = _TWO_CLASSES
    return figures


def _among_best(images: _Images, k: int) -> Array:
    # A stable sort breaks ties towards the earlier column, in line with argmax.
    best = np.argsort(-images.scores, axis=1, kind="stable")[:, :k]
    found: Array = (best == images.truth[:, None]).any(axis=1)
    return found


@dataclass(frozen=True)
class _Sums:
    """Sums over the images of each resample: [resamples, classes] counts, and [resamples, columns] of the extras."""

    right: Array
    support: Array
    predicted: Array
    extras: Array

    @property
    def images(self) -> Array:
        total: Array = self.support.sum(axis=1)
        return total


def _resample(images: _Images, figures: _Figures, resamples: int, seed: int) -> None:
    """Add what needs resampling: intervals of macro and weighted figures, calibration."""
    reason = why_not_probabilities(images.scores)
    extras = np.zeros((len(images.truth), 0))
    if reason is None:
        brier, gaps = brier_of_images(images.truth, images.scores), bin_gaps(images.truth, images.scores)
        figures.values["brier"] = float(brier.mean())
        figures.values["ece"] = float(calibration_error(gaps.sum(axis=0), float(len(gaps))))
        extras = np.column_stack([brier, gaps])
    else:
        figures.unavailable |= {"brier": reason, "ece": reason}
    sums = _resampled(images, extras, resamples, seed)
    for name, resampled in _RATIOS.items():
        _put(figures, name, percentile_interval(resampled(sums)))
    if reason is None:
        _put(figures, "brier", percentile_interval(sums.extras[:, 0] / sums.images))
        spread = float(calibration_error(sums.extras[:, 1:], sums.images).std())
        # Centred at the estimate: chance alone adds to it, and resampling would add that a second time.
        value = figures.values["ece"]
        _put(figures, "ece", (max(0.0, value - 1.96 * spread), min(1.0, value + 1.96 * spread)))


def _put(figures: _Figures, name: str, interval: Bounds) -> None:
    if interval[0] < interval[1]:
        figures.intervals[name] = interval
    else:
        figures.unavailable[f"interval:{name}"] = _NO_SPREAD


def _resampled(images: _Images, extras: Array, resamples: int, seed: int) -> _Sums:
    rng = np.random.default_rng(seed)
    present, classes = images.present, len(images.labels)
    right, support = np.zeros((resamples, len(present))), np.zeros((resamples, len(present)))
    answered = np.zeros((resamples, classes))
    extra_sums = np.zeros((resamples, extras.shape[1]))
    for place, column in enumerate(present):
        chosen = images.truth == column
        one_hot = np.eye(classes)[images.answers[chosen]]
        totals = totals_by_group(np.column_stack([one_hot, extras[chosen]]), images.groups[chosen])
        drawn = resampled_sums(totals, resamples, rng)
        counts = drawn[:, :classes]
        answered += counts
        right[:, place], support[:, place] = counts[:, column], counts.sum(axis=1)
        extra_sums += drawn[:, classes:]
    return _Sums(right, support, answered[:, present], extra_sums)


def _precisions(sums: _Sums) -> Array:
    result: Array = sums.right / np.maximum(sums.predicted, 1)
    return result


def _f1s(sums: _Sums) -> Array:
    result: Array = 2 * sums.right / (sums.support + sums.predicted)
    return result


def _weighted(values: Array, sums: _Sums) -> Array:
    result: Array = (values * sums.support).sum(axis=1) / sums.images
    return result


_RATIOS: Mapping[str, Callable[[_Sums], Array]] = {
    "macro_precision": lambda sums: _precisions(sums).mean(axis=1),
    "macro_f1": lambda sums: _f1s(sums).mean(axis=1),
    "weighted_precision": lambda sums: _weighted(_precisions(sums), sums),
    "weighted_f1": lambda sums: _weighted(_f1s(sums), sums),
}
