"""Which candidates are worth having: the metric, the front, and the rule that picks.

All of it is decided on validation figures. Where latencies cannot be told apart (their 95 % intervals overlap) they
count as equal, and sizes that read the same count as equal: noise must neither win nor lose.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from edgebench.errors import UsageError
from edgebench.records import Accuracy
from edgebench.report.text import significant

_RECALL = re.compile(r"recall\[(.+)\]")
_OVERALL = {"balanced_accuracy": "balanced accuracy", "top1": "top-1", "macro_f1": "macro F1"}
#: How far a pick's validation metric may be below float32's.
TOLERANCE = 0.01


@dataclass(frozen=True)
class Metric:
    """What is to be kept: ``title`` for people, ``of`` its value in 0..1, None where there is none."""

    name: str
    title: str
    of: Callable[[Accuracy], float | None]


def parse_metric(text: str, labels: Sequence[str]) -> Metric:
    """The metric that ``balanced_accuracy``, ``top1``, ``macro_f1`` or ``recall[CLASS]`` names. Raises UsageError."""
    if text in _OVERALL:
        return Metric(text, _OVERALL[text], lambda accuracy: getattr(accuracy, text))
    found = _RECALL.fullmatch(text)
    if found and found.group(1) in labels:
        label = found.group(1)
        return Metric(text, f"recall of {label}", lambda accuracy: recalls(accuracy)[label])
    classes = ", ".join(labels)
    raise UsageError(f"--metric {text}: choose {', '.join(_OVERALL)} or recall[CLASS] with one of {classes}")


def recalls(accuracy: Accuracy) -> Mapping[str, float | None]:
    """Recall by class."""
    return {item.label: item.recall for item in accuracy.classes}


@dataclass(frozen=True)
class Worst:
    """The class that loses most recall against float32, by how much (negative is a loss), of how many images."""

    label: str
    difference: float
    images: int


def worst_class(accuracy: Accuracy, reference: Accuracy) -> Worst | None:
    """The class with the lowest recall difference; None where no class has images in both."""
    base = recalls(reference)
    differences = [
        Worst(item.label, item.recall - before, item.support)
        for item in accuracy.classes
        if item.recall is not None and (before := base.get(item.label)) is not None
    ]
    return min(differences, key=lambda one: one.difference, default=None)


@dataclass(frozen=True)
class Point:
    """One measured candidate. ``ratio`` is its latency over float32's, with its 95 % interval."""

    name: str
    metric: float
    ratio: float
    low: float
    high: float
    size_bytes: int

    @property
    def size(self) -> float:
        """The size as it reads, in MB."""
        return float(significant(self.size_bytes / 1e6))

    def slower_than(self, other: Point) -> bool:
        """Whether it is shown to be slower."""
        return self.low > other.high


def dominates(one: Point, other: Point) -> bool:
    """Whether ``one`` is nowhere worse and somewhere better: metric, latency, size."""
    if one.metric < other.metric or one.slower_than(other) or one.size > other.size:
        return False
    return one.metric > other.metric or other.slower_than(one) or one.size < other.size


def front(points: Sequence[Point]) -> tuple[str, ...]:
    """The names of those that no other dominates, in their order."""
    return tuple(
        point.name for point in points if not any(dominates(other, point) for other in points if other is not point)
    )


@dataclass(frozen=True)
class Pick:
    """A candidate that a rule chose. ``name`` is None where no candidate fulfils the rule."""

    rule: str
    name: str | None


def picks(points: Sequence[Point], metric: Metric) -> tuple[Pick, ...]:
    """What the rules choose among the points, of which one is float32's. The first is the recommendation."""
    known = {point.name: point for point in points}
    float32 = known["float32"]
    # Rounded, so that exactly one point less is within one point.
    fine = [point for point in points if round(point.metric - float32.metric + TOLERANCE, 9) >= 0]
    within = f"{metric.title} at most {100 * TOLERANCE:g} point below float32's"
    chosen = [
        Pick(f"fastest with {within}", _fastest(fine)),
        Pick(f"smallest with {within}", _smallest(fine)),
        Pick(
            f"highest {metric.title} of those shown to be faster than float32",
            _best([point for point in points if float32.slower_than(point)]),
        ),
    ]
    if int8 := known.get("int8"):
        rule = f"highest {metric.title} of those not shown to be slower than int8"
        chosen.append(Pick(rule, _best([point for point in points if not point.slower_than(int8)])))
    return tuple(chosen)


def _fastest(points: Sequence[Point]) -> str | None:
    if not points:
        return None
    quickest = min(points, key=lambda point: point.ratio)
    return _best([point for point in points if not point.slower_than(quickest)])


def _smallest(points: Sequence[Point]) -> str | None:
    least = min((point.size for point in points), default=math.inf)
    return _best([point for point in points if point.size == least])


def _best(points: Sequence[Point]) -> str | None:
    """The highest metric; of equals the smaller file, then the faster one, then the earlier one."""
    ordered = sorted(points, key=lambda point: (-point.metric, point.size, point.ratio))
    return ordered[0].name if ordered else None
