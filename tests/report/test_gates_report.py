"""Gates on the terminal, as JUnit, Markdown, and for github-action-benchmark."""

from __future__ import annotations

import json
from dataclasses import replace
from xml.etree import ElementTree

import numpy as np
from edgebench.analysis.gating import GateOutcome, Judgement
from edgebench.changes import RunChange
from edgebench.gates import parse_gate
from edgebench.report.gates import action_benchmark, gate_lines, gate_sentence, gates_junit, gates_markdown
from simulated_runs import Truth, case_id, simulated_run

RATIO = Judgement(
    parse_gate("p50 <= 1.05x"), case_id("int8"), "local", GateOutcome.FAIL, "p50", 1.152, 1.148, 1.156, doubt=0.001
)
KEPT = replace(RATIO, outcome=GateOutcome.PASS, value=1.0, low=0.99, high=1.01, doubt=0.9, detectable=0.012)
STRANGE = Judgement(
    parse_gate('recall["<b>|\\"&x"] >= -2pt'),
    case_id("int8", "pi<4>"),
    "pi<4>",
    GateOutcome.UNDECIDED,
    'recall[<b>|"&x]',
    -0.03,
    -0.06,
    0.01,
    reason="few\x00 images \x1b[31m",
    needs="about 3.0 times the images (100 now) would decide",
    doubt=0.2,
)
ALL = [KEPT, STRANGE, RATIO]


def test_failures_stand_first_with_value_interval_and_limit() -> None:
    lines = gate_lines(ALL)
    assert [line.split()[0] for line in lines] == ["FAIL", "undecided", "pass"]
    assert "p50 1.152x (1.148x to 1.156x) of the base, allowed: at most 1.05x" in lines[0]
    assert "about 3.0 times the images" in lines[1]
    assert "1.2 % beyond the limit would be shown 4 times in 5" in lines[2]
    assert not any(character in "".join(lines) for character in "\x00\x1b")


def test_the_sentence_says_what_undecided_does() -> None:
    assert "1 failed, 1 undecided (does not fail the run), 1 passed" in gate_sentence(ALL, undecided_fails=False)
    assert "1 undecided (fails the run)" in gate_sentence(ALL, undecided_fails=True)
    assert "3 that chance has a part in are judged together" in gate_sentence(ALL, undecided_fails=True)


def test_junit_is_read_back() -> None:
    root = ElementTree.fromstring(gates_junit(ALL, undecided_fails=False))
    suites = {suite.get("name"): suite for suite in root.iter("testsuite")}
    assert set(suites) == {"edgebench on local", "edgebench on pi<4>"}
    local, strange = suites.values()
    assert {name: local.get(name) for name in ("tests", "failures", "errors", "skipped")} == {
        "tests": "2",
        "failures": "1",
        "errors": "0",
        "skipped": "0",
    }
    assert strange.get("skipped") == "1"
    (failure,) = root.iter("failure")
    assert "1.152x" in (failure.text or "")
    (skipped,) = root.iter("skipped")
    assert "few" in (skipped.get("message") or "")
    figures = {item.get("name"): item.get("value") for item in local.findall("testcase/properties/property")}
    assert float(figures["limit"] or "") == 1.05
    assert [case.get("name") for case in strange.iter("testcase")] == [STRANGE.gate.text + f" ({STRANGE.name})"]


def test_undecided_may_be_a_failure_in_junit() -> None:
    root = ElementTree.fromstring(gates_junit(ALL, undecided_fails=True))
    assert len(list(root.iter("failure"))) == 2
    assert not list(root.iter("skipped"))


def test_markdown_has_a_row_for_each_and_names_cannot_leave_their_cell() -> None:
    text = gates_markdown(RunChange("old", "new", ()), ALL, undecided_fails=False)
    rows = [line for line in text.splitlines() if line.startswith("| ") and not line.startswith("| outcome")]
    assert len(rows) == 3
    assert "<b>" not in text
    assert "\\|" in rows[1]


def test_what_github_action_benchmark_reads() -> None:
    run = simulated_run(1, {"float32": Truth(5.0)}, np.random.default_rng(0))
    entries = {item["name"]: item for item in json.loads(action_benchmark(run.record.cases))}
    case = case_id("float32")
    assert set(entries) == {f"{case} p50", f"{case} peak RSS", f"{case} size"}
    assert entries[f"{case} size"]["value"] == 1.0
    assert entries[f"{case} p50"]["unit"] == "ms"
    assert 4.5 < entries[f"{case} p50"]["value"] < 5.5
    assert entries[f"{case} p50"]["range"].startswith("± ")
