from __future__ import annotations

import itertools
import json
from dataclasses import replace

import numpy as np
import pytest
from edgebench.analysis.sustained import trend
from edgebench.findings import Code, Finding, Severity
from edgebench.records import CaseResult, RunRecord
from edgebench.report.csvfile import case_rows
from edgebench.report.html import render_html
from edgebench.report.markdown import render_markdown
from edgebench.report.sections import Section
from edgebench.report.sustained import duration, pace_words, sustained_section
from edgebench.report.sustained_charts import sustained_charts
from edgebench.report.tables import build_table
from edgebench.report.terminal import render_table
from edgebench.store import from_dict, to_json
from edgebench.sustained_records import HeatStart, Pace, Sustained, Trend
from samples import empty_samples, fifty_cases, four_variants, without_accuracy
from simulated_load import S, windows_of

MS = 1e6
THROTTLED = Finding(Code.THROTTLED, Severity.INVALID, "the firmware reports: throttled", "let it cool")


def load(begin_ms: float, end_ms: float, place: int, *, windows: int = 120, celsius: float | None = 40.0) -> Sustained:
    """Return ten minutes that change after four, or fewer windows."""
    rng = np.random.default_rng(place)
    level = np.where(np.arange(windows) < 48, begin_ms, end_ms) * MS
    found = windows_of(level * np.exp(rng.normal(0, 0.003, windows)))
    slow = [end_ms > begin_ms and at >= 48 for at in range(windows)]
    if celsius is not None:
        found = replace(
            found,
            celsius=tuple(celsius + at / 4 for at in range(windows)),
            clock_hz=tuple(1_200_000_000 if held else 1_800_000_000 for held in slow),
            throttled=tuple(slow),
        )
    untold = {} if celsius is not None else {"celsius": "no thermal zones", "clock_hz": "no cpufreq"}
    return Sustained(
        600 * S, place, found, 5 * S * windows, 5 * S * windows,
        HeatStart(celsius, celsius, 0, unavailable={} if celsius is not None else {"celsius": "no thermal zones"}),
        trend(found, 5 * S * windows), unavailable=untold,
    )  # fmt: skip


def with_loads(record: RunRecord, loads: list[Sustained | None]) -> RunRecord:
    cases = [replace(case, sustained=found) for case, found in zip(record.cases, loads, strict=False)]
    return replace(record, cases=(*cases, *record.cases[len(cases) :]))


@pytest.fixture(scope="module")
def record() -> RunRecord:
    """float16 keeps its speed, int8 is ahead of it for four minutes."""
    loads = [load(9.0, 9.0, 1), load(8.0, 8.0, 2), None, load(7.0, 10.0, 4)]
    loads[3] = replace(loads[3], findings=(THROTTLED,))  # type: ignore[type-var]
    return with_loads(four_variants(), loads)


def section(record: RunRecord) -> Section:
    found = sustained_section(build_table(record), whole=True)
    assert found is not None
    return found


def case(record: RunRecord, variant: str) -> CaseResult:
    return next(case for case in record.cases if case.variant == variant)


def test_the_table_has_begin_end_change_heat_and_clock(record: RunRecord) -> None:
    found = section(record)
    assert found.title == "Under load for 10 min"
    assert "in this order: float32, float16, int8" in found.about
    rows = {row[0]: row for row in found.grids[0].rows}
    assert list(rows) == ["float32", "float16", "int8"]
    name, begin, end, change, slower, heat, clock = rows["int8"]
    assert (name, begin, end, slower, heat, clock) == ("int8", "7.00", "10.0", "4 min", "40 → 68", "1.80 → 1.20")
    assert change.startswith("+43 (+43 to +43)")
    assert rows["float16"][4] == ""


def test_the_lines_begin_with_who_is_ahead_when(record: RunRecord) -> None:
    found = section(record)
    answers = found.lines[: found.answers]
    assert answers[0] == "int8 is faster than float32 for the first 4 min, slower afterwards."
    assert answers[1] == "int8 is faster than float16 for the first 4 min, slower afterwards."
    assert "int8: slows down by 43 % after 4 min." in answers
    assert any(line.startswith("float16: keeps its speed (") for line in answers)
    order = "fastest first, at the beginning: int8, float16, float32; at the end: float16, float32, int8"
    assert answers[-1].startswith(f"The order, {order}.")


def test_throttling_is_told_with_how_often(record: RunRecord) -> None:
    line = "int8: the firmware reports: throttled (throttled, in 72 of 120 windows)."
    assert line in section(record).lines


def test_nobody_who_did_not_ask_sees_a_section() -> None:
    plain = build_table(four_variants())
    assert sustained_section(plain, whole=True) is None
    assert sustained_charts(plain) == []


def test_without_temperatures_the_order_may_matter() -> None:
    record = with_loads(four_variants(), [load(9.0, 9.0, 1, celsius=None), load(8.0, 8.0, 2, celsius=None)])
    found = section(record)
    assert (
        "No temperature is told (no thermal zones), so the device did not rest between cases: the order may matter."
    ) in found.lines
    assert found.grids[0].rows[0][5:] == ("–", "–")
    assert "– heat: no thermal zones (every case)" in found.lines
    order = "The order, fastest first: float16, float32, at the beginning and at the end. No two are shown to swap."
    assert found.lines[found.answers - 1].startswith(order)


