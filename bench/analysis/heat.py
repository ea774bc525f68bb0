"""Heat and supply: what they did to the clock between two snapshots."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from ..findings import Code, Finding, Severity
from .phone import status_of, thermal_finding

#: Where a zone has no limit of its own. Boards: Raspberry Pi documentation, "Frequency management and thermal
#: control": the ARM cores are slowed from 80 degrees on. PCs: the Tjunction that Intel gives for most processors.
LIMIT_CELSIUS = 80.0
PC_LIMIT_CELSIUS = 100.0
#: Chosen: so close below the limit the next run may well reach it.
NEAR_LIMIT_CELSIUS = 5.0
#: Chosen, not measured: a rise that no idle core or coarse sensor makes by itself, so the start and the end of a run
#: were taken in different states.
RISE_CELSIUS = 10.0
#: The same threshold as for other lost time: see LOST_INVALID in disturbance.
SLOWED_INVALID = 0.25

#: Zones that measure the processor; others (battery, radio, skin) only where there is none of these.
_PROCESSOR = re.compile(r"(?i)cpu|soc|pkg|core|package|acpitz|tsens|cluster")
_PC = re.compile(r"(?i)x86_pkg|acpitz|int3400|coretemp|tcpu")
_COOL = "let it cool, add a heat sink or fan, or measure in shorter runs"
_SUPPLY = "use the board's official power supply and a short cable"


def heat_findings(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[Finding]:
    """Return findings about temperature, throttling and supply between two snapshots."""
    checks = (_rise, _hot, _cooling, _counters, _firmware, thermal_finding, _supply)
    return [finding for finding in (check(before, after) for check in checks) if finding is not None]


def firmware_findings(states: Sequence[tuple[Mapping[str, Any], Mapping[str, Any]]]) -> list[Finding]:
    """Return what the firmware, or Android, reported in any of the blocks or between them, however few they were.

    ``states`` has the snapshots before and after each block. A finding is suspect: the blocks that it hit may be few.
    """
    found = []
    for check in (_firmware, thermal_finding, _supply):
        hit = [finding for pair in states if (finding := check(*pair))]
        between = check(states[0][0], states[-1][1]) if states else None
        first = hit[0] if hit else between
        if first is not None:
            where = f"in {len(hit)} of {len(states)} blocks" if hit else "between blocks"
            found.append(replace(first, severity=Severity.SUSPECT, reason=f"{where}: {first.reason}"))
    return found


def processor_zones(snapshot: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """Return the thermal zones with a temperature that are about the processor, or all where none says so."""
    told = {name: zone for name, zone in snapshot.get("temperatures", {}).items() if "celsius" in zone}
    return {name: zone for name, zone in told.items() if is_processor(zone["type"])} or told


def is_processor(zone_type: str) -> bool:
    """Return whether a thermal zone of that type measures the processor."""
    return _PROCESSOR.search(zone_type) is not None


def _rise(before: Mapping[str, Any], after: Mapping[str, Any]) -> Finding | None:
    old, new = processor_zones(before), processor_zones(after)
    rises = {name: new[name]["celsius"] - old[name]["celsius"] for name in new if name in old}
    if not rises:
        return None
    name = max(rises, key=lambda zone: rises[zone])
    if rises[name] < RISE_CELSIUS:
        return None
    reason = f"{new[name]['type']} went from {old[name]['celsius']:.0f} to {new[name]['celsius']:.0f} °C meanwhile"
    return Finding(Code.TEMPERATURE_RISE, Severity.SUSPECT, reason, "warm the device up first, or pause between runs")


def _hot(_before: Mapping[str, Any], after: Mapping[str, Any]) -> Finding | None:
    # Phones' cores may be far warmer than boards', and Android itself says when it acts on that.
    usual = None if status_of(after) is not None else LIMIT_CELSIUS
    for zone in processor_zones(after).values():
        limit = zone.get("limit_celsius", PC_LIMIT_CELSIUS if _PC.search(zone["type"]) else usual)
        if limit is not None and zone["celsius"] >= limit - NEAR_LIMIT_CELSIUS:
            reason = f"{zone['type']} is at {zone['celsius']:.0f} °C; the clock goes down at {limit:.0f}"
            return Finding(Code.HOT, Severity.SUSPECT, reason, _COOL)
    return None


def _cooling(_before: Mapping[str, Any], after: Mapping[str, Any]) -> Finding | None:
    for name, device in after.get("cooling", {}).items():
        if device.get("state", 0) > 0:
            reason = f"the kernel is slowing the processor down for heat ({name}, {device['type']})"
            return Finding(Code.THROTTLED, Severity.INVALID, reason, _COOL)
    return None


def _counters(before: Mapping[str, Any], after: Mapping[str, Any]) -> Finding | None:
    old, new = before.get("thermal_throttling"), after.get("thermal_throttling")
    if old is None or new is None:
        return None
    events = sum(max(0, new[name] - old.get(name, 0)) for name in ("core_events", "package_events") if name in new)
    if not events:
        return None
    slowed_ms = max(
        (new[name] - old.get(name, 0) for name in ("core_time_ms", "package_time_ms") if name in new), default=0
    )
    elapsed_ms = (after["taken_ns"] - before["taken_ns"]) / 1e6
    much = elapsed_ms > 0 and slowed_ms / elapsed_ms >= SLOWED_INVALID
    reason = f"the processor slowed itself down for heat {events:,} times"
    return Finding(Code.THROTTLED, Severity.INVALID if much else Severity.SUSPECT, reason, _COOL)


def _firmware(before: Mapping[str, Any], after: Mapping[str, Any]) -> Finding | None:
    active = [cause for cause in _causes(before, after) if cause != "under-voltage"]
    if not active:
        return None
    # The soft limit takes a few steps off the clock; the two others cut it to what is safe.
    severity = Severity.SUSPECT if active == ["soft temperature limit"] else Severity.INVALID
    reason = f"the firmware reports: {', '.join(active)} ({_circumstances(after)})"
    return Finding(Code.THROTTLED, severity, reason, _COOL)


def _supply(before: Mapping[str, Any], after: Mapping[str, Any]) -> Finding | None:
    by_firmware = "under-voltage" in _causes(before, after)
    if after.get("under_voltage") is True or by_firmware:
        reason = "the board's supply voltage is too low, so the firmware may cut the clock at any time"
        reason += f" ({_circumstances(after)})" if by_firmware else ""
        return Finding(Code.UNDER_VOLTAGE, Severity.SUSPECT, reason, _SUPPLY)
    return None


def _circumstances(snapshot: Mapping[str, Any]) -> str:
    """Return the figures that go with the firmware's bits: themselves, the hottest zone, the measured clock."""
    parts = [f"get_throttled 0x{snapshot['firmware_throttling']['raw']:x}"]
    zones = processor_zones(snapshot)
    if zones:
        hottest = max(zones.values(), key=lambda zone: zone["celsius"])
        parts.append(f"{hottest['type']} at {hottest['celsius']:.0f} °C")
    if snapshot.get("measured_clock_hz"):
        parts.append(f"measured clock {snapshot['measured_clock_hz'] / 1e9:.2f} GHz")
    return ", ".join(parts)


def _causes(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    """Return the firmware's causes that hold now or that it noted meanwhile."""
    new = after.get("firmware_throttling")
    if new is None:
        return []
    old = before.get("firmware_throttling")
    noted = [cause for cause in new["since_boot"] if old is not None and cause not in old["since_boot"]]
    return list(dict.fromkeys([*new["now"], *noted]))
