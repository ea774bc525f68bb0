"""Whether a case keeps what a rule asks for: passes, fails, or the images cannot tell.

"No difference shown" is no proof that nothing is lost: with few images nothing is ever shown. So a criterion asks the
other way round, as non-inferiority trials do (Piaggio, Elbourne, Pocock, Evans and Altman, "Reporting of noninferiority
and equivalence randomized trials: extension of the CONSORT 2010 statement", JAMA 308, 2012): a case passes where the
one-sided 95 % lower bound of its paired difference to the float model is above minus the margin, and fails where the
upper bound is below it. In between, the data cannot tell. A case must pass every criterion, so that none of them need
be adjusted for the others (intersection-union test: Berger, "Multiparameter hypothesis testing and acceptance
sampling", Technometrics 24, 1982).

The bounds are of the bootstrap samples that the intervals are of. A record without them has two-sided 95 % intervals
only, whose ends are one-sided 97.5 % bounds: they are taken, which passes and fails less than it could.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

from ..records import AccuracyComparison, AccuracyVerdict, PairedDifference
from ..rule import Criterion, Measure, Rule

#: Beyond this many times as many images, telling a number would be of no use.
MOST_TIMES = 100.0


class Keeps(str, Enum):
    """What the images say of a case and a rule."""

    PASSES = "passes"
    FAILS = "fails"
    UNDECIDED = "undecided"


@dataclass(frozen=True)
class Answer:
    """What came out for one criterion, why in figures, and where it is undecided what would decide it."""

    keeps: Keeps
    reason: str
    needs: str | None = None


def answers_to(rule: Rule, comparison: AccuracyComparison) -> tuple[Answer, ...]:
    """Return what the comparison with the float model says to each part of the rule, in its order."""
    found = [_criterion(criterion, comparison) for criterion in rule.criteria]
    return (*found, _no_class_worse(comparison)) if rule.no_class_worse else tuple(found)


def together(answers: Sequence[Answer]) -> Keeps:
    """Return the answer to a whole rule: one failure fails it, and it passes only where every part does."""
    found = {answer.keeps for answer in answers}
    if Keeps.FAILS in found:
        return Keeps.FAILS
    return Keeps.UNDECIDED if Keeps.UNDECIDED in found else Keeps.PASSES


def _criterion(criterion: Criterion, comparison: AccuracyComparison) -> Answer:
    item = _difference(criterion, comparison)
    low, high = _bounds(item) if item else (None, None)
    if item is None or item.difference is None or low is None or high is None:
        return Answer(Keeps.UNDECIDED, f"{criterion.figure}: {_absent(criterion, comparison, item)}")
    figure = f"{criterion.figure} {_points(item.difference)} points"
    limit = f"({criterion.allowed} lower is allowed)"
    worst, best = (_points(bound, _digits(bound, criterion)) for bound in (low, high))
    if low > -criterion.margin:
        return Answer(Keeps.PASSES, f"{figure}, at worst {worst} {limit}")
    if high < -criterion.margin:
        return Answer(Keeps.FAILS, f"{figure}, at best {best} {limit}")
    needs = _needs(criterion, item.images, item.difference, low, high)
    return Answer(Keeps.UNDECIDED, f"{figure}, anything from {worst} to {best} {limit}", needs)


def _difference(criterion: Criterion, comparison: AccuracyComparison) -> PairedDifference | None:
    if criterion.measure is Measure.BALANCED:
        return comparison.balanced_accuracy
    if criterion.measure is Measure.TOP1:
        return comparison.top1
    return next((item for item in comparison.classes if item.name == criterion.label), None)


def _bounds(item: PairedDifference) -> tuple[float | None, float | None]:
    if item.one_sided_low is None or item.one_sided_high is None:
        return item.low, item.high
    return item.one_sided_low, item.one_sided_high


def _absent(criterion: Criterion, comparison: AccuracyComparison, item: PairedDifference | None) -> str:
    if item is not None:
        return item.unavailable.get("difference", "no interval in the record")
    if criterion.measure is Measure.RECALL and comparison.classes:
        return "the model has no such class"
    key = {Measure.BALANCED: "balanced_accuracy", Measure.TOP1: "top1", Measure.RECALL: "classes"}[criterion.measure]
    return comparison.unavailable.get(key, "not in the record")


def _points(value: float, digits: int = 1) -> str:
    text = f"{100 * value:+.{digits}f}"
    return "±0" if float(text) == 0 else text.replace("-", "−")


def _digits(value: float, criterion: Criterion) -> int:
    """Return one digit more where a bound would read as the margin itself."""
    return 2 if abs(value + criterion.margin) < 0.001 else 1


def _needs(criterion: Criterion, images: int, difference: float, low: float, high: float) -> str:
    """Say how many images would decide: an interval's width goes with 1 / the square root of their number."""
    passing = difference > -criterion.margin
    times = times_as_much(difference, low, high, -criterion.margin)
    if times is None:
        return f"{criterion.figure} is too near the margin to be decided with {MOST_TIMES:.0f} times the images"
    end = f"would show it to {'pass' if passing else 'fail'}, if the difference stays as it is (an estimate)"
    if criterion.measure is Measure.RECALL:
        return f"about {rounded_up(images * (times - 1)):,} more images of {criterion.label} ({images:,} now) {end}"
    which = "of every class" if criterion.measure is Measure.BALANCED else "of the same kind"
    return f"about {rounded_up(images * times) / images:.1f} times the images {which} ({images:,} now) {end}"


def times_as_much(value: float, low: float, high: float, limit: float) -> float | None:
    """Return how many times as much data would take the bound between value and limit to the limit.

    An interval's width goes with 1 / the square root of the data. None where it would be more than is of any use.
    """
    half = value - low if value > limit else high - value
    gap = abs(value - limit)
    times = (half / gap) ** 2 if gap > 0 else math.inf
    return None if times > MOST_TIMES else times


def rounded_up(number: float) -> int:
    """Return the number to two digits, rounded up: at least 1."""
    whole = max(1, math.ceil(number))
    step = int(10 ** max(0, len(str(whole)) - 2))
    return math.ceil(whole / step) * step


def _no_class_worse(comparison: AccuracyComparison) -> Answer:
    tested = [item for item in comparison.classes if item.verdict is not None]
    if not tested:
        reason = comparison.unavailable.get("classes", "not in the record")
        return Answer(Keeps.UNDECIDED, f"no class worse: {reason}")
    worse = [item for item in tested if item.verdict is AccuracyVerdict.WORSE]
    if worse:
        return Answer(Keeps.FAILS, f"shown worse: {', '.join(_loss(item) for item in worse)}")
    return Answer(Keeps.PASSES, f"no class shown worse{_blind_spot(tested)}")


def _loss(item: PairedDifference) -> str:
    points = "" if item.difference is None else f" {_points(item.difference)} points"
    return f"{item.name}{points} ({item.lost} lost, {item.gained} gained of {item.images:,})"


def _blind_spot(tested: Sequence[PairedDifference]) -> str:
    """Tell the class of which least could have been shown: "none shown worse" says nearly nothing of it."""
    least = max(tested, key=lambda item: math.inf if item.detectable is None else item.detectable)
    images = f"{least.name}, {least.images:,} image{'' if least.images == 1 else 's'}"
    if least.detectable is None:
        return f" (but of {images}, no loss could have been shown)"
    return f" (but of {images}, only a loss of about {100 * least.detectable:.0f} points would have been)"
