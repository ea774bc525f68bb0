"""Sentences that are true of the record as it stands: smallest and largest, the front, what recall costs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol, TypeVar

from ..analysis.endings import dropped_devices, stopped_by_hand
from ..records import AccuracyVerdict, CaseResult, RunRecord, Status
from ..summaries import is_summary
from .cost_summary import agreement_sentence, cost_sentences
from .costs import compared_results, cost_tables
from .front import non_dominated, with_ties
from .naming import who
from .recall import RecallRow, recall_tables
from .tables import Row, Table
from .text import clean, count, joined
from .verdicts import verdict_sentence

_GROUPS_SHOWN = 4


def accuracy_key(rows: Sequence[Row]) -> str | None:
    """Return the accuracy column that all rows with accuracy share: balanced, else top-1; None without accuracy."""
    scored = [row for row in rows if row.case.accuracy]
    if not scored:
        return None
    return "balanced" if all(row.cells["balanced"].value is not None for row in scored) else "top1"


def front_rows(rows: Sequence[Row]) -> list[Row]:
    """Return the rows that no other beats in p50 latency and accuracy, by rising latency; empty without accuracy.

    A row whose latency is not told apart from that of one on the front, with the same accuracy, is on it, too.
    """
    key = accuracy_key(rows)
    if key is None:
        return []
    front = non_dominated([(row.cells["p50"].value, row.cells[key].value) for row in rows])
    return [rows[i] for i in with_ties(front, [(row.case, row.cells[key].value) for row in rows])]


def summary(record: RunRecord, table: Table) -> list[str]:
    """Return the sentences for the top of a report; several models get one each, at most four are spelt out."""
    away = dropped_devices(record)
    groups = [(title, rows) for title, rows in table.groups() if rows[0].case.device not in away]
    sentences = [f"{clean(device)} dropped out: its rows are not complete and are not ranked." for device in away]
    if stopped_by_hand(record):
        sentences.append("The run was stopped by hand: its rows are not complete and are not ranked.")
        sentences += cost_sentences(cost_tables(record, table.names))
    elif len(groups) == 1 and not away:
        rows = groups[0][1]
        tested = _cost_sentences(record, table, rows)
        sentences += tested + _extremes(rows) + _front(rows)
        sentences += [] if tested else _recall_cost(record, table, rows)
    else:
        told = [
            (title, _cost_sentences(record, table, rows) + _extremes(rows) + _front(rows)) for title, rows in groups
        ]
        sentences += [f"{title}: {' '.join(text)}" for title, text in told[:_GROUPS_SHOWN] if text]
        if len(groups) > _GROUPS_SHOWN:
            sentences.append(f"And {count(len(groups) - _GROUPS_SHOWN, 'more model')} in the table.")
    sentences += verdict_sentence(record.cases)
    unfinished = sum(case.status is not Status.OK for case in record.cases)
    if unfinished:
        sentences.append(f"{unfinished} of {count(len(record.cases), 'case')} did not finish; the reasons are listed.")
    return sentences


def _extremes(rows: Sequence[Row]) -> list[str]:
    """Return one sentence with the smallest latency, best accuracy, smallest file and lowest peak, ties named."""
    # What another program reported is not ranked among what was measured here.
    rows = [row for row in rows if not is_summary(row.case)] or rows
    if len(rows) < 2:
        return []
    key = accuracy_key(rows)
    asked: list[tuple[str, str, Callable[[Sequence[float]], float], str]] = [
        ("lowest p50 latency", "p50", min, " ms"),
        ("smallest file", "size", min, " MB"),
        ("lowest peak memory", "peak", min, " MB"),
    ]
    if key:
        name = "balanced accuracy" if key == "balanced" else "top-1 accuracy"
        asked.insert(1, (f"highest {name}", key, max, ""))
    parts = [part for title, column, pick, unit in asked if (part := _extreme(rows, title, column, pick, unit))]
    text = "; ".join(parts)
    return [text[0].upper() + text[1:] + "."] if text else []


def _extreme(
    rows: Sequence[Row], title: str, column: str, pick: Callable[[Sequence[float]], float], unit: str
) -> str | None:
    values = [value for row in rows if (value := row.cells[column].value) is not None]
    if not values:
        return None
    best = pick(values)
    shown = next(row.cells[column].text for row in rows if row.cells[column].value == best)
    # What reads the same is not ranked: rows that show the best figure share it.
    best_rows = [row for row in rows if row.cells[column].text == shown and row.cells[column].value is not None]
    if len(best_rows) == len(rows):
        return f"{title}: the same for all ({shown}{unit})"
    doubt = _doubt(best_rows, rows, column)
    return f"{title}: {joined(_short(best_rows, rows))} ({shown}{unit}{doubt})"


def _doubt(best: Sequence[Row], rows: Sequence[Row], column: str) -> str:
    """Return that a highest accuracy may be chance: nothing was shown between it and the baseline or the others."""
    field = {"balanced": "balanced_accuracy", "top1": "top1"}.get(column)
    if field is None:
        return ""
    best_ids = {row.case.case_id for row in best}
    with_base = any(row.case.accuracy_comparison is None for row in best)
    # A baseline at the top has been compared by the others.
    asked = [row.case.accuracy_comparison for row in rows if (row.case.case_id in best_ids) is not with_base]
    verdicts = [item.verdict for comparison in asked if (item := getattr(comparison, field, None))]
    if not verdicts or any(verdict is not AccuracyVerdict.NONE_SHOWN for verdict in verdicts):
        return ""
    return f"; no difference to the {'others' if with_base else 'baseline'} shown"


def _short(chosen: Sequence[Row], rows: Sequence[Row]) -> list[str]:
    names = {row.case.case_id: row.within for row in rows}
    return who(names, [row.case for row in chosen], [row.case for row in rows])


def _front(rows: Sequence[Row]) -> list[str]:
    front = front_rows(rows)
    if len(rows) < 2 or not front:
        return []
    names = joined([row.within for row in front], 6)
    if len(front) == 1:
        return [f"No other case is faster or more accurate than {names}."]
    return [f"Front of p50 latency and accuracy (no other case is better in one and not worse in the other): {names}."]


def _cost_sentences(record: RunRecord, table: Table, rows: Sequence[Row]) -> list[str]:
    ids = {row.case.case_id for row in rows}
    tables = [
        costs for costs in cost_tables(record, table.names) if any(case.case_id in ids for case in costs.base.cases)
    ]
    if tables:
        return cost_sentences(tables)
    compared = compared_results(record, table.names)
    return agreement_sentence([item for item in compared if item.result.first.case_id in ids])


def _recall_cost(record: RunRecord, table: Table, rows: Sequence[Row]) -> list[str]:
    """Say, for up to three variants, which class loses most recall against float32 in the same group."""
    ids = {row.case.case_id for row in rows}
    results = [
        result
        for found in recall_tables(record, table.names)
        for result in found.rows
        if any(case.case_id in ids for case in result.cases)
    ]
    base = reference(results)
    if base is None:
        return []
    drops = [(drop, result) for result in results if result is not base and (drop := _largest_drop(base, result))]
    drops.sort(key=lambda item: item[0][0])
    said = "; ".join(
        f"{result.short}, {clean(label)} {before:.3f} to {after:.3f} (n = {support:,})"
        for (_, label, before, after, support), result in drops[:3]
    )
    return [f"Largest losses of recall against {base.short}, one class each: {said}."] if said else []


class _Variant(Protocol):
    @property
    def cases(self) -> tuple[CaseResult, ...]: ...


Found = TypeVar("Found", bound=_Variant)


def reference(results: Sequence[Found]) -> Found | None:
    """Return the first result of a float32 variant, by its name or its file's scheme; None where there is none."""
    for result in results:
        case = result.cases[0]
        if case.variant.lower() in ("float32", "fp32", "f32") or case.file.scheme == "float32":
            return result
    return None


def _largest_drop(base: RecallRow, result: RecallRow) -> tuple[float, str, float, float, int] | None:
    if base.accuracy.labels != result.accuracy.labels:
        return None
    drops = [
        (new.recall - old.recall, old.label, old.recall, new.recall, old.support)
        for old, new in zip(base.accuracy.classes, result.accuracy.classes, strict=True)
        if old.support == new.support and old.recall is not None and new.recall is not None and new.recall < old.recall
    ]
    return min(drops) if drops else None
