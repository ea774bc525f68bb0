"""What a case gains and loses against its baseline on the same images: by class, and over all of them.

Verdicts come from the sign-flip test by lesion (:mod:`.sign_flip`), over the classes together with Holm's adjustment.
Intervals of differences are from paired bootstrap samples of lesions within classes. A bootstrap cannot show what no
image showed: where nothing changed in 17 images it would say that the difference is 0 for certain. So each class gets
one gained and one lost image more, as lesions of their own, before it is resampled, as Bonett and Price do ("Adjusted
Wald confidence interval for a difference of binomial proportions based on paired data", Journal of Educational and
Behavioral Statistics 37, 2012). For all images together only the smallest class, in which an image weighs most, gets
them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from statistics import NormalDist
from typing import Any

import numpy as np

from ..records import AccuracyVerdict, PairedDifference
from .lesions import lesion_count, lesion_groups
from .proportions import CONFIDENCE
from .resampling import RESAMPLES, one_sided_bounds, percentile_interval, resampled_sums, totals_by_group
from .sign_flip import POWER, detectable_difference, holm, sampled_sign_flip_p, sign_flip_p, sizes_of

Array = np.ndarray[Any, Any]

LEVEL = 1 - CONFIDENCE
_TOO_FEW = "too few images: not even a change of all of them could have been shown"
TOP1, BALANCED = "top-1", "balanced accuracy"
NO_IMAGE = "no image of this class"
#: One gained and one lost image, as (difference, images) of lesions of their own.
_ADDED = np.array([[1.0, 1.0], [-1.0, 1.0]])


@dataclass(frozen=True)
class Paired:
    """Differences over all images (top-1 and balanced accuracy), and one for each class in the order asked for."""

    top1: PairedDifference
    balanced_accuracy: PairedDifference
    classes: tuple[PairedDifference, ...]


@dataclass(frozen=True)
class _Class:
    """One class's images by lesion: [lesions, (gained - lost, images)]."""

    totals: Array
    gained: int
    lost: int
    images: int
    lesions: int | None

    @property
    def differences(self) -> Array:
        found: Array = self.totals[:, 0].astype(np.int64)
        return found


