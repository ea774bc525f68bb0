"""Per-class figures by variant: cases that gave the same answers to every image class share a row."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..records import Accuracy, CaseResult, ClassMetrics, RunRecord
from .naming import Names
from .results import distinct_results
from .tables import Cell
from .text import ABSENT, clean, joined, known, ratio

NO_IMAGE = "no image of this class"


@dataclass(frozen=True)
class RecallRow:
    """One distinct result: ``cases`` lists those that gave it, ``cells`` has one recall per class.

    ``name`` is unique in the run, ``short`` in the results of its model.
    """

    name: str
    short: str
    cases: tuple[CaseResult, ...]
    accuracy: Accuracy
    cells: tuple[Cell, ...]


@dataclass(frozen=True)
class RecallTable:
    """Results of models that share their labels. ``support[i]`` is the number of images of class i."""

    title: str
    labels: tuple[str, ...]
    support: tuple[str, ...]
    rows: tuple[RecallRow, ...]
    absences: tuple[str, ...]

    def lowest(self, limit: int) -> list[int]:
        """Return the indices of at most ``limit`` classes, those with the lowest recall anywhere, in label order."""
        if len(self.labels) <= limit:
            return list(range(len(self.labels)))
        return sorted(sorted(range(len(self.labels)), key=self._worst)[:limit])

    def _worst(self, index: int) -> float:
        recalls = [value for row in self.rows if (value := row.cells[index].value) is not None]
        return min(recalls, default=2.0)


def recall_tables(record: RunRecord, names: Names) -> list[RecallTable]:
    """Return one table per set of labels, in order of first appearance; empty without accuracy."""
    by_labels: dict[tuple[str, ...], list[CaseResult]] = {}
    for case in record.cases:
        if case.accuracy:
            by_labels.setdefault(case.accuracy.labels, []).append(case)
    return [_table(labels, cases, names, len(by_labels) > 1) for labels, cases in by_labels.items()]


def _table(labels: tuple[str, ...], cases: Sequence[CaseResult], names: Names, several: bool) -> RecallTable:
    models = list(dict.fromkeys(clean(case.model) for case in cases))
    rows = tuple(_rows(cases, names))
    return RecallTable(
        title=joined(models) if several else "",
        labels=tuple(clean(label) for label in labels),
        support=tuple(_support(rows, index) for index in range(len(labels))),
        rows=rows,
        absences=tuple(_absences(labels, rows)),
    )


def _rows(cases: Sequence[CaseResult], names: Names) -> list[RecallRow]:
    rows = []
    for result in distinct_results(cases, names):
        accuracy = result.first.accuracy
        if accuracy:
            cells = tuple(_cell(item) for item in accuracy.classes)
            rows.append(RecallRow(result.name, result.short, result.cases, accuracy, cells))
    return rows


def _cell(item: ClassMetrics) -> Cell:
    if item.recall is not None and known(item.recall):
        return Cell(ratio(item.recall), item.recall)
    return Cell(ABSENT, reason=NO_IMAGE if not item.support else "not recorded")


def _support(rows: Sequence[RecallRow], index: int) -> str:
    counts = sorted({row.accuracy.classes[index].support for row in rows if index < len(row.accuracy.classes)})
    return "?" if not counts else str(counts[0]) if len(counts) == 1 else f"{counts[0]}–{counts[-1]}"


def _absences(labels: Sequence[str], rows: Sequence[RecallRow]) -> list[str]:
    by_reason: dict[str, dict[str, None]] = {}
    for row in rows:
        for label, cell in zip(labels, row.cells, strict=False):
            if cell.reason:
                by_reason.setdefault(cell.reason, {})[clean(label)] = None
    return [f"{ABSENT} recall of {joined(list(found))}: {reason}" for reason, found in by_reason.items()]
