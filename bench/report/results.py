"""Distinct results: cases of one variant that gave the same answers are shown once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ..records import AccuracyComparison, CaseResult, RunRecord
from .naming import Names
from .text import joined


@dataclass(frozen=True)
class Result:
    """Cases of one variant that gave the same answers.

    ``name`` is unique in the run, ``short`` in the results of its model.
    """

    name: str
    short: str
    cases: tuple[CaseResult, ...]

    @property
    def first(self) -> CaseResult:
        """The case that stands for the others."""
        return self.cases[0]


def judged_results(record: RunRecord, names: Names) -> list[Result]:
    """Return the results of all cases that classified images, with labels or without, in the record's order."""
    return distinct_results([case for case in record.cases if case.accuracy or case.accuracy_comparison], names)


def distinct_results(cases: Sequence[CaseResult], names: Names) -> list[Result]:
    """Return one result for each variant and set of answers, in order of first appearance."""
    same: dict[tuple[str, str, object], list[CaseResult]] = {}
    for case in cases:
        same.setdefault((case.model, case.variant, _answers(case)), []).append(case)
    variants = [(model, variant) for model, variant, _ in same]
    results = []
    for (model, variant, _), members in same.items():
        only = variants.count((model, variant)) == 1
        called = (_name(members, names.labels, names, only), _name(members, names.short, names, only))
        results.append(Result(*called, tuple(members)))
    return results


def _answers(case: CaseResult) -> object:
    figures: object = None
    if case.accuracy:
        by_class = tuple((item.recall, item.precision, item.f1) for item in case.accuracy.classes)
        figures = (case.accuracy.confusion, by_class)
    return figures, _compared(case.accuracy_comparison)


def _compared(found: AccuracyComparison | None) -> object:
    """Return what two cases share that changed alike, whichever case they were compared with.

    No change at all is None, as of a baseline: a float32 case with two threads is compared with the one with one.
    """
    if found is None:
        return None
    alike = found.agreement.top1 if found.agreement else None
    changes = tuple((item.name, item.gained, item.lost) for item in found.classes)
    unchanged = alike == 1.0 and not any(gained or lost for _, gained, lost in changes)
    return None if unchanged else (changes, alike)


def _name(members: Sequence[CaseResult], called: Mapping[str, str], names: Names, only: bool) -> str:
    labels = [called[case.case_id] for case in members]
    how = names.how[members[0].case_id]
    # Where a variant answers the same however it runs, how it ran is left out.
    return labels[0].removesuffix(how).strip() if only and how else joined(labels, 2)
