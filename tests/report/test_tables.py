from __future__ import annotations

import math
from dataclasses import replace

import pytest
from edgebench.records import CaseResult, Comparison, Coverage, Delegation, Failure, Latency, Memory, RunRecord, Status
from edgebench.report import lines
from edgebench.report.naming import name_cases
from edgebench.report.recall import recall_tables
from edgebench.report.summary import summary
from edgebench.report.tables import build_table, rows
from samples import (
    compared,
    comparison,
    failed_case,
    fifty_cases,
    four_variants,
    make_case,
    make_record,
    only_failures,
    two_runtimes,
    without_accuracy,
)


def cell(case: CaseResult, key: str) -> tuple[str, float | None, str | None]:
    found = rows(make_record([case]))[0].cells[key]
    return found.text, found.value, found.reason


def test_cells_hold_the_records_numbers() -> None:
    case = four_variants().cases[3]
    row = rows(four_variants())[3]
    assert case.latency is not None
    assert case.accuracy is not None
    assert case.memory is not None
    assert {key: found.text for key, found in row.cells.items()} == {
        "size": "2.66",
        "load": "7.12",
        "first": "6.44",
        "p50": "3.58",
        "p90": "3.80",
        "peak": "72.0",
        "nodes": "65/66, 1 part",
        "top1": f"{case.accuracy.top1:.3f}",
        "balanced": f"{case.accuracy.balanced_accuracy:.3f}",
    }
    assert row.cells["p50"].value == case.latency.p50_ns
    assert row.cells["peak"].value == case.memory.peak_rss_bytes


def test_every_absent_value_is_a_dash_with_a_reason_and_never_zero() -> None:
    bare = replace(
        make_case("int8", 3.58),
        load_ns=None,
        first_inference_ns=None,
        latency=None,
        memory=None,
        delegation=None,
        accuracy=None,
    )
    record = make_record([make_case("float32", 7.43), bare])
    row = rows(record)[1]
    for key, found in row.cells.items():
        if key != "size":
            assert found.text in ("–", "?"), key
            assert found.value is None, key
            assert found.reason, key
    said = "\n".join(build_table(record).absences)
    for title in ("load ms", "first ms", "p50 ms", "p90 ms", "peak MB", "delegated nodes", "top-1", "bal. acc."):
        assert title in said


def test_reasons_come_from_the_record() -> None:
    case = make_case("int8", 3.58, count=40)
    assert cell(case, "p90") == ("–", None, "n too small: 40 samples, 64 needed")
    case = replace(case, memory=Memory(unavailable={"peak_rss_bytes": "no /proc on this system"}))
    assert cell(case, "peak") == ("–", None, "no /proc on this system")
    unknown = Delegation(Coverage.UNKNOWN, unavailable={"delegated_nodes": "CompiledModel does not list nodes"})
    assert cell(replace(case, delegation=unknown), "nodes") == ("?", None, "CompiledModel does not list nodes")


@pytest.mark.parametrize(
    ("delegation", "text"),
    [
        (Delegation(Coverage.FULL, 66, 66, 1), "66/66"),
        (Delegation(Coverage.FULL, 66, 66, 2), "66/66, 2 parts"),
        (Delegation(Coverage.PARTIAL, 66, 59, 2), "59/66, 2 parts"),
        (Delegation(Coverage.NOTHING, 66, 0, 0), "0/66"),
        (Delegation(Coverage.FULL, unavailable={"total_nodes": "not told"}), "all"),
        (Delegation(Coverage.UNKNOWN), "?"),
    ],
)
def test_delegated_nodes(delegation: Delegation, text: str) -> None:
    assert cell(replace(make_case("int8", 1.0), delegation=delegation), "nodes")[0] == text


def test_nan_is_absent() -> None:
    case = replace(make_case("int8", 1.0), latency=Latency(20, 1, math.nan, math.nan, p50_ns=math.nan))
    text, value, reason = cell(case, "p50")
    assert (text, value) == ("–", None)
    assert reason
    assert "finite" in reason


def test_zero_that_was_measured_stays_zero() -> None:
    assert cell(replace(make_case("int8", 1.0), load_ns=0), "load")[:2] == ("0", 0)


