"""Summaries of latency samples."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..records import Latency

#: Samples needed before a percentile is shown. The counts are MLPerf LoadGen's early-stopping minimums
#: (mlcommons/inference, loadgen/early_stopping.cc): fewer cannot bound the percentile at 99 % confidence.
MIN_SAMPLES = {"p50_ns": 11, "p90_ns": 64, "p95_ns": 130, "p99_ns": 662}
_QUANTILES = {"p50_ns": 0.50, "p90_ns": 0.90, "p95_ns": 0.95, "p99_ns": 0.99}


def summarise_latency(latency_ns: np.ndarray[Any, Any], warmup_count: int) -> Latency | None:
    """Return the summary of steady samples (int64 ns, warm-up already taken out), or None where there are none.

    Percentiles use linear interpolation (Hyndman and Fan 1996, type 7, numpy's default).
    """
    count = int(latency_ns.size)
    if count == 0:
        return None
    percentiles: dict[str, float] = {}
    unavailable = {} if count > 1 else {"stdev_ns": "n too small: 1 sample, 2 needed"}
    for name, needed in MIN_SAMPLES.items():
        if count >= needed:
            percentiles[name] = float(np.quantile(latency_ns, _QUANTILES[name]))
        else:
            unavailable[name] = f"n too small: {count} samples, {needed} needed"
    return Latency(
        count=count,
        min_ns=int(latency_ns.min()),
        mean_ns=float(latency_ns.mean()),
        stdev_ns=float(latency_ns.std(ddof=1)) if count > 1 else None,
        warmup_count=warmup_count,
        unavailable=unavailable,
        **percentiles,
    )
