from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from dataclasses import replace

import plotly.graph_objects as go
import pytest
from edgebench.findings import Code, Finding, Severity, Verdict
from edgebench.records import Adapter, Memory, Parity, RunRecord, Throughput, Waits, Whole
from edgebench.report.csvfile import render_csv
from edgebench.report.gpu import adapter_line, gpu_lines, parity_line
from edgebench.report.html import render_html
from edgebench.report.markdown import render_markdown
from edgebench.report.memory import memory_section
from edgebench.report.parts import sections
from edgebench.report.sections import Section
from edgebench.report.tables import build_table
from edgebench.report.terminal import render_table
from edgebench.report.verdicts import verdict_section
from edgebench.report.wait_charts import wait_charts
from edgebench.report.waits import waits_section
from samples import HOSTILE, empty_samples, four_variants, judged, latency, make_case, make_record, waits_of
from test_html import read, text_of


def present(section: Section | None) -> Section:
    assert section is not None
    return section


def grid(section: Section, title: str) -> dict[str, tuple[str, ...]]:
    found = next(item for item in section.grids if item.title == title)
    return {
        " ".join(head).strip(): column for head, column in zip(found.heads, zip(*found.rows, strict=True), strict=True)
    }


def test_a_record_without_them_shows_neither_verdicts_nor_waits_nor_gpus() -> None:
    record = four_variants()
    table = build_table(record)
    assert [section.key for section in sections(record, table, whole=True)] == ["memory"]
    assert "verdict" not in [column.key for column in table.columns]
    assert not gpu_lines(record, table.names)
    assert not wait_charts(table)
    for text in (render_table(record), render_markdown(record), text_of(render_html(record, empty_samples(), None))):
        assert "erdict" not in text
        assert "PSS" not in text
        assert "What a user waits for" not in text


def test_the_verdict_is_the_last_column_and_absent_with_a_reason() -> None:
    record = judged()
    first, *others = record.cases
    table = build_table(replace(record, cases=(replace(first, verdict=None), *others)))
    assert table.columns[-1].key == "verdict"
    assert [row.cells["verdict"].text for row in table.rows] == ["–", "suspect", "ok", "INVALID"]
    assert "– verdict: nothing was timed (float32)" in table.absences


def test_findings_that_say_the_same_share_a_line_worst_first_silenced_last() -> None:
    record = judged()
    section = present(verdict_section(record, build_table(record).names, whole=True))
    assert section.about == "4 cases: 1 ok, 2 suspect, 1 INVALID."
    assert section.lines == (
        "INVALID emulated: llvmpipe plays the GPU on the CPU (int8). Measure where there is a GPU.",
        "suspect steal: the host took away 12 % of the CPU time (float32, float16); the host took away 9 % (int8). "
        "Measure when the host is quiet.",
        "silenced (suspect) governor: the governor is ondemand (float32, float16). Set it to performance.",
        "Not checked here: throttled, under-voltage (there is no vcgencmd on this machine, which is where a Raspberry "
        "Pi tells of its power and its heat; float32, float16, dynamic); temperature-rise (no sensor in /sys; "
        "float32, float16, dynamic).",
    )


def test_the_terminal_names_the_checks_not_made_without_the_reasons() -> None:
    text = render_table(judged())
    assert "Not checked here: throttled, under-voltage, temperature-rise (--format md and html say why)." in text
    assert "vcgencmd" not in text


def test_many_reasons_of_one_kind_are_counted_in_the_terminal_and_whole_elsewhere() -> None:
    cases = [
        replace(
            make_case("float32", 5.0, threads=threads),
            verdict=Verdict.SUSPECT,
            findings=(Finding(Code.STEAL, Severity.SUSPECT, f"the host took {threads} %", "wait"),),
        )
        for threads in range(1, 8)
    ]
    record = make_record(cases)
    names = build_table(record).names
    assert "and 4 more like these" in present(verdict_section(record, names, whole=False)).lines[0]
    assert "the host took 7 %" in present(verdict_section(record, names, whole=True)).lines[0]


def test_the_summary_warns_of_verdicts() -> None:
    assert "1 case is INVALID (the figures describe something else); 2 cases are suspect" in render_table(judged())


def test_memory_by_step_with_what_the_model_adds() -> None:
    section = present(memory_section(build_table(judged()), whole=True))
    found = grid(section, "")
    assert found["peak"] == ("78.1", "73.7", "71.8", "72.0")
    assert found["model adds"] == ("19.2", "14.8", "12.9", "13.1")
    assert found["PSS"] == ("61.2", "61.2", "–", "–")
    assert "– PSS: the kernel has no smaps_rollup (dynamic)" in section.lines
    assert "– PSS: not recorded (int8)" in section.lines
    assert "– USS, anon.: not recorded (dynamic, int8)" in section.lines


