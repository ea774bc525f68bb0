"""The commands of docs/devices-android.md, one after the other, on an emulated phone that is bare when they begin."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import edgebench
import pytest
from edgebench.findings import Code, Verdict
from edgebench.readings import ThermalStatus
from edgebench.records import CaseResult, Engine
from edgebench.store import StoredRun
from test_docs import ROOT, run_script

from .adb_client import lead_to
from .bundles import require_bundle
from .phone import Phone
from .runners import give_library, require_runner

pytestmark = pytest.mark.phone

PAGE = ROOT / "docs" / "devices-android.md"
COMMANDS = re.findall(r"<!-- phone -->\n```bash\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
SETUP, RUN, COOL, OFFICIAL, CLEAN = COMMANDS


def desk_of(phone: Phone, folder: Path) -> Path:
    """Return a folder as a reader would have it, whose edgebench.toml names the phone."""
    shutil.copytree(ROOT / "models", folder / "models")
    shutil.copy(require_bundle(), folder / "python-aarch64.tar.gz")
    (folder / "edgebench.toml").write_text(f'[devices.phone]\nadb = "{phone.serial}"\n', encoding="utf-8")
    return folder


def run(command: str, folder: Path) -> str:
    done: subprocess.CompletedProcess[str] = run_script(command, folder, timeout_s=900)
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    assert "Traceback" not in done.stderr
    return done.stdout


def latest(desk: Path) -> StoredRun:
    return edgebench.load("latest", desk / "results")


def the(stored: StoredRun, variant: str) -> CaseResult:
    (case,) = [case for case in stored.record.cases if case.variant == variant]
    return case


def test_the_page_from_the_first_command_to_the_last(
    start_phone: Callable[..., Phone], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One test: each command needs those before it."""
    phone = start_phone()
    lead_to(phone.server, monkeypatch)
    desk = desk_of(phone, tmp_path)
    a_bare_phone_is_set_up(phone, desk)
    a_run_there_has_everything(desk)
    accuracy_is_that_of_this_machine(desk)
    it_cools_before_blocks(desk)
    the_official_tools_way(phone, desk)
    nothing_is_left_there(phone, desk)


def a_bare_phone_is_set_up(phone: Phone, desk: Path) -> None:
    assert phone.run("sh", "-c", "command -v python3").returncode != 0
    said = run(SETUP, desk)
    assert re.search(rf"^phone +adb://{phone.serial} +answers: Android 14.*; it has no Python yet$", said, re.MULTILINE)
    assert re.search(r"sent, unpacked and checked: 4\d\.\d MB", said)
    assert "Google Pixel 7, Google Tensor G2, Android 14" in said
    assert "INVALID emulated" in said
    assert "already set up" in run("edgebench device setup phone --bundle python-aarch64.tar.gz", desk)


def a_run_there_has_everything(desk: Path) -> None:
    said = run(RUN, desk)
    stored = latest(desk)
    for variant in ("float32", "float16", "int8"):
        case = the(stored, variant)
        assert case.case_id == f"sample/{variant}@phone/interpreter.litert+default/t1"
        assert case.runtime is not None
        assert case.runtime.machine == "aarch64"
        assert case.accuracy is not None
        assert case.accuracy.images == 21
        assert len(case.accuracy.classes) == 7
        assert case.memory is not None
        assert case.memory.peak_rss_bytes is not None
        assert case.operators is not None
        assert case.device_parity is not None
        assert case.device_parity.agrees
        assert case.verdict is Verdict.INVALID
        assert {finding.code for finding in case.findings} >= {Code.EMULATED}
    same = the(stored, "int8").device_parity
    assert same is not None
    assert same.bit_equal
    assert "outputs equal the host's bit for bit" in said
    (device,) = stored.record.devices
    assert (device.board_model, device.soc) == ("Google Pixel 7", "Google Tensor G2")
    assert device.environment.system.startswith("Android 14 (API 34)")
    phone = device.readings[0].phone
    assert phone is not None
    assert (phone.thermal_status, phone.battery_percent, phone.screen) == (ThermalStatus.NONE, 87, "off")
    assert "thermal status none; battery 87 %, powered by USB; screen off" in said


def accuracy_is_that_of_this_machine(desk: Path) -> None:
    there = latest(desk)
    run("edgebench run models/sample/int8.tflite --data phantom --limit 21 --blocks 1 --max-time 1s --quiet", desk)
    assert the(latest(desk), "int8").accuracy == the(there, "int8").accuracy


def it_cools_before_blocks(desk: Path) -> None:
    said = run(COOL, desk)
    assert "cooled to thermal status none before 1 block: never had to wait, at worst at thermal status none" in said
    assert "cooled to 40 °C before 1 block (by BIG (CPU), MID (CPU), LITTLE (CPU)): never had to wait" in said
    (device,) = latest(desk).record.devices
    assert device.bytes_sent == 0


def the_official_tools_way(phone: Phone, desk: Path) -> None:
    shutil.copy(require_runner() / "runner", desk / "android_aarch64_benchmark_model")
    give_library(phone)
    said = run(OFFICIAL, desk)
    stored = latest(desk)
    assert {case.engine for case in stored.record.cases} == {Engine.BENCHMARK_MODEL}
    for case in stored.record.cases:
        assert case.latency is not None
        assert case.latency.summary_of == "benchmark_model"
    assert "benchmark_model reports summaries" in said


def nothing_is_left_there(phone: Phone, desk: Path) -> None:
    assert re.search(r"removed \d", run(CLEAN, desk))
    assert not phone.path("/data/local/tmp/edgebench").exists()
    assert phone.run("ls", "/data/local/tmp").stdout.split() == ["edgebench-runner", "small"]  # the tool's library
