"""Comparisons as one self-contained page, in the style of the run's: a forest plot of ratios above the tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ..changes import Change, ChangeVerdict, Metric, RunChange
from .change_words import bounded, difference, factor
from .charts import Chart, Trace, label, rows_axis
from .compare import CompareView, compare_view, only_changed
from .naming import name_cases
from .page import environment, own, scripts, template
from .palette import NEUTRAL
from .text import clean, shortened

#: Reads on light and dark ground, and for colour-blind readers: what is shown is filled as well.
_PAINT = {ChangeVerdict.WORSE: "#e0483e", ChangeVerdict.BETTER: "#1f83c5"}
_ROWS_READABLE = 60

_Point = tuple[str, Change]


def render_compare_html(changes: Sequence[RunChange], *, changed_alone: bool = False) -> str:
    """Return the page as text, to be stored as UTF-8."""
    views = [compare_view(change, whole=True, changed_alone=changed_alone) for change in changes]
    changes = [only_changed(change) for change in changes] if changed_alone else changes
    figures = [chart for number, change in enumerate(changes) for chart in _charts(change, number)]
    return environment().get_template("compare.html.j2").render(
        scripts=scripts(figures),
        style=own(template("report.css")),
        charts={chart.key: chart for chart in figures},
        title=_title(changes, views),
        views=views,
        several=len(views) > 1,
    )  # fmt: skip


def _title(changes: Sequence[RunChange], views: Sequence[CompareView]) -> str:
    if len(views) == 1:
        return f"What changed: {views[0].title}"
    base = clean(changes[0].base_name) if changes else "nothing"
    return f"What changed against {base}"


def _charts(change: RunChange, number: int) -> list[Chart]:
    found = [_latency_chart(change, number), _recall_chart(change, number)]
    return [chart for chart in found if chart is not None]


def _latency_chart(change: RunChange, number: int) -> Chart | None:
    """Return ratios of latency with their intervals, the slowest on top."""
    names = name_cases([case.base for case in change.cases])
    points = [
        (names.labels[case.case_id], item)
        for case in change.cases
        if (item := case.find(Metric.P50)) is not None and item.low and item.high and item.value
    ]
    points.sort(key=lambda point: -(point[1].value or 0.0))
    if not points:
        return None
    about = (
        "New / base on a logarithmic axis, with 95 % intervals; right of the line is slower. Red and filled: shown "
        "slower; blue and filled: shown faster; grey: undecided or the same. Hover or tap for the figures."
    )
    shown = points[:_ROWS_READABLE]
    bounds = [bound for _, item in shown for bound in (item.low or 1.0, item.high or 1.0)]
    ticks = _ticks(min(*bounds, 0.98), max(*bounds, 1.02))
    x_axis = {
        "title": {"text": "p50, new / base"},
        "type": "log",
        "tickvals": ticks,
        "ticktext": [f"{tick:g}" for tick in ticks],
    }
    return _forest(f"ratios-{number}", "Latency", about + _left_out(points), shown, x_axis, at=1.0, scale=1.0)


def _ticks(low: float, high: float) -> list[float]:
    """Return round ratios that lie around the bounds, few enough to be read."""
    for step in (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0):
        first, last = int(low / step), int(high / step) + 1
        if last - first <= 8:
            return [round(index * step, 4) for index in range(max(first, 1), last + 1)]
    return [tick for tick in (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0)
            if low / 2 <= tick <= high * 2]  # fmt: skip


def _recall_chart(change: RunChange, number: int) -> Chart | None:
    """Return points of recall of the classes that lost or gained an image, the worst on top."""
    names = name_cases([case.base for case in change.cases])
    points = [
        (f"{names.labels[case.case_id]}, {clean(item.label or '')}", item)
        for case in change.cases
        for item in case.changes
        if item.metric is Metric.RECALL and (item.lost or item.gained) and item.low is not None
    ]
    points.sort(key=lambda point: point[1].value or 0.0)
    if not points:
        return None
    about = (
        "Points of recall on the same images, with 95 % intervals; left of the line is worse. Filled: shown by an "
        "exact test over all classes of a case. Classes that neither gained nor lost an image are not drawn."
    )
    x_axis = {"title": {"text": "points of recall, new − base"}}
    shown = points[:_ROWS_READABLE]
    return _forest(f"recalls-{number}", "Classes", about + _left_out(points), shown, x_axis, at=0.0, scale=100.0)


def _left_out(points: Sequence[_Point]) -> str:
    more = len(points) - _ROWS_READABLE
    return f" {more} more are in the tables." if more > 0 else ""


def _forest(
    key: str, title: str, about: str, points: Sequence[_Point], x_axis: Mapping[str, object], *, at: float, scale: float
) -> Chart:
    traces = [_trace(points, verdict, scale) for verdict in (None, ChangeVerdict.BETTER, ChangeVerdict.WORSE)]
    line = {
        "type": "line",
        "x0": at,
        "x1": at,
        "y0": 0,
        "y1": 1,
        "yref": "paper",
        "line": {"color": NEUTRAL, "width": 2},
    }
    layout = {
        "xaxis": dict(x_axis),
        "yaxis": rows_axis([name for name, _ in points]),
        "shapes": [line],
        "showlegend": False,
        "margin": {"l": 10, "r": 16, "t": 10, "b": 45},
    }
    return Chart(key, title, about, [trace for trace in traces if trace["x"]], layout, 110 + 28 * len(points))


def _trace(points: Sequence[_Point], verdict: ChangeVerdict | None, scale: float) -> Trace:
    """Return the points of one verdict; None: of all that show nothing."""
    rows = [(y, name, item) for y, (name, item) in enumerate(points) if _shown(item) is verdict]
    colour = NEUTRAL if verdict is None else _PAINT[verdict]
    values = [scale * (item.value or 0.0) for _, _, item in rows]
    return {
        "type": "scatter",
        "mode": "markers",
        "x": [round(value, 5) for value in values],
        "y": [y for y, _, _ in rows],
        "error_x": {
            "type": "data",
            "symmetric": False,
            "array": [_reach(value, item.high, scale) for value, (_, _, item) in zip(values, rows, strict=True)],
            "arrayminus": [_reach(value, item.low, scale) for value, (_, _, item) in zip(values, rows, strict=True)],
            "color": colour,
            "thickness": 1.2 if verdict is None else 2,
            "width": 0,
        },
        "marker": {"color": colour, "symbol": "circle-open" if verdict is None else "circle", "size": 9},
        "hovertext": [_hover(name, item) for _, name, item in rows],
        "hoverinfo": "text",
    }


def _shown(item: Change) -> ChangeVerdict | None:
    return item.verdict if item.verdict in _PAINT else None


def _reach(value: float, bound: float | None, scale: float) -> float:
    return 0.0 if bound is None else round(abs(scale * bound - value), 5)


def _hover(name: str, item: Change) -> str:
    figure = difference(item) if item.metric.is_share else f"{factor(item)}, {bounded(item)}"
    lines = [f"<b>{label(shortened(name, 60))}</b>", label(figure)]
    lines += [label(part) for part in item.explanation.split("; ") if part]
    return "<br>".join(lines)
