"""What to ship: of the cases that keep what a rule asks for, the one with the smallest latency.

Latencies are ranked by their ratio to the common baseline, measured in turns. Cases whose 95 % intervals overlap are
not told apart: a tie, broken by the size of the file. That intervals do not overlap is a stricter demand than a test of
the difference (Schenker and Gentleman, "On judging the significance of differences by examining the overlap between
confidence intervals", The American Statistician 55, 2001): a tie may be a difference that this run did not show, but
hardly the other way round.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

from ..findings import Verdict
from ..records import CaseResult, RunRecord, Status
from ..rule import Rule
from ..summaries import SUMMARIES, is_summary
from .margins import Answer, Keeps, answers_to, together

_USUAL_SCHEMES = ("float16", "dynamic", "int8", "int16x8")


class RankedBy(str, Enum):
    """What "smallest latency" rests on. ``P50``: some case has no ratio, so no difference is supported."""

    RATIO = "ratio"
    P50 = "p50"


class TieBrokenBy(str, Enum):
    """What decided between cases whose latencies are not told apart."""

    SIZE = "size"
    LATENCY = "latency"


@dataclass(frozen=True)
class Span:
    """A latency relative to the baseline's, with its 95 % interval; the baseline's own is exactly 1."""

    ratio: float
    low: float
    high: float


@dataclass(frozen=True)
class Candidate:
    """A case that can be shipped, and what is said to each part of the rule."""

    case: CaseResult
    answers: tuple[Answer, ...]
    span: Span | None

    @property
    def keeps(self) -> Keeps:
        """The answer to the whole rule."""
        return together(self.answers)


@dataclass(frozen=True)
class LeftOut:
    """A case that is no candidate, and why."""

    case: CaseResult
    reason: str


@dataclass(frozen=True)
class Recommendation:
    """What to ship of one model on one device.

    ``candidates`` are in the record's order. ``chosen`` is None where none passes. ``tied`` are the other cases that
    pass and whose latency is not told apart from that of the fastest; ``broken_by`` is None without them. ``pending``
    are undecided candidates each of which would be chosen if it passed, fastest first. ``not_tried`` are usual kinds
    of quantization that no case has.
    """

    model: str
    device: str
    candidates: tuple[Candidate, ...]
    left_out: tuple[LeftOut, ...]
    ranked_by: RankedBy
    chosen: Candidate | None = None
    tied: tuple[Candidate, ...] = ()
    broken_by: TieBrokenBy | None = None
    pending: tuple[Candidate, ...] = ()
    not_tried: tuple[str, ...] = ()

    @property
    def passing(self) -> tuple[Candidate, ...]:
        """The candidates that pass, in the record's order."""
        return tuple(item for item in self.candidates if item.keeps is Keeps.PASSES)


def recommend(record: RunRecord, rule: Rule) -> list[Recommendation]:
    """Return a recommendation for each model and device, in order of first appearance."""
    groups: dict[tuple[str, str], list[CaseResult]] = {}
    for case in record.cases:
        groups.setdefault((case.model, case.device), []).append(case)
    return [_recommendation(model, device, cases, rule) for (model, device), cases in groups.items()]


def unknown_labels(record: RunRecord, rule: Rule) -> tuple[list[str], list[str]]:
    """Return the rule's classes that no model of the run has, and the classes that there are; both empty without any.

    Where no case was judged, nobody knows the classes, and none is called unknown.
    """
    there = list(dict.fromkeys(label for case in record.cases if case.accuracy for label in case.accuracy.labels))
    asked = [item.label for item in rule.criteria if item.label is not None]
    return ([label for label in asked if label not in there], there) if there else ([], [])


def spans(cases: Sequence[CaseResult]) -> list[Span | None]:
    """Return each case's latency relative to the one baseline of all, None where there is none.

    A case that others are compared with is the baseline. With several baselines nothing is comparable.
    """
    baselines = {case.comparison.baseline for case in cases if case.comparison}
    return [_span(case, baselines) if len(baselines) == 1 else None for case in cases]


def _span(case: CaseResult, baselines: set[str]) -> Span | None:
    if case.case_id in baselines:
        return Span(1.0, 1.0, 1.0)
    found = case.comparison
    if found is None or found.ratio is None or found.low is None or found.high is None:
        return None
    return Span(found.ratio, found.low, found.high)


