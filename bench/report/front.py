"""The trade-off front: which points no other point beats, and which are not told apart from those."""

from __future__ import annotations

from collections.abc import Sequence

from ..analysis.recommendation import spans
from ..records import CaseResult
from .text import known


def non_dominated(points: Sequence[tuple[float | None, float | None]]) -> list[int]:
    """Return the indices of the points on the front, by rising cost, equal points in their given order.

    Each point is ``(cost, benefit)``: lower cost is better, higher benefit is better. A point is dominated when
    another is at least as good in both and better in one; equal points do not dominate each other. Points with an
    absent, NaN or infinite coordinate are never on the front and dominate nothing.

    Source: the usual Pareto definition, by one sweep over the points sorted by cost.
    """
    usable = [
        (cost, benefit, index)
        for index, (cost, benefit) in enumerate(points)
        if cost is not None and benefit is not None and known(cost) and known(benefit)
    ]
    front: list[int] = []
    best: tuple[float, float] | None = None
    for cost, benefit, index in sorted(usable, key=lambda point: (point[0], -point[1], point[2])):
        if best is None or benefit > best[1] or (cost, benefit) == best:
            front.append(index)
            best = (cost, benefit)
    return front


def with_ties(front: Sequence[int], cases: Sequence[tuple[CaseResult, float | None]]) -> list[int]:
    """Return the front with those points that it leaves out for a latency which is not told apart, by rising p50.

    Each of ``cases`` has its accuracy. A point joins where one on the front has the same accuracy and the 95 %
    intervals of their latency ratios overlap; without ratios nothing joins.
    """
    known_spans = spans([case for case, _ in cases])

    def tied(place: int) -> bool:
        mine = known_spans[place]
        alike = [known_spans[i] for i in front if cases[i][1] == cases[place][1]]
        return mine is not None and any(span and span.low <= mine.high and mine.low <= span.high for span in alike)

    joined = [place for place in range(len(cases)) if place not in front and _timed(cases[place][0]) and tied(place)]
    return sorted([*front, *joined], key=lambda place: _p50(cases[place][0])) if joined else list(front)


def _timed(case: CaseResult) -> bool:
    return case.latency is not None and known(case.latency.p50_ns)


def _p50(case: CaseResult) -> float:
    p50 = case.latency.p50_ns if case.latency else None
    return float("inf") if p50 is None else p50
