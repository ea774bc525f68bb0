"""The trade-off front: which points no other point beats."""

from __future__ import annotations

from collections.abc import Sequence

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
