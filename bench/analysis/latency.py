"""Summaries of latency samples."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..records import Latency
from .comparison import t_interval

#: Samples needed before a percentile is shown. The counts are MLPerf LoadGen's early-stopping minimums
#: (mlcommons/inference, loadgen/early_stopping.cc): fewer cannot bound the percentile at 99 % confidence.
MIN_SAMPLES = {"p50_ns": 11, "p90_ns": 64, "p95_ns": 130, "p99_ns": 662}
_QUANTILES = {"p50_ns": 0.50, "p90_ns": 0.90, "p95_ns": 0.95, "p99_ns": 0.99}


def summarise_latency(blocks: Sequence[np.ndarray[Any, Any]], warmup_count: int) -> Latency | None:
    """Return the summary of steady samples (int64 ns, one array a block), or None where there are none.

    Percentiles are of all samples together, by linear interpolation (Hyndman and Fan 1996, type 7, numpy's default).
    Their intervals are Student's t over the blocks' own percentiles, in logarithms: samples within a block share its
    processes and its minute, so counting each as independent would promise too much.
    """
    measured = [block for block in blocks if block.size]
    if not measured:
        return None
    latency_ns = np.concatenate(measured)
    count = int(latency_ns.size)
    percentiles: dict[str, float] = {}
    intervals: dict[str, tuple[float, float]] = {}
    unavailable = {} if count > 1 else {"stdev_ns": "n too small: 1 sample, 2 needed"}
    for name, needed in MIN_SAMPLES.items():
        if count < needed:
            unavailable[name] = f"n too small: {count} samples, {needed} needed"
            continue
        percentiles[name] = float(np.quantile(latency_ns, _QUANTILES[name]))
        interval = _interval(measured, name)
        if interval is not None:
            intervals[name] = interval
    return Latency(
        count=count,
        min_ns=int(latency_ns.min()),
        mean_ns=float(latency_ns.mean()),
        stdev_ns=float(latency_ns.std(ddof=1)) if count > 1 else None,
        warmup_count=warmup_count,
        blocks=len(measured),
        intervals=intervals,
        unavailable=unavailable,
        summary_of=None,
        **percentiles,
    )


def _interval(blocks: Sequence[np.ndarray[Any, Any]], name: str) -> tuple[float, float] | None:
    """Return a percentile's interval, where every block has enough samples beyond the percentile to place it."""
    quantile = _QUANTILES[name]
    if min(block.size for block in blocks) < round(1 / (1 - quantile)):
        return None
    values = [math.log(max(1.0, float(np.quantile(block, quantile)))) for block in blocks]
    found = t_interval(values)
    return None if found is None else (math.exp(found.low), math.exp(found.high))
