"""Where the level of a short series shifts: rank statistics, binary segmentation, permutation tests.

The statistic of a split is the rank-sum statistic of the values before it against those after it, in units of its own
standard deviation; a series' statistic is the largest over all splits with enough values on both sides (Pettitt, "A
non-parametric approach to the change-point problem", Applied Statistics 28, 1979; in these units: Hawkins and Deng, "A
nonparametric change-point control chart", Journal of Quality Technology 42, 2010). Ranks make outliers harmless: a run
that took ten times as long counts as the slowest, no more. That the largest of many splits was chosen is paid for by a
permutation test: the same largest statistic is taken of the values in random orders (p counts the order found as one
of them: Phipson and Smyth, "Permutation p-values should never be zero", Statistical Applications in Genetics and
Molecular Biology 9, 2010). A series that shifts is divided there and each part is tested again (binary segmentation:
Scott and Knott, Biometrics 30, 1974; E-divisive, Matteson and James, Journal of the American Statistical Association
109, 2014, goes on in the same way). Where no single split is shown, a stretch in the middle is tested against all
around it, as a level that rose and fell back hides in splits (circular binary segmentation: Olshen, Venkatraman, Lucito
and Wigler, Biostatistics 5, 2004).

Where nothing shifts, any shift at all is reported with a chance of at most :data:`FALSE_ALARMS`, whatever the
distribution, as long as the order of the values is a matter of chance: values that drift, or come in spells, are not.
"""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

#: The chance that a series whose level never changes is reported to shift.
FALSE_ALARMS = 0.01
#: A level is made of at least this many values: two in a row may share one bad hour.
MIN_SIDE = 3
#: From fewer values not even a perfect order can be told from chance: five and five are.
MIN_VALUES = 10
#: Drawn in goes: most series that do not shift are told by the first.
_ORDERS = (199, *(1400,) * 7)
#: Of the false alarms allowed, those for one shift; the rest is for a stretch that differs from all around it.
_SPLIT_SHARE = 0.8
#: In fewer values no stretch in the middle can be told from chance, and splits have all of it.
_STRETCH_FROM = 5 * MIN_SIDE
#: At most so many places where a stretch may begin or end, however long the series.
_GRID = 60
_CONFIDENCE = 0.95
#: Up to here the rank-sum statistic's own distribution is counted, beyond it is as good as normal.
_COUNTED = 30
_Floats = np.ndarray[Any, np.dtype[np.float64]]


@dataclass(frozen=True)
class Shift:
    """The level changes between the values ``first - 1`` and ``first``.

    ``by`` is how much is added: the median of all differences between a value of the level before and one of the level
    after (Hodges and Lehmann 1963). ``low`` and ``high`` bound it with 95 % confidence, taking the place as given; None
    where the levels are too short for that. ``p`` is that of the permutation test.
    """

    first: int
    by: float
    low: float | None
    high: float | None
    p: float


def find_shifts(
    values: Sequence[float] | _Floats, *, false_alarms: float = FALSE_ALARMS, seed: int = 0
) -> tuple[Shift, ...]:
    """Return the shifts of a series' level in order; none from fewer than :data:`MIN_VALUES` values.

    Values are in any unit, best as logarithms where changes are ratios, and finite. The same values give the same
    answer.
    """
    series = np.asarray(values, dtype=np.float64)
    found: dict[int, float] = {}
    rng = np.random.default_rng(seed)
    parts = [(0, series.size)]
    while parts:
        start, end = parts.pop(0)
        places, p = _shifts(series[start:end], false_alarms, rng)
        found |= {start + place: p for place in places}
        bounds = [start, *(start + place for place in places), end]
        parts += itertools.pairwise(bounds) if places else ()
    ordered = sorted(found)
    ends = [0, *ordered, series.size]
    return tuple(
        Shift(place, *_difference(series[ends[i] : place], series[place : ends[i + 2]]), found[place])
        for i, place in enumerate(ordered)
    )


def _shifts(values: _Floats, false_alarms: float, rng: np.random.Generator) -> tuple[tuple[int, ...], float]:
    """Return one shift or, where there is none, the two ends of a stretch, with the p; empty where nothing is shown."""
    from scipy import stats

    if values.size < 2 * MIN_SIDE or values.min() == values.max():
        return (), 1.0
    centred: _Floats = stats.rankdata(values) - (values.size + 1) / 2
    short = values.size < _STRETCH_FROM
    p = _chance(centred, _largest_split, false_alarms if short else _SPLIT_SHARE * false_alarms, rng)
    if p is not None:
        return (MIN_SIDE + int(_splits(centred[None, :])[0].argmax()),), p
    if short:
        return (), 1.0
    p = _chance(centred, _largest_stretch, (1 - _SPLIT_SHARE) * false_alarms, rng)
    return (_best_stretch(centred), p) if p is not None else ((), 1.0)


