"""What a check finds, on a device that is this machine, and how a list of devices is asked."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from devices.local_transport import LocalTransport, at_once
from devices.native_sshd import path_without
from edgebench import doctor
from edgebench.config import Config
from edgebench.devices.base import Device
from edgebench.devices.fake import FakeDevice
from edgebench.devices.remote import RemoteDevice
from edgebench.errors import DeviceLost
from edgebench.report.device import render_check
from edgebench.setup.checking import Listed, check, list_devices

from .there import OpenThere


def test_it_finds_what_there_is_and_who_has_it(
    open_there: OpenThere, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doctor, "NOISE_NS", 20_000_000)
    device = open_there(locks=False)
    found = check(device)
    assert (found.device, found.address) == ("there", "test@home")
    assert found.system.machine == os.uname().machine
    assert found.root == str(tmp_path / "home" / ".cache" / "edgebench")
    assert (found.used_bytes or 0) > 10_000
    assert found.free_bytes
    assert (found.manifest, found.problem, found.env_bytes, found.holder) == (None, None, 0, None)
    assert abs(found.clock_s) < 60
    assert found.noise["count"] > 0
    assert "cpu_jiffies" in found.snapshot
    open_there().connect()
    holder = check(device).holder
    assert holder is not None
    assert holder["what"] == f"edgebench, process {os.getpid()}"


CONFIG = Config(devices={"pi": {"ssh": "pi@raspberrypi.local"}, "far": {"ssh": "far"}, "odd": {}})
PHONES = Config(devices={"pixel": {"adb": "SIM0001"}, "air": {"adb": "adb://10.0.0.7:37000"}, "only": {"adb": ""}})


def test_a_list_without_asking_has_addresses_alone() -> None:
    addresses = [("pi", "pi@raspberrypi.local"), ("far", "far"), ("odd", "no address")]
    assert list_devices(CONFIG) == [Listed(*one) for one in addresses]
    assert [one.address for one in list_devices(PHONES)] == ["adb://SIM0001", "adb://10.0.0.7:37000", "adb://"]
    assert list_devices(Config(), lambda _: FakeDevice({})) == []


def test_each_device_answers_for_itself() -> None:
    class Silent(FakeDevice):
        def environment(self):  # type: ignore[no-untyped-def]
            raise DeviceLost("far: no answer within 20 s")

    def opened(name: str) -> Device:
        return Silent({}) if name == "far" else FakeDevice({})

    pi, far, _ = list_devices(CONFIG, opened)
    assert pi.answer is not None
    assert pi.answer.startswith("none, fake, in ")
    assert (far.answer, far.problem) == (None, "far: no answer within 20 s")


def test_a_device_without_python_is_looked_at_through_its_shell(tmp_path: Path) -> None:
    transport = LocalTransport(tmp_path, {"PATH": str(path_without("python", tmp_path / "bin"))})
    device = RemoteDevice("bare", lambda: transport, reach=at_once)
    found = check(device)
    assert found.bare is not None
    assert found.bare.startswith("has no Python; install it there")
    assert found.system.machine == os.uname().machine
    assert (found.used_bytes, found.env_bytes, found.manifest, found.holder) == (None, 0, None, None)
    assert found.free_bytes
    assert abs(found.clock_s) < 60
    assert "cpu_jiffies" in found.snapshot
    shown = render_check(found)
    assert "environment  none: it has no Python" in shown
    assert "in use" not in shown
    (listed,) = list_devices(Config(devices={"bare": {"ssh": "bare"}}), lambda _: device)
    assert listed.answer is not None
    assert listed.answer.endswith("; it has no Python yet")
