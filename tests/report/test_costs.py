from __future__ import annotations

from dataclasses import replace

import pytest
from edgebench.records import AccuracyComparison, AccuracyVerdict, CaseResult, PairedDifference, RunRecord
from edgebench.report.agreement import agreement_section
from edgebench.report.calibration import calibration_section
from edgebench.report.cost_charts import cost_charts
from edgebench.report.cost_section import cost_section
from edgebench.report.costs import compared_results, cost_tables
from edgebench.report.operating import operating_section
from edgebench.report.parts import recalls_without_costs
from edgebench.report.recall import recall_tables
from edgebench.report.sections import Section
from edgebench.report.summary import summary
from edgebench.report.tables import build_table
from samples import (
    LABELS,
    accuracy_comparison,
    accuracy_from,
    answers_compared,
    confusion_from,
    four_variants,
    make_case,
    make_record,
    operating_point,
    unlabelled,
    with_figures,
)


def section_of(record: RunRecord, *, whole: bool) -> Section:
    found = cost_section(cost_tables(record, build_table(record).names), whole=whole)
    assert found is not None
    return found


def told(record: RunRecord) -> list[str]:
    return summary(record, build_table(record))


def changed(record: RunRecord, variant: str, comparison: AccuracyComparison) -> RunRecord:
    """Return the record with another comparison of one variant."""
    return replace(record, cases=tuple(
        replace(case, accuracy_comparison=comparison) if case.variant == variant else case for case in record.cases
    ))  # fmt: skip


def comparison_of(record: RunRecord, variant: str) -> AccuracyComparison:
    found = next(case for case in record.cases if case.variant == variant).accuracy_comparison
    assert found is not None
    return found


def edited(record: RunRecord, variant: str, label: str, **changes: object) -> RunRecord:
    """Return the record with other values in one class of one variant's comparison."""
    found = comparison_of(record, variant)
    classes = tuple(replace(item, **changes) if item.name == label else item for item in found.classes)  # type: ignore[arg-type]
    return changed(record, variant, replace(found, classes=classes))


def test_the_terse_table_marks_what_is_shown_and_keeps_intervals_for_the_other_forms() -> None:
    (grid,) = section_of(answers_compared(), whole=False).grids
    assert [head for head, _ in grid.heads] == ["class", "images", "float32", "float16", "dynamic", "int8", "could"]
    rows = {row[0]: row[1:] for row in grid.rows}
    assert list(rows) == [*LABELS, "bal. acc.", "top-1"]
    assert rows["mel"] == ("167", "0.629 (0.56–0.69)", "≈ 0.0", "≈ −0.6", "worse −12.0", "7.9")
    assert rows["nv"][-2] == "better +2.0"
    assert rows["top-1"][:2] == ("1,502", "0.842 (0.82–0.86)")


def test_the_whole_table_has_interval_p_counts_and_what_could_have_been_shown() -> None:
    (grid,) = section_of(answers_compared(), whole=True).grids
    rows = {row[0]: row[-1] for row in grid.rows}
    assert rows["mel"] == "worse −12.0 (−17.5 to −6.5), p < 0.001, 0 gained, 20 lost"
    assert rows["akiec"] == "≈ −6.1 (−15.1 to +2.8), p 0.58, 0 gained, 3 lost, could show 12.8"
    unchanged = {row[0]: row[3] for row in grid.rows}["mel"]
    assert unchanged == "≈ 0.0 (−1.7 to +1.7), none changed, could show 2.4"


def test_a_class_too_small_to_show_anything_says_so() -> None:
    reason = "too few images: not even a change of all of them could have been shown"
    record = edited(answers_compared(), "int8", "df", detectable=None, unavailable={"detectable": reason})
    section = section_of(record, whole=False)
    assert f"– df: {reason}" in section.lines
    assert next(row for row in section.grids[0].rows if row[0] == "df")[-1] == "–"


def test_the_summary_says_which_classes_are_lost_and_gained() -> None:
    assert told(answers_compared())[0] == (
        "int8 loses mel: recall 0.629 to 0.509, 12.0 points (6.5 to 17.5), p < 0.001, and gains nv: recall 0.930 to "
        "0.950, 2.0 points (1.1 to 2.9), p < 0.001 (against float32)."
    )


def test_the_summary_says_how_small_a_loss_would_have_been_seen() -> None:
    record = answers_compared()
    quiet = comparison_of(record, "dynamic")
    none = AccuracyVerdict.NONE_SHOWN
    assert quiet.top1
    assert quiet.balanced_accuracy
    quiet = replace(quiet, top1=replace(quiet.top1, verdict=none),
                    balanced_accuracy=replace(quiet.balanced_accuracy, verdict=none))  # fmt: skip
    said = told(changed(changed(record, "dynamic", quiet), "int8", quiet))
    assert (
        "dynamic, int8: no class shown worse than with float32 (could have shown 0.4 points of nv, 23.3 of df)." in said
    )
    assert "float16 answers all 1,502 images as float32 does." in said
    blind = replace(quiet, classes=tuple(replace(item, detectable=None) for item in quiet.classes[:1]))
    assert any(
        "no class shown worse than with float32 (could have shown nothing of akiec)" in line
        for line in told(changed(changed(record, "dynamic", blind), "int8", blind))
    )


