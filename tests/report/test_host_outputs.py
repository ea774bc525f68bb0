"""What reports say of a device's outputs beside the host's."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from edgebench.device_outputs import DeviceParity
from edgebench.records import CaseResult, RunRecord
from edgebench.report.host_outputs import difference, host_outputs_section
from edgebench.report.html import render_html
from edgebench.report.markdown import render_markdown
from edgebench.report.tables import build_table
from edgebench.report.terminal import render_table
from samples import HOSTILE, empty_samples, make_case, make_record
from test_html import read, text_of

EQUAL = DeviceParity(
    "x86_64, ai-edge-litert 2.3.0", 8, True, 56, True, 0.0, 0.0, 0.98, 0.0, "int8 by XNNPACK: bit for bit", True, 0.0, 0
)
FLOAT = replace(
    EQUAL, bit_equal=False, differing_share=0.25, max_abs_difference=1.2e-7, allowed_difference=9.8e-5,
    allowed="float32: 0.01 % of the largest value", max_steps=None, unavailable={"max_steps": "no output is quantized"},
)  # fmt: skip
OFF = replace(
    EQUAL, bit_equal=False, differing_share=0.5, max_abs_difference=0.027, max_steps=7.0, agrees=False, top1_differing=1
)
REFUSED = {"device-differs": "the host does not run this model: no such operator"}


def record(*parities: DeviceParity | None) -> RunRecord:
    names = ("float32", "float16", "int8", "dynamic")
    cases: list[CaseResult] = [
        replace(make_case(name, 7.0), device_parity=parity, unchecked={} if parity else REFUSED)
        for name, parity in zip(names, parities, strict=False)
    ]
    return make_record(cases)


def lines(found: RunRecord, *, whole: bool = False) -> tuple[str, ...]:
    section = host_outputs_section(found, build_table(found), whole=whole)
    assert section is not None
    return section.lines


def test_a_run_on_this_machine_says_nothing() -> None:
    here = make_record([make_case("int8", 3.0)])
    assert host_outputs_section(here, build_table(here), whole=True) is None


def test_equal_outputs_are_one_line() -> None:
    assert lines(record(EQUAL, EQUAL, EQUAL)) == ("outputs equal the host's bit for bit (3 of 3 cases)",)


def test_others_say_by_how_much_and_what_was_allowed() -> None:
    assert lines(record(FLOAT, EQUAL, OFF, None)) == (
        "outputs equal the host's bit for bit (1 of 3 cases: float16)",
        "float32: 25% of 56 values differ by at most 1.2e-07 (allowed 9.8e-05: float32: 0.01 % of the largest value)",
        "int8: OUTPUTS DO NOT AGREE: 50% of 56 values differ by at most 0.027 (7 steps) (allowed 0: int8 by XNNPACK: "
        "bit for bit); another top-1 answer on 1 of 8",
        "dynamic: not compared with the host: the host does not run this model: no such operator",
    )


def test_values_that_are_no_numbers_and_other_ways_of_running_are_said() -> None:
    lost = replace(OFF, not_finite=2, notes=("run on the host by interpreter+default: no engine compiled",))
    assert difference(lost, why=False).endswith("; 2 values infinite or NaN on one side only")
    assert difference(replace(OFF, max_steps=1.0), why=False).count("(1 step)") == 1
    assert "float32: run on the host by interpreter+default: no engine compiled" in lines(record(lost, EQUAL))


def test_the_whole_has_every_figure() -> None:
    found = record(FLOAT, EQUAL, OFF)
    section = host_outputs_section(found, build_table(found), whole=True)
    assert section is not None
    assert section.about == "On 8 images, before any time was taken; the host is x86_64, ai-edge-litert 2.3.0."
    (grid,) = section.grids
    assert grid.rows == (
        ("float32", "8", "56", "25.0", "1.2e-07", "–", "9.8e-05", "0", "yes"),
        ("float16", "8", "56", "0.0", "0", "0", "0", "0", "yes"),
        ("int8", "8", "56", "50.0", "0.027", "7", "0", "1", "NO"),
    )
    assert "allowed for float32: float32: 0.01 % of the largest value" in section.lines
    assert "– largest difference in steps: no output is quantized (float32)" in section.lines


@pytest.mark.parametrize("render", [render_table, render_markdown], ids=["terminal", "markdown"])
def test_every_format_shows_it(render: Callable[[RunRecord], str]) -> None:
    found = record(EQUAL, FLOAT, OFF)
    for text in (render(found), text_of(render_html(found, empty_samples(), None))):
        assert "Outputs against the host's" in text
        assert "outputs equal the host's bit for bit" in text
        assert "OUTPUTS DO NOT AGREE" in text


def test_texts_are_text() -> None:
    hostile = replace(OFF, against=HOSTILE, allowed=HOSTILE, notes=(HOSTILE,), unavailable={"max_steps": HOSTILE})
    reader = read(render_html(record(hostile, EQUAL), empty_samples(), None))
    assert not [tag for tag, _ in reader.found if tag == "img"]
