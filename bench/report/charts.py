"""Plotly figures from a record, as plain dictionaries in plotly.js's schema; ``html`` turns them into a page."""

from __future__ import annotations

import html
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ..summaries import is_summary
from .palette import NEUTRAL, colours, symbols
from .recall import RecallTable
from .summary import accuracy_key, front_rows
from .tables import Row, Table
from .text import clean, shortened

Trace = dict[str, Any]
_NAMED_POINTS = 10
_BARS_READABLE = 8
_CLASSES_READABLE = 20
#: A linear axis from 0 squeezes the small values beyond this ratio of largest to smallest.
_LOG_FROM_RATIO = 8.0


@dataclass(frozen=True)
class Choice:
    """Traces of a figure, by their places, that a reader can choose to see alone."""

    title: str
    traces: tuple[int, ...]


@dataclass(frozen=True)
class Chart:
    """One figure: ``key`` names its place on the page, ``about`` is the sentence under its title.

    With ``choices`` the reader selects one of them; what the first of them has is what is visible at first.
    """

    key: str
    title: str
    about: str
    traces: list[Trace]
    layout: dict[str, Any]
    height: int
    choices: tuple[Choice, ...] = ()


def charts(table: Table, results: Sequence[RecallTable]) -> list[Chart]:
    """Return the figures that the record has numbers for."""
    found = [tradeoff(table), size_bars(table), memory_bars(table)]
    found += [recall_bars(result, index) for index, result in enumerate(results)]
    return [chart for chart in found if chart]


def label(text: str) -> str:
    """Return ``text`` as plotly.js shows it literally: it reads a subset of HTML in labels."""
    return html.escape(clean(text), quote=False)


def axis(title: str, values: Sequence[float], *, zero: bool = True) -> dict[str, Any]:
    """Return an axis from zero, or a logarithmic one where values differ too much for that."""
    low, high = min(values, default=0.0), max(values, default=0.0)
    if low <= 0 or high / low <= _LOG_FROM_RATIO:
        return {"title": {"text": title}, "rangemode": "tozero" if zero else "normal"}
    decades = range(math.floor(math.log10(low)) - 1, math.ceil(math.log10(high)) + 1)
    # Written out: plotly.js shortens the ticks between decades to their first digit.
    ticks = [step * 10.0**decade for decade in decades for step in (1, 2, 5)]
    return {
        "title": {"text": f"{title}, log scale"},
        "type": "log",
        "tickvals": ticks,
        "ticktext": [f"{tick:g}" for tick in ticks],
    }


def rows_axis(names: Sequence[str]) -> dict[str, Any]:
    """Return a vertical axis with a name at 0, 1, 2 ..., the first on top: two that are cut alike stay apart."""
    texts = [label(shortened(name, 44)) for name in names]
    positions = list(range(len(texts)))
    return {"tickvals": positions, "ticktext": texts, "range": [len(texts) - 0.4, -0.8], "showgrid": False}


def _accuracy_axis(title: str, values: Sequence[float]) -> dict[str, Any]:
    margin = max((max(values) - min(values)) * 0.15, 0.01)
    bounds = [max(min(values) - margin, -0.02), min(max(values) + margin, 1.02)]
    return {"title": {"text": title, "standoff": 14}, "range": bounds, "tickformat": ".2f" if margin > 0.01 else ".3f"}


def tradeoff(table: Table) -> Chart | None:
    """Return accuracy against p50 latency with the front of each model and device; None without accuracy."""
    key = accuracy_key(table.rows)
    points = [
        row for row in table.rows if key and row.cells["p50"].value is not None and row.cells[key].value is not None
    ]
    if key is None or not points:
        return None
    name = "balanced accuracy" if key == "balanced" else "top-1 accuracy"
    groups = [front_rows([row for row in rows if row in points]) for _, rows in table.groups()]
    fronts = {row.case.case_id for front in groups for row in front}
    traces = [_front_line(front, key) for front in groups if len(front) > 1]
    if traces:
        traces[0]["showlegend"] = True
    # Only the front is named, and only one front: names of neighbours would cover each other.
    named = fronts if len(groups) == 1 and len(fronts) <= _NAMED_POINTS else set()
    traces += _point_traces(points, key, name, fronts, named)
    latencies = [row.cells["p50"].value or 0.0 for row in points]
    return Chart(
        key="tradeoff",
        title=f"{name.capitalize()} against latency",
        about="Up and left is better. Ringed cases on the line form the front: no other case of the same model and "
        "device is better in one and not worse in the other. Hover or tap for the figures.",
        traces=traces,
        layout={
            "xaxis": axis("p50 latency, ms", [value / 1e6 for value in latencies]),
            "yaxis": _accuracy_axis(name, [row.cells[key].value or 0.0 for row in points]),
            "legend": {"orientation": "h", "y": -0.2},
        },
        height=460,
    )


