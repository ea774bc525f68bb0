"""What a check finds, on a device that is this machine, and how a list of devices is asked."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from edgebench import doctor
from edgebench.config import Config
from edgebench.devices.base import Device
from edgebench.devices.fake import FakeDevice
from edgebench.errors import DeviceLost
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
    assert found.used_bytes > 10_000
    assert found.free_bytes > 0
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
