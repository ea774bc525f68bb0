"""Whether cases keep their gates: each passes, fails, or the measurement cannot tell.

A gate is judged by two one-sided tests (Schuirmann, "A comparison of the two one-sided tests procedure and the power
approach for assessing the equivalence of average bioavailability", Journal of Pharmacokinetics and Biopharmaceutics 15,
1987). It passes where the one-sided 95 % bound of the figure on the bad side keeps the limit, fails where the bound on
the good side breaks it, and is undecided in between.

Many gates are judged at once, and each would fail by chance in up to 5 % of invocations where the truth lies at its
limit. So failures are adjusted over all gates and cases of one invocation that chance has a part in (Holm, "A simple
sequentially rejective multiple test procedure", Scandinavian Journal of Statistics 6, 1979): any number of gates whose
limits are kept fails in at most 5 % of invocations, however they depend on each other. Passing is not adjusted: all
must pass, which is an intersection-union test (Berger, Technometrics 24, 1982).
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from enum import Enum

from ..changes import Basis, CaseChange, Change, ChangeVerdict, Metric, RunChange
from ..errors import UsageError
from ..gates import EVERY_CLASS, Gate, GateKind, nearest
from ..records import CaseResult, Status
from .evidence import CONFIDENCE, Evidence, exactly
from .figures import PERCENTILES, is_invalid
from .margins import rounded_up, times_as_much
from .own_figures import own_evidence, own_figure, own_reason

#: Arithmetic may put a figure that is the limit this far beyond it.
_ROUNDING = 1e-9
#: ``<model>/<variant>@<device>/...``
_CASE_ID = re.compile(r"(?P<model>.*?)/(?P<variant>[^@:]*)(?::[^@]*)?@(?P<device>.*)/[^/]*/t\d.*")


class Outcome(str, Enum):
    """What came out for a gate and a case."""

    PASSED = "pass"
    FAILED = "fail"
    UNDECIDED = "undecided"


@dataclass(frozen=True)
class GateResult:
    """What came out for one gate and one case.

    ``name`` is the figure (``recall[mel]``), ``value`` what was judged, in the gate's kind (a ratio, a difference of
    shares, or the metric's unit), with its 95 % interval ``low`` to ``high``; ``base`` and ``new`` are the figure on
    both sides. ``reason`` says where the interval comes from, or why there is no answer. ``needs`` says what would
    decide, ``detectable`` is the smallest step beyond a limit that data like these show 4 times in 5: relative
    (0.01 = 1 %) for costs, in shares for shares. ``doubt`` is the chance of such a value where the limit is kept, unadjusted.
    """

    gate: Gate
    case_id: str
    model: str
    variant: str
    device: str
    name: str
    outcome: Outcome
    reason: str
    value: float | None = None
    low: float | None = None
    high: float | None = None
    base: float | None = None
    new: float | None = None
    needs: str | None = None
    detectable: float | None = None
    doubt: float | None = None


@dataclass(frozen=True)
class Judgement:
    """All results of one invocation; ``family`` is how many of them chance had a part in."""

    results: tuple[GateResult, ...]
    family: int

    def of(self, outcome: Outcome) -> tuple[GateResult, ...]:
        """Return the results with this outcome."""
        return tuple(result for result in self.results if result.outcome is outcome)


@dataclass(frozen=True)
class _Open:
    """A result before the family is known; without evidence it stays as it is."""

    result: GateResult
    evidence: Evidence | None = None
    change: Change | None = None
    case: CaseResult | None = None


def judge(gates: Sequence[Gate], changes: Iterable[RunChange]) -> Judgement:
    """Return what came out for each gate and each case that it is for, in the order of the gates.

    Raises:
        UsageError: a gate is for no case, or for a class that no case has.
    """
    compared = list(changes)
    found = [item for gate in gates for item in _of_gate(gate, compared)]
    doubts = [item.result.doubt for item in found if item.result.doubt is not None]
    rejected = _holm(doubts)
    return Judgement(tuple(_closed(item, rejected, len(doubts)) for item in found), len(doubts))


def _of_gate(gate: Gate, compared: Sequence[RunChange]) -> list[_Open]:
    cases = [case for change in compared for case in change.cases if _is_judged(gate, case)]
    lost = [case_id for change in compared for case_id in change.missing if _is_for_id(gate, case_id)]
    if not cases and not lost:
        names = {f"{case.new.variant}@{case.new.device}" for change in compared for case in change.cases}
        hint = f"; there is {', '.join(sorted(names))}" if names else ""
        against = " with a base of its own" if gate.against_base else ""
        raise UsageError(f"gate {gate.whole_text}: it is for no case{against}, so it would guard nothing{hint}")
    _check_label(gate, cases)
    found = [_judged(gate, case, label) for case in cases for label in _labels(gate, case)]
    return found + [_Open(_missing(gate, case_id)) for case_id in lost]


def _is_judged(gate: Gate, case: CaseChange) -> bool:
    """Return whether a case must keep a gate: a baseline has no base to be set against, unless it failed."""
    if not gate.is_for(case.new.model, case.new.variant, case.new.device):
        return False
    alone = case.base is case.new and not case.changes
    return not (gate.against_base and alone) or case.new.status is Status.FAILED


def _is_for_id(gate: Gate, case_id: str) -> bool:
    return gate.is_for(*_names(case_id))


def _names(case_id: str) -> tuple[str, str, str]:
    found = _CASE_ID.fullmatch(case_id)
    return (found["model"], found["variant"], found["device"]) if found else (case_id, case_id, "")


def _missing(gate: Gate, case_id: str) -> GateResult:
    name = gate.metric.value if gate.label is None else f"{gate.metric.value}[{gate.label}]"
    reason = "the base has this case, the new measurement lacks it"
    return GateResult(gate, case_id, *_names(case_id), name, Outcome.FAILED, reason)


def _check_label(gate: Gate, cases: Sequence[CaseChange]) -> None:
    if gate.label in (None, EVERY_CLASS):
        return
    known = [label for case in cases for label in _classes(gate.metric, case)]
    if known and gate.label not in known:
        raise UsageError(
            f"gate {gate.whole_text}: no class is called {gate.label}{nearest(gate.label or '', dict.fromkeys(known))}"
        )


def _labels(gate: Gate, case: CaseChange) -> Sequence[str | None]:
    return _classes(gate.metric, case) or [EVERY_CLASS] if gate.label == EVERY_CLASS else [gate.label]


def _classes(metric: Metric, case: CaseChange) -> list[str]:
    """Return the classes that have images on either side."""
    sides = [side.accuracy for side in (case.new, case.base) if side.accuracy is not None]
    changed = [change.label for change in case.changes if change.metric is metric and change.label is not None]
    return list(dict.fromkeys([*(item.label for side in sides for item in side.classes if item.support), *changed]))


def _judged(gate: Gate, case: CaseChange, label: str | None) -> _Open:
    name = gate.metric.value if label is None else f"{gate.metric.value}[{label}]"
    new = case.new
    result = GateResult(gate, case.case_id, new.model, new.variant, new.device, name, Outcome.UNDECIDED, "")
    if new.status is Status.FAILED and (case.base is new or case.base.status is Status.OK):
        said = new.failure.message if new.failure else "no reason recorded"
        return _Open(replace(result, outcome=Outcome.FAILED, reason=f"the case failed to run: {said}"))
    return _by_change(result, case, label) if gate.against_base else _by_itself(result, new, label)


def _by_change(result: GateResult, case: CaseChange, label: str | None) -> _Open:
    metric = result.gate.metric
    change = case.find(metric, label)
    if change is None:
        side = "base" if own_figure(case.base, metric, label) is None else "new"
        reason = own_reason(case.base if side == "base" else case.new, metric, label)
        return _Open(replace(result, reason=f"{side}: {reason}"))
    result = replace(result, value=change.value, low=change.low, high=change.high, base=change.base, new=change.new)
    if change.value is None or change.low is None or change.high is None:
        missing = "value" if change.value is None else "interval"
        return _Open(replace(result, reason=change.unavailable.get(missing, f"no {missing} is recorded")))
    if change.basis is Basis.EXACT:
        return _Open(replace(result, reason=change.explanation), exactly(change.value), change, case.new)
    if any(is_invalid(side, metric) for side in (case.base, case.new)):
        return _Open(replace(result, reason="a measurement is INVALID: its findings say why"))
    lower = change.low if change.one_sided_low is None else change.one_sided_low
    upper = change.high if change.one_sided_high is None else change.one_sided_high
    evidence = Evidence(change.value, change.low, change.high, lower, upper, log=not metric.is_share)
    return _tested(_Open(replace(result, reason=change.explanation), evidence, change, case.new))


def _by_itself(result: GateResult, case: CaseResult, label: str | None) -> _Open:
    metric = result.gate.metric
    value = own_figure(case, metric, label)
    result = replace(result, value=value, new=value)
    if value is None:
        return _Open(replace(result, reason=own_reason(case, metric, label)))
    evidence = own_evidence(case, metric, label)
    if evidence is None:
        return _Open(replace(result, reason="no interval is recorded: figures of a summary are shown, never judged"))
    if evidence.exact:
        return _Open(replace(result, reason="counted in bytes"), evidence, case=case)
    result = replace(result, low=evidence.low, high=evidence.high)
    if is_invalid(case, metric):
        return _Open(replace(result, reason="the measurement is INVALID: its findings say why"))
    return _tested(_Open(replace(result, reason=_where_from(case, metric, label)), evidence, case=case))


def _where_from(case: CaseResult, metric: Metric, label: str | None) -> str:
    if metric in PERCENTILES and case.latency:
        return f"{case.latency.blocks} blocks of this run; other days may differ by more"
    if metric.is_share:
        images = _images(case, label)
        return f"{images:,} {'image' if images == 1 else 'images'}"
    return "one reading, with what such readings are assumed to vary by"


def _images(case: CaseResult, label: str | None) -> int:
    if case.accuracy is None:
        return 0
    if label is None:
        return case.accuracy.images
    return next((item.support for item in case.accuracy.classes if item.label == label), 0)


def _tested(item: _Open) -> _Open:
    """Return the result with its chance of being a false alarm."""
    if item.evidence is None:
        return item
    gate = item.result.gate
    doubt = item.evidence.doubt_of_less if gate.metric.is_share else item.evidence.doubt_of_more
    chance = doubt(_with_rounding(gate))
    if gate.kind is GateKind.POINTS and gate.limit <= 0 and not _shown_worse(item.change):
        chance = 1.0
    seen = item.evidence.detectable(above=not gate.metric.is_share)
    return replace(item, result=replace(item.result, doubt=chance, detectable=seen))


def _shown_worse(change: Change | None) -> bool:
    """Return False where the exact test of lost and gained images shows no loss: a bootstrap of few says too much."""
    return change is None or change.verdict in (None, ChangeVerdict.WORSE)


def _with_rounding(gate: Gate) -> float:
    step = _ROUNDING * max(1.0, abs(gate.limit))
    return gate.limit - step if gate.metric.is_share else gate.limit + step


def _holm(doubts: Sequence[float]) -> float:
    """Return the largest chance that still fails, with all of them judged together; below 0 where none does."""
    largest = -1.0
    for place, doubt in enumerate(sorted(doubts)):
        if doubt > (1 - CONFIDENCE) / (len(doubts) - place):
            break
        largest = doubt
    return largest


def _closed(item: _Open, rejected: float, family: int) -> GateResult:
    """Return the result with its outcome."""
    result, evidence = item.result, item.evidence
    if evidence is None:
        return result
    share, limit = result.gate.metric.is_share, _with_rounding(result.gate)
    if evidence.lower >= limit if share else evidence.upper <= limit:
        return replace(result, outcome=Outcome.PASSED)
    if result.doubt is None or result.doubt <= rejected:
        return replace(result, outcome=Outcome.FAILED)
    alone = result.doubt <= 1 - CONFIDENCE
    said = f"{result.reason}; alone it would fail, among {family} gates judged together chance explains it"
    return replace(result, reason=said if alone else result.reason, needs=_needs(item, evidence, family))


def _needs(item: _Open, evidence: Evidence, family: int) -> str:
    """Say what would decide: more time, more images, or measuring in turns."""
    gate = item.result.gate
    basis = item.change.basis if item.change else None
    if basis is Basis.BETWEEN_RUNS:
        if gate.metric in PERCENTILES:
            return "measuring both in turns (--interleave) would decide, unless they are at the limit"
        return "repeats of such runs in the same store would narrow it"
    breaks = evidence.value < gate.limit if gate.metric.is_share else evidence.value > gate.limit
    times = times_as_much(*evidence.scaled(gate.limit, 1 - (1 - CONFIDENCE) / family if breaks else CONFIDENCE))
    if times is None:
        return "it is too near the limit to be decided with any effort that is of use"
    return _told_needs(item, max(1.0, times))


def _told_needs(item: _Open, times: float) -> str:
    end = "would decide, if it stays as it is (an estimate)"
    metric, case, label = item.result.gate.metric, item.case, _label_of(item.result)
    if metric.is_share:
        images = (item.change.images if item.change else None) or (_images(case, label) if case else 0)
        return f"about {rounded_up(images * times):,} images in all ({images:,} now) {end}"
    if item.change is not None and item.change.effort_ns is not None:
        return f"about {_seconds(item.change.effort_ns * times)} of --interleave {end}"
    if metric in PERCENTILES and case is not None and case.latency is not None:
        return f"about {math.ceil(case.latency.blocks * times)} blocks (--blocks) {end}"
    return "repeated runs would narrow it"


def _label_of(result: GateResult) -> str | None:
    return result.name[result.name.index("[") + 1 : -1] if "[" in result.name else None


def _seconds(duration_ns: float) -> str:
    seconds = rounded_up(duration_ns / 1e9)
    return f"{seconds} s" if seconds < 120 else f"{math.ceil(seconds / 60)} min"
