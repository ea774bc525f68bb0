"""``edgebench compare --interleave`` from the command line: real models, few blocks; and how it ends."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from edgebench.cli import main
from edgebench.devices.fake import FakeDevice, FakeModel
from edgebench.errors import RuntimeRefused
from fake_runs import MS
from harness import MODELS, SHORT_FLAGS, copies, model

FLAGS = tuple("3" if text == "1" else text for text in SHORT_FLAGS)  # three blocks: the least that give an interval


def on_fake(monkeypatch: pytest.MonkeyPatch, new: FakeModel) -> None:
    monkeypatch.setattr("edgebench.open_devices.LocalDevice", lambda: FakeDevice({"old": FakeModel(MS), "new": new}))


def sides(folder: Path) -> tuple[str, str]:
    old, new = copies(folder, "old", "new")
    shutil.copy(MODELS / "gray.tflite", new)
    return f"net/a={old}", f"net/a={new}"


def told(text: str) -> dict[str, Any]:
    (case,) = json.loads(text)["comparisons"][0]["cases"]
    return {change["name"]: change for change in case["changes"]}


@pytest.mark.slow
def test_two_real_files_are_measured_in_turns_and_stored(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    given = (f"net/a={model('float32')}", f"net/a={model('int8')}")
    flags = ("--interleave", "--quiet", "--format", "json", "--out", str(tmp_path), *FLAGS)
    assert main(["compare", *given, *flags]) == 0
    changes = told(capsys.readouterr().out)
    assert changes["p50"]["basis"] == "measured in turns"
    assert changes["p50"]["low"] <= changes["p50"]["value"] <= changes["p50"]["high"]
    assert changes["peak_rss"]["basis"] == "measured in turns"
    assert changes["size"]["value"] == Path(model("int8")).stat().st_size / Path(model("float32")).stat().st_size
    (record,) = tmp_path.glob("*/run.json")
    assert [case["variant"] for case in json.loads(record.read_text())["cases"]] == ["a~base", "a"]


def test_a_case_that_failed_ends_with_3(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    on_fake(monkeypatch, FakeModel(fails={"load": RuntimeRefused("no such operator")}))
    assert main(["compare", *sides(tmp_path), "--interleave", "--format", "md", "--out", str(tmp_path / "out")]) == 3
    assert "no such operator" in capsys.readouterr().out


def test_an_interrupt_is_not_judged_and_says_how_to_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(run: int) -> int:
        if run == 20:
            raise KeyboardInterrupt
        return MS

    on_fake(monkeypatch, FakeModel(interrupted))
    flags = ("--interleave", "--quiet", "--gate", "p50 <= 1.05x", "--out", str(tmp_path / "out"))
    assert main(["compare", *sides(tmp_path), *flags]) == 130
    printed = capsys.readouterr()
    assert "edgebench run --resume" in printed.err
    assert "gate" not in printed.out
