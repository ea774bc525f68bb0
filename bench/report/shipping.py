"""The section "What to ship": the recommendation, its rule, each case's answer to it, and what would decide."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from ..analysis.endings import dropped_devices, stopped_by_hand
from ..analysis.margins import Answer, Keeps
from ..analysis.recommendation import Candidate, RankedBy, Recommendation, TieBrokenBy, recommend
from ..analysis.tradeoff import Front, Point, front_of
from ..findings import Verdict
from ..records import Accuracy, CaseResult, RunRecord
from ..rule import DEFAULT_RULE, Measure, Rule
from .naming import who
from .sections import Section
from .tables import Table
from .text import clean, count, joined, milliseconds, multiple

_LINES_SHOWN = 8


def shipping_section(record: RunRecord, table: Table, rule: Rule | None = None, *, whole: bool) -> Section | None:
    """Return what to ship by ``rule``; None where there is nothing to choose by or from.

    Without ``rule`` it is the one that the run was asked for, else the default. Where nobody asked, a run whose models
    have one case each, or that classified no image, has no such section.
    """
    asked = rule or record.rule
    found = recommend(record, asked or DEFAULT_RULE)
    classified = any(case.accuracy or case.accuracy_comparison for case in record.cases)
    choosable = classified and any(len(item.candidates) + len(item.left_out) > 1 for item in found)
    if not asked and not choosable:
        return None
    used = asked or DEFAULT_RULE
    by = f"Rule{'' if asked else ' (the default; --recommend takes another)'}: {clean(used.words)}."
    if stopped_by_hand(record):
        stopped = "The run was stopped by hand: nothing is recommended."
        return Section("shipping", "What to ship", lines=(stopped, by), answers=1)
    away = dropped_devices(record)
    told = [_Group(item, table, used, headed=len(found) > 1) for item in found if item.device not in away]
    answers = [group.answer() for group in told] + _reservations(record)
    answers += [f"{clean(device)} dropped out: nothing is recommended for it." for device in away]
    reasons = [line for group in told for line in group.details(whole=whole)]
    return Section("shipping", "What to ship", lines=(*answers, by, *reasons), answers=len(answers))


def _reservations(record: RunRecord) -> list[str]:
    found = []
    if record.data is not None and record.data.generated:
        found.append("The images are generated: this shows how the rule works, not what to ship.")
    notes = (note for case in record.cases if case.accuracy_comparison for note in case.accuracy_comparison.notes)
    found += [f"To know: {clean(note)}." for note in dict.fromkeys(notes)]
    return found


class _Group:
    """The sentences about one model on one device."""

    def __init__(self, found: Recommendation, table: Table, rule: Rule, *, headed: bool) -> None:
        self._found = found
        on_device = len({row.case.device for row in table.rows}) > 1
        self._labels = table.names.labels if headed and not on_device else table.names.within
        self._rule = rule
        self._everyone = [item.case for item in found.candidates] + [item.case for item in found.left_out]
        place = f" on {clean(found.device)}" if on_device else ""
        self._head = f"{clean(found.model)}{place}: " if headed else ""

    def answer(self) -> str:
        """Return the recommendation, or why there is none."""
        chosen = self._found.chosen
        if chosen is None:
            return f"{self._head}No recommendation: {self._why_none()}.{self._if_it_passed()}"
        sentences = [f"Ship {self._name(chosen)}: {self._why(chosen)}."]
        if self._found.tied:
            sentences.append(self._tie())
        if self._found.ranked_by is RankedBy.P50 and len(self._found.candidates) > 1:
            sentences.append(
                "That is by p50 alone: a case has no ratio here, so no difference in latency is supported."
            )
        sentences += self._doubts(chosen)
        return f"{self._head}{' '.join(sentences)}{self._if_it_passed()}"

    def details(self, *, whole: bool) -> list[str]:
        """Return each case's answer, what would decide, and the front."""
        lines = [*self._judged(), *self._left_out()]
        if not whole and len(lines) > _LINES_SHOWN + 1:
            more = count(len(lines) - _LINES_SHOWN, "more line like these", "more lines like these")
            lines = [*lines[:_LINES_SHOWN], f"And {more} (--format md and html have all)."]
        return [self._head + line for line in [*lines, *self._deciding(), *self._front()]]

    def _name(self, item: Candidate) -> str:
        return self._labels[item.case.case_id]

    def _names(self, cases: Iterable[CaseResult]) -> str:
        return joined(who(self._labels, list(cases), self._everyone))

    def _why_none(self) -> str:
        if not self._found.candidates:
            return "no case can be judged"
        first = self._found.candidates[0].answers
        if all(item.answers == first for item in self._found.candidates) and len(first) == 1:
            return clean(first[0].reason)
        return "no case is shown to keep to the rule"

    def _why(self, chosen: Candidate) -> str:
        passing, everyone = len(self._found.passing), len(self._found.candidates)
        if everyone == 1:
            return f"the only case that can be judged, so there was nothing to choose; {self._latency(chosen)}"
        if passing == 1:
            return f"no other case is shown to keep to the rule; {self._latency(chosen)}"
        rank = "one of the fastest" if self._found.tied else "the fastest"
        return f"{rank} of {passing} that keep to the rule ({everyone} judged); {self._latency(chosen)}"

    def _latency(self, item: Candidate) -> str:
        p50 = item.case.latency.p50_ns if item.case.latency else None
        measured = f"p50 {milliseconds(p50)} ms" if p50 is not None else "p50 not known"
        if item.span is None or item.span.low == item.span.high:
            return measured
        span = item.span
        return f"{measured}, {multiple(span.ratio)} of the baseline's ({multiple(span.low)} to {multiple(span.high)})"

    def _if_it_passed(self) -> str:
        pending = [item.case for item in self._found.pending if any(answer.needs for answer in item.answers)]
        if not pending or not any(case.accuracy_comparison for case in pending):
            return ""
        names = " or ".join(who(self._labels, pending, self._everyone))
        return f" Undecided, and the choice if shown to keep to the rule: {names}."

    def _tie(self) -> str:
        names = self._names(item.case for item in self._found.tied)
        decided = "the smaller file" if self._found.broken_by is TieBrokenBy.SIZE else "the smaller ratio"
        return f"Its latency is not told apart from that of {names}: {decided} decided."

    def _doubts(self, chosen: Candidate) -> list[str]:
        found = []
        if chosen.case.verdict is Verdict.SUSPECT:
            found.append("Its verdict is suspect: look at the reasons first.")
        others = [item.case for item in self._found.candidates if item.case.verdict is Verdict.SUSPECT]
        others = [case for case in others if case is not chosen.case]
        if others:
            found.append(f"Suspect, too: {self._names(others)}." if found else f"Suspect: {self._names(others)}.")
        invalid = {item.case.case_id for item in self._found.left_out if item.case.verdict is Verdict.INVALID}
        if any(item.case.comparison and item.case.comparison.baseline in invalid for item in self._found.candidates):
            found.append("The timing of the baseline is INVALID, and ratios rest on it.")
        return found

    def _judged(self) -> list[str]:
        same: dict[tuple[Answer, ...], list[CaseResult]] = {}
        for item in sorted(self._found.candidates, key=lambda item: list(Keeps).index(item.keeps)):
            same.setdefault(item.answers, []).append(item.case)
        words = {answers: _answer_words(answers) for answers in same}
        return [f"{self._names(cases)} {words[answers]}" for answers, cases in same.items()]

    def _left_out(self) -> list[str]:
        reasons: dict[str, list[CaseResult]] = {}
        for item in self._found.left_out:
            reasons.setdefault(clean(item.reason), []).append(item.case)
        return [f"{self._names(cases)} left out: {reason}." for reason, cases in reasons.items()]

    def _deciding(self) -> list[str]:
        """Say what would decide about cases that might be the better choice, or what has not been tried."""
        found = self._found
        needs: dict[tuple[str, ...], list[CaseResult]] = {}
        for item in found.pending:
            told = tuple(answer.needs for answer in item.answers if answer.needs)
            needs.setdefault(told, []).append(item.case)
        lines = [
            f"To decide about {self._names(cases)}: {clean('; '.join(told))}." for told, cases in needs.items() if told
        ]
        stays = found.chosen is None or (found.chosen.span is not None and found.chosen.span.low == 1.0)
        failing = any(item.keeps is Keeps.FAILS for item in found.candidates)
        if stays and failing and not found.pending and found.not_tried:
            lines.append(f"Not in this run: {joined(found.not_tried)}; one of them may be faster and keep to the rule.")
        return lines

    def _front(self) -> list[str]:
        value, figure = _accuracy_of(self._rule)
        points = [
            Point(item.case, item.span, _peak(item.case), item.case.file.size_bytes, value(item.case.accuracy))
            for item in self._found.candidates
            if item.span is not None
        ]
        if len(points) < 2 or len(points) < len(self._found.candidates):
            return []
        front = front_of(points)
        said = [f"Front of {_figures(front, figure)}: {self._names(_on(front))}."]
        close = {one.case.case_id: one for one in front.standings if one.not_told_from is not None}
        for one in close.values():
            if one.not_told_from is not None:
                rival = self._labels[one.not_told_from.case_id]
                said.append(
                    f"{self._labels[one.case.case_id]} is better than {rival} in nothing, but their latencies are not "
                    "told apart."
                )
        beaten = [one for one in front.standings if one.beaten_by is not None]
        if beaten:
            pairs = [f"{self._labels[one.case.case_id]} ({self._beater(one.beaten_by)})" for one in beaten]
            said.append(f"Better in nothing than a faster case: {joined(pairs)}.")
        return [" ".join(said)]

    def _beater(self, case: CaseResult | None) -> str:
        return self._labels[case.case_id] if case else ""


