"""What one run alone says of one case's figure: for limits that stand in ms, MB or as a share."""

from __future__ import annotations

import math
from collections.abc import Mapping

from ..changes import Metric
from ..records import CaseResult
from .evidence import CONFIDENCE, Evidence, exactly, of_blocks
from .figures import PERCENTILES, figure_of, reason_of
from .run_noise import metric_noise

_IN_RECORD = {Metric.BALANCED: "balanced_accuracy"}


def own_figure(case: CaseResult, metric: Metric, label: str | None = None) -> float | None:
    """Return a figure of a case, or of one of its classes, in the metric's unit; None where it was not measured."""
    if label is None:
        return figure_of(case, metric)
    classes = case.accuracy.classes if case.accuracy else ()
    return next((getattr(item, metric.value) for item in classes if item.label == label), None)


def own_reason(case: CaseResult, metric: Metric, label: str | None = None) -> str:
    """Return why a case lacks a figure."""
    if label is None or case.accuracy is None:
        return reason_of(case, Metric.TOP1 if metric.by_class else metric)
    found = next((item for item in case.accuracy.classes if item.label == label), None)
    return f"no class {label}" if found is None else found.unavailable.get(metric.value, "not recorded")


def own_evidence(case: CaseResult, metric: Metric, label: str | None = None) -> Evidence | None:
    """Return a figure of a case with its bounds, None where there is no figure or no interval.

    Latency has Student's interval over the run's blocks. Times of loading and memory are one reading each: their bounds
    are what such readings are assumed to vary by. Accuracy has two-sided 95 % intervals in the record, whose ends are
    one-sided 97.5 % bounds: they are taken as the 95 % ones, which decides less than could be.
    """
    value = own_figure(case, metric, label)
    if value is None:
        return None
    if metric is Metric.SIZE:
        return exactly(value)
    if metric.is_share:
        bounds = _intervals(case, label).get(_IN_RECORD.get(metric, metric.value))
        return None if bounds is None else Evidence(value, bounds[0], bounds[1], bounds[0], bounds[1], log=False)
    if metric in PERCENTILES:
        latency = case.latency
        bounds = latency.intervals.get(f"{metric.value}_ns") if latency else None
        return None if bounds is None or latency is None else of_blocks(bounds[0], bounds[1], latency.blocks)
    return _one_reading(case, metric, value)


def _intervals(case: CaseResult, label: str | None) -> Mapping[str, tuple[float, float]]:
    if case.accuracy is None:
        return {}
    if label is None:
        return case.accuracy.intervals
    return next((item.intervals for item in case.accuracy.classes if item.label == label), {})


def _one_reading(case: CaseResult, metric: Metric, value: float) -> Evidence | None:
    from scipy import stats

    if value <= 0:
        return None
    spread = metric_noise(metric, ()).sd
    if metric is Metric.MODEL_ADDS:  # what is assumed is a share of the whole process, of which this is a part
        spread *= max(1.0, (figure_of(case, Metric.PEAK_RSS) or value) / value)
    both, alone = (float(stats.norm.ppf(level)) * spread for level in ((1 + CONFIDENCE) / 2, CONFIDENCE))
    low, high, lower, upper = (value * math.exp(step) for step in (-both, both, -alone, alone))
    return Evidence(value, low, high, lower, upper, log=True)
