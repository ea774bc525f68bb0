from __future__ import annotations

from typing import Any

import pytest
from boards import firmware
from edgebench.devices.fake import FakeDevice
from edgebench.errors import WorkerDied
from edgebench.firmware import Firmware, joined, tells_of_phone


class Asked(FakeDevice):
    """Counts how often its firmware is asked, and answers or fails as it was told."""

    def __init__(self, *answers: dict[str, Any] | WorkerDied) -> None:
        super().__init__({})
        self.answers = list(answers)

    def firmware(self) -> dict[str, Any]:
        answer = self.answers.pop(0)
        if isinstance(answer, WorkerDied):
            raise answer
        return answer


def test_a_firmware_that_answers_is_asked_each_time() -> None:
    reader = Firmware(Asked(firmware(0), firmware(4)))
    assert [reader.read()["firmware_throttling"]["raw"] for _ in range(2)] == [0, 4]


def test_one_that_tells_nothing_is_asked_once() -> None:
    silent = {"unavailable": {"firmware_throttling": "no tool"}}
    device = Asked(silent, firmware(0))
    reader = Firmware(device)
    assert [reader.read() for _ in range(3)] == [silent] * 3
    assert len(device.answers) == 1


def test_one_that_cannot_be_asked_now_is_a_reason_and_is_asked_again() -> None:
    reader = Firmware(Asked(WorkerDied("the helper is gone"), firmware(0)))
    assert reader.read()["unavailable"]["firmware_throttling"] == "the helper is gone"
    assert reader.read()["firmware_throttling"]["raw"] == 0


def test_other_errors_are_not_hidden() -> None:
    def broken(_now_ns: int) -> dict[str, Any]:
        raise KeyError("x")

    with pytest.raises(KeyError):
        Firmware(FakeDevice({}, firmware=broken)).read()


def test_a_snapshot_with_the_firmwares_words_has_the_reasons_of_both() -> None:
    found = joined({"a": 1, "unavailable": {"b": "no b"}}, {"c": 2, "unavailable": {"d": "no d"}})
    assert found == {"a": 1, "c": 2, "unavailable": {"b": "no b", "d": "no d"}}


def test_sensors_that_either_tells_are_all_there_and_what_is_told_has_no_reason() -> None:
    zones = {"thermal_zone0": {"type": "BIG", "celsius": 36.0}}
    phone = {"temperatures": {"android-BIG": {"type": "BIG (CPU)", "celsius": 37.0}}, "thermal_status": "none"}
    both = joined(
        {"temperatures": zones, "unavailable": {"power": "denied"}}, {**phone, "unavailable": {"screen": "?"}}
    )
    assert both["temperatures"].keys() == {"thermal_zone0", "android-BIG"}
    assert both["unavailable"] == {"power": "denied", "screen": "?"}
    denied = {"unavailable": {"temperatures": "denied", "power": "denied"}}
    told = joined(denied, {**phone, "unavailable": {"power": "set by hand"}})
    assert told["temperatures"] == phone["temperatures"]
    assert told["unavailable"] == {"power": "denied"}


def test_a_phone_is_told_by_what_it_tells_or_says_that_it_does_not() -> None:
    assert tells_of_phone({"thermal_status": "none"})
    assert tells_of_phone({"unavailable": {"thermal_status": "no such service"}})
    assert not tells_of_phone(firmware(0))
