"""Plotly figures of a metric over time: each run with its interval, levels, and where they shift."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from typing import Any

from ..analysis.change_points import MIN_VALUES
from ..findings import Verdict
from ..history import ChangePoint, History, Point, Series
from ..metrics import Metric, Unit
from .charts import Chart, Trace, label
from .history import change, changes_line, host_name, interval_of, unit_of, value_of, verdict_of
from .palette import NEUTRAL, colours
from .text import clean, shortened

_SCALE = {Unit.NS: 1e-6, Unit.BYTES: 1e-6, Unit.SHARE: 1.0}


def history_charts(history: History) -> list[Chart]:
    """Return a figure a case, the hosts in it in colours of their own."""
    by_case: dict[str, list[Series]] = {}
    for series in history.series:
        by_case.setdefault(series.case_id, []).append(series)
    return [_chart(case_id, found, history, index) for index, (case_id, found) in enumerate(by_case.items())]


def _chart(case_id: str, found: Sequence[Series], history: History, index: int) -> Chart:
    metric = history.metric
    names = [host_name(series.host, history.hosts) for series in found]
    paint = colours(names)
    traces = [
        trace
        for series, name in zip(found, names, strict=True)
        for trace in _traces(series, metric, name, paint[clean(name)])
    ]
    layout: dict[str, Any] = {
        "xaxis": {"title": {"text": "time, UTC"}, "type": "date"},
        "yaxis": {"title": {"text": f"{label(metric.name)}, {unit_of(metric)}".rstrip(", ")}, "rangemode": "normal"},
        "showlegend": len(found) > 1,
        "legend": {"orientation": "h", "y": -0.25},
        "shapes": [_line(item, paint[clean(name)]) for series, name in zip(found, names, strict=True)
                   for item in series.change_points],
        "annotations": [_note(item, metric) for series in found for item in series.change_points],
    }  # fmt: skip
    about = (
        "Dots are runs, bars 95 % intervals within the run, dashed lines levels (medians), dotted lines where they "
        "shift. Crosses are runs that take no part."
    )
    return Chart(f"history-{index}", case_id, about if index == 0 else "", traces, layout, 380)


def _traces(series: Series, metric: Metric, name: str, colour: str) -> list[Trace]:
    aside = [point for point in series.points if not point.used and point.estimate is not None]
    traces = [_dots(series.used, metric, name, colour, "circle")] if series.used else []
    if aside:
        traces.append(_dots(aside, metric, f"{name}, no part of levels", colour, "x-thin-open"))
    # Where shifts cannot be told from chance, runs of several levels may look like one.
    tested = metric.exact or len(series.used) >= MIN_VALUES
    return [*traces, *(_levels(series, metric, colour) if tested else [])]


def _dots(points: Sequence[Point], metric: Metric, name: str, colour: str, symbol: str) -> Trace:
    scale = _SCALE[metric.unit]
    values = [point.estimate for point in points if point.estimate is not None]
    trace: Trace = {
        "type": "scatter",
        "mode": "markers",
        "name": label(shortened(name, 44)),
        "x": [_time(point) for point in points],
        "y": [_short(found.value * scale) for found in values],
        "hovertext": [_hover(point, metric) for point in points],
        "hoverinfo": "text",
        "marker": {"color": colour, "symbol": symbol, "size": 8, "line": {"width": 2 if symbol != "circle" else 0}},
    }
    if any(found.low is not None for found in values):
        trace["error_y"] = {
            "type": "data",
            "symmetric": False,
            "array": [_short(max(((found.high or found.value) - found.value) * scale, 0.0)) for found in values],
            "arrayminus": [_short(max((found.value - (found.low or found.value)) * scale, 0.0)) for found in values],
            "color": colour,
            "thickness": 1.2,
            "width": 3,
        }
    return trace


def _levels(series: Series, metric: Metric, colour: str) -> list[Trace]:
    """Return the median of each level as a line over its runs."""
    used, scale = series.used, _SCALE[metric.unit]
    starts = {id(found.after) for found in series.change_points}
    levels: list[list[Point]] = []
    for point in used:
        if not levels or id(point.row) in starts:
            levels.append([])
        levels[-1].append(point)
    traces: list[Trace] = []
    for level in levels:
        middle = statistics.median(point.estimate.value for point in level if point.estimate is not None)
        traces.append(
            {
                "type": "scatter",
                "mode": "lines",
                "x": [_time(level[0]), _time(level[-1])],
                "y": [_short(middle * scale)] * 2,
                "line": {"color": colour, "width": 1.5, "dash": "dash"},
                "hoverinfo": "skip",
                "showlegend": False,
            }
        )
    return traces


def _line(found: ChangePoint, colour: str) -> dict[str, Any]:
    return {
        "type": "line",
        "x0": _between(found),
        "x1": _between(found),
        "y0": 0,
        "y1": 1,
        "yref": "paper",
        "line": {"color": colour, "width": 1.5, "dash": "dot"},
    }


def _note(found: ChangePoint, metric: Metric) -> dict[str, Any]:
    what = ", ".join(dict.fromkeys(item.what for item in found.changes)) or "nothing recorded"
    return {
        "x": _between(found),
        "y": 1,
        "yref": "paper",
        "yanchor": "bottom",
        "text": label(f"{change(found.by, metric)} ({what})"),
        "showarrow": False,
        "font": {"size": 11, "color": NEUTRAL},
    }


def _between(found: ChangePoint) -> str:
    middle = found.before.created + (found.after.created - found.before.created) / 2
    return f"{middle:%Y-%m-%d %H:%M:%S}"


def _time(point: Point) -> str:
    return f"{point.row.created:%Y-%m-%d %H:%M:%S}"


def _hover(point: Point, metric: Metric) -> str:
    row = point.row
    lines = [
        f"<b>{label(shortened(row.run_id, 60))}</b>",
        f"{row.created:%Y-%m-%d %H:%M} UTC, {label(row.host.hostname)}",
        f"{label(metric.name)} {value_of(point, metric)} {unit_of(metric)} ({interval_of(point, metric)})",
        f"verdict {verdict_of(row)}" + (", no part of levels" if row.verdict is Verdict.INVALID else ""),
        f"file {label(row.model_sha256[:8])}, {label(row.runtime_version or 'no runtime')}",
    ]
    if point.changes:
        lines.append(f"changed: {label(shortened(changes_line(point.changes), 120))}")
    return "<br>".join(lines)


def _short(value: float) -> float:
    return float(f"{value:.6g}")
