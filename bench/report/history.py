"""A history as plain text: a line a case, or each run of one case."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from ..analysis.change_points import FALSE_ALARMS, MIN_VALUES
from ..findings import Verdict
from ..history import Change, ChangePoint, History, Point, Series
from ..index import Host, Row
from ..metrics import Metric, Unit
from ..records import Status
from .plain import grid, squeezed, wrapped
from .tables import WORDS
from .text import ABSENT, clean, count, megabytes, milliseconds, points, probability, ratio, shortened

_NARROWEST_NAME = 24
_HOST_SHOWN = 32
_FIGURES = ("runs", "against", "usual")
#: Columns that may go where space is short, the first one first.
_MINOR = ("usual", "last")
Item = TypeVar("Item")
#: A heading and its second line.
Head = tuple[str, str]
_UNITS = {Unit.NS: "ms", Unit.BYTES: "MB", Unit.SHARE: ""}


def render_history(history: History, *, whole: bool, width: int | None = None) -> str:
    """Return the history as text ending in a newline: with ``whole`` each run, else one line a case and host.

    ``width``: characters a line may have. Names are shortened to fit; tables of runs may be wider.
    """
    parts = [_runs(series, history, width) for series in history.series] if whole else [_overview(history, width)]
    notes = notes_of(history, whole=whole)
    return "\n\n".join([*parts, "\n".join(wrapped(line, width) for line in notes)]) + "\n"


def _overview(history: History, width: int | None) -> str:
    heads, body = overview(history)
    left_out = []
    for name in _MINOR:
        if width is not None and _beside(heads, body) + _NARROWEST_NAME > width and name in _names(heads):
            place = _names(heads).index(name)
            left_out.append(" ".join(heads[place]).strip())
            heads, body = _without(heads, place), [_without(row, place) for row in body]
    longest = max(len(row[0]) for row in body)
    if width is not None:
        longest = max(_NARROWEST_NAME, min(longest, width - _beside(heads, body)))
    align = ["right" if name in _FIGURES or name == clean(history.metric.name) else "left" for name, _ in heads]
    named = [[shortened(row[0], longest), *row[1:]] for row in body]
    table = squeezed(grid(["\n".join(head) for head in heads], named, align))
    return table + (f"\n\nLeft out at this width: {', '.join(left_out)}." if left_out else "")


def _names(heads: Sequence[Head]) -> list[str]:
    return [name for name, _ in heads]


def _without(items: Sequence[Item], place: int) -> list[Item]:
    return [*items[:place], *items[place + 1 :]]


def _beside(heads: Sequence[Head], body: Sequence[Sequence[str]]) -> int:
    """Return how many characters the columns behind the first need."""
    return sum(2 + max(*(len(row[i]) for row in body), *map(len, heads[i])) for i in range(1, len(heads)))


def overview(history: History) -> tuple[list[Head], list[list[str]]]:
    """Return headings and rows: a line a case, and a host where there are several."""
    metric, hosts = history.metric, history.hosts
    columns: list[tuple[Head, Callable[[Series], str]]] = [
        (("case", ""), lambda series: clean(series.case_id)),
        (("host", ""), lambda series: shortened(host_name(series.host, hosts), _HOST_SHOWN)),
        (("runs", ""), lambda series: str(len(series.points))),
        ((clean(metric.name), unit_of(metric)), lambda series: value_of(series.newest, metric)),
        (("against", "before"), lambda series: against(series, metric)),
        (("usual", ""), usual),
        (("last", "shift"), lambda series: _last_shift(series, metric)),
        (("measured", "UTC"), lambda series: f"{series.newest.row.created:%Y-%m-%d %H:%M}"),
        (("verdict", ""), lambda series: verdict_of(series.newest.row)),
    ]
    left_out = {"host"} if len(hosts) == 1 else set()
    left_out |= {"usual"} if metric.exact else set()
    kept = [column for column in columns if column[0][0] not in left_out]
    return [head for head, _ in kept], [[cell(series) for _, cell in kept] for series in history.series]


def _last_shift(series: Series, metric: Metric) -> str:
    if not series.change_points:
        return ABSENT
    found = series.change_points[-1]
    return f"{change(found.by, metric)} {found.after.created:%Y-%m-%d}"


def _runs(series: Series, history: History, width: int | None) -> str:
    heads, body = runs(series, history.metric)
    align = ["right" if name == clean(history.metric.name) else "left" for name, _ in heads]
    title = f"{clean(series.case_id)}\n{clean(history.metric.name)} on {host_line(series.host)}"
    told = sentences(series, history.metric)
    table = squeezed(grid(["\n".join(head) for head in heads], body, align))
    return "\n".join([title, "", table, *(["", *(wrapped(line, width) for line in told)] if told else [])])


def runs(series: Series, metric: Metric) -> tuple[list[Head], list[list[str]]]:
    """Return headings and rows: a line a run, oldest first; columns that no run fills are left out."""
    shifts = {id(found.after): change(found.by, metric) for found in series.change_points}
    columns: list[tuple[Head, Callable[[Point], str]]] = [
        (("time", "UTC"), lambda point: f"{point.row.created:%Y-%m-%d %H:%M}"),
        (("run", ""), lambda point: shortened(clean(point.row.run_id), 32)),
        ((clean(metric.name), unit_of(metric)), lambda point: value_of(point, metric)),
        (("interval", "95 %"), lambda point: interval_of(point, metric)),
        (("verdict", ""), lambda point: verdict_of(point.row)),
        (("file", "SHA-256"), lambda point: clean(point.row.model_sha256[:8])),
        (("runtime", ""), lambda point: clean(point.row.runtime_version or ABSENT)),
        (("changed", ""), lambda point: ", ".join(item.what for item in point.changes)),
        (("shift", ""), lambda point: shifts.get(id(point.row), "")),
    ]
    kept = [(head, cell) for head, cell in columns if any(cell(point) for point in series.points)]
    return [head for head, _ in kept], [[cell(point) for _, cell in kept] for point in series.points]


def unit_of(metric: Metric) -> str:
    """Return the unit that values are shown in, nothing for shares."""
    return _UNITS[metric.unit]


def shown(value: float, metric: Metric) -> str:
    """Return a value as text, without its unit."""
    if metric.unit is Unit.SHARE:
        return ratio(value)
    return milliseconds(value) if metric.unit is Unit.NS else megabytes(value)


def value_of(point: Point, metric: Metric) -> str:
    """Return a run's value as text."""
    return ABSENT if point.estimate is None else shown(point.estimate.value, metric)


