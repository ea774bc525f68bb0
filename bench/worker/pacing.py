"""Loops that keep to a clock: one run now and then, as an app does, and runs inside a window that others share."""

from __future__ import annotations

import time
from array import array
from typing import Any, Callable, Tuple

import numpy as np

from .timing import burst


def paced(
    invoke: Callable[[], Any],
    gap_ns: int,
    runs: int,
    clock: Callable[[], int] = time.perf_counter_ns,
    sleep: Callable[[float], None] = time.sleep,
) -> "Tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]":
    """Run once every ``gap_ns``, ``runs`` times, asleep in between; the first time one gap from now.

    A run that lasts longer than the gap makes the next one wait for the next whole gap, as an app drops a frame: each
    run is after a pause. To sleep and not to spin matters: spinning would keep the clocks up that a pause lets fall.

    Returns:
        (start_ns, latency_ns), int64, one entry a run, on the clock's own scale.
    """
    if gap_ns <= 0:
        raise ValueError("a gap must be longer than nothing")
    starts, latencies = array("q"), array("q")
    due = clock() + gap_ns
    for _ in range(runs):
        sleep_until(due, clock, sleep)
        start = clock()
        invoke()
        end = clock()
        starts.append(start)
        latencies.append(end - start)
        due += gap_ns * ((end - due) // gap_ns + 1)
    return np.array(starts, dtype=np.int64), np.array(latencies, dtype=np.int64)


def run_window(
    invoke: Callable[[], Any],
    start_ns: int,
    stop_ns: int,
    max_runs: int,
    clock: Callable[[], int] = time.perf_counter_ns,
    sleep: Callable[[float], None] = time.sleep,
) -> "Tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]":
    """Sleep until ``start_ns``, then run back to back until ``stop_ns``: at least once, at most ``max_runs`` times.

    Returns:
        (start_ns, latency_ns) as :func:`.timing.burst` does.
    """
    sleep_until(start_ns, clock, sleep)
    return burst(invoke, 1, max_runs, max(0, stop_ns - clock()), clock)


def sleep_until(moment_ns: int, clock: Callable[[], int], sleep: Callable[[float], None]) -> None:
    """Return when the clock has reached the moment, at once where it has passed."""
    while True:
        left_ns = moment_ns - clock()
        if left_ns <= 0:
            return
        sleep(left_ns / 1e9)
