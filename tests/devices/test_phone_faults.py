"""What the commands say when a phone, its daemon or its server fails them: one line, an exit code, and nothing lost.

The phone's Python is this machine's where a test is not about having none.
"""

from __future__ import annotations

import re
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import edgebench
import pytest
from edgebench import run_cli
from edgebench.cli import main
from edgebench.devices import opening
from edgebench.devices.adb import AdbTransport
from edgebench.devices.adb_address import AdbAddress
from edgebench.devices.opening import PHONE_FOLDER
from edgebench.devices.remote import RemoteDevice, RemoteSettings
from edgebench.devices.retry import Patience
from edgebench.progress import Progress
from edgebench.records import Status
from edgebench.setup.bundle_file import LAUNCHER, read_bundle, write_bundle
from harness import SHORT_FLAGS, model
from setup.made_packages import make_elf

from .adb_client import lead_to
from .adb_server import AdbServer
from .bundles import require_bundle
from .phone import SMALL, Phone
from .support import wait_for

pytestmark = pytest.mark.phone

StartPhone = Callable[..., Phone]
Say = Callable[..., str]
#: Of no processor that an emulator here or this machine is.
_RISC_V = 243
DIRECT = [str(model("int8")), *SHORT_FLAGS, "--quiet"]


@pytest.fixture(autouse=True)
def desk(own_adb_server: AdbServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder on a desk with a server of its own."""
    lead_to(own_adb_server, monkeypatch)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def say(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Say:
    """Run a command and return its last line on stderr; it has the code that was expected.

    Nothing waits long for what does not come back.
    """
    monkeypatch.setattr(opening, "Patience", lambda: Patience(total_s=1.0))

    def said(*words: str, code: int = 3) -> str:
        capfd.readouterr()
        assert main(list(words)) == code
        lines = capfd.readouterr().err.splitlines()
        assert lines, words
        assert not any("Traceback" in line for line in lines)
        return lines[-1]

    return said


def name(phone: Phone, desk: Path, **more: str) -> None:
    """Name the phone in edgebench.toml, with the Python that it has."""
    told = {"adb": phone.serial, **({"python": phone.host_python} if phone.host_python else {}), **more}
    lines = "".join(f'{key} = "{value}"\n' for key, value in told.items())
    (desk / "edgebench.toml").write_text(f"[devices.phone]\n{lines}")


def test_no_phone(say: Say) -> None:
    for words in (["device", "check", "adb://"], ["run", *DIRECT, "--device", "adb://"]):
        assert "no phone is attached: plug one in and switch USB debugging on" in say(*words)


def test_a_phone_that_has_not_allowed_this_computer(own_adb_server: AdbServer, say: Say) -> None:
    serial = own_adb_server.peer("unauthorized")
    for words in (["device", "setup"], ["device", "check"], ["device", "clean"], ["run", *DIRECT, "--device"]):
        line = say(*words, f"adb://{serial}")
        assert line.startswith(f"edgebench: error: {serial}: ")
        assert "allow" in line


def test_a_phone_over_the_air_that_has_gone(start_phone: StartPhone, say: Say) -> None:
    phone = start_phone()
    phone.kill_daemon()
    line = say("run", *DIRECT, "--device", f"adb://{phone.serial}")
    assert line.startswith(f"edgebench: error: {phone.serial}: ")
    assert "is wireless debugging on, is this its present port" in line


def test_two_phones_and_none_named(start_phone: StartPhone, say: Say) -> None:
    first, second = start_phone(), start_phone()
    line = say("run", *DIRECT, "--device", "adb://")
    assert line.startswith("edgebench: error: 2 phones are attached, say which: ")
    assert first.serial in line
    assert f"{second.serial}" in line
    assert "for instance adb://" in line


def test_a_serial_that_nobody_has(start_phone: StartPhone, say: Say) -> None:
    phone = start_phone()
    line = say("device", "check", "adb://R58M123ABCD")
    assert line.startswith("edgebench: error: R58M123ABCD: no such phone is attached; there is ")
    assert phone.serial in line


def test_a_phone_without_python_says_both_ways(start_phone: StartPhone, say: Say) -> None:
    line = say("run", *DIRECT, "--device", f"adb://{start_phone().serial}")
    assert (
        "has no Python, as no phone has; give it one: edgebench device bundle build, then edgebench device setup"
        in line
    )
    assert line.endswith("; or measure without, with --engine benchmark_model")


def test_a_machine_without_adb(say: Say, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.setitem(sys.modules, "adbutils", None)
    monkeypatch.delitem(sys.modules, "edgebench.devices.adb_library", raising=False)
    line = say("device", "check", "adb://")
    assert line.startswith(
        "edgebench: error: phones over adb need adbutils (pip install 'edgebench[android]'), or Android's own"
    )


def test_a_bundle_for_another_processor(start_phone: StartPhone, say: Say, desk: Path) -> None:
    phone = start_phone()
    name(phone, desk)
    _relabelled(require_bundle(), desk / "x86.tar.gz")
    line = say("device", "setup", "phone", "--bundle", "x86.tar.gz")
    assert "x86_64" in line
    assert "aarch64" in line
    assert not phone.path(PHONE_FOLDER).exists()


def test_a_bundle_that_only_says_that_it_is_for_the_phone(start_phone: StartPhone, say: Say, desk: Path) -> None:
    phone = start_phone()
    name(phone, desk)
    files = {LAUNCHER: make_elf(machine=_RISC_V)}
    write_bundle(desk / "mislabelled.tar.gz", read_bundle(require_bundle()).manifest, files, frozenset(files))
    line = say("device", "setup", "phone", "--bundle", "mislabelled.tar.gz")
    assert "mislabelled.tar.gz: its Python is not for this processor: " in line
    assert line.endswith("; build the bundle anew: edgebench device bundle build")
    assert not phone.path(f"{PHONE_FOLDER}/bundle").exists()
    assert not phone.path(f"{PHONE_FOLDER}/bundle.new").exists()


def test_the_daemon_is_killed_for_good_while_a_bundle_goes_there_and_setup_goes_on_with_the_rest(
    start_phone: StartPhone, say: Say, desk: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    phone = start_phone()
    name(phone, desk)
    threading.Thread(target=_kill_on_the_way, args=(phone,), daemon=True).start()
    assert f"edgebench: error: {phone.serial}: " in say("device", "setup", "phone", "--bundle", str(require_bundle()))
    phone.start_daemon()
    assert main(["device", "setup", "phone", "--bundle", str(require_bundle())]) == 0
    assert re.search(r"checked: \d+\.\d MB in .* s, \d+\.\d MB were there already", capfd.readouterr().out)


def _kill_on_the_way(phone: Phone) -> None:
    if wait_for(lambda: _arrived(phone)):
        phone.kill_daemon()


def _arrived(phone: Phone) -> bool:
    parts = phone.path(f"{PHONE_FOLDER}/parts")
    return parts.is_dir() and any(part.stat().st_size > 5_000_000 for part in parts.iterdir())


def test_a_disk_without_room_for_the_bundle(start_phone: StartPhone, say: Say, desk: Path) -> None:
    phone = start_phone()
    name(phone, desk, folder=f"{SMALL}/edgebench")
    line = say("device", "setup", "phone", "--bundle", str(require_bundle()))
    assert f"{SMALL}/edgebench needs " in line
    assert "MB free; make room there" in line


def test_a_disk_that_is_full_when_a_run_begins(start_phone: StartPhone, say: Say, desk: Path) -> None:
    phone = start_phone(with_python=True)
    name(phone, desk, folder=f"{SMALL}/edgebench")
    phone.fill_disk()
    line = say("run", *DIRECT, "--device", "phone", "--python", str(phone.host_python))
    assert f"the worker cannot be written to {SMALL}/edgebench" in line
    phone.empty_disk()
    assert main(["run", *DIRECT, "--device", "phone", "--python", str(phone.host_python)]) == 0


def test_somebody_else_measures_on_it(start_phone: StartPhone, say: Say, desk: Path) -> None:
    phone = start_phone(with_python=True)
    name(phone, desk)
    settings = RemoteSettings(folder=PHONE_FOLDER, python=phone.host_python, purpose="edgebench run models/net")
    other = RemoteDevice("phone", lambda: AdbTransport(AdbAddress(phone.serial)), settings)
    other.connect()
    line = say("run", *DIRECT, "--device", "phone", "--python", str(phone.host_python))
    other.close()
    assert "in use by " in line
    assert "edgebench run models/net, process " in line


class _At(Progress):
    """Does something, once, as soon as the first block has been timed."""

    def __init__(self, act: Callable[[], None]) -> None:
        self._act: Callable[[], None] | None = act
        self._timing = False

    def phase(self, name: str, total: int) -> None:
        self._timing = name.startswith("timing")

    def advance(self) -> None:
        act = self._act
        if self._timing and act is not None:
            self._act = None
            act()


def test_the_daemon_is_killed_for_good_while_it_measures_and_the_run_is_gone_on_with(
    start_phone: StartPhone, desk: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(opening, "Patience", lambda: Patience(total_s=1.0))
    cut_phone = start_phone(with_python=True)
    name(cut_phone, desk)
    python = str(cut_phone.host_python)
    flags = [*SHORT_FLAGS[:-2], "--blocks", "3", "--python", python]
    at = _At(cut_phone.kill_daemon)
    monkeypatch.setattr(run_cli, "make_progress", lambda _options: at)
    assert main(["run", str(model("float32")), str(model("int8")), "--device", "phone", *flags]) == 3
    said = capfd.readouterr().out
    assert "phone: dropped out, so its cases are not finished" in said
    assert "edgebench run --resume" in said
    interrupted = edgebench.load("latest", desk / "results").record
    assert interrupted.interrupted
    cut_phone.start_daemon()
    assert main(["run", "--resume", "latest", "--quiet"]) == 0
    record = edgebench.load("latest", desk / "results").record
    assert not record.interrupted
    assert record.run_id == interrupted.run_id
    assert {case.status.value for case in record.cases} == {"ok"}


@pytest.mark.parametrize("what", ["daemon", "server"])
def test_the_daemon_or_the_server_is_killed_while_it_measures_and_comes_back(
    start_phone: StartPhone, own_adb_server: AdbServer, desk: Path, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    phone = start_phone(with_python=True)
    name(phone, desk)

    def restart_daemon() -> None:
        phone.kill_daemon()
        phone.start_daemon()

    def restart_server() -> None:
        own_adb_server.end()
        own_adb_server.start()
        own_adb_server.connect(phone.serial)

    at = _At(restart_daemon if what == "daemon" else restart_server)
    monkeypatch.setattr(run_cli, "make_progress", lambda _options: at)
    flags = [*SHORT_FLAGS[:-2], "--blocks", "3", "--python", str(phone.host_python)]
    assert main(["run", str(model("int8")), "--device", "phone", *flags]) == 0
    record = edgebench.load("latest", desk / "results").record
    assert not record.interrupted
    assert sum("the connection was lost" in warning for warning in record.warnings) == 1
    assert {case.status for case in record.cases} == {Status.OK}


def test_one_of_two_phones_drops_out_and_the_other_s_figures_are_there(
    start_phone: StartPhone, desk: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(opening, "Patience", lambda: Patience(total_s=1.0))
    stays, goes = start_phone(with_python=True), start_phone(with_python=True)
    (desk / "edgebench.toml").write_text(
        "".join(
            f'[devices.{called}]\nadb = "{phone.serial}"\npython = "{phone.host_python}"\n'
            for called, phone in (("stays", stays), ("goes", goes))
        )
    )
    monkeypatch.setattr(run_cli, "make_progress", lambda _options: _At(goes.kill_daemon))
    flags = [*SHORT_FLAGS[:-2], "--blocks", "3", "--python", str(stays.host_python)]
    assert main(["run", str(model("int8")), "--device", "stays,goes", *flags]) == 3
    assert "goes: dropped out, so its cases are not finished" in capfd.readouterr().out
    record = edgebench.load("latest", desk / "results").record
    (whole,) = [case for case in record.cases if case.device == "stays"]
    assert whole.status is Status.OK
    assert whole.latency is not None
    assert whole.latency.blocks == 3


def _relabelled(bundle: Path, target: Path) -> None:
    """Write a bundle whose manifest names another processor; what would be sent is not in it."""
    write_bundle(target, {**read_bundle(bundle).manifest, "architecture": "x86_64"}, {}, frozenset())
