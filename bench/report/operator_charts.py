"""Stacked bars of the operator types that a run's time goes to."""

from __future__ import annotations

import re
from collections.abc import Sequence

from ..operators import OperatorProfile, TypeTime
from .charts import Chart, Trace, label, rows_axis
from .palette import NEUTRAL, colours
from .profile import microseconds
from .tables import Row, Table
from .text import clean, count, shortened

#: One fewer than there are colours: the rest is grey.
_TYPES_SHOWN = 7
#: Thinner than a line.
_VISIBLE_SHARE = 0.005
_OTHERS = "other operators"
_BRACKETS = re.compile(r"\s*\([^)]*\)")


def operator_charts(table: Table) -> list[Chart]:
    """Return the figure of the operators' shares by case; none where no case has shares."""
    bars = [(row, row.case.operators) for row in table.rows if row.case.operators and row.case.operators.tells_shares]
    if not bars:
        return []
    names = [row.label for row, _ in bars]
    layout = {
        "barmode": "stack",
        "bargap": 0.35,
        "xaxis": {"title": {"text": "share of the time, %"}, "range": [0, 100]},
        "yaxis": rows_axis(names),
        "legend": {"orientation": "h", "y": 1.02, "yanchor": "bottom", "traceorder": "normal"},
        "margin": {"l": 10, "r": 50, "t": 10, "b": 45},
    }
    about = "Types as XNNPACK and LiteRT call them, whatever kind of number they compute with."
    height = 150 + (26 if len(names) <= 12 else 20) * len(names)
    return [Chart("operators", "Time by operator type", about, _traces(bars), layout, height)]


def _traces(bars: Sequence[tuple[Row, OperatorProfile]]) -> list[Trace]:
    shares = _largest(bars)
    ranked = sorted(shares, key=lambda name: -shares[name])
    seen = [name for name in ranked if shares[name] >= _VISIBLE_SHARE]
    # A single one more has room of its own: grey would not save any.
    shown = seen if len(ranked) <= _TYPES_SHOWN + 1 else seen[:_TYPES_SHOWN]
    paint = colours(shown)
    traces = [_trace(name, paint[clean(name)], bars, [name]) for name in shown]
    rest = [name for name in ranked if name not in shown]
    return [*traces, _trace(_OTHERS, NEUTRAL, bars, rest)] if rest else traces


def _largest(bars: Sequence[tuple[Row, OperatorProfile]]) -> dict[str, float]:
    """Return each family's share in the case where it has most of the time."""
    found: dict[str, float] = {}
    for _, profile in bars:
        own: dict[str, float] = {}
        for item in profile.types:
            own[family(item.tag)] = own.get(family(item.tag), 0.0) + item.share
        found |= {name: max(share, found.get(name, 0.0)) for name, share in own.items()}
    return found


def _trace(name: str, colour: str, bars: Sequence[tuple[Row, OperatorProfile]], families: Sequence[str]) -> Trace:
    members = [[item for item in found.types if family(item.tag) in families] for _, found in bars]
    return {
        "type": "bar",
        "orientation": "h",
        "name": label(shortened(clean(name), 32)),
        "y": list(range(len(bars))),
        "x": [round(100 * sum(item.share for item in items), 2) for items in members],
        "marker": {"color": colour},
        "hovertext": [_hover(row, name, items) for (row, _), items in zip(bars, members, strict=True)],
        "hoverinfo": "text",
    }


def _hover(row: Row, name: str, items: Sequence[TypeTime]) -> str:
    if not items:
        return ""
    share, time_us = sum(item.share for item in items), sum(item.time_us for item in items)
    number = count(sum(item.count for item in items), "operator")
    return f"{label(row.label)}, {label(name)}: {100 * share:.1f} % ({number}, {microseconds(time_us)} us a run)"


def family(tag: str) -> str:
    """Return ``Convolution DWConv`` for ``Convolution (NHWC, F32) DWConv``: the same for every kind of number."""
    return _BRACKETS.sub("", tag).strip() or tag
