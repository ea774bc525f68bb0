"""Stacked bars of the parts that a longer wait consists of."""

from __future__ import annotations

from collections.abc import Sequence

from ..records import Whole
from .charts import Chart, label, rows_axis
from .palette import colours
from .tables import Row, Table
from .text import clean, milliseconds, shortened


def wait_charts(table: Table) -> list[Chart]:
    """Return a figure for end-to-end latency and one for the cold start, where a case has parts of them."""
    ends = [(row, row.case.waits.end_to_end) for row in table.rows if row.case.waits]
    starts = [(row, row.case.waits.cold_start) for row in table.rows if row.case.waits]
    found = [
        _parts("wait-end-to-end", "End to end, by part", ends),
        _parts("wait-cold-start", "Cold start, by part", starts),
    ]
    return [chart for chart in found if chart]


def _parts(key: str, title: str, found: Sequence[tuple[Row, Whole | None]]) -> Chart | None:
    bars = [(row, whole) for row, whole in found if whole is not None and whole.parts]
    if not bars:
        return None
    names = [row.label for row, _ in bars]
    parts = list(dict.fromkeys(part.name for _, whole in bars for part in whole.parts))
    paint = colours(parts)
    traces = []
    for name in parts:
        members = [next((part for part in whole.parts if part.name == name), None) for _, whole in bars]
        traces.append({
            "type": "bar",
            "orientation": "h",
            "name": label(shortened(clean(name), 32)),
            "y": list(range(len(bars))),
            "x": [None if part is None else part.p50_ns / 1e6 for part in members],
            "marker": {"color": paint[clean(name)]},
            "hovertext": [
                "" if part is None
                else f"{label(case)}, {label(name)}: {milliseconds(part.p50_ns)} ms ({100 * part.share:.0f} %)"
                for case, part in zip(names, members, strict=True)
            ],
            "hoverinfo": "text",
        })  # fmt: skip
    layout = {
        "barmode": "stack",
        "bargap": 0.35,
        "xaxis": {"title": {"text": "ms"}, "rangemode": "tozero"},
        "yaxis": rows_axis(names),
        "legend": {"orientation": "h", "y": 1.02, "yanchor": "bottom", "traceorder": "normal"},
        "margin": {"l": 10, "r": 50, "t": 10, "b": 45},
    }
    about = "Medians of the parts, from first to last. Their sum can differ from the median of the whole."
    return Chart(key, title, about, traces, layout, height=150 + (26 if len(names) <= 12 else 20) * len(names))
