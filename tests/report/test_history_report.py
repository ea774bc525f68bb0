from __future__ import annotations

import csv
import io
import json
import re
from pathlib import Path
from typing import Any

import pytest
from edgebench.history import History, make_history
from edgebench.index import load_index
from edgebench.metrics import Measure, Metric
from edgebench.report.history import render_history
from edgebench.report.history_data import COLUMNS, render_history_csv, render_history_json
from edgebench.report.history_html import render_history_html
from stored_runs import INT8, write_run, write_runs

HOSTILE = "<img src=x onerror=alert(1)>"


def history_of(out: Path, metric: Metric | None = None, *, case: str | None = INT8) -> History:
    rows = [row for row in load_index(out).rows if case in (None, row.case_id)]
    return make_history(rows, metric or Metric(Measure.P50))


@pytest.fixture
def shifted(tmp_path: Path) -> Path:
    write_runs(tmp_path, [1.0, 1.01, 0.99, 1.02, 0.98, 1.0, 1.01])
    for number, p50_ms in enumerate([1.2, 1.21, 1.19, 1.22, 1.18, 1.2], start=7):
        write_run(tmp_path, number, p50_ms, sha256="ab" * 32)
    write_run(tmp_path, 13, 9.0, sha256="ab" * 32, verdict="invalid")
    return tmp_path


def test_one_case_is_a_line_a_run_and_a_sentence_a_shift(shifted: Path) -> None:
    text = render_history(history_of(shifted), whole=True)
    lines = text.splitlines()
    assert lines[:2] == [INT8, "p50 on host, CPU, x86_64"]
    first = next(line for line in lines if line.startswith("2026-01-01"))
    assert first.split() == [
        "2026-01-01", "00:00", "20260101-000000-sample", "1.00", "0.990–1.01", "ok", "59c562f1", "ai-edge-litert",
        "2.3.0",
    ]  # fmt: skip
    assert next(line for line in lines if line.startswith("2026-01-08")).split()[-3:] == ["file", "+19.9", "%"]
    assert "INVALID" in next(line for line in lines if line.startswith("2026-01-14"))
    sentence = next(line for line in lines if "between" in line)
    assert sentence.startswith("+19.9 % (95 % interval +")
    assert "between 20260107-000000-sample and 20260108-000000-sample." in sentence
    assert sentence.endswith("Changed there: file 59c562f1 → abababab.")
    assert "Times are UTC." in text
    assert "a chance of 1 % of a false alarm" in text
    assert "1 result with verdict INVALID: shown, but part of no level." in text


def test_the_overview_is_a_line_a_case(shifted: Path) -> None:
    write_run(shifted, 14, 1.4, sha256="ab" * 32)
    text = render_history(history_of(shifted, case=None), whole=False)
    row = next(line for line in text.splitlines() if line.startswith(INT8))
    assert row.split()[1:] == ["15", "1.40", "+16.7", "%", "!", "±3.3", "%", "+20.0", "%", "2026-01-08", "2026-01-15",
                               "00:00", "ok"]  # fmt: skip
    assert "edgebench history CASE" in text


@pytest.mark.parametrize("width", [78, 80, 100, 120])
def test_the_overview_fits_the_terminal(shifted: Path, width: int) -> None:
    text = render_history(history_of(shifted, case=None), whole=False, width=width)
    assert max(map(len, text.splitlines())) <= width
    assert "…" in text
    assert ("Left out at this width: usual" in text) == (width <= 80)


def test_too_few_runs_say_so(tmp_path: Path) -> None:
    write_runs(tmp_path, [1.0, 1.1])
    text = render_history(history_of(tmp_path), whole=True)
    assert "Too few runs to find shifts: at least 10 are needed" in text


def test_exact_figures_have_points_and_no_false_alarms(tmp_path: Path) -> None:
    write_run(tmp_path, 0, top1=0.8)
    write_run(tmp_path, 1, top1=0.75)
    text = render_history(history_of(tmp_path, Metric(Measure.TOP1)), whole=True)
    assert "−5.0 pt (exact: one file always gives the same) between" in text
    assert "Nothing that is recorded changed there" in text
    assert "every change is shown" in text
    assert "false alarm" not in text


