"""Which case is chosen, from made-up records."""

from __future__ import annotations

from dataclasses import replace

import pytest
from edgebench.analysis.margins import Keeps
from edgebench.analysis.recommendation import RankedBy, Recommendation, TieBrokenBy, recommend, unknown_labels
from edgebench.findings import Code, Finding, Severity, Verdict
from edgebench.records import (
    Accuracy,
    AccuracyComparison,
    AccuracyVerdict,
    Agreement,
    CaseResult,
    Comparison,
    Delegate,
    DelegateKind,
    Engine,
    Environment,
    Latency,
    ModelFile,
    PairedDifference,
    RunRecord,
    Settings,
    Status,
)
from edgebench.rule import DEFAULT_RULE, Criterion, Measure, Rule

BASE = "m/float32"
ACCURACY = Accuracy(900, 0.8, 0.9, 0.7, 0.7, 0.8, ("mel", "nv"), (), ())
MEL = Rule((Criterion(Measure.RECALL, 0.02, "mel"),))


def difference(
    name: str, low: float, high: float, verdict: AccuracyVerdict = AccuracyVerdict.NONE_SHOWN
) -> PairedDifference:
    return PairedDifference(
        name, 900, None, 3, 4, (low + high) / 2, low - 0.01, high + 0.01, 0.1, None, verdict, 0.1,
        one_sided_low=low, one_sided_high=high,
    )  # fmt: skip


def against(
    low: float, high: float, mel: AccuracyVerdict = AccuracyVerdict.NONE_SHOWN, agreement: float = 0.97
) -> AccuracyComparison:
    whole = difference("balanced accuracy", low, high)
    return AccuracyComparison(
        BASE, 900, None, Agreement(900, agreement, 0.95, 0.99), whole, whole, (difference("mel", low, high, mel),)
    )


PASSING, FAILING, UNDECIDED = against(-0.01, 0.01), against(-0.08, -0.04), against(-0.05, 0.03)


def case(
    variant: str,
    ratio: float | None = None,
    accuracy: AccuracyComparison | None = None,
    *,
    half: float = 0.01,
    size: int = 1000,
    tail: str = "",
) -> CaseResult:
    """Return a case; without ``ratio`` it is the baseline, whose median is 10 ms."""
    p50 = 1e7 * (ratio or 1.0)
    found = None if ratio is None else Comparison(BASE, ratio, ratio - half, ratio + half, 6)
    return CaseResult(
        f"m/{variant}{tail}", "m", variant, "local", Engine.INTERPRETER, Delegate(DelegateKind.DEFAULT), 1,
        ModelFile(f"{variant}.tflite", variant, size, variant), Status.OK, latency=Latency(100, 1, p50, p50_ns=p50),
        comparison=found, accuracy=ACCURACY, accuracy_comparison=accuracy,
    )  # fmt: skip


FLOAT = case("float32", size=4000)


def record(*cases: CaseResult) -> RunRecord:
    settings = Settings(0, 50, 5000, 1, 2, 3, 5, 120.0)
    environment = Environment("h", "s", "k", "m", None, None, None, None, "3", "0")
    return RunRecord(2, "r", "now", (), settings, environment, cases)


def recommended(*cases: CaseResult, rule: Rule = DEFAULT_RULE) -> Recommendation:
    (found,) = recommend(record(*cases), rule)
    return found


def chosen(found: Recommendation) -> str | None:
    return found.chosen.case.case_id if found.chosen else None


def keeps(found: Recommendation) -> dict[str, Keeps]:
    return {item.case.variant: item.keeps for item in found.candidates}


def test_the_fastest_that_passes_is_chosen_whatever_is_faster_and_fails() -> None:
    found = recommended(FLOAT, case("float16", 0.8, PASSING), case("dynamic", 0.6, PASSING), case("int8", 0.4, FAILING))
    assert chosen(found) == "m/dynamic"
    assert keeps(found) == {
        "float32": Keeps.PASSES, "float16": Keeps.PASSES, "dynamic": Keeps.PASSES, "int8": Keeps.FAILS
    }  # fmt: skip
    assert (found.ranked_by, found.tied, found.pending, found.not_tried) == (RankedBy.RATIO, (), (), ("int16x8",))


def test_where_none_passes_the_float_model_stays() -> None:
    found = recommended(FLOAT, case("int8", 0.4, FAILING))
    assert chosen(found) == "m/float32"
    assert found.not_tried == ("float16", "dynamic", "int16x8")


def test_undecided_is_not_chosen_and_named_where_it_would_be() -> None:
    cases = [FLOAT, case("int8", 0.4, UNDECIDED), case("float16", 0.8, PASSING), case("dynamic", 0.9, UNDECIDED)]
    found = recommended(*cases)
    assert chosen(found) == "m/float16"
    assert [item.case.variant for item in found.pending] == ["int8"]
    assert all(answer.needs for item in found.pending for answer in item.answers if answer.keeps is Keeps.UNDECIDED)


def test_latencies_that_are_not_told_apart_are_a_tie_broken_by_size() -> None:
    one, other = case("int8", 0.50, PASSING, size=3000), case("dynamic", 0.515, PASSING, size=2000)
    found = recommended(FLOAT, one, other, case("float16", 0.8, PASSING, size=10))
    assert chosen(found) == "m/dynamic"
    assert [item.case.variant for item in found.tied] == ["int8"]
    assert found.broken_by is TieBrokenBy.SIZE


