"""What a device's firmware says of heat and supply, asked for between bursts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .devices.base import Device
from .errors import EdgebenchError

Facts = Mapping[str, Any]


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
    """Return a snapshot with what the firmware said at about the same time."""
    reasons = {**snapshot.get("unavailable", {}), **firmware.get("unavailable", {})}
    return {**snapshot, **firmware, "unavailable": reasons}
