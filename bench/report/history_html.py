"""A history as one self-contained page, in the style of the run's."""

from __future__ import annotations

from ..history import History
from .history import host_line, notes_of, overview, runs, sentences
from .history_charts import history_charts
from .page import environment, own, scripts, template
from .text import clean, count

#: Beyond this, a page has the newest runs of each case in its tables; plots have all.
_ROWS_SHOWN = 60
_TABLES_SHOWN = 8


def render_history_html(history: History) -> str:
    """Return the page as text, to be stored as UTF-8."""
    figures = history_charts(history)
    metric = history.metric
    whole = len(history.series) <= _TABLES_SHOWN
    return environment().get_template("history.html.j2").render(
        scripts=scripts(figures),
        style=own(template("report.css")),
        charts={chart.key: chart for chart in figures},
        title=f"{clean(metric.name)} over time",
        subtitle=_subtitle(history),
        overview=overview(history),
        told=[
            (clean(series.case_id), host_line(series.host), sentences(series, metric))
            for series in history.series
            if series.change_points
        ],
        tables=[(clean(series.case_id), host_line(series.host), *_newest(runs(series, metric)))
                for series in history.series] if whole else [],
        notes=notes_of(history, whole=True),
    )  # fmt: skip


def _subtitle(history: History) -> str:
    points = [point for series in history.series for point in series.points]
    first, last = min(point.row.created for point in points), max(point.row.created for point in points)
    made = len({point.row.run_id for point in points})
    cases = len({series.case_id for series in history.series})
    where = host_line(history.hosts[0]) if len(history.hosts) == 1 else count(len(history.hosts), "host")
    return f"{count(made, 'run')} of {count(cases, 'case')}, {first:%Y-%m-%d} to {last:%Y-%m-%d}, on {where}"


def _newest(found: tuple[list[tuple[str, str]], list[list[str]]]) -> tuple[list[tuple[str, str]], list[list[str]], int]:
    """Return headings, the newest rows, newest first, and how many older ones are not among them."""
    heads, rows = found
    return heads, rows[::-1][:_ROWS_SHOWN], max(len(rows) - _ROWS_SHOWN, 0)
