"""Asks for each wait in turn; one that cannot be measured is a reason, and the case goes on."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ..devices.base import Device
from ..errors import WaitUnavailable, WorkerError
from ..evaluation import Evaluator
from ..launch import Launcher
from ..outcome import Outcome
from ..records import Settings, Wait, Waits
from ..spec import WaitSpec
from .batches import measure_batches
from .cold_start import measure_cold_start
from .context import MeasureWait, WaitContext
from .end_to_end import measure_end_to_end
from .idle_gap import measure_idle_gap
from .weight_cache import measure_weight_cache
from .workers import measure_workers

WAYS: Mapping[Wait, MeasureWait] = {
    Wait.END_TO_END: measure_end_to_end,
    Wait.COLD_START: measure_cold_start,
    Wait.IDLE_GAP: measure_idle_gap,
    Wait.WEIGHT_CACHE: measure_weight_cache,
    Wait.BATCHES: measure_batches,
    Wait.WORKERS: measure_workers,
}


class WaitMeter:
    """Measures what was asked for, case by case, each wait in fresh workers of its own."""

    def __init__(
        self,
        device: Device,
        launcher: Launcher,
        settings: Settings,
        wanted: WaitSpec,
        evaluator: Evaluator | None = None,
        ways: Mapping[Wait, MeasureWait] = WAYS,
        available_bytes: Callable[[], int | None] = lambda: None,
    ) -> None:
        self._context = WaitContext(device, launcher, settings, wanted, evaluator, available_bytes)
        self._ways = ways

    def measure(self, outcome: Outcome) -> None:
        """Put the waits into a case's result. What fails here leaves the case's other figures as they are."""
        found: dict[str, Any] = {}
        unavailable: dict[str, str] = {}
        for wait in self._context.wanted.kinds:
            try:
                found.update(self._ways[wait](self._context, outcome))
            except (WaitUnavailable, WorkerError) as reason:
                unavailable[wait.value] = str(reason)
        outcome.update(waits=Waits(**found, unavailable=unavailable))
