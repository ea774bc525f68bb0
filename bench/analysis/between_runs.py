"""What changed between two stored runs, with intervals that know how far runs differ for no reason.

Latency is compared in one of two ways. Where both runs measured the case in turns with a case that is still the same
(the same file, runtime version and case id: the yardstick, mostly float32), the ratio to it is compared with the ratio
it had: what made the whole machine slower or faster that day cancels. Else the two latencies are set against each
other, and the interval holds all that such days bring. Memory and times of loading are compared in the second way,
accuracy on the same images, sizes exactly.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from ..changes import Basis, CaseChange, Change, ChangeVerdict, Metric, RunChange
from ..findings import Code, Severity, Verdict
from ..records import CaseResult, RunRecord
from ..summaries import SUMMARIES, is_summary
from .answer_changes import answer_changes
from .figures import MEMORY, PERCENTILES, VARYING, figure_of, reason_of
from .matching import match_cases
from .resampling import RESAMPLES
from .run_noise import RunNoise, find_case, identity, metric_noise, ratio_noise, settings_key, usable_repeats
from .two_runs import (
    Reading,
    error_of_interval,
    percentile_reading,
    ratio_interval,
    typical_reading,
    with_interval,
)
from .what_differs import case_doubts, environment_lines, file_note

if TYPE_CHECKING:
    import pandas as pd

    from ..store import StoredRun

QUANTILES = {Metric.P90: 0.90, Metric.P95: 0.95, Metric.P99: 0.99}
_NO_SAMPLES = "no samples are stored for this case in both runs: figures of a summary are shown, never judged"
_NOT_POSITIVE = "one of the figures is not above 0, so there is no ratio"
#: The note of a run that was compared with itself.
SAME_RUN = "base and new are the same run"
#: How the explanation begins of a change that an INVALID measurement leaves undecided.
INVALID_WORDS = "undecided, because a measurement is INVALID"


#: Findings after which nothing of a measurement is the device's own. The others are about time: memory is read in a
#: process of its own, and whoever took the processor away from it changed nothing of that.
_ELSEWHERE = frozenset({Code.EMULATED, Code.SOFTWARE_GPU, Code.OUTPUTS_DIFFER, Code.DEVICE_DIFFERS})


@dataclass(frozen=True)
class Noises:
    """How far each figure varies from run to run."""

    by_metric: Mapping[Metric, RunNoise]
    of_ratios: RunNoise


@dataclass(frozen=True)
class Sides:
    """One case in both runs, with its steady samples."""

    base: CaseResult
    new: CaseResult
    base_samples: pd.DataFrame
    new_samples: pd.DataFrame

    @staticmethod
    def of(base: StoredRun, one: CaseResult, new: StoredRun, other: CaseResult) -> Sides:
        """Return a case of one run and a case of another, or of the same."""
        return Sides(one, other, _steady(base, one), _steady(new, other))

    @property
    def sampled(self) -> bool:
        return not self.base_samples.empty and not self.new_samples.empty

    def undecidable(self, metric: Metric) -> bool:
        """Return True where what speaks against a measurement speaks against this figure, too."""
        for case in (self.base, self.new):
            if case.verdict is not Verdict.INVALID:
                continue
            codes = {item.code for item in case.findings if item.severity is Severity.INVALID and not item.silenced}
            if metric not in MEMORY or not codes or codes & _ELSEWHERE:
                return True
        return False


def compare_runs(
    base: StoredRun,
    new: StoredRun,
    *,
    repeats: Sequence[RunRecord] = (),
    noise: float | None = None,
    cross_device: bool = False,
    base_name: str | None = None,
    new_name: str | None = None,
    resamples: int = RESAMPLES,
) -> RunChange:
    """Return what changed from ``base`` to ``new``.

    Args:
        base, new: the two runs.
        repeats: records of any runs; those that repeat something on the base's host tell how far runs differ.
        noise: the between-run standard deviation of times (0.1 = 10 %), instead of what repeats or defaults say.
        cross_device: compare although the devices differ, case by case without the device's name.
        base_name, new_name: what to call the runs; None: their ids.
        resamples: bootstrap samples behind the intervals of accuracy.

    Raises:
        UsageError: unlike devices without ``cross_device``, or no case in common.
    """
    names = base_name or base.record.run_id, new_name or new.record.run_id
    if identity(base.record) == identity(new.record):
        return _same_run(base, new, names, resamples)
    matched = match_cases(base.record, new.record, cross_device=cross_device)
    noises = all_noises(usable_repeats(repeats, base.record, new.record), noise)
    unlike = () if matched.unlike is None else (f"unlike devices: {matched.unlike}; times compare devices, not builds",)
    found, notes = [], []
    for one, other in matched.pairs:
        case = _case_change(base, new, one, other, noises, resamples, across=matched.unlike is not None)
        found.append(replace(case, doubts=unlike + case.doubts))
        note = file_note(one, other)
        notes += [f"{one.case_id}: {note}"] if note else []
    return RunChange(
        base_name=names[0],
        new_name=names[1],
        cases=tuple(found),
        missing=matched.missing,
        added=matched.added,
        environment=environment_lines(base.record, new.record),
        notes=(*_run_notes(base.record, new.record), *notes),
    )


def all_noises(repeats: Sequence[RunRecord], noise: float | None) -> Noises:
    """Return how far figures vary as repeated runs tell, or ``noise`` says of times."""
    known = {metric: metric_noise(metric, repeats, noise) for metric in VARYING}
    return Noises(known, ratio_noise(repeats))


def _run_notes(base: RunRecord, new: RunRecord) -> list[str]:
    interrupted = [record.run_id for record in (base, new) if record.interrupted]
    return [f"{run_id} was interrupted: cases may be missing or short of samples" for run_id in interrupted]


def _case_change(
    base: StoredRun,
    new: StoredRun,
    one: CaseResult,
    other: CaseResult,
    noises: Noises,
    resamples: int,
    *,
    across: bool,
) -> CaseChange:
    sides = Sides.of(base, one, new, other)
    changes = [exact_size(sides)]
    for metric in VARYING:
        change = varying(metric, sides, noises)
        if metric is Metric.P50 and not across and sides.sampled:
            change = _by_yardstick(change, base.record, new.record, sides, noises.of_ratios) or change
        changes += [] if change is None else [undecided(change) if sides.undecidable(metric) else change]
    answered = answer_changes(one, other, base.predictions, new.predictions, resamples=resamples)
    order = list(Metric)
    changes = sorted([*changes, *answered.changes], key=lambda change: order.index(change.metric))
    alike = settings_key(base.record.settings) == settings_key(new.record.settings)
    return CaseChange(one.case_id, one, other, tuple(changes), case_doubts(one, other, same_settings=alike)
                      + answered.doubts)  # fmt: skip


def _steady(run: StoredRun, case: CaseResult) -> pd.DataFrame:
    samples = run.samples
    return samples[(samples["case"] == case.case_id) & ~samples["warmup"]]


def exact_size(sides: Sides) -> Change:
    """Return the change of the model file's size."""
    base, new = sides.base.file.size_bytes, sides.new.file.size_bytes
    if base <= 0:
        return Change(Metric.SIZE, base=base, new=new, basis=Basis.EXACT, unavailable={"value": _NOT_POSITIVE})
    verdict = ChangeVerdict.SAME if base == new else ChangeVerdict.WORSE if new > base else ChangeVerdict.BETTER
    return _exact(Metric.SIZE, base, new, new / base, verdict, "counted in bytes")


