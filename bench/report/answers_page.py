"""What the page shows of answers: costs by class, agreement, operating points, changed images with pictures."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from ..analysis.flips import Change
from ..records import AccuracyVerdict, PairedDifference, RunRecord
from .agreement import agreement_section
from .charts import Chart
from .cost_section import TITLE, about, explanations, left_out, notes
from .costs import CostTable, chance, compared_results, could_show, mark, points_of, span, turnover, unshowable
from .details import result_details
from .flips import Changed, Pictures, changed_answers, flip_row, pictured
from .operating import operating_section
from .recall import RecallTable
from .summary import reference
from .tables import Table
from .text import ABSENT, clean, interval

_BELOW = "Below each figure: its 95 % interval, images gained and lost, and p, of classes adjusted for their number."
_CLASSES_SHOWN = 60
_RESULTS_OPEN = 4
#: Of all pictures together, as they stand in the page.
_PICTURES_BYTES = 500_000


@dataclass(frozen=True)
class CostCell:
    """One difference as the page shows it; ``kind`` is worse, better, none or empty."""

    text: str
    kind: str = ""
    below: tuple[str, ...] = ()
    title: str = ""


@dataclass(frozen=True)
class Card:
    """One changed image: ``picture`` is a data address, empty where there is none."""

    image_id: str
    before: str
    now: str
    change: str
    margin: str
    picture: str


def answers(
    record: RunRecord,
    table: Table,
    results: Sequence[RecallTable],
    costs: Sequence[CostTable],
    figures: Sequence[Chart],
    predictions: pd.DataFrame | None,
    pictures: Pictures,
) -> dict[str, Any]:
    """Return the template's values for the part on classes."""
    details = [result_details(found, row, table.names) for found in results for row in found.rows]
    changed = changed_answers(record, table.names, predictions)
    compared = compared_results(record, table.names)
    return {
        "classes_title": TITLE,
        "costs": [_cost_grid(found) for found in costs],
        "costs_about": f"{about(costs, whole=True)} {_BELOW}" if costs else "",
        "costs_lines": [*unshowable(compared), *explanations(compared), *notes(costs)] if costs else [],
        "agreement": agreement_section(compared, whole=True),
        "operating": operating_section(record, table.names),
        "results": [_recall_grid(found, bool(costs)) for found in results],
        "details": details,
        "open_details": len(details) <= _RESULTS_OPEN,
        "changed": [_changed_row(entry) for entry in changed],
        "galleries": _galleries(changed, pictures),
        "pictures_reason": "" if pictures.jpegs else pictures.reason,
        "cost_charts": [chart.key for chart in figures if chart.key.startswith("cost-")],
        "recall_charts": [chart.key for chart in figures if chart.key.startswith("recall-")],
    }


def _cost_grid(table: CostTable) -> dict[str, Any]:
    return {
        "title": table.title,
        "base": table.base.short,
        "names": [cost.result.short for cost in table.costs],
        "rows": [(row, [_cost_cell(item) for item in row.cells]) for row in table.rows(_CLASSES_SHOWN)],
        "lines": left_out(table, _CLASSES_SHOWN),
    }


def _cost_cell(item: PairedDifference | None) -> CostCell:
    if item is None or item.difference is None:
        return CostCell(ABSENT)
    kinds = {AccuracyVerdict.WORSE: "worse", AccuracyVerdict.BETTER: "better", AccuracyVerdict.NONE_SHOWN: "none"}
    kind = kinds[item.verdict] if item.verdict else ""
    detectable = f"could show {could_show(item)}" if kind == "none" and could_show(item) else ""
    last = ", ".join(text for text in (chance(item), detectable) if text)
    return CostCell(
        text=f"{mark(item)} {points_of(item)}".strip(),
        kind=kind,
        below=tuple(text for text in (span(item), turnover(item), last) if text),
        title=clean(item.explanation or ""),
    )


def _recall_grid(found: RecallTable, compared: bool) -> dict[str, Any]:
    """Return recall by class with, below each figure, its interval, or the difference to the model's float32 result."""
    shown = found.lowest(_CLASSES_SHOWN)
    rows = []
    for row in found.rows:
        family = [other for other in found.rows if other.cases[0].model == row.cases[0].model]
        base = None if compared else reference(family)
        cells = []
        for i in shown:
            value, before = row.cells[i].value, base.cells[i].value if base and base is not row else None
            difference = value - before if value is not None and before is not None else None
            below = f"{difference:+.3f}".replace("-", "−") if difference else ""
            bounds = row.accuracy.classes[i].intervals.get("recall") if compared else None
            cells.append((row.cells[i], interval(bounds) if bounds else below))
        rows.append((row.name, cells))
    return {
        "title": found.title,
        "about": "Below each figure: its 95 % interval." if compared else
        "Below each figure: the difference to the float32 result of the same model, where there is one. Not tested for "
        "significance.",
        "heads": [(found.labels[i], found.support[i]) for i in shown],
        "rows": rows,
        "left_out": len(found.labels) - len(shown),
        "absences": found.absences,
    }  # fmt: skip


def _changed_row(entry: Changed) -> dict[str, Any]:
    counts = {kind.name.lower(): f"{entry.flips.count(kind):,}" for kind in Change}
    return {"name": entry.result.name, "base": entry.base.short, "images": f"{entry.flips.images:,}",
            "total": f"{entry.total:,}", **counts}  # fmt: skip


def _galleries(changed: Sequence[Changed], pictures: Pictures) -> list[dict[str, Any]]:
    """Return the images to show for each result, by class; pictures end where the page would grow too large."""
    left = _PICTURES_BYTES
    found = []
    for entry, by_class in pictured(changed):
        groups = []
        for name, flips in by_class.items():
            cards = []
            for flip in flips:
                address = _address(pictures.jpegs.get(flip.image_id))
                left -= len(address)
                texts = flip_row(flip)
                cards.append(
                    Card(
                        image_id=texts[0],
                        before=f"{texts[2]} {texts[3]}",
                        now=f"{texts[4]} {texts[5]}",
                        change=flip.change.name.lower(),
                        margin=texts[6],
                        picture=address if left >= 0 else "",
                    )
                )
            whole = sum((flip.label or flip.base_answer) == name for flip in entry.flips.flips)
            groups.append(
                {"title": clean(name), "cards": cards, "whole": whole, "labelled": flips[0].label is not None}
            )
        found.append({"name": entry.result.name, "base": entry.base.short, "told": entry.told(), "groups": groups})
    return found


def _address(jpeg: bytes | None) -> str:
    return f"data:image/jpeg;base64,{base64.b64encode(jpeg).decode()}" if jpeg else ""
