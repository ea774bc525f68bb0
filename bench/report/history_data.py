"""A history for programs: CSV with a row a run, JSON with a series a case and host."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from typing import Any

from ..analysis.change_points import FALSE_ALARMS
from ..history import Change, ChangePoint, History, Point, Series

COLUMNS = (
    "case_id", "hostname", "machine", "cpu_model", "run_id", "created_utc", "metric", "unit", "value", "low", "high",
    "status", "verdict", "used", "model_sha256", "runtime", "kernel", "edgebench", "changed", "shift_by", "shift_low",
    "shift_high", "shift_p",
)  # fmt: skip


def render_history_csv(history: History) -> str:
    """Return one header line and one line a run of each case; an absent value is an empty field.

    ``changed`` names what differs from the run before, with semicolons between. The ``shift_`` columns are filled in
    the first run of a new level.
    """
    out = io.StringIO()
    writer = csv.DictWriter(out, COLUMNS, lineterminator="\n")
    writer.writeheader()
    for series in history.series:
        shifts = {id(found.after): found for found in series.change_points}
        writer.writerows(_row(point, series, history, shifts.get(id(point.row))) for point in series.points)
    return out.getvalue()


def _row(point: Point, series: Series, history: History, shift: ChangePoint | None) -> dict[str, Any]:
    return {
        "case_id": series.case_id,
        "hostname": series.host.hostname,
        "machine": series.host.machine,
        "cpu_model": series.host.cpu_model,
        "metric": history.metric.name,
        "unit": history.metric.unit.value,
        **{key: value for key, value in _point(point).items() if key != "changes"},
        "used": str(point.used).lower(),
        "changed": ";".join(item.what for item in point.changes) or None,
        "shift_by": shift.by if shift else None,
        "shift_low": shift.low if shift else None,
        "shift_high": shift.high if shift else None,
        "shift_p": shift.p if shift else None,
    }


def render_history_json(history: History, problems: Sequence[str] = ()) -> str:
    """Return everything as JSON; values are in ``unit``: ns, bytes or shares from 0 to 1. ``problems`` go with it."""
    found = {
        "metric": history.metric.name,
        "unit": history.metric.unit.value,
        "false_alarms": None if history.metric.exact else FALSE_ALARMS,
        "series": [_series(series) for series in history.series],
        "without": list(history.without),
        "problems": list(problems),
    }
    return json.dumps(found, indent=1, allow_nan=False) + "\n"


def _series(series: Series) -> dict[str, Any]:
    host, trend = series.host, series.trend
    return {
        "case_id": series.case_id,
        "host": {"hostname": host.hostname, "machine": host.machine, "cpu_model": host.cpu_model},
        "against_before": {"by": trend.by, "usual": trend.usual, "unusual": trend.unusual} if trend else None,
        "points": [_point(point) for point in series.points],
        "change_points": [_change_point(found) for found in series.change_points],
    }


def _point(point: Point) -> dict[str, Any]:
    row, estimate = point.row, point.estimate
    return {
        "run_id": row.run_id,
        "created_utc": row.created.isoformat(),
        "value": estimate.value if estimate else None,
        "low": estimate.low if estimate else None,
        "high": estimate.high if estimate else None,
        "status": row.status.value,
        "verdict": row.verdict.value if row.verdict else None,
        "used": point.used,
        "model_sha256": row.model_sha256,
        "runtime": row.runtime_version,
        "kernel": row.kernel,
        "edgebench": row.edgebench,
        "changes": _changes(point.changes),
    }


def _change_point(found: ChangePoint) -> dict[str, Any]:
    return {
        "before": found.before.run_id,
        "after": found.after.run_id,
        "by": found.by,
        "low": found.low,
        "high": found.high,
        "p": found.p,
        "changes": _changes(found.changes),
        "nearby": _changes(found.nearby),
    }


def _changes(changes: Sequence[Change]) -> list[dict[str, str]]:
    return [{"what": item.what, "before": item.before, "after": item.after} for item in changes]