def _exact(metric: Metric, base: float, new: float, value: float, verdict: ChangeVerdict, explanation: str) -> Change:
    return Change(
        metric=metric,
        base=base,
        new=new,
        value=value,
        low=value,
        high=value,
        one_sided_low=value,
        one_sided_high=value,
        verdict=verdict,
        basis=Basis.EXACT,
        explanation=explanation,
    )


def varying(metric: Metric, sides: Sides, noises: Noises) -> Change | None:
    """Return the change of a figure that varies from run to run, None where neither side has it."""
    base, new = figure_of(sides.base, metric), figure_of(sides.new, metric)
    if base is None and new is None:
        return None
    change = Change(metric, None, base, new)
    if base is None or new is None:
        side, case = ("base", sides.base) if base is None else ("new", sides.new)
        return replace(change, unavailable={"value": f"{side}: {reason_of(case, metric)}"})
    if is_summary(sides.base) or is_summary(sides.new):
        return replace(change, unavailable={"value": SUMMARIES})
    if base <= 0 or new <= 0:
        return replace(change, unavailable={"value": _NOT_POSITIVE})
    if metric in PERCENTILES and not sides.sampled:
        return replace(change, value=new / base, unavailable={"interval": _NO_SAMPLES})
    noise = noises.by_metric[metric]
    if metric is Metric.MODEL_ADDS:
        noise = _of_the_whole(noise, sides)
    readings = [_reading(metric, case, samples) for case, samples in _with_samples(sides)]
    return with_interval(
        change, ratio_interval(readings[0], readings[1], noise), Basis.BETWEEN_RUNS, _words(metric, noise)
    )


