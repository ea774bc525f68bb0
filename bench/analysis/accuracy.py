"""Accuracy from scores and labels, with scikit-learn's definitions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..errors import DataError, ScoreError
from ..records import Accuracy, ClassMetrics


def measure_accuracy(labels: Sequence[str], truth: Sequence[str], scores: np.ndarray[Any, Any]) -> Accuracy:
    """Return accuracy figures over the images.

    Args:
        labels: the name of each score column, in the model's own order.
        truth: the true label of each image; each must be one of ``labels``.
        scores: float [images, len(labels)], higher is more likely.

    Ratios with an empty denominator are None. Balanced accuracy is the mean recall over the classes that have
    images (scikit-learn's ``balanced_accuracy_score``); macro F1 likewise averages over those classes, so that an
    absent class neither helps nor hurts. Equal scores are broken towards the earlier column, as ``argmax`` does.

    Raises:
        DataError: truth outside ``labels`` or shapes that do not fit.
        ScoreError: scores that are not finite.
    """
    from sklearn.metrics import balanced_accuracy_score, confusion_matrix

    known = {label: column for column, label in enumerate(labels)}
    _check(labels, truth, scores, known)
    y_true = np.array([known[label] for label in truth], dtype=np.int64)
    y_pred = scores.argmax(axis=1)
    matrix = confusion_matrix(y_true, y_pred, labels=list(range(len(labels))))
    classes = _per_class(labels, y_true, y_pred)
    present = [item for item in classes if item.support]
    unavailable = {} if len(labels) > 2 else {"top2": "the model has two classes or fewer: top-2 is always right"}
    return Accuracy(
        images=len(truth),
        top1=float(np.mean(y_true == y_pred)),
        top2=_top_k(y_true, scores, 2) if len(labels) > 2 else None,
        balanced_accuracy=_balanced(balanced_accuracy_score, y_true, y_pred),
        macro_f1=float(np.mean([item.f1 or 0.0 for item in present])),
        weighted_f1=float(np.average([item.f1 or 0.0 for item in present], weights=[item.support for item in present])),
        labels=tuple(labels),
        classes=classes,
        confusion=tuple(tuple(int(cell) for cell in row) for row in matrix),
        unavailable=unavailable,
    )


def _check(labels: Sequence[str], truth: Sequence[str], scores: np.ndarray[Any, Any], known: dict[str, int]) -> None:
    if len(known) != len(labels):
        raise DataError("the labels repeat a name: each score column needs its own")
    if scores.shape != (len(truth), len(labels)) or not len(truth):
        raise DataError(
            f"scores have shape {scores.shape}, expected {(len(truth), len(labels))} with at least one image"
        )
    unknown = sorted(set(truth) - set(known))
    if unknown:
        raise DataError(f"images of class {unknown[0]!r}, which is not among the model's labels {', '.join(labels)}")
    bad = int((~np.isfinite(scores)).any(axis=1).sum())
    if bad:
        raise ScoreError(f"{bad} of {len(truth)} images got scores that are not finite (NaN or infinity)")


def _balanced(metric: Any, y_true: np.ndarray[Any, Any], y_pred: np.ndarray[Any, Any]) -> float:
    import warnings

    with warnings.catch_warnings():
        # Predictions of a class that has no image are expected on a subset; they count as errors already.
        warnings.filterwarnings("ignore", message="y_pred contains classes not in y_true")
        warnings.filterwarnings("ignore", message="A single label was found")
        return float(metric(y_true, y_pred))


def _per_class(
    labels: Sequence[str], y_true: np.ndarray[Any, Any], y_pred: np.ndarray[Any, Any]
) -> tuple[ClassMetrics, ...]:
    from sklearn.metrics import precision_recall_fscore_support

    precision, recall, f1, support = precision_recall_fscore_support(
        y_true, y_pred, labels=list(range(len(labels))), zero_division=0
    )
    predicted = np.bincount(y_pred, minlength=len(labels))
    return tuple(
        ClassMetrics(
            label=label,
            support=int(support[column]),
            predicted=int(predicted[column]),
            recall=float(recall[column]) if support[column] else None,
            precision=float(precision[column]) if predicted[column] else None,
            f1=float(f1[column]) if support[column] else None,
        )
        for column, label in enumerate(labels)
    )


def _top_k(y_true: np.ndarray[Any, Any], scores: np.ndarray[Any, Any], k: int) -> float:
    # A stable sort breaks ties towards the earlier column, in line with argmax.
    best = np.argsort(-scores, axis=1, kind="stable")[:, :k]
    return float((best == y_true[:, None]).any(axis=1).mean())
