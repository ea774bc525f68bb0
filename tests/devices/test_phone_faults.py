"""What the commands say when a phone, its daemon or its server fails them: one line, an exit code, and nothing lost.

The phone's Python is this machine's where a test is not about having none.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import edgebench
import pytest
from edgebench.api import run_spec
from edgebench.cli import main
from edgebench.devices import opening
from edgebench.devices.adb import AdbConnector, AdbTransport
from edgebench.devices.adb_address import AdbAddress
from edgebench.devices.opening import PHONE_FOLDER
from edgebench.devices.remote import RemoteDevice, RemoteSettings
from edgebench.devices.retry import Patience
from edgebench.progress import Progress
from edgebench.records import Status
from edgebench.setup.bundle_file import read_bundle, write_bundle
from edgebench.spec import PythonTarget, Spec
from harness import SHORT, SHORT_FLAGS, model

from .adb_client import lead_to
from .adb_server import AdbServer
from .bundles import require_bundle
from .phone import SMALL, Phone

pytestmark = pytest.mark.phone

StartPhone = Callable[..., Phone]
Say = Callable[..., str]
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
    flags = ["--min-time", "3s", "--max-time", "6s", "--blocks", "3", "--quiet", "--python", python]
    timer = threading.Timer(4.0, cut_phone.kill_daemon)
    timer.start()
    assert main(["run", str(model("float32")), str(model("int8")), "--device", "phone", *flags]) == 3
    timer.join()
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


def test_the_server_is_killed_while_it_measures_and_comes_back(
    start_phone: StartPhone, own_adb_server: AdbServer, desk: Path
) -> None:
    phone = start_phone(with_python=True)
    settings = RemoteSettings(folder=PHONE_FOLDER, python=phone.host_python)
    device = RemoteDevice("phone", AdbConnector(AdbAddress(phone.serial)), settings)

    def restart() -> None:
        own_adb_server.end()
        own_adb_server.start()
        own_adb_server.connect(phone.serial)

    spec = Spec(
        (str(model("int8")),),
        pythons=(PythonTarget(str(phone.host_python)),),
        settings=replace(SHORT, min_blocks=3, max_blocks=3),
    )
    record = run_spec(spec, device=device, out=desk, progress=_At(restart)).record
    device.close()
    assert not record.interrupted
    assert sum("the connection was lost" in warning for warning in record.warnings) == 1
    assert {case.status for case in record.cases} == {Status.OK}


def _relabelled(bundle: Path, target: Path) -> None:
    """Write a bundle whose manifest names another processor; what would be sent is not in it."""
    write_bundle(target, {**read_bundle(bundle).manifest, "architecture": "x86_64"}, {}, frozenset())
