"""From profiled runs to each operator's time and share: pure functions.

Two kinds of rounding differ. LiteRT's own events take the whole microseconds of a begin and of an end, so their
difference is right on average and many runs resolve it. XNNPACK cuts each duration down to whole microseconds (its
``runtime.c``, ``xnn_get_runtime_profiling_info``): no number of runs shows what was cut, up to 1 us a call.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from ..operators import OperatorKey, OperatorTime, Resolution, TypeTime
from ..profile_data import ProfiledRuns

#: An operator with a smaller share does not decide anything.
MATTERING_SHARE = 0.01
_RESOLVED = 0.10
_Z95 = 1.96


def join_runs(parts: Sequence[ProfiledRuns]) -> ProfiledRuns:
    """Return the runs of all parts; an operator that a run does not have took 0 us in 0 calls there."""
    keys: dict[OperatorKey, int] = {}
    for part in parts:
        for key in part.operators:
            keys.setdefault(key, len(keys))
    elapsed: list[np.ndarray[Any, Any]] = []
    calls: list[np.ndarray[Any, Any]] = []
    for part in parts:
        columns = [keys[key] for key in part.operators]
        for source, target in ((part.elapsed_us, elapsed), (part.calls, calls)):
            block = np.zeros((len(part.invoke_us), len(keys)), np.int64)
            block[:, columns] = source
            target.append(block)
    return ProfiledRuns(
        tuple(keys),
        np.concatenate(elapsed),
        np.concatenate(calls),
        np.concatenate([part.invoke_us for part in parts]),
        np.concatenate([part.plain_ns for part in parts]),
    )


def quicker_half(runs: ProfiledRuns) -> ProfiledRuns:
    """Return the runs up to the median: what disturbs a run lengthens it, on whatever operator is running just then."""
    kept = runs.invoke_us <= np.median(runs.invoke_us)
    return ProfiledRuns(
        runs.operators, runs.elapsed_us[kept], runs.calls[kept], runs.invoke_us[kept], runs.plain_ns[kept]
    )


def operator_times(runs: ProfiledRuns) -> tuple[OperatorTime, ...]:
    """Return each operator's mean time and share, in the order met.

    A share is a ratio of sums over runs, and its interval is that of a ratio estimator (Cochran, Sampling Techniques,
    chapter 6): a run in which everything is slower, as when another process wants the core, does not widen it.
    """
    leaves = np.array([not key.container for key in runs.operators], dtype=bool)
    delegated = np.array([key.delegated for key in runs.operators], dtype=bool)
    means, calls = runs.elapsed_us.mean(axis=0), runs.calls.mean(axis=0)
    cuts = np.where(delegated, calls, 0.0)
    totals = runs.elapsed_us[:, leaves].sum(axis=1)
    total, cut = float(totals.mean()), float(cuts[leaves].sum())
    shares = means / total if total else np.zeros_like(means)
    intervals = _ratio_intervals(runs.elapsed_us, totals, shares)
    found = []
    for column, key in enumerate(runs.operators):
        item = OperatorTime(key, float(means[column]), float(calls[column]), float(cuts[column]))
        if not key.container:
            low, high = _bounds(item.time_us, item.cut_us, total, cut, float(intervals[column]))
            item = replace(
                item,
                share=float(shares[column]),
                share_interval=float(intervals[column]),
                share_low=low,
                share_high=high,
            )
        found.append(item)
    return tuple(found)


def _bounds(
    time_us: float, cut_us: float, total_us: float, total_cut_us: float, interval: float
) -> tuple[float, float]:
    """Return the least and the greatest share: nothing cut here and all elsewhere, and the other way round."""
    if not total_us:
        return 0.0, 1.0
    low = time_us / (total_us + total_cut_us - cut_us) - interval
    high = (time_us + cut_us) / (total_us + cut_us) + interval
    return max(low, 0.0), min(high, 1.0)


def _ratio_intervals(
    elapsed_us: np.ndarray[Any, Any], totals: np.ndarray[Any, Any], shares: np.ndarray[Any, Any]
) -> np.ndarray[Any, Any]:
    """Return the half-widths of the shares' 95 % intervals: 1 where one run tells nothing about spread."""
    count, total = len(totals), float(totals.mean())
    if count < 2 or not total:
        return np.ones(len(shares))
    residuals = elapsed_us - np.outer(totals, shares)
    half_widths = _Z95 * residuals.std(axis=0, ddof=1) / math.sqrt(count) / total
    bounded: np.ndarray[Any, Any] = np.minimum(half_widths, 1.0)
    return bounded


def settled(runs: ProfiledRuns, precision: float) -> bool:
    """Return whether the share of every operator that matters is known to ``precision`` of itself, cuts aside."""
    return all(
        item.share_interval <= precision * item.share
        for item in operator_times(quicker_half(runs))
        if item.share is not None and item.share >= MATTERING_SHARE
    )


def type_times(operators: Sequence[OperatorTime]) -> tuple[TypeTime, ...]:
    """Return the operators summed by type, most time first; containers are left out."""
    leaves = [item for item in operators if item.share is not None]
    total, cut = sum(item.time_us for item in leaves), sum(item.cut_us for item in leaves)
    groups: dict[tuple[str, bool], list[OperatorTime]] = {}
    for item in leaves:
        groups.setdefault((item.key.tag, item.key.delegated), []).append(item)
    found = []
    for (tag, delegated), items in groups.items():
        time_us = sum(item.time_us for item in items)
        interval = math.hypot(*(item.share_interval for item in items))
        low, high = _bounds(time_us, sum(item.cut_us for item in items), total, cut, interval)
        found.append(TypeTime(tag, delegated, len(items), time_us, sum(item.share or 0.0 for item in items), low, high))
    return tuple(sorted(found, key=lambda item: -item.time_us))


def resolution(runs: int, operators: Sequence[OperatorTime]) -> Resolution:
    """Return how well the operators' shares are known after ``runs`` runs."""
    leaves = [item for item in operators if item.share is not None]
    good = [item for item in leaves if item.share and _width(item) <= _RESOLVED * item.share]
    return Resolution(
        runs=runs,
        operators=len(leaves),
        resolved=len(good),
        resolved_share=sum(item.share or 0.0 for item in good),
        cut_us=sum(item.cut_us for item in leaves),
    )


def _width(item: OperatorTime) -> float:
    return max(item.share_high - (item.share or 0.0), (item.share or 0.0) - item.share_low)


def drop_names(operators: Sequence[OperatorTime]) -> tuple[OperatorTime, ...]:
    """Return the operators with those node names removed that two nodes of a subgraph share."""
    owners: dict[tuple[int, str], set[int | None]] = {}
    for item in operators:
        for name in item.output_names:
            owners.setdefault((item.key.subgraph, name), set()).add(item.node)
    return tuple(
        replace(
            item,
            output_names=tuple(name for name in item.output_names if len(owners[item.key.subgraph, name]) == 1),
        )
        for item in operators
    )
