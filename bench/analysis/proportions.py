"""Intervals of shares that hold for small classes, for none of 17 and for 17 of 17, and for images of one lesion.

A share of images has Wilson's score interval ("Probable inference, the law of succession, and statistical inference",
JASA 22, 1927), which Brown, Cai and DasGupta recommend for small numbers ("Interval estimation for a binomial
proportion", Statistical Science 16, 2001). Images of one lesion are not independent: they count as fewer. How many
fewer is the design effect, the variance over lesions divided by that of independent images (Rao and Scott, "A simple
method for the analysis of clustered binary data", Biometrics 48, 1992); Wilson's interval is that of the effective
number, images / design effect. It is kept between 1 (images of one lesion are independent) and the value for lesions
whose images are all alike (Kish, "Survey Sampling", 1965), which also serves where the share is 0 or 1 and the variance
says nothing.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import NormalDist
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]
Bounds = tuple[float, float]

CONFIDENCE = 0.95
_Z = NormalDist().inv_cdf((1 + CONFIDENCE) / 2)
#: The effective number of images behind an AUC, at most this often the smaller group: a choice. Without it the interval
#: of a small class whose scores are nearly in order is far too narrow.
_AUC_CAP = 3.0


def wilson(share: float, number: float) -> Bounds:
    """Return Wilson's 95 % interval of a share of ``number`` independent trials, which need not be whole."""
    center = share + _Z**2 / (2 * number)
    half = _Z * math.sqrt(share * (1 - share) / number + _Z**2 / (4 * number**2))
    scale = 1 + _Z**2 / number
    # At 0 and 1 the bound is the share itself, but for rounding.
    low = 0.0 if share == 0 else max(0.0, (center - half) / scale)
    high = 1.0 if share == 1 else min(1.0, (center + half) / scale)
    return low, high


def design_effect(values: Array, groups: Array) -> float:
    """Return the variance of the mean over groups / that over independent values: from 1 up.

    ``groups`` numbers the group (lesion) of each value.
    """
    _, codes, sizes = np.unique(groups, return_inverse=True, return_counts=True)
    alike = float((sizes**2).sum()) / len(values)
    number, variance = len(sizes), float(values.var())
    if alike == 1.0 or number < 2 or variance < 1e-15:
        return alike
    sums = np.bincount(codes, weights=values)
    over_groups = number / (number - 1) * float(((sums - values.mean() * sizes) ** 2).sum()) / len(values) ** 2
    return min(max(1.0, over_groups * len(values) / variance), alike)


def share_interval(hits: Array, groups: Array) -> Bounds:
    """Return the 95 % interval of the share of hits (bool, one an image, at least one)."""
    values = hits.astype(np.float64)
    return wilson(float(values.mean()), len(values) / design_effect(values, groups))


def f1_interval(of_class: Array, answered: Array, groups: Array) -> Bounds:
    """Return the 95 % interval of a class's F1; at least one image is of the class or answered as it.

    F1 is 2J / (1 + J), where J is the share of right answers among the images that are of the class or were answered
    as it (Hand, Christen and Kirielle, "F*: an interpretable transformation of the F-measure", Machine Learning 110,
    2021): the interval of that share becomes F1's.
    """
    either = of_class | answered
    low, high = share_interval((of_class & answered)[either], groups[either])
    return 2 * low / (1 + low), 2 * high / (1 + high)


def roc_auc(scores: Array, of_class: Array, groups: Array) -> tuple[float, Bounds]:
    """Return a class's one-vs-rest AUC and its 95 % interval; both kinds of images must be there.

    AUC is the chance that an image of the class scores higher than another, equal scores counting half. Its variance
    is that of DeLong, DeLong and Clarke-Pearson (Biometrics 44, 1988), times the design effects of both groups, as
    Obuchowski has it ("Nonparametric analysis of clustered ROC curve data", Biometrics 53, 1997). The interval is
    Wilson's for the number of images with that variance, at most three times the smaller group: where nearly all scores
    are in order, the variance of a small class says too little.
    """
    from scipy.stats import rankdata

    inside, outside = scores[of_class], scores[~of_class]
    ranks = rankdata(scores)
    places = (ranks[of_class] - rankdata(inside)) / len(outside)
    others = 1 - (ranks[~of_class] - rankdata(outside)) / len(inside)
    area = float(places.mean())
    number = len(inside) / design_effect(places, groups[of_class])
    number_others = len(outside) / design_effect(others, groups[~of_class])
    variance = _variance(places) / number + _variance(others) / number_others
    most = _AUC_CAP * min(number, number_others)
    effective = min(most, area * (1 - area) / variance) if variance > 0 else most
    return area, wilson(area, effective)


def _variance(values: Array) -> float:
    return float(values.var(ddof=1)) if len(values) > 1 else 0.0


def mean_interval(shares: Sequence[float], intervals: Sequence[Bounds]) -> Bounds:
    """Return the 95 % interval of the plain mean of independent shares, from theirs.

    Distances to the limits add up as squares (MOVER: Zou and Donner, "Construction of confidence intervals about effect
    measures", Statistics in Medicine 27, 2008). Unlike a bootstrap, it knows that a class with 17 of 17 right may miss
    the next one.
    """
    below = math.sqrt(sum((share - low) ** 2 for share, (low, _) in zip(shares, intervals, strict=True)))
    above = math.sqrt(sum((high - share) ** 2 for share, (_, high) in zip(shares, intervals, strict=True)))
    mean = math.fsum(shares) / len(shares)
    return max(0.0, mean - below / len(shares)), min(1.0, mean + above / len(shares))