def test_a_loss_over_all_images_alone_is_told_with_the_classes() -> None:
    (line,) = [text for text in told(answers_compared()) if text.startswith("dynamic")]
    assert "loses balanced accuracy, 0.3 points (−0.1 to 0.6), p 0.046" in line
    assert "no single class shown worse (could have shown" in line


def test_a_highest_accuracy_that_may_be_chance_says_so() -> None:
    base, better = make_case("float32", 7.0), make_case("int8", 3.0)
    better = replace(better, accuracy=accuracy_from(confusion_from((0.63, 0.74, 0.66, 0.53, 0.63, 0.93, 0.86))))
    better = replace(better, accuracy_comparison=accuracy_comparison(better, base))
    line = next(text for text in told(make_record([base, better])) if text.startswith("Lowest"))
    assert "highest balanced accuracy: int8 (0.711; no difference to the baseline shown)" in line
    line = next(text for text in told(answers_compared()) if text.startswith("Lowest"))
    assert "highest balanced accuracy: float32, float16 (0.708);" in line


def test_without_comparisons_everything_is_as_it_was() -> None:
    record = four_variants()
    names = build_table(record).names
    assert cost_section(cost_tables(record, names), whole=True) is None
    assert agreement_section(compared_results(record, names), whole=True) is None
    assert operating_section(record, names) is None
    assert calibration_section(recall_tables(record, names)) is None
    assert "Largest losses of recall against float32" in told(record)[-2]


def test_recall_stands_alone_only_where_no_table_of_costs_shows_it() -> None:
    record = answers_compared()
    table = build_table(record)
    assert recalls_without_costs(record, table, recall_tables(record, table.names)) == []
    other = replace(record, cases=(*record.cases, make_case("float32", 5.0, model="another")))
    table = build_table(other)
    assert len(recalls_without_costs(other, table, recall_tables(other, table.names))) == 1


def threaded(variant: str, threads: int, base: CaseResult | None) -> CaseResult:
    case = with_figures(make_case(variant, 5.0, threads=threads))
    return replace(case, accuracy_comparison=accuracy_comparison(case, base)) if base else case


def test_cases_that_answer_alike_share_a_column_the_baselines_too() -> None:
    base = threaded("float32", 1, None)
    cases = [base, threaded("float32", 2, base), threaded("int8", 1, base), threaded("int8", 2, base)]
    (table,) = cost_tables(make_record(cases), build_table(make_record(cases)).names)
    assert table.base.short == "float32"
    assert [cost.result.short for cost in table.costs] == ["int8"]
    assert len(table.costs[0].result.cases) == 2


def test_two_models_have_a_table_each_under_their_names() -> None:
    cases = []
    for model in ("a", "b"):
        base = with_figures(make_case("float32", 5.0, model=model))
        other = with_figures(make_case("int8", 3.0, model=model))
        cases += [base, replace(other, accuracy_comparison=accuracy_comparison(other, base))]
    record = make_record(cases)
    assert [grid.title for grid in section_of(record, whole=True).grids] == ["a", "b"]
    assert [text.split(":")[0] for text in told(record)][:2] == ["a", "b"]
    assert "int8 loses mel" in told(record)[0]


def test_many_classes_keep_those_that_changed_most_clearly() -> None:
    labels = [f"class_{i:03d}" for i in range(70)]
    base = replace(make_case("float32", 5.0), accuracy=accuracy_from(confusion_from([0.9] * 70, [10] * 70), labels))
    recalls = [0.9] * 69 + [0.1]
    other = replace(make_case("int8", 3.0), accuracy=accuracy_from(confusion_from(recalls, [10] * 70), labels))
    record = make_record([base, replace(other, accuracy_comparison=accuracy_comparison(other, base))])
    section = section_of(record, whole=False)
    assert "class_069" in [row[0] for row in section.grids[0].rows]
    assert len(section.grids[0].rows) == 22
    assert "50 classes that changed less clearly are left out; the CSV has all." in section.lines


def test_why_a_verdict_differs_from_its_interval_is_in_the_whole_form() -> None:
    record = edited(answers_compared(), "int8", "bkl", explanation="one such interval is no sign")
    assert "int8, bkl: one such interval is no sign" in section_of(record, whole=True).lines
    assert "int8, bkl: one such interval is no sign" not in section_of(record, whole=False).lines


def test_a_label_called_like_a_row_over_all_images_is_a_class() -> None:
    labels = ("top-1", "balanced accuracy", *LABELS[2:])
    base, other = make_case("float32", 5.0), make_case("int8", 3.0)
    assert base.accuracy
    assert other.accuracy
    base = replace(base, accuracy=accuracy_from(base.accuracy.confusion, labels))
    other = replace(other, accuracy=accuracy_from(other.accuracy.confusion, labels))
    record = make_record([base, replace(other, accuracy_comparison=accuracy_comparison(other, base))])
    rows = section_of(record, whole=False).grids[0].rows
    assert [row[:2] for row in rows if row[0] == "top-1"] == [("top-1", "49"), ("top-1", "1,502")]


