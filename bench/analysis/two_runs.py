"""The change of one figure between two runs, with an interval that knows how far runs differ for no reason.

A run's figure varies by the standard deviation of repeats (:mod:`.run_noise`), which holds what its own blocks vary by.
Where a run's blocks say that it was noisier than that, they count instead. The variances of both sides add up, and the
degrees of freedom follow from those of the parts (Satterthwaite, "An approximate distribution of estimates of variance
components", Biometrics Bulletin 2, 1946; Welch, "The generalization of 'Student's' problem when several different
population variances are involved", Biometrika 34, 1947).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from ..changes import Basis, Change, ChangeVerdict
from .comparison import CONFIDENCE, MIN_BLOCKS, BurstKey, burst_value
from .run_noise import RunNoise

if TYPE_CHECKING:
    import pandas as pd

#: Two figures are the same where the whole interval lies this close to no change: of a ratio, or in points / 100.
SAME_WITHIN = 0.01


@dataclass(frozen=True)
class Reading:
    """One run's figure as a logarithm, with the standard error that its own blocks give, where they give one."""

    log: float
    error: float | None = None
    blocks: int = 0


@dataclass(frozen=True)
class RatioInterval:
    """new / base with its 95 % interval, and with a bound of 95 % on each side alone."""

    value: float
    low: float
    high: float
    one_sided_low: float
    one_sided_high: float

    @staticmethod
    def of_logs(middle: float, both: float, alone: float) -> RatioInterval:
        """Return it from a mean of logarithms, and half widths of the two-sided interval and of a one-sided bound."""
        bounds = (middle, middle - both, middle + both, middle - alone, middle + alone)
        return RatioInterval(*(math.exp(bound) for bound in bounds))


def with_interval(change: Change, found: RatioInterval, basis: Basis, explanation: str) -> Change:
    """Return a change with its ratio, the interval and what that says."""
    return replace(
        change,
        value=found.value,
        low=found.low,
        high=found.high,
        one_sided_low=found.one_sided_low,
        one_sided_high=found.one_sided_high,
        verdict=ratio_verdict(found.low, found.high),
        basis=basis,
        explanation=explanation,
    )


def ratio_interval(base: Reading, new: Reading, noise: RunNoise) -> RatioInterval:
    """Return the ratio of two runs' figures with its interval."""
    from scipy import stats

    shared, variance, squared = 0.0, 0.0, 0.0
    for side in (base, new):
        if side.error is None or side.error <= noise.sd:
            shared += noise.sd**2
            continue
        variance += side.error**2
        squared += side.error**4 / (side.blocks - 1)
    if noise.freedom is not None:
        # Both sides' share comes from one estimate: it is wrong for both in the same way.
        squared += shared**2 / noise.freedom
    variance += shared
    freedom = variance**2 / squared if squared else math.inf
    error, middle = math.sqrt(variance), new.log - base.log
    both, alone = (float(stats.t.ppf(level, freedom)) * error for level in ((1 + CONFIDENCE) / 2, CONFIDENCE))
    return RatioInterval.of_logs(middle, both, alone)


def ratio_verdict(low: float, high: float) -> ChangeVerdict:
    """Return what an interval of a ratio says, where less is better."""
    if low >= 1 - SAME_WITHIN and high <= 1 + SAME_WITHIN:
        return ChangeVerdict.SAME
    if high < 1:
        return ChangeVerdict.BETTER
    return ChangeVerdict.WORSE if low > 1 else ChangeVerdict.UNDECIDED


def typical_reading(samples: pd.DataFrame) -> Reading | None:
    """Return a case's typical latency: the mean over blocks of the median of the bursts' lower quartiles.

    ``samples`` are the case's steady ones. None where there are none.
    """
    if samples.empty:
        return None
    bursts = burst_values(samples)
    values = np.log(np.array(list(bursts.values())))
    blocks = np.array([block for block, _ in bursts])
    return _over_blocks(np.array([np.median(values[blocks == block]) for block in np.unique(blocks)]))


def burst_values(samples: pd.DataFrame) -> dict[BurstKey, float]:
    """Return the value of each burst of a case's samples by (block, round), as comparisons in turns have it."""
    latency_ns = samples["latency_ns"].to_numpy()
    rows: Mapping[Any, Any] = samples.groupby(["block", "round"], observed=True).indices
    return {(int(key[0]), int(key[1])): burst_value(latency_ns[places]) for key, places in rows.items()}


def percentile_reading(samples: pd.DataFrame, quantile: float, value_ns: float) -> Reading:
    """Return a percentile, whose value is of all samples together, with the standard error of the blocks' own ones.

    There is none where a block has too few samples to place it.
    """
    log = math.log(max(1.0, value_ns))
    latencies = samples.groupby("block", observed=True)["latency_ns"]
    if samples.empty or int(latencies.size().min()) < round(1 / (1 - quantile)):
        return Reading(log)
    values = np.log(np.maximum(latencies.quantile(quantile).to_numpy(dtype=np.float64), 1.0))
    found = _over_blocks(values)
    return Reading(log, found.error, found.blocks)


def _over_blocks(values: np.ndarray[Any, Any]) -> Reading:
    blocks = len(values)
    error = float(np.std(values, ddof=1)) / math.sqrt(blocks) if blocks >= MIN_BLOCKS else None
    return Reading(float(np.mean(values)), error, blocks)


def error_of_interval(low: float, high: float, blocks: int) -> float:
    """Return the standard error behind a Student's t interval of a ratio over blocks."""
    from scipy import stats

    return math.log(high / low) / 2 / float(stats.t.ppf((1 + CONFIDENCE) / 2, blocks - 1))
