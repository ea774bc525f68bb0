"""Throughput: items per second from counts and spans, and their intervals over blocks.

A rate is what was answered divided by the time that passed, pauses between runs included. The block is the unit of
the statistics, as in :mod:`.comparison`, and logarithms are what is averaged: "twice as many" and "half as many" are
equally far.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from ..records import Throughput
from .comparison import MIN_BLOCKS, t_interval

#: start_ns and latency_ns of one worker's runs, of equal length and at least one.
Runs = tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]


def burst_rate(bursts: Sequence[Runs], items: int) -> float:
    """Return items per second over bursts of ``items`` a run: the median of the bursts' items by their time.

    A burst keeps its own pauses; the median over bursts leaves out what disturbed fewer than half of them.
    """
    rates = [items * int(starts.size) / _span_ns(starts, latencies) * 1e9 for starts, latencies in bursts]
    return float(np.median(rates))


def _span_ns(starts: np.ndarray[Any, Any], latencies: np.ndarray[Any, Any]) -> int:
    return max(1, int(starts[-1] + latencies[-1] - starts[0]))


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


def throughput(batch: int, workers: int, rates: Mapping[int, float], first: Mapping[int, float] | None) -> Throughput:
    """Return a row from items per second by block, with its speedup in the blocks that it shares with the first row.

    ``first`` are the rates of the first row, the same object where this is it, None where it has none.
    """
    logs = [math.log(rate) for rate in rates.values()]
    if not logs:
        return Throughput(batch, workers, unavailable={"items_per_s": "no block was measured"})
    unavailable: dict[str, str] = {}
    interval = t_interval(logs)
    if interval is None:
        unavailable["low"] = unavailable["high"] = f"{_blocks(len(logs))}, {MIN_BLOCKS} needed for an interval"
    found = Throughput(
        batch,
        workers,
        items_per_s=_mean(logs),
        low=None if interval is None else math.exp(interval.low),
        high=None if interval is None else math.exp(interval.high),
        unavailable=unavailable,
    )
    return _with_speedup(found, rates, first)


def _with_speedup(found: Throughput, rates: Mapping[int, float], first: Mapping[int, float] | None) -> Throughput:
    if first is rates:
        return replace(found, speedup=1.0)
    common = [math.log(rates[block] / first[block]) for block in rates.keys() & first.keys()] if first else []
    if not common:
        reason = "the first row was not measured" if not first else "no block in common with the first row"
        return replace(found, unavailable={**found.unavailable, "speedup": reason})
    interval = t_interval(common)
    if interval is None:
        return replace(found, speedup=_mean(common))
    return replace(
        found,
        speedup=_mean(common),
        speedup_low=math.exp(interval.low),
        speedup_high=math.exp(interval.high),
    )


def _mean(logs: Sequence[float]) -> float:
    return math.exp(sum(logs) / len(logs))


def _blocks(number: int) -> str:
    return "1 block" if number == 1 else f"{number} blocks"
