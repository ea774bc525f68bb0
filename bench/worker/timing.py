"""The timed loop."""

from __future__ import annotations

import gc
import time
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
    starts = np.empty(max_runs, dtype=np.int64)
    latencies = np.empty(max_runs, dtype=np.int64)
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        count = 0
        deadline = clock() + max_ns
        while count < max_runs:
            start = clock()
            invoke()
            end = clock()
            starts[count] = start
            latencies[count] = end - start
            count += 1
            if end >= deadline and count >= min_runs:
                break
    finally:
        if was_enabled:
            gc.enable()
    return starts[:count], latencies[:count]
