"""Bootstrap over lesions within classes: each class keeps its number of lesions, each lesion its images.

Efron and Tibshirani, "An Introduction to the Bootstrap", 1993; whole lesions are drawn because images of one lesion
are not independent (Davison and Hinkley, "Bootstrap Methods and their Application", 1997, section 3.8).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from .proportions import CONFIDENCE, Bounds

Array = np.ndarray[Any, Any]

RESAMPLES = 2000
#: Draws at a time: few enough to stay in the processor's cache, which halves the time.
_DRAWS = 50_000


def resampled_sums(totals: Array, resamples: int, rng: np.random.Generator) -> Array:
    """Return [resamples, columns]: sums of ``totals`` [lesions, columns] over lesions drawn with replacement."""
    return np.concatenate([counts @ totals for counts in _drawn(len(totals), resamples, rng)])


def _drawn(lesions: int, resamples: int, rng: np.random.Generator) -> Iterator[Array]:
    """Yield how often each lesion is drawn, float [rows, lesions], some resamples at a time."""
    step = max(1, _DRAWS // lesions)
    for start in range(0, resamples, step):
        rows = min(step, resamples - start)
        drawn = rng.integers(0, lesions, (rows, lesions)) + lesions * np.arange(rows)[:, None]
        yield np.bincount(drawn.ravel(), minlength=rows * lesions).reshape(rows, lesions).astype(np.float64)


def totals_by_group(values: Array, groups: Array) -> Array:
    """Return [groups, columns]: sums of ``values`` [images, columns] over the images of each group."""
    _, codes = np.unique(groups, return_inverse=True)
    totals = np.zeros((int(codes.max()) + 1, values.shape[1]))
    np.add.at(totals, codes, values)
    return totals


def percentile_interval(values: Array) -> Bounds:
    """Return the 95 % percentile interval of resampled figures."""
    low, high = np.quantile(values, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    return float(low), float(high)


def one_sided_bounds(values: Array) -> Bounds:
    """Return the lower and the upper bound of resampled figures, each 95 % on its side alone."""
    low, high = np.quantile(values, [1 - CONFIDENCE, CONFIDENCE])
    return float(low), float(high)
