"""Waits that consist of steps: the whole, and each step's part of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from ..records import Latency, Part, Whole
from .latency import MIN_SAMPLES, summarise_latency


def whole_of(names: Sequence[str], blocks: Sequence[np.ndarray[Any, Any]], warmup_count: int = 0) -> Whole | None:
    """Return the summary of waits given as int64 ns [waits, steps], one array a block, or None where there are none.

    A wait is the sum of its steps. The steps' medians are over all blocks together, and left out where there are too
    few waits for a median.
    """
    measured = [block for block in blocks if block.size]
    total = summarise_latency([block.sum(axis=1) for block in measured], warmup_count)
    if total is None:
        return None
    if total.count < MIN_SAMPLES["p50_ns"]:
        return Whole(total, ())
    medians = np.median(np.concatenate(measured), axis=0)
    together = float(medians.sum())
    parts = [
        Part(name, float(p50_ns), float(p50_ns) / together if together else 0.0)
        for name, p50_ns in zip(names, medians, strict=True)
    ]
    return Whole(total, tuple(parts))


def cut_short(found: Latency, why: str) -> Latency:
    """Return the summary with ``why`` there are no more samples behind the reason for a missing median."""
    reason = found.unavailable.get("p50_ns")
    if reason is None:
        return found
    return replace(found, unavailable={**found.unavailable, "p50_ns": f"{reason}; {why}"})
