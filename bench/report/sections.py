"""A part of a report below the main table, in a form that terminal, Markdown and HTML share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ..records import CaseResult
from .naming import Names, who
from .tables import NOT_RECORDED, Row, Table
from .text import ABSENT, clean, joined, known


@dataclass(frozen=True)
class Grid:
    """A table: ``heads`` are (name, unit), the first of them and of each row names the row; the rest is figures.

    With ``words`` the rest is text instead: it stands left, and is wrapped.
    """

    title: str
    heads: tuple[tuple[str, str], ...]
    rows: tuple[tuple[str, ...], ...]
    words: bool = False


@dataclass(frozen=True)
class Section:
    """A titled part: ``about`` is a sentence below the title, ``lines`` stand below the grids.

    The first ``answers`` of the lines are what a hurried reader needs; the others say why.
    """

    key: str
    title: str
    about: str = ""
    grids: tuple[Grid, ...] = ()
    lines: tuple[str, ...] = ()
    answers: int = 0


class Absences:
    """Collects why values are absent, and says each reason once."""

    def __init__(self, names: Names, everyone: Sequence[CaseResult]) -> None:
        self._names = names
        self._everyone = everyone
        self._found: dict[str, list[tuple[str, CaseResult]]] = {}

    def show(
        self, case: CaseResult, title: str, value: float | None, show: Callable[[float], str], reason: str | None
    ) -> str:
        """Return ``value`` as text, or the mark for an absent one, whose ``reason`` is kept for :meth:`lines`."""
        if value is not None and known(value):
            return show(value)
        self._found.setdefault(clean(reason or NOT_RECORDED), []).append((title, case))
        return ABSENT

    def lines(self) -> tuple[str, ...]:
        """Return one line per reason: ``– PSS: the kernel does not tell (every case)``."""
        found = []
        for reason, places in self._found.items():
            by_title: dict[str, dict[str, CaseResult]] = {}
            for title, case in places:
                by_title.setdefault(title, {})[case.case_id] = case
            together: dict[tuple[str, ...], list[str]] = {}
            for title, cases in by_title.items():
                together.setdefault(tuple(cases), []).append(title)
            for titles in together.values():
                named = cases_named(self._names, list(by_title[titles[0]].values()), self._everyone)
                found.append(f"{ABSENT} {', '.join(titles)}: {reason} ({named})")
        return tuple(found)


def cases_named(names: Names, chosen: Sequence[CaseResult], everyone: Sequence[CaseResult]) -> str:
    """Return the names of the chosen cases, or ``every case`` where there are several and all are chosen."""
    if len(chosen) == len(everyone) > 1:
        return "every case"
    return joined(who(names.labels, chosen, everyone))


def grouped(
    table: Table, heads: Sequence[tuple[str, str]], rows_of: Callable[[Row], Sequence[tuple[str, ...]]]
) -> tuple[Grid, ...]:
    """Return a grid for each model and device that has rows; its title is empty where there is only one group."""
    groups = table.groups()
    grids = []
    for title, rows in groups:
        body = tuple(line for row in rows for line in rows_of(row))
        if body:
            grids.append(Grid(title if len(groups) > 1 else "", tuple(heads), body))
    return tuple(grids)
