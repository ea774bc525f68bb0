"""``edgebench compare`` on stored runs, from the command line and from Python."""

from __future__ import annotations

import csv
import io
import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import edgebench
import numpy as np
import pytest
from edgebench.changes import ChangeVerdict, Metric, RunChange
from edgebench.cli import main
from edgebench.store import PREDICTIONS_FILE, RUN_FILE, SAMPLES_FILE, save
from simulated_runs import HOST, Truth, simulated_run, with_answers

GOLDEN = Path(__file__).parent / "fixtures" / "golden" / "run-v1.json"
TRUTH = ["mel"] * 60 + ["nv"] * 100
BASE, NEW = "20260101-000100-net", "20260101-000200-net"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with four repeats, a base and a new run whose int8 is slower and worse at mel."""
    out = tmp_path_factory.mktemp("store")
    rng = np.random.default_rng(4)
    old = {"float32": Truth(), "int8": Truth(2.0, "b" * 64)}
    slower = {"float32": Truth(), "int8": Truth(2.6, "f" * 64)}
    right = {"float32": [True] * 160, "int8": [True] * 160}
    lost = {"float32": [True] * 160, "int8": [place >= 20 for place in range(160)]}
    noise: dict[str, Any] = {"between_sd": 0.05, "alone_sd": 0.01}
    for number in range(4):
        save(simulated_run(number, old, rng, **noise), out)
    save(with_answers(simulated_run(100, old, rng, **noise), right, TRUTH), out)
    save(with_answers(simulated_run(200, slower, rng, **noise), lost, TRUTH), out)
    return out


@pytest.fixture
def store(made: Path, tmp_path: Path) -> Path:
    """A copy that a test may damage."""
    return Path(shutil.copytree(made, tmp_path / "results"))


def test_the_table_begins_with_what_changed(made: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compare", BASE, "latest", "--out", str(made)]) == 0
    text = capsys.readouterr().out
    lines = text.splitlines()
    assert lines[0] == f"{BASE} → latest ({NEW})"
    assert lines[1].startswith("  1 of 2 cases is slower: int8 1.2")
    assert "1 latency undecided" in text
    assert "int8 recall of mel −33.3" in text
    assert "from 4 repeats of 1 case" in text
    assert "int8: the model file changed: bbbbbbbb → ffffffff" in text


def test_quiet_leaves_the_sentences(made: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compare", BASE, NEW, "--out", str(made), "--quiet"]) == 0
    text = capsys.readouterr().out
    assert "slower" in text
    assert "Every case" not in text


def test_json_has_everything_and_nothing_else_is_on_stdout(made: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compare", BASE, NEW, "--out", str(made), "--format", "json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["format"], found["version"]) == ("edgebench-compare", 1)
    (comparison,) = found["comparisons"]
    assert set(comparison) == {"base", "new", "cases", "missing", "added", "environment", "notes"}
    int8 = comparison["cases"][1]
    assert set(int8) == {"case_id", "base", "new", "changes", "doubts"}
    assert int8["new"]["sha256"] == "f" * 64
    changes = {change["name"]: change for change in int8["changes"]}
    assert changes["recall[mel]"]["lost"] == 20
    assert changes["p50"]["verdict"] == "worse"
    assert set(changes["p50"]) == {
        "name", "metric", "label", "base", "new", "value", "low", "high", "one_sided_low", "one_sided_high", "verdict",
        "basis", "explanation", "effort_ns", "images", "lost", "gained", "unavailable",
    }  # fmt: skip


def test_csv_has_a_row_a_figure(made: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compare", BASE, NEW, "--out", str(made), "--format", "csv"]) == 0
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    (mel,) = [row for row in rows if row["metric"] == "recall" and row["label"] == "mel" and "int8" in row["case_id"]]
    assert (mel["verdict"], mel["lost"], mel["gained"], mel["basis"]) == ("worse", "20", "0", "same images")
    (p50,) = [row for row in rows if row["metric"] == "p50" and "float32" in row["case_id"]]
    assert float(p50["low"]) < float(p50["value"]) < float(p50["high"])


def test_several_new_runs_are_each_compared_with_the_base(made: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compare", BASE, NEW, BASE, "--out", str(made), "--format", "json"]) == 0
    found = json.loads(capsys.readouterr().out)["comparisons"]
    assert [comparison["new"] for comparison in found] == [NEW, BASE]


def test_a_run_against_itself_says_so(made: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compare", BASE, BASE, "--out", str(made)]) == 0
    text = capsys.readouterr().out
    assert "Base and new are the same run." in text
    assert "No latency is shown to have changed (2 cases)" in text


def test_only_changed_leaves_the_others_out_and_counts_them(made: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compare", BASE, NEW, "--out", str(made), "--only-changed", "--format", "json"]) == 0
    (comparison,) = json.loads(capsys.readouterr().out)["comparisons"]
    assert [case["case_id"].split("@")[0] for case in comparison["cases"]] == ["net/int8"]
    assert any("left out: 1 case" in note for note in comparison["notes"])
    assert main(["compare", BASE, BASE, "--out", str(made), "--only-changed"]) == 0
    text = capsys.readouterr().out
    assert "left out: 2 cases" in text
    assert "No latency is shown to have changed (2 cases)" in text  # what is said first is about all


def test_a_model_is_measured_by_interleave_alone(made: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compare", BASE, "net/int8.tflite", "--out", str(made)]) == 2
    assert "net/int8.tflite: is a model and no stored run; --interleave measures it now" in capsys.readouterr().err


def test_noise_is_a_share(made: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["compare", BASE, NEW, "--out", str(made)]
    assert main([*arguments, "--noise", "2%", "--format", "json"]) == 0
    float32 = json.loads(capsys.readouterr().out)["comparisons"][0]["cases"][0]
    (p50,) = [change for change in float32["changes"] if change["name"] == "p50"]
    assert "2 % (as told)" in p50["explanation"]
    assert main([*arguments, "--noise", "much"]) == 2
    assert "--noise much: not a share" in capsys.readouterr().err


@pytest.mark.parametrize("name", [RUN_FILE, SAMPLES_FILE])
def test_missing_files_are_one_line(store: Path, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    (store / NEW / name).unlink()
    assert main(["compare", BASE, NEW, "--out", str(store)]) == 2
    error = capsys.readouterr().err
    assert error.startswith("edgebench: error: ")
    assert error.count("\n") == 1
    assert NEW in error


def test_without_predictions_accuracy_has_no_interval(store: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (store / NEW / PREDICTIONS_FILE).unlink()
    assert main(["compare", BASE, NEW, "--out", str(store)]) == 0
    assert "interval of balanced: the answers to single images are not stored" in capsys.readouterr().out


def test_a_newer_schema_is_an_error_of_the_run_and_a_note_of_a_repeat(
    store: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for run in ("20260101-000000-net", "20260101-000001-net"):
        path = store / run / RUN_FILE
        path.write_text(path.read_text().replace('"schema_version": 2', '"schema_version": 99'))
    assert main(["compare", BASE, NEW, "--out", str(store)]) == 0
    assert "could not be read, and tell nothing of how far runs differ: 2" in capsys.readouterr().out
    assert main(["compare", BASE, "20260101-000000-net", "--out", str(store)]) == 2
    assert "update edgebench" in capsys.readouterr().err


def test_other_machines_are_refused_unless_asked_for(store: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rng = np.random.default_rng(1)
    other = simulated_run(300, {"float32": Truth()}, rng, environment=replace(HOST, hostname="board"))
    name = save(other, store).name
    assert main(["compare", BASE, name, "--out", str(store)]) == 2
    assert "--cross-device" in capsys.readouterr().err
    assert main(["compare", BASE, name, "--out", str(store), "--cross-device"]) == 0
    assert "unlike devices: host name bench-01, board" in capsys.readouterr().out


def test_an_old_run_compares_with_itself_and_with_a_later_one(store: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Records of schema version 1 have neither verdicts nor what came later."""
    old, later = store / "20250101-000000-old", store / "20250102-000000-old"
    for folder in (old, later):
        folder.mkdir()
        shutil.copy(GOLDEN, folder / RUN_FILE)
        shutil.copy(store / BASE / SAMPLES_FILE, folder)
    record = json.loads(GOLDEN.read_text())
    record["run_id"] = later.name
    (later / RUN_FILE).write_text(json.dumps(record))
    assert main(["compare", str(old), str(old), "--out", str(store)]) == 0
    assert main(["compare", old.name, later.name, "--out", str(store)]) == 0
    assert "no samples are stored" in capsys.readouterr().out


def test_the_page_is_written_to_stdout(made: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compare", BASE, NEW, "--out", str(made), "--format", "html"]) == 0
    assert capsys.readouterr().out.startswith("<!doctype html>")


def test_markdown_tells_where_intervals_come_from(made: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compare", BASE, NEW, "--out", str(made), "--format", "md"]) == 0
    text = capsys.readouterr().out
    assert text.startswith("# ")
    assert "## Where the intervals come from" in text


def test_python_programs_get_the_same(made: Path) -> None:
    found = edgebench.compare(BASE, "latest", made)
    assert isinstance(found, RunChange)
    change = found.cases[1].find(Metric.P50)
    assert change is not None
    assert change.verdict is ChangeVerdict.WORSE
    loaded = edgebench.compare(edgebench.load(BASE, made), edgebench.load(NEW, made), made)
    assert loaded.cases == found.cases
    with pytest.raises(edgebench.EdgebenchError, match="no such run"):
        edgebench.compare("nothing", BASE, made)