def interval_of(point: Point, metric: Metric) -> str:
    """Return a run's interval as text."""
    found = point.estimate
    if found is None or found.low is None or found.high is None:
        return ABSENT
    return f"{shown(found.low, metric)}–{shown(found.high, metric)}"


def verdict_of(row: Row) -> str:
    """Return a run's verdict in the words of tables, or how it ended where it did not measure."""
    if row.status is not Status.OK:
        return str(row.status.value)
    return WORDS[row.verdict] if row.verdict else ABSENT


def change(by: float, metric: Metric) -> str:
    """Return a change with its sign: ``+10.3 %``, in points for shares."""
    if metric.unit is Unit.SHARE:
        return f"{points(by)} pt"
    text = f"{100 * by:+.1f} %".replace("-", "−")
    return "0.0 %" if text in ("+0.0 %", "−0.0 %") else text


def against(series: Series, metric: Metric) -> str:
    """Return the newest run against those before it; ``!`` where it is further off than is usual."""
    found = series.trend
    if found is None:
        return ABSENT
    return change(found.by, metric) + (" !" if found.unusual else "")


def usual(series: Series) -> str:
    """Return how far a further run would usually lie from those before."""
    found = series.trend
    return ABSENT if found is None or found.usual is None else f"±{100 * found.usual:.1f} %"


