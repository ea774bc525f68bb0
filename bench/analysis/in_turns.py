"""What changed between two builds of the same cases that were measured in turns, in one run.

Latency is compared block by block (:mod:`.comparison`), so that whatever slowed the machine down hit both. Memory
was measured in several processes a side (:mod:`.memory_in_turns`). Times of loading were taken once a side: their
intervals are those of two runs (:mod:`.between_runs`).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from ..changes import BASE_MARK, Basis, CaseChange, Change, Metric, RunChange, is_older_self
from ..findings import Code
from ..records import CaseResult, RunRecord
from .answer_changes import answer_changes
from .between_runs import QUANTILES, Noises, Sides, all_noises, exact_size, undecided, varying
from .comparison import MIN_BLOCKS, Interval, block_log_ratios, t_interval
from .figures import MEMORY, PERCENTILES, VARYING, figure_of
from .memory_in_turns import memory_in_turns
from .run_noise import find_case
from .two_runs import RatioInterval, burst_values, with_interval
from .what_differs import case_doubts, file_note

if TYPE_CHECKING:
    import pandas as pd

    from ..store import StoredRun


def changes_in_turns(
    run: StoredRun, *, base_name: str, new_name: str, repeats: Sequence[RunRecord] = (), noise: float | None = None
) -> RunChange:
    """Return what changed from the older build of each case to the newer one: a case's baseline is its older self.

    Args:
        run: a run of cases with their older selves.
        base_name, new_name: what to call the two sides.
        repeats: records of runs of this machine, that tell how far memory and times of loading vary for no reason.
        noise: the between-run standard deviation of times, instead of what repeats or defaults say.
    """
    measured = _Measured.of(run, repeats, noise)
    pairs = [(case, _older(run.record, case)) for case in run.record.cases]
    older = {base.case_id for _, base in pairs if base is not None}
    found = [_case_change(measured, base, new) for new, base in pairs if base is not None]
    alone = [case.case_id for case, base in pairs if base is None and case.case_id not in older]
    notes = [f"{item.case_id}: {note}" for item in found if (note := _file_note(item))]
    return RunChange(base_name, new_name, tuple(found), added=tuple(alone), notes=tuple(notes))


def changes_within(run: StoredRun, repeats: Sequence[RunRecord] = ()) -> RunChange:
    """Return how each case of an ordinary run differs from its baseline, which was measured in turns with it.

    A case without a baseline stands against itself, with no changes.
    """
    measured = _Measured.of(run, repeats)
    found = []
    for case in run.record.cases:
        baseline = find_case(run.record, case.comparison.baseline) if case.comparison else None
        found.append(CaseChange(case.case_id, case, case, ()) if baseline is None else
                     _case_change(measured, baseline, case))  # fmt: skip
    return RunChange("the baseline variant", run.record.run_id, tuple(found))


def pair_in_turns(run: StoredRun, base: CaseResult, new: CaseResult) -> CaseChange:
    """Return how two cases differ that one run measured in turns."""
    return _case_change(_Measured.of(run), base, new)


def _older(record: RunRecord, case: CaseResult) -> CaseResult | None:
    """Return a case's older self as the plan paired it, also where the case has failed."""
    if is_older_self(case):
        return None
    wanted = (f"{case.variant}{BASE_MARK}", *_how(case))
    return next((other for other in record.cases if (other.variant, *_how(other)) == wanted), None)


def _how(case: CaseResult) -> tuple[object, ...]:
    ran = case.model, case.device, case.engine, case.delegate, case.threads, case.signature
    return *ran, case.cpus, case.python_path, case.python_name


def _file_note(change: CaseChange) -> str | None:
    if change.base.file.sha256 == change.new.file.sha256:
        return "base and new are the same file"
    return file_note(change.base, change.new)


@dataclass(frozen=True)
class _Measured:
    """A run, and what is the same for all of its cases."""

    run: StoredRun
    noises: Noises
    effort_ns: int

    @staticmethod
    def of(run: StoredRun, repeats: Sequence[RunRecord] = (), noise: float | None = None) -> _Measured:
        return _Measured(run, all_noises(repeats, noise), _effort_ns(run))


