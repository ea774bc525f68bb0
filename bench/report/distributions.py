"""The distribution of each case's latency over all its runs, counted into bins here so that the page stays small."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from .charts import Chart, Choice, Trace, label
from .palette import NEUTRAL, colours
from .tables import Row
from .text import clean, count, milliseconds, shortened
from .thinning import thinned

#: A step as wide as this is about a pixel on a phone.
_BINS = 60
#: Runs beyond this share are told in words: a few slow ones would squeeze all others into a corner.
_DRAWN_SHARE = 0.995
#: Cases of one model that ran alike and can still be told apart when drawn over each other.
_TOGETHER = 6
#: Of warm-up, at even ranks.
_WARMUP_POINTS = 60
#: Below zero, where no step is.
_MEDIANS_Y, _WARMUP_Y = -7.0, -15.0
_PER_CASE = 3
_Values = np.ndarray[Any, np.dtype[np.float64]]


def distribution_chart(rows: Sequence[Row], by_case: Mapping[str, pd.DataFrame]) -> Chart | None:
    """Return every case's steady runs, warm-up and block medians, a case or a few at a time; None without runs.

    Args:
        rows: of the main table.
        by_case: samples by case id, for each of the rows.
    """
    paint = colours(row.case.variant for row in rows)
    drawn: list[Row] = []
    traces: list[Trace] = []
    for row in rows:
        frame = by_case[row.case.case_id]
        if not frame["warmup"].astype(bool).all():
            drawn.append(row)
            traces += _case(row, frame, paint[row.variant], f"case {len(drawn)}")
    if not traces:
        return None
    choices = choices_of(drawn)
    for place, trace in enumerate(traces):
        trace["visible"] = place in choices[0].traces
    layout = {
        "barmode": "overlay",
        "bargap": 0,
        "xaxis": {"title": {"text": "latency, ms"}},
        "yaxis": {"title": {"text": "runs, % of the fullest step"}, "range": [-20, 106],
                  "tickvals": [0, 25, 50, 75, 100]},
        "legend": {"orientation": "h", "y": -0.2},
    }  # fmt: skip
    about = (
        f"All steady runs, counted in {_BINS} steps. Below: diamonds, the median of each block of fresh workers; "
        f"circles, warm-up, up to {_WARMUP_POINTS} runs at even ranks. The slowest 0.5 % lie to the right of what is "
        "drawn: hover or tap a diamond for their number and the slowest."
    )
    return Chart("distribution", "All runs, case by case", about, traces, layout, 430, choices)


def choices_of(rows: Sequence[Row], per_row: int = _PER_CASE) -> tuple[Choice, ...]:
    """Return what to choose of a figure with ``per_row`` traces a row: cases that ran alike, then each alone."""
    together: dict[tuple[str, str, str], list[int]] = {}
    for place, row in enumerate(rows):
        together.setdefault((row.case.model, row.case.device, row.how), []).append(place)
    several_models = len({row.case.model for row in rows}) > 1
    found = []
    for (model, _, how), places in together.items():
        if len(places) > 1:
            words = " ".join(word for word in (clean(model) if several_models else "", how) if word) or "all variants"
            shown = places[:_TOGETHER]
            if len(places) > _TOGETHER:
                words += f", first {_TOGETHER}"
            found.append(Choice(words, _of(shown, per_row)))
    alone = [Choice(row.label, _of([place], per_row)) for place, row in enumerate(rows)]
    return tuple(found + alone)


def _of(places: Sequence[int], per_row: int) -> tuple[int, ...]:
    return tuple(per_row * place + step for place in places for step in range(per_row))


def _case(row: Row, frame: pd.DataFrame, colour: str, group: str) -> list[Trace]:
    warm = frame["warmup"].to_numpy(dtype=bool)
    values = frame["latency_ns"].to_numpy(dtype=np.float64) / 1e6
    steady, before = values[~warm], values[warm]
    edges = _edges(steady)
    medians = frame.loc[~warm].groupby("block", sort=True)["latency_ns"].agg(["median", "size"])
    found = [
        _steady(row, steady, edges, colour),
        _warmup(before, edges, colour),
        _medians(row, medians, _beyond(steady, before, edges), colour),
    ]
    return [{**trace, "legendgroup": group} for trace in found]


def _edges(steady: _Values) -> _Values:
    low, high = float(steady.min()), float(np.quantile(steady, _DRAWN_SHARE))
    # A clock that ticks coarsely can give one value only.
    return np.linspace(low, high if high > low else low * 1.001 + 1e-6, _BINS + 1)


def _counts(values: _Values, edges: _Values) -> np.ndarray[Any, np.dtype[np.int64]]:
    found: np.ndarray[Any, np.dtype[np.int64]] = np.histogram(values, edges)[0].astype(np.int64)
    return found


def _heights(counts: np.ndarray[Any, np.dtype[np.int64]]) -> list[float]:
    return [round(100 * float(number) / max(int(counts.max()), 1), 1) for number in counts]


def _centres(edges: _Values) -> list[float]:
    return [float(f"{value:.5g}") for value in (edges[:-1] + edges[1:]) / 2]


def _steady(row: Row, steady: _Values, edges: _Values, colour: str) -> Trace:
    counts = _counts(steady, edges)
    return {
        "type": "bar",
        "name": label(shortened(row.label, 44)),
        "x": _centres(edges),
        "y": _heights(counts),
        "width": float(f"{edges[1] - edges[0]:.4g}"),
        "customdata": counts.tolist(),
        "marker": {"color": colour, "opacity": 0.55, "line": {"width": 0}},
        "hovertemplate": f"{_named(row)}<br>about %{{x:.4~g}} ms: %{{customdata:,}} of {count(steady.size, 'run')}"
        "<extra></extra>",
    }


def _warmup(before: _Values, edges: _Values, colour: str) -> Trace:
    drawn = thinned(before[before <= edges[-1]], _WARMUP_POINTS)
    return {
        "type": "scatter",
        "mode": "markers",
        "name": "warm-up",
        "showlegend": False,
        "x": [float(f"{value:.5g}") for value in drawn],
        "y": [_WARMUP_Y] * drawn.size,
        "marker": {"symbol": "circle-open", "size": 6, "color": colour, "opacity": 0.7},
        "hoverinfo": "skip",
    }


def _medians(row: Row, medians: pd.DataFrame, beyond: str, colour: str) -> Trace:
    values = medians["median"].to_numpy(dtype=np.float64)
    sizes = medians["size"].tolist()
    return {
        "type": "scatter",
        "mode": "markers",
        "name": "block medians",
        "showlegend": False,
        "x": [float(f"{value / 1e6:.5g}") for value in values],
        "y": [_MEDIANS_Y] * len(sizes),
        "marker": {"symbol": "diamond", "size": 9, "color": colour, "line": {"width": 1, "color": NEUTRAL}},
        "hovertext": [
            f"<b>{label(row.label)}</b><br>block {place + 1}: median {milliseconds(value)} ms of {count(size, 'run')}"
            f"<br>{beyond}"
            for place, (value, size) in enumerate(zip(values, sizes, strict=True))
        ],
        "hoverinfo": "text",
    }


def _beyond(steady: _Values, before: _Values, edges: _Values) -> str:
    slow, cold = int((steady > edges[-1]).sum()), int((before > edges[-1]).sum())
    said = [f"{count(slow, 'steady run')} beyond the right edge, slowest {milliseconds(float(steady.max()) * 1e6)} ms"]
    if before.size:
        said.append(f"{cold:,} of {count(before.size, 'warm-up run')} there")
    return "<br>".join(said)


def _named(row: Row) -> str:
    # A percent sign could begin a field of the template.
    return f"<b>{label(row.label).replace('%', '&#37;')}</b>"
