"""A test's limits as gates, and what they come to."""

from __future__ import annotations

from collections.abc import Iterator

from ..analysis.figures import TIMES
from ..analysis.gating import Judgement, judge_gates
from ..analysis.in_turns import pair_in_turns
from ..changes import CaseChange, Metric, RunChange
from ..errors import UsageError
from ..gates import Gate, GateKind, parse_gate
from ..records import CaseResult
from .marked import Limits
from .measured import Measured


def judge_limits(measured: Measured, limits: Limits, *, timed: bool) -> tuple[Judgement, ...]:
    """Return a judgement for each limit and case; limits on time are left out where nothing was timed.

    Raises:
        UsageError: a limit is about a class or a variant that is not there, or about accuracy without images.
    """
    gates = [gate for gate in limit_gates(limits) if timed or gate.metric not in TIMES]
    if limits.about_accuracy and all(case.accuracy is None and case.failure is None for case in measured.cases):
        raise UsageError("edgebench(): a limit is about accuracy: it needs data=, images to classify")
    if not gates:
        return ()
    cases = tuple(_change(measured, case, limits.ratio_to) for case in measured.cases)
    return judge_gates(gates, RunChange(limits.ratio_to or "", measured.run.record.run_id, cases))


def limit_gates(limits: Limits) -> list[Gate]:
    """Return the gates that limits stand for. Raises UsageError where a gate is written wrongly."""
    return [*_plain(limits), *(parse_gate(text, "edgebench(gate=)") for text in limits.gates)]


def _plain(limits: Limits) -> Iterator[Gate]:
    absolute = (
        ("max_p50_ms", Metric.P50, limits.max_p50_ms, 1e6),
        ("max_p90_ms", Metric.P90, limits.max_p90_ms, 1e6),
        ("max_peak_mb", Metric.PEAK_RSS, limits.max_peak_mb, 1e6),
        ("max_size_mb", Metric.SIZE, limits.max_size_mb, 1e6),
        ("min_top1", Metric.TOP1, limits.min_top1, 1.0),
        ("min_balanced", Metric.BALANCED, limits.min_balanced, 1.0),
    )
    for name, metric, value, unit in absolute:
        if value is not None:
            yield Gate(f"{name}={value:g}", metric, GateKind.ABSOLUTE, value * unit)
    for label, value in limits.min_recall:
        yield Gate(f"min_recall[{label}]={value:g}", Metric.RECALL, GateKind.ABSOLUTE, value, label)
    if limits.max_ratio is not None:
        yield Gate(f"max_ratio=({limits.ratio_to}, {limits.max_ratio:g})", Metric.P50, GateKind.RATIO, limits.max_ratio)


def _change(measured: Measured, case: CaseResult, ratio_to: str | None) -> CaseChange:
    """Return the case against the variant that its ratio is taken to, else against itself."""
    other = next((item for item in measured.run.record.cases if _alike(item, case) and item.variant == ratio_to), None)
    if other is None or other.case_id == case.case_id:
        return CaseChange(case.case_id, case, case, ())
    return pair_in_turns(measured.run, other, case)


def _alike(one: CaseResult, other: CaseResult) -> bool:
    ways = ((item.model, item.engine, item.delegate, item.threads) for item in (one, other))
    return next(ways) == next(ways)
