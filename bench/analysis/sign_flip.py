"""Exact test of a difference between two models on the same images, by flipping the signs of whole lesions.

McNemar's exact test ("Note on the sampling error of the difference between correlated proportions or percentages",
Psychometrika 12, 1947) takes the images that only one of two models gets right and asks how often a fair coin would
divide them so unevenly. Images of one lesion change together, so for them the coin is thrown too often, and
differences are found that are none. Here one coin is thrown a lesion: all differences of a lesion (+1 gained, -1 lost)
change sign together, as they might where the two models are exchangeable (Fisher, "The Design of Experiments", 1935,
section 21). Where each lesion has one image this is McNemar's exact test, to the last digit. The distribution is
counted, not drawn. A lesion with as many gained as lost images says nothing, like an image that both get right.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]

#: Chance of finding a difference of the "could have shown" size.
POWER = 0.80
_SHARE_TOLERANCE = 1e-4
_FLIPS = 20_000

#: How many lesions have a net difference of so many images, sign left out.
Sizes = Mapping[int, int]


def sizes_of(differences: Iterable[int]) -> dict[int, int]:
    """Return how many lesions have a net difference of each size, those without any left out."""
    return dict(sorted(Counter(abs(int(value)) for value in differences if value).items()))


def sign_flip_p(differences: Iterable[int]) -> float:
    """Return the two-sided p value for lesions' net differences (gained less lost images); 1 where all are 0."""
    values = [int(value) for value in differences if value]
    return min(1.0, _two_sided(_sum_chances(sizes_of(values), 0.5), abs(sum(values))))


def sampled_sign_flip_p(differences: Array, rng: np.random.Generator) -> float:
    """Return the same for differences that are no whole numbers, from 20,000 drawn flips: at least 1 / 20,001.

    The observed signs count as one of the draws, which keeps the level (Davison and Hinkley 1997, section 4.2).
    """
    values, counts = np.unique(np.abs(differences[differences != 0]), return_counts=True)
    sums = np.zeros(_FLIPS)
    for value, count in zip(values, counts, strict=True):
        sums += value * (2.0 * rng.binomial(count, 0.5, _FLIPS) - count)
    seen = abs(float(differences.sum()))
    tolerance = 1e-9 * float(np.abs(differences).sum())
    return (1 + int((np.abs(sums) >= seen - tolerance).sum())) / (1 + _FLIPS)


def holm(p_values: Iterable[float]) -> list[float]:
    """Return p values adjusted so that any false alarm among them all is as rare as the level says.

    Holm, "A simple sequentially rejective multiple test procedure", Scandinavian Journal of Statistics 6, 1979.
    """
    values = list(p_values)
    adjusted = [0.0] * len(values)
    largest = 0.0
    for rank, index in enumerate(sorted(range(len(values)), key=values.__getitem__)):
        largest = max(largest, min(1.0, (len(values) - rank) * values[index]))
        adjusted[index] = largest
    return adjusted


def detectable_difference(sizes: Sizes, images: int, level: float) -> float | None:
    """Return the smallest difference (of a share of ``images``) that the test finds 4 times in 5 at this level.

    As many lesions change as have changed, each by as many images, but each is lost with the same chance, the smallest
    with which the exact test has 80 % power (for single images: Miettinen, "The matched pairs design in the case of
    all-or-none responses", Biometrics 24, 1968). Where too few have changed for the test to find anything, lesions of
    one image join them until it can. None where not even a change of all images would do.
    """
    changing = dict(sizes)
    while (critical := _critical(changing, level)) is None:
        changing[1] = changing.get(1, 0) + 1
        if _most(changing) > images:
            return None
    share = _share_with_power(changing, critical)
    return _most(changing) * (2 * share - 1) / images


def _most(sizes: Sizes) -> int:
    return sum(size * count for size, count in sizes.items())


def _sum_chances(sizes: Sizes, share: float) -> Array:
    """Return the chance of each sum, from the least to the most, where each difference is + with chance ``share``."""
    from scipy.stats import binom

    chances = np.ones(1)
    for size, count in sizes.items():
        one = np.zeros(2 * size * count + 1)
        one[:: 2 * size] = binom.pmf(np.arange(count + 1), count, share)
        chances = np.convolve(chances, one)
    return chances


def _two_sided(chances: Array, distance: int) -> float:
    middle = len(chances) // 2
    if distance == 0:
        return 1.0
    return math.fsum(chances[middle + distance :]) + math.fsum(chances[: middle - distance + 1])


def _critical(sizes: Sizes, level: float) -> int | None:
    """Return the smallest sum whose two-sided p value is at most ``level``."""
    chances = _sum_chances(sizes, 0.5)
    middle = len(chances) // 2
    tails = np.cumsum(chances[::-1])[: middle + 1][::-1]  # of sums from the middle up
    enough = np.flatnonzero(2 * tails[1:] <= level)
    return int(enough[0]) + 1 if len(enough) else None


def _share_with_power(sizes: Sizes, critical: int) -> float:
    low, high = 0.5, 1.0
    while high - low > _SHARE_TOLERANCE:
        share = (low + high) / 2
        chances = _sum_chances(sizes, share)
        found = float(chances[len(chances) // 2 + critical :].sum())
        low, high = (low, share) if found >= POWER else (share, high)
    return high
