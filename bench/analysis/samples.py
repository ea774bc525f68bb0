"""What a case's own samples say against its figures: too few, still changing, in two groups, too far apart.

A burst's value is the lower quartile of its latencies (:func:`.comparison.burst_value`), a block's the median of its
bursts' values: single pauses move neither. Every threshold is a size as well as a count, so that much data does not
make a finding of a trifle.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..findings import Code, Finding, Severity
from .comparison import MIN_BLOCKS, BurstKey
from .latency import MIN_SAMPLES

#: Of six blocks one may be odd: medians do not follow it. From a third of the blocks on, upper quantiles do.
BLOCKS_SHARE = 1 / 3
#: The trend from the first block to the last. Chosen: five times the default precision of comparisons.
DRIFT_SIZE = 0.05
#: Chance of calling a trend what is none. Six blocks are the fewest whose order alone can be that rare (2 / 6!).
DRIFT_CHANCE = 0.01
DRIFT_MIN_BLOCKS = 6
#: Bursts of one process are less independent than blocks: where they must do, more of them are asked for.
DRIFT_MIN_BURSTS = 10
#: Each group's share of the samples; a smaller one is a tail, which percentiles show.
MODE_SHARE = 0.20
#: How far the groups' medians must lie apart: less is no matter for a user.
MODE_DISTANCE = 0.10
#: The middle third between the medians must hold less than this share of what either outer third holds. In one hump
#: no middle is emptier than both of its sides.
MODE_VALLEY = 0.25
MODE_MIN_SAMPLES = 40
#: At either end, left out before the groups are looked for: a few long pauses are no group.
MODE_TRIM = 0.025
#: Distance of the bursts' quartiles, of their median: what hits fewer than a quarter of the bursts cannot move it,
#: as it moves a standard deviation. The same size as for equal pieces of work in :mod:`.surroundings`.
SPREAD_SUSPECT = 0.10
SPREAD_MIN_BURSTS = 8

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class CaseSamples:
    """A case's steady latencies in ns, one array a block; the bursts' values in ns; how many blocks never got warm."""

    blocks: Sequence[Array]
    bursts: Mapping[BurstKey, float]
    unsettled_blocks: int = 0


def sample_findings(samples: CaseSamples) -> list[Finding]:
    """Return what the samples say against their own figures, in no order of weight."""
    measured = [block for block in samples.blocks if block.size]
    if not measured:
        return []
    values = [value for _, value in sorted(samples.bursts.items())]
    found = (
        _few_samples(sum(int(block.size) for block in measured)),
        _few_blocks(len(measured)),
        _not_warm(samples.unsettled_blocks, len(measured)),
        _drift(samples.bursts),
        _two_modes(np.concatenate(measured)),
        _spread(values),
    )
    return [finding for finding in found if finding is not None]


def _suspect(code: Code, reason: str, hint: str) -> Finding:
    return Finding(code, Severity.SUSPECT, reason, hint)


def _few_samples(count: int) -> Finding | None:
    needed = MIN_SAMPLES["p50_ns"]
    if count >= needed:
        return None
    samples = "1 sample" if count == 1 else f"{count} samples"
    return _suspect(
        Code.FEW_SAMPLES, f"{samples}, {needed} needed for a median", f"--min-runs {needed} and a longer --max-time"
    )


def _few_blocks(count: int) -> Finding | None:
    if count >= MIN_BLOCKS:
        return None
    blocks = "1 block" if count == 1 else f"{count} blocks"
    hint = "--blocks 6, and a longer --max-time for a slow model"
    return _suspect(Code.FEW_BLOCKS, f"{blocks}, {MIN_BLOCKS} needed for an interval", hint)


def _not_warm(unsettled: int, blocks: int) -> Finding | None:
    if not unsettled or unsettled / blocks < BLOCKS_SHARE:
        return None
    count = "block" if blocks == 1 else "blocks"
    reason = f"latency was still changing when the warm-up was cut off, in {unsettled} of {blocks} {count}"
    return _suspect(Code.NOT_WARM, reason, "a longer --warmup-time")


def _drift(bursts: Mapping[BurstKey, float]) -> Finding | None:
    """Look for a trend over blocks, or over the bursts where there are few blocks.

    Whether there is one: Mann-Kendall, that is Kendall's tau against time (Mann, "Nonparametric tests against trend",
    Econometrica 13, 1945). How large it is: the median of all slopes (Sen, "Estimates of the regression coefficient
    based on Kendall's tau", JASA 63, 1968), of logarithms. Neither follows an outlier.
    """
    from scipy import stats

    series, unit = _series(bursts)
    if len(series) < 2 or len(set(series)) < 2:
        return None
    times = np.arange(len(series))
    if float(stats.kendalltau(times, series).pvalue) > DRIFT_CHANCE:
        return None
    slope = float(stats.theilslopes(series, times)[0])
    change = math.expm1(slope * (len(series) - 1))
    if abs(math.log1p(change)) < math.log1p(DRIFT_SIZE):
        return None
    way = "slower" if change > 0 else "faster"
    reason = f"it became {abs(change):.0%} {way} from the first to the last of {len(series)} {unit}"
    hint = "let the device reach a steady temperature first (a longer --warmup-time), and stop what else runs"
    return _suspect(Code.DRIFT, reason, hint)


def _series(bursts: Mapping[BurstKey, float]) -> tuple[list[float], str]:
    """Return logarithms in the order of time and what each stands for; nothing where there are too few."""
    by_block: dict[int, list[float]] = {}
    for (block, _), value in sorted(bursts.items()):
        by_block.setdefault(block, []).append(math.log(max(1.0, value)))
    if len(by_block) >= DRIFT_MIN_BLOCKS:
        return [float(np.median(values)) for values in by_block.values()], "blocks"
    values = [value for block in by_block.values() for value in block]
    return (values, "bursts") if len(values) >= DRIFT_MIN_BURSTS else ([], "")


def _two_modes(latency_ns: Array) -> Finding | None:
    """Look for two groups of samples with a valley between them.

    The parting is Otsu's ("A threshold selection method from gray-level histograms", IEEE Transactions on Systems,
    Man, and Cybernetics 9, 1979), of logarithms. It parts one hump as well, so the valley decides: see MODE_VALLEY.
    """
    if latency_ns.size < MODE_MIN_SAMPLES:
        return None
    ordered = np.log(np.sort(np.maximum(latency_ns, 1)).astype(np.float64))
    trimmed = int(ordered.size * MODE_TRIM)
    ordered = ordered[trimmed : ordered.size - trimmed]
    parting = _parting(ordered)
    low, high = ordered[:parting], ordered[parting:]
    share = min(low.size, high.size) / ordered.size
    first, second = float(np.median(low)), float(np.median(high))
    if share < MODE_SHARE or second - first < math.log1p(MODE_DISTANCE) or not _valley(ordered, first, second):
        return None
    reason = (
        f"two groups of samples: {low.size / ordered.size:.0%} around {_milliseconds(first)} and "
        f"{high.size / ordered.size:.0%} around {_milliseconds(second)}, so the median tells of one of them at most"
    )
    hint = "look at samples.parquet; stop what else runs, fix the clock, or bind to cores of one kind with taskset"
    return _suspect(Code.TWO_MODES, reason, hint)


def _parting(ordered: Array) -> int:
    """Return the index that parts ordered values into the two groups of the least variance within them."""
    sums = np.cumsum(ordered - ordered.mean())[:-1]
    below = np.arange(1, ordered.size)
    # Variance between the groups, up to a constant: what is not between them is within.
    return int(np.argmax(sums**2 / (below * (ordered.size - below)))) + 1


def _valley(ordered: Array, first: float, second: float) -> bool:
    third = (second - first) / 3
    edges = [first, first + third, second - third, second]
    left, middle, right = (
        int(np.searchsorted(ordered, stop, "right") - np.searchsorted(ordered, start, "left"))
        for start, stop in itertools.pairwise(edges)
    )
    return middle < MODE_VALLEY * min(left, right)


def _milliseconds(logarithm: float) -> str:
    return f"{math.exp(logarithm) / 1e6:.3g} ms"


def _spread(values: Sequence[float]) -> Finding | None:
    if len(values) < SPREAD_MIN_BURSTS:
        return None
    low, middle, high = (float(value) for value in np.quantile(values, (0.25, 0.5, 0.75)))
    spread = (high - low) / middle
    if spread < SPREAD_SUSPECT:
        return None
    reason = f"the middle half of {len(values)} bursts spans {spread:.0%} of their median"
    return _suspect(Code.SPREAD, reason, "stop what else runs, or measure for longer (--min-time, --blocks)")
