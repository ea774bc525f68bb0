"""From texts to the settings of what a run asks of its device."""

from __future__ import annotations

import re
from typing import Any

from .errors import UsageError
from .nearest import did_you_mean
from .readings import ThermalStatus
from .spec import parse_duration_ns

_STATUS = "status:"
_TEMPERATURE = re.compile(r"(-?\d+(?:\.\d+)?)\s*°?\s*C?", re.IGNORECASE)
_GOVERNOR = re.compile(r"[A-Za-z0-9_-]{1,15}")  # CPUFREQ_NAME_LEN in the kernel is 16


def condition_settings(cool_to: str | None, cool_timeout: str | None, governor: str | None) -> dict[str, Any]:
    """Return the fields of :class:`edgebench.records.Settings` that texts ask for; None asks for nothing.

    Raises:
        UsageError: a text is wrong, or the time limit stands alone.
    """
    found: dict[str, Any] = {}
    if cool_to is not None:
        if cool_to.strip().lower().startswith(_STATUS):
            found["cool_to_status"] = parse_status(cool_to, "--cool-to")
        else:
            found["cool_to_celsius"] = parse_celsius(cool_to, "--cool-to")
    if cool_timeout is not None:
        if cool_to is None:
            raise UsageError(f"--cool-timeout {cool_timeout}: goes with --cool-to")
        found["cool_timeout_s"] = parse_duration_ns(cool_timeout, "--cool-timeout") / 1e9
    if governor is not None:
        found["governor"] = parse_governor(governor)
    return found


def parse_celsius(text: str, flag: str) -> float:
    """Return degrees Celsius for texts such as ``55C`` or ``55``."""
    found = _TEMPERATURE.fullmatch(text.strip())
    if not found:
        raise UsageError(f"{flag} {text}: not a temperature; write 55C, or for a phone {_STATUS}none")
    return float(found.group(1))


def parse_status(text: str, flag: str) -> ThermalStatus:
    """Return Android's thermal status for texts such as ``status:none``."""
    name = text.strip().lower().removeprefix(_STATUS).strip()
    try:
        return ThermalStatus(name)
    except ValueError:
        known = [status.value for status in ThermalStatus]
        raise UsageError(f"{flag} {text}: no thermal status of Android; {did_you_mean(name, known)}") from None


def parse_governor(text: str) -> str:
    """Return the name of a governor. Which ones there are is the device's to say."""
    if not _GOVERNOR.fullmatch(text.strip()):
        raise UsageError(f"--set-governor {text}: not the name of a governor; write performance, for instance")
    return text.strip()
