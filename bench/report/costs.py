"""What each variant costs each class against its baseline, in a form that all reports share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ..records import Accuracy, AccuracyComparison, AccuracyVerdict, CaseResult, PairedDifference, RunRecord
from .naming import Names
from .results import Result, judged_results
from .text import clean, count, points, probability

MARKS: Mapping[AccuracyVerdict, str] = {
    AccuracyVerdict.WORSE: "worse",
    AccuracyVerdict.BETTER: "better",
    AccuracyVerdict.NONE_SHOWN: "≈",
}


@dataclass(frozen=True)
class Compared:
    """A result and what its answers come to against those of ``base``, as its first case was compared."""

    result: Result
    base: Result
    found: AccuracyComparison

    def of_class(self, label: str) -> PairedDifference | None:
        """Return the difference of a class, None where there is none."""
        return next((item for item in self.found.classes if item.name == label), None)

    @property
    def everything(self) -> tuple[PairedDifference, ...]:
        """All differences: classes first, then balanced accuracy and top-1, where they are known."""
        overall = (self.found.balanced_accuracy, self.found.top1)
        return (*self.found.classes, *(item for item in overall if item))

    @property
    def unchanged(self) -> bool:
        """Whether every image has the baseline's answer."""
        return self.found.agreement is not None and self.found.agreement.top1 == 1.0


@dataclass(frozen=True)
class CostRow:
    """A class, or all images (``overall``): the baseline's own figure, and the difference of each other result."""

    title: str
    images: int
    figure: float | None
    bounds: tuple[float, float] | None
    cells: tuple[PairedDifference | None, ...]
    overall: bool = False


@dataclass(frozen=True)
class CostTable:
    """Results of one model that were compared by class with one baseline. ``labels`` are the baseline's, as recorded.

    ``title`` names the model, and the baseline where the model has several; it is empty where the run has one table.
    """

    title: str
    base: Result
    accuracy: Accuracy
    costs: tuple[Compared, ...]

    @property
    def labels(self) -> tuple[str, ...]:
        """The classes that have images, in the baseline's order."""
        return tuple(item.label for item in self.accuracy.classes if item.support)

    def chosen(self, limit: int) -> tuple[str, ...]:
        """Return at most ``limit`` classes in order: those that changed most clearly, by p, then by size."""
        if len(self.labels) <= limit:
            return self.labels
        kept = set(sorted(self.labels, key=self._clearest)[:limit])
        return tuple(label for label in self.labels if label in kept)

    def rows(self, limit: int) -> list[CostRow]:
        """Return a row for each of at most ``limit`` classes, then balanced accuracy and top-1."""
        by_label = {item.label: item for item in self.accuracy.classes}
        found = []
        for label in self.chosen(limit):
            item = by_label[label]
            cells = tuple(cost.of_class(label) for cost in self.costs)
            found.append(CostRow(clean(label), item.support, item.recall, item.intervals.get("recall"), cells))
        return [
            *found,
            self._over_all("bal. acc.", "balanced_accuracy", [cost.found.balanced_accuracy for cost in self.costs]),
            self._over_all("top-1", "top1", [cost.found.top1 for cost in self.costs]),
        ]

    def _over_all(self, title: str, field: str, cells: Sequence[PairedDifference | None]) -> CostRow:
        value: float | None = getattr(self.accuracy, field)
        bounds = self.accuracy.intervals.get(field)
        return CostRow(title, self.accuracy.images, value, bounds, tuple(cells), overall=True)

    def _clearest(self, label: str) -> tuple[float, float]:
        found = [item for cost in self.costs if (item := cost.of_class(label))]
        return (
            min((item.p for item in found if item.p is not None), default=1.0),
            -max((abs(item.difference) for item in found if item.difference is not None), default=0.0),
        )


def compared_results(record: RunRecord, names: Names) -> list[Compared]:
    """Return every result that was compared with another one, in the record's order."""
    results = judged_results(record, names)
    by_case = {case.case_id: result for result in results for case in result.cases}
    cases = {case.case_id: case for case in record.cases}
    found = []
    for result in results:
        comparison = result.first.accuracy_comparison
        if comparison is not None:
            base = by_case.get(comparison.against) or _lone(comparison.against, cases, names)
            found += [Compared(result, base, comparison)] if base else []
    return found


def _lone(case_id: str, cases: Mapping[str, CaseResult], names: Names) -> Result | None:
    """Return a baseline that no comparison or accuracy makes a result: images without labels, or one that failed."""
    if case_id not in cases:
        return None
    return Result(names.labels[case_id], names.short[case_id], (cases[case_id],))


def cost_tables(record: RunRecord, names: Names) -> list[CostTable]:
    """Return a table for each model and baseline that something was compared with by class."""
    by_base: dict[tuple[str, str], list[Compared]] = {}
    for cost in compared_results(record, names):
        if cost.found.classes and cost.base.first.accuracy:
            by_base.setdefault((cost.result.first.model, cost.base.name), []).append(cost)
    models = [model for model, _ in by_base]
    tables = []
    for (model, _), costs in by_base.items():
        base = costs[0].base
        title = clean(model) if len(by_base) > 1 else ""
        if models.count(model) > 1:
            title += f", against {base.short}"
        if base.first.accuracy:
            tables.append(CostTable(title, base, base.first.accuracy, tuple(costs)))
    return tables


def mark(item: PairedDifference) -> str:
    """Return ``worse``, ``better`` or ``≈``; empty where there is no verdict."""
    return MARKS[item.verdict] if item.verdict else ""


def points_of(item: PairedDifference) -> str:
    """Return the difference in points, empty where it is unknown."""
    return "" if item.difference is None else points(item.difference)


def span(item: PairedDifference) -> str:
    """Return the difference's interval in points, ``−14.1 to −4.2``; empty where it is unknown."""
    return "" if item.low is None or item.high is None else f"{points(item.low)} to {points(item.high)}"


def chance(item: PairedDifference) -> str:
    """Return ``p 0.012``, adjusted where several classes were looked at; empty where no answer changed."""
    value = item.p if item.p_holm is None else item.p_holm
    return "" if value is None or not (item.gained or item.lost) else f"p {probability(value)}"


def turnover(item: PairedDifference) -> str:
    """Return ``5 gained, 21 lost``, or that no answer changed."""
    return f"{item.gained} gained, {item.lost} lost" if item.gained or item.lost else "none changed"


def could_show(item: PairedDifference) -> str:
    """Return the smallest difference that would have been found, in points; empty where none would."""
    return "" if item.detectable is None else f"{100 * item.detectable:.1f}"


def unshowable(costs: Sequence[Compared]) -> list[str]:
    """Return a line for each reason why a difference or its smallest size is absent, with the classes."""
    found: dict[str, dict[str, None]] = {}
    for cost in costs:
        for item in (item for item in cost.everything if item.images):
            for reason in item.unavailable.values():
                found.setdefault(clean(reason), {})[clean(item.name)] = None
    return [f"– {', '.join(labels)}: {reason}" for reason, labels in found.items()]


def class_count(costs: Sequence[Compared]) -> str:
    """Return how many classes were looked at together: ``7 classes``."""
    return count(max((sum(item.p is not None for item in cost.found.classes) for cost in costs), default=0), "class",
                 "classes")  # fmt: skip
