"""Where the time goes: the section in every form, the nodes and the figure of the page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from edgebench.analysis.profile import type_times
from edgebench.operators import Match, OperatorKey, OperatorProfile, OperatorTime, Resolution
from edgebench.records import RunRecord
from edgebench.report.html import render_html
from edgebench.report.markdown import render_markdown
from edgebench.report.operator_charts import family, operator_charts
from edgebench.report.operators import operator_terms, operators_section, slowest_nodes
from edgebench.report.palette import NEUTRAL
from edgebench.report.tables import build_table
from edgebench.report.terminal import render_table
from samples import HOSTILE, empty_samples, fifty_cases, four_variants

Operators = Sequence[tuple[str, float, bool]]
CONVOLUTIONS = (
    ("Convolution (NHWC, F32) IGEMM", 500.0, True),
    ("Convolution (NHWC, F32) IGEMM", 300.0, True),
    ("Convolution (NHWC, F32) DWConv", 150.0, True),
    ("SOFTMAX", 50.0, False),
)


def profile_of(operators: Operators, *, cut_us: float = 3.0, notes: tuple[str, ...] = ()) -> OperatorProfile:
    total = sum(time_us for _, time_us, _ in operators)
    found = tuple(
        OperatorTime(
            OperatorKey(0, delegated, 0 if delegated else -1, place, tag), time_us, 1.0, float(delegated),
            time_us / total, 0.001, time_us / total - 0.01, time_us / total + 0.01,
            Match.ORDER if delegated else Match.INDEX, place, "CONV_2D" if delegated else tag, (f"net/block/{place}",),
        )
        for place, (tag, time_us, delegated) in enumerate(operators)
    )  # fmt: skip
    known = Resolution(100, len(found), len(found), 1.0, cut_us)
    return OperatorProfile(found, type_times(found), known, total + 10, total, total + 5, notes)


def profiled(*profiles: OperatorProfile | str | None) -> RunRecord:
    """Return a run whose first cases have these profiles, or the reasons why they have none."""
    record = four_variants()
    cases = list(record.cases)
    for place, found in enumerate(profiles):
        if isinstance(found, str):
            cases[place] = replace(cases[place], unavailable={"operators": found})
        else:
            cases[place] = replace(cases[place], operators=found)
    return replace(record, cases=tuple(cases))


def section(record: RunRecord, *, whole: bool = True) -> Any:
    found = operators_section(build_table(record), whole=whole)
    assert found is not None
    return found


def test_a_run_without_profiles_has_no_such_section() -> None:
    table = build_table(profiled())
    assert operators_section(table, whole=True) is None
    assert slowest_nodes(table) is None
    assert operator_terms(table) == []
    assert operator_charts(table) == []
    assert "Where the time goes" not in render_table(profiled())


def test_types_come_with_the_most_time_first() -> None:
    record = profiled(profile_of(CONVOLUTIONS))
    short = build_table(record).rows[0].short
    (grid,) = section(record).grids
    assert [row[1:5] for row in grid.rows] == [
        ("Convolution (NHWC, F32) IGEMM", "XNNPACK", "2", "80.0"),
        ("Convolution (NHWC, F32) DWConv", "XNNPACK", "1", "15.0"),
        ("SOFTMAX", "CPU kernel", "1", "5.0"),
    ]
    assert {row[0] for row in grid.rows} == {short}
    low, high = (float(text) for text in grid.rows[0][5].split(" – "))
    assert low < 80 < high


def test_five_types_are_shown_and_the_others_together() -> None:
    many = [(f"TYPE_{number}", 100.0 - number, False) for number in range(8)]
    (grid,) = section(profiled(profile_of(many))).grids
    assert [row[1] for row in grid.rows] == [*(f"TYPE_{number}" for number in range(5)), "3 more"]
    assert grid.rows[-1][2:4] == ("", "3")
    assert sum(float(row[4]) for row in grid.rows) > 99.5


def test_a_case_without_a_profile_says_why_once() -> None:
    reason = "per-operator times need ai-edge-litert 2.2 or newer"
    found = section(profiled(profile_of(CONVOLUTIONS), reason, reason))
    lines = [line for line in found.lines if line.startswith("Not profiled: ")]
    assert len(lines) == 1
    assert lines[0].startswith(f"Not profiled: {reason} (")
    assert len({row[0] for row in found.grids[0].rows}) == 1


def test_where_nobody_could_be_profiled_the_reason_is_shown_alone() -> None:
    found = section(profiled("no"))
    assert found.grids == ()
    assert found.lines[0].startswith("Not profiled: no")


def test_shares_made_of_rounding_are_not_shown() -> None:
    record = profiled(profile_of(CONVOLUTIONS, cut_us=2000.0))
    found = section(record)
    assert {row[4] for row in found.grids[0].rows} == {"–"}
    assert any("Too quick to tell shares" in line for line in found.lines)
    assert operator_charts(build_table(record)) == []


def test_nodes_come_one_by_one_with_their_outputs() -> None:
    found = slowest_nodes(build_table(profiled(profile_of(CONVOLUTIONS, notes=("~: 3 are matched.",)))))
    assert found is not None
    (grid,) = found.grids
    assert [(row[1], row[3], row[5], row[6], row[7]) for row in grid.rows] == [
        ("Convolution (NHWC, F32) IGEMM", "50.0", "500", "~0 CONV_2D", "0"),
        ("Convolution (NHWC, F32) IGEMM", "30.0", "300", "~1 CONV_2D", "1"),
        ("Convolution (NHWC, F32) DWConv", "15.0", "150", "~2 CONV_2D", "2"),
        ("SOFTMAX", "5.0", "50.0", "3 SOFTMAX", "3"),
    ]
    assert found.lines[0].startswith("~: 3 are matched (")


def test_ten_nodes_of_a_case_are_shown() -> None:
    many = [("CONV_2D", 100.0 + number, False) for number in range(30)]
    found = slowest_nodes(build_table(profiled(profile_of(many))))
    assert found is not None
    assert [row[6] for row in found.grids[0].rows] == [f"{number} CONV_2D" for number in range(29, 19, -1)]


def test_the_terminal_and_markdown_have_the_section() -> None:
    record = profiled(profile_of(CONVOLUTIONS))
    for text in (render_table(record), render_markdown(record)):
        assert "Where the time goes" in text
        assert "Convolution (NHWC, F32) DWConv" in text
        assert "no latencies" in text
    assert "Slowest nodes" not in render_markdown(record)


def test_the_page_has_the_figure_the_types_and_the_nodes() -> None:
    page = render_html(profiled(profile_of(CONVOLUTIONS)), empty_samples(), None)
    part = page.partition('<section id="operators">')[2].partition("</section>")[0]
    assert part.index("Where the time goes") < part.index('data-figure="operators"') < part.index("Slowest nodes")
    assert '<a href="#operators">Operators</a>' in page
    assert '"operators":{"data":' in page


def test_names_from_a_model_cannot_become_markup() -> None:
    page = render_html(profiled(profile_of([(HOSTILE, 100.0, False)])), empty_samples(), None)
    assert HOSTILE not in page


def test_bars_of_a_case_add_up_whatever_numbers_it_computes_with() -> None:
    quantized = (("Convolution (NHWC, QC8) IGEMM", 60.0, True), ("Mean (ND) Reduce", 40.0, True))
    (chart,) = operator_charts(build_table(profiled(profile_of(CONVOLUTIONS), None, profile_of(quantized))))
    assert [trace["name"] for trace in chart.traces] == [
        "Convolution IGEMM", "Mean Reduce", "Convolution DWConv", "SOFTMAX",
    ]  # fmt: skip
    assert [trace["x"] for trace in chart.traces] == [[80, 60], [0, 40], [15, 0], [5, 0]]
    assert chart.traces[0]["hovertext"][0].endswith("Convolution IGEMM: 80.0 % (2 operators, 800 us a run)")
    assert chart.traces[1]["hovertext"][0] == ""
    assert len(chart.layout["yaxis"]["ticktext"]) == 2


def test_many_types_share_one_grey_bar() -> None:
    many = [(f"TYPE_{number}", 100.0 - number, False) for number in range(12)]
    (chart,) = operator_charts(build_table(profiled(profile_of(many))))
    assert len(chart.traces) == 8
    assert (chart.traces[-1]["name"], chart.traces[-1]["marker"]["color"]) == ("other operators", NEUTRAL)
    assert len({trace["marker"]["color"] for trace in chart.traces}) == 8
    assert abs(sum(trace["x"][0] for trace in chart.traces) - 100) < 0.1


def test_what_is_too_thin_to_be_seen_is_grey() -> None:
    (chart,) = operator_charts(build_table(profiled(profile_of([("ADD", 999.0, False), ("MEAN", 1.0, False)]))))
    assert [(trace["name"], trace["x"]) for trace in chart.traces] == [("ADD", [99.9]), ("other operators", [0.1])]


def test_many_cases_show_fewer_operators_each() -> None:
    many = profile_of([(f"TYPE_{number}", 100.0 - number, False) for number in range(12)])
    record = fifty_cases()
    table = build_table(replace(record, cases=tuple(replace(case, operators=many) for case in record.cases)))
    types, nodes = operators_section(table, whole=False), slowest_nodes(table)
    assert types is not None
    assert nodes is not None
    count = len(table.rows)
    assert sum(len(grid.rows) for grid in types.grids) == 4 * count  # three and the rest
    assert sum(len(grid.rows) for grid in nodes.grids) == 3 * count


def test_families_drop_what_numbers_are_made_of() -> None:
    assert family("Fully Connected (NC, QS8, QC8W) GEMM") == "Fully Connected GEMM"
    assert family("Add (ND)") == "Add"
    assert family("DEPTHWISE_CONV_2D") == "DEPTHWISE_CONV_2D"
    assert family("(odd)") == "(odd)"
