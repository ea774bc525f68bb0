"""How well a mean is known where neighbouring values resemble each other.

The mean of n values with autocorrelations r_k is as uncertain as that of n* = n / V independent ones, with
V = 1 + 2 sum (1 - k/n) r_k (Bayley and Hammersley, "The 'effective' number of independent observations in an
autocorrelated time series", Supplement to the Journal of the Royal Statistical Society 8, 1946). The r_k are those of
the residuals around known levels; each is too low by what the estimated levels took away, about V/n of the variance
(Marriott and Pope, "Bias in the estimation of autocorrelations", Biometrika 41, 1954), which is put back. The sum ends
where two neighbouring r_k together are no longer above zero, and the sums of pairs never grow (initial monotone
sequence: Geyer, "Practical Markov chain Monte Carlo", Statistical Science 7, 1992): what follows is noise.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

Floats = np.ndarray[Any, np.dtype[np.float64]]

#: Of the values, the largest lag that is looked at: further ones are estimated from too few pairs.
_LAG_SHARE = 5
#: The correction depends on what it corrects; it settles in a few steps.
_STEPS = 5


@dataclass(frozen=True)
class Noise:
    """The noise of a series: autocorrelations from lag 1 on, and how many independent values its spread rests on."""

    correlations: tuple[float, ...]
    freedom: float

    def inflation(self, count: int) -> float:
        """Return by how much the variance of the mean of ``count`` neighbours exceeds that of independent values."""
        lags = range(1, min(count, len(self.correlations) + 1))
        return max(1.0, 1 + 2 * sum((1 - lag / count) * self.correlations[lag - 1] for lag in lags))


def noise_of(parts: Sequence[Floats]) -> Noise:
    """Return the noise of a series given in parts that each have a level of their own; together at least 4 values."""
    residuals = np.concatenate([part - part.mean() for part in parts])
    count = residuals.size
    known = Noise((), max(1.0, count - len(parts)))
    if count < 4 or not np.any(residuals):
        return known
    products = _products(residuals, max(1, count // _LAG_SHARE))
    for _ in range(_STEPS):
        lost = sum(known.inflation(part.size) for part in parts)
        if lost >= count / 2:
            break
        variance = products[0] * count / (count - lost)
        put_back = (variance - products[0]) / variance
        correlations = _believable([product / variance + put_back for product in products[1:]])
        known = Noise(correlations, 1.0)
    inflation = known.inflation(count)
    return Noise(known.correlations, max(1.0, count / inflation - len(parts)))


def level_variance(parts: Sequence[Floats], noise: Noise) -> float:
    """Return the variance of single values around their levels, with what the estimated levels took away put back."""
    count = sum(part.size for part in parts)
    squares = float(sum(((part - part.mean()) ** 2).sum() for part in parts))
    left = count - sum(noise.inflation(part.size) for part in parts)
    # A series so correlated that nothing is left behaves as one value does: half of it is a bound on what can be said.
    return squares / max(left, count / 2)


def _products(residuals: Floats, most: int) -> list[float]:
    size = residuals.size
    return [float(residuals[: size - lag] @ residuals[lag:]) / (size - lag) for lag in range(most + 1)]


def _believable(correlations: Sequence[float]) -> tuple[float, ...]:
    """Return the correlations up to where they are no more than noise."""
    kept: list[float] = []
    before = math.inf
    for place in range(-1, len(correlations) - 1, 2):
        first = 1.0 if place < 0 else correlations[place]
        pair = min(before, first + correlations[place + 1])
        if pair <= 0:
            break
        # A pair that was lowered keeps its sum: the inflation is about sums.
        kept += [pair - 1.0] if place < 0 else [pair / 2, pair / 2]
        before = pair
    return tuple(kept)