def test_parts_of_memory_that_nobody_recorded_are_left_out_and_none_gives_no_section() -> None:
    case = make_case("float32", 5.0)
    table = build_table(make_record([replace(case, memory=Memory(peak_rss_bytes=10**8))]))
    section = present(memory_section(table, whole=False))
    assert [head[0] for head in section.grids[0].heads] == ["variant", "peak"]
    assert section.lines == ("peak: the kernel's high-water mark of resident memory (VmHWM).",)
    nothing = replace(case, memory=Memory(unavailable={"peak_rss_bytes": "no /proc"}))
    assert memory_section(build_table(make_record([nothing])), whole=True) is None


def test_waits_are_shown_with_parts_ratios_and_rates() -> None:
    section = present(waits_section(build_table(judged()), whole=True))
    end = grid(section, "End to end")
    assert end["p50 ms"] == ("13.7", "14.2")
    assert end["decode ms (share)"] == ("4.10 (30 %)", "4.10 (29 %)")
    assert end["answer ms (share)"][0] == "0.0500 (<1 %)"
    assert grid(section, "Idle gap")["of back-to-back"][0] == "1.80x ±3.4%"
    cache = grid(section, "Weight cache: load and first answer")
    assert [cache[name][0] for name in ("plain ms", "writing ms", "reading ms", "cache MB")] == [
        "33.0",
        "61.0",
        "12.5",
        "14.2",
    ]
    assert grid(section, "Throughput by batch size")["speedup"][:3] == ("1.00x", "1.25x", "")
    assert grid(section, "Throughput by processes at once")["95 % interval"][1] == "242 to 253"


def test_a_speedup_shows_how_far_it_is_known() -> None:
    rows = (
        Throughput(1, 1, 100.0, 99.0, 101.0, 1.0),
        Throughput(2, 1, 190.0, 180.0, 200.0, 1.9, 1.8, 2.0),
        Throughput(4, 1, 110.0, 60.0, 200.0, 1.1, 0.6, 2.0),
    )
    table = build_table(make_record([replace(make_case("float32", 5.0), waits=Waits(batches=rows))]))
    section = present(waits_section(table, whole=True))
    assert grid(section, "Throughput by batch size")["speedup"] == ("1.00x", "1.90x ±5.4%", "1.10x ±83%≈")


def test_waits_that_were_not_measured_say_why() -> None:
    lines = present(waits_section(build_table(judged()), whole=True)).lines
    assert "Not measured: weight cache: XNNPACK does not run this model (dynamic)" in lines
    assert "– batch 8 items/s: the model refuses a batch of 8 (float32, float16)" in lines
    assert not [line for line in lines if "cold start" in line]


def test_a_dozen_starts_have_no_p90_and_no_column_for_it() -> None:
    section = present(waits_section(build_table(judged()), whole=True))
    assert "p90 ms" in grid(section, "End to end")
    assert "p90 ms" not in grid(section, "Cold start")
    few = replace(waits_of(5.0), cold_start=Whole(latency(400.0, 3), ()))
    table = build_table(make_record([replace(make_case("float32", 5.0), waits=few)]))
    section = present(waits_section(table, whole=True))
    assert grid(section, "Cold start") == {"variant": ("float32",), "p50 ms": ("–",)}
    assert "– cold start p50: n too small: 3 samples, 11 needed (float32)" in section.lines


def test_only_the_waits_that_are_there_get_a_table_and_a_definition() -> None:
    waits = Waits(batches=(Throughput(1, 1, 100.0, 99.0, 101.0, 1.0),))
    table = build_table(make_record([replace(make_case("float32", 5.0), waits=waits)]))
    section = present(waits_section(table, whole=False))
    assert [item.title for item in section.grids] == ["Throughput by batch size"]
    assert [line.partition(":")[0] for line in section.lines] == ["items/s"]
    assert not wait_charts(table)


def test_charts_stack_the_parts_of_each_case() -> None:
    end, start = wait_charts(build_table(judged()))
    assert [trace["name"] for trace in end.traces] == ["decode", "resize", "copy in", "inference", "answer"]
    assert [round(sum(trace["x"][row] for trace in end.traces), 2) for row in (0, 1)] == [13.68, 14.16]
    for chart in (end, start):
        assert chart.layout["barmode"] == "stack"
        go.Figure(data=chart.traces, layout=chart.layout)


def test_software_is_not_called_a_gpu() -> None:
    assert adapter_line(Adapter("llvmpipe", "cpu", True)) == "ran on llvmpipe: software, not a GPU"
    assert adapter_line(Adapter("Mali-G78", "integrated", False, api_version="1.3")) == (
        "ran on Mali-G78: integrated GPU, Vulkan 1.3"
    )


def test_parity_says_what_was_allowed_and_shouts_where_it_fails() -> None:
    found = Parity("the CPU", 2.3e-3, 0.5, 0.01, True)
    said = "outputs differ from those of the CPU by at most 0.0023 (allowed 0.01, the largest output is 0.5)"
    assert parity_line(found) == said
    assert parity_line(replace(found, max_abs_difference=0.0)) == "outputs equal those of the CPU"
    assert parity_line(replace(found, agrees=False)) == f"OUTPUTS DO NOT AGREE: {said}"
    lost = parity_line(replace(found, agrees=False, not_finite=2))
    assert lost.endswith("; 2 values infinite or NaN on one side only")