def test_a_tie_of_the_same_file_is_broken_by_latency() -> None:
    cases = [FLOAT, case("int8", 0.51, PASSING), case("int8", 0.50, PASSING, tail="@t2")]
    found = recommended(*cases)
    assert (chosen(found), found.broken_by) == ("m/int8@t2", TieBrokenBy.LATENCY)


def test_an_undecided_case_in_a_tie_counts_where_its_file_is_smaller() -> None:
    small, large = case("float16", 1.004, UNDECIDED, size=2000), case("int16x8", 1.003, UNDECIDED, size=9000)
    found = recommended(FLOAT, small, large)
    assert [item.case.variant for item in found.pending] == ["float16"]


def test_the_rule_is_the_one_that_was_given() -> None:
    cases = [FLOAT, case("int8", 0.4, against(-0.019, 0.01, AccuracyVerdict.WORSE))]
    assert chosen(recommended(*cases)) == "m/float32"
    assert chosen(recommended(*cases, rule=MEL)) == "m/int8"


def test_without_ratios_p50_ranks_and_nothing_is_called_a_tie() -> None:
    untimed = replace(case("int8", 0.4, PASSING), comparison=Comparison(BASE, unavailable={"ratio": "1 block"}))
    found = recommended(FLOAT, untimed)
    assert (chosen(found), found.ranked_by, found.tied) == ("m/int8", RankedBy.P50, ())


def test_two_baselines_are_not_comparable() -> None:
    other = replace(case("int8", 0.9, PASSING), comparison=Comparison("m/float16", 0.9, 0.89, 0.91, 6))
    assert recommended(FLOAT, case("float16", 0.8, PASSING), other).ranked_by is RankedBy.P50


def test_invalid_failed_and_untimed_cases_are_left_out_with_the_reason() -> None:
    finding = Finding(Code.EMULATED, Severity.INVALID, "an emulator ran it", "use the device")
    found = recommended(
        FLOAT,
        replace(case("int8", 0.4, PASSING), verdict=Verdict.INVALID, findings=(finding,)),
        replace(case("dynamic", 0.5, PASSING), status=Status.FAILED),
        replace(case("float16", 0.6, PASSING), latency=None),
        replace(case("int16x8", 0.7, PASSING), verdict=Verdict.SUSPECT),
    )
    assert chosen(found) == "m/int16x8"
    assert {item.case.variant: item.reason for item in found.left_out} == {
        "int8": "verdict INVALID (an emulator ran it)",
        "dynamic": "ended as failed",
        "float16": "not timed",
    }


def test_without_accuracy_nothing_is_recommended() -> None:
    cases = [replace(item, accuracy=None) for item in (FLOAT, case("int8", 0.4))]
    found = recommended(*cases)
    assert found.chosen is None
    assert {answer.reason for item in found.candidates for answer in item.answers} == {"accuracy was not measured"}
    assert [item.case.variant for item in found.pending] == ["int8", "float32"]


def test_without_labels_the_reason_is_theirs() -> None:
    reason = "the images have no labels"
    none = AccuracyComparison(BASE, 9, unavailable={"balanced_accuracy": reason, "classes": reason})
    unlabelled = replace(case("int8", 0.4, none), accuracy=None, unavailable={"accuracy": reason})
    found = recommended(replace(FLOAT, accuracy=None, unavailable={"accuracy": reason}), unlabelled)
    assert found.chosen is None
    assert keeps(found) == {"float32": Keeps.UNDECIDED, "int8": Keeps.UNDECIDED}


def test_one_case_passes_as_what_others_would_be_compared_with() -> None:
    found = recommended(FLOAT)
    assert (chosen(found), len(found.candidates)) == ("m/float32", 1)


def test_a_record_that_compares_with_nothing_decides_nothing() -> None:
    found = recommended(FLOAT, case("int8", 0.4))
    assert found.chosen is None
    assert found.candidates[1].answers[0].reason == "this record compares it with no float model"


@pytest.mark.parametrize(("agreement", "expected"), [(1.0, Keeps.PASSES), (0.998, Keeps.UNDECIDED)])
def test_the_float_model_run_otherwise_passes_where_each_answer_is_the_same(agreement: float, expected: Keeps) -> None:
    comparison = against(-0.03, 0.03, agreement=agreement)
    threads = case("float32", 0.6, comparison, size=4000, tail="@t2")
    found = recommended(FLOAT, threads)
    assert found.candidates[1].keeps is expected
    assert chosen(found) == ("m/float32@t2" if expected is Keeps.PASSES else "m/float32")


def test_each_model_has_its_own() -> None:
    other = replace(FLOAT, case_id="n/float32", model="n")
    found = recommend(record(FLOAT, case("int8", 0.4, PASSING), other), DEFAULT_RULE)
    assert [(item.model, chosen(item)) for item in found] == [("m", "m/int8"), ("n", "n/float32")]


def test_classes_that_no_model_has() -> None:
    rule = Rule((*MEL.criteria, Criterion(Measure.RECALL, 0.02, "naevus")))
    assert unknown_labels(record(FLOAT), rule) == (["naevus"], ["mel", "nv"])
    assert unknown_labels(record(replace(FLOAT, accuracy=None)), rule) == ([], [])
