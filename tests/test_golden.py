"""Runs that older versions of edgebench stored: each still loads, reports in every form, has a history and is exported.

For a new schema version N, add its own before it is released, and change nothing in the older ones:

1. Measure something small with every part that N brings, for instance
   ``edgebench run models/sample --data phantom --limit 28 --blocks 3 --min-runs 36 --max-runs 36 --min-time 0ms``.
2. Copy ``run.json``, ``samples.parquet`` and ``predictions.parquet`` to ``tests/fixtures/golden/run-vN/``.
3. In it, write ``host``, ``CPU`` and ``Linux 6.1`` for the machine's own names, and ``/usr/bin/python3`` for
   ``python_path``: what lies in a repository tells nothing about whose machine it was.

The folder is found by its name. Version 1 left its record alone; it is tested with the samples of version 2.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pandas as pd
import pytest
from edgebench.cli import main
from edgebench.records import SCHEMA_VERSION, RunRecord
from edgebench.store import load, to_json
from stored_runs import GOLDEN

VERSIONS = range(1, SCHEMA_VERSION + 1)
FORMATS = ("table", "md", "html", "csv", "flips-csv", "json")


def golden(version: int, out: Path) -> Path:
    """Copy the golden run of a version below ``out`` and return its folder."""
    record = GOLDEN / "run-v1.json" if version == 1 else GOLDEN / f"run-v{version}" / "run.json"
    assert record.is_file(), f"schema version {version} has no golden run: see this file's first lines"
    folder = out / str(json.loads(record.read_text(encoding="utf-8"))["run_id"])
    folder.mkdir(parents=True)
    shutil.copy(record, folder / "run.json")
    if version > 1:
        for name in ("samples.parquet", "predictions.parquet"):
            shutil.copy(record.parent / name, folder / name)
    else:
        samples = pd.read_parquet(GOLDEN / "run-v2" / "samples.parquet")
        first = json.loads(record.read_text(encoding="utf-8"))["cases"][0]["case_id"]
        samples.assign(case=first).to_parquet(folder / "samples.parquet", index=False)
    return folder


@pytest.fixture(params=VERSIONS, ids=lambda version: f"v{version}")
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    return golden(request.param, tmp_path / "results")


def test_it_loads_and_says_what_it_said(folder: Path) -> None:
    stored = load(folder)
    assert isinstance(stored.record, RunRecord)
    assert len(stored.samples)
    old, new = json.loads((folder / "run.json").read_text()), json.loads(to_json(stored.record))
    for before, after in zip(old["cases"], new["cases"], strict=True):
        assert {key: after[key] for key in ("case_id", "status", "threads")} == {
            key: before[key] for key in ("case_id", "status", "threads")
        }
        assert (before["latency"] or {}).get("p50_ns") == (after["latency"] or {}).get("p50_ns")


@pytest.mark.parametrize("form", FORMATS)
def test_it_reports_in_every_form(folder: Path, form: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["report", str(folder), "--format", form, "--no-images"]) == 0
    text = capsys.readouterr().out
    # An old run without predictions has no list of changed images, only its heading.
    assert "float32" in text or form == "flips-csv"
    assert text


@pytest.mark.parametrize("form", ["table", "csv", "json", "html"])
def test_it_has_a_history(folder: Path, form: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["history", "--out", str(folder.parent), "--format", form, "--variant", "float32"]) == 0
    assert "float32@local" in capsys.readouterr().out
    assert main(["history", "--out", str(folder.parent), "--format", form, "--metric", "balanced"]) == 0


@pytest.mark.parametrize("what", ["cases", "samples"])
def test_it_is_exported(folder: Path, tmp_path: Path, what: str) -> None:
    target = tmp_path / "all.parquet"
    assert main(["results", "export", "--out", str(folder.parent), "--to", str(target), "--what", what]) == 0
    frame = pd.read_parquet(target)
    assert set(frame["run_id"]) == {folder.name}
    if what == "cases":
        assert len(frame) == len(load(folder).record.cases)


def test_all_versions_are_read_together(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for version in VERSIONS:
        golden(version, tmp_path / "results")
    for arguments in (["history"], ["results", "list"], ["results", "export", "--to", str(tmp_path / "a.csv")]):
        assert main([*arguments, "--out", str(tmp_path / "results")]) == 0
        assert capsys.readouterr().err == ""
    assert pd.read_csv(tmp_path / "a.csv")["run_id"].nunique() == len(VERSIONS)


def test_golden_runs_tell_nothing_about_whose_machine_it_was() -> None:
    for path in GOLDEN.rglob("*.json"):
        record = json.loads(path.read_text(encoding="utf-8"))
        assert record["environment"]["hostname"] == "host"
        assert record["environment"]["cpu_model"] == "CPU"
        for text in ("/home/", "/root", "/tmp", "/work"):
            assert text not in path.read_text(encoding="utf-8")


def test_golden_runs_are_small() -> None:
    assert sum(path.stat().st_size for path in GOLDEN.rglob("*") if path.is_file()) < 100_000 * SCHEMA_VERSION