def test_a_failed_baseline_is_named_where_nothing_could_be_compared() -> None:
    record = answers_compared()
    reason = "float32 has no scores to compare with"
    against = comparison_of(record, "int8").against
    fields = ("agreement", "top1", "balanced_accuracy", "classes")
    lone = AccuracyComparison(against, unavailable=dict.fromkeys(fields, reason))
    cases = [replace(record.cases[0], accuracy=None), replace(record.cases[3], accuracy_comparison=lone)]
    found = agreement_section(compared_results(make_record(cases), build_table(make_record(cases)).names), whole=True)
    assert found is not None
    assert found.grids == ()
    assert found.lines == (f"– same answer: {reason} (int8)", f"– right or wrong: {reason} (int8)")


def test_images_without_labels_show_agreement_and_why_no_more() -> None:
    record = unlabelled()
    section = agreement_section(compared_results(record, build_table(record).names), whole=False)
    assert section is not None
    assert section.title == "Same answers as float32"
    assert section.grids[0].rows == (("int8", "1,502", "0.913 (0.897–0.926)", "131", "0.0123", "0.610"),)
    assert section.lines == ("– right or wrong: the images have no labels (int8)",)
    assert told(record)[0] == "Same answer as float32: int8 91.3 % (89.7 to 92.6) of the images."


def test_operating_points_say_where_the_threshold_is_from() -> None:
    record = answers_compared()
    section = operating_section(record, build_table(record).names)
    assert section is not None
    assert section.grids[0].rows[0] == (
        "float32", "mel", "0.95", "0.312", "0.580 (0.51–0.65)", "0.944 (0.93–0.96)"
    )  # fmt: skip
    assert section.lines == (
        "Thresholds were chosen on 1,490 images of the validation part, which are not among those judged.",
    )


def test_an_operating_point_that_could_not_be_found_gives_its_reason() -> None:
    reason = "the validation part has no image of mel"
    point = replace(operating_point(), threshold=None, recall=None, recall_interval=None, specificity=None,
                    unavailable=dict.fromkeys(("threshold", "recall", "specificity"), reason))  # fmt: skip
    record = make_record([replace(make_case("int8", 3.0), operating_points=(point,))])
    section = operating_section(record, build_table(record).names)
    assert section is not None
    assert section.grids[0].rows == (("int8", "mel", "0.95", "–", "–", "–"),)
    assert section.lines[0] == f"– threshold of mel, recall of mel, specificity of mel: {reason} (int8)"


def test_calibration_and_auc_have_their_intervals() -> None:
    record = answers_compared()
    section = calibration_section(recall_tables(record, build_table(record).names))
    assert section is not None
    assert section.grids[0].rows[3] == ("int8", "0.041 (0.03–0.05)", "0.225 (0.20–0.24)")
    assert section.grids[1].rows[4] == ("mel", *["0.930 (0.89–0.96)"] * 4)


def test_the_forest_plot_paints_what_is_shown_and_leaves_unchanged_results_out() -> None:
    record = answers_compared()
    (chart,) = cost_charts(cost_tables(record, build_table(record).names))
    assert "Not drawn, as every answer is the baseline's: float16." in chart.about
    drawn = [trace for trace in chart.traces if trace["x"] != [None]]
    by_colour = {trace["marker"]["color"]: trace for trace in drawn if trace["name"] == "int8"}
    worse = by_colour["#e0483e"]
    place = worse["hovertext"].index(next(text for text in worse["hovertext"] if "mel" in text))
    assert worse["x"][place] == -11.98
    assert worse["x"][place] - worse["error_x"]["arrayminus"][place] == pytest.approx(-17.48, abs=0.02)
    assert worse["x"][place] + worse["error_x"]["array"][place] == pytest.approx(-6.47, abs=0.02)
    assert not worse["marker"]["symbol"].endswith("open")
    assert by_colour["#8a8f98"]["marker"]["symbol"].endswith("open")
    assert [trace["name"] for trace in chart.traces if trace["x"] == [None]] == ["dynamic", "int8"]
    assert "p &lt; 0.001" in worse["hovertext"][place]


def test_nothing_changed_needs_no_forest_plot() -> None:
    record = answers_compared()
    only = replace(record, cases=record.cases[:2])
    assert cost_charts(cost_tables(only, build_table(only).names)) == []


def test_a_difference_that_is_unknown_is_a_dash() -> None:
    record = answers_compared()
    found = comparison_of(record, "int8")
    gone = PairedDifference("mel", 0, None, 0, 0, unavailable={"difference": "no image of this class"})
    classes = tuple(gone if item.name == "mel" else item for item in found.classes)
    section = section_of(changed(record, "int8", replace(found, classes=classes)), whole=True)
    assert next(row for row in section.grids[0].rows if row[0] == "mel")[-1] == "–"
