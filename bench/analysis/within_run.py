"""A run's cases against their own baseline, in the form that changes between two measurements are told in.

So a limit such as ``int8: p50 <= 0.8x`` means the same of one run (against its float32, measured in turns) as of two.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace

from ..changes import Basis, CaseChange, Change, ChangeVerdict, Metric, RunChange
from ..records import AccuracyComparison, CaseResult, RunRecord, Status
from .answer_changes import paired_change
from .evidence import of_blocks
from .figures import MEMORY, PERCENTILES, TIMES, figure_of, reason_of
from .own_figures import own_figure
from .run_noise import RunNoise, metric_noise
from .two_runs import Reading, error_of_interval, ratio_interval, ratio_verdict

_NO_BASELINE = "its baseline was not measured"


def own_changes(record: RunRecord) -> RunChange:
    """Return every case against its baseline in the same run; a baseline itself, against nothing, has no changes."""
    cases = {case.case_id: case for case in record.cases}
    baselines = {name for case in record.cases if (name := _baseline_of(case)) is not None}
    found = []
    for case in record.cases:
        base = cases.get(_baseline_of(case) or "")
        if base is not None:
            found.append(CaseChange(case.case_id, base, case, tuple(_changes(base, case, cases, record))))
        elif case.case_id in baselines or not _has_siblings(case, record):
            found.append(CaseChange(case.case_id, case, case, ()))
        else:
            lacking = Change(Metric.P50, new=figure_of(case, Metric.P50), unavailable={"value": _NO_BASELINE})
            found.append(CaseChange(case.case_id, case, case, (lacking,)))
    return RunChange("its own baseline", record.run_id, tuple(found))


def _baseline_of(case: CaseResult) -> str | None:
    if case.comparison is not None:
        return case.comparison.baseline
    return case.accuracy_comparison.against if case.accuracy_comparison is not None else None


def _has_siblings(case: CaseResult, record: RunRecord) -> bool:
    """Return whether there are other variants of the same model in the run, one of which is the baseline."""
    return any(other.model == case.model and other.variant != case.variant for other in record.cases)


def _changes(base: CaseResult, case: CaseResult, cases: dict[str, CaseResult], record: RunRecord) -> Iterator[Change]:
    if case.status is not Status.OK:
        return
    yield _size(base, case)
    for metric in (*TIMES, *MEMORY):
        yield _p50(base, case, record) if metric is Metric.P50 else _cost(metric, base, case)
    if case.accuracy_comparison is not None:
        against = cases.get(case.accuracy_comparison.against, base)
        yield from _shares(against, case, case.accuracy_comparison)


def _size(base: CaseResult, case: CaseResult) -> Change:
    before, after = base.file.size_bytes, case.file.size_bytes
    if before <= 0:
        return Change(Metric.SIZE, base=before, new=after, unavailable={"value": "the baseline's file is empty"})
    value = after / before
    verdict = ChangeVerdict.SAME if value == 1 else ChangeVerdict.WORSE if value > 1 else ChangeVerdict.BETTER
    bounds = (value,) * 5
    return Change(Metric.SIZE, None, before, after, *bounds, verdict, Basis.EXACT, "counted in bytes")


def _p50(base: CaseResult, case: CaseResult, record: RunRecord) -> Change:
    change = Change(Metric.P50, None, figure_of(base, Metric.P50), figure_of(case, Metric.P50))
    found = case.comparison
    if found is None:
        return replace(change, unavailable={"value": "it was not measured in turns with its baseline"})
    if found.ratio is None or found.low is None or found.high is None:
        return replace(change, unavailable={"value": found.unavailable.get("ratio", "no ratio is recorded")})
    # The interval may be the first stage's (see comparison.t_interval): its few blocks have the heavier tails.
    known = of_blocks(found.low, found.high, min(found.blocks, max(3, record.settings.min_blocks)))
    return replace(
        change,
        value=found.ratio,
        low=found.low,
        high=found.high,
        one_sided_low=known.lower,
        one_sided_high=known.upper,
        verdict=ratio_verdict(found.low, found.high),
        basis=Basis.IN_TURNS,
        explanation=f"{found.blocks} blocks in turns with {base.variant}",
    )


def _cost(metric: Metric, base: CaseResult, case: CaseResult) -> Change:
    """Return the ratio of two figures of one run that were not paired: each with the error of its own."""
    before, after = figure_of(base, metric), figure_of(case, metric)
    change = Change(metric, None, before, after)
    if before is None or after is None:
        side, lacking = ("baseline", base) if before is None else ("new", case)
        return replace(change, unavailable={"value": f"{side}: {reason_of(lacking, metric)}"})
    if before <= 0 or after <= 0:
        return replace(change, unavailable={"value": "one of the figures is not above 0, so there is no ratio"})
    readings = [_reading(metric, side) for side in (base, case)]
    if metric in PERCENTILES and any(reading.error is None for reading in readings):
        return replace(change, value=after / before, unavailable={"interval": "too few samples a block"})
    noise = RunNoise(0.0, None, "blocks of both cases") if metric in PERCENTILES else _assumed(metric, base, case)
    found = ratio_interval(readings[0], readings[1], noise)
    return replace(
        change,
        value=found.value,
        low=found.low,
        high=found.high,
        one_sided_low=found.one_sided_low,
        one_sided_high=found.one_sided_high,
        verdict=ratio_verdict(found.low, found.high),
        basis=Basis.IN_TURNS if metric in PERCENTILES else Basis.BETWEEN_RUNS,
        explanation=noise.words,
    )


def _reading(metric: Metric, case: CaseResult) -> Reading:
    log = math.log(figure_of(case, metric) or 1.0)
    latency = case.latency
    bounds = latency.intervals.get(f"{metric.value}_ns") if latency else None
    if metric not in PERCENTILES or bounds is None or latency is None:
        return Reading(log)
    return Reading(log, error_of_interval(bounds[0], bounds[1], latency.blocks), latency.blocks)


def _assumed(metric: Metric, base: CaseResult, case: CaseResult) -> RunNoise:
    noise = metric_noise(metric, ())
    if metric is not Metric.MODEL_ADDS:
        return noise
    shares = [
        (figure_of(side, Metric.PEAK_RSS) or 0.0) / (figure_of(side, Metric.MODEL_ADDS) or 1.0) for side in (base, case)
    ]
    return replace(noise, sd=noise.sd * max(1.0, *shares), words=f"{noise.words}, of the whole process's peak")


def _shares(base: CaseResult, case: CaseResult, found: AccuracyComparison) -> Iterator[Change]:
    overall = ((Metric.TOP1, found.top1), (Metric.BALANCED, found.balanced_accuracy))
    parts = [(metric, None, item) for metric, item in overall if item is not None]
    for metric, label, item in [*parts, *((Metric.RECALL, item.name, item) for item in found.classes)]:
        before, after = (own_figure(side, metric, label) for side in (base, case))
        if before is None or after is None:
            yield Change(metric, label, before, after, unavailable={"value": item.unavailable.get("difference", _NONE)})
        else:
            yield paired_change(metric, label, item, before, after)


_NONE = "one side has no such figure"
