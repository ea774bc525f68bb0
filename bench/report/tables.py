"""The main table: the one place that decides columns, rounding, units and what is said about an absent value."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from ..findings import Verdict
from ..records import CaseResult, Coverage, Difference, RunRecord, Status
from ..summaries import SUMMARIES, is_summary
from .naming import Names, name_cases, who
from .text import ABSENT, UNKNOWN, clean, interval, joined, known, megabytes, milliseconds, multiple, ratio

NOT_RECORDED = "not recorded"
#: How a verdict stands in tables.
WORDS: Mapping[Verdict, str] = {Verdict.VALID: "ok", Verdict.SUSPECT: "suspect", Verdict.INVALID: "INVALID"}


@dataclass(frozen=True)
class Cell:
    """One value as shown, with the number behind it, or the reason why there is none."""

    text: str
    value: float | None = None
    reason: str | None = None


@dataclass(frozen=True)
class Column:
    """A column. ``unit`` is the heading's second part; ``minor`` columns may go where space is short."""

    key: str
    name: str
    unit: str = ""
    minor: bool = False

    @property
    def title(self) -> str:
        """The heading on one line."""
        return f"{self.name} {self.unit}".strip()

    @property
    def numeric(self) -> bool:
        """Whether the column holds plain numbers, to be aligned at the decimal point."""
        return self.key not in ("nodes", "ratio", "interval", "verdict")


@dataclass(frozen=True)
class Row:
    """One case in the main table. ``cells`` maps a column's key to what is shown.

    ``label`` is unique in the run, ``short`` in the rows of its model, ``within`` in those of its model and device.
    """

    case: CaseResult
    label: str
    short: str
    within: str
    how: str
    how_within: str
    cells: Mapping[str, Cell]

    @property
    def variant(self) -> str:
        """The variant's name, safe to show."""
        return clean(self.case.variant)


@dataclass(frozen=True)
class Table:
    """The main table: rows grouped by model and device, and why some values are absent."""

    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    names: Names
    absences: tuple[str, ...]

    def groups(self) -> list[tuple[str, list[Row]]]:
        """Return rows by model and device, in order of first appearance, under a heading each."""
        several_devices = len({row.case.device for row in self.rows}) > 1
        found: dict[tuple[str, str], list[Row]] = {}
        for row in self.rows:
            found.setdefault((row.case.model, row.case.device), []).append(row)
        return [
            (f"{clean(model)} on {clean(device)}" if several_devices else clean(model), members)
            for (model, device), members in found.items()
        ]


_MEASURED = (
    Column("size", "size", "MB"),
    Column("load", "load", "ms", minor=True),
    Column("first", "first", "ms", minor=True),
    Column("p50", "p50", "ms"),
    Column("p90", "p90", "ms", minor=True),
    Column("peak", "peak", "MB"),
    Column("nodes", "delegated", "nodes"),
)
_RATIO = Column("ratio", "against", "base")
_VERDICT = Column("verdict", "verdict")
_ACCURACY = (Column("top1", "top-1"), Column("balanced", "bal.", "acc."))
_INTERVAL = Column("interval", "bal. acc.", "95 %", minor=True)


def has_accuracy(record: RunRecord) -> bool:
    """Return whether any case carries accuracy."""
    return any(case.accuracy for case in record.cases)


def is_measured(case: CaseResult) -> bool:
    """Return whether the case has anything to show in the table: a failed case may have got part of the way."""
    return case.status is Status.OK or any((case.load_ns, case.latency, case.memory, case.accuracy))


def rows(record: RunRecord) -> list[Row]:
    """Return the table's rows in the record's order; cases that measured nothing have none."""
    return list(build_table(record).rows)


def build_table(record: RunRecord) -> Table:
    """Return the main table of ``record``."""
    names = name_cases(record.cases)
    columns = _columns(record)
    built = tuple(_row(case, names, columns) for case in record.cases if is_measured(case))
    return Table(columns, built, names, tuple(_absences(columns, built, names)))


def _columns(record: RunRecord) -> tuple[Column, ...]:
    columns = list(_MEASURED)
    if any(case.comparison for case in record.cases):
        columns.insert([column.key for column in columns].index("p90"), _RATIO)
    columns += _ACCURACY if has_accuracy(record) else ()
    columns += [_INTERVAL] if any(_balanced_interval(case) for case in record.cases) else []
    columns += [_VERDICT] if any(case.verdict for case in record.cases) else ()
    return tuple(columns)


def _row(case: CaseResult, names: Names, columns: Sequence[Column]) -> Row:
    cells = {column.key: _CELLS[column.key](case) for column in columns}
    called = (names.labels, names.short, names.within, names.how, names.how_within)
    label, short, within, how, how_within = (found[case.case_id] for found in called)
    return Row(case, label, short, within, how, how_within, cells)


def _cell(value: float | None, show: Callable[[float], str], reason: str | None) -> Cell:
    if value is not None and known(value):
        return Cell(show(value), value)
    if value is not None:
        return Cell(ABSENT, reason="the recorded value is not a finite number")
    return Cell(ABSENT, reason=clean(reason or NOT_RECORDED))


def _size(case: CaseResult) -> Cell:
    return _cell(case.file.size_bytes, megabytes, case.file.unavailable.get("size_bytes"))


