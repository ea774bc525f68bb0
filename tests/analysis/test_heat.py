from __future__ import annotations

from typing import Any

import pytest
from edgebench.analysis.heat import firmware_findings, heat_findings, is_processor
from edgebench.findings import Code, Severity

from .snapshots import Snapshot, quiet_pair

SUSPECT, INVALID = Severity.SUSPECT, Severity.INVALID


def _found(before: Snapshot, after: Snapshot) -> dict[Code, Severity]:
    return {item.code: item.severity for item in heat_findings(before, after)}


def _zones(*zones: tuple[str, float]) -> dict[str, Any]:
    return {f"thermal_zone{index}": {"type": kind, "celsius": value} for index, (kind, value) in enumerate(zones)}


@pytest.mark.parametrize(("celsius", "found"), [(54.9, False), (55.0, True)])
def test_a_rise(celsius: float, found: bool) -> None:
    before, after = quiet_pair()
    after["temperatures"] = _zones(("cpu-thermal", celsius))
    assert (Code.TEMPERATURE_RISE in _found(before, after)) is found


@pytest.mark.parametrize(
    ("kind", "celsius", "limit", "found"),
    [
        ("cpu-thermal", 74.9, None, False),
        ("cpu-thermal", 75.0, None, True),
        ("x86_pkg_temp", 94.9, None, False),
        ("x86_pkg_temp", 95.0, None, True),
        ("cpu-thermal", 80.0, 95.0, False),
        ("cpu-thermal", 90.0, 95.0, True),
    ],
)
def test_near_the_limit(kind: str, celsius: float, limit: float | None, found: bool) -> None:
    _before, after = quiet_pair()
    after["temperatures"] = _zones((kind, celsius))
    if limit:
        after["temperatures"]["thermal_zone0"]["limit_celsius"] = limit
    assert _found(after, after) == ({Code.HOT: SUSPECT} if found else {})


def test_only_the_processors_zones_count_where_there_are_any() -> None:
    before, after = quiet_pair()
    before["temperatures"] = _zones(("cpu-thermal", 45), ("battery", 20), ("wifi", 30))
    after["temperatures"] = _zones(("cpu-thermal", 45), ("battery", 79), ("wifi", 30))
    assert _found(before, after) == {}
    before["temperatures"], after["temperatures"] = _zones(("thermal", 20)), _zones(("thermal", 79))
    assert set(_found(before, after)) == {Code.TEMPERATURE_RISE, Code.HOT}


def test_a_zone_without_a_temperature_is_no_zone() -> None:
    before, after = quiet_pair()
    after["temperatures"] = {"thermal_zone0": {"type": "cpu-thermal", "unavailable": "no data"}}
    assert _found(before, after) == {}


def test_the_kernel_slowing_the_processor_down_makes_it_invalid() -> None:
    before, after = quiet_pair()
    after["cooling"]["cooling_device0"]["state"] = 1
    assert _found(before, after) == {Code.THROTTLED: INVALID}


@pytest.mark.parametrize(("slowed_ms", "severity"), [(0, SUSPECT), (2499, SUSPECT), (2500, INVALID)])
def test_intels_counters(slowed_ms: int, severity: Severity) -> None:
    before, after = quiet_pair()
    after["thermal_throttling"]["core_events"] += 1
    after["thermal_throttling"]["core_time_ms"] += slowed_ms
    assert _found(before, after) == {Code.THROTTLED: severity}


@pytest.mark.parametrize(
    ("now", "since_boot", "expected"),
    [
        ([], [], {}),
        (["soft temperature limit"], [], {Code.THROTTLED: SUSPECT}),
        (["throttled"], ["throttled"], {Code.THROTTLED: INVALID}),
        (["clock capped", "under-voltage"], [], {Code.THROTTLED: INVALID, Code.UNDER_VOLTAGE: SUSPECT}),
        ([], ["throttled"], {Code.THROTTLED: INVALID}),  # it was throttled meanwhile and is no longer
        ([], ["under-voltage"], {Code.UNDER_VOLTAGE: SUSPECT}),
    ],
)
def test_the_firmwares_bits(now: list[str], since_boot: list[str], expected: dict[Code, Severity]) -> None:
    before, after = quiet_pair()
    after["firmware_throttling"] = {"raw": 1, "now": now, "since_boot": since_boot}
    assert _found(before, after) == expected


def test_what_the_firmware_remembers_from_before_is_no_finding() -> None:
    _before, after = quiet_pair()
    after["firmware_throttling"] = {"raw": 1, "now": [], "since_boot": ["throttled", "under-voltage"]}
    assert _found(after, after) == {}
    assert "firmware_throttling" in after
    earlier = {key: value for key, value in after.items() if key != "firmware_throttling"}
    assert _found(earlier, after) == {}


def test_a_weak_supply_by_the_kernels_monitor() -> None:
    before, after = quiet_pair()
    after["under_voltage"] = True
    assert _found(before, after) == {Code.UNDER_VOLTAGE: SUSPECT}


def test_the_firmwares_findings_have_the_figures() -> None:
    before, after = quiet_pair()
    after |= {
        "firmware_throttling": {"raw": 0x50005, "now": ["under-voltage", "throttled"], "since_boot": []},
        "measured_clock_hz": 600_000_000,
        "temperatures": _zones(("cpu-thermal", 61.4)),
    }
    reasons = {item.code: item.reason for item in heat_findings(before, after)}
    figures = "(get_throttled 0x50005, cpu-thermal at 61 °C, measured clock 0.60 GHz)"
    assert reasons[Code.THROTTLED] == f"the firmware reports: throttled {figures}"
    assert reasons[Code.UNDER_VOLTAGE].endswith(figures)


def _throttled(*blocks: tuple[list[str], list[str]]) -> list[tuple[Snapshot, Snapshot]]:
    """Return blocks after which the firmware says these causes now and since boot; before the first it said nothing."""
    states, last = [], list[str]()
    for now, since_boot in blocks:
        before, after = quiet_pair()
        before["firmware_throttling"] = {"raw": 0, "now": [], "since_boot": last}
        after["firmware_throttling"] = {"raw": 1, "now": now, "since_boot": since_boot}
        states.append((before, after))
        last = since_boot
    return states


def test_whatever_the_firmware_reported_in_a_run_is_found() -> None:
    calm: tuple[list[str], list[str]] = ([], [])
    assert firmware_findings([]) == []
    assert firmware_findings(_throttled(calm, calm)) == []
    (one,) = firmware_findings(_throttled(*[calm] * 5, (["throttled"], ["throttled"]), *[([], ["throttled"])] * 6))
    assert (one.code, one.severity) == (Code.THROTTLED, SUSPECT)
    assert one.reason.startswith("in 1 of 12 blocks: the firmware reports: throttled (")


def test_what_came_up_between_two_blocks_is_found() -> None:
    states = _throttled(([], []), ([], ["under-voltage"]))
    states[1][0]["firmware_throttling"] = states[1][1]["firmware_throttling"]
    (one,) = firmware_findings(states)
    assert (one.code, one.severity) == (Code.UNDER_VOLTAGE, SUSPECT)
    assert one.reason.startswith("between blocks: ")


def test_which_zones_measure_the_processor() -> None:
    assert [kind for kind in ("cpu-thermal", "soc_thermal", "battery", "wifi") if is_processor(kind)] == [
        "cpu-thermal",
        "soc_thermal",
    ]
