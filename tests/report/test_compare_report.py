"""What is said of a comparison, in words and on the page."""

from __future__ import annotations

import html
import re
from dataclasses import replace

import numpy as np
import pytest
from edgebench.analysis.between_runs import compare_runs, undecided
from edgebench.changes import Basis, CaseChange, Change, ChangeVerdict, Metric, RunChange
from edgebench.findings import Code, Finding, Severity, Verdict
from edgebench.report.change_words import bounded, difference, factor, sides, sign
from edgebench.report.compare import compare_view, only_changed
from edgebench.report.compare_data import render_compare_csv
from edgebench.report.compare_html import render_compare_html
from edgebench.report.compare_text import render_compare_markdown, render_compare_table
from edgebench.store import StoredRun
from samples import HOSTILE, make_case
from simulated_runs import Truth, simulated_run

P50 = Change(Metric.P50, None, 7.43e6, 7.91e6, 1.065, 0.82, 1.38, verdict=ChangeVerdict.UNDECIDED,
             basis=Basis.BETWEEN_RUNS, explanation="two runs; between-run sd 10 % (assumed)")  # fmt: skip
MEL = Change(Metric.RECALL, "mel", 0.7, 0.61, -0.09, -0.141, -0.042, verdict=ChangeVerdict.WORSE,
             basis=Basis.SAME_IMAGES, images=167, lost=21, gained=6)  # fmt: skip


def comparison(*changes: Change, variant: str = "int8", **fields: object) -> RunChange:
    case = make_case(variant, 7.43)
    found = RunChange("old", "new", (CaseChange(case.case_id, case, case, changes),))
    return replace(found, **fields)  # type: ignore[arg-type]


def said(change: RunChange) -> str:
    return " ".join(compare_view(change, whole=False).sentences)


def test_figures_are_shown_with_interval_and_sign() -> None:
    assert sides(P50) == "7.43 → 7.91"
    assert factor(P50) == "1.065 ±30%≈"
    assert bounded(P50) == "1.065 (0.820 to 1.380)"
    assert factor(replace(P50, low=1.06, high=1.07, verdict=ChangeVerdict.WORSE)) == "1.065 ±0.5% worse"
    assert factor(replace(P50, value=1.0, low=1.0, high=1.0, verdict=ChangeVerdict.SAME)) == "1.000="
    assert factor(replace(P50, low=None, high=None, verdict=None)) == "1.065"
    assert difference(MEL) == "−9.0 (−14.1 to −4.2)"
    assert sign(MEL) == " worse"
    assert sides(Change(Metric.PEAK_RSS, base=50e6)) == "50.0 → –"
    assert (sides(None), factor(None)) == ("–", "–")


def test_undecided_latency_names_the_way_out() -> None:
    text = said(comparison(P50))
    assert "No latency is shown to have changed (1 case)." in text
    assert (
        "1 latency undecided: two runs of this machine can differ by 30 % for no reason; measure both now with " in text
    )
    assert "--interleave." in text
    in_turns = said(comparison(replace(P50, basis=Basis.IN_TURNS)))
    assert "measure for longer" in in_turns
    assert "--interleave" not in in_turns


def test_invalid_measurements_are_told_apart() -> None:
    change = comparison(P50)
    case = change.cases[0]
    invalid = replace(case.new, verdict=Verdict.INVALID)
    text = said(replace(change, cases=(replace(case, new=invalid, changes=(undecided(P50),)),)))
    assert "1 latency undecided because a measurement is INVALID" in text
    assert "no reason" not in text
    in_turns = replace(case, new=invalid, changes=(replace(P50, basis=Basis.IN_TURNS),))
    assert "measure for longer" in said(replace(change, cases=(in_turns,)))


def test_what_changed_is_said_with_its_interval() -> None:
    text = said(comparison(replace(P50, low=1.02, high=1.11, verdict=ChangeVerdict.WORSE), MEL))
    assert "1 of 1 case is slower: int8 1.065 (1.020 to 1.110)." in text
    assert "Answers are shown to be worse, in points: int8 recall of mel −9.0 (−14.1 to −4.2)." in text
    better = said(comparison(replace(P50, value=0.9, low=0.8, high=0.95, verdict=ChangeVerdict.BETTER)))
    assert "is faster: int8 0.900" in better


def test_memory_and_size_that_changed_are_said() -> None:
    peak = Change(Metric.PEAK_RSS, None, 50e6, 55e6, 1.1, 1.08, 1.12, verdict=ChangeVerdict.WORSE)
    size = Change(Metric.SIZE, None, 3e6, 2e6, 2 / 3, 2 / 3, 2 / 3, verdict=ChangeVerdict.BETTER)
    text = said(comparison(P50, peak, size))
    assert "Peak memory is more: int8 50.0 → 55.0 MB." in text
    assert "Files are smaller: int8 3.00 → 2.00 MB." in text


