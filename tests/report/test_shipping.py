"""What the section "What to ship" says, and that every report begins with it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pytest
from edgebench.analysis.paired import paired_differences
from edgebench.findings import Verdict
from edgebench.records import AccuracyComparison, CaseResult, RunRecord, Status
from edgebench.report.html import render_html
from edgebench.report.markdown import render_markdown
from edgebench.report.shipping import shipping_section
from edgebench.report.summary import front_rows
from edgebench.report.tables import build_table
from edgebench.report.terminal import render_table
from edgebench.rule import Criterion, Measure, Rule, parse_rule
from samples import (
    DATA,
    HOSTILE,
    LABELS,
    SOFTWARE,
    SUPPORT,
    comparison,
    empty_samples,
    failed_case,
    fifty_cases,
    four_variants,
    hostile,
    make_case,
    make_record,
    without_accuracy,
)
from test_html import text_of

BASE = make_case("float32", 7.43)


def judged(changes: Mapping[str, tuple[int, int]], notes: tuple[str, ...] = ()) -> AccuracyComparison:
    """Return the comparison of a case that gained and lost these images of each class."""
    truth: list[str] = []
    before: list[bool] = []
    after: list[bool] = []
    for label, images in zip(LABELS, SUPPORT, strict=True):
        gained, lost = changes.get(label, (0, 0))
        same = [True] * (images - gained - lost)
        truth += [label] * images
        before += [False] * gained + [True] * lost + same
        after += [True] * gained + [False] * lost + same
    found = paired_differences(LABELS, truth, np.array(after), np.array(before))
    return AccuracyComparison(
        BASE.case_id, len(truth), None, None, found.top1, found.balanced_accuracy, found.classes, notes
    )


def variant(name: str, ratio: float, changes: Mapping[str, tuple[int, int]], half: float = 0.01) -> CaseResult:
    case = make_case(name, 7.43 * ratio)
    return replace(case, comparison=comparison(ratio, half), accuracy_comparison=judged(changes))


FLOAT16 = variant("float16", 1.004, {})
DYNAMIC = variant("dynamic", 0.7, {"nv": (8, 9), "bkl": (1, 1)})
INT8 = variant("int8", 0.482, {"mel": (2, 22), "df": (0, 3)})


def shippable(*more: CaseResult) -> RunRecord:
    return make_record([BASE, *(more or (FLOAT16, DYNAMIC, INT8, failed_case()))])


def said(record: RunRecord, rule: Rule | None = None, *, whole: bool = True) -> list[str]:
    section = shipping_section(record, build_table(record), rule, whole=whole)
    assert section is not None
    return list(section.lines)


def test_the_answer_comes_first_then_its_rule_then_each_case() -> None:
    answer, rule, *others = said(shippable())
    assert answer == (
        "Ship dynamic: the fastest of 3 that keep to the rule (4 judged); p50 5.20 ms, 0.700 of the baseline's "
        "(0.693 to 0.707)."
    )
    assert rule == (
        "Rule (the default; --recommend takes another): the smallest latency among variants not worse than the float "
        "model by more than 2 points of balanced accuracy (one-sided 95 %), with no class shown worse."
    )
    starts = [
        "float32 passes:",
        "float16 passes:",
        "dynamic passes:",
        "int8 fails: shown worse: mel",
        "int16x8 left out",
    ]
    for line, start in zip(others, starts, strict=False):
        assert line.startswith(start)
    assert others[-1].startswith("Front of latency, size, peak memory and balanced accuracy: ")


def test_a_variant_that_changes_no_answer_passes_the_default_and_not_one_point() -> None:
    assert "at worst −1.5 (2 points lower is allowed)" in said(shippable())[3]
    line = next(line for line in said(shippable(), parse_rule(["balanced=-1pt"])) if line.startswith("float16"))
    assert line.startswith("float16 undecided: balanced accuracy ±0 points, anything from −1.5 to +1.5")


def test_what_would_decide_is_said() -> None:
    lines = said(shippable(), parse_rule(["recall:mel=-1pt"]))
    assert lines[0].startswith("Ship float32: no other case is shown to keep to the rule; p50 7.43 ms.")
    assert lines[0].endswith("Undecided, and the choice if shown to keep to the rule: dynamic or float16.")
    assert lines[1].startswith(
        "Rule: the smallest latency among variants not worse than the float model by more than 1"
    )
    needs = [line for line in lines if line.startswith("To decide about ")]
    assert len(needs) == 1
    assert needs[0].startswith("To decide about dynamic, float16: about ")
    assert "more images of mel (167 now) would show it to pass, if the difference stays as it is" in needs[0]


def test_a_tie_is_named_and_broken_by_size() -> None:
    close = variant("int8", 0.699, {})
    answer = said(shippable(DYNAMIC, close))[0]
    assert answer.startswith("Ship dynamic: one of the fastest of 3 that keep to the rule (3 judged); ")
    assert "Its latency is not told apart from that of int8: the smaller file decided." in answer


def test_suspect_invalid_and_generated_are_said() -> None:
    cases = [
        replace(DYNAMIC, verdict=Verdict.SUSPECT),
        replace(FLOAT16, verdict=Verdict.SUSPECT),
        replace(INT8, verdict=Verdict.INVALID, findings=(SOFTWARE,)),
    ]
    record = replace(shippable(*cases), data=replace(DATA, generated=True))
    lines = said(record)
    assert lines[0].endswith("Its verdict is suspect: look at the reasons first. Suspect, too: float16.")
    assert lines[1] == "The images are generated: this shows how the rule works, not what to ship."
    assert "int8 left out: verdict INVALID (llvmpipe plays the GPU on the CPU)." in lines
    first = replace(record.cases[0], verdict=Verdict.INVALID, findings=(SOFTWARE,))
    assert "The timing of the baseline is INVALID" in said(replace(record, cases=(first, *record.cases[1:])))[0]


def test_a_baseline_that_is_no_float_model_is_told() -> None:
    noted = replace(DYNAMIC, accuracy_comparison=judged({}, ("base is int8: this is what changed against it",)))
    assert "To know: base is int8: this is what changed against it." in said(shippable(noted))


def test_without_ratios_it_says_what_the_order_rests_on() -> None:
    plain = [replace(case, comparison=None) for case in (FLOAT16, DYNAMIC)]
    assert "That is by p50 alone" in said(shippable(*plain))[0]


def test_other_variants_are_proposed_where_all_that_are_faster_fail() -> None:
    assert said(shippable(INT8))[-2].startswith("Not in this run: float16, dynamic, int16x8; one of them may be faster")


def test_where_nobody_asked_and_nothing_can_be_chosen_there_is_no_section() -> None:
    for record in (without_accuracy(), make_record([BASE]), make_record([], data=None)):
        table = build_table(record)
        assert shipping_section(record, table, whole=True) is None
        assert "What to ship" not in render_table(record)
    asked = parse_rule(["top1=-1pt"])
    assert said(without_accuracy(), asked)[0] == "No recommendation: accuracy was not measured."
    assert said(make_record([BASE]), asked)[0].startswith("Ship float32: the only case that can be judged")
    dead = make_record([replace(BASE, status=Status.FAILED)])
    assert said(dead, asked)[0] == "No recommendation: no case can be judged."


def test_a_record_without_comparisons_recommends_nothing() -> None:
    assert said(four_variants())[0].startswith("No recommendation: this record compares it with no float model.")


def test_an_interrupted_run_recommends_nothing() -> None:
    assert said(replace(shippable(), interrupted=True))[0] == "The run was stopped by hand: nothing is recommended."


def test_the_runs_own_rule_holds_unless_another_is_given() -> None:
    mine = Rule((Criterion(Measure.TOP1, 0.05),))
    record = replace(shippable(), rule=mine)
    assert said(record)[0].startswith("Ship int8:")
    assert "5 points of top-1 accuracy" in said(record)[1]
    assert said(record, parse_rule(["balanced=-2pt"]))[0].startswith("Ship dynamic:")


def test_a_terse_section_stays_short() -> None:
    record = fifty_cases()
    assert len(said(record, whole=False)) <= len(said(record))
    models = {case.model for case in record.cases}
    assert all(line.startswith(tuple(models)) for line in said(record)[: len(models)])


@pytest.mark.parametrize("width", [80, 100])
def test_every_report_begins_with_it(width: int) -> None:
    record = shippable()
    text = render_table(record, width=width)
    assert max(len(line) for line in text.splitlines()) <= width
    assert text.index("int8") < text.index("What to ship\n  Ship dynamic: ") < text.index("Memory, MB")
    page = render_markdown(record)
    assert page.index("## What to ship\n\n- Ship dynamic: ") < page.index("| variant")
    html = render_html(record, empty_samples(), None)
    assert html.index('<div id="shipping">') < html.index('<table class="main sortable">')
    assert "Ship dynamic: the fastest of 3" in text_of(html)
    rule = parse_rule(["top1=-5pt"])
    for other in (
        render_table(record, rule=rule),
        render_markdown(record, rule=rule),
        render_html(record, empty_samples(), None, rule=rule),
    ):
        assert "Ship int8: " in other


def test_names_cannot_forge_anything() -> None:
    cases = hostile().cases
    told = replace(cases[1], accuracy_comparison=replace(judged({}, (HOSTILE,)), against=cases[0].case_id))
    record = replace(hostile(), cases=(cases[0], told, *cases[2:]))
    rule = Rule((Criterion(Measure.RECALL, 0.01, "<b>mel</b>\x1b"),))
    assert "\x1b" not in "".join(said(record, rule))
    page = render_html(record, empty_samples(), None, rule=rule)
    assert "<img" not in page.split('id="shipping"')[1].split("</div>")[0]


def test_the_charts_front_keeps_what_is_not_told_apart() -> None:
    alike = replace(FLOAT16, accuracy=BASE.accuracy)
    table = build_table(shippable(alike, INT8))
    assert [row.variant for row in front_rows(table.rows)] == ["int8", "float32", "float16"]
    apart = replace(alike, comparison=comparison(1.1, 0.01))
    table = build_table(shippable(apart, INT8))
    assert [row.variant for row in front_rows(table.rows)] == ["int8", "float32"]