def _with_samples(sides: Sides) -> tuple[tuple[CaseResult, pd.DataFrame], ...]:
    return (sides.base, sides.base_samples), (sides.new, sides.new_samples)


def _reading(metric: Metric, case: CaseResult, samples: pd.DataFrame) -> Reading:
    value = figure_of(case, metric) or 1.0
    if metric is Metric.P50:
        return typical_reading(samples) or Reading(math.log(value))
    if metric in QUANTILES:
        return percentile_reading(samples, QUANTILES[metric], value)
    return Reading(math.log(value))


def _of_the_whole(noise: RunNoise, sides: Sides) -> RunNoise:
    """Return what is assumed of the whole process, as a share of the part of it that the model adds."""
    if noise.freedom is not None:
        return noise
    shares = [
        (figure_of(case, Metric.PEAK_RSS) or 0.0) / (figure_of(case, Metric.MODEL_ADDS) or 1.0)
        for case in (sides.base, sides.new)
    ]
    return RunNoise(noise.sd * max(1.0, *shares), None, f"{noise.words}, of the whole process's peak")


def _words(metric: Metric, noise: RunNoise) -> str:
    if metric in MEMORY:
        return noise.words
    what = "blocks' typical latencies of two runs" if metric is Metric.P50 else "two runs"
    return f"{what}; {noise.words}; measure both again with --interleave to know more"


def undecided(change: Change) -> Change:
    """Return a change that an INVALID measurement cannot decide; its interval is what the figures gave."""
    if change.verdict is None:
        return change
    return replace(change, verdict=ChangeVerdict.UNDECIDED, explanation=f"{INVALID_WORDS}; {change.explanation}")


def _by_yardstick(
    change: Change | None, base: RunRecord, new: RunRecord, sides: Sides, noise: RunNoise
) -> Change | None:
    """Return the change by ratios to a case that is still the same, None where there is no such case."""
    if change is None or change.base is None or change.new is None:
        return None
    for case_id in _yardsticks(base, sides.base):
        yardsticks = find_case(base, case_id), find_case(new, case_id)
        if yardsticks[0] is None or yardsticks[1] is None or not _unchanged(yardsticks[0], yardsticks[1]):
            continue
        readings = _in_turns(sides.base, yardsticks[0]), _in_turns(sides.new, yardsticks[1])
        if readings[0] is not None and readings[1] is not None:
            ratios = f"{math.exp(readings[0].log):.3f} → {math.exp(readings[1].log):.3f}"
            words = (
                f"ratio to {yardsticks[0].variant}, which is unchanged and was measured in turns with it in both runs: "
                f"{ratios}; {noise.words.replace('between-run sd', 'between-run sd of such ratios')}"
            )
            return with_interval(change, ratio_interval(readings[0], readings[1], noise), Basis.BETWEEN_RUNS, words)
    return None


def _yardsticks(record: RunRecord, case: CaseResult) -> list[str]:
    """Return the ids of what the case was measured in turns with: its baseline, or what it was the baseline of."""
    if case.comparison is not None:
        return [case.comparison.baseline]
    return [other.case_id for other in record.cases if other.comparison and other.comparison.baseline == case.case_id]


def _unchanged(base: CaseResult, new: CaseResult) -> bool:
    sides = [(case.file.sha256, case.runtime.version if case.runtime else None) for case in (base, new)]
    return sides[0] == sides[1] and Verdict.INVALID not in (base.verdict, new.verdict)


def _in_turns(case: CaseResult, yardstick: CaseResult) -> Reading | None:
    """Return log(case / yardstick) as one run measured it in turns."""
    for one, other, sign in ((case, yardstick, 1), (yardstick, case, -1)):
        found = one.comparison
        if found is None or found.baseline != other.case_id:
            continue
        if found.ratio and found.low and found.high:
            error = error_of_interval(found.low, found.high, found.blocks)
            return Reading(sign * math.log(found.ratio), error, found.blocks)
    return None


def _same_run(base: StoredRun, new: StoredRun, names: tuple[str, str], resamples: int) -> RunChange:
    cases = []
    for case in base.record.cases:
        answered = answer_changes(case, case, base.predictions, new.predictions, resamples=resamples)
        figures = [(metric, figure_of(case, metric)) for metric in (Metric.SIZE, *VARYING)]
        changes = [
            _exact(metric, value, value, 1.0, ChangeVerdict.SAME, "the same run")
            for metric, value in figures
            if value is not None
        ]
        order = list(Metric)
        together = sorted([*changes, *answered.changes], key=lambda change: order.index(change.metric))
        cases.append(CaseChange(case.case_id, case, case, tuple(together)))
    return RunChange(names[0], names[1], tuple(cases), notes=(SAME_RUN,))
