"""Whether a measurement keeps a gate's limit, breaks it, or cannot tell.

A gate fails only where the data show that the limit is broken: the whole one-sided 95 % interval lies beyond it. It
passes only where they show that it is kept: the other one-sided 95 % bound is within. These are two one-sided tests
(Schuirmann, "A comparison of the two one-sided tests procedure and the power approach for assessing the equivalence of
average bioavailability", Journal of Pharmacokinetics and Biopharmaceutics 15, 1987), so each of the two claims is wrong
at most 1 time in 20, and that only where the truth lies at the limit itself. Between them the gate is undecided.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from enum import Enum

from ..changes import Basis, CaseChange, Change, Metric, RunChange
from ..errors import UsageError
from ..findings import Code, Verdict
from ..gates import EVERY, Gate, GateKind
from ..records import Status
from .figures import TIMES, figure_of, reason_of

#: Beyond this many times the effort, telling a number would be of no use.
_MOST_TIMES = 100.0


class GateOutcome(str, Enum):
    """What came out for one gate and one case."""

    PASS = "pass"  # noqa: S105 - no password
    FAIL = "fail"
    UNDECIDED = "undecided"


@dataclass(frozen=True)
class Judgement:
    """A gate applied to one case.

    ``value``, ``low`` and ``high`` (one-sided bounds of 95 % each) are in the unit of the gate's limit. ``reason`` says
    why where figures alone do not, ``basis`` where the interval comes from, ``needs`` what would decide it.
    """

    gate: Gate
    case_id: str
    device: str
    outcome: GateOutcome
    name: str
    value: float | None = None
    low: float | None = None
    high: float | None = None
    basis: Basis | None = None
    reason: str = ""
    needs: str | None = None
    figures: Change | None = None


def judge_gates(gates: Sequence[Gate], change: RunChange) -> tuple[Judgement, ...]:
    """Return one judgement for each gate and case that it is about, for ``recall[*]`` one for each class.

    Raises:
        UsageError: a gate is about no case, or about a class that no case has: a slip of the pen must not pass.
    """
    found: list[Judgement] = []
    for gate in gates:
        covered = [case for case in change.cases if gate.covers(case.new)]
        if not covered:
            names = ", ".join(f"{case.new.model}/{case.new.variant}@{case.new.device}" for case in change.cases)
            raise UsageError(f"gate {gate.text!r}: is about none of the cases ({names or 'none'})")
        if gate.metric.is_share and all(side.accuracy is None for case in covered for side in (case.base, case.new)):
            raise UsageError(f"gate {gate.text!r}: no accuracy was measured; add --data SOURCE")
        judged = [item for case in covered for item in _judged(gate, case)]
        if not judged:
            raise UsageError(f"gate {gate.text!r}: is about the baseline alone, which is compared with nothing here")
        if gate.label not in (None, EVERY) and all(_unknown_class(case, gate.label) for case in covered):
            there = ", ".join(dict.fromkeys(label for case in covered for label in _labels(case)))
            if there:
                raise UsageError(f"gate {gate.text!r}: there is no class {gate.label} (there are {there})")
        found += judged
    return tuple(found)


def _judged(gate: Gate, case: CaseChange) -> Iterator[Judgement]:
    if case.base is case.new and gate.kind is not GateKind.ABSOLUTE:
        return  # a baseline is not compared with itself
    if gate.label != EVERY:
        yield _judge(gate, case, gate.label)
        return
    labels = _labels(case)
    for label in labels:
        yield _judge(gate, case, label)
    if not labels:
        yield _judge(gate, case, None)


def _labels(case: CaseChange) -> list[str]:
    known = [label for change in case.changes if (label := change.label) is not None]
    accuracy = case.new.accuracy or case.base.accuracy
    return list(dict.fromkeys([*known, *(accuracy.labels if accuracy else ())]))


def _unknown_class(case: CaseChange, label: str | None) -> bool:
    return label not in _labels(case)


def _judge(gate: Gate, case: CaseChange, label: str | None) -> Judgement:
    change = case.find(gate.metric, label)
    name = gate.metric.value if label is None else f"{gate.metric.value}[{label}]"
    blank = Judgement(gate, case.case_id, case.new.device, GateOutcome.UNDECIDED, name, figures=change)
    if case.new.status is Status.FAILED:
        why = case.new.failure.message if case.new.failure else "no reason recorded"
        return replace(blank, outcome=GateOutcome.FAIL, reason=f"the case failed: {why}")
    if gate.kind is GateKind.ABSOLUTE:
        return _absolute(blank, case, label)
    if change is None or change.value is None:
        return replace(blank, reason=_absent(change, case, gate.metric))
    return _decided(blank, change, change.value, change.one_sided_low, change.one_sided_high, case)


def _absent(change: Change | None, case: CaseChange, metric: Metric) -> str:
    if change is not None and "value" in change.unavailable:
        return change.unavailable["value"]
    sides = [side for side in (case.new, case.base) if figure_of(side, metric) is None]
    return reason_of(sides[0], metric) if sides else "there is nothing to compare with"


def _decided(
    blank: Judgement, change: Change, value: float, low: float | None, high: float | None, case: CaseChange
) -> Judgement:
    shown = replace(blank, value=value, low=low, high=high, basis=change.basis)
    if low is None or high is None:
        return replace(shown, reason=change.unavailable.get("interval", "there is no interval"))
    distrusted = _distrusted(case, change)
    if distrusted:
        return replace(shown, reason=distrusted)
    outcome = _outcome(blank.gate, low, high)
    needs = _needs(blank.gate, change, value, low, high) if outcome is GateOutcome.UNDECIDED else None
    return replace(shown, outcome=outcome, needs=needs)


def _distrusted(case: CaseChange, change: Change) -> str | None:
    """Return why figures of an INVALID measurement decide nothing, None where they can.

    What disturbs a machine hits both sides of a measurement in turns, and is in its interval; memory and answers are
    not disturbed. Times on an emulator tell of no device, however they were taken.
    """
    if change.metric not in TIMES:
        return None
    sides = {"base": case.base, "new": case.new}
    if change.basis is None:
        del sides["base"]
    if change.basis is Basis.IN_TURNS:
        sides = {
            name: side for name, side in sides.items() if any(item.code is Code.EMULATED for item in side.findings)
        }
    invalid = [name for name, side in sides.items() if side.verdict is Verdict.INVALID]
    return f"{' and '.join(invalid)}: the measurement is INVALID (see its findings)" if invalid else None


def _outcome(gate: Gate, low: float, high: float) -> GateOutcome:
    """Compare in the direction in which more is worse."""
    limit, slack = gate.limit, 1e-12
    best, worst = (-high, -low) if gate.metric.is_share else (low, high)
    most = -limit if gate.metric.is_share else limit
    if best > most + slack:
        return GateOutcome.FAIL
    return GateOutcome.PASS if worst <= most + slack else GateOutcome.UNDECIDED


def _needs(gate: Gate, change: Change, value: float, low: float, high: float) -> str:
    """Say what would decide: an interval's width goes with 1 / the square root of the effort."""
    if change.basis is Basis.BETWEEN_RUNS and change.metric not in (Metric.PEAK_RSS, Metric.MODEL_ADDS):
        return "two stored runs differ for no reason; measuring both now with --interleave would tell more"
    if change.basis is Basis.BETWEEN_RUNS:
        return "repeated runs in the store would tell how far memory varies, and narrow the interval"
    logs = gate.kind is GateKind.RATIO
    measure = [math.log(number) if logs else number for number in (value, low, high, gate.limit)]
    gap = abs(measure[0] - measure[3])
    half = measure[0] - measure[1] if measure[0] > measure[3] else measure[2] - measure[0]
    times = (half / gap) ** 2 if gap > 0 else math.inf
    if times > _MOST_TIMES:
        return f"it is too near the limit to be decided with {_MOST_TIMES:.0f} times the effort"
    if change.images is not None:
        return (
            f"about {max(times, 1.1):.1f} times the images ({change.images:,} now) would decide, if it stays as it is"
        )
    if change.effort_ns is None:
        return "a longer measurement would decide"
    # A little more, because the interval of the next run is as wide as this one's only on average.
    seconds = 1.2 * times * change.effort_ns / 1e9
    spent = change.effort_ns / 1e9
    return f"about --budget {_rounded(seconds)}s would decide, if it stays as it is (this took {spent:.0f} s)"