def test_a_case_that_began_warmer_is_named() -> None:
    record = with_loads(four_variants(), [load(9.0, 9.0, 1), load(8.0, 8.0, 2, celsius=47.0)])
    line = "float16 began at 47 °C, float32 at 40: the warmer one may have slowed down sooner for that."
    assert line in section(record).lines


def test_what_was_cut_short_and_what_was_not_measured_say_why() -> None:
    short = replace(load(9.0, 9.0, 1, windows=5), cut_short="stopped by hand", busy_ns=10 * S)
    record = with_loads(four_variants(), [short])
    lost = replace(record.cases[1], unavailable={"sustained": "the worker was ended by SIGKILL during 'burst'"})
    record = replace(record, cases=(record.cases[0], lost, *record.cases[2:]))
    lines = section(record).lines
    assert "float32: undecided: 5 windows, 10 needed; sustain the load for longer." in lines
    assert "float32: ended after 25 s: stopped by hand." in lines
    assert "float32: ran 40% of the time; between windows the device could cool." in lines
    assert "Not measured: the worker was ended by SIGKILL during 'burst' (float16)" in lines
    only_lost = replace(record, cases=(replace(lost),))
    assert section(only_lost).title == "Under load"


@pytest.mark.parametrize(
    ("trend", "words"),
    [
        (Trend(Pace.SLOWS, 1, 1, 3, 3, (), 1.18, 1.15, 1.21, 210 * S), "slows down by 18 % after 3.5 min"),
        (Trend(Pace.SLOWS, 1, 1, 3, 3, (), 1.0512, 1.01, 1.09), "slows down by 5.1 %"),
        (Trend(Pace.SPEEDS_UP, 1, 1, 3, 3, (), 0.8, 0.75, 0.85), "speeds up by 20 %"),
        (Trend(Pace.KEEPS, 1, 1, 3, 3, (), 0.9999, 0.99, 1.01), "keeps its speed (0 %)"),
        (Trend(Pace.UNDECIDED, 1, 1, 3, 3, (), 1.02, 0.94, 1.11), "undecided: between −6.0 and +11 %"),
    ],
)
def test_verdicts_in_words(trend: Trend, words: str) -> None:
    assert pace_words(trend) == words


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(8, "8 s"), (89, "89 s"), (90, "1.5 min"), (240, "4 min"), (600, "10 min"), (5400, "1.5 h"), (7200, "2 h")],
)
def test_durations(seconds: int, text: str) -> None:
    assert duration(seconds * S) == text


def test_one_figure_has_all_cases_and_a_panel_for_each_thing_told(record: RunRecord) -> None:
    (chart,) = sustained_charts(build_table(record))
    assert chart.key == "sustained"
    assert len(chart.traces) == 4 * 3
    assert [trace["yaxis"] for trace in chart.traces[:4]] == ["y", "y2", "y3", "y4"]
    domains = [chart.layout[name]["domain"] for name in ("yaxis", "yaxis2", "yaxis3", "yaxis4")]
    assert all(upper[0] > lower[1] for upper, lower in itertools.pairwise(domains))
    assert chart.layout["xaxis"]["anchor"] == "y4"
    assert chart.layout["xaxis"]["title"]["text"] == "time under load, min"
    assert [choice.title for choice in chart.choices] == ["all variants", "float32", "float16", "int8"]
    int8 = chart.traces[8]
    assert int8["marker"]["size"].count(0) == 48
    assert "held down" in int8["hovertext"][-1]
    assert len({trace["line"]["color"] for trace in chart.traces}) == 3


def test_what_nobody_tells_has_no_panel() -> None:
    (chart,) = sustained_charts(build_table(with_loads(four_variants(), [load(9.0, 9.0, 1, windows=5, celsius=None)])))
    assert len(chart.traces) == 2
    assert "yaxis3" not in chart.layout
    assert chart.layout["xaxis"]["title"]["text"] == "time under load, s"


def test_many_devices_are_chosen_from() -> None:
    record = fifty_cases()
    record = with_loads(record, [load(9.0, 9.0 + place % 3, place + 1) for place in range(len(record.cases))])
    (chart,) = sustained_charts(build_table(record))
    seen = [place for place, trace in enumerate(chart.traces) if trace["visible"]]
    assert 0 < len(seen) < len(chart.traces)
    assert len(chart.choices) > 50


def test_every_form_has_it(record: RunRecord) -> None:
    line = "int8 is faster than float16 for the first 4 min, slower afterwards."
    for width in (60, 80, 120):
        text = render_table(record, width=width)
        assert line in " ".join(text.split())
        assert max(map(len, text.splitlines())) <= max(width, 80)
    assert "## Under load for 10 min" in render_markdown(record)
    page = render_html(record, empty_samples(), None)
    assert 'data-figure="sustained"' in page
    assert '<a href="#sustained">Under load for 10 min</a>' in page
    row = next(row for row in case_rows(record) if row["variant"] == "int8")
    assert row["sustained_pace"] == "slows down"
    assert row["sustained_slowed_after_ns"] == 240 * S
    assert row["sustained_start_celsius"] == 40.0
    dynamic = next(row for row in case_rows(record) if row["variant"] == "dynamic")
    assert {value for name, value in dynamic.items() if name.startswith("sustained_")} == {None}


def test_it_is_stored_whole_and_old_runs_have_none(record: RunRecord) -> None:
    assert from_dict(json.loads(to_json(record)), "here") == record
    assert all(item.sustained is None for item in from_dict(json.loads(to_json(without_accuracy())), "here").cases)
    assert case(record, "int8").sustained is not None
