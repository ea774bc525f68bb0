"""Whether a measurement keeps a gate's limit, breaks it, or cannot tell.

A gate fails only where the data show that the limit is broken: the whole one-sided 95 % interval lies beyond it. It
passes only where they show that it is kept: the other one-sided 95 % bound is within. These are two one-sided tests
(Schuirmann, "A comparison of the two one-sided tests procedure and the power approach for assessing the equivalence of
average bioavailability", Journal of Pharmacokinetics and Biopharmaceutics 15, 1987), so each of the two claims is wrong
at most 1 time in 20, and that only where the truth lies at the limit itself. Between them the gate is undecided.

Many gates are judged at once. So failures are adjusted over all gates and cases of one invocation that chance has a
part in (Holm, "A simple sequentially rejective multiple test procedure", Scandinavian Journal of Statistics 6, 1979):
where every limit is kept, any of them fails in at most 1 of 20 invocations, however many there are and however they
depend on each other. Passing is not adjusted: all must pass, so none need be (intersection-union test: Berger,
"Multiparameter hypothesis testing and acceptance sampling", Technometrics 24, 1982).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from enum import Enum

from ..changes import Basis, CaseChange, Change, ChangeVerdict, Metric, RunChange
from ..errors import UsageError
from ..findings import Code, Verdict
from ..gates import EVERY, Gate, GateKind
from ..nearest import did_you_mean
from ..records import Status
from ..summaries import SUMMARIES, is_summary
from .evidence import CONFIDENCE, Evidence, exactly
from .figures import TIMES, VARYING, figure_of, reason_of
from .margins import MOST_TIMES, rounded_up, times_as_much
from .own_figures import own_evidence, own_figure, own_reason

#: Arithmetic may put a figure that is the limit this share of it beyond.
_ROUNDING = 1e-9
#: ``<model>/<variant>[:<signature>]@<device>/<engine>.<runtime>+<delegate>/t<threads>[/<cpus>]``
_CASE_ID = re.compile(r"(?P<model>.*?)/(?P<variant>[^@:]*)(?::[^@]*)?@(?P<device>.*)/[^/]*/t\d+(?:/[^/]*)?")


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
    ``doubt`` is the chance of such a figure where the limit is kept, for this judgement alone; ``detectable`` the
    smallest step beyond the limit that data like these show 4 times in 5, relative (0.01 = 1 %) or in shares. Both are
    None where chance has no part in it.
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
    doubt: float | None = None
    detectable: float | None = None
    evidence: Evidence | None = None


def judge_gates(gates: Sequence[Gate], change: RunChange) -> tuple[Judgement, ...]:
    """Return one judgement for each gate and case that it is about, for ``recall[*]`` one for each class.

    A case that only the base has fails: what is gone cannot pass.

    Raises:
        UsageError: a gate is about no case, or about a class that no case has: a slip of the pen must not pass.
    """
    return judge_together(gates, [change])[0]


def judge_together(gates: Sequence[Gate], changes: Sequence[RunChange]) -> list[tuple[Judgement, ...]]:
    """Return the judgements of each comparison, as :func:`judge_gates`, with chance accounted for over all of them."""
    opened = [[item for gate in gates for item in _of_gate(gate, change)] for change in changes]
    doubts = [item.doubt for items in opened for item in items if item.doubt is not None]
    least = _holm(doubts)
    return [tuple(_closed(item, least, len(doubts)) for item in items) for items in opened]


def _of_gate(gate: Gate, change: RunChange) -> list[Judgement]:
    covered = [case for case in change.cases if gate.covers(case.new)]
    lost = [case_id for case_id in change.missing if _covers_id(gate, case_id)]
    if not covered and not lost:
        if gate.optional:
            return []
        names = ", ".join(f"{case.new.model}/{case.new.variant}@{case.new.device}" for case in change.cases)
        raise UsageError(f"gate {gate.text!r}: is about none of the cases ({names or 'none'})")
    missing = [_missing(gate, case_id) for case_id in lost]
    if gate.metric.is_share and all(_never_classified(case) for case in covered):
        if gate.optional:
            return missing
        raise UsageError(f"gate {gate.text!r}: no accuracy was measured; add --data SOURCE")
    judged = [*(item for case in covered for item in _judged(gate, case)), *missing]
    if not judged and not gate.optional:
        raise UsageError(f"gate {gate.text!r}: is about the baseline alone, which is compared with nothing here")
    if gate.label not in (None, EVERY) and all(gate.label not in _labels(case) for case in covered):
        there = list(dict.fromkeys(label for case in covered for label in _labels(case)))
        if there:
            raise UsageError(
                f"gate {gate.text!r}: there is no class {gate.label}; {did_you_mean(gate.label or '', there)}"
            )
    return judged


def _never_classified(case: CaseChange) -> bool:
    """Return True where nobody asked for accuracy: a case that failed would have had it."""
    known = any(side.accuracy is not None for side in (case.new, case.base))
    return case.new.status is not Status.FAILED and not known and not any(item.metric.is_share for item in case.changes)


def _covers_id(gate: Gate, case_id: str) -> bool:
    found = _CASE_ID.fullmatch(case_id)
    return found is not None and gate.covers_names(found["model"], found["variant"], found["device"])


def _missing(gate: Gate, case_id: str) -> Judgement:
    found = _CASE_ID.fullmatch(case_id)
    name = gate.metric.value if gate.label is None else f"{gate.metric.value}[{gate.label}]"
    reason = "the base has this case, the new measurement lacks it"
    return Judgement(gate, case_id, found["device"] if found else "", GateOutcome.FAIL, name, reason=reason)


def _holm(doubts: Sequence[float]) -> float:
    """Return the largest chance that still fails where all are judged together, below 0 where none does."""
    largest = -1.0
    for place, doubt in enumerate(sorted(doubts)):
        if doubt > (1 - CONFIDENCE) / (len(doubts) - place):
            break
        largest = doubt
    return largest


def _closed(item: Judgement, least: float, family: int) -> Judgement:
    """Return the judgement with its outcome: only now is known how many were judged together."""
    evidence, share = item.evidence, item.gate.metric.is_share
    if evidence is None:
        return item
    limit = _rounded(item.gate)
    if evidence.lower >= limit if share else evidence.upper <= limit:
        return replace(item, outcome=GateOutcome.PASS)
    if item.doubt is None or item.doubt <= least:
        return replace(item, outcome=GateOutcome.FAIL)
    item = replace(item, needs=_needs(item, evidence, family))
    if item.doubt is not None and item.doubt > 1 - CONFIDENCE:
        return item
    alone = f"alone it would fail, but {family} are judged together, and one of them looks so by chance"
    return replace(item, reason="; ".join(part for part in (item.reason, alone) if part))


def _rounded(gate: Gate) -> float:
    step = _ROUNDING * max(1.0, abs(gate.limit))
    return gate.limit - step if gate.metric.is_share else gate.limit + step


def _judged(gate: Gate, case: CaseChange) -> Iterator[Judgement]:
    alone = case.base is case.new and not case.changes
    if alone and gate.kind is not GateKind.ABSOLUTE and case.new.status is not Status.FAILED:
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


def _judge(gate: Gate, case: CaseChange, label: str | None) -> Judgement:
    change = case.find(gate.metric, label)
    name = gate.metric.value if label is None else f"{gate.metric.value}[{label}]"
    blank = Judgement(gate, case.case_id, case.new.device, GateOutcome.UNDECIDED, name, figures=change)
    if case.new.status is Status.FAILED:
        why = case.new.failure.message if case.new.failure else "no reason recorded"
        return replace(blank, outcome=GateOutcome.FAIL, reason=f"the case failed: {why}")
    if gate.metric in VARYING and any(is_summary(side) for side in (case.new, case.base)):
        shown = own_figure(case.new, gate.metric, label) if gate.kind is GateKind.ABSOLUTE else None
        return replace(blank, value=shown, reason=SUMMARIES)
    if gate.kind is GateKind.ABSOLUTE:
        return _absolute(blank, case, label)
    if change is None or change.value is None:
        return replace(blank, reason=_absent(change, case, gate.metric))
    return _by_change(blank, change, change.value, case)


def _absent(change: Change | None, case: CaseChange, metric: Metric) -> str:
    if change is not None and "value" in change.unavailable:
        return change.unavailable["value"]
    sides = [side for side in (case.new, case.base) if figure_of(side, metric) is None]
    return reason_of(sides[0], metric) if sides else "there is nothing to compare with"


def _by_change(blank: Judgement, change: Change, value: float, case: CaseChange) -> Judgement:
    lower = change.low if change.one_sided_low is None else change.one_sided_low
    upper = change.high if change.one_sided_high is None else change.one_sided_high
    shown = replace(blank, value=value, low=lower, high=upper, basis=change.basis)
    if change.low is None or change.high is None or lower is None or upper is None:
        return replace(shown, reason=change.unavailable.get("interval", "there is no interval"))
    distrusted = _distrusted(case, change)
    if distrusted:
        return replace(shown, reason=distrusted)
    if change.basis is Basis.EXACT:
        return replace(shown, evidence=exactly(value))
    known = Evidence(value, change.low, change.high, lower, upper, log=blank.gate.kind is GateKind.RATIO)
    return _tested(shown, known, change)


def _tested(shown: Judgement, evidence: Evidence, change: Change | None) -> Judgement:
    """Return the judgement with its evidence, and the chance of it where the limit is kept."""
    gate = shown.gate
    doubt = evidence.doubt_of_less if gate.metric.is_share else evidence.doubt_of_more
    chance = doubt(_rounded(gate))
    if gate.kind is GateKind.POINTS and gate.limit <= 0 and change is not None and not _shown_worse(change):
        chance = 1.0
    seen = evidence.detectable(above=not gate.metric.is_share)
    return replace(shown, evidence=evidence, doubt=chance, detectable=seen)


def _shown_worse(change: Change) -> bool:
    """Return whether the exact test of lost and gained images shows a loss: resampling a few images says too much."""
    return change.verdict in (None, ChangeVerdict.WORSE)


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


def _needs(item: Judgement, evidence: Evidence, family: int) -> str:
    """Say what would decide: an interval's width goes with 1 / the square root of the effort."""
    gate, change = item.gate, item.figures
    if item.basis is Basis.BETWEEN_RUNS and gate.metric in TIMES:
        return "two stored runs differ for no reason; measuring both now with --interleave would tell more"
    if item.basis is Basis.BETWEEN_RUNS or gate.metric in _ONE_READING:
        return "repeated runs in the store would tell how far it varies, and may narrow the interval"
    breaks = evidence.value < gate.limit if gate.metric.is_share else evidence.value > gate.limit
    times = times_as_much(*evidence.scaled(gate.limit, 1 - (1 - CONFIDENCE) / family if breaks else CONFIDENCE))
    if times is None:
        return f"it is too near the limit to be decided with {MOST_TIMES:.0f} times the effort"
    images = change.images if change is not None else None
    if gate.metric.is_share:
        now = f" ({images:,} now)" if images else ""
        return f"about {max(times, 1.1):.1f} times the images{now} would decide, if it stays as it is"
    if change is None or change.effort_ns is None or gate.kind is GateKind.ABSOLUTE:
        return f"about {max(times, 1.1):.1f} times the blocks (--blocks) would decide, if it stays as it is"
    # A little more, because the interval of the next run is as wide as this one's only on average.
    seconds, spent = max(10.0, 1.2 * times * change.effort_ns / 1e9), change.effort_ns / 1e9
    return f"about --budget {rounded_up(seconds)}s would decide, if it stays as it is (this took {spent:.0f} s)"


def _absolute(blank: Judgement, case: CaseChange, label: str | None) -> Judgement:
    """Judge the new figure alone, by its own interval."""
    metric, new = blank.gate.metric, case.new
    value, evidence = own_figure(new, metric, label), own_evidence(new, metric, label)
    if value is None:
        return replace(blank, reason=own_reason(new, metric, label))
    if evidence is None:
        return replace(blank, value=value, reason="too few blocks or images for an interval")
    shown = replace(blank, value=value, low=evidence.lower, high=evidence.upper)
    distrusted = _distrusted(case, Change(metric, label))
    if distrusted:
        return replace(shown, reason=distrusted)
    if evidence.exact:
        return replace(shown, evidence=evidence)
    reason = "one reading, with what such readings are assumed to vary by" if metric in _ONE_READING else ""
    return _tested(replace(shown, reason=reason), evidence, None)


#: Read once a run.
_ONE_READING = (Metric.PEAK_RSS, Metric.MODEL_ADDS, Metric.LOAD, Metric.FIRST)