@pytest.mark.parametrize("render", [render_table, render_markdown], ids=["terminal", "markdown"])
def test_terminal_and_markdown_say_the_same(render: Callable[[RunRecord], str]) -> None:
    text = render(judged()).replace("\\", "")
    for said in ("INVALID emulated", "silenced (suspect) governor", "Not checked here: throttled", "61.2", "1.80x",
                 "Throughput by batch size", "ran on llvmpipe", "What a user waits for", "smaps_rollup"):  # fmt: skip
        assert said in text


def test_the_page_has_sections_badges_and_charts() -> None:
    page = render_html(judged(), empty_samples(), None)
    text = text_of(page)
    for said in ("suspect steal: the host", "no sensor in /sys", "model adds", "1.80x ±3.4%", "ran on llvmpipe",
                 "memory, PSS"):  # fmt: skip
        assert said in text
    found = read(page).found
    badges = [attributes for tag, attributes in found if tag == "a" and "verdict " in str(attributes.get("class"))]
    assert [badge["class"] for badge in badges] == [
        "verdict suspect", "verdict suspect", "verdict valid", "verdict invalid"
    ]  # fmt: skip
    assert {badge["href"] for badge in badges} == {"#doubt-verdicts"}
    # What is silenced does not count, so it is not why.
    assert badges[0]["title"] == "steal: the host took away 12 % of the CPU time"
    places = {attributes.get("data-figure") for _, attributes in found}
    assert {"wait-end-to-end", "wait-cold-start"} <= places


def test_a_full_table_fits_eighty_characters_with_its_verdict() -> None:
    text = render_table(judged(), width=80)
    assert "dynamic  2.45  14.2   base         71.8  51/66, 16 parts  0.839  0.703  ok" in text


@pytest.mark.parametrize("width", [80, 100, 120])
def test_no_line_is_wider_than_asked(width: int) -> None:
    record = judged()
    long = Finding(Code.BUSY, Severity.SUSPECT, "another process was busy " * 12, "stop it " * 20)
    record = replace(record, cases=(replace(record.cases[0], findings=(long,)), *record.cases[1:]))
    assert max(len(line) for line in render_table(record, width=width).splitlines()) <= width


def test_names_and_reasons_are_text_everywhere() -> None:
    first = judged().cases[0]
    waits = waits_of(5.0)
    assert waits.end_to_end is not None
    part = replace(waits.end_to_end.parts[0], name=HOSTILE)
    case = replace(
        first,
        findings=(Finding(Code.STEAL, Severity.SUSPECT, f"{HOSTILE}\x1b[31m", HOSTILE),),
        unchecked={"hot": HOSTILE},
        adapter=Adapter(HOSTILE, HOSTILE, False, HOSTILE),
        parity=Parity(HOSTILE, 0.1, 1.0, 0.2, False),
        waits=replace(waits, end_to_end=replace(waits.end_to_end, parts=(part,)), unavailable={HOSTILE: HOSTILE}),
    )
    record = make_record([case])
    reader = read(render_html(record, empty_samples(), None))
    assert not [tag for tag, _ in reader.found if tag == "img"]
    assert "<img" not in render_markdown(record).replace("\\<img", "")
    assert "\x1b" not in render_table(record)
    for chart in wait_charts(build_table(record)):
        assert "<img" not in json.dumps(chart.traces)


def test_csv_has_verdict_memory_waits_and_gpu() -> None:
    first, _, third, fourth, failed = csv.DictReader(io.StringIO(render_csv(judged())))
    assert (first["verdict"], first["findings"], first["silenced"]) == ("suspect", "steal", "governor")
    assert first["unchecked"] == "throttled;under-voltage;temperature-rise"
    assert first["latency_blocks"] == "1"
    assert (first["pss_bytes"], first["model_adds_bytes"]) == ("61200000", "19241204")
    assert float(first["end_to_end_p50_ns"]) == latency(6.25 + 7.43, 200).p50_ns
    assert [part["name"] for part in json.loads(first["cold_start_parts"])][-1] == "first inference"
    assert (first["idle_gap_ratio"], first["weight_cache_bytes"]) == ("1.8", "14200000")
    peaks = [first[f"weight_cache_{name}_peak_rss_bytes"] for name in ("plain", "reading")]
    assert peaks == ["78100000", "64300000"]
    assert json.loads(first["batches"])[2] == {
        "batch": 8,
        "items_per_s": None,
        "low": None,
        "high": None,
        "speedup": None,
        "speedup_low": None,
        "speedup_high": None,
    }
    assert json.loads(first["workers"])[1]["workers"] == 2
    assert (third["verdict"], third["findings"], third["pss_bytes"]) == ("valid", "", "")
    assert fourth["findings"] == "emulated;steal"
    assert (fourth["adapter_software"], fourth["parity_agrees"], fourth["parity_allowed_difference"]) == (
        "true",
        "true",
        "0.01",
    )
    assert float(fourth["precision:mel"]) > 0
    assert {failed[name] for name in ("verdict", "adapter", "batches", "idle_gap_ns", "latency_blocks")} == {""}
