"""What every wait needs to be measured."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ..devices.base import Device
from ..evaluation import Evaluator
from ..launch import Launcher
from ..outcome import Outcome
from ..records import Settings
from ..spec import WaitSpec


@dataclass(frozen=True)
class WaitContext:
    """Where workers come from, and what was asked for. ``available_bytes`` tells the free memory, None if unknown."""

    device: Device
    launcher: Launcher
    settings: Settings
    wanted: WaitSpec
    evaluator: Evaluator | None = None
    available_bytes: Callable[[], int | None] = lambda: None


#: Measures one wait of one case and returns fields of :class:`..records.Waits`.
#: Raises WaitUnavailable with the reason, or a WorkerError, which becomes one.
MeasureWait = Callable[[WaitContext, Outcome], dict[str, Any]]