def _chance(
    centred: _Floats, largest: Callable[[_Floats], _Floats], allowed: float, rng: np.random.Generator
) -> float | None:
    """Return the share of orders with a statistic as large, None where it is more than what is allowed."""
    # Equal statistics of other orders differ by rounding alone.
    observed = float(largest(centred[None, :])[0]) - 1e-9
    as_large = 1
    for number in _ORDERS:
        orders = rng.permuted(np.broadcast_to(centred, (number, centred.size)), axis=1)
        as_large += int((largest(orders) >= observed).sum())
        # The first few tell where nothing shifts: further orders cannot make it rarer again.
        if as_large > allowed * (1 + sum(_ORDERS)):
            return None
    return as_large / (1 + sum(_ORDERS))


def _largest_split(centred: _Floats) -> _Floats:
    result: _Floats = _splits(centred).max(axis=1)
    return result


def _splits(centred: _Floats) -> _Floats:
    """Return, for each row of centred ranks, the statistic of each split with enough values on both sides.

    It is proportional to the standardised rank sum: what it lacks is equal in all orders of the same ranks.
    """
    count = centred.shape[1]
    before = np.arange(MIN_SIDE, count - MIN_SIDE + 1)
    sums = np.cumsum(centred, axis=1)[:, before - 1]
    result: _Floats = np.abs(sums) / np.sqrt(before * (count - before))
    return result


def _largest_stretch(centred: _Floats) -> _Floats:
    """Return the largest statistic of stretches against all around them, for each row; their ends lie on a grid."""
    count = centred.shape[1]
    bounds = np.unique(np.linspace(MIN_SIDE, count - MIN_SIDE, min(count, _GRID)).round().astype(np.int64))
    pairs = np.triu_indices(bounds.size, 1)
    first, last = bounds[pairs[0]], bounds[pairs[1]]
    wide = last - first >= MIN_SIDE
    first, last = first[wide], last[wide]
    sums = np.cumsum(centred, axis=1)
    inside = (last - first).astype(np.float64)
    statistics = np.abs(sums[:, last - 1] - sums[:, first - 1]) / np.sqrt(inside * (count - inside))
    result: _Floats = statistics.max(axis=1)
    return result


def _best_stretch(centred: _Floats) -> tuple[int, int]:
    """Return the ends of the stretch with the largest statistic of all, on the grid or not."""
    count = centred.size
    bounds = np.arange(MIN_SIDE, count - MIN_SIDE + 1)
    sums = np.cumsum(centred)[bounds - 1]
    inside = np.maximum(bounds[None, :] - bounds[:, None], 0).astype(np.float64)
    statistics = np.abs(sums[None, :] - sums[:, None]) / np.sqrt(np.maximum(inside * (count - inside), 1.0))
    statistics[inside < MIN_SIDE] = -1.0
    first, last = np.unravel_index(int(statistics.argmax()), statistics.shape)
    return int(bounds[first]), int(bounds[last])


def _difference(before: _Floats, after: _Floats) -> tuple[float, float | None, float | None]:
    """Return the Hodges-Lehmann estimate of what is added, and its interval by inverting the rank-sum test."""
    differences = np.sort((after[:, None] - before[None, :]).ravel())
    outside = _outside(*sorted((before.size, after.size)))
    estimate = float(np.median(differences))
    if outside is None:
        return estimate, None, None
    return estimate, float(differences[outside]), float(differences[-1 - outside])


@functools.lru_cache(maxsize=256)
def _outside(fewer: int, more: int) -> int | None:
    """Return how many of the sorted differences lie below the interval, None where it cannot be had at this size."""
    tail = (1 - _CONFIDENCE) / 2
    if more > _COUNTED:
        deviation = math.sqrt(fewer * more * (fewer + more + 1) / 12)
        return _not_negative(math.floor(fewer * more / 2 - 1.96 * deviation) - 1)
    cumulated = np.cumsum(_rank_sum_counts(fewer, more)) / math.comb(fewer + more, fewer)
    return _not_negative(int(np.searchsorted(cumulated, tail, side="right")) - 1)


def _not_negative(number: int) -> int | None:
    return number if number >= 0 else None


def _rank_sum_counts(fewer: int, more: int) -> _Floats:
    """Return how many orders have each value of Mann and Whitney's U: the coefficients of a Gaussian binomial."""
    size = fewer * more + 1
    counts = np.zeros(size)
    counts[0] = 1.0
    for i in range(1, fewer + 1):
        shifted = more + i
        counts[shifted:] = counts[shifted:] - counts[: size - shifted] if shifted < size else counts[shifted:]
        for place in range(i, size):
            counts[place] += counts[place - i]
    return counts
