"""What is said against a measurement: a code that programs can silence, how bad it is, why, and what to do."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum


class Severity(str, Enum):
    """``INVALID``: the figures describe something else. ``SUSPECT``: they may, so look before you rely on them."""

    INVALID = "invalid"
    SUSPECT = "suspect"


class Verdict(str, Enum):
    """What all findings of a case come to. ``VALID``: nothing that was looked at speaks against its figures."""

    VALID = "valid"
    SUSPECT = "suspect"
    INVALID = "invalid"


class Code(str, Enum):
    """What disturbed, or would. The values are stable: they are what users silence and what records keep."""

    # Between two snapshots:
    STEAL = "steal"
    PREEMPTED = "preempted"
    QUOTA = "cpu-quota"
    SWAPPING = "swapping"
    CLOCK_LOW = "clock-low"
    TEMPERATURE_RISE = "temperature-rise"
    HOT = "hot"
    THROTTLED = "throttled"
    UNDER_VOLTAGE = "under-voltage"
    BUSY = "busy"
    SCREEN_CHANGED = "screen-changed"
    # From one:
    EMULATED = "emulated"
    BATTERY = "battery"
    POWER_SAVER = "power-saver"
    GOVERNOR = "governor"
    CLOCK_CAPPED = "clock-capped"
    BOOST = "boost"
    MEMORY_LOW = "memory-low"
    SWAP_IN_USE = "swap-in-use"
    ASLR_OFF = "aslr-off"
    NOISE = "noise"
    # From a case's own samples:
    FEW_SAMPLES = "few-samples"
    FEW_BLOCKS = "few-blocks"
    NOT_WARM = "not-warm"
    DRIFT = "drift"
    TWO_MODES = "two-modes"
    SPREAD = "spread"
    # From how a case ran:
    PARTIAL = "partial"
    SOFTWARE_GPU = "software-gpu"
    OUTPUTS_DIFFER = "outputs-differ"
    DEVICE_DIFFERS = "device-differs"
    NOT_COOLED = "not-cooled"
    MORE_THREADS = "more-threads-than-cores"


@dataclass(frozen=True)
class Finding:
    """One thing against a measurement. ``reason`` has the figures, ``hint`` what to do; both are one line.

    A silenced finding is kept and shown, but does not count towards the verdict.
    """

    code: Code
    severity: Severity
    reason: str
    hint: str
    silenced: bool = False


def worst_first(findings: Iterable[Finding]) -> list[Finding]:
    """Return the findings, invalid before suspect, otherwise in their given order; of a code only the worst stays."""
    ordered = sorted(findings, key=lambda finding: list(Severity).index(finding.severity))
    kept: dict[Code, Finding] = {}
    for finding in ordered:
        kept.setdefault(finding.code, finding)
    return list(kept.values())


def verdict_of(findings: Iterable[Finding]) -> Verdict:
    """Return the worst of the findings that are not silenced."""
    counted = {finding.severity for finding in findings if not finding.silenced}
    if Severity.INVALID in counted:
        return Verdict.INVALID
    return Verdict.SUSPECT if counted else Verdict.VALID