def _answer_words(answers: Sequence[Answer]) -> str:
    # A failure is told first: it is what decides.
    order = (Keeps.FAILS, Keeps.UNDECIDED, Keeps.PASSES)
    told = sorted(answers, key=lambda answer: order.index(answer.keeps))
    keeps = told[0].keeps.value
    return f"{keeps}: {clean('; '.join(answer.reason for answer in told))}."


def _accuracy_of(rule: Rule) -> tuple[Callable[[Accuracy | None], float | None], str]:
    """Return how to read the figure that the rule names first, and its name."""
    first = rule.criteria[0] if rule.criteria else DEFAULT_RULE.criteria[0]

    def value(accuracy: Accuracy | None) -> float | None:
        if accuracy is None:
            return None
        if first.measure is Measure.TOP1:
            return accuracy.top1
        if first.measure is Measure.BALANCED:
            return accuracy.balanced_accuracy
        return next((item.recall for item in accuracy.classes if item.label == first.label), None)

    return value, clean(first.figure)


def _peak(case: CaseResult) -> int | None:
    return case.memory.peak_rss_bytes if case.memory else None


def _figures(front: Front, accuracy: str) -> str:
    names = [
        "latency",
        "size",
        *(["peak memory"] if front.with_peak else []),
        *([accuracy] if front.with_accuracy else []),
    ]
    return f"{', '.join(names[:-1])} and {names[-1]}"


def _on(front: Front) -> list[CaseResult]:
    return [one.case for one in front.standings if one.beaten_by is None]