def _recommendation(model: str, device: str, cases: Sequence[CaseResult], rule: Rule) -> Recommendation:
    reasons = [_left_out(case) for case in cases]
    candidates = tuple(
        Candidate(case, _answers(case, cases, rule), span)
        for case, span, reason in zip(cases, spans(cases), reasons, strict=True)
        if reason is None
    )
    left_out = tuple(LeftOut(case, reason) for case, reason in zip(cases, reasons, strict=True) if reason)
    schemes = {name for case in cases for name in (case.file.scheme, case.variant.lower())}
    not_tried = tuple(name for name in _USUAL_SCHEMES if name not in schemes)
    return _ranked(Recommendation(model, device, candidates, left_out, _ranked_by(candidates), not_tried=not_tried))


def _left_out(case: CaseResult) -> str | None:
    if case.status is not Status.OK:
        return f"ended as {case.status.value}"
    if case.latency is None:
        return "not timed"
    if is_summary(case):
        return SUMMARIES
    if case.verdict is Verdict.INVALID:
        worst = next((item.reason for item in case.findings if not item.silenced), "see its findings")
        return f"verdict INVALID ({worst})"
    return None


def _answers(case: CaseResult, cases: Sequence[CaseResult], rule: Rule) -> tuple[Answer, ...]:
    comparison = case.accuracy_comparison
    if comparison is None:
        return (_without_comparison(case, cases),)
    if _same_answers(case, cases):
        return (Answer(Keeps.PASSES, "the float model's own file, with the same answers"),)
    return answers_to(rule, comparison)


def _without_comparison(case: CaseResult, cases: Sequence[CaseResult]) -> Answer:
    if case.accuracy is None:
        reason = case.unavailable.get("accuracy", "accuracy was not measured")
        return Answer(Keeps.UNDECIDED, reason, "a run with --data SOURCE, of images with labels")
    against = {other.accuracy_comparison.against for other in cases if other.accuracy_comparison}
    if case.case_id in against or (not against and len(cases) == 1):
        return Answer(Keeps.PASSES, "what the others are compared with")
    reason = "this record compares it with no float model"
    return Answer(Keeps.UNDECIDED, reason, "a new run, together with the float model")


def _same_answers(case: CaseResult, cases: Sequence[CaseResult]) -> bool:
    """Return whether it is the float model run in another way, and every answer was the same."""
    found = case.accuracy_comparison
    against = next((other for other in cases if found and other.case_id == found.against), None)
    if found is None or found.agreement is None or found.top1 is None or against is None:
        return False
    return against.file.sha256 == case.file.sha256 and found.agreement.top1 == 1.0


def _ranked_by(candidates: Sequence[Candidate]) -> RankedBy:
    return RankedBy.RATIO if all(item.span for item in candidates) else RankedBy.P50


def _ranked(found: Recommendation) -> Recommendation:
    order = sorted(found.candidates, key=_latency if found.ranked_by is RankedBy.P50 else _ratio)
    passing = [item for item in order if item.keeps is Keeps.PASSES]
    undecided = [item for item in order if item.keeps is Keeps.UNDECIDED]
    chosen, tied, broken_by = _choose(passing, found.ranked_by)
    pending = [item for item in undecided if _choose(_in_order(order, [*passing, item]), found.ranked_by)[0] is item]
    return Recommendation(
        found.model, found.device, found.candidates, found.left_out, found.ranked_by,
        chosen, tuple(tied), broken_by, tuple(pending), found.not_tried,
    )  # fmt: skip


def _in_order(order: Sequence[Candidate], chosen: Sequence[Candidate]) -> list[Candidate]:
    return [item for item in order if any(item is other for other in chosen)]


def _choose(
    passing: Sequence[Candidate], ranked_by: RankedBy
) -> tuple[Candidate | None, list[Candidate], TieBrokenBy | None]:
    if not passing:
        return None, [], None
    fastest = passing[0]
    if ranked_by is RankedBy.P50:
        return fastest, [], None
    alike = [item for item in passing if _overlap(item, fastest)]
    chosen = min(alike, key=lambda item: item.case.file.size_bytes)
    if len(alike) == 1:
        return chosen, [], None
    sizes = [item.case.file.size_bytes for item in alike]
    broken_by = TieBrokenBy.SIZE if sizes.count(chosen.case.file.size_bytes) == 1 else TieBrokenBy.LATENCY
    return chosen, [item for item in alike if item is not chosen], broken_by


def _overlap(one: Candidate, fastest: Candidate) -> bool:
    return one.span is not None and fastest.span is not None and one.span.low <= fastest.span.high


def _ratio(item: Candidate) -> float:
    return item.span.ratio if item.span else math.inf


def _latency(item: Candidate) -> float:
    found = item.case.latency
    if found is None:
        return math.inf
    return found.p50_ns if found.p50_ns is not None else found.mean_ns
