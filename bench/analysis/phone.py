"""What Android tells against a measurement: heat that it acts on, a screen that changed, battery saver."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..findings import Code, Finding, Severity
from ..readings import ThermalStatus

Snapshot = Mapping[str, Any]

_COOL = "let it cool (--cool-to status:none), take it out of its case, or measure in shorter runs"
_SCREEN = "keep it on, or off, for the whole run"


def thermal_finding(before: Snapshot, after: Snapshot) -> Finding | None:
    """Return a finding where Android slowed the phone down for heat, at the beginning or at the end.

    Its reference says of the status light that people do not notice, and from moderate on that things are slowed down.
    """
    told = [status for status in map(status_of, (before, after)) if status is not None]
    worst = max(told, key=lambda status: status.severity, default=ThermalStatus.NONE)
    if worst is ThermalStatus.NONE:
        return None
    severity = Severity.SUSPECT if worst is ThermalStatus.LIGHT else Severity.INVALID
    reason = f"Android slows the phone down for heat (thermal status {worst.value})"
    return Finding(Code.THROTTLED, severity, reason, _COOL)


def status_of(snapshot: Snapshot) -> ThermalStatus | None:
    """Return Android's thermal status, None where it is not told."""
    told = snapshot.get("thermal_status")
    return ThermalStatus(told) if told is not None else None


def saver_finding(snapshot: Snapshot) -> Finding | None:
    """Return a finding where battery saver is on."""
    if not snapshot.get("power_saver"):
        return None
    return Finding(
        Code.POWER_SAVER, Severity.SUSPECT, "battery saver is on, which limits the clock", "switch battery saver off"
    )


def screen_finding(snapshots: Sequence[Snapshot]) -> Finding | None:
    """Return a finding where the screen changed: phones choose other CPUs and clocks while it is off."""
    seen = list(dict.fromkeys(snapshot["screen"] for snapshot in snapshots if "screen" in snapshot))
    if len(seen) < 2:
        return None
    reason = f"the screen changed meanwhile ({' → '.join(seen)}), and with it what the phone lets programs have"
    return Finding(Code.SCREEN_CHANGED, Severity.SUSPECT, reason, _SCREEN)