def _front_line(front: Sequence[Row], key: str) -> Trace:
    return {
        "type": "scatter",
        "mode": "lines",
        "name": "front",
        "x": [_milli(row.cells["p50"].value) for row in front],
        "y": [_round(row.cells[key].value) for row in front],
        "line": {"shape": "hv", "dash": "dot", "width": 1.5, "color": NEUTRAL},
        "hoverinfo": "skip",
        "showlegend": False,
    }


def _point_traces(points: Sequence[Row], key: str, name: str, fronts: set[str], named: set[str]) -> list[Trace]:
    paint = colours(row.case.variant for row in points)
    kinds = _kinds(points)
    marks = symbols(kinds.values())
    traces = []
    for variant, colour in paint.items():
        rows = [row for row in points if row.variant == variant]
        ringed = [row.case.case_id in fronts for row in rows]
        traces.append(
            {
                "type": "scatter",
                "mode": "markers+text",
                "name": label(shortened(variant, 32)),
                "x": [_milli(row.cells["p50"].value) for row in rows],
                "y": [_round(row.cells[key].value) for row in rows],
                "text": [label(shortened(row.short, 24)) if row.case.case_id in named else "" for row in rows],
                "textposition": "top center",
                "cliponaxis": False,
                "hovertext": [_point_hover(row, key, name, row.case.case_id in fronts) for row in rows],
                "hoverinfo": "text",
                "marker": {
                    "color": colour,
                    "opacity": 1,
                    "symbol": [marks[kinds[row.label]] for row in rows],
                    "size": [14 if on_front else 9 for on_front in ringed],
                    "line": {"width": [2.5 if on_front else 0 for on_front in ringed], "color": NEUTRAL},
                },
            }
        )
    return traces + [_key(kind, mark) for kind, mark in marks.items() if len(marks) > 1]


def _kinds(points: Sequence[Row]) -> dict[str, str]:
    """Return, by label, what a point's shape stands for: its model where there are several, else how it ran."""
    several = len({row.case.model for row in points}) > 1
    return {row.label: clean(row.case.model) if several else row.how for row in points}


def _key(kind: str, mark: str) -> Trace:
    return {
        "type": "scatter",
        "mode": "markers",
        "name": label(shortened(kind, 32)),
        "x": [None],
        "y": [None],
        "marker": {"color": NEUTRAL, "symbol": mark, "size": 9},
    }


def _point_hover(row: Row, key: str, name: str, on_front: bool) -> str:
    cells = row.cells
    return "<br>".join(
        [
            f"<b>{label(row.label)}</b>" + (" (on the front)" if on_front else ""),
            f"p50 {cells['p50'].text} ms, p90 {cells['p90'].text} ms",
            f"{name} {cells[key].text}, top-1 {cells['top1'].text}",
            f"size {cells['size'].text} MB, peak {cells['peak'].text} MB",
            f"delegated nodes {label(cells['nodes'].text)}",
        ]
    )


def size_bars(table: Table) -> Chart | None:
    """Return one bar per file; None where there is no row."""
    files = list({(row.case.model, row.case.variant, row.case.file.sha256): row for row in table.rows}.values())
    if not files:
        return None
    several = len({row.case.model for row in files}) > 1
    names = [f"{row.case.model}/{row.case.variant}" if several else row.case.variant for row in files]
    paint = colours(row.case.variant for row in files)
    trace = _bars(names, [row.cells["size"].value for row in files], [row.cells["size"].text for row in files])
    trace["marker"] = {"color": [paint[row.variant] for row in files]}
    return _bar_chart("size", "File size", "MB = 1,000,000 bytes.", [trace], names)


