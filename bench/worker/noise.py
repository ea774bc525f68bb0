"""How evenly this machine runs the same work: a busy loop, timed piece by piece."""

from __future__ import annotations

import gc
import statistics
import time
from typing import Any, Callable, Dict, List

#: One piece takes about a millisecond on a desktop and several on a small board.
_STEPS = 20_000
#: Fewer pieces say nothing about a spread.
_MIN_PIECES = 20


def busy_loop() -> int:
    """Do one piece of work, always the same, in the processor alone."""
    total = 0
    for step in range(_STEPS):
        total += step
    return total


def probe(
    duration_ns: int, clock: Callable[[], int] = time.perf_counter_ns, work: Callable[[], Any] = busy_loop
) -> Dict[str, Any]:
    """Repeat the work for about ``duration_ns`` and return how its durations spread.

    Returns:
        ``count``, ``median_ns``, ``p10_ns``, ``p90_ns``, ``max_ns`` and ``spread``, which is (p90 - p10) / median.
    """
    durations: List[int] = []
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        end = clock() + duration_ns
        now = clock()
        while now < end or len(durations) < _MIN_PIECES:
            start = clock()
            work()
            now = clock()
            durations.append(now - start)
    finally:
        if was_enabled:
            gc.enable()
    tenths = statistics.quantiles(durations, n=10, method="inclusive")
    median_ns = statistics.median(durations)
    return {
        "count": len(durations),
        "median_ns": median_ns,
        "p10_ns": tenths[0],
        "p90_ns": tenths[-1],
        "max_ns": max(durations),
        "spread": (tenths[-1] - tenths[0]) / median_ns if median_ns else 0.0,
    }