def test_failed_cases_have_no_row_unless_they_measured_something() -> None:
    assert rows(only_failures()) == []
    half = replace(failed_case(), load_ns=5_000_000, failure=Failure("timeout", "no answer"))
    row = rows(make_record([half]))[0]
    assert row.cells["load"].text == "5.00"
    assert row.cells["p50"].reason == "the case ended as failed before this"


def test_no_accuracy_columns_without_accuracy() -> None:
    keys = [column.key for column in build_table(without_accuracy()).columns]
    assert "top1" not in keys
    assert "balanced" not in keys


def test_what_is_equal_is_said_once_and_the_rest_tells_cases_apart() -> None:
    names = build_table(two_runtimes()).names
    assert names.how_title == "runtime"
    assert set(names.how.values()) == {"litert", "tflite"}
    assert "delegate default" in names.common
    assert "runtime ai-edge-litert 2.3.0 and tflite-runtime 2.14.0" in names.common
    fifty = build_table(fifty_cases()).names
    assert len(set(fifty.labels.values())) == 50


def test_cases_that_differ_only_in_their_id_get_different_names() -> None:
    case = make_case("int8", 1.0)
    names = name_cases([case, replace(case, case_id=case.case_id + "/cpus0-3")])
    assert len(set(names.labels.values())) == 2


def test_cases_with_equal_answers_share_a_recall_row() -> None:
    record = fifty_cases()
    found = recall_tables(record, build_table(record).names)
    assert len(found) == 1
    assert len(found[0].rows) == 18
    assert found[0].rows[0].name == "ham10000_mobilenet_v2_035/float32"
    assert sum(len(row.cases) for row in found[0].rows) == 50


def test_recall_of_a_class_without_images_is_absent() -> None:
    case = make_case("float32", 1.0)
    assert case.accuracy
    empty = replace(case.accuracy.classes[0], support=0, recall=None)
    accuracy = replace(case.accuracy, classes=(empty, *case.accuracy.classes[1:]))
    record = make_record([replace(case, accuracy=accuracy)])
    found = recall_tables(record, build_table(record).names)[0]
    assert found.rows[0].cells[0].text == "–"
    assert found.absences == ("– recall of akiec: no image of this class",)


def test_lowest_classes_come_in_label_order() -> None:
    record = four_variants()
    found = recall_tables(record, build_table(record).names)[0]
    assert [found.labels[i] for i in found.lowest(2)] == ["df", "mel"]


def test_summary_names_ties_and_the_front_and_the_dearest_class() -> None:
    told = "\n".join(summary(four_variants(), build_table(four_variants())))
    assert "Lowest p50 latency: int8 (3.58 ms)" in told
    assert "highest balanced accuracy: float32, float16 (0.708)" in told
    assert ": int8, float32." in told
    assert "int8, df 0.529 to 0.353 (n = 17)" in told
    assert "1 of 5 cases did not finish" in told
    assert "significant" not in told


def test_figures_that_read_the_same_are_not_ranked() -> None:
    close = make_record([make_case("float32", 3.5801), make_case("int8", 3.5799)])
    assert "Lowest p50 latency: the same for all (3.58 ms)" in summary(close, build_table(close))[0]


def test_summary_of_one_case_ranks_nothing() -> None:
    record = make_record([make_case("float32", 7.43)])
    assert summary(record, build_table(record)) == []


def test_interrupted_cases_count_as_unfinished() -> None:
    case = replace(make_case("int8", 1.0), status=Status.INTERRUPTED)
    record = make_record([make_case("float32", 7.43), case])
    assert "1 of 2 cases did not finish; the reasons are listed." in summary(record, build_table(record))


def ratios(record: RunRecord) -> list[str]:
    return [row.cells["ratio"].text for row in build_table(record).rows]


def test_ratios_stand_beside_p50_with_half_their_interval_and_a_sign_where_none_is_shown() -> None:
    table = build_table(compared())
    assert ratios(compared()) == ["base", "1.004 ±1.1%≈", "1.911 ±0.6%", "0.482 ±1.4%"]
    assert [row.cells["ratio"].value for row in table.rows] == [1.0, 1.004, 1.911, 0.482]
    keys = [column.key for column in table.columns]
    assert keys[keys.index("p50") + 1] == "ratio"
    assert next(column.title for column in table.columns if column.key == "ratio") == "against base"
    assert not any("against base" in line for line in table.absences)


