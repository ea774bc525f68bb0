"""The front over latency, peak memory, size and accuracy, in which noise beats nobody.

A point is dominated by another where it is better in nothing (Pareto's definition) and the difference in latency is
supported: the 95 % intervals of their ratios to the common baseline do not overlap. Where the latencies are not told
apart the point stays, and that is said. Peak memory and accuracy count as they were measured: a small advantage that
may be noise keeps a point, and removes none.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..records import CaseResult
from .recommendation import Span


@dataclass(frozen=True)
class Point:
    """One case: lower is better in all but accuracy, which is None where it is unknown, as is peak memory."""

    case: CaseResult
    span: Span
    peak_bytes: int | None
    size_bytes: int
    accuracy: float | None


@dataclass(frozen=True)
class Standing:
    """Where a case stands: on the front, dominated by ``beaten_by``, or on it only because of ``not_told_from``."""

    case: CaseResult
    beaten_by: CaseResult | None = None
    not_told_from: CaseResult | None = None


@dataclass(frozen=True)
class Front:
    """Where each point stands, in the given order; peak memory and accuracy count only where every point has them."""

    standings: tuple[Standing, ...]
    with_peak: bool
    with_accuracy: bool


def front_of(points: Sequence[Point]) -> Front:
    """Return the front of the points of one model on one device."""
    with_peak = all(point.peak_bytes is not None for point in points)
    with_accuracy = all(point.accuracy is not None for point in points)
    costs = [_costs(point, with_peak, with_accuracy) for point in points]
    return Front(tuple(_standing(i, points, costs) for i in range(len(points))), with_peak, with_accuracy)


def _costs(point: Point, with_peak: bool, with_accuracy: bool) -> tuple[float, ...]:
    peak = float(point.peak_bytes or 0) if with_peak else 0.0
    accuracy = point.accuracy or 0.0 if with_accuracy else 0.0
    return (point.span.ratio, point.size_bytes, peak, -accuracy)


def _standing(place: int, points: Sequence[Point], costs: Sequence[tuple[float, ...]]) -> Standing:
    point = points[place]
    rivals = [i for i in range(len(points)) if i != place and _nowhere_better(costs[place], costs[i])]
    beating = [points[i] for i in rivals if points[i].span.high < point.span.low]
    if beating:
        return Standing(point.case, beaten_by=_fastest(beating))
    ahead = [points[i] for i in rivals if costs[i] != costs[place]]
    return Standing(point.case, not_told_from=_fastest(ahead) if ahead else None)


def _nowhere_better(mine: tuple[float, ...], other: tuple[float, ...]) -> bool:
    return all(cost >= rival for cost, rival in zip(mine, other, strict=True))


def _fastest(points: Sequence[Point]) -> CaseResult:
    return min(points, key=lambda point: point.span.ratio).case
