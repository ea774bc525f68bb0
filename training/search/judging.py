"""The test images: looked at once, for what was chosen on validation and for what it competes with."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from edgebench.records import Accuracy, CaseResult

from .choose import Metric
from .measuring import Judged
from .noise import paired_interval

Array = np.ndarray[Any, Any]
#: The standard variants that a searched one would take the place of.
RIVALS = ("int8", "dynamic")


@dataclass(frozen=True)
class Figures:
    """One variant on the test images. ``low`` and ``high`` bound ``difference`` of the metric to float32's with
    95 % confidence; ``ratio`` is latency over float32's, 1 for float32 itself. ``against`` has such a difference with
    its bounds for each of RIVALS that was judged, too."""

    name: str
    problem: str | None = None
    accuracy: Accuracy | None = None
    size_bytes: int | None = None
    p50_ns: float | None = None
    ratio: float | None = None
    ratio_low: float | None = None
    ratio_high: float | None = None
    difference: float | None = None
    low: float | None = None
    high: float | None = None
    against: Mapping[str, tuple[float, float, float]] = field(default_factory=dict)


@dataclass(frozen=True)
class Look:
    """One look at the test images: ``note`` says which they are. ``number`` counts the looks of this folder."""

    figures: tuple[Figures, ...]
    note: str
    images: int
    number: int = 1


def value_of(metric: Metric, labels: Sequence[str]) -> Callable[[Array, Array], float]:
    """The metric as a function of truth and answers, both class numbers [images]; quick enough to resample."""
    classes = len(labels)

    def value(truth: Array, answers: Array) -> float:
        matrix = np.bincount(truth * classes + answers, minlength=classes * classes).reshape(classes, classes)
        right, images, given = matrix.diagonal(), matrix.sum(axis=1), matrix.sum(axis=0)
        present = images > 0
        if metric.name == "top1":
            return float(right.sum() / images.sum())
        if metric.name == "balanced_accuracy":
            return float(np.mean(right[present] / images[present]))
        if metric.name == "macro_f1":
            return float(np.mean(2 * right[present] / (images + given)[present]))
        one = labels.index(metric.name.removeprefix("recall[").removesuffix("]"))
        return float(right[one] / images[one]) if images[one] else 0.0

    return value


def final_figures(cases: Mapping[str, CaseResult], judged: Mapping[str, Judged], metric: Metric) -> tuple[Figures, ...]:
    """Figures of each case, compared with float32 and with the rivals on the same images."""
    return tuple(_figures(name, case, judged, metric) for name, case in cases.items())


def _figures(name: str, case: CaseResult, judged: Mapping[str, Judged], metric: Metric) -> Figures:
    bare = Figures(name, case.failure.message if case.failure else None, size_bytes=case.file.size_bytes)
    if case.accuracy is None:
        return bare
    compared = case.comparison
    bare = dataclasses.replace(
        bare,
        accuracy=case.accuracy,
        p50_ns=case.latency.p50_ns if case.latency else None,
        ratio=compared.ratio if compared else 1.0,
        ratio_low=compared.low if compared else 1.0,
        ratio_high=compared.high if compared else 1.0,
    )
    differences = {
        rival: _difference(judged[name], judged[rival], metric, case.accuracy.labels)
        for rival in ("float32", *RIVALS)
        if rival in judged and rival != name
    }
    difference, low, high = differences.pop("float32", (None, None, None))
    return dataclasses.replace(bare, difference=difference, low=low, high=high, against=differences)


def _difference(one: Judged, other: Judged, metric: Metric, labels: Sequence[str]) -> tuple[float, float, float]:
    """``one`` less ``other`` on the same images, with its 95 % interval."""
    value = value_of(metric, labels)
    low, high = paired_interval(one.truth, one.lesions, one.answers, other.answers, value)
    return value(one.truth, one.answers) - value(other.truth, other.answers), low, high