def _rounded(seconds: float) -> int:
    whole = max(10, math.ceil(seconds))
    step = int(10 ** max(0, len(str(whole)) - 2))
    return math.ceil(whole / step) * step


def _absolute(blank: Judgement, case: CaseChange, label: str | None) -> Judgement:
    """Judge the new figure alone, by its own interval."""
    metric, new = blank.gate.metric, case.new
    value, interval = _own_figure(case, metric, label)
    if value is None:
        return replace(blank, reason=reason_of(new, metric) if label is None else _no_class(case, label))
    images = new.accuracy.images if new.accuracy and metric.is_share else None
    change = Change(metric, label, images=images, unavailable={"interval": _NO_INTERVAL})
    if metric in _ONE_READING:
        judged = _decided(blank, change, value, value, value, case)
        return judged if metric is Metric.SIZE or judged.reason else replace(judged, reason="one reading, as it is")
    low, high = interval or (None, None)
    return _decided(blank, change, value, low, high, case)


#: Figures without an interval of their own: exact, or read once.
_ONE_READING = (Metric.SIZE, Metric.PEAK_RSS, Metric.MODEL_ADDS, Metric.LOAD, Metric.FIRST)
_NO_INTERVAL = "too few blocks or images for an interval"


def _no_class(case: CaseChange, label: str) -> str:
    return f"no image of {label} was classified" if case.new.accuracy else "accuracy was not measured; it needs --data"


def _own_figure(case: CaseChange, metric: Metric, label: str | None) -> tuple[float | None, tuple[float, float] | None]:
    """Return a figure of the new side and its two-sided 95 % interval: each bound alone is a cautious one-sided one."""
    new = case.new
    if label is not None:
        item = next((entry for entry in new.accuracy.classes if entry.label == label), None) if new.accuracy else None
        return (None, None) if item is None else (getattr(item, metric.value), item.intervals.get(metric.value))
    value = figure_of(new, metric)
    if metric.is_share:
        names = {Metric.BALANCED: "balanced_accuracy"}
        key = names.get(metric, metric.value)
        return value, new.accuracy.intervals.get(key) if new.accuracy else None
    return value, new.latency.intervals.get(f"{metric.value}_ns") if new.latency else None
