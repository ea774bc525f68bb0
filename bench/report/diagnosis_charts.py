"""Figures of a diagnosis: the ratio along the graph, and what each layer's error stands against in time."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from ..layer_data import INPUT, Diagnosis, Layer
from .charts import Chart, Trace, label
from .diagnosis_lines import decibel, percent, time_range
from .palette import NEUTRAL, colours

_NAMED = 3
#: Where a layer without any error is drawn: above everything that has one.
_ABOVE_DB = 6.0


def diagnosis_charts(diagnosis: Diagnosis) -> list[Chart]:
    """Return the figures that there are numbers for."""
    found = [along_the_graph(diagnosis), error_and_time(diagnosis)]
    return [chart for chart in found if chart is not None]


def along_the_graph(diagnosis: Diagnosis) -> Chart | None:
    """Return the ratio of each layer in the graph's order; None where no layer has one."""
    layers = diagnosis.layers
    if not any(_finite(layer.total.db) or _finite(layer.alone.db) for layer in layers):
        return None
    paint = colours(["total", "alone"])
    worst = {layer.number for layer in diagnosis.ranked()[:_NAMED]}
    lowest = diagnosis.ranked()[0].number
    traces: list[Trace] = [
        {
            "type": "scatter",
            "mode": "lines+markers",
            "name": "with all that came in",
            "x": [layer.number for layer in layers],
            "y": [_rounded(layer.total.db) for layer in layers],
            "hovertext": [_hover(layer) for layer in layers],
            "hoverinfo": "text",
            "line": {"color": paint["total"], "width": 2},
            "marker": {"size": 5},
        }
    ]
    if any(_finite(layer.alone.db) for layer in layers):
        traces.append(
            {
                "type": "scatter",
                "mode": "markers+text",
                "name": "the layer alone",
                "x": [layer.number for layer in layers],
                "y": [_rounded(layer.alone.db) for layer in layers],
                "text": [label(layer.name) if layer.number in worst else "" for layer in layers],
                "textposition": ["bottom center" if layer.number == lowest else "top center" for layer in layers],
                "cliponaxis": False,
                "hovertext": [_hover(layer) for layer in layers],
                "hoverinfo": "text",
                "marker": {
                    "color": paint["alone"],
                    "size": [11 if layer.number in worst else 8 for layer in layers],
                    "symbol": "diamond",
                },
            }
        )
    return Chart(
        key="along",
        title="SQNR along the graph",
        about="Higher is better. Diamonds: what a layer costs by itself, both models' layers given the same input; the "
        "line: what is left with all that came in. A layer without any error has no mark. Hover or tap for figures.",
        traces=traces,
        layout={
            "xaxis": {"title": {"text": "layer, in the order they run"}, "range": [-1, len(layers)]},
            "yaxis": {"title": {"text": "SQNR, dB"}, "range": _bounds(layers)},
            "legend": {"orientation": "h", "y": -0.2},
        },
        height=440,
    )


def error_and_time(diagnosis: Diagnosis) -> Chart | None:
    """Return each layer's own ratio against its share of the time; None where one of the two is unknown."""
    points = [layer for layer in diagnosis.layers if layer.time_share is not None and _finite(layer.alone.db)]
    if not points:
        return None
    worst = {layer.number for layer in diagnosis.ranked()[:_NAMED]}
    shares = [100 * (layer.time_share or 0.0) for layer in points]
    spans = {
        "arrayminus": [share - 100 * (layer.time_low or 0.0) for share, layer in zip(shares, points, strict=True)],
        "array": [100 * (layer.time_high or 0.0) - share for share, layer in zip(shares, points, strict=True)],
    }
    trace: dict[str, Any] = {
        "type": "scatter",
        "mode": "markers+text",
        "x": [round(share, 3) for share in shares],
        "y": [_rounded(layer.alone.db) for layer in points],
        "text": [label(layer.name) if layer.number in worst else "" for layer in points],
        "textposition": "middle right",
        "cliponaxis": False,
        "hovertext": [_hover(layer) for layer in points],
        "hoverinfo": "text",
        "marker": {"color": colours(["points"])["points"], "size": 9},
        "error_x": {
            "type": "data",
            "symmetric": False,
            "color": NEUTRAL,
            "thickness": 1,
            "width": 0,
            **{name: [round(value, 3) for value in values] for name, values in spans.items()},
        },
        "showlegend": False,
    }
    return Chart(
        key="time",
        title="Error against time",
        about="Down is more error, right is more time. Lines: where the profiler leaves the share of the time.",
        traces=[trace],
        layout={
            "xaxis": {"title": {"text": "share of the time, %"}, "rangemode": "tozero"},
            "yaxis": {"title": {"text": "SQNR of the layer alone, dB"}},
        },
        height=400,
    )


def _hover(layer: Layer) -> str:
    parts = [
        f"<b>{label(layer.name)}</b>",
        "the model's input" if layer.operator == INPUT else f"node {layer.node}, {label(layer.operator)}",
        f"alone {decibel(layer.alone.db)} dB, with all that came in {decibel(layer.total.db)} dB",
    ]
    if layer.clipped is not None:
        parts.append(f"{percent(layer.clipped)} clipped, {percent(layer.clip_share or 0.0)} of the squared error")
    if layer.time_share is not None:
        parts.append(f"{time_range(layer)} % of the time")
    return "<br>".join(parts)


def _bounds(layers: Sequence[Layer]) -> list[float]:
    values = [
        value
        for layer in layers
        for value in (layer.total.db, layer.alone.db)
        if value is not None and math.isfinite(value)
    ]
    return [min(values) - _ABOVE_DB, max(values) + _ABOVE_DB]


def _finite(value: float | None) -> bool:
    return value is not None and math.isfinite(value)


def _rounded(value: float | None) -> float | None:
    return round(value, 2) if value is not None and math.isfinite(value) else None
