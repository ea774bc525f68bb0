"""The order and length of bursts: cases of a group take turns, so that drift and noisy neighbours hit all alike."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

import numpy as np

from .records import Settings
from .session import Samples, Session

#: One burst of one case. Short against the seconds over which a shared machine's speed drifts.
BURST_NS = 50_000_000

Item = TypeVar("Item")


def rotated(items: Sequence[Item], round_index: int) -> list[Item]:
    """Return the items starting with a different one each round, so that none is always first."""
    if not items:
        return []
    shift = round_index % len(items)
    return [*items[shift:], *items[:shift]]


@dataclass
class SampleLog:
    """All samples of one case, burst by burst, warm-up included."""

    bursts: list[tuple[int, int, bool, Samples]] = field(default_factory=list)

    def add(self, block: int, round_index: int, warmup: bool, samples: Samples) -> None:
        """Keep one burst."""
        self.bursts.append((block, round_index, warmup, samples))

    def count(self, *, warmup: bool) -> int:
        """Return the number of samples kept."""
        return sum(burst.latency_ns.size for _, _, warm, burst in self.bursts if warm is warmup)

    def total_ns(self, *, warmup: bool) -> int:
        """Return the time spent inside the model."""
        return sum(int(burst.latency_ns.sum()) for _, _, warm, burst in self.bursts if warm is warmup)

    def latencies(self, *, warmup: bool) -> np.ndarray[Any, Any]:
        """Return the latencies in ns, in the order measured."""
        parts = [burst.latency_ns for _, _, warm, burst in self.bursts if warm is warmup]
        return np.concatenate(parts) if parts else np.empty(0, np.int64)


def warm_up(session: Session, log: SampleLog, settings: Settings, block: int = 0) -> None:
    """Run until the warm-up's time and count are both met; its samples are kept, marked."""
    while True:
        samples = session.burst(1, settings.max_runs, min(BURST_NS, max(1, settings.warmup_time_ns)))
        log.add(block, 0, True, samples)
        enough = log.count(warmup=True) >= settings.warmup_min_runs
        if enough and log.total_ns(warmup=True) >= settings.warmup_time_ns:
            return
        if log.total_ns(warmup=True) >= settings.max_time_ns or log.count(warmup=True) >= settings.max_runs:
            return


def is_finished(log: SampleLog, settings: Settings) -> bool:
    """Return True when minimum time and minimum count are both met, or a cap is reached."""
    count, spent_ns = log.count(warmup=False), log.total_ns(warmup=False)
    if count >= settings.max_runs or spent_ns >= settings.max_time_ns:
        return True
    return count >= settings.min_runs and spent_ns >= settings.min_time_ns


def take_burst(session: Session, log: SampleLog, settings: Settings, round_index: int, block: int = 0) -> None:
    """Take one burst of steady samples."""
    left = settings.max_runs - log.count(warmup=False)
    log.add(block, round_index, False, session.burst(1, left, BURST_NS))
