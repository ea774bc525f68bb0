from __future__ import annotations

import re
from dataclasses import replace

import pytest
from edgebench.records import DelegateKind, RunRecord
from edgebench.report.terminal import render_table
from samples import (
    HOSTILE,
    accuracy_from,
    answers_compared,
    compared,
    confusion_from,
    failed_case,
    fifty_cases,
    four_variants,
    hostile,
    make_case,
    make_record,
    only_failures,
    predictions_of,
    two_runtimes,
    unlabelled,
    without_accuracy,
)


@pytest.mark.parametrize("width", [80, 100, 120])
@pytest.mark.parametrize(
    "record",
    [
        four_variants(),
        compared(),
        two_runtimes(),
        without_accuracy(),
        fifty_cases(),
        hostile(),
        answers_compared(),
        unlabelled(),
    ],
)
def test_no_line_is_wider_than_asked(record: RunRecord, width: int) -> None:
    text = render_table(record, predictions=predictions_of(record), width=width)
    assert max(len(line) for line in text.splitlines()) <= width


def test_what_it_costs_each_class_is_one_table_at_eighty_columns() -> None:
    text = render_table(answers_compared(), width=80)
    assert "mel           167  0.629 (0.56–0.69)    ≈ 0.0      ≈ −0.6  worse −12.0    7.9" in text
    assert "Recall by class" not in text
    assert "Left out at this width: load ms, first ms, bal. acc. 95 %." in text
    assert "0.67–0.75" in render_table(answers_compared())


def test_the_worst_changed_answers_are_shown_where_there_are_predictions() -> None:
    record = answers_compared()
    assert "Changed answers" not in render_table(record)
    text = render_table(record, predictions=predictions_of(record), width=80)
    assert "int8: 131 of 1,502 answers changed: 36 right to wrong," in text
    assert "ISIC_0000027" in text


def test_answers_that_were_compared_are_not_called_untested() -> None:
    text = " ".join(render_table(answers_compared()).split())
    assert "Right answers: compared with the baseline's image by image" in text
    assert "accuracy have not been tested" not in text
    assert "no difference between rows has been tested" not in text


def test_all_columns_fit_one_hundred_characters_and_numbers_line_up() -> None:
    text = render_table(four_variants(), width=100)
    assert "Left out" not in text
    lines = [line for line in text.splitlines() if re.match(r"(float32|float16|dynamic|int8) .*/66", line)]
    assert len(lines) == 4
    points = [[match.start() for match in re.finditer(r"\.", line)] for line in lines]
    assert len(points[0]) == 8
    assert points[0] == points[1] == points[2] == points[3]


def test_a_narrow_table_says_what_it_left_out() -> None:
    text = render_table(two_runtimes(), width=80)
    assert "Left out at this width: load ms, first ms, p90 ms." in text


def test_content() -> None:
    text = render_table(four_variants())
    assert "Same for all: device local, engine interpreter, runtime ai-edge-litert 2.3.0" in text
    assert "int16x8: FAILED runtime-refused: no_integer_overflow_from_quantization was not true." in text
    assert "51 of 66 nodes in 16 parts; left to the runtime's own CPU kernels: DEPTHWISE_CONV_2D ×15" in text
    assert (
        "Data: ham10000:/data/ham10000; 1,502 images, 1,120 lesions, 2 skipped.\n"
        "  test part of a split by lesion, seed 0" in text
    )
    assert "the CPU clock is not under this machine's control (no governor)" in text
    assert "Not a medical device." in text
    assert "no difference between rows has been tested" in text


def test_ratios_stay_at_any_width_and_are_explained() -> None:
    for width in (80, 100, None):
        text = render_table(compared(), width=width)
        assert "1.004 ±1.1%≈" in text
        assert "Against base: latency ratio, paired in turns," in " ".join(text.split())


def test_too_few_samples_are_said() -> None:
    assert "– p90 ms: n too small: 40 samples, 64 needed (int8 tflite)" in render_table(two_runtimes())


def test_without_accuracy_it_says_so_and_keeps_the_general_notice() -> None:
    text = render_table(without_accuracy())
    assert "so accuracy was not measured (run with --data to measure it)" in text
    assert "medical" not in text
    assert "top-1" not in text
    assert "Measure again on the device that will ship." in text


def test_only_failures() -> None:
    text = render_table(only_failures(), width=100)
    assert text.count("FAILED") == 2
    assert "2 of 2 cases did not finish" in text


def test_no_case_at_all() -> None:
    assert "Run " in render_table(make_record([], data=None), width=80)


def test_interrupted_run_is_said() -> None:
    assert "the run was interrupted" in render_table(replace(four_variants(), interrupted=True))


def test_control_characters_do_not_reach_the_terminal() -> None:
    text = render_table(hostile(), width=100)
    assert "\x1b" not in text
    assert HOSTILE in text


def test_no_delegate_asked_for_is_not_blamed_on_a_delegate() -> None:
    case = two_runtimes().cases[6]
    text = render_table(make_record([replace(case, delegate=replace(case.delegate, kind=DelegateKind.NONE))]))
    assert "no delegate asked for; all 66 nodes run on the runtime's own CPU kernels" in text


def test_many_classes_show_the_lowest_and_wrap() -> None:
    labels = [f"class_{i:04d}" for i in range(300)]
    accuracy = accuracy_from(confusion_from([0.9] * 299 + [0.1], [10] * 300), labels)
    text = render_table(make_record([replace(make_case("float32", 1.0), accuracy=accuracy)]), width=100)
    assert "the 20 of 300 classes with the lowest recall" in text
    assert "class_0299" in text
    assert max(len(line) for line in text.splitlines()) <= 100


def test_failed_line_of_a_case_without_a_recorded_failure() -> None:
    assert "FAILED no reason recorded" in render_table(make_record([replace(failed_case(), failure=None)]))
