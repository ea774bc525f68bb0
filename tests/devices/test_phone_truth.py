"""What a phone tells of itself over the real daemon: through a shell on a bare one, and through a helper program."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from edgebench.api import run_spec
from edgebench.cooling import Cooler
from edgebench.devices.adb import AdbTransport
from edgebench.devices.adb_address import AdbAddress
from edgebench.devices.opening import PHONE_FOLDER
from edgebench.devices.remote import RemoteDevice, RemoteSettings
from edgebench.devices.shell_truth import ShellTruth
from edgebench.findings import Code
from edgebench.firmware import joined
from edgebench.progress import Progress
from edgebench.readings import ThermalStatus
from edgebench.spec import PythonTarget, Spec
from harness import SHORT, model

from .adb_client import lead_to
from .phone import Phone

pytestmark = pytest.mark.phone

HOT = "Thermal Status: 3\n\tTemperature{mValue=61.5, mType=0, mName=BIG, mStatus=3}\n"
COOL = "Thermal Status: 0\n\tTemperature{mValue=36.5, mType=0, mName=BIG, mStatus=0}\n"
SAVING = "  mWakefulness=Awake\n  mLowPowerModeEnabled=true\n"


@pytest.fixture
def armed(start_phone: Callable[..., Phone]) -> Phone:
    """A phone with a Python of this machine."""
    return start_phone(with_python=True)


@pytest.fixture
def device(armed: Phone, monkeypatch: pytest.MonkeyPatch) -> Iterator[RemoteDevice]:
    lead_to(armed.server, monkeypatch)
    settings = RemoteSettings(folder=PHONE_FOLDER, python=armed.host_python)
    device = RemoteDevice("phone", lambda: AdbTransport(AdbAddress(armed.serial)), settings)
    yield device
    device.close()


def test_a_bare_phone_tells_through_its_shell(phone: Phone, monkeypatch: pytest.MonkeyPatch) -> None:
    lead_to(phone.server, monkeypatch)
    transport = AdbTransport(AdbAddress(phone.serial))
    told = ShellTruth(transport)
    system, machine = told.environment(), told.machine()
    state = joined(told.state(), told.firmware())
    transport.close()

    assert (system.system, system.machine) == ("Android 14 (API 34), build AP1A.240505.004", "aarch64")
    assert (machine["board_model"], machine["soc"]) == ("Google Pixel 7", "Google Tensor G2")
    assert machine["emulated"]["found"]  # by the kernel's own architecture
    assert (state["thermal_status"], state["screen"], state["power_saver"]) == ("none", "off", False)
    assert state["temperatures"]["thermal_zone0"] == {"type": "BIG", "celsius": 36.2}
    assert state["temperatures"]["android-BIG"]["type"] == "BIG (CPU)"
    assert state["power"]["powered_by"] == ["USB"]
    assert state["memory_available_bytes"] > 0
    assert told.allowed_cpus() == machine["cpus_online"]


def test_a_helper_program_there_tells_the_same(armed: Phone, device: RemoteDevice) -> None:
    told = ShellTruth(device.transport)
    assert device.environment().system == told.environment().system
    for name in ("board_model", "soc", "android", "cpus_online"):
        assert device.machine()[name] == told.machine()[name]
    assert device.firmware() == told.firmware()


def test_waiting_until_it_is_cool(armed: Phone, device: RemoteDevice, monkeypatch: pytest.MonkeyPatch) -> None:
    armed.set_service("thermalservice", HOT)
    monkeypatch.setattr(device, "sleep", lambda _s: armed.set_service("thermalservice", COOL))
    by_status = Cooler(device, replace(SHORT, cool_to_status=ThermalStatus.NONE), Progress()).wait()
    assert (by_status.before_status, by_status.after_status) == (ThermalStatus.SEVERE, ThermalStatus.NONE)
    armed.set_service("thermalservice", HOT)
    by_degrees = Cooler(device, replace(SHORT, cool_to_celsius=40.0), Progress()).wait()
    assert (by_degrees.before_celsius, by_degrees.after_celsius) == (61.5, 36.5)
    assert by_degrees.zones == ("BIG (CPU)",)


def test_a_run_on_a_hot_phone_that_saves_its_battery(armed: Phone, device: RemoteDevice) -> None:
    armed.set_service("thermalservice", HOT)
    armed.set_service("power", SAVING)
    armed.set_service("battery", "  USB powered: false\n  AC powered: false\n  level: 41\n  scale: 100\n  status: 3\n")
    spec = Spec((f"net/a={Path(model('int8'))}",), settings=SHORT, pythons=(PythonTarget(str(armed.host_python)),))
    record = run_spec(spec, device=device).record
    (case,) = record.cases
    found = {finding.code: finding.reason for finding in case.findings}
    assert "thermal status severe" in found[Code.THROTTLED]
    assert found[Code.POWER_SAVER] == "battery saver is on, which limits the clock"
    assert found[Code.BATTERY].startswith("it runs on battery (41 %)")
    (told,) = record.devices
    assert told.board_model == "Google Pixel 7"
    phone = told.readings[0].phone
    assert phone is not None
    assert (phone.thermal_status, phone.battery_percent, phone.screen) == (ThermalStatus.SEVERE, 41, "on")
