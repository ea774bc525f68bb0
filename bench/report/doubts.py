"""Every doubt in one place: what failed, what speaks against figures, what was not checked, what is not known."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, fields, is_dataclass

from ..records import CaseResult, RunRecord
from .lines import failures, notes, skipped_lines, tested
from .sections import cases_named
from .tables import Table
from .text import clean, joined
from .verdicts import verdict_section

_SKIPPED_SHOWN = 50
_FIGURES_SHOWN = 6
#: Units that names of fields end in.
_UNITS = ("_ns", "_bytes")
#: Each percentile needs another number of samples; what there were says enough, and they share a line.
_NEEDED = re.compile(r"^(n too small: [\d,]+ samples?), [\d,]+ needed$")


@dataclass(frozen=True)
class Doubts:
    """One kind of doubt: ``key`` names its place on the page, ``about`` is the sentence under its title."""

    key: str
    title: str
    lines: tuple[str, ...]
    about: str = ""


def doubts(record: RunRecord, table: Table) -> list[Doubts]:
    """Return every kind of doubt that the record has any of, what is worst first."""
    names = table.names
    verdicts = verdict_section(record, names, whole=True)
    found = [
        Doubts("failures", "Did not finish", tuple(map(str, failures(record, names)))),
        Doubts("verdicts", "Verdicts", verdicts.lines, verdicts.about) if verdicts else None,
        Doubts("notes", "Warnings and notes", (*notes(record, names), *_comparisons(record))),
        Doubts("absent", "Figures that are not known", tuple(_unknown(record, table))),
        Doubts("skipped", "Skipped images", tuple(skipped_lines(record, _SKIPPED_SHOWN))),
        Doubts("tested", "What was tested, and what was not", (tested(record),) if len(table.rows) > 1 else ()),
    ]
    return [item for item in found if item is not None and (item.lines or item.about)]


def _comparisons(record: RunRecord) -> Iterator[str]:
    found = (note for case in record.cases if case.accuracy_comparison for note in case.accuracy_comparison.notes)
    yield from dict.fromkeys(clean(note) for note in found)


def _unknown(record: RunRecord, table: Table) -> Iterator[str]:
    """Yield a line for each reason with its figures and cases, then what only the main table knows to be absent."""
    by_reason: dict[str, dict[str, dict[str, CaseResult]]] = {}
    for case in record.cases:
        for figure, reason in _absent(case):
            by_reason.setdefault(reason, {}).setdefault(figure, {})[case.case_id] = case
    for figure, reason in _absent(record.environment):
        yield f"{figure}: {reason} (the machine)"
    for reason, by_figure in by_reason.items():
        # Figures that the same cases lack share a line.
        together: dict[tuple[str, ...], list[str]] = {}
        for figure, cases in by_figure.items():
            together.setdefault(tuple(cases), []).append(figure)
        for figures in together.values():
            lacking = list(by_figure[figures[0]].values())
            yield f"{joined(figures, _FIGURES_SHOWN)}: {reason} ({cases_named(table.names, lacking, record.cases)})"
    told = [reason for reason in by_reason if reason]
    yield from (line for line in table.absences if not any(f": {reason}" in line for reason in told))


def _absent(holder: object, place: str = "") -> Iterator[tuple[str, str]]:
    """Yield (figure, reason) from every ``unavailable`` in a record and in what it holds."""
    if isinstance(holder, (list, tuple)):
        for item in holder:
            yield from _absent(item, f"{place} {item.label}" if hasattr(item, "label") else place)
    if not is_dataclass(holder):
        return
    for field in fields(holder):
        value = getattr(holder, field.name)
        if field.name == "unavailable" and isinstance(value, Mapping):
            yield from _named(place, value.items())
        else:
            yield from _absent(value, f"{place} {_words(field.name)}".strip())


def _named(place: str, items: Iterable[tuple[str, str]]) -> Iterator[tuple[str, str]]:
    for name, reason in items:
        yield clean(f"{place} {_words(name)}".strip()), _NEEDED.sub(r"\1", clean(reason))


def _words(name: str) -> str:
    for unit in _UNITS:
        name = name.removesuffix(unit)
    return name.replace("interval:", "interval of ").replace("_", " ")
