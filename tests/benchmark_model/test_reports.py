"""Figures that the tool reported are shown in every report, and ranked, compared and gated in none."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from edgebench.analysis.between_runs import compare_runs
from edgebench.analysis.gating import GateOutcome, judge_gates
from edgebench.analysis.in_turns import changes_within
from edgebench.analysis.recommendation import recommend
from edgebench.benchmark_model.log import parse_log
from edgebench.benchmark_model.result import delegation_of, latency_of, memory_of, operators_of
from edgebench.changes import Metric
from edgebench.frames import samples_frame
from edgebench.gates import parse_gates
from edgebench.records import (
    CaseResult,
    Delegate,
    DelegateKind,
    Engine,
    Environment,
    ModelFile,
    RunRecord,
    RuntimeInfo,
    Status,
)
from edgebench.report.compare_text import render_compare_table
from edgebench.report.csvfile import case_rows
from edgebench.report.html import render_html
from edgebench.report.markdown import render_markdown
from edgebench.report.tables import build_table
from edgebench.report.terminal import render_table
from edgebench.rule import DEFAULT_RULE
from edgebench.store import StoredRun, from_dict, to_json
from harness import SHORT

from . import samples

LINE = "benchmark_model reports summaries: no ratio, no gate"


def case(variant: str, scale: float = 1.0) -> CaseResult:
    """Return a case as the tool measured it."""
    log = parse_log(samples.WHOLE)
    latency = latency_of(log)
    return CaseResult(
        case_id=f"m/{variant}@phone/benchmark_model.tflite+gpu/t4",
        model="m",
        variant=variant,
        device="phone",
        engine=Engine.BENCHMARK_MODEL,
        delegate=Delegate(DelegateKind.GPU),
        threads=4,
        file=ModelFile("m.tflite", variant, 1000, "float32"),
        status=Status.OK,
        runtime=RuntimeInfo("tflite", "benchmark_model", "sha256:ab", "none", "none", "aarch64"),
        load_ns=38_467_000,
        first_inference_ns=81_913_000,
        latency=replace(latency, p50_ns=scale * (latency.p50_ns or 0.0)),
        memory=memory_of(log),
        delegation=delegation_of(log, Delegate(DelegateKind.GPU)),
        operators=operators_of(parse_log(samples.PROFILE), 56e6),
    )


HERE = Environment("phone", "Android 14", "5.10", "aarch64", None, 8, 8, 8_000_000_000, "none", "1", {"cpu_model": "?"})
RECORD = RunRecord(2, "one", "2026-01-01T00:00:00+00:00", (), SHORT, HERE, (case("float32"), case("int8", 0.5)))


def run(record: RunRecord = RECORD) -> StoredRun:
    return StoredRun(record, samples_frame([]), None)


def test_the_record_comes_back() -> None:
    assert from_dict(json.loads(to_json(RECORD)), "x") == RECORD


@pytest.mark.parametrize("text", [render_table(RECORD), render_markdown(RECORD).replace("\\_", "_")])
def test_table_and_markdown_say_so_in_one_line(text: str) -> None:
    notes = [line for line in text.splitlines() if LINE in line]
    assert notes
    assert any(line.lstrip(" -") == LINE for line in notes)
    assert "56.2" in text
    assert "28.1" in text
    assert "benchmark_model's own: the largest resident set of its whole process" in text.replace("\\", "")
    assert "2.55 until the model was initialised, 9.10 until the end" in text
    assert "as benchmark_model reports it, in a process of its own: no ranges, no latencies" in text
    assert "CONV_2D" in text.replace("\\", "")


def test_the_page_says_so_too() -> None:
    page = render_html(RECORD, samples_frame([]), None)
    assert LINE in page
    assert "benchmark_model, without the samples" in page
    assert "Peak RSS of a clean worker" not in page


def test_no_ratio_in_the_table_and_nothing_is_ranked() -> None:
    table = build_table(RECORD)
    assert [column.key for column in table.columns if column.key == "ratio"] == []
    (found,) = recommend(RECORD, DEFAULT_RULE)
    assert found.candidates == ()
    assert {item.reason for item in found.left_out} == {LINE}
    assert case_rows(RECORD)[0]["latency_summary_of"] == "benchmark_model"


def test_two_runs_are_shown_and_not_compared() -> None:
    other = run(replace(RECORD, run_id="other", cases=(case("float32", 2.0), case("int8", 2.0))))
    change = compare_runs(run(), other)
    for item in change.cases:
        for metric in (Metric.P50, Metric.LOAD, Metric.FIRST, Metric.PEAK_RSS):
            found = item.find(metric)
            assert found is not None
            assert (found.value, found.verdict, found.unavailable) == (None, None, {"value": LINE})
    assert f"p50: {LINE}" in render_compare_table([change])


@pytest.mark.parametrize("gate", ["p50 <= 1.01x", "p50 <= 1ms", "peak_rss <= 1MB", "peak_rss <= +1%", "load <= 1ms"])
def test_no_gate_is_decided_by_it(gate: str) -> None:
    other = run(replace(RECORD, run_id="other", cases=(case("float32", 2.0), case("int8", 2.0))))
    for judged in judge_gates(parse_gates([gate]), compare_runs(run(), other)):
        assert (judged.outcome, judged.reason, judged.low) == (GateOutcome.UNDECIDED, LINE, None)


def test_absolute_gates_of_a_run_alone_are_not_decided_either() -> None:
    judged = judge_gates(parse_gates(["p50 <= 100ms"]), changes_within(run()))
    assert [(item.outcome, item.reason) for item in judged] == [(GateOutcome.UNDECIDED, LINE)] * 2
    size = judge_gates(parse_gates(["size <= 3MB"]), changes_within(run()))
    assert {item.outcome for item in size} == {GateOutcome.PASS}