def memory_bars(table: Table) -> Chart | None:
    """Return peak RSS per case, split into Python with the runtime and the rest; None without any."""
    rows = [row for row in table.rows if row.cells["peak"].value is not None and not is_summary(row.case)]
    if not rows:
        return None
    names = [row.label for row in rows]
    before = [row.case.memory.rss_before_load_bytes if row.case.memory else None for row in rows]
    peaks = [row.cells["peak"].value or 0.0 for row in rows]
    rest = [max(peak - (base or 0), 0) for peak, base in zip(peaks, before, strict=True)]
    paint = colours(row.case.variant for row in table.rows)
    base_trace = _bars(names, before, ["" for _ in rows]) | {
        "name": "Python and runtime",
        "marker": {"color": NEUTRAL},
    }
    rest_trace = _bars(names, rest, [row.cells["peak"].text for row in rows]) | {
        "name": "model and inference",
        "marker": {"color": [paint[row.variant] for row in rows]},
    }
    about = "Peak RSS of a clean worker. Grey: Python and the runtime before the model is loaded, where recorded."
    return _bar_chart("memory", "Peak memory", about, [base_trace, rest_trace], names)


def _bars(names: Sequence[str], sizes: Sequence[float | None], texts: Sequence[str]) -> Trace:
    return {
        "type": "bar",
        "orientation": "h",
        "y": list(range(len(names))),
        "x": [None if size is None else size / 1e6 for size in sizes],
        "text": list(texts),
        "textposition": "outside",
        "cliponaxis": False,
        "hovertext": [label(name) for name in names],
        "hovertemplate": "%{hovertext}: %{x:.3g} MB<extra></extra>",
        "showlegend": False,
    }


def _bar_chart(key: str, title: str, about: str, traces: list[Trace], names: Sequence[str]) -> Chart:
    layout = {
        "barmode": "stack",
        "bargap": 0.35,
        "xaxis": {"title": {"text": "MB"}, "rangemode": "tozero"},
        "yaxis": rows_axis(names),
        "margin": {"l": 10, "r": 50, "t": 10, "b": 45},
    }
    return Chart(key, title, about, traces, layout, height=90 + (26 if len(names) <= 12 else 20) * len(names))


def recall_bars(result: RecallTable, index: int) -> Chart | None:
    """Return recall by class as grouped bars; None where there are too many results to tell bars apart."""
    if len(result.rows) > _BARS_READABLE:
        return None
    shown = result.lowest(_CLASSES_READABLE)
    heads = [f"{label(shortened(result.labels[i], 18))}<br>n={result.support[i]}" for i in shown]
    paint = colours(row.name for row in result.rows)
    traces = [
        {
            "type": "bar",
            "name": label(shortened(row.name, 40)),
            "x": list(range(len(heads))),
            "y": [_round(row.cells[i].value) for i in shown],
            "marker": {"color": paint[clean(row.name)]},
            "hovertext": [f"{label(row.name)}, {label(result.labels[i])}: {row.cells[i].text}" for i in shown],
            "hoverinfo": "text",
        }
        for row in result.rows
    ]
    layout = {
        "barmode": "group",
        "xaxis": {"tickvals": list(range(len(heads))), "ticktext": heads, "showgrid": False},
        "yaxis": {"title": {"text": "recall"}, "range": [0, 1]},
        "legend": {"orientation": "h", "y": -0.2},
    }
    return Chart(f"recall-{index}", "Recall by class" + (f", {result.title}" if result.title else ""),
                 "Of the images of a class, the share answered as that class; n = images of the class.",
                 traces, layout, 380)  # fmt: skip


def _milli(value_ns: float | None) -> float | None:
    return None if value_ns is None else float(f"{value_ns / 1e6:.6g}")


def _round(value: float | None) -> float | None:
    return None if value is None else round(value, 4)
