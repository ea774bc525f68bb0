"""A fake device that warms up while it works and slows down when it is hot, on its virtual clock."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

from edgebench.devices.fake import FakeDevice, FakeModel

S = 1_000_000_000
FULL_HZ, LOW_HZ = 2_000_000_000, 1_000_000_000


class HotDevice(FakeDevice):
    """First-order heat: work drives it towards ``hot_celsius``, rest towards ``cool_celsius``, within ``tau_s``.

    From ``limit_celsius`` on the clock stays low until the device has cooled by ``hysteresis``.
    ``models`` maps a name to (latency in ns when cool, how many times as long it takes at the low clock).
    """

    def __init__(
        self,
        models: Mapping[str, tuple[int, float]],
        *,
        cool_celsius: float = 40.0,
        hot_celsius: float = 90.0,
        limit_celsius: float = 80.0,
        hysteresis: float = 15.0,
        tau_s: float = 120.0,
        noise: Callable[[], float] = lambda: 1.0,
        tells_heat: bool = True,
    ) -> None:
        super().__init__({
            name: FakeModel(self._latency(full_ns, factor), state=self.snapshot)
            for name, (full_ns, factor) in models.items()
        })  # fmt: skip
        self.cool_celsius, self.hot_celsius, self.limit_celsius = cool_celsius, hot_celsius, limit_celsius
        self.hysteresis, self.tau_s = hysteresis, tau_s
        self.celsius, self.slow, self.seen_ns = cool_celsius, False, 0
        self.noise, self.tells_heat = noise, tells_heat
        self.slept_s = 0.0

    def sleep(self, seconds: float) -> None:
        self.slept_s += seconds
        super().sleep(seconds)

    def snapshot(self, now_ns: int) -> Mapping[str, Any]:
        """Return the state of the machine, which idled since it last worked."""
        self._towards(self.cool_celsius, now_ns)
        if not self.tells_heat:
            return {"unavailable": {"temperatures": "no thermal zones", "cpu_clocks": "no cpufreq"}}
        return {
            "temperatures": {"thermal_zone0": {"type": "cpu-thermal", "celsius": round(self.celsius, 1)}},
            "cpu_clocks": {"0": {"current_hz": LOW_HZ if self.slow else FULL_HZ}},
            "cooling": {"cooling_device0": {"type": "cpufreq-cpu0", "state": int(self.slow)}},
        }

    def _latency(self, full_ns: int, factor: float) -> Callable[[int], int]:
        def run(_: int) -> int:
            self._towards(self.cool_celsius, self.now_ns)
            taken_ns = round(full_ns * (factor if self.slow else 1.0) * self.noise())
            # At the low clock it makes less heat, but stays hot: what it settles at is above where it would recover.
            self._towards(self.hot_celsius, self.now_ns + taken_ns)
            return taken_ns

        return run

    def _towards(self, celsius: float, now_ns: int) -> None:
        share = math.exp(-(now_ns - self.seen_ns) / S / self.tau_s)
        self.celsius = celsius + (self.celsius - celsius) * share
        self.seen_ns = now_ns
        self.slow = self.celsius >= self.limit_celsius - (self.hysteresis if self.slow else 0.0)
