"""What a snapshot of a machine under load says of heat and clock: one figure each."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

from ..findings import Code, Finding, worst_first
from .disturbance import disturbances, was_busy
from .heat import heat_findings, processor_zones

Snapshot = Mapping[str, Any]

#: What holds the clock down while it lasts.
HOLDS_DOWN = (Code.THROTTLED, Code.UNDER_VOLTAGE)
#: What makes a case slower that is none of the device's heat.
_OTHERS = (Code.STEAL, Code.PREEMPTED, Code.QUOTA)
#: A machine that tells none of these cannot say that it was not throttled.
_TELLS_THROTTLING = ("cooling", "thermal_throttling", "firmware_throttling", "under_voltage", "thermal_status")


def hottest_celsius(snapshot: Snapshot) -> float | None:
    """Return the temperature of the hottest zone of the processor, None where none is told."""
    return max((float(zone["celsius"]) for zone in processor_zones(snapshot).values()), default=None)


def working_clock_hz(before: Snapshot, after: Snapshot) -> int | None:
    """Return the clock of the slowest CPU that worked between two snapshots, None where no clock is told.

    Where no CPU is known to have worked it is that of the fastest: an idle one may rightly be slow.
    """
    clocks = {
        cpu: int(clock["current_hz"]) for cpu, clock in after.get("cpu_clocks", {}).items() if clock.get("current_hz")
    }
    busy = [clock for cpu, clock in clocks.items() if was_busy(before, after, cpu)]
    return min(busy) if busy else max(clocks.values(), default=None)


def held_down(before: Snapshot, after: Snapshot) -> bool | None:
    """Return whether heat or supply held the clock down between two snapshots, None where the machine does not tell."""
    if not any(name in after for name in _TELLS_THROTTLING):
        return None
    return bool(_holding(before, after))


def load_findings(snapshots: Sequence[Snapshot]) -> tuple[Finding, ...]:
    """Return what speaks against a load with these snapshots before, between and after: the worst of each code.

    That is what held the clock down between any two neighbours, and what took processor time from all of it.
    """
    held = [finding for before, after in itertools.pairwise(snapshots) for finding in _holding(before, after)]
    lost = disturbances(snapshots[0], snapshots[-1]) if len(snapshots) > 1 else []
    return tuple(worst_first([*held, *(finding for finding in lost if finding.code in _OTHERS)]))


def why_untold(snapshot: Snapshot, name: str) -> str:
    """Return why a snapshot lacks a field."""
    reason = snapshot.get("unavailable", {}).get(name)
    return str(reason) if reason else "the device does not tell"


def _holding(before: Snapshot, after: Snapshot) -> list[Finding]:
    return [finding for finding in heat_findings(before, after) if finding.code in HOLDS_DOWN]
