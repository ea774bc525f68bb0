"""The run as CSV for pandas and spreadsheets: one row a case, full precision, units in the column names."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping

from ..cpus import cpu_list
from ..records import CaseResult, RunRecord
from .csvaccuracy import accuracy_columns, class_columns, point_columns, point_keys
from .csvsustained import sustained_columns
from .csvwaits import Value, wait_columns
from .csvwaits import number as _number

_LATENCY = ("count", "warmup_count", "min_ns", "mean_ns", "stdev_ns", "p50_ns", "p90_ns", "p95_ns", "p99_ns", "blocks")
_COMPARISON = ("ratio", "low", "high", "detectable", "blocks")
_MEMORY = (
    "rss_before_load_bytes",
    "rss_after_load_bytes",
    "rss_after_first_bytes",
    "peak_rss_bytes",
    "model_adds_bytes",
    "pss_bytes",
    "uss_bytes",
    "anonymous_bytes",
)
_PARITY = ("max_abs_difference", "largest_value", "allowed_difference", "not_finite")
_CLASS = ("recall", "precision", "f1", "support")
_NODES = ("total_nodes", "delegated_nodes", "partitions")
_ACCURACY = ("images", "top1", "top2", "balanced_accuracy", "macro_f1", "weighted_f1")


def render_csv(record: RunRecord) -> str:
    """Return one header line and one line per case, failed ones included; an absent value is an empty field.

    Columns ``recall:<label>``, ``precision:<label>``, ``f1:<label>`` and ``support:<label>`` follow for each class in
    order of appearance, then their intervals and the difference to the baseline (``recall_difference:<label>`` and its
    like), then operating points. ``findings``, ``silenced`` and ``unchecked`` are codes with semicolons between them.
    Names are written as they are: open files from people you do not trust as text, since a spreadsheet runs cells that
    start with ``=``.
    """
    found = case_rows(record)
    heads = list(found[0]) if found else ["run_id", "case_id"]
    out = io.StringIO()
    writer = csv.DictWriter(out, heads, lineterminator="\n")
    writer.writeheader()
    writer.writerows(found)
    return out.getvalue()


def case_rows(record: RunRecord) -> list[dict[str, Value]]:
    """Return a row a case, each with the same columns in the same order: those of :func:`render_csv`."""
    labels = list(dict.fromkeys(
        label for case in record.cases if case.accuracy for label in case.accuracy.labels
    ))  # fmt: skip
    points = point_keys(record.cases)
    return [_row(record, case, labels) | point_columns(case, points) for case in record.cases]


def _row(record: RunRecord, case: CaseResult, labels: list[str]) -> dict[str, Value]:
    row: dict[str, Value] = {"run_id": record.run_id, "created_utc": record.created_utc, **_identity(case)}
    row |= _judged(case)
    row |= {"runtime_import_ns": case.runtime_import_ns, "load_ns": case.load_ns}
    row |= {"first_inference_ns": case.first_inference_ns}
    row |= {f"latency_{name}": _number(case.latency, name) for name in _LATENCY}
    row |= {"latency_summary_of": case.latency.summary_of if case.latency else None}
    row |= _intervals(case) | _compared(case)
    row |= {name: _number(case.memory, name) for name in _MEMORY}
    row |= {"delegate_coverage": case.delegation.coverage.value if case.delegation else None}
    row |= {name: _number(case.delegation, name) for name in _NODES}
    row["cpu_operators"] = _json(case.delegation.cpu_operators) if case.delegation else None
    row |= _gpu(case) | wait_columns(case.waits) | sustained_columns(case.sustained)
    row |= {name: _number(case.accuracy, name) for name in _ACCURACY}
    row |= accuracy_columns(case)
    return row | _classes(case, labels) | class_columns(case, labels)


def _identity(case: CaseResult) -> dict[str, Value]:
    runtime = case.runtime
    return {
        "case_id": case.case_id,
        "model": case.model,
        "variant": case.variant,
        "device": case.device,
        "engine": case.engine.value,
        "runtime": runtime.name if runtime else None,
        "runtime_package": runtime.package if runtime else None,
        "runtime_version": runtime.version if runtime else None,
        "delegate": case.delegate.kind.value,
        "delegate_library": case.delegate.library,
        "delegate_options": _json(case.delegate.options) if case.delegate.options else None,
        "threads": case.threads,
        "cpus": case.cpus,
        "cpu_numbers": cpu_list(case.cpu_numbers) or None,
        "signature": case.signature,
        "status": case.status.value,
        "failure_code": case.failure.code if case.failure else None,
        "failure_message": case.failure.message if case.failure else None,
        "model_path": case.file.path,
        "model_sha256": case.file.sha256,
        "scheme": case.file.scheme,
        "size_bytes": case.file.size_bytes,
    }


def _compared(case: CaseResult) -> dict[str, Value]:
    found = case.comparison
    difference = found.difference.value if found and found.difference else None
    figures = {f"base_{name}": _number(found, name) for name in _COMPARISON}
    return {"base_case_id": found.baseline if found else None, **figures, "base_difference": difference}


def _judged(case: CaseResult) -> dict[str, Value]:
    codes = {
        silenced: [item.code.value for item in case.findings if item.silenced is silenced] for silenced in (False, True)
    }
    return {
        "verdict": case.verdict.value if case.verdict else None,
        "findings": ";".join(codes[False]) or None,
        "silenced": ";".join(codes[True]) or None,
        "unchecked": ";".join(case.unchecked) or None,
    }


def _intervals(case: CaseResult) -> dict[str, Value]:
    found = case.latency.intervals.get("p50_ns") if case.latency else None
    low, high = found or (None, None)
    return {"latency_p50_low_ns": low, "latency_p50_high_ns": high}


def _gpu(case: CaseResult) -> dict[str, Value]:
    adapter, parity = case.adapter, case.parity
    row: dict[str, Value] = {
        "adapter": adapter.name if adapter else None,
        "adapter_kind": adapter.kind if adapter else None,
        "adapter_software": str(adapter.software).lower() if adapter else None,
        "parity_agrees": str(parity.agrees).lower() if parity else None,
    }
    return row | {f"parity_{name}": _number(parity, name) for name in _PARITY}


def _classes(case: CaseResult, labels: list[str]) -> dict[str, Value]:
    measured = {item.label: item for item in case.accuracy.classes} if case.accuracy else {}
    row: dict[str, Value] = {}
    for label in labels:
        item = measured.get(label)
        row |= {f"{name}:{label}": _number(item, name) for name in _CLASS}
    return row


def _json(mapping: Mapping[str, str] | Mapping[str, int | None]) -> str:
    return json.dumps(dict(mapping), sort_keys=True, ensure_ascii=False)
