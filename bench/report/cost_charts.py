"""Forest plots: points gained and lost by class, each with its interval, around a line at no difference."""

from __future__ import annotations

from collections.abc import Sequence

from ..records import AccuracyVerdict, PairedDifference
from .charts import Chart, Trace, label, rows_axis
from .costs import CostRow, CostTable, chance, could_show, mark, points_of, span, turnover
from .palette import NEUTRAL, symbols
from .text import joined, shortened

_CLASSES_READABLE = 20
_RESULTS_READABLE = 8
#: Reads on light and dark ground, and for colour-blind readers beside the blue: filled marks say it as well.
_WORSE, _BETTER = "#e0483e", "#1f83c5"
_PAINT = {AccuracyVerdict.WORSE: _WORSE, AccuracyVerdict.BETTER: _BETTER}


def cost_charts(tables: Sequence[CostTable]) -> list[Chart]:
    """Return a figure for each table whose results can be told apart."""
    found = [_forest(table, index, _drawn(table)) for index, table in enumerate(tables)]
    return [chart for chart in found if chart]


def _drawn(table: CostTable) -> list[int]:
    """Return the places of the results that changed an answer: the others would all lie on the line."""
    return [place for place, cost in enumerate(table.costs) if not cost.unchanged]


def _forest(table: CostTable, index: int, drawn: Sequence[int]) -> Chart | None:
    if not 0 < len(drawn) <= _RESULTS_READABLE:
        return None
    # What is over all images stands above the classes: it is the shorter answer.
    rows = sorted(table.rows(_CLASSES_READABLE), key=lambda row: not row.overall)
    names = [f"{row.title}, n={row.images:,}" for row in rows]
    marks = symbols(table.costs[place].result.short for place in drawn)
    traces: list[Trace] = []
    for line, (place, symbol) in enumerate(zip(drawn, marks.values(), strict=True)):
        cost, offset = table.costs[place], 0.62 * ((line + 0.5) / len(drawn) - 0.5)
        cells = [(y + offset, row, item) for y, row in enumerate(rows) if (item := row.cells[place])]
        for colour in (NEUTRAL, _BETTER, _WORSE):
            of_colour = [cell for cell in cells if _colour(cell[2]) == colour and cell[2].difference is not None]
            if of_colour:
                traces.append(_trace(cost.result.short, of_colour, symbol, colour))
        traces.append(_key(cost.result.short, symbol))
    layout = {
        "xaxis": {"title": {"text": f"points against {label(shortened(table.base.short, 24))}"}, "zeroline": True,
                  "zerolinecolor": NEUTRAL, "zerolinewidth": 2},
        "yaxis": rows_axis(names),
        "legend": {"orientation": "h", "y": 1.01, "yanchor": "bottom", "traceorder": "normal"},
        "margin": {"l": 10, "r": 16, "t": 10, "b": 45},
    }  # fmt: skip
    title = "Recall gained and lost by class" + (f", {table.title}" if table.title else "")
    about = (
        "Points of recall against the baseline on the same images, with 95 % intervals. Red and filled: shown worse; "
        "blue and filled: shown better; grey: no difference shown. Hover or tap for the figures."
    )
    same = [cost.result.short for place, cost in enumerate(table.costs) if place not in drawn]
    about += f" Not drawn, as every answer is the baseline's: {joined(same)}." if same else ""
    height = 130 + len(rows) * max(26, 12 + 13 * len(drawn))
    return Chart(f"cost-{index}", title, about, traces, layout, height)


def _colour(item: PairedDifference) -> str:
    return _PAINT.get(item.verdict, NEUTRAL) if item.verdict else NEUTRAL


def _trace(name: str, cells: Sequence[tuple[float, CostRow, PairedDifference]], symbol: str, colour: str) -> Trace:
    values = [100 * (item.difference or 0.0) for _, _, item in cells]
    shown = colour != NEUTRAL
    return {
        "type": "scatter",
        "mode": "markers",
        "name": label(shortened(name, 32)),
        "showlegend": False,
        "x": [round(value, 2) for value in values],
        "y": [round(y, 3) for y, _, _ in cells],
        "error_x": {
            "type": "data",
            "symmetric": False,
            "array": [_reach(value, item.high) for value, (_, _, item) in zip(values, cells, strict=True)],
            "arrayminus": [_reach(value, item.low) for value, (_, _, item) in zip(values, cells, strict=True)],
            "color": colour,
            "thickness": 2 if shown else 1.2,
            "width": 0,
        },
        "marker": {"color": colour, "symbol": symbol if shown else f"{symbol}-open", "size": 9 if shown else 8},
        "hovertext": [_hover(name, row, item) for _, row, item in cells],
        "hoverinfo": "text",
    }


def _reach(value: float, bound: float | None) -> float:
    return 0.0 if bound is None else round(abs(100 * bound - value), 2)


def _hover(name: str, row: CostRow, item: PairedDifference) -> str:
    lines = [f"<b>{label(name)}, {label(row.title)}</b>", f"{mark(item)} {points_of(item)} points ({span(item)})"]
    lines.append(label(", ".join(part for part in (chance(item), turnover(item)) if part)))
    lines += [f"could show {could_show(item)} points"] if could_show(item) else []
    return "<br>".join(lines)


def _key(name: str, symbol: str) -> Trace:
    return {
        "type": "scatter",
        "mode": "markers",
        "name": label(shortened(name, 32)),
        "x": [None],
        "y": [None],
        "marker": {"color": NEUTRAL, "symbol": f"{symbol}-open", "size": 9},
    }