def test_classes_that_changed_have_their_images() -> None:
    kept = replace(MEL, label="nv", value=0.0, low=-0.01, high=0.01, lost=0, gained=0, verdict=ChangeVerdict.SAME)
    view = compare_view(comparison(P50, MEL, kept), whole=False)
    (classes,) = [section for section in view.sections if section.key == "classes"]
    assert classes.grids[0].rows == (("int8, mel", "167", "21", "6", "0.700 → 0.610", "−9.0 (−14.1 to −4.2)", "worse"),)


def test_no_class_that_changed_is_said_too() -> None:
    kept = replace(MEL, value=0.0, low=-0.01, high=0.01, lost=0, gained=0, verdict=ChangeVerdict.SAME)
    assert "No class has gained or lost an image." in render_compare_table([comparison(P50, kept)])


def test_why_a_figure_is_absent_is_said_once() -> None:
    bare = replace(P50, low=None, high=None, verdict=None, unavailable={"interval": "no samples are stored"})
    assert "– interval of p50: no samples are stored (int8)" in render_compare_table([comparison(bare)])


def test_missing_new_environment_and_notes_are_listed() -> None:
    change = comparison(P50, missing=("a/b@local/x",), added=("c/d@local/x",), environment=("kernel: 6.1 → 6.5",))
    case_id = change.cases[0].case_id
    text = render_compare_table([replace(change, notes=(f"{case_id}: the model file changed: 1 → 2", "other"))])
    assert "Not compared: 1 case of the base missing, 1 new case." in text
    for line in ("missing in the new run: a/b@local/x", "only in the new run: c/d@local/x", "kernel: 6.1 → 6.5",
                 "int8: the model file changed: 1 → 2", "  other"):  # fmt: skip
        assert line in text


def test_lines_fit_a_terminal() -> None:
    found = compare_runs(*(_run(number) for number in (1, 2)))
    for width in (80, 100):
        assert max(map(len, render_compare_table([found], width=width).splitlines())) <= width


def _run(number: int) -> StoredRun:
    cases = {"float32": Truth(), "int8": Truth(2.0 + 0.4 * number, "b" * 64), "a_long_name_of_a_variant": Truth()}
    run = simulated_run(number, cases, np.random.default_rng(number))
    finding = Finding(Code.STEAL, Severity.SUSPECT, "the host took away 12 % of the CPU time", "wait")
    suspect = tuple(replace(case, verdict=Verdict.SUSPECT, findings=(finding,)) for case in run.record.cases)
    return replace(run, record=replace(run.record, cases=suspect))


def test_doubts_of_all_cases_are_said_once() -> None:
    text = render_compare_table([compare_runs(_run(1), _run(2))])
    assert text.count("base is suspect: steal, the host took away 12 % of the CPU time") == 1
    assert "3 cases have doubts" in text


def test_a_comparison_of_which_nothing_is_left_can_be_shown() -> None:
    empty = only_changed(comparison(P50))
    assert empty.cases == ()
    for text in (render_compare_table([empty]), render_compare_markdown([empty]), render_compare_html([empty])):
        assert "left out: 1 case" in text


@pytest.fixture(scope="module")
def page() -> str:
    return render_compare_html([compare_runs(_run(1), _run(2)), comparison(P50, MEL)])


def test_the_page_is_one_file_that_asks_for_nothing(page: str) -> None:
    assert "default-src 'none'" in html.unescape(page)
    body = re.sub(r"<script.*?</script>", "", page, flags=re.DOTALL)
    assert not re.search(r"(?:src|href)=[\"'](?!#)", body)
    assert len(page) < 6_000_000


def test_the_plot_is_sorted_and_has_every_interval(page: str) -> None:
    assert 'data-figure="ratios-0"' in page
    assert 'data-figure="recalls-1"' in page
    figures = re.search(r'<script type="application/json" id="figures">(.*?)</script>', page, re.DOTALL)
    assert figures is not None
    assert '"ticktext":["int8","' in figures.group(1)
    assert "two runs" in figures.group(1)


def test_names_are_never_markup() -> None:
    change = comparison(P50, replace(MEL, label=HOSTILE, explanation=HOSTILE), notes=(HOSTILE,), environment=(HOSTILE,))
    case = change.cases[0]
    hostile = replace(case.base, variant=HOSTILE)
    change = replace(change, base_name=HOSTILE, cases=(replace(case, base=hostile, new=hostile, doubts=(HOSTILE,)),))
    assert HOSTILE not in render_compare_html([change])
    assert HOSTILE not in render_compare_markdown([change])
    assert HOSTILE in render_compare_csv([change])
    assert "\x1b" not in render_compare_table([replace(change, notes=("\x1b[31mred",))])
