"""Plotly figures from latency samples: the spread of each case, all its runs, and its warm-up, of a fixed size."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from .charts import Chart, Trace, axis, label, rows_axis
from .distributions import choices_of, distribution_chart
from .palette import colours
from .tables import Row, Table
from .text import shortened
from .thinning import thinned

#: Points kept per case: enough for the shape, few enough for fifty cases on one page.
_POINTS = 120
_WARMUP_POINTS = 200
_QUANTILES = (0.05, 0.25, 0.50, 0.75, 0.95)
_Values = np.ndarray[Any, np.dtype[np.float64]]


def latency_charts(table: Table, samples: pd.DataFrame) -> list[Chart]:
    """Return the figures of single runs for the cases that have samples; empty without any."""
    if samples.empty:
        return []
    by_case = {str(case): frame for case, frame in samples.groupby("case", sort=False)}
    rows = [row for row in table.rows if row.case.case_id in by_case]
    found = (_spread(rows, by_case), distribution_chart(rows, by_case), _warmup(rows, by_case))
    return [chart for chart in found if chart]


def _spread(rows: list[Row], by_case: dict[str, pd.DataFrame]) -> Chart | None:
    paint = colours(row.case.variant for row in rows)
    traces: list[Trace] = []
    names: list[str] = []
    extremes: list[float] = []
    for row in rows:
        frame = by_case[row.case.case_id]
        steady = frame.loc[~frame["warmup"].astype(bool), "latency_ns"].to_numpy(dtype=np.float64) / 1e6
        if steady.size:
            traces.append(_box(row, len(traces), steady, paint[row.variant]))
            names.append(row.label)
            extremes += [float(steady.min()), float(steady.max())]
    if not traces:
        return None
    layout = {
        "xaxis": axis("latency, ms", extremes, zero=False),
        "yaxis": rows_axis(names),
        "margin": {"l": 10, "r": 20, "t": 10, "b": 45},
        "showlegend": False,
    }
    about = (
        f"Warm-up excluded. Box: p25, p50, p75; whiskers: p5 and p95; dots: up to {_POINTS} runs at even ranks, "
        "fastest and slowest among them."
    )
    return Chart(
        "spread",
        "Latency of single runs",
        about,
        traces,
        layout,
        90 + (46 if len(traces) <= 12 else 32) * len(traces),
    )


def _box(row: Row, position: int, steady_ms: _Values, colour: str) -> Trace:
    low, q1, median, q3, high = (float(f"{value:.5g}") for value in np.quantile(steady_ms, _QUANTILES))
    return {
        "type": "box",
        "orientation": "h",
        "name": label(shortened(row.label, 44)),
        "y": [position],
        "width": 0.4,
        "x": [_short(thinned(steady_ms, _POINTS))],
        "lowerfence": [low],
        "q1": [q1],
        "median": [median],
        "q3": [q3],
        "upperfence": [high],
        "boxpoints": "all",
        "pointpos": -1.6,
        "jitter": 0.5,
        "hoveron": "boxes",
        "line": {"color": colour, "width": 1.5},
        "marker": {"color": colour, "size": 3, "opacity": 0.45},
    }


def _warmup(rows: list[Row], by_case: dict[str, pd.DataFrame]) -> Chart | None:
    """Return the first runs of each case's first worker, in order, warm-up included."""
    paint = colours(row.case.variant for row in rows)
    traces: list[Trace] = []
    largest: list[float] = []
    for row in rows:
        frame = by_case[row.case.case_id]
        first = frame[frame["block"] == frame["block"].min()].sort_values("start_ns").head(_WARMUP_POINTS)
        values = first["latency_ns"].to_numpy(dtype=np.float64) / 1e6
        largest.append(float(values.max()))
        traces.append(_run_order(row, values, first["warmup"].astype(bool).tolist(), paint[row.variant]))
    if not traces:
        return None
    choices = choices_of(rows, 1)
    for place, trace in enumerate(traces):
        trace["visible"] = place in choices[0].traces
    about = f"The first {_WARMUP_POINTS} runs of each case's first worker, in order. Open circles are warm-up."
    layout = {
        "xaxis": {"title": {"text": "run"}, "rangemode": "tozero"},
        "yaxis": axis("latency, ms", largest),
        "legend": {"orientation": "h", "y": -0.2},
    }
    return Chart("warmup", "Warm-up and run order", about, traces, layout, 380, choices)


def _run_order(row: Row, values_ms: _Values, warmup: list[bool], colour: str) -> Trace:
    return {
        "type": "scatter",
        "mode": "markers",
        "name": label(shortened(row.label, 44)),
        "y": _short(values_ms),
        "x0": 1,
        "dx": 1,
        "marker": {
            "color": colour,
            "size": 4,
            "symbol": ["circle-open" if flag else "circle" for flag in warmup],
        },
        "hovertemplate": f"{label(row.label).replace('%', '&#37;')}<br>run %{{x}}: %{{y:.3~g}} ms<extra></extra>",
    }


def _short(values: _Values) -> list[float]:
    return [float(f"{value:.4g}") for value in values]
