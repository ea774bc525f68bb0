from __future__ import annotations

from dataclasses import replace

from edgebench.findings import Verdict
from edgebench.records import Failure, RejectedModel, RunRecord
from edgebench.report.doubts import doubts
from edgebench.report.tables import build_table
from samples import HOSTILE, UNCHECKED, answers_compared, four_variants, judged, make_case, make_record


def told(record: RunRecord) -> dict[str, tuple[str, ...]]:
    return {item.key: item.lines for item in doubts(record, build_table(record))}


def test_every_kind_has_its_place_and_the_worst_is_first() -> None:
    rejected = RejectedModel("broken.tflite", Failure("model-damaged", "broken.tflite: ends too early"))
    environment = replace(judged().environment, cpu_model=None, unavailable={"cpu_model": "/proc/cpuinfo has none"})
    found = told(replace(judged(), warnings=("clock not controlled",), rejected=(rejected,), environment=environment))
    assert list(found) == ["failures", "verdicts", "notes", "absent", "skipped", "tested"]
    assert found["failures"][0].startswith("int16x8: FAILED runtime-refused: no_integer")
    assert found["failures"][1] == "broken.tflite: REJECTED ends too early"
    assert found["verdicts"][0].startswith("INVALID emulated")
    assert [line for line in found["verdicts"] if line.startswith("silenced (suspect) governor")]
    assert [line for line in found["verdicts"] if all(code in line for code in UNCHECKED)]
    assert found["notes"] == ("clock not controlled",)
    assert found["absent"][0] == "cpu model: /proc/cpuinfo has none (the machine)"
    assert [line for line in found["absent"] if line.startswith("memory pss: the kernel has no smaps_rollup (dynamic)")]
    assert found["skipped"][0] == "the file is not an image (1 image): ISIC_0024410"


def test_percentiles_that_lack_runs_share_a_line() -> None:
    case = make_case("int8", 1.0, count=40)
    lines = told(make_record([case, make_case("float32", 2.0, count=40)]))["absent"]
    assert lines[0] == "latency p90, latency p95, latency p99: n too small: 40 samples (every case)"


def test_what_only_the_table_misses_is_told_too() -> None:
    case = replace(make_case("int8", 1.0, count=4000), memory=None)
    assert told(make_record([case, make_case("float32", 2.0, count=4000)]))["absent"] == (
        "– peak MB: memory was not measured (int8)",
    )


def test_notes_on_comparisons_are_told() -> None:
    record = answers_compared()
    case = record.cases[1]
    assert case.accuracy_comparison
    compared = replace(case.accuracy_comparison, notes=("the float model saw other images",))
    changed = replace(record, cases=(record.cases[0], replace(case, accuracy_comparison=compared)))
    assert "the float model saw other images" in told(changed)["notes"]


def test_nothing_to_doubt_is_nothing_told() -> None:
    case = replace(make_case("int8", 1.0, count=4000), verdict=Verdict.VALID)
    found = told(make_record([case], data=None))
    assert found == {"verdicts": ()}


def test_names_are_cleaned() -> None:
    record = replace(four_variants(), warnings=(f"{HOSTILE}\u202e\u2028x",))
    assert told(record)["notes"][0] == f"{HOSTILE} x"
