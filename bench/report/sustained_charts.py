"""Latency over the time of a sustained load, with temperature and clock below on the same axis."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from ..sustained_records import Sustained, Windows
from .charts import Chart, Trace, axis, label
from .distributions import choices_of
from .palette import colours
from .tables import Row, Table
from .text import milliseconds, shortened

#: From this long on the axis is in minutes.
_MINUTES_FROM_NS = 120_000_000_000
_DASHES = ("solid", "dash", "dot", "dashdot")
_HELD_SIZE = 4
#: Of the height: what is between two panels.
_BETWEEN = 0.05

Values = list[float | None]


@dataclass(frozen=True)
class _Panel:
    """One of the figures below each other: its axis title, weight in the height, and values of a case."""

    title: str
    weight: float
    values: Callable[[Sustained], Values]
    digits: int


_PANELS = (
    _Panel("latency, ms", 2.0, lambda found: [value / 1e6 for value in found.windows.p50_ns], 4),
    _Panel("since begin, %", 1.3, lambda found: _since_begin(found), 3),
    _Panel("heat, °C", 1.0, lambda found: list(found.windows.celsius), 4),
    _Panel("clock, GHz", 1.0, lambda found: [None if hz is None else hz / 1e9 for hz in found.windows.clock_hz], 4),
)


def sustained_charts(table: Table) -> list[Chart]:
    """Return one figure for all cases under load, to be chosen from; empty without any."""
    cases = [(row, found) for row in table.rows if (found := row.case.sustained) and found.windows.start_ns]
    if not cases:
        return []
    panels = [panel for panel in _PANELS if any(any(v is not None for v in panel.values(found)) for _, found in cases)]
    paint = colours(row.case.variant for row, _ in cases)
    ways = list(dict.fromkeys(row.how for row, _ in cases))
    longest_ns = max(found.lasted_ns for _, found in cases)
    unit, unit_ns = ("min", 60e9) if longest_ns >= _MINUTES_FROM_NS else ("s", 1e9)
    traces: list[Trace] = []
    for row, found in cases:
        look = {"color": paint[row.variant], "dash": _DASHES[ways.index(row.how) % len(_DASHES)], "width": 1.8}
        traces += [_trace(row, found, panel, number, look, unit_ns) for number, panel in enumerate(panels)]
    choices = choices_of([row for row, _ in cases], len(panels))
    for place, trace in enumerate(traces):
        trace["visible"] = place in choices[0].traces
    about = (
        "The median of each window, by the time since its case's load began. "
        + ("Dots: the clock was held down for heat or supply. " if _held(cases) else "")
        + "Hover or tap for the figures."
    )
    height = 130 + round(95 * sum(panel.weight for panel in panels))
    layout = _layout(panels, cases, f"time under load, {unit}")
    return [Chart("sustained", "Latency over time", about, traces, layout, height, choices)]


def _held(cases: Sequence[tuple[Row, Sustained]]) -> bool:
    return any(any(found.windows.throttled) for _, found in cases)


def _since_begin(found: Sustained) -> Values:
    begin_ns = found.trend.begin_ns if found.trend else 0.0
    if begin_ns <= 0:
        return [None] * len(found.windows.p50_ns)
    return [100 * (value / begin_ns - 1) for value in found.windows.p50_ns]


def _trace(row: Row, found: Sustained, panel: _Panel, number: int, look: dict[str, Any], unit_ns: float) -> Trace:
    windows = found.windows
    middle = [(start - windows.start_ns[0]) / unit_ns for start in windows.start_ns]
    trace: Trace = {
        "type": "scatter",
        "mode": "lines",
        "name": label(shortened(row.label, 44)),
        "legendgroup": row.case.case_id,
        "showlegend": number == 0,
        "x": [float(f"{value:.4g}") for value in middle],
        "y": [None if value is None else float(f"{value:.{panel.digits}g}") for value in panel.values(found)],
        "line": look,
        "yaxis": "y" if number == 0 else f"y{number + 1}",
        "hovertext": _hovers(row, windows, middle, "min" if unit_ns > 1e9 else "s"),
        "hoverinfo": "text",
    }
    if number == 0 and any(windows.throttled):
        sizes = [_HELD_SIZE if held else 0 for held in windows.throttled]
        trace |= {"mode": "lines+markers", "marker": {"color": look["color"], "size": sizes, "line": {"width": 0}}}
    return trace


def _hovers(row: Row, windows: Windows, times: Sequence[float], unit: str) -> list[str]:
    found = []
    for place, time in enumerate(times):
        p90, celsius, clock_hz = windows.p90_ns[place], windows.celsius[place], windows.clock_hz[place]
        parts = [f"p50 {milliseconds(windows.p50_ns[place])} ms"]
        parts += [] if p90 is None else [f"p90 {milliseconds(p90)} ms"]
        parts += [] if celsius is None else [f"{celsius:.1f} °C"]
        parts += [] if clock_hz is None else [f"{clock_hz / 1e9:.2f} GHz"]
        parts += ["held down"] if windows.throttled[place] else []
        found.append(f"{label(row.label)}, {time:.3g} {unit}<br>{', '.join(parts)}")
    return found


def _layout(panels: Sequence[_Panel], cases: Sequence[tuple[Row, Sustained]], time_title: str) -> dict[str, Any]:
    whole = sum(panel.weight for panel in panels)
    layout: dict[str, Any] = {
        "xaxis": {
            "title": {"text": time_title},
            "rangemode": "tozero",
            "anchor": "y" if len(panels) == 1 else f"y{len(panels)}",
        },
        "legend": {"orientation": "h", "y": 1.01, "yanchor": "bottom", "traceorder": "normal"},
        "margin": {"l": 56, "r": 14, "t": 10, "b": 45},
    }
    top = 1.0
    for number, panel in enumerate(panels):
        bottom = top - panel.weight / whole
        values = [value for _, found in cases for value in panel.values(found) if value is not None]
        own = axis(panel.title, values) if number == 0 else {"title": {"text": panel.title}}
        lowest = 0.0 if number == len(panels) - 1 else bottom + _BETWEEN / 2
        domain = [round(max(lowest, 0.0), 3), round(top - (_BETWEEN / 2 if number else 0.0), 3)]
        layout["yaxis" if number == 0 else f"yaxis{number + 1}"] = {**own, "domain": domain, "nticks": 5}
        top = bottom
    return layout
