"""Waiting until a device is cool: each block begins at the same temperature, whatever heated it before."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .analysis.cooling import BlockCooling, degrees
from .analysis.heat import processor_zones
from .devices.base import Device
from .progress import Progress

#: Between two looks. To read the zones takes a millisecond there; over a network it takes a round trip.
LOOK_S = 3.0


@dataclass(frozen=True)
class Warmth:
    """The temperature of the warmest zone that counts and the zones' names; None, with the reason, where untold."""

    celsius: float | None
    zones: tuple[str, ...] = ()
    unread: str | None = None


def warmth(state: Mapping[str, Any]) -> Warmth:
    """Return how warm a device is, from a snapshot (:func:`edgebench.worker.truth.snapshot`).

    Zones of the processor count, or all zones where none says that it is about the processor.
    """
    zones = processor_zones(state)
    if not zones:
        reasons = [zone["unavailable"] for zone in state.get("temperatures", {}).values() if "unavailable" in zone]
        reasons.append(state.get("unavailable", {}).get("temperatures", "it has no thermal zone"))
        return Warmth(None, unread=str(reasons[0]))
    celsius = max(float(zone["celsius"]) for zone in zones.values())
    return Warmth(celsius, tuple(dict.fromkeys(str(zone["type"]) for zone in zones.values())))


class Cooler:
    """Lets a device cool down to ``limit_celsius``, for ``timeout_s`` at most."""

    def __init__(self, device: Device, limit_celsius: float, timeout_s: float, progress: Progress) -> None:
        self._device = device
        self._limit_celsius = limit_celsius
        self._timeout_s = timeout_s
        self._progress = progress

    def wait(self) -> BlockCooling:
        """Wait until it is cool, or the time is over, and return how that went."""
        began_ns = self._device.clock_ns()
        first = now = warmth(self._device.state())
        waited_ns = 0
        while now.celsius is not None and now.celsius > self._limit_celsius and waited_ns < self._timeout_s * 1e9:
            self._progress.detail(f"cooling: {degrees(now.celsius)} → {degrees(self._limit_celsius)}")
            self._device.sleep(min(LOOK_S, self._timeout_s - waited_ns / 1e9))
            now = warmth(self._device.state())
            waited_ns = self._device.clock_ns() - began_ns
        return BlockCooling(self._limit_celsius, waited_ns, first.celsius, now.celsius, now.zones, now.unread)