def _case_change(measured: _Measured, base: CaseResult, new: CaseResult) -> CaseChange:
    run = measured.run
    sides = Sides.of(run, base, run, new)
    changes = [exact_size(sides)]
    latency = _latencies(measured, sides)
    for metric in VARYING:
        in_turns = latency.get(metric) or (memory_in_turns(metric, base, new) if metric in MEMORY else None)
        change = in_turns or _too_short(metric, sides) or varying(metric, sides, measured.noises)
        doubtful = (sides.undecidable(metric) and metric not in latency) or _emulated(sides)
        changes += [] if change is None else [undecided(change) if doubtful else change]
    answered = answer_changes(base, new, run.predictions, run.predictions)
    order = list(Metric)
    together = sorted([*changes, *answered.changes], key=lambda change: order.index(change.metric))
    doubts = (*case_doubts(base, new, same_settings=True), *answered.doubts)
    older = replace(base, case_id=new.case_id, variant=new.variant)  # under the name that both have
    return CaseChange(new.case_id, older, new, tuple(together), doubts)


def _too_short(metric: Metric, sides: Sides) -> Change | None:
    """Return a change of latency that has no interval, None of another figure or where a side lacks it."""
    base, new = figure_of(sides.base, metric), figure_of(sides.new, metric)
    if metric not in PERCENTILES or not base or not new:
        return None
    reason = (
        f"fewer than {MIN_BLOCKS} blocks with enough samples; a longer --budget, or more --blocks, gives an interval"
    )
    return Change(metric, None, base, new, new / base, basis=Basis.IN_TURNS, unavailable={"interval": reason})


def _emulated(sides: Sides) -> bool:
    """Tell whether times mean nothing. Else what made a measurement INVALID hit both sides, and is in the interval."""
    return any(finding.code is Code.EMULATED for side in (sides.base, sides.new) for finding in side.findings)


def _latencies(measured: _Measured, sides: Sides) -> dict[Metric, Change]:
    """Return the changes of latency that blocks allow an interval of."""
    base, new = sides.base.latency, sides.new.latency
    if base is None or new is None or not sides.sampled:
        return {}
    first_stage, effort_ns = measured.run.record.settings.min_blocks, measured.effort_ns
    typical = t_interval(
        block_log_ratios(burst_values(sides.new_samples), burst_values(sides.base_samples)), first_stage
    )
    found = {Metric.P50: _change(Metric.P50, base.p50_ns, new.p50_ns, typical, effort_ns)}
    for metric, quantile in QUANTILES.items():
        logs = _block_percentiles(sides, quantile)
        values = getattr(base, f"{metric.value}_ns"), getattr(new, f"{metric.value}_ns")
        found[metric] = _change(metric, *values, t_interval(logs, first_stage), effort_ns)
    return {metric: change for metric, change in found.items() if change is not None}


def _change(
    metric: Metric, base: float | None, new: float | None, interval: Interval | None, effort_ns: int
) -> Change | None:
    if interval is None or base is None or new is None:
        return None
    logs = (interval.mean, interval.low, interval.high, interval.one_sided_low, interval.one_sided_high)
    found = RatioInterval(*(math.exp(log) for log in logs))
    change = Change(metric, None, base, new, effort_ns=effort_ns)
    return with_interval(change, found, Basis.IN_TURNS, "measured in turns in the same blocks")


def _block_percentiles(sides: Sides, quantile: float) -> list[float]:
    """Return log(new / base) of a percentile in each block; nothing where a block has too few samples to place it."""
    base, new = (dict(_by_block(samples)) for samples in (sides.base_samples, sides.new_samples))
    common = sorted(base.keys() & new.keys())
    needed = round(1 / (1 - quantile))
    if len(common) < MIN_BLOCKS or any(min(base[block].size, new[block].size) < needed for block in common):
        return []
    return [math.log(_quantile(new[block], quantile) / _quantile(base[block], quantile)) for block in common]


def _by_block(samples: pd.DataFrame) -> list[tuple[int, np.ndarray[Any, Any]]]:
    grouped = samples.groupby("block", observed=True)["latency_ns"]
    return [(int(str(block)), values.to_numpy()) for block, values in grouped]


def _quantile(latency_ns: np.ndarray[Any, Any], quantile: float) -> float:
    return max(1.0, float(np.quantile(latency_ns, quantile)))


def _effort_ns(run: StoredRun) -> int:
    """Return the time that the whole run's timing took: what its budget would have to be for the same again."""
    samples = run.samples
    ends = samples["start_ns"] + samples["latency_ns"]
    spans = ends.groupby(samples["block"]).max() - samples.groupby("block")["start_ns"].min()
    steady = samples[~samples["warmup"]].groupby("case", observed=True)["block"].nunique()
    starts = sum(
        ((case.runtime_import_ns or 0) + (case.load_ns or 0)) * int(steady.get(case.case_id, 0))
        for case in run.record.cases
    )
    return int(spans.sum()) + starts
