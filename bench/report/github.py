"""Gated figures in the form that github-action-benchmark draws over commits (its tool ``customSmallerIsBetter``)."""

from __future__ import annotations

import json

from ..analysis.gating import GateResult, Judgement
from ..analysis.own_figures import own_evidence, own_figure
from ..changes import CaseChange, Metric, RunChange
from .change_words import MEMORY
from .gates import case_name, result_line
from .text import clean


def render_github_benchmark(judged: Judgement, changes: list[RunChange]) -> str:
    """Return a JSON array with each gated figure of the new side once: ms, MB, or points missing to 100 %.

    Smaller is better there, so a share stands as what is missing: a recall of 0.9 as 10 points. A figure that was not
    measured is left out.
    """
    cases = {case.case_id: case for change in changes for case in change.cases}
    entries: dict[str, dict[str, object]] = {}
    for result in judged.results:
        case = cases.get(result.case_id)
        entry = _entry(result, case) if case is not None else None
        if entry is not None:
            entries.setdefault(str(entry["name"]), entry)
    return json.dumps(list(entries.values()), indent=2, ensure_ascii=False) + "\n"


def _entry(result: GateResult, case: CaseChange) -> dict[str, object] | None:
    metric = result.gate.metric
    label = result.name.partition("[")[2][:-1] or None
    value = own_figure(case.new, metric, label)
    if value is None:
        return None
    evidence = own_evidence(case.new, metric, label)
    entry: dict[str, object] = {
        "name": clean(f"{case_name(result)} {result.name}{' missing' if metric.is_share else ''}"),
        "unit": _unit(metric),
        "value": _number(metric, value),
    }
    if evidence is not None and not evidence.exact:
        half = abs(_number(metric, evidence.high) - _number(metric, evidence.low)) / 2
        entry["range"] = f"± {half:.3g}"
    return {**entry, "extra": result_line(result)}


def _unit(metric: Metric) -> str:
    return "points" if metric.is_share else "MB" if metric in MEMORY else "ms"


def _number(metric: Metric, value: float) -> float:
    """Return a figure in its unit, with the digits that it has."""
    return float(f"{100 * (1 - value) if metric.is_share else value / 1e6:.6g}")
