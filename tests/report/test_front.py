from __future__ import annotations

import itertools
import math
import random

import pytest
from edgebench.report.front import non_dominated

Points = list[tuple[float | None, float | None]]


@pytest.mark.parametrize(
    ("points", "expected"),
    [
        ([], []),
        ([(5.0, 0.7)], [0]),
        ([(5.0, 0.7), (5.0, 0.7)], [0, 1]),
        ([(5.0, 0.7), (5.0, 0.8)], [1]),
        ([(5.0, 0.7), (4.0, 0.7)], [1]),
        ([(7.4, 0.71), (7.9, 0.71), (14.2, 0.70), (3.6, 0.64)], [3, 0]),
        ([(1.0, 0.5), (2.0, 0.6), (2.0, 0.6), (3.0, 0.6)], [0, 1, 2]),
        ([(None, 0.9), (5.0, None), (6.0, 0.5)], [2]),
        ([(math.nan, 0.9), (5.0, math.nan), (math.inf, 1.0), (6.0, 0.5)], [3]),
        ([(None, None)], []),
        ([(0.0, 0.0), (0.0, -1.0)], [0]),
    ],
)
def test_front_by_hand(points: Points, expected: list[int]) -> None:
    assert non_dominated(points) == expected


def test_front_equals_the_definition_on_random_points_with_many_ties() -> None:
    choose = random.Random(3)
    for _ in range(200):
        points = [(choose.randrange(5), choose.randrange(5)) for _ in range(choose.randrange(12))]
        by_definition = {
            i
            for i, (cost, benefit) in enumerate(points)
            if not any(c <= cost and b >= benefit and (c < cost or b > benefit) for c, b in points)
        }
        found = non_dominated([(float(cost), float(benefit)) for cost, benefit in points])
        assert set(found) == by_definition
        assert all(points[i][0] <= points[j][0] for i, j in itertools.pairwise(found))
