"""Throughput: items per second from latencies or from counts and spans, and their intervals over blocks.

The block is the unit of the statistics, as in :mod:`.comparison`, and logarithms are what is averaged: "twice as many"
and "half as many" are equally far.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from ..records import Throughput
from .comparison import MIN_BLOCKS, BurstKey, block_log_ratios, t_interval

#: start_ns and latency_ns of one worker's runs, of equal length and at least one.
Runs = tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]


def typical_rate(latency_ns: np.ndarray[Any, Any], items: int) -> float:
    """Return items per second of one process with ``items`` a run: by the median run, so that a pause hits nothing."""
    return items / max(1.0, float(np.median(latency_ns))) * 1e9


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


@dataclass
class RateLog:
    """Items per second of one row: by block, what is shown, and by (block, round), what is compared."""

    blocks: dict[int, float] = field(default_factory=dict)
    rounds: dict[BurstKey, float] = field(default_factory=dict)


def throughput(batch: int, workers: int, log: RateLog, first: RateLog | None) -> Throughput:
    """Return a row with its rate, and its speedup in the rounds that it shares with the first row.

    ``first`` is the same object where this is the first row, None where that one has no figures.
    """
    rates = [math.log(rate) for rate in log.blocks.values()]
    if not rates:
        return Throughput(batch, workers, unavailable={"items_per_s": "no block was measured"})
    unavailable: dict[str, str] = {}
    interval = t_interval(rates)
    if interval is None:
        unavailable["low"] = unavailable["high"] = f"{_blocks(len(rates))}, {MIN_BLOCKS} needed for an interval"
    found = Throughput(
        batch,
        workers,
        items_per_s=_mean(rates),
        low=None if interval is None else math.exp(interval.low),
        high=None if interval is None else math.exp(interval.high),
        unavailable=unavailable,
    )
    return _with_speedup(found, log, first)


def _with_speedup(found: Throughput, log: RateLog, first: RateLog | None) -> Throughput:
    if first is log:
        return replace(found, speedup=1.0)
    common = block_log_ratios(log.rounds, first.rounds) if first else []
    if not common:
        reason = "no block in common with the first row" if first else "the first row was not measured"
        return replace(found, unavailable={**found.unavailable, "speedup": reason})
    interval = t_interval(common)
    if interval is None:
        return replace(found, speedup=_mean(common))
    low, high = math.exp(interval.low), math.exp(interval.high)
    return replace(found, speedup=_mean(common), speedup_low=low, speedup_high=high)


def _mean(logs: Sequence[float]) -> float:
    return math.exp(sum(logs) / len(logs))


def _blocks(number: int) -> str:
    return "1 block" if number == 1 else f"{number} blocks"
