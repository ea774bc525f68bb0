"""What reports say of a phone."""

from __future__ import annotations

from edgebench.devices.fake import FakeDevice
from edgebench.readings import Moment, Phone, Reading, ThermalStatus
from edgebench.records import DeviceRecord
from edgebench.report.phone_facts import phone_in_short, phone_rows

COOL = Phone(ThermalStatus.NONE, 87, ("USB",), "off", False)
HOT = Phone(ThermalStatus.SEVERE, 86, ("USB",), "on", False)
UNTOLD = {"thermal_status": "no such service", "battery_percent": "set by hand", "screen": "?", "power_saver": "?"}


def device(*phones: Phone | None) -> DeviceRecord:
    readings = tuple(Reading(Moment.DURING, phone=phone, unavailable=UNTOLD) for phone in phones)
    return DeviceRecord("phone", FakeDevice({}).environment(), readings=readings)


def test_a_cool_phone() -> None:
    rows = phone_rows(device(None, COOL, COOL))
    assert rows == {
        "Thermal status, by Android": "none",
        "Battery": "87 %, powered by USB",
        "Screen": "off",
        "Battery saver": "off",
    }
    assert phone_in_short(device(COOL)) == ["thermal status none", "battery 87 %, powered by USB", "screen off"]


def test_a_phone_that_grew_hot_and_woke_up() -> None:
    rows = phone_rows(device(COOL, HOT, HOT))
    assert rows["Thermal status, by Android"] == "SEVERE at worst, not none in 2 of 3 readings"
    assert rows["Battery"] == "87 → 86 %, powered by USB"
    assert rows["Screen"] == "off → on"


def test_a_phone_on_battery_that_saves_it() -> None:
    saving = Phone(ThermalStatus.NONE, 12, (), "on", True)
    assert phone_in_short(device(saving))[1:] == ["battery 12 %, not charging", "screen on", "BATTERY SAVER ON"]


def test_what_is_not_told_has_its_reason() -> None:
    assert phone_rows(device(Phone())) == {
        "Thermal status, by Android": "unavailable: no such service",
        "Battery": "unavailable: set by hand",
        "Screen": "unavailable: ?",
        "Battery saver": "unavailable: ?",
    }
    assert phone_in_short(device(Phone())) == []


def test_what_is_no_phone_has_no_rows() -> None:
    assert phone_rows(device(None)) == {}
    assert phone_rows(device()) == {}


def test_many_changes_are_the_first_and_the_last() -> None:
    phones = [Phone(screen=screen) for screen in ("on", "off", "on", "dozing")]
    assert phone_rows(device(*phones))["Screen"] == "on → dozing"
