from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest
from edgebench.cli import main
from stored_runs import INT8, write_run


@pytest.fixture
def out(tmp_path: Path) -> Path:
    for number in range(4):
        write_run(tmp_path / "results", number, 1.0, raw=True)
    return tmp_path / "results"


def results(out: Path, *arguments: str) -> int:
    return main(["results", *arguments, "--out", str(out)])


def test_list_has_a_line_a_run(out: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (out / "20260102-000000-sample" / "notes.txt").write_text("")
    assert results(out, "list") == 0
    lines = capsys.readouterr().out.splitlines()
    row = next(line for line in lines if line.startswith("20260101"))
    assert row.split()[1:4] == ["2026-01-01", "00:00", "2"]
    assert next(line for line in lines if line.startswith("20260102")).endswith("edgebench's: notes.txt")
    assert lines[-1].startswith("4 folders, ")
    assert lines[-1].endswith("Times are UTC.")


def test_list_as_json(out: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert results(out, "list", "--format", "json") == 0
    found = json.loads(capsys.readouterr().out)
    assert [item["name"][:8] for item in found] == ["20260101", "20260102", "20260103", "20260104"]
    assert found[0]["state"] == "stored"
    assert found[0]["never_removed_because"] is None


def test_list_of_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert results(tmp_path, "list") == 0
    assert "holds no run yet" in capsys.readouterr().out


@pytest.mark.parametrize("flags", [(), ("--dry-run",)])
def test_prune_removes_nothing_without_yes(
    out: Path, capsys: pytest.CaptureFixture[str], flags: tuple[str, ...]
) -> None:
    assert results(out, "prune", "--keep", "1", *flags) == 0
    text = capsys.readouterr().out
    assert "Would remove 3 folders, 0." in text
    assert "Nothing was removed: add --yes." in text
    assert len(list(out.iterdir())) == 4


def test_prune_with_yes_removes_what_it_showed(out: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert results(out, "prune", "--keep", "1", "--protect", "20260101-000000-sample", "--yes") == 0
    text = capsys.readouterr().out
    assert "stays: 20260101-000000-sample: is protected" in text
    assert "Removing 2 folders" in text
    assert sorted(path.name[:8] for path in out.iterdir()) == ["20260101", "20260104"]
    assert results(out, "prune", "--keep", "9", "--yes") == 0
    assert "Nothing to remove." in capsys.readouterr().out


def test_prune_that_cannot_remove_one_says_so_and_removes_the_others(
    out: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    rename = Path.rename

    def refuse(self: Path, target: Path) -> Path:
        if self.name.startswith(("20260101", "20260102")):
            raise PermissionError(13, "Permission denied")
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", refuse)
    assert results(out, "prune", "--keep", "1", "--yes") == 2
    errors = capsys.readouterr().err.splitlines()
    assert len(errors) == 2
    assert all("cannot be removed: Permission denied" in line for line in errors)
    assert len(list(out.iterdir())) == 3


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["prune"], "results prune: say what may go: --keep N or --older-than 90d"),
        (["prune", "--keep", "0"], "--keep 0: must be at least 1"),
        (["prune", "--older-than", "soon"], "--older-than soon: is no age"),
        (["prune", "--keep", "1", "--yes", "--dry-run"], "not allowed with argument"),
        (["prune", "--keep", "1", "--protect", "x"], "--protect x: no such run"),
        (["export", "--to", "x.txt"], "--to x.txt: its name must end in .parquet or .csv"),
        (["export", "--to", "x.csv", "--since", "soon"], "--since soon: is no date"),
        (["export", "nothing", "--to", "x.csv"], "no stored case matches 'nothing'"),
    ],
)
def test_bad_input_is_one_clear_line(
    out: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    assert results(out, *arguments) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert len(captured.err.splitlines()) == 1
    assert message in captured.err
    assert len(list(out.iterdir())) == 4


def test_export_says_what_it_wrote(out: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    target = tmp_path / "all.parquet"
    assert results(out, "export", INT8, "--to", str(target), "--since", "2026-01-03") == 0
    assert capsys.readouterr().out == f"{target}: 2 rows, cases of 2 runs\n"
    assert len(pd.read_parquet(target)) == 2


def test_export_tells_what_it_left_out(out: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (out / "20260101-000000-sample" / "run.json").write_text("{")
    (out / "20260102-000000-sample" / "samples.parquet").unlink()
    assert results(out, "export", "--to", str(tmp_path / "x.csv"), "--what", "samples") == 0
    captured = capsys.readouterr()
    assert "samples of 2 runs" in captured.out
    assert [line.startswith("edgebench: left out: ") for line in captured.err.splitlines()] == [True, True]


def test_export_of_no_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert results(tmp_path, "export", "--to", str(tmp_path / "x.csv")) == 2
    assert "holds no run yet" in capsys.readouterr().err
