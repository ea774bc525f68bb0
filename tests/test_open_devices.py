from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from edgebench.devices.base import Device
from edgebench.devices.fake import FakeDevice
from edgebench.devices.local import LocalDevice
from edgebench.devices.retry import Waiting
from edgebench.errors import DeviceLost, UsageError
from edgebench.open_devices import device_opener, opened_devices


def test_this_machine_needs_no_configuration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "edgebench.toml").write_text("this is no TOML")
    monkeypatch.chdir(tmp_path)
    assert isinstance(device_opener("a test")("local"), LocalDevice)
    with pytest.raises(UsageError, match="is no TOML"):
        device_opener("a test")("pi")


def test_others_are_opened_as_the_file_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is told on the way there reaches the person."""
    (tmp_path / "other.toml").write_text('[devices.pi]\nssh = "pi@board"\n')
    seen: dict[str, Any] = {}

    def opening(text: str, config: Any, **options: Any) -> Device:
        seen.update(options, text=text, devices=list(config.devices))
        for known in (False, True):
            options["on_wait"](Waiting(DeviceLost("no route to host"), 1, 4.2, 50.0, known))
        return FakeDevice({})

    monkeypatch.setattr("edgebench.devices.opening.open_device", opening)
    told: list[str] = []
    device_opener("a test", tmp_path / "other.toml", told.append, cache_bytes=5)("pi")
    assert (seen["text"], seen["devices"], seen["purpose"], seen["cache_bytes"]) == ("pi", ["pi"], "a test", 5)
    assert told == ["pi: no route to host; trying again in 4 s", "pi: no change; trying again in 4 s"]
    device_opener("a test", tmp_path / "other.toml", told.append)("ssh://pi@board")
    assert told[2:] == ["no route to host; trying again in 4 s", "ssh://pi@board: no change; trying again in 4 s"]


class Closing(FakeDevice):
    def __init__(self) -> None:
        super().__init__({})
        self.closed = 0
        self.tidied = 0

    def tidy(self) -> None:
        self.tidied += 1

    def close(self) -> None:
        self.closed += 1


def test_what_was_opened_is_closed_whatever_happens() -> None:
    devices = {"one": Closing(), "two": Closing()}

    def opening(text: str) -> Device:
        if text not in devices:
            raise UsageError(f"--device {text}: no such device")
        return devices[text]

    with opened_devices(("one", "two"), opening) as found:
        assert list(found) == list(devices.values())
        assert [device.closed for device in devices.values()] == [0, 0]
    assert [device.closed for device in devices.values()] == [1, 1]
    assert [device.tidied for device in devices.values()] == [1, 1]
    with pytest.raises(UsageError, match="--device three"), opened_devices(("one", "three"), opening):
        pass
    assert devices["one"].closed == 2


def test_a_phone_by_two_names_is_opened_once(tmp_path: Path) -> None:
    config = tmp_path / "edgebench.toml"
    config.write_text('[devices.mine]\nadb = "SIM0001"\n[devices.only]\nadb = ""\n', encoding="utf-8")
    opened = device_opener("edgebench run", config)
    opened("mine")
    assert opened("mine").name == "mine"
    opened("only")  # which that is, is not known yet
    with pytest.raises(UsageError, match="--device adb://SIM0001: is the same phone as mine; name it once"):
        opened("adb://SIM0001")
    opened("adb://SIM0002")
