"""Paired comparison of two cases that took turns in the same blocks.

Noise on a real machine comes in layers. Within seconds, bursts are disturbed by whatever else runs: taking turns and
comparing burst by burst cancels what hits both. But each pair of processes also carries an offset of its own (where
its memory lies, which pages it got), which no number of bursts in that pair averages away: with one pair, identical
models are called different far too often. So every block has fresh processes, and the block is the unit of the
statistics (Kalibera and Jones, "Rigorous benchmarking in reasonable time", ISMM 2013: repeat at the highest level
that varies).

The estimator: a burst's value is the lower quartile of its latencies, which disturbances can only push up; a block's
value is the median over its rounds of log(case / baseline); the result is the mean over blocks with Student's t
interval (Student 1908), taken back from logarithms. Logarithms make "twice as fast" and "twice as slow" equally far.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..records import Comparison, Difference

#: The share of a burst's latencies below its value.
BURST_QUANTILE = 0.25
#: Confidence of intervals, and chance of finding a difference of the "could have shown" size.
CONFIDENCE = 0.95
POWER = 0.80
#: Fewer blocks give an interval from Student's t that is too wide to say anything, or none at all.
MIN_BLOCKS = 3


BurstKey = tuple[int, int]


def burst_value(latency_ns: np.ndarray[Any, Any]) -> float:
    """Return the lower quartile of one burst's latencies in ns, at least 1: a coarse clock may answer zeros."""
    return max(1.0, float(np.quantile(latency_ns, BURST_QUANTILE)))


def block_log_ratios(case: Mapping[BurstKey, float], baseline: Mapping[BurstKey, float]) -> list[float]:
    """Return log(case / baseline) for each block in which both have bursts in the same rounds, in order of blocks.

    Keys are (block, round); values are burst values in ns.
    """
    by_block: dict[int, list[float]] = {}
    for key in sorted(case.keys() & baseline.keys()):
        by_block.setdefault(key[0], []).append(math.log(case[key] / baseline[key]))
    return [float(np.median(values)) for values in by_block.values()]


def compare(baseline: str, log_ratios: Sequence[float], first_stage: int | None = None) -> Comparison:
    """Return the comparison with the case ``baseline``; without figures, and why, from fewer than three blocks.

    ``first_stage``: see :func:`t_interval`.
    """
    interval = t_interval(log_ratios, first_stage)
    if interval is None:
        blocks = "1 block" if len(log_ratios) == 1 else f"{len(log_ratios)} blocks"
        reason = f"{blocks} in common with the baseline, {MIN_BLOCKS} needed"
        return Comparison(baseline, blocks=len(log_ratios), unavailable={"ratio": reason})
    low, high = math.exp(interval.low), math.exp(interval.high)
    return Comparison(
        baseline=baseline,
        ratio=math.exp(interval.mean),
        low=low,
        high=high,
        blocks=len(log_ratios),
        detectable=math.expm1(interval.detectable),
        difference=_difference(low, high),
    )


def _difference(low: float, high: float) -> Difference:
    if high < 1:
        return Difference.FASTER
    return Difference.SLOWER if low > 1 else Difference.NONE_SHOWN


@dataclass(frozen=True)
class Interval:
    """A mean over blocks with its 95 % interval, and the distance found with a chance of 80 %.

    ``one_sided_low`` and ``one_sided_high`` each bound the mean with 95 % confidence on their side alone.
    """

    mean: float
    low: float
    high: float
    detectable: float
    one_sided_low: float
    one_sided_high: float


def t_interval(values: Sequence[float], first_stage: int | None = None) -> Interval | None:
    """Return Student's t interval of the mean of block values, or None from fewer than three.

    ``first_stage`` is the number of blocks after which measuring may stop, where it stops as soon as the interval is
    narrow enough. Runs whose blocks happen to agree stop early, and their intervals alone would be too narrow. The
    spread of the first stage, which was not chosen by stopping, therefore bounds the interval from below (it is Stein's
    interval: "A two-sample test for a linear hypothesis whose power is independent of the variance", Annals of
    Mathematical Statistics 16, 1945).
    """
    from scipy import stats

    blocks = len(values)
    if blocks < MIN_BLOCKS:
        return None
    mean = float(np.mean(values))
    stages = {blocks} if first_stage is None else {blocks, min(blocks, max(MIN_BLOCKS, first_stage))}
    half = alone = detectable = 0.0
    for stage in stages:
        standard_error = float(np.std(values[:stage], ddof=1)) / math.sqrt(blocks)
        two_sided = float(stats.t.ppf((1 + CONFIDENCE) / 2, stage - 1))
        # Power of the t test at a given shift, with the central t for the noncentral one: close for six blocks.
        power = float(stats.t.ppf(POWER, stage - 1))
        half = max(half, two_sided * standard_error)
        alone = max(alone, float(stats.t.ppf(CONFIDENCE, stage - 1)) * standard_error)
        detectable = max(detectable, (two_sided + power) * standard_error)
    return Interval(mean, mean - half, mean + half, detectable, mean - alone, mean + alone)


def relative_half_width(log_values: Sequence[float], first_stage: int | None = None) -> float:
    """Return half the interval's width as a relative figure (0.01 = 1 %), infinite where there is no interval."""
    interval = t_interval(log_values, first_stage)
    return math.inf if interval is None else math.expm1((interval.high - interval.low) / 2)
