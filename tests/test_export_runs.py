from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
import pytest
from edgebench.errors import StoreError, UsageError
from edgebench.export import What, check_target, export
from edgebench.index import load_index
from stored_runs import FLOAT32, INT8, write_run


@pytest.fixture
def out(tmp_path: Path) -> Path:
    for number in range(3):
        write_run(tmp_path / "results", number, 1.0 + number, raw=True)
    return tmp_path / "results"


@pytest.mark.parametrize("suffix", ["parquet", "csv"])
def test_a_row_a_case_of_all_runs(out: Path, tmp_path: Path, suffix: str) -> None:
    target = tmp_path / f"all.{suffix}"
    done = export(load_index(out).rows, What.CASES, target)
    assert (done.rows, done.runs, done.problems) == (6, 3, ())
    frame = pd.read_parquet(target) if suffix == "parquet" else pd.read_csv(target)
    assert frame["case_id"].tolist() == [FLOAT32, INT8] * 3
    assert frame["latency_p50_ns"].tolist() == [1e6, 1e6, 2e6, 2e6, 3e6, 3e6]
    assert frame["run_id"].nunique() == 3
    assert set(frame["hostname"]) == {"host"}
    assert {"kernel", "edgebench", "peak_rss_bytes", "size_bytes", "recall:mel", "verdict", "data"} <= set(
        frame.columns
    )
    assert frame.loc[0, "recall:mel"] == 1.0
    assert [path for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_column_types_do_not_depend_on_what_is_known(out: Path, tmp_path: Path) -> None:
    export(load_index(out).rows, What.CASES, tmp_path / "a.parquet")
    schema = pq.read_schema(tmp_path / "a.parquet")
    types = {name: str(schema.field(name).type) for name in schema.names}
    assert types["failure_message"] == types["adapter"] == types["run_id"] == "string"
    assert types["latency_p50_ns"] == types["latency_p99_ns"] == "double"
    assert types["size_bytes"] == types["latency_min_ns"] == "int64"
    assert "null" not in types.values()


def test_integers_are_exact(out: Path, tmp_path: Path) -> None:
    folder = write_run(out, 9)
    record = json.loads((folder / "run.json").read_text())
    record["cases"][0]["load_ns"] = 2**53 + 1
    record["cases"][1]["load_ns"] = None
    (folder / "run.json").write_text(json.dumps(record))
    export(load_index(out).rows, What.CASES, tmp_path / "a.parquet")
    assert pq.read_table(tmp_path / "a.parquet")["load_ns"].to_pylist()[-2:] == [2**53 + 1, None]


def test_runs_with_other_classes_share_a_table(out: Path, tmp_path: Path) -> None:
    folder = write_run(out, 5, raw=True)
    text = (folder / "run.json").read_text()
    (folder / "run.json").write_text(text.replace('"mel"', '"melanoma"'))
    predictions = pd.read_parquet(folder / "predictions.parquet").rename(columns={"score:mel": "score:melanoma"})
    predictions.to_parquet(folder / "predictions.parquet", index=False)
    rows = load_index(out).rows
    export(rows, What.CASES, tmp_path / "a.parquet")
    frame = pd.read_parquet(tmp_path / "a.parquet")
    assert frame["recall:mel"].isna().tolist() == [False] * 6 + [True] * 2
    assert frame["recall:melanoma"].isna().tolist() == [True] * 6 + [False] * 2
    export(rows, What.PREDICTIONS, tmp_path / "p.parquet")
    scores = pd.read_parquet(tmp_path / "p.parquet")
    assert scores["score:melanoma"].notna().sum() == scores["score:mel"].isna().sum() == len(predictions)


@pytest.mark.parametrize("suffix", ["parquet", "csv"])
def test_samples_and_predictions_carry_their_run(out: Path, tmp_path: Path, suffix: str) -> None:
    folder = next(out.iterdir())
    for what, name in ((What.SAMPLES, "samples.parquet"), (What.PREDICTIONS, "predictions.parquet")):
        target = tmp_path / f"x.{suffix}"
        done = export(load_index(out).rows, what, target)
        frame = pd.read_parquet(target) if suffix == "parquet" else pd.read_csv(target)
        original = pd.read_parquet(folder / name)
        assert len(frame) == done.rows == 3 * len(original)
        assert list(frame.columns) == ["run_id", "hostname", "case_id", *original.columns[1:]]
        mine = frame[frame["run_id"] == folder.name]
        numeric = original.columns[-1] if what is What.PREDICTIONS else "latency_ns"
        assert mine[numeric].tolist() == pytest.approx(original[numeric].tolist(), rel=1e-6)
        assert mine["case_id"].tolist() == original["case"].astype(str).tolist()


def test_only_the_chosen_cases_are_written(out: Path, tmp_path: Path) -> None:
    rows = [row for row in load_index(out).rows if row.variant == "int8"][-1:]
    for what in What:
        export(rows, what, tmp_path / "x.parquet")
        frame = pd.read_parquet(tmp_path / "x.parquet")
        assert set(frame["case_id"]) == {INT8}
        assert set(frame["run_id"]) == {rows[0].run_id}


def test_a_run_whose_data_cannot_be_read_is_told(out: Path, tmp_path: Path) -> None:
    first, second, _ = sorted(out.iterdir())
    (first / "samples.parquet").write_bytes(b"no parquet")
    (second / "samples.parquet").unlink()
    done = export(load_index(out).rows, What.SAMPLES, tmp_path / "x.parquet")
    assert (done.runs, len(done.problems)) == (1, 2)
    assert all(line.startswith("left out: ") and "cannot be read" in line for line in done.problems)


def test_nothing_to_write_leaves_what_was_there(out: Path, tmp_path: Path) -> None:
    for folder in out.iterdir():
        (folder / "predictions.parquet").unlink()
    target = tmp_path / "x.parquet"
    target.write_text("before")
    with pytest.raises(StoreError, match=r"nothing to write: no predictions in any chosen run"):
        export(load_index(out).rows, What.PREDICTIONS, target)
    assert target.read_text() == "before"
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == ["x.parquet"]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("all.xlsx", "its name must end in .parquet or .csv"),
        ("nowhere/all.csv", "make it first"),
        ("folder.csv", "is a folder; name a file"),
    ],
)
def test_a_target_that_cannot_be_is_refused_before_anything_is_read(tmp_path: Path, name: str, message: str) -> None:
    (tmp_path / "folder.csv").mkdir()
    with pytest.raises(UsageError, match=message):
        check_target(tmp_path / name)


def test_a_stored_run_is_never_written_into(out: Path) -> None:
    with pytest.raises(UsageError, match=r"this folder is a stored run's own"):
        check_target(next(out.iterdir()) / "samples.parquet")
