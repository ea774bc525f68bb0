"""What Android tells, from the words of its own programs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from android_dumps import BATTERY, PHONE, POWER, POWER_NEWER, THERMAL, answering
from edgebench.worker import android, truth
from edgebench.worker.tree import Unreadable
from machine_trees import put


@pytest.fixture
def root(tmp_path: Path) -> str:
    """The files of a phone, none of which a shell may read."""
    put(tmp_path, android.MARK, "")
    return str(tmp_path)


def told(root: str, **changed: str) -> dict[str, Any]:
    said = {**PHONE, **{f"dumpsys {name}": text for name, text in changed.items()}}
    return truth.firmware(root, answering(said))


def test_heat_battery_and_screen(root: str) -> None:
    found = told(root)
    assert (found["thermal_status"], found["screen"], found["power_saver"]) == ("none", "off", False)
    assert found["power"] == {
        "on_battery": False,
        "powered_by": ["USB"],
        "battery_status": "Charging",
        "battery_percent": 87,
        "battery_celsius": 27.1,
    }
    assert found["cooling"] == {"android-thermal-cpufreq-0": {"type": "thermal-cpufreq-0", "state": 2}}
    assert found["unavailable"] == {}


def test_sensors_are_asked_now_and_have_their_kind(root: str) -> None:
    zones = told(root)["temperatures"]
    assert zones["android-CPU0"] == {"type": "CPU0", "celsius": 36.2}  # not the 51 degrees that are remembered
    assert zones["android-VIRTUAL-SKIN"]["type"] == "VIRTUAL-SKIN"
    assert zones["android-quiet-therm"] == {"type": "quiet-therm", "celsius": 40.5}
    assert "android-vbat" not in zones  # a voltage
    assert zones["android-npu"] == {"type": "npu", "unavailable": "dumpsys thermalservice: npu says 'NaN'"}
    assert "celsius" not in zones["android-usbc"]


def test_a_sensors_name_that_does_not_say_what_it_is(root: str) -> None:
    zones = told(root, thermalservice="Thermal Status: 0\n\tTemperature{mValue=45, mType=0, mName=BIG, mStatus=1}\n")
    assert zones["temperatures"] == {"android-BIG": {"type": "BIG (CPU)", "celsius": 45.0}}


def test_where_the_sensors_are_not_asked_what_is_remembered_counts(root: str) -> None:
    without = THERMAL[: THERMAL.index("HAL Ready")]
    assert told(root, thermalservice=without)["temperatures"]["android-CPU0"]["celsius"] == 51.0


@pytest.mark.parametrize(("number", "name"), list(enumerate(android.THERMAL_STATUSES)))
def test_each_thermal_status(number: int, name: str, root: str) -> None:
    assert told(root, thermalservice=f"Thermal Status: {number}\n")["thermal_status"] == name


@pytest.mark.parametrize(
    ("words", "why"),
    [
        ("Thermal Status: 9\n", "tells no status"),
        ("", "tells no status"),
        (THERMAL.replace("Override: false", "Override: true"), "set by hand; cmd thermalservice reset ends that"),
    ],
)
def test_a_status_that_is_none_is_not_told(words: str, why: str, root: str) -> None:
    found = told(root, thermalservice=words)
    assert "thermal_status" not in found
    assert why in found["unavailable"]["thermal_status"]


def test_a_phone_of_android_9_has_no_such_service(root: str) -> None:
    found = truth.firmware(root, answering({"dumpsys battery": BATTERY, "dumpsys power": POWER}))
    assert found["unavailable"].keys() == {"thermal_status", "temperatures", "cooling"}
    assert "Can't find service" in found["unavailable"]["thermal_status"]
    assert found["power"]["battery_percent"] == 87


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"USB powered: true": "USB powered: false"}, {"on_battery": True, "powered_by": []}),
        ({"AC powered: false": "AC powered: true"}, {"on_battery": False, "powered_by": ["AC", "USB"]}),
        ({"status: 2": "status: 5"}, {"battery_status": "Full"}),
        ({"level: 87": "level: 43", "scale: 100": "scale: 50"}, {"battery_percent": 86}),
    ],
)
def test_the_battery(changes: dict[str, str], expected: dict[str, Any], root: str) -> None:
    text = BATTERY
    for old, new in changes.items():
        text = text.replace(old, new)
    found = told(root, battery=text)["power"]
    assert {name: found[name] for name in expected} == expected


def test_what_makes_no_sense_of_a_battery_is_left_out(root: str) -> None:
    found = told(root, battery=BATTERY.replace("level: 87", "level: -1").replace("temperature: 271", "temperature: ?"))
    assert found["power"].keys() == {"on_battery", "powered_by", "battery_status"}


def test_what_a_maker_adds_changes_no_fact(root: str) -> None:
    text = f"{BATTERY}\n  level: 3\n  status: 3\n  USB powered: false\n"
    assert told(root, battery=text) == told(root, battery=BATTERY)


def test_a_battery_that_was_set_by_hand_is_not_believed(root: str) -> None:
    text = BATTERY.replace("state:", "state:\n  (UPDATES STOPPED -- use 'reset' to restart)", 1)
    assert "dumpsys battery reset ends that" in told(root, battery=text)["unavailable"]["power"]


@pytest.mark.parametrize(
    ("text", "screen", "saver"),
    [
        (POWER, "off", False),
        (POWER_NEWER, "on", True),
        (POWER.replace("Asleep", "Dozing").replace("=false", "=true"), "dozing", True),
        (POWER.replace("Asleep", "Dreaming"), "on", False),
    ],
)
def test_screen_and_battery_saver(text: str, screen: str, saver: bool, root: str) -> None:
    found = told(root, power=text)
    assert (found["screen"], found["power_saver"]) == (screen, saver)


def test_power_that_says_neither(root: str) -> None:
    found = told(root, power="Power Manager State:\n  mWakefulness=Sleepwalking\n")
    assert {"screen", "power_saver"} <= found["unavailable"].keys()


def test_what_the_phone_is(root: str) -> None:
    found = truth.machine(root, "aarch64", answering(PHONE))
    assert (found["board_model"], found["soc"]) == ("OnePlus IN2023", "kona")
    assert found["android"] == "Android 11 (API 30), build RKQ1.201022.002"
    assert found["virtual"] == {"found": False, "signs": []}


@pytest.mark.parametrize(
    ("properties", "model", "chip"),
    [
        ({"manufacturer": "Xiaomi", "model": "Xiaomi 13"}, "Xiaomi 13", None),
        ({"manufacturer": "", "model": "Phone"}, "Phone", None),
        ({"model": ""}, None, None),
    ],
)
def test_names(properties: dict[str, str], model: str | None, chip: str | None) -> None:
    told = {f"ro.product.{name}": value for name, value in properties.items()}
    assert _or_none(android.model, told) == model
    assert _or_none(android.chip, told) == chip


def test_a_chip_names_its_maker() -> None:
    assert android.chip({"ro.soc.manufacturer": "Google", "ro.soc.model": "Tensor G2"}) == "Google Tensor G2"


def test_the_emulator_is_virtual(root: str) -> None:
    said = "[ro.hardware]: [ranchu]\n[ro.boot.qemu]: [1]\n[ro.product.model]: [sdk_gphone64_arm64]"
    found = truth.machine(root, "aarch64", answering({"getprop": said}))
    assert found["virtual"] == {"found": True, "signs": ["ro.hardware: ranchu", "ro.boot.qemu: 1"]}


def test_a_phone_without_getprop_says_why(root: str) -> None:
    found = truth.machine(root, "aarch64", answering({}))
    for field in ("board_model", "soc", "android"):
        assert found["unavailable"][field] == "getprop is not installed"


def test_elsewhere_nothing_of_android_is_asked(tmp_path: Path) -> None:
    found = truth.firmware(str(tmp_path), answering(PHONE))
    assert found.keys() == {"unavailable"}
    assert found["unavailable"].keys() == {"firmware_throttling", "measured_clock_hz"}
    assert "android" not in truth.machine(str(tmp_path), "aarch64", answering(PHONE))


def _or_none(read: Any, told: dict[str, str]) -> str | None:
    try:
        return str(read(told))
    except Unreadable:
        return None
