from __future__ import annotations

from typing import Any

import pytest
from edgebench.analysis.heat import heat_findings
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
