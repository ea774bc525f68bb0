"""What a device's firmware, or a phone's Android, says of heat and supply: asked for between bursts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .devices.base import Device
from .errors import EdgebenchError

Facts = Mapping[str, Any]

#: Facts that consist of sensors by name.
_PARTED = ("temperatures", "cooling")


class Firmware:
    """Asks a device's firmware. One that tells nothing at first is not asked again: each time starts a program."""

    def __init__(self, device: Device) -> None:
        self._device = device
        self._silent: Facts | None = None

    def read(self) -> Facts:
        """Return the fields of :func:`edgebench.worker.truth.firmware`. Never while a burst is running."""
        if self._silent is not None:
            return self._silent
        try:
            found = self._device.firmware()
        except EdgebenchError as error:  # a measurement must not fail because nobody could watch it
            return {"unavailable": {"firmware_throttling": str(error), "measured_clock_hz": str(error)}}
        if not any(name != "unavailable" for name in found):
            self._silent = found
        return found


def joined(snapshot: Facts, firmware: Facts) -> Facts:
    """Return a snapshot with what the firmware said at about the same time.

    Sensors that only one of them tells are all there; what either tells is not unavailable.
    """
    parts = {name: {**snapshot[name], **firmware[name]} for name in _PARTED if name in snapshot and name in firmware}
    found = {**snapshot, **firmware, **parts}
    reasons = {**firmware.get("unavailable", {}), **snapshot.get("unavailable", {})}
    return {**found, "unavailable": {name: why for name, why in reasons.items() if name not in found}}


def tells_of_phone(firmware: Facts) -> bool:
    """Return whether it is Android that told."""
    return "thermal_status" in firmware or "thermal_status" in firmware.get("unavailable", {})
