"""Waiting until a device is cool: each block begins at the same temperature, whatever heated it before."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .analysis.cooling import BlockCooling, degrees, status_words
from .analysis.heat import processor_zones
from .analysis.phone import status_of
from .devices.base import Device
from .firmware import Firmware, joined
from .progress import Progress
from .readings import ThermalStatus
from .records import Settings

#: Between two looks. To read the zones takes a millisecond there; over a network it takes a round trip.
LOOK_S = 3.0


@dataclass(frozen=True)
class Warmth:
    """The temperature of the warmest zone that counts and the zones' names, and Android's thermal status.

    None where untold; ``unread`` has the reason for each.
    """

    celsius: float | None
    zones: tuple[str, ...] = ()
    unread: str | None = None
    status: ThermalStatus | None = None
    unread_status: str | None = None


def warmth(state: Mapping[str, Any]) -> Warmth:
    """Return how warm a device is, from a snapshot (:func:`edgebench.worker.truth.snapshot`) and its firmware's words.

    Zones of the processor count, or all zones where none says that it is about the processor.
    """
    reasons, status = state.get("unavailable", {}), status_of(state)
    unread_status = None if status is not None else str(reasons.get("thermal_status", "it does not run Android"))
    zones = processor_zones(state)
    if not zones:
        said = [zone["unavailable"] for zone in state.get("temperatures", {}).values() if "unavailable" in zone]
        said.append(reasons.get("temperatures", "it has no thermal zone"))
        return Warmth(None, unread=str(said[0]), status=status, unread_status=unread_status)
    celsius = max(float(zone["celsius"]) for zone in zones.values())
    names = tuple(dict.fromkeys(str(zone["type"]) for zone in zones.values()))
    return Warmth(celsius, names, status=status, unread_status=unread_status)


def is_asked_for(settings: Settings) -> bool:
    """Return whether a device is to be cool before each block."""
    return settings.cool_to_celsius is not None or settings.cool_to_status is not None


class Cooler:
    """Lets a device cool down to what the settings ask for, a temperature or a status, for as long as they allow."""

    def __init__(self, device: Device, settings: Settings, progress: Progress) -> None:
        self._device = device
        self._celsius = settings.cool_to_celsius
        self._status = settings.cool_to_status
        self._timeout_s = settings.cool_timeout_s
        self._progress = progress
        self._firmware = Firmware(device)

    def wait(self) -> BlockCooling:
        """Wait until it is cool, or the time is over, and return how that went."""
        began_ns = self._device.clock_ns()
        first = now = self.look()
        waited_ns = 0
        while self._is_too_warm(now) and waited_ns < self._timeout_s * 1e9:
            self._progress.detail(self._shown(now))
            self._device.sleep(min(LOOK_S, self._timeout_s - waited_ns / 1e9))
            now = self.look()
            waited_ns = self._device.clock_ns() - began_ns
        by_status = self._status is not None
        return BlockCooling(
            limit_celsius=self._celsius,
            waited_ns=waited_ns,
            before_celsius=first.celsius,
            after_celsius=now.celsius,
            zones=now.zones,
            unread=now.unread_status if by_status else now.unread,
            limit_status=self._status,
            before_status=first.status,
            after_status=now.status,
        )

    def look(self) -> Warmth:
        """Return how warm the device is now."""
        return warmth(joined(self._device.state(), self._firmware.read()))

    def _is_too_warm(self, now: Warmth) -> bool:
        if self._status is not None:
            return now.status is not None and now.status.severity > self._status.severity
        return now.celsius is not None and self._celsius is not None and now.celsius > self._celsius

    def _shown(self, now: Warmth) -> str:
        if self._status is not None:
            return f"cooling: {status_words(now.status)} → {status_words(self._status)}"
        return f"cooling: {degrees(now.celsius or 0)} → {degrees(self._celsius or 0)}"