def _load(case: CaseResult) -> Cell:
    return _cell(case.load_ns, milliseconds, _stopped(case))


def _first(case: CaseResult) -> Cell:
    return _cell(case.first_inference_ns, milliseconds, _stopped(case))


def _percentile(field: str) -> Callable[[CaseResult], Cell]:
    def cell(case: CaseResult) -> Cell:
        if case.latency is None:
            return Cell(ABSENT, reason=_stopped(case) or "no steady samples")
        value: float | None = getattr(case.latency, field)
        return _cell(value, milliseconds, case.latency.unavailable.get(field))

    return cell


def _ratio(case: CaseResult) -> Cell:
    """Show ``0.599 ±0.9%``: the ratio to the baseline and half its interval's width; ≈ no difference shown."""
    found = case.comparison
    if is_summary(case):
        return Cell(ABSENT, reason=_stopped(case) or SUMMARIES)
    if found is None:
        return Cell("base", 1.0) if case.latency else Cell(ABSENT, reason=_stopped(case) or "not compared")
    if found.ratio is None or found.low is None or found.high is None:
        return Cell(ABSENT, reason=_stopped(case) or clean(found.unavailable.get("ratio", NOT_RECORDED)))
    percent = 100 * (math.sqrt(found.high / found.low) - 1)
    mark = "≈" if found.difference is Difference.NONE_SHOWN else ""
    return Cell(f"{multiple(found.ratio)} ±{percent:.{1 if percent < 9.95 else 0}f}%{mark}", found.ratio)


def _peak(case: CaseResult) -> Cell:
    if case.memory is None:
        return Cell(ABSENT, reason=_stopped(case) or "memory was not measured")
    return _cell(case.memory.peak_rss_bytes, megabytes, case.memory.unavailable.get("peak_rss_bytes"))


def _nodes(case: CaseResult) -> Cell:
    found = case.delegation
    if found is None:
        return Cell(UNKNOWN, reason=_stopped(case) or "delegation was not recorded")
    taken, total = found.delegated_nodes, found.total_nodes
    if found.coverage is Coverage.FULL and (taken is None or total is None):
        return Cell("all", 1.0)
    if found.coverage is Coverage.UNKNOWN or taken is None or total is None:
        reasons = [found.unavailable[key] for key in ("delegated_nodes", "total_nodes") if key in found.unavailable]
        reasons += list(found.unavailable.values())
        return Cell(UNKNOWN, reason=clean(reasons[0]) if reasons else "the runtime does not tell")
    text = f"{taken}/{total}"
    if found.partitions and (taken < total or found.partitions > 1):
        text += f", {found.partitions} part{'s' if found.partitions > 1 else ''}"
    return Cell(text, taken / total if total else None)


def _accuracy(field: str) -> Callable[[CaseResult], Cell]:
    def cell(case: CaseResult) -> Cell:
        if case.accuracy is None:
            return Cell(ABSENT, reason=_stopped(case) or "accuracy was not measured")
        value: float | None = getattr(case.accuracy, field)
        return _cell(value, ratio, case.accuracy.unavailable.get(field))

    return cell


def _balanced_interval(case: CaseResult) -> tuple[float, float] | None:
    return case.accuracy.intervals.get("balanced_accuracy") if case.accuracy else None


def _interval(case: CaseResult) -> Cell:
    bounds = _balanced_interval(case)
    if bounds is not None:
        return Cell(interval(bounds), bounds[1] - bounds[0])
    if case.accuracy is None:
        return Cell(ABSENT, reason=_stopped(case) or "accuracy was not measured")
    return Cell(ABSENT, reason=clean(case.accuracy.unavailable.get("interval:balanced_accuracy", NOT_RECORDED)))


def _verdict(case: CaseResult) -> Cell:
    if case.verdict is None:
        return Cell(ABSENT, reason=_stopped(case) or "nothing was timed")
    return Cell(WORDS[case.verdict])


def _stopped(case: CaseResult) -> str | None:
    return None if case.status is Status.OK else f"the case ended as {case.status.value} before this"


_CELLS: Mapping[str, Callable[[CaseResult], Cell]] = {
    "size": _size,
    "load": _load,
    "first": _first,
    "p50": _percentile("p50_ns"),
    "p90": _percentile("p90_ns"),
    "ratio": _ratio,
    "peak": _peak,
    "nodes": _nodes,
    "top1": _accuracy("top1"),
    "balanced": _accuracy("balanced_accuracy"),
    "interval": _interval,
    "verdict": _verdict,
}


def _absences(columns: Sequence[Column], built: Sequence[Row], names: Names) -> list[str]:
    """Return one line per reason: ``– p90 ms: n too small ... (int8, float16)``."""
    found: dict[tuple[str, str], list[tuple[Row, str]]] = {}
    for row in built:
        for column in columns:
            cell = row.cells[column.key]
            if cell.reason is not None:
                found.setdefault((cell.text, cell.reason), []).append((row, column.title))
    lines = []
    for (mark, reason), places in found.items():
        titles = ", ".join(dict.fromkeys(title for _, title in places))
        cases = list({row.case.case_id: row.case for row, _ in places}.values())
        named = who(names.labels, cases, [row.case for row in built])
        where = "every case" if len(cases) == len(built) else joined(named)
        lines.append(f"{mark} {titles}: {reason} ({where})")
    return lines
