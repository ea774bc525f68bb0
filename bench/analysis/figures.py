"""A case's figures by :class:`~..changes.Metric`: one place that knows in which field each of them lies."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from ..changes import Metric
from ..records import CaseResult

PERCENTILES = (Metric.P50, Metric.P90, Metric.P95, Metric.P99)
TIMES = (*PERCENTILES, Metric.LOAD, Metric.FIRST)
MEMORY = (Metric.PEAK_RSS, Metric.MODEL_ADDS)
#: Figures that vary from run to run though nothing changed.
VARYING = (*TIMES, *MEMORY)


def figure_of(case: CaseResult, metric: Metric) -> float | None:
    """Return a figure of a whole case, in the metric's unit; None where it was not measured, or belongs to a class."""
    read = _READ.get(metric)
    return None if read is None else read(case)


def reason_of(case: CaseResult, metric: Metric) -> str:
    """Return why a case lacks a figure."""
    if case.failure is not None:
        return f"{case.status.value}: {case.failure.message}"
    if metric in PERCENTILES and case.latency is not None:
        return case.latency.unavailable.get(f"{metric.value}_ns", "not recorded")
    if metric in MEMORY and case.memory is not None:
        return case.memory.unavailable.get("peak_rss_bytes", "not recorded")
    if metric in _OF_ACCURACY:
        if case.accuracy is None:
            return case.unavailable.get("accuracy", "accuracy was not measured")
        return case.accuracy.unavailable.get(_OF_ACCURACY[metric], "not recorded")
    return "not measured"


def _percentile(metric: Metric) -> Callable[[CaseResult], float | None]:
    def read(case: CaseResult) -> float | None:
        value: float | None = getattr(case.latency, f"{metric.value}_ns", None)
        return value

    return read


def _accuracy(field: str) -> Callable[[CaseResult], float | None]:
    def read(case: CaseResult) -> float | None:
        value: float | None = getattr(case.accuracy, field, None)
        return value

    return read


_OF_ACCURACY: Mapping[Metric, str] = {
    Metric.TOP1: "top1",
    Metric.TOP2: "top2",
    Metric.BALANCED: "balanced_accuracy",
    Metric.MACRO_F1: "macro_f1",
}
_READ: Mapping[Metric, Callable[[CaseResult], float | None]] = {
    **{metric: _percentile(metric) for metric in PERCENTILES},
    **{metric: _accuracy(field) for metric, field in _OF_ACCURACY.items()},
    Metric.LOAD: lambda case: case.load_ns,
    Metric.FIRST: lambda case: case.first_inference_ns,
    Metric.PEAK_RSS: lambda case: case.memory.peak_rss_bytes if case.memory else None,
    Metric.MODEL_ADDS: lambda case: case.memory.model_adds_bytes if case.memory else None,
    Metric.SIZE: lambda case: case.file.size_bytes,
}
