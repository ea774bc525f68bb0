"""Throughput: items per second from counts and spans, and their intervals over blocks.

A rate is what was answered divided by the time that passed: unlike a latency's median it keeps every pause, because
a server that pauses answers less. The block is the unit of the statistics, as in :mod:`.comparison`, and logarithms
are what is averaged: "twice as many" and "half as many" are equally far.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from .comparison import MIN_BLOCKS, t_interval

#: start_ns and latency_ns of one worker's runs, of equal length and at least one.
Runs = tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]


@dataclass(frozen=True)
class Rate:
    """Items per second with a 95 % interval; ``speedup`` is against another rate of the same blocks.

    ``unavailable`` maps the name of what is None to the reason.
    """

    items_per_s: float | None = None
    low: float | None = None
    high: float | None = None
    speedup: float | None = None
    unavailable: Mapping[str, str] = field(default_factory=dict)


def burst_rate(bursts: Sequence[Runs], items: int) -> float:
    """Return items per second over bursts of ``items`` a run: all items by the time from first to last in each."""
    runs = sum(int(starts.size) for starts, _ in bursts)
    spent_ns = sum(int(starts[-1] + latencies[-1] - starts[0]) for starts, latencies in bursts)
    return items * runs / max(1, spent_ns) * 1e9


def shared_rate(workers: Sequence[Runs], items: int, lead_ns: int = 0) -> float | None:
    """Return items per second of all workers together, while all of them ran; None where they never did.

    The first ``lead_ns`` of that time are left out, but never more than half of it. A run that crosses an edge counts
    by its share inside: to count whole runs only would be off by up to one run a worker, which with slow models is
    all there is.
    """
    begin = max(int(starts[0]) for starts, _ in workers)
    end = min(int(starts[-1] + latencies[-1]) for starts, latencies in workers)
    if end <= begin:
        return None
    begin += min(lead_ns, (end - begin) // 2)
    runs = 0.0
    for starts, latencies in workers:
        inside = np.minimum(starts + latencies, end) - np.maximum(starts, begin)
        runs += float((np.maximum(inside, 0) / np.maximum(latencies, 1)).sum())
    return items * runs / (end - begin) * 1e9


def summarise_rates(blocks: Mapping[int, float], first: Mapping[int, float]) -> Rate:
    """Return the rate over blocks (block -> items per second), and the speedup against ``first`` in common blocks."""
    if not blocks:
        return Rate(unavailable={"items_per_s": "no block was measured"})
    unavailable: dict[str, str] = {}
    logs = [math.log(value) for value in blocks.values()]
    interval = t_interval(logs)
    if interval is None:
        measured = "1 block" if len(logs) == 1 else f"{len(logs)} blocks"
        unavailable["low"] = unavailable["high"] = f"{measured}, {MIN_BLOCKS} needed for an interval"
    common = [math.log(blocks[block] / first[block]) for block in blocks.keys() & first.keys()]
    if not common:
        unavailable["speedup"] = "the first row was not measured"
    return Rate(
        items_per_s=math.exp(sum(logs) / len(logs)),
        low=None if interval is None else math.exp(interval.low),
        high=None if interval is None else math.exp(interval.high),
        speedup=math.exp(sum(common) / len(common)) if common else None,
        unavailable=unavailable,
    )
