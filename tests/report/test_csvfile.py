from __future__ import annotations

import csv
import io
import math
from dataclasses import replace

import pandas as pd
import pytest
from edgebench.records import Latency, RunRecord
from edgebench.report.csvfile import render_csv
from samples import LABELS, answers_compared, compared, four_variants, hostile, make_case, make_record, without_accuracy


def load(record: RunRecord) -> pd.DataFrame:
    return pd.read_csv(io.StringIO(render_csv(record)))


def test_one_row_a_case_with_numbers_as_numbers_at_full_precision() -> None:
    record = four_variants()
    frame = load(record)
    assert list(frame["case_id"]) == [case.case_id for case in record.cases]
    for name in ("size_bytes", "load_ns", "latency_p50_ns", "peak_rss_bytes", "top1", "recall:mel", "support:mel"):
        assert pd.api.types.is_numeric_dtype(frame[name]), name
    case = record.cases[3]
    assert case.latency is not None
    assert case.accuracy is not None
    row = list(csv.DictReader(io.StringIO(render_csv(record))))[3]
    assert float(row["latency_p50_ns"]) == case.latency.p50_ns
    assert float(row["balanced_accuracy"]) == case.accuracy.balanced_accuracy
    assert [float(row[f"recall:{label}"]) for label in LABELS] == [item.recall for item in case.accuracy.classes]


def test_ratios_to_the_baseline_are_columns_empty_for_itself_and_the_failed() -> None:
    record = compared()
    frame = load(record)
    assert frame["base_ratio"].isna().tolist() == [True, False, False, False, True]
    assert frame["base_ratio"].tolist()[1:4] == [1.004, 1.911, 0.482]
    assert frame["base_blocks"].tolist()[1:4] == [6, 6, 9]
    assert frame["base_difference"].tolist()[1:4] == ["no difference shown", "slower", "faster"]
    assert set(frame["base_case_id"].dropna()) == {record.cases[0].case_id}
    found = record.cases[3].comparison
    assert found is not None
    # Older pandas reads the last digit of a decimal by rounding twice.
    assert (frame["base_low"][3], frame["base_high"][3]) == pytest.approx((found.low, found.high), rel=1e-15)
    assert frame["base_detectable"][3] == pytest.approx(found.detectable, rel=1e-15)


def test_failed_cases_have_a_row_with_empty_numbers() -> None:
    last = load(four_variants()).iloc[4]
    assert last["status"] == "failed"
    assert last["failure_code"] == "runtime-refused"
    for name in (
        "load_ns",
        "latency_p50_ns",
        "latency_count",
        "peak_rss_bytes",
        "delegated_nodes",
        "top1",
        "recall:nv",
    ):
        assert math.isnan(last[name]), name


def test_nothing_absent_is_written_as_a_number() -> None:
    record = make_record([replace(make_case("int8", 1.0), latency=Latency(3, 1, math.nan, math.inf))])
    row = load(record).iloc[0]
    assert math.isnan(row["latency_p50_ns"])
    assert math.isnan(row["latency_mean_ns"])
    assert math.isnan(row["latency_stdev_ns"])


def test_without_accuracy_there_are_no_class_columns() -> None:
    assert not [name for name in load(without_accuracy()).columns if name.startswith("recall:")]


def test_names_come_back_exactly() -> None:
    record = hostile()
    frame = load(record)
    assert list(frame["variant"]) == [case.variant for case in record.cases]
    assert "recall:'\"><svg/onload=alert(3)>" in frame.columns


def test_no_case_gives_a_header() -> None:
    assert render_csv(make_record([], data=None)) == "run_id,case_id\n"


def test_what_answers_cost_is_in_columns_of_each_class() -> None:
    record = answers_compared()
    frame = load(record)
    int8 = frame[frame["variant"] == "int8"].iloc[0]
    compared_with = record.cases[3].accuracy_comparison
    assert compared_with is not None
    mel = compared_with.classes[LABELS.index("mel")]
    assert f"{mel.difference!r}" in render_csv(record)
    exactly = 1e-15  # the reader of older pandas is off by one bit
    assert int8["recall_difference:mel"] == pytest.approx(mel.difference, rel=exactly)
    assert int8["recall_difference_low:mel"] == pytest.approx(mel.low, rel=exactly)
    assert (int8["recall_images_gained:mel"], int8["recall_images_lost:mel"]) == (0, 20)
    assert (int8["recall_p_holm:mel"], int8["recall_verdict:mel"]) == (pytest.approx(mel.p_holm, rel=exactly), "worse")
    assert (int8["roc_auc:mel"], int8["roc_auc_low:mel"], int8["roc_auc_high:mel"]) == (0.93, 0.89, 0.96)
    assert int8["answers_base_case_id"] == record.cases[0].case_id
    assert (int8["ece"], int8["ece_low"], int8["brier"]) == (0.0412, 0.03, 0.2251)
    assert compared_with.agreement is not None
    assert int8["agreement_top1"] == pytest.approx(compared_with.agreement.top1, rel=exactly)
    assert int8["balanced_accuracy_verdict"] == "worse"
    assert int8["threshold:mel@specificity=0.95"] == 0.3125
    assert int8["specificity_low:mel@specificity=0.95"] == 0.93
    base = frame[frame["variant"] == "float32"].iloc[0]
    assert math.isnan(base["recall_difference:mel"])
    assert base["recall_low:mel"] < base["recall:mel"] < base["recall_high:mel"]


def test_columns_of_answers_do_not_hide_others() -> None:
    text = render_csv(answers_compared()).splitlines()[0].split(",")
    assert len(set(text)) == len(text)
    assert "verdict" in text
