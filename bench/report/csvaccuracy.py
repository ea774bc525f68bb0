"""Columns of the CSV form on answers: intervals, differences to the baseline by class, agreement, operating points."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ..records import Accuracy, AccuracyComparison, CaseResult, ClassMetrics, PairedDifference
from .csvwaits import Value, number

_OVERALL = ("macro_precision", "weighted_precision", "ece", "brier", "lesions", "resamples")
_WITH_INTERVAL = ("top1", "balanced_accuracy", "macro_f1", "weighted_f1", "ece", "brier")
_DIFFERENCE = ("difference", "low", "high", "gained", "lost", "p", "p_holm", "detectable")
_AGREEMENT = ("top1", "low", "high", "mean_score_difference", "max_score_difference")
_POINT = ("threshold", "validation_specificity", "validation_recall", "recall", "specificity")


def accuracy_columns(case: CaseResult) -> dict[str, Value]:
    """Return the columns over all images: figures, their intervals, differences and agreement with the baseline."""
    accuracy, compared = case.accuracy, case.accuracy_comparison
    row: dict[str, Value] = {name: number(accuracy, name) for name in _OVERALL}
    row |= _intervals(accuracy.intervals if accuracy else {}, _WITH_INTERVAL)
    row["answers_base_case_id"] = compared.against if compared else None
    row["answers_base_images"] = compared.images if compared else None
    row |= {f"agreement_{name}": number(compared.agreement if compared else None, name) for name in _AGREEMENT}
    for name in ("top1", "balanced_accuracy"):
        item: PairedDifference | None = getattr(compared, name) if compared else None
        row |= {f"{name}_{column}": value for column, value in _difference(item).items()}
    return row


def class_columns(case: CaseResult, labels: Sequence[str]) -> dict[str, Value]:
    """Return the columns of each class: intervals, AUC, and the difference of its recall to the baseline's."""
    row: dict[str, Value] = {}
    for label in labels:
        item = _of_class(case.accuracy, label)
        bounds = item.intervals if item else {}
        row[f"roc_auc:{label}"] = number(item, "roc_auc")
        row |= {f"{name}:{label}": value for name, value in _intervals(bounds, ("recall", "roc_auc")).items()}
        difference = _class_difference(case.accuracy_comparison, label)
        row |= {f"recall_{column}:{label}": value for column, value in _difference(difference).items()}
    return row


def point_columns(case: CaseResult, keys: Sequence[tuple[str, float]]) -> dict[str, Value]:
    """Return the columns of each operating point of ``keys``, as (class, wanted specificity)."""
    points = {(point.label, point.wanted_specificity): point for point in case.operating_points}
    row: dict[str, Value] = {}
    for label, wanted in keys:
        point = points.get((label, wanted))
        name = f"{label}@specificity={wanted:g}"
        row |= {f"{column}:{name}": number(point, column) for column in _POINT}
        bounds = {
            field: found
            for field in ("recall", "specificity")
            if point and (found := getattr(point, f"{field}_interval"))
        }
        row |= {f"{column}:{name}": value for column, value in _intervals(bounds, ("recall", "specificity")).items()}
    return row


def point_keys(cases: Sequence[CaseResult]) -> list[tuple[str, float]]:
    """Return the operating points of all cases as (class, wanted specificity), in order of first appearance."""
    return list(dict.fromkeys(
        (point.label, point.wanted_specificity) for case in cases for point in case.operating_points
    ))  # fmt: skip


def _intervals(bounds: Mapping[str, tuple[float, float]], names: Sequence[str]) -> dict[str, Value]:
    row: dict[str, Value] = {}
    for name in names:
        low, high = bounds.get(name, (None, None))
        row |= {f"{name}_low": low, f"{name}_high": high}
    return row


def _difference(item: PairedDifference | None) -> dict[str, Value]:
    """Return the columns of one difference; its bounds are called after it, since the figure has bounds of its own."""
    names = {"low": "difference_low", "high": "difference_high", "gained": "images_gained", "lost": "images_lost"}
    row: dict[str, Value] = {names.get(name, name): number(item, name) for name in _DIFFERENCE}
    return row | {"verdict": item.verdict.value if item and item.verdict else None}


def _of_class(accuracy: Accuracy | None, label: str) -> ClassMetrics | None:
    return next((item for item in accuracy.classes if item.label == label), None) if accuracy else None


def _class_difference(compared: AccuracyComparison | None, label: str) -> PairedDifference | None:
    return next((item for item in compared.classes if item.name == label), None) if compared else None