def paired_differences(
    labels: Sequence[str],
    truth: Sequence[str],
    right: Array,
    baseline_right: Array,
    lesions: Sequence[str | None] | None = None,
    *,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Paired:
    """Return how right answers differ from the baseline's.

    Args:
        labels: the classes to tell of; ``truth`` has no others.
        truth: the true class of each image, at least one.
        right: bool, whether the case answers each image rightly.
        baseline_right: the same of its baseline.
        lesions: the lesion of each image where it is known.
        resamples: bootstrap samples behind the intervals.
        seed: of these samples, and of the flips behind balanced accuracy's p value.
    """
    rng = np.random.default_rng(seed)
    changes = right.astype(np.int64) - baseline_right.astype(np.int64)
    names = np.array(truth)
    groups = lesion_groups(lesions, truth)
    # In the order of names: the same draws whatever the order of a model's labels is.
    classes = {name: _class(changes[names == name], groups[names == name], lesions) for name in sorted(set(truth))}
    draws = {name: _Draws.of(item, resamples, rng) for name, item in classes.items()}
    smallest = min(classes, key=lambda name: (classes[name].images, name))
    chosen = [draws[name].adjusted if name == smallest else draws[name].plain for name in classes]
    found = {name: _class_difference(name, item, draws[name], len(classes)) for name, item in classes.items()}
    together = _class(changes, groups, lesions)
    return Paired(
        top1=_top1(together, chosen),
        balanced_accuracy=_balanced(together, list(classes.values()), chosen, classes[smallest].images, rng),
        classes=_with_verdicts([found.get(label) or _absent(label) for label in labels]),
    )


def _class(changes: Array, groups: Array, lesions: Sequence[str | None] | None) -> _Class:
    totals = totals_by_group(np.column_stack([changes, np.ones(len(changes))]), groups)
    gained, lost = int((changes > 0).sum()), int((changes < 0).sum())
    return _Class(totals, gained, lost, len(changes), lesion_count(lesions, groups))


@dataclass(frozen=True)
class _Draws:
    """Resampled [resamples, (gained - lost, images)] of one class, as it is and with the two images more."""

    plain: Array
    adjusted: Array

    @staticmethod
    def of(item: _Class, resamples: int, rng: np.random.Generator) -> _Draws:
        with_added = np.concatenate([item.totals, _ADDED])
        return _Draws(resampled_sums(item.totals, resamples, rng), resampled_sums(with_added, resamples, rng))


def _absent(label: str) -> PairedDifference:
    return PairedDifference(label, 0, None, 0, 0, unavailable={"difference": NO_IMAGE})


def _difference(name: str, item: _Class, value: float, resampled: Array) -> PairedDifference:
    low, high = percentile_interval(resampled)
    found = PairedDifference(name, item.images, item.lesions, item.gained, item.lost, value, low, high)
    least, most = one_sided_bounds(resampled)
    return replace(found, one_sided_low=least, one_sided_high=most)


def _class_difference(name: str, item: _Class, draws: _Draws, family: int) -> PairedDifference:
    value = (item.gained - item.lost) / item.images
    drawn = draws.adjusted[:, 0] / draws.adjusted[:, 1]
    p = sign_flip_p(item.differences)
    return _could_have_shown(replace(_difference(name, item, value, drawn), p=p), item, LEVEL / family)


def _top1(item: _Class, draws: Sequence[Array]) -> PairedDifference:
    value = (item.gained - item.lost) / item.images
    sums = np.sum(draws, axis=0)
    found = replace(_difference(TOP1, item, value, sums[:, 0] / sums[:, 1]), p=sign_flip_p(item.differences))
    return _judged(_could_have_shown(found, item, LEVEL))


def _could_have_shown(found: PairedDifference, item: _Class, level: float) -> PairedDifference:
    detectable = detectable_difference(sizes_of(item.differences), item.images, level)
    if detectable is None:
        return replace(found, unavailable={"detectable": _TOO_FEW})
    return replace(found, detectable=detectable)


def _balanced(
    together: _Class, classes: Sequence[_Class], draws: Sequence[Array], smallest: int, rng: np.random.Generator
) -> PairedDifference:
    """Each class counts alike, so an image counts the more the fewer its class has."""
    weighted = np.concatenate([item.totals[:, 0] / item.images for item in classes]) / len(classes)
    value = math.fsum(weighted)
    resampled = np.mean([drawn[:, 0] / drawn[:, 1] for drawn in draws], axis=0)
    added = 2 / (smallest * len(classes)) ** 2
    # The usual normal approximation; the squares are what the sum varies by where signs are up to chance.
    spread = math.sqrt(float((weighted**2).sum()) + added)
    normal = NormalDist()
    detectable = (normal.inv_cdf(1 - LEVEL / 2) + normal.inv_cdf(POWER)) * spread
    found = _difference(BALANCED, together, value, resampled)
    return _judged(replace(found, p=sampled_sign_flip_p(weighted, rng), detectable=detectable))


def _with_verdicts(classes: Sequence[PairedDifference]) -> tuple[PairedDifference, ...]:
    tested = [item for item in classes if item.p is not None]
    adjusted = iter(holm(item.p for item in tested if item.p is not None))
    return tuple(
        item if item.p is None else _judged(replace(item, p_holm=next(adjusted)), len(tested)) for item in classes
    )


def _judged(item: PairedDifference, family: int = 1) -> PairedDifference:
    decisive = item.p if item.p_holm is None else item.p_holm
    if decisive is None or item.difference is None:
        return item
    shown = decisive <= LEVEL and item.difference != 0
    verdict = AccuracyVerdict.NONE_SHOWN
    if shown:
        verdict = AccuracyVerdict.WORSE if item.difference < 0 else AccuracyVerdict.BETTER
    return replace(item, verdict=verdict, explanation=_explanation(item, shown, family))


def _explanation(item: PairedDifference, shown: bool, family: int) -> str | None:
    """Return why verdict and interval do not say the same, None where they do."""
    if item.low is None or item.high is None or item.p is None:
        return None
    leaves_zero_out = item.low > 0 or item.high < 0
    if leaves_zero_out == shown:
        return None
    if shown:
        return "the interval is widened for small numbers and holds 0; the exact test decides"
    if item.p <= LEVEL:
        return (
            f"the interval of this class alone leaves 0 out; with {family} classes looked at, one such interval is no "
            f"sign (p = {item.p:.2g}, adjusted {item.p_holm:.2g})"
        )
    return f"the interval leaves 0 out; the exact test finds such a difference by chance too often (p = {item.p:.2g})"
