from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
from edgebench.records import RunRecord
from edgebench.report.charts import Chart
from edgebench.report.distributions import choices_of, distribution_chart
from edgebench.report.tables import build_table
from large_run import long_samples
from samples import fifty_cases, make_case, make_record, samples_of


def drawn(record: RunRecord, samples: pd.DataFrame) -> Chart:
    rows = build_table(record).rows
    chart = distribution_chart(rows, {str(case): frame for case, frame in samples.groupby("case")})
    assert chart is not None
    return chart


def one_case(values: list[int], warmup: int = 0) -> tuple[RunRecord, pd.DataFrame]:
    record = make_record([make_case("int8", 1.0)])
    frame = pd.DataFrame({
        "case": record.cases[0].case_id, "block": np.arange(len(values)) * 2 // len(values), "round": 0,
        "start_ns": np.arange(len(values)), "latency_ns": values, "warmup": np.arange(len(values)) < warmup,
    })  # fmt: skip
    return record, frame


def test_every_steady_run_is_counted_but_the_slowest_half_percent() -> None:
    record, samples = one_case([1_000_000 + 100 * i for i in range(2000)])
    steady, _, medians = drawn(record, samples).traces
    assert sum(steady["customdata"]) == 1990
    assert max(steady["y"]) == 100
    assert "10 steady runs beyond the right edge, slowest 1.20 ms" in medians["hovertext"][0]
    assert "block 2: median 1.15 ms of 1,000 runs" in medians["hovertext"][1]


def test_warmup_is_apart() -> None:
    values = [9_000_000, 1_000_000, *(1_000_000 + 100 * i for i in range(100))]
    record, samples = one_case(values, warmup=2)
    steady, warmup, medians = drawn(record, samples).traces
    assert sum(steady["customdata"]) == 99
    assert warmup["x"] == [1.0]
    assert "1 of 2 warm-up runs there" in medians["hovertext"][0]


def test_a_clock_that_gives_one_value_only_is_drawn() -> None:
    record, samples = one_case([1_000_000] * 50)
    assert sum(drawn(record, samples).traces[0]["customdata"]) == 50


def test_nothing_but_warmup_is_no_distribution() -> None:
    record, samples = one_case([1_000_000] * 5, warmup=5)
    rows = build_table(record).rows
    assert distribution_chart(rows, {record.cases[0].case_id: samples}) is None


def test_fifty_cases_are_chosen_a_few_at_a_time() -> None:
    record = fifty_cases()
    chart = drawn(record, long_samples(record, 600))
    assert len(chart.traces) == 150
    assert {len(choice.traces) for choice in chart.choices} == {3, 6, 12}
    assert [place for place, trace in enumerate(chart.traces) if trace["visible"]] == list(chart.choices[0].traces)
    titles = [choice.title for choice in chart.choices]
    assert titles[:2] == ["ham10000_mobilenet_v2_035 t1", "ham10000_mobilenet_v2_035 t2"]
    assert titles[-1] == "ham10000_mobilenet_v2_140/float16 t1"


def test_a_run_of_one_case_has_one_choice() -> None:
    record = make_record([make_case("int8", 1.0)])
    assert [choice.title for choice in choices_of(build_table(record).rows)] == ["int8"]


def test_many_variants_that_ran_alike_are_cut_and_said_to_be() -> None:
    case = make_case("int8", 1.0)
    cases = [replace(case, case_id=f"m/v{i}@local/x", variant=f"v{i}") for i in range(9)]
    first = choices_of(build_table(make_record(cases)).rows)[0]
    assert first.title == "all variants, first 6"
    assert len(first.traces) == 18


def test_names_cannot_begin_a_field_of_the_template() -> None:
    record = make_record([replace(make_case("int8", 1.0), variant="%{x}<b>")])
    trace = drawn(record, samples_of(record)).traces[0]
    assert trace["hovertemplate"].startswith("<b>&#37;{x}&lt;b&gt;</b>")
