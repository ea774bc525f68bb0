"""Windows of a load with a known truth: levels under autocorrelated noise."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from edgebench.analysis.sustained import trend
from edgebench.sustained_records import Sustained, Windows

S = 1_000_000_000
Floats = np.ndarray[Any, np.dtype[np.float64]]


def autocorrelated(rng: np.random.Generator, count: int, correlation: float) -> Floats:
    """Return an autoregressive series of standard deviation 1."""
    shocks = rng.normal(size=count) * np.sqrt(1 - correlation**2)
    series = np.empty(count)
    before = rng.normal()
    for place, shock in enumerate(shocks):
        series[place] = before = correlation * before + shock
    return series


def windows_of(latency_ns: Sequence[float] | Floats, each_ns: int = 5 * S, count: int = 100) -> Windows:
    """Return windows of equal length that tell latencies only."""
    number = len(latency_ns)
    return Windows(
        start_ns=tuple(7 * S + place * each_ns for place in range(number)),
        count=(count,) * number,
        p50_ns=tuple(float(value) for value in latency_ns),
        p90_ns=(None,) * number,
        celsius=(None,) * number,
        clock_hz=(None,) * number,
        throttled=(None,) * number,
    )


def case_of(latency_ns: Sequence[float] | Floats, each_ns: int = 5 * S) -> Sustained:
    """Return a case with such windows."""
    windows, lasted_ns = windows_of(latency_ns, each_ns), each_ns * len(latency_ns)
    return Sustained(lasted_ns, 1, windows, lasted_ns, lasted_ns, trend=trend(windows, lasted_ns))


def noisy(rng: np.random.Generator, levels_ns: Floats, sd: float, correlation: float) -> Floats:
    """Return the levels with relative noise."""
    found: Floats = levels_ns * np.exp(sd * autocorrelated(rng, levels_ns.size, correlation))
    return found
