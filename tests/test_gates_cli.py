"""Gates from the command line: exit codes, files, and gates of edgebench.toml."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from edgebench.cli import main
from edgebench.store import save
from simulated_runs import Truth, simulated_run

BASE, NEW = "20260101-000100-net", "20260101-000200-net"


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store whose second run has an int8 three times as slow."""
    out = tmp_path_factory.mktemp("store")
    rng = np.random.default_rng(4)
    save(simulated_run(100, {"float32": Truth(), "int8": Truth(2.0, "b" * 64)}, rng), out)
    save(simulated_run(200, {"float32": Truth(), "int8": Truth(6.0, "f" * 64)}, rng), out)
    return out


@pytest.fixture(autouse=True)
def _alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("EDGEBENCH_CONFIG", raising=False)


def compare(store: Path, *flags: str) -> int:
    return main(["compare", BASE, NEW, "--out", str(store), *flags])


@pytest.mark.parametrize(
    ("flags", "code"),
    [
        ([], 0),
        (["--gate", "p50 <= 1.05x"], 1),
        (["--gate", "float32: p50 <= 2x"], 0),
        (["--gate", "float32: p50 <= 1.0x"], 0),
        (["--gate", "float32: p50 <= 1.0x", "--undecided", "fail"], 1),
        (["--gate", "size <= 1.0x"], 0),
        (["--gate", "int9: size <= 1.0x"], 2),
        (["--gate", "p50 >= 1.0x"], 2),
        (["--gate", "recall[mel] >= 0.5"], 2),
        (["--junit", "gates.xml"], 2),
    ],
)
def test_exit_codes(store: Path, flags: list[str], code: int) -> None:
    assert compare(store, *flags) == code


@pytest.mark.parametrize("flag", ["--junit", "--summary", "--github-benchmark"])
def test_a_file_in_no_folder_is_refused_before_anything_is_judged(
    store: Path, flag: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert compare(store, "--gate", "size <= 3MB", flag, "missing/file") == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert f"{flag} missing/file: there is no folder missing; make it first" in said.err


def test_a_failing_gate_is_told_and_written(store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    summary = tmp_path / "summary.md"
    summary.write_text("before\n")
    files = ("--junit", "gates.xml", "--summary", "summary.md", "--github-benchmark", "bench.json")
    assert compare(store, "--gate", "int8: p50 <= 1.05x", "--gate", "size <= 1x", *files) == 1
    said = capsys.readouterr().out
    assert "Gates: 1 failed, 2 passed." in said
    assert "allowed: at most 1.05x" in said
    assert len(list(ElementTree.parse(tmp_path / "gates.xml").iter("failure"))) == 1
    assert summary.read_text().startswith("before\n")
    assert "| FAIL |" in summary.read_text()
    assert json.loads((tmp_path / "bench.json").read_text())


def test_machine_output_stays_alone_on_stdout(store: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert compare(store, "--gate", "int8: p50 <= 1.05x", "--format", "json") == 1
    output = capsys.readouterr()
    json.loads(output.out)
    assert "Gates: 1 failed" in output.err


def test_gates_of_the_file_count_and_may_be_about_others(
    store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "edgebench.toml").write_text(
        '[[gate]]\nvariant = "int8*"\ncheck = ["p50 <= 1.05x"]\n[[gate]]\ndevice = "pi*"\ncheck = ["p50 <= 1ms"]\n'
    )
    assert compare(store) == 1
    output = capsys.readouterr()
    assert "Gates: 1 failed" in output.out
    assert "gate 'p50 <= 1ms' of edgebench.toml is about nothing that was measured" in output.err


def test_a_wrong_gate_of_the_file_is_told_with_its_place(
    store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "edgebench.toml").write_text('[[gate]]\ncheck = ["p50 >= 1x"]\n')
    assert compare(store) == 2
    assert "edgebench.toml: [[gate]] 'p50 >= 1x'" in capsys.readouterr().err
