from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest
from edgebench.cli import main
from stored_runs import INT8, write_run, write_runs


@pytest.fixture
def out(tmp_path: Path) -> Path:
    write_runs(tmp_path / "results", [1.0, 1.01, 0.99, 1.02])
    return tmp_path / "results"


def history(out: Path, *arguments: str) -> int:
    return main(["history", *arguments, "--out", str(out)])


def test_without_a_case_there_is_a_line_each(out: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert history(out) == 0
    text = capsys.readouterr().out
    assert sum("@local" in line for line in text.splitlines()) == 2


def test_a_glob_that_matches_one_case_shows_its_runs(out: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert history(out, "sample/int8*", "--last", "2") == 0
    text = capsys.readouterr().out
    assert text.startswith(f"{INT8}\n")
    assert [line[:10] for line in text.splitlines() if line.startswith("2026")] == ["2026-01-03", "2026-01-04"]


def test_times_choose_runs(out: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert history(out, INT8, "--since", "2026-01-02", "--until", "2026-01-03", "--format", "csv") == 0
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert [row["run_id"][:8] for row in rows] == ["20260102", "20260103"]


def test_each_metric_and_format_works(out: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for metric in ("p50", "peak_rss", "size", "top1", "balanced", "recall[mel]"):
        for form in ("table", "csv", "json"):
            assert history(out, "--metric", metric, "--format", form) == 0
            assert capsys.readouterr().out
    assert history(out, "--format", "html") == 0
    assert capsys.readouterr().out.startswith("<!doctype html>")


def test_what_cannot_be_read_is_one_line_on_stderr(out: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (out / "broken").mkdir()
    (out / "broken" / "run.json").write_text("{")
    assert history(out, "--format", "json") == 0
    captured = capsys.readouterr()
    assert len(captured.err.splitlines()) == 1
    assert captured.err.startswith(f"edgebench: left out: {out / 'broken' / 'run.json'}: cannot be read")
    assert len(json.loads(captured.out)["problems"]) == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--metric", "speed"], "--metric speed: unknown; known are p50, peak_rss"),
        (["--since", "soon"], "--since soon: is no date"),
        (["--since", "2026-02-01", "--until", "2026-01-01"], "--since 2026-02-01 is after --until 2026-01-01"),
        (["--last", "0"], "--last 0: must be at least 1"),
        (["sampel/int8"], "no stored case matches 'sampel/int8'; near it: sample/int8"),
        (["--host", "nobody"], "no stored host matches 'nobody'; there are: host"),
    ],
)
def test_bad_input_is_one_clear_line(
    out: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    assert history(out, *arguments) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert len(captured.err.splitlines()) == 1
    assert message in captured.err


def test_no_run_at_all_says_how_to_make_one(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert history(tmp_path) == 2
    assert "holds no run yet; make one with: edgebench run MODEL" in capsys.readouterr().err
    assert history(tmp_path / "nowhere") == 2
    assert "stored runs cannot be looked for here" in capsys.readouterr().err


def test_a_figure_that_no_case_has_is_an_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = write_run(tmp_path, 0)
    record = json.loads((folder / "run.json").read_text())
    for case in record["cases"]:
        case["memory"] = None
    (folder / "run.json").write_text(json.dumps(record))
    assert history(tmp_path, "--metric", "peak_rss") == 2
    assert "--metric peak_rss: none of the 2 chosen cases has one" in capsys.readouterr().err
