"""What gates come to: on changes built by hand, and over many simulated invocations."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from edgebench.analysis.accuracy import measure_accuracy
from edgebench.analysis.gating import GateOutcome, Judgement, judge_gates, judge_together
from edgebench.changes import Basis, CaseChange, Change, ChangeVerdict, Metric, RunChange
from edgebench.errors import UsageError
from edgebench.findings import Verdict
from edgebench.gates import parse_gate, parse_gates
from edgebench.records import CaseResult, Failure, Status
from scipy import stats
from simulated_runs import Truth, case_id, simulated_run

PASS, FAIL, UNDECIDED = GateOutcome.PASS, GateOutcome.FAIL, GateOutcome.UNDECIDED
CASE = simulated_run(1, {"int8": Truth()}, np.random.default_rng(0)).record.cases[0]
BLOCKS = 6


def change(metric: Metric, value: float, half: float = 0.0, **more: Any) -> Change:
    """Return a change of which ``half`` is half the two-sided interval's width, symmetrical in the metric's way."""
    one_sided = half * float(stats.t.ppf(0.95, BLOCKS - 1) / stats.t.ppf(0.975, BLOCKS - 1))
    steps = (-half, half, -one_sided, one_sided)
    bounds = [value + step if metric.is_share else value * float(np.exp(step)) for step in steps]
    basis = Basis.SAME_IMAGES if metric.is_share else Basis.IN_TURNS
    return Change(metric, more.pop("label", None), 1.0, value, value, *bounds, **{"basis": basis, **more})


def run_of(*changes: Change, base: CaseResult = CASE, new: CaseResult = CASE, **more: Any) -> RunChange:
    new = replace(new)  # not the same object as the base: a case that is compared with itself is a baseline
    return RunChange("old", "new", (CaseChange(new.case_id, base, new, changes),), **more)


def only(gate: str, compared: RunChange) -> Judgement:
    (found,) = judge_gates([parse_gate(gate)], compared)
    return found


@pytest.mark.parametrize(
    ("gate", "found", "outcome"),
    [
        ("p50 <= 1.05x", change(Metric.P50, 1.152, 0.004), FAIL),
        ("p50 <= 1.05x", change(Metric.P50, 1.01, 0.004), PASS),
        ("p50 <= 1.05x", change(Metric.P50, 1.06, 0.05), UNDECIDED),
        ("p50 <= 1.05x", change(Metric.P50, 1.04, 0.05), UNDECIDED),
        ("p50 <= -20%", change(Metric.P50, 0.5, 0.05), PASS),
        ("p50 <= -20%", change(Metric.P50, 1.0, 0.05), FAIL),
        ("size <= 1.0x", change(Metric.SIZE, 1.0, basis=Basis.EXACT), PASS),
        ("size <= +5%", change(Metric.SIZE, 1.0500000000000003, basis=Basis.EXACT), PASS),
        ("size <= 1.0x", change(Metric.SIZE, 1.001, basis=Basis.EXACT), FAIL),
        ("top1 >= -2pt", change(Metric.TOP1, -0.01, 0.005), PASS),
        ("top1 >= -2pt", change(Metric.TOP1, -0.05, 0.01, verdict=ChangeVerdict.WORSE), FAIL),
        ("top1 >= -2pt", change(Metric.TOP1, -0.05, 0.01, verdict=ChangeVerdict.UNDECIDED), UNDECIDED),
        ("top1 >= -2pt", change(Metric.TOP1, -0.03, 0.05, verdict=ChangeVerdict.UNDECIDED), UNDECIDED),
        ("top1 >= +2pt", change(Metric.TOP1, 0.0, 0.01, verdict=ChangeVerdict.SAME), FAIL),
    ],
)
def test_a_change_is_judged_by_its_one_sided_bounds(gate: str, found: Change, outcome: GateOutcome) -> None:
    assert only(gate, run_of(found)).outcome is outcome


def test_every_class_is_judged() -> None:
    worse = change(Metric.RECALL, -0.2, 0.05, label="mel", verdict=ChangeVerdict.WORSE)
    found = judge_gates(
        [parse_gate("recall[*] >= -3pt")], run_of(worse, change(Metric.RECALL, 0.0, 0.01, label="a b]"))
    )
    assert {item.name: item.outcome for item in found} == {"recall[mel]": FAIL, "recall[a b]]": PASS}


@pytest.mark.parametrize(
    ("found", "said"),
    [
        (Change(Metric.P50, None, 1, 2, 2.0, unavailable={"interval": "no samples"}), "no samples"),
        (Change(Metric.P50, None, 1, unavailable={"value": "new: n too small"}), "new: n too small"),
    ],
)
def test_what_has_no_interval_or_figure_is_undecided_with_the_reason(found: Change, said: str) -> None:
    judged = only("p50 <= 1x", run_of(found))
    assert (judged.outcome, judged.reason) == (UNDECIDED, said)


def test_an_invalid_measurement_of_two_runs_decides_nothing() -> None:
    slower = change(Metric.P50, 2.0, 0.01, basis=Basis.BETWEEN_RUNS)
    judged = only("p50 <= 1x", run_of(slower, new=replace(CASE, verdict=Verdict.INVALID)))
    assert judged.outcome is UNDECIDED
    assert "INVALID" in judged.reason


def test_a_case_that_is_gone_or_broken_fails() -> None:
    broken = replace(CASE, status=Status.FAILED, failure=Failure("crashed", "the worker died"))
    judged = only("p50 <= 1x", run_of(new=broken))
    assert judged.outcome is FAIL
    assert "the worker died" in judged.reason
    gone = run_of(change(Metric.P50, 1.0, 0.01), missing=(case_id("int8", "pi4"), case_id("float32", "pi4")))
    found = judge_gates([parse_gate("int8: p50 <= 1.05x")], gone)
    assert [(item.outcome, item.device) for item in found] == [(PASS, "local"), (FAIL, "pi4")]
    alone = RunChange("old", "new", (CaseChange(broken.case_id, broken, broken, ()),))
    assert only("p50 <= 0.8x", alone).outcome is FAIL


@pytest.mark.parametrize(
    ("gate", "said"),
    [
        ("int9: p50 <= 1x", "is about none of the cases (net/int8@local)"),
        ("recall[me] >= -1pt", "there is no class me; did you mean mel?"),
    ],
)
def test_a_slip_of_the_pen_does_not_pass(gate: str, said: str) -> None:
    with pytest.raises(UsageError) as caught:
        only(gate, run_of(change(Metric.RECALL, 0.0, 0.01, label="mel"), new=with_accuracy(CASE)))
    assert said in str(caught.value)


def test_an_optional_gate_may_be_about_nothing() -> None:
    gates = [replace(parse_gate(text), optional=True) for text in ("int9: p50 <= 1x", "top1 >= 0.5")]
    assert judge_gates(gates, run_of()) == ()


def with_accuracy(case: CaseResult, right: int = 90, images: int = 100) -> CaseResult:
    truth = ["mel"] * images
    scores = np.zeros((images, 2))
    scores[:right, 0] = scores[right:, 1] = 1.0
    return replace(case, accuracy=measure_accuracy(["mel", "nv"], truth, scores, resamples=50))


@pytest.mark.parametrize(
    ("gate", "outcome"),
    [
        ("p50 <= 25ms", PASS),
        ("p50 <= 1ms", FAIL),
        ("p90 <= 6ms", UNDECIDED),
        ("peak_rss <= 60MB", PASS),
        ("peak_rss <= 50MB", UNDECIDED),
        ("peak_rss <= 40MB", FAIL),
        ("size <= 1MB", PASS),
        ("size <= 0.99MB", FAIL),
        ("load <= 2ms", UNDECIDED),
        ("recall[mel] >= 0.7", PASS),
        ("recall[mel] >= 90%", UNDECIDED),
        ("recall[mel] >= 99%", FAIL),
        ("top1 >= 0.7", PASS),
        ("recall[nv] >= 0.7", UNDECIDED),
    ],
)
def test_a_limit_of_its_own_is_judged_by_the_new_side_alone(gate: str, outcome: GateOutcome) -> None:
    assert only(gate, run_of(new=with_accuracy(CASE))).outcome is outcome


def test_undecided_says_what_would_decide() -> None:
    near = change(Metric.P50, 1.06, 0.02, effort_ns=20_000_000_000)
    assert "--budget" in (only("p50 <= 1.05x", run_of(near)).needs or "")
    between = replace(near, basis=Basis.BETWEEN_RUNS)
    assert "--interleave" in (only("p50 <= 1.05x", run_of(between)).needs or "")
    images = change(Metric.TOP1, -0.01, 0.03, images=100, verdict=ChangeVerdict.UNDECIDED)
    assert "times the images (100 now)" in (only("top1 >= -2pt", run_of(images)).needs or "")
    assert "too near" in (only("p50 <= 1.06x", run_of(change(Metric.P50, 1.06, 0.02))).needs or "")


def test_a_passing_gate_says_what_could_have_been_shown() -> None:
    judged = only("p50 <= 1.05x", run_of(change(Metric.P50, 1.0, 0.02)))
    error = 0.02 / stats.t.ppf(0.975, 5)
    assert judged.detectable == pytest.approx(np.expm1(error * (stats.t.ppf(0.95, 5) + stats.t.ppf(0.8, 5))), rel=1e-4)


def test_among_many_gates_a_chance_failure_is_undecided_and_says_so() -> None:
    slow, same = change(Metric.P50, 1.02, 0.021), change(Metric.P50, 1.0, 0.02)
    alone = judge_together([parse_gate("p50 <= 1x")], [run_of(slow)])
    assert alone[0][0].outcome is FAIL
    together = judge_together([parse_gate("p50 <= 1x")], [run_of(slow), *[run_of(same)] * 9])
    assert together[0][0].outcome is UNDECIDED
    assert "10 are judged together" in together[0][0].reason


def _family(rng: np.random.Generator, truth: Sequence[float]) -> list[RunChange]:
    """Return cases measured in turns, whose true ratio is known: Student's t over blocks."""
    found = []
    for ratio in truth:
        logs = np.log(ratio) + rng.normal(0, 0.01, BLOCKS)
        half = float(stats.t.ppf(0.975, BLOCKS - 1) * np.std(logs, ddof=1) / np.sqrt(BLOCKS))
        found.append(run_of(change(Metric.P50, float(np.exp(np.mean(logs))), half)))
    return found


def _failing(judged: Sequence[Sequence[Judgement]]) -> int:
    return sum(item.outcome is FAIL for items in judged for item in items)


@pytest.mark.parametrize("gates", [["p50 <= 1x"], ["p50 <= 1x", "p50 <= +0.5%"]])
def test_the_same_models_again_fail_in_at_most_one_of_twenty_invocations(gates: list[str]) -> None:
    """At the hardest limit, 1.0x, with five cases: without adjustment it would be one of five."""
    rng = np.random.default_rng(7)
    invocations = 300
    alarms = sum(_failing(judge_together(parse_gates(gates), _family(rng, [1.0] * 5))) > 0 for _ in range(invocations))
    # 28 is the 0.1 % point of a binomial with 300 tries of 5 %.
    assert alarms <= stats.binom.ppf(0.999, invocations, 0.05)
    assert alarms >= 1


def test_one_case_that_became_slower_is_found_among_five() -> None:
    rng = np.random.default_rng(8)
    found = sum(
        judge_together(parse_gates(["p50 <= 1.05x"]), _family(rng, [1.1, 1, 1, 1, 1]))[0][0].outcome is FAIL
        for _ in range(100)
    )
    assert found >= 90
