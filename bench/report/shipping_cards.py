"""What to ship at a glance, for the page's first screen: the chosen case of each model and device with its figures."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from ..analysis.endings import dropped_devices, stopped_by_hand
from ..analysis.recommendation import recommend
from ..records import RunRecord
from ..rule import DEFAULT_RULE, Rule
from .summary import accuracy_key
from .tables import Row, Table
from .text import clean


@dataclass(frozen=True)
class ShippingCard:
    """One choice: ``place`` is its model and device where there are several, ``figures`` are (value, unit, what)."""

    place: str
    name: str
    figures: tuple[tuple[str, str, str], ...]


def shipping_cards(record: RunRecord, table: Table, rule: Rule | None = None) -> list[ShippingCard]:
    """Return a card for each recommendation that names a case, in the record's order; none of what was not finished."""
    if stopped_by_hand(record):
        return []
    away = dropped_devices(record)
    found = [item for item in recommend(record, rule or record.rule or DEFAULT_RULE) if item.device not in away]
    rows = {row.case.case_id: row for row in table.rows}
    several_devices = len({case.device for case in record.cases}) > 1
    cards = []
    for item in found:
        row = rows.get(item.chosen.case.case_id) if item.chosen else None
        if row is not None:
            place = clean(item.model) + (f" on {clean(item.device)}" if several_devices else "")
            headed = len(found) > 1 or several_devices
            cards.append(ShippingCard(place if headed else "", row.within, tuple(_figures(row, table))))
    return cards


def _figures(row: Row, table: Table) -> Iterator[tuple[str, str, str]]:
    key = accuracy_key(table.rows)
    names = {"balanced": "balanced accuracy", "top1": "top-1 accuracy"}
    asked = [("p50", "ms", "p50 latency"), ("size", "MB", "file"), ("peak", "MB", "peak memory")]
    asked += [(key, "", names[key])] if key else []
    for column, unit, what in asked:
        cell = row.cells[column]
        if cell.value is not None:
            yield cell.text, unit, what