def test_without_any_comparison_there_is_no_such_column() -> None:
    assert "ratio" not in [column.key for column in build_table(four_variants()).columns]


def test_a_ratio_that_is_absent_has_its_reason() -> None:
    base = make_case("float32", 7.43)
    few = Comparison(base.case_id, blocks=2, unavailable={"ratio": "2 blocks in common with the baseline, 3 needed"})
    stopped = replace(make_case("dynamic", 14.2), latency=None, status=Status.INTERRUPTED)
    table = build_table(make_record([base, replace(make_case("int8", 3.58), comparison=few), stopped]))
    assert [row.cells["ratio"].text for row in table.rows] == ["base", "–", "–"]
    said = "\n".join(table.absences)
    assert "– against base: 2 blocks in common with the baseline, 3 needed (int8)" in said
    assert "the case ended as interrupted before this (dynamic)" in said


def test_a_failed_cases_ratio_of_the_blocks_it_had_is_shown() -> None:
    died = replace(make_case("int8", 3.58), status=Status.FAILED, comparison=comparison(0.482, 0.02, blocks=4))
    assert ratios(make_record([make_case("float32", 7.43), died])) == ["base", "0.482 ±2.0%"]


def test_the_line_on_ratios_says_blocks_and_what_would_have_been_found() -> None:
    said = lines.tested(compared())
    assert "95 % interval over 6 to 9 blocks of fresh workers; ≈ no difference shown." in said
    assert "A difference of 1.9 % would have been found 4 times in 5." in said  # the least precise of them
    two = make_record([make_case("float32", 7.43), replace(make_case("int8", 3.58), comparison=comparison(0.5, 0.01))])
    assert "over 6 blocks of fresh workers" in lines.tested(two)


def test_only_what_was_measured_is_called_untested() -> None:
    record = compared()
    bare = replace(record, cases=tuple(replace(case, accuracy=None, accuracy_comparison=None) for case in record.cases))
    assert lines.tested(bare).endswith(" Memory has not been tested for significance.")
    alone = replace(record, cases=tuple(replace(case, accuracy_comparison=None) for case in record.cases))
    assert lines.tested(alone).endswith(" Memory and accuracy have not been tested for significance.")


def test_without_ratios_nothing_is_said_to_be_tested() -> None:
    few = Comparison("x", blocks=2, unavailable={"ratio": "too few"})
    record = make_record([make_case("float32", 7.43), replace(make_case("int8", 3.58), comparison=few)])
    assert lines.tested(record) == lines.tested(four_variants())
    assert "no difference between rows has been tested for significance" in lines.tested(record)


def test_the_settings_line_tells_blocks_precision_and_budget() -> None:
    record = compared()
    assert "in 6 to 12 blocks of fresh workers, until ratios are known to 1 %;" in lines.settings_line(record)
    settings = replace(record.settings, min_blocks=1, max_blocks=1, precision=0.005, budget_ns=90_000_000_000)
    said = lines.settings_line(replace(record, settings=settings))
    assert (
        "in 1 block of fresh workers, until ratios are known to 0.5 %, within a budget of 90 s for all cases;" in said
    )


@pytest.mark.parametrize(
    ("value", "half", "text"),
    [
        (9.9996, 0.0994, "10.000 ±9.9%"),
        (14.532, 0.1, "14.53 ±10%"),
        (104.62, 0.3, "104.6 ±30%"),
        (20480.0, 0.001, "20480 ±0.1%"),
        (0.1, 0.0, "0.100 ±0.0%"),
        (0.00871, 0.02, "0.00871 ±2.0%"),
    ],
)
def test_ratios_keep_digits_that_mean_something(value: float, half: float, text: str) -> None:
    case = replace(make_case("int8", 1.0), comparison=comparison(value, half))
    record = make_record([make_case("float32", 7.43), case])
    assert ratios(record)[1].rstrip("≈") == text
