"""Records of devices, from recorded machines and from facts that are absent or garbled."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
from boards import MACHINE_NAME, THROTTLED, firmware, recorded
from edgebench.device_record import READINGS_KEPT, block_reading, device_record, reading, sampled
from edgebench.devices.fake import FakeDevice
from edgebench.firmware import joined
from edgebench.readings import Cause, CoreGroup, Moment, Phone, Reading, ThermalStatus, Throttling
from edgebench.records import DeviceRecord
from edgebench.store import strict_converter
from edgebench.worker import truth

HERE = FakeDevice({}).environment()
FIELDS = (
    "celsius",
    "clocks_hz",
    "governors",
    "measured_clock_hz",
    "throttling",
    "under_voltage",
    "memory_available_bytes",
    "load_1min",
)


def test_a_boards_state(tmp_path: Path) -> None:
    _, state = recorded("raspberry-pi-4", tmp_path)
    found = reading(Moment.DURING, joined(state, firmware(THROTTLED, 600_000_000)), 3)
    assert (found.moment, found.block, found.taken_ns) == (Moment.DURING, 3, state["taken_ns"])
    assert found.celsius == {"cpu-thermal": 48.199}
    assert found.clocks_hz == {"0-3": 1_500_000_000}
    assert found.governors == {"0-3": "ondemand"}
    assert found.measured_clock_hz == 600_000_000
    causes = (Cause.CLOCK_CAPPED, Cause.THROTTLED)
    assert found.throttling == Throttling(THROTTLED, causes, causes)
    assert found.under_voltage is False
    assert found.memory_available_bytes == state["memory_available_bytes"]
    assert found.load_1min == state["load_average"]["1min"]
    assert found.unavailable == {}


def test_every_bit_has_a_cause() -> None:
    for bit, cause in zip((0, 1, 2, 3), Cause, strict=True):
        assert reading(Moment.AFTER, firmware(1 << bit)).throttling == Throttling(1 << bit, (cause,))
        assert reading(Moment.AFTER, firmware(1 << bit + 16)).throttling == Throttling(1 << bit + 16, (), (cause,))


def test_a_laptops_state_has_each_cpu_that_differs(tmp_path: Path) -> None:
    _, state = recorded("laptop", tmp_path)
    found = reading(Moment.BEFORE, state)
    clocks = {cpu: clock["current_hz"] for cpu, clock in state["cpu_clocks"].items()}
    assert len(set(clocks.values())) > 1
    assert found.clocks_hz == clocks
    assert found.governors == {"0-3": "powersave"}
    assert found.celsius["x86_pkg_temp"] == 52.0
    assert (found.measured_clock_hz, found.throttling) == (None, None)
    assert set(found.unavailable) == {"measured_clock_hz", "throttling", "under_voltage"}


def test_zones_of_one_type_stay_apart() -> None:
    zones = {name: {"type": "tsens", "celsius": value} for name, value in (("a", 40.0), ("b", 50.0))}
    assert reading(Moment.BEFORE, {"temperatures": zones}).celsius == {"tsens": 40.0, "tsens (b)": 50.0}


def test_what_is_absent_has_its_reason(tmp_path: Path) -> None:
    nothing = truth.snapshot(str(tmp_path), 1234)
    found = reading(Moment.BEFORE, nothing)
    assert set(found.unavailable) == set(FIELDS)
    assert found.unavailable["celsius"] == nothing["unavailable"]["temperatures"]
    assert found.unavailable["clocks_hz"] == found.unavailable["governors"] == nothing["unavailable"]["cpu_clocks"]
    assert found.unavailable["throttling"] == "the device does not tell"


def test_of_parts_that_are_absent_the_first_reason_is_told() -> None:
    clock = {"governor": "performance", "unavailable": {"current_hz": "scaling_cur_freq: Permission denied"}}
    zone = {"type": "cpu-thermal", "unavailable": "temp: no data"}
    found = reading(Moment.BEFORE, {"cpu_clocks": {"0": clock}, "temperatures": {"thermal_zone0": zone}})
    assert found.governors == {"0": "performance"}
    assert found.unavailable["clocks_hz"] == "scaling_cur_freq: Permission denied"
    assert found.unavailable["celsius"] == "temp: no data"


@pytest.mark.parametrize(
    "garbage", [None, 7, "x", [], ["x"], {"0": None}, {"now": ["odd"], "raw": 1, "since_boot": []}]
)
def test_garbled_facts_count_as_absent(garbage: Any) -> None:
    names = ("temperatures", "cpu_clocks", "firmware_throttling", "load_average")
    found = reading(Moment.AFTER, dict.fromkeys(names, garbage))
    for field in ("celsius", "clocks_hz", "throttling", "load_1min"):
        assert not getattr(found, field)
        assert found.unavailable[field]
    record = device_record("x", HERE, {"cpus_online": garbage, "virtual": garbage}, {"cpu_clocks": garbage})
    assert record.virtual is None
    assert record.unavailable["virtual"]


def test_a_block_is_told_by_the_first_snapshot_after_it() -> None:
    after = [{"taken_ns": 9, "load_average": {"1min": 2}}, {"taken_ns": 5, "load_average": {"1min": 1}}]
    found = block_reading(2, after)
    assert (found.moment, found.block, found.taken_ns, found.load_1min) == (Moment.DURING, 2, 5, 1.0)


def test_what_lasts_of_a_board(tmp_path: Path) -> None:
    machine, state = recorded("raspberry-pi-4", tmp_path)
    record = device_record("pi", HERE, machine, state, address="pi@box:22", bytes_sent=5, unavailable={"x": "why"})
    assert (record.name, record.environment, record.address, record.bytes_sent) == ("pi", HERE, "pi@box:22", 5)
    assert (record.board_model, record.soc) == (MACHINE_NAME, "brcm,bcm2711")
    assert record.cores == (CoreGroup("0-3", 4, 1_500_000_000),)
    assert record.virtual == record.emulated == ()
    assert record.unavailable == {"x": "why"}


def test_cores_of_different_kinds(tmp_path: Path) -> None:
    machine, state = recorded("raspberry-pi-4", tmp_path)
    state = copy.deepcopy(state)
    for cpu in ("2", "3"):
        state["cpu_clocks"][cpu]["hardware_max_hz"] = 2_400_000_000
    cores = device_record("pi", HERE, machine, state).cores
    assert cores == (CoreGroup("0-1", 2, 1_500_000_000), CoreGroup("2-3", 2, 2_400_000_000))


def test_an_emulated_board_says_what_shows_it(tmp_path: Path) -> None:
    machine, state = recorded("laptop", tmp_path, "aarch64")
    record = device_record("x", HERE, machine, state)
    assert record.emulated is not None
    assert "programs see aarch64" in record.emulated[0]


def test_a_device_that_tells_nothing_has_a_reason_for_everything() -> None:
    record = device_record("x", HERE, {}, {})
    assert set(record.unavailable) == {"board_model", "soc", "cores", "virtual", "emulated"}


def test_clocks_that_are_not_told_leave_the_cores() -> None:
    record = device_record("x", HERE, {"cpus_online": [0, 1]}, {"unavailable": {"cpu_clocks": "no governor"}})
    assert record.cores == (CoreGroup("0-1", 2),)
    assert record.unavailable["max_hz"] == "no governor"


def test_it_survives_json(tmp_path: Path) -> None:
    machine, state = recorded("raspberry-pi-4", tmp_path)
    told = joined(state, firmware(THROTTLED))
    record = device_record("pi", HERE, machine, state, (reading(Moment.BEFORE, told), block_reading(0, [told])))
    converter = strict_converter()
    assert converter.structure(converter.unstructure(record), DeviceRecord) == record


def _course(length: int) -> list[Reading]:
    """Readings of a run; the 501st block is the hottest, the 701st the slowest."""
    during = [
        Reading(
            Moment.DURING,
            number,
            number,
            celsius={"cpu": 90.0 if number == 501 else 50.0},
            clocks_hz={"0": 1 if number == 701 else 2},
        )
        for number in range(length)
    ]
    return [Reading(Moment.BEFORE), *during, Reading(Moment.AFTER)]


def test_few_readings_are_all_kept() -> None:
    assert sampled(_course(READINGS_KEPT)) == tuple(_course(READINGS_KEPT))


def test_many_readings_are_thinned_and_the_extremes_stay() -> None:
    found = sampled(_course(1000))
    assert READINGS_KEPT + 2 <= len(found) <= READINGS_KEPT + 4
    blocks = [item.block for item in found if item.block is not None]
    assert blocks == sorted(set(blocks))
    assert {0, 501, 701, 999} <= set(blocks)
    assert (found[0].moment, found[-1].moment) == (Moment.BEFORE, Moment.AFTER)
    record = device_record("x", HERE, {}, {}, _course(1000))
    assert record.notes == (f"{len(found)} of 1,002 readings are kept",)


def test_what_android_told_of_a_phone() -> None:
    facts = {
        "thermal_status": "moderate",
        "power": {"on_battery": False, "powered_by": ["AC"], "battery_percent": 55},
        "screen": "on",
        "unavailable": {"power_saver": "not told"},
    }
    found = reading(Moment.DURING, facts)
    assert found.phone == Phone(ThermalStatus.MODERATE, 55, ("AC",), "on", None)
    assert found.unavailable["power_saver"] == "not told"
    assert reading(Moment.DURING, {}).phone is None
    assert reading(Moment.DURING, {"unavailable": {"thermal_status": "no such service"}}).phone == Phone()
    odd = reading(Moment.DURING, {"thermal_status": "boiling", "power": {"on_battery": True}, "unavailable": {}})
    assert odd.phone == Phone()
    assert odd.unavailable["thermal_status"] == "not understood: 'boiling'"
