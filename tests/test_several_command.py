"""``edgebench run --device`` with several devices, as a person calls it: fake devices stand behind the names."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from edgebench.cli import main
from edgebench.devices.base import Device
from edgebench.devices.fake import FakeDevice
from edgebench.errors import DeviceLost, UsageError
from several import Bench, fast, slow

SHORT = ("--blocks", "3", "--min-runs", "1", "--max-time", "50ms", "--warmup-time", "20ms", "--quiet")
LOST = DeviceLost("pi@slow: no route to host (given up after 9 attempts in 60 s)")


class Shelf:
    """Devices by name; one that is not there is refused as the real opener does."""

    def __init__(self) -> None:
        self.devices: dict[str, FakeDevice] = {"fast": fast(), "slow": slow()}

    def open(self, text: str, *_: Any, **__: Any) -> Device:
        if text not in self.devices:
            raise UsageError(f"--device {text}: no such device")
        return self.devices[text]


@pytest.fixture
def shelf(monkeypatch: pytest.MonkeyPatch) -> Shelf:
    found = Shelf()
    monkeypatch.setattr("edgebench.devices.opening.open_device", found.open)
    return found


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def run(bench: Bench, *flags: str) -> int:
    return main(["run", *bench.models, *SHORT, "--out", str(bench.out), *flags])


@pytest.mark.parametrize("flags", [("--device", "fast,slow"), ("--device", "fast", "--device", "slow")])
def test_one_report_says_what_to_ship_on_each(
    bench: Bench, shelf: Shelf, capsys: pytest.CaptureFixture[str], flags: tuple[str, ...]
) -> None:
    assert run(bench, *flags) == 0
    shown = capsys.readouterr().out
    assert "net on fast\nvariant" in shown
    assert "net on slow\nvariant" in shown
    assert "@fast" not in shown.partition("\nNotes")[0].partition("net on slow")[0]


def test_a_device_that_drops_out_is_exit_code_3_and_the_last_lines_say_how_to_go_on(
    bench: Bench, shelf: Shelf, capsys: pytest.CaptureFixture[str]
) -> None:
    shelf.devices["slow"] = slow(cuts=[("burst", 8)], reconnects=[LOST])
    assert run(bench, "--device", "fast,slow") == 3
    shown = capsys.readouterr().out.splitlines()
    assert any("slow: dropped out, so its cases are not finished: pi@slow" in line for line in shown)
    (folder,) = bench.out.iterdir()
    assert shown[-1] == f"continue with: edgebench run --resume {folder}"

    shelf.devices = {"fast": fast(refusal=LOST), "slow": slow()}
    assert main(["run", "--resume", "latest", "--out", str(bench.out), "--quiet"]) == 0
    record = json.loads((folder / "run.json").read_text())
    assert [case["status"] for case in record["cases"]] == ["ok"] * 4
    assert record["command"][:2] == ["edgebench", "run"]


def test_json_is_alone_on_stdout_beside_a_lost_device(
    bench: Bench, shelf: Shelf, capsys: pytest.CaptureFixture[str]
) -> None:
    shelf.devices["slow"] = slow(refusal=LOST)
    assert run(bench, "--device", "fast,slow", "--json") == 3
    said = capsys.readouterr()
    assert {case["device"] for case in json.loads(said.out)["cases"]} == {"fast", "slow"}
    assert said.err.startswith("continue with: edgebench run --resume ")


def test_no_device_at_all_is_one_line_and_exit_code_3(
    bench: Bench, shelf: Shelf, capsys: pytest.CaptureFixture[str]
) -> None:
    shelf.devices["slow"] = slow(refusal=LOST)
    assert run(bench, "--device", "slow") == 3
    assert capsys.readouterr().err == f"edgebench: error: {LOST}\n"
    assert list(bench.out.iterdir()) == [] if bench.out.exists() else True


@pytest.mark.parametrize(
    ("flags", "line"),
    [
        (("--device", "fast,none"), "--device none: no such device"),
        (("--device", ","), "no devices given: leave the argument out for the default"),
        (("--device", "fast", "--device-cache", "much"), "--device-cache much: not a size; write 500MB or 2GB"),
    ],
)
def test_a_wrong_device_is_one_line_and_nothing_runs(
    bench: Bench, shelf: Shelf, capsys: pytest.CaptureFixture[str], flags: tuple[str, ...], line: str
) -> None:
    assert run(bench, *flags) == 2
    assert capsys.readouterr().err == f"edgebench: error: {line}\n"
    assert shelf.devices["fast"].log == []


def test_a_dry_run_tells_of_each_device(bench: Bench, shelf: Shelf, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(bench, "--device", "fast,slow", "--dry-run") == 0
    shown = capsys.readouterr().out
    assert shown.startswith("fast: 2 cases to measure; nothing was measured or written\n")
    assert "\nslow: 2 cases to measure" in shown
    assert shown.endswith("all devices are measured at the same time\n")
    assert run(bench, "--device", "fast,slow", "--dry-run", "--json") == 0
    told = json.loads(capsys.readouterr().out)["devices"]
    assert [(one["device"], len(one["cases"])) for one in told] == [("fast", 2), ("slow", 2)]


def test_python_is_looked_for_on_the_device(bench: Bench, shelf: Shelf) -> None:
    assert run(bench, "--device", "fast", "--python", "old=/opt/nowhere/python3.9") == 0
    (folder,) = bench.out.iterdir()
    record = json.loads((folder / "run.json").read_text())
    assert {(case["python_path"], case["python_name"]) for case in record["cases"]} == {
        ("/opt/nowhere/python3.9", "old")
    }


def test_a_run_on_this_machine_still_looks_here_first(bench: Bench, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(bench, "--python", "/opt/nowhere/python3.9") == 2
    assert "--python /opt/nowhere/python3.9: no such program" in capsys.readouterr().err
