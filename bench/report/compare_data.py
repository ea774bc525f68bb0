"""Comparisons for programs: JSON, and CSV with one row a figure."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from typing import Any

from ..changes import CaseChange, Change, RunChange
from ..records import CaseResult

FORMAT, VERSION = "edgebench-compare", 1
_FIGURES = ("base", "new", "value", "low", "high", "one_sided_low", "one_sided_high")
HEADS = ("base_run", "new_run", "case_id", "metric", "label", *_FIGURES, "verdict", "basis", "effort_ns", "images",
         "lost", "gained", "explanation", "unavailable")  # fmt: skip


def render_compare_json(changes: Sequence[RunChange]) -> str:
    """Return comparisons as JSON text in ASCII. ``version`` grows where a field changes its meaning or goes."""
    found = {"format": FORMAT, "version": VERSION, "comparisons": [_comparison(change) for change in changes]}
    return json.dumps(found, indent=1, allow_nan=False)


def _comparison(change: RunChange) -> dict[str, Any]:
    return {
        "base": change.base_name,
        "new": change.new_name,
        "cases": [_case(case) for case in change.cases],
        "missing": list(change.missing),
        "added": list(change.added),
        "environment": list(change.environment),
        "notes": list(change.notes),
    }


def _case(case: CaseChange) -> dict[str, Any]:
    return {
        "case_id": case.case_id,
        "base": _side(case.base),
        "new": _side(case.new),
        "changes": [_change(change) for change in case.changes],
        "doubts": list(case.doubts),
    }


def _side(case: CaseResult) -> dict[str, Any]:
    return {
        "case_id": case.case_id,
        "sha256": case.file.sha256,
        "status": case.status.value,
        "measurement": case.verdict.value if case.verdict else None,
        "runtime": f"{case.runtime.package} {case.runtime.version}" if case.runtime else None,
    }


def _change(change: Change) -> dict[str, Any]:
    return {
        "name": change.name,
        "metric": change.metric.value,
        "label": change.label,
        **{name: getattr(change, name) for name in _FIGURES},
        "verdict": change.verdict.value if change.verdict else None,
        "basis": change.basis.value if change.basis else None,
        "explanation": change.explanation,
        "effort_ns": change.effort_ns,
        "images": change.images,
        "lost": change.lost,
        "gained": change.gained,
        "unavailable": dict(change.unavailable),
    }


def render_compare_csv(changes: Sequence[RunChange]) -> str:
    """Return one header line and one line a figure, full precision, in the metric's unit: ns, bytes or a share.

    Names are written as they are: open files from people you do not trust as text, since a spreadsheet runs cells that
    start with ``=``.
    """
    out = io.StringIO()
    writer = csv.DictWriter(out, HEADS, lineterminator="\n", extrasaction="ignore")
    writer.writeheader()
    for change in changes:
        for case in change.cases:
            for item in case.changes:
                row = _change(item) | {"base_run": change.base_name, "new_run": change.new_name}
                reasons = "; ".join(f"{kind}: {reason}" for kind, reason in item.unavailable.items())
                writer.writerow(row | {"case_id": case.case_id, "unavailable": reasons})
    return out.getvalue()