def test_hosts_are_told_apart(tmp_path: Path) -> None:
    write_run(tmp_path, 0, 1.0)
    write_run(tmp_path, 1, 2.0, host="board")
    text = render_history(history_of(tmp_path, case=None), whole=False)
    assert sum("board" in line for line in text.splitlines()) == 2
    assert "2 hosts: runs of unlike hosts are never compared." in text


def test_csv_has_a_row_a_run(shifted: Path) -> None:
    rows = list(csv.DictReader(io.StringIO(render_history_csv(history_of(shifted, case=None)))))
    assert len(rows) == 28
    assert tuple(rows[0]) == COLUMNS
    of_int8 = [row for row in rows if row["case_id"] == INT8]
    assert [row["used"] for row in of_int8] == ["true"] * 13 + ["false"]
    assert float(of_int8[0]["value"]) == 1e6
    assert of_int8[0]["unit"] == "ns"
    assert of_int8[7]["changed"] == "file"
    assert float(of_int8[7]["shift_by"]) == pytest.approx(0.199, abs=0.001)
    assert [bool(row["shift_by"]) for row in of_int8].count(True) == 1


def test_json_has_everything(shifted: Path) -> None:
    found = json.loads(render_history_json(history_of(shifted), ["left out: x"]))
    assert (found["metric"], found["unit"], found["false_alarms"]) == ("p50", "ns", 0.01)
    assert found["problems"] == ["left out: x"]
    (series,) = found["series"]
    assert series["host"]["hostname"] == "host"
    assert len(series["points"]) == 14
    (shift,) = series["change_points"]
    assert shift["before"] == "20260107-000000-sample"
    assert shift["changes"] == [{"what": "file", "before": "59c562f1", "after": "abababab"}]


def figures_of(page: str) -> dict[str, dict[str, Any]]:
    found = re.search(r'<script type="application/json" id="figures">(.*?)</script>', page, re.DOTALL)
    assert found
    figures: dict[str, dict[str, Any]] = json.loads(found.group(1))
    return figures


def test_the_page_has_a_plot_with_intervals_and_marked_shifts(shifted: Path) -> None:
    page = render_history_html(history_of(shifted))
    figure = figures_of(page)["history-0"]
    runs, aside, *levels = figure["data"]
    assert len(runs["y"]) == 13
    assert runs["error_y"]["array"][0] == pytest.approx(0.01)
    assert "file 59c562f1" in runs["hovertext"][0]
    assert (aside["y"], aside["marker"]["symbol"]) == ([9.0], "x-thin-open")
    assert [level["y"][0] for level in levels] == [1.0, 1.2]
    layout = figure["layout"]
    assert [shape["x0"] for shape in layout["shapes"]] == ["2026-01-07 12:00:00"]
    assert [note["text"] for note in layout["annotations"]] == ["+19.9 % (file)"]
    assert "Changed there: file 59c562f1 → abababab." in page


def test_the_page_lets_nothing_out_and_nothing_in(tmp_path: Path) -> None:
    for number in range(3):
        write_run(tmp_path, number, 1.0, host=HOSTILE, kernel=f"{HOSTILE} {number}")
    page = render_history_html(history_of(tmp_path))
    head = page[: page.index("<style>")]
    assert "default-src &#39;none&#39;" in head
    assert "script-src &#39;sha256-" in head
    assert "<img" not in page.split("<script>")[0]
    assert "&lt;img src=x" in page
    hover = figures_of(page)["history-0"]["data"][0]["hovertext"][1]
    assert "&lt;img src=x onerror=alert(1)&gt;" in hover
    assert not re.search(r"""(?:src|href)=["'](?:https?:)?//""", page.split("<script>")[0])


def test_a_short_series_has_no_level_line(tmp_path: Path) -> None:
    write_runs(tmp_path, [1.0, 2.0])
    assert len(figures_of(render_history_html(history_of(tmp_path)))["history-0"]["data"]) == 1


def test_many_cases_have_plots_and_no_tables_of_runs(tmp_path: Path) -> None:
    write_run(tmp_path, 0, 1.0, thread_counts=range(1, 6))
    page = render_history_html(history_of(tmp_path, case=None))
    assert len(figures_of(page)) == 10
    assert 'id="runs"' not in page
