"""The section on what each class loses and gains, for terminal and Markdown."""

from __future__ import annotations

from collections.abc import Sequence

from ..records import PairedDifference
from .costs import (
    Compared,
    CostTable,
    chance,
    class_count,
    could_show,
    mark,
    points_of,
    span,
    turnover,
    unshowable,
)
from .recall import NO_IMAGE
from .sections import Grid, Section
from .text import ABSENT, clean, estimate

TITLE = "What it costs each class"
_TERSE_CLASSES, _WHOLE_CLASSES = 20, 60


def cost_section(tables: Sequence[CostTable], *, whole: bool) -> Section | None:
    """Return points gained and lost by class: with intervals, counts and p values where ``whole``, else marks alone."""
    if not tables:
        return None
    costs = [cost for table in tables for cost in table.costs]
    lines = [line for table in tables for line in left_out(table, _WHOLE_CLASSES if whole else _TERSE_CLASSES)]
    lines += unshowable(costs)
    if whole:
        lines += explanations(costs)
    lines += notes(tables)
    said = about(tables, whole=whole) + (" In brackets: 95 % intervals." if whole else "")
    return Section("costs", TITLE, said, tuple(_grid(table, whole) for table in tables),
                   tuple(lines))  # fmt: skip


def about(tables: Sequence[CostTable], *, whole: bool) -> str:
    """Return how to read the figures, in a few sentences."""
    costs = [cost for table in tables for cost in table.costs]
    bases = list(dict.fromkeys(table.base.short for table in tables))
    base = bases[0] if len(bases) == 1 else "its baseline"
    said = (
        f"Recall of {base}, then what the others gain (+) or lose (−) against it in points, on the same images. worse "
        f"and better are differences that are shown (p ≤ 0.05, {class_count(costs)} looked at); ≈ is no difference "
        "shown. "
    )
    if whole:
        return f"{said}could show: the smallest difference that would have been found 4 times in 5."
    return said + (
        "could show: the smallest difference that would have been found 4 times in 5, of the variants' the largest. "
        "Intervals and p: --format md or html."
    )


def left_out(table: CostTable, limit: int) -> list[str]:
    """Return which classes are not in the table, if any: those without images, and those beyond ``limit``."""
    found = []
    without = [clean(item.label) for item in table.accuracy.classes if not item.support]
    if without:
        found.append(f"{ABSENT} {', '.join(without)}: {NO_IMAGE}")
    if len(table.labels) > limit:
        found.append(f"{len(table.labels) - limit} classes that changed less clearly are left out; the CSV has all.")
    return found


def explanations(costs: Sequence[Compared]) -> list[str]:
    """Return why a verdict is not what the interval alone would suggest, where that is so."""
    return [
        f"{cost.result.short}, {clean(item.name)}: {clean(item.explanation)}"
        for cost in costs
        for item in cost.everything
        if item.explanation
    ]


def notes(tables: Sequence[CostTable]) -> list[str]:
    """Return what is to be known about the comparisons, each once."""
    return list(dict.fromkeys(clean(note) for table in tables for cost in table.costs for note in cost.found.notes))


def _grid(table: CostTable, whole: bool) -> Grid:
    heads = [("class", ""), ("images", ""), (table.base.short, "recall")]
    heads += [(cost.result.short, "points") for cost in table.costs]
    if not whole:
        heads.append(("could", "show"))
    rows = []
    for row in table.rows(_WHOLE_CLASSES if whole else _TERSE_CLASSES):
        cells = [_whole_cell(item) if whole else _terse_cell(item) for item in row.cells]
        rows.append(
            (
                row.title,
                f"{row.images:,}",
                estimate(row.figure, row.bounds),
                *cells,
                *([] if whole else [_largest(row.cells)]),
            )
        )
    return Grid(table.title, tuple(heads), tuple(rows))


def _terse_cell(item: PairedDifference | None) -> str:
    return ABSENT if item is None or item.difference is None else f"{mark(item)} {points_of(item)}".strip()


def _whole_cell(item: PairedDifference | None) -> str:
    if item is None or item.difference is None:
        return ABSENT
    parts = [_terse_cell(item) + (f" ({span(item)})" if span(item) else "")]
    parts += [text for text in (chance(item), turnover(item)) if text]
    parts += [f"could show {could_show(item)}"] if could_show(item) and mark(item) == "≈" else []
    return ", ".join(parts)


def _largest(found: Sequence[PairedDifference | None]) -> str:
    sizes = [item for item in found if item and item.difference is not None]
    if not sizes or any(item.detectable is None for item in sizes):
        return ABSENT
    return could_show(max(sizes, key=lambda item: item.detectable or 0.0))
