"""The timed loop."""

from __future__ import annotations

import gc
import time
from array import array
from typing import Any, Callable, Tuple

import numpy as np


def burst(
    invoke: Callable[[], Any],
    min_runs: int,
    max_runs: int,
    max_ns: int,
    clock: Callable[[], int] = time.perf_counter_ns,
) -> "Tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]":
    """Run ``invoke`` at least ``min_runs`` times and then until ``max_ns`` have passed, never over ``max_runs``.

    Returns:
        (start_ns, latency_ns), int64, one entry a run, on the clock's own scale. The cyclic garbage collector is
        off meanwhile, so that it cannot strike inside a run.
    """
    if max_runs < 0:
        raise ValueError("a burst cannot have fewer than no runs")
    # Arrays that grow: a caller's limit may be far beyond what fits into memory.
    starts, latencies = array("q"), array("q")
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        count = 0
        deadline = clock() + max_ns
        while count < max_runs:
            start = clock()
            invoke()
            end = clock()
            starts.append(start)
            latencies.append(end - start)
            count += 1
            if end >= deadline and count >= min_runs:
                break
    finally:
        if was_enabled:
            gc.enable()
    return np.array(starts, dtype=np.int64), np.array(latencies, dtype=np.int64)