def host_line(host: Host) -> str:
    """Return a machine in words."""
    return ", ".join(clean(text) for text in (host.hostname, host.cpu_model, host.machine) if text)


def host_name(host: Host, hosts: Sequence[Host]) -> str:
    """Return a machine's name, with its processor where several have the same."""
    alone = sum(other.hostname == host.hostname for other in hosts) == 1
    return clean(host.hostname) if alone else host_line(host)


def changes_line(changes: Sequence[Change]) -> str:
    """Return what changed: ``file f1fbd826 → 9c0d1a22, kernel Linux 6.1 → Linux 6.8``."""
    return ", ".join(f"{item.what} {clean(item.before)} → {clean(item.after)}" for item in changes)


def sentences(series: Series, metric: Metric) -> list[str]:
    """Return a sentence a change point: between which runs, by how much, and what changed there."""
    return [_sentence(found, metric) for found in series.change_points]


def _sentence(found: ChangePoint, metric: Metric) -> str:
    about = "exact: one file always gives the same"
    if found.p is not None:
        bounds = "levels too short for an interval"
        if found.low is not None and found.high is not None:
            bounds = f"95 % interval {change(found.low, metric)} to {change(found.high, metric)}"
        about = f"{bounds}, p {probability(found.p)}"
    return (
        f"{change(found.by, metric)} ({about}) between {clean(found.before.run_id)} and {clean(found.after.run_id)}. "
        f"{_what_changed(found)}"
    )


def _what_changed(found: ChangePoint) -> str:
    if found.changes:
        return f"Changed there: {changes_line(found.changes)}."
    if found.nearby:
        return f"Nothing recorded changed there; within one run of it: {changes_line(found.nearby)}."
    return "Nothing that is recorded changed there: file, runtime, Python, kernel and edgebench are the same."


def notes_of(history: History, *, whole: bool) -> list[str]:
    """Return what to know about the figures, a sentence a line."""
    metric = history.metric
    lines = ["Times are UTC."]
    if not whole:
        lines[0] += " Shown is the newest run of each case; each run of one: edgebench history CASE."
    lines += _about_exact(metric) if metric.exact else _about_levels(history, whole=whole)
    invalid = sum(not point.used and point.row.verdict is Verdict.INVALID for point in _points(history))
    if invalid:
        lines.append(f"{count(invalid, 'result')} with verdict INVALID: shown, but part of no level.")
    if history.without:
        lines.append(f"Left out, without any {clean(metric.name)}: {count(len(history.without), 'case')}.")
    if len(history.hosts) > 1:
        lines.append(f"{len(history.hosts)} hosts: runs of unlike hosts are never compared.")
    return lines


def _about_exact(metric: Metric) -> list[str]:
    if metric.unit is not Unit.SHARE:
        return [f"{clean(metric.name)} is exact: every change is shown."]
    return [
        f"{clean(metric.name)} is exact for one file and the same images: every change is shown. Whether it holds for "
        "other images is not told here: measure both files in one run, and it compares their answers."
    ]


def _points(history: History) -> list[Point]:
    return [point for series in history.series for point in series.points]


def _about_levels(history: History, *, whole: bool) -> list[str]:
    lines = []
    if not whole:
        lines.append(
            "against before: the newest run against the mean of those before it, at one level and with one file; "
            "usual: how far a further run like those would lie from it, in 95 of 100 cases; ! is further."
        )
    lines.append(
        f"Shifts of the level are told with a chance of {100 * FALSE_ALARMS:g} % of a false alarm a case and host, "
        "where runs vary by chance alone."
    )
    short = history.untested
    if short:
        which = "" if len(short) == len(history.series) else f" in {len(short)} of {len(history.series)} lines"
        lines.append(f"Too few runs to find shifts{which}: at least {MIN_VALUES} are needed, INVALID ones not counted.")
    return lines
