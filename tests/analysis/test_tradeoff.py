from __future__ import annotations

import pytest
from edgebench.analysis.recommendation import Span
from edgebench.analysis.tradeoff import Point, front_of

from .test_recommendation import case


def point(
    name: str, ratio: float, size: int, accuracy: float | None, *, peak: int | None = 50, half: float = 0.01
) -> Point:
    return Point(case(name, ratio), Span(ratio, ratio - half, ratio + half), peak, size, accuracy)


def standing(*points: Point) -> dict[str, tuple[str | None, str | None]]:
    """Return by variant who beats it, and from whom it is not told apart."""
    return {
        one.case.variant: (
            one.beaten_by.variant if one.beaten_by else None,
            one.not_told_from.variant if one.not_told_from else None,
        )
        for one in front_of(points).standings
    }


def test_better_in_nothing_and_slower_beyond_doubt_is_dominated() -> None:
    assert standing(point("int8", 0.5, 10, 0.7), point("dynamic", 0.9, 10, 0.7)) == {
        "int8": (None, None), "dynamic": ("int8", None)
    }  # fmt: skip


def test_a_latency_that_is_not_told_apart_dominates_nothing_and_is_said() -> None:
    assert standing(point("float32", 1.0, 10, 0.7), point("float16", 1.004, 10, 0.7)) == {
        "float32": (None, None), "float16": (None, "float32")
    }  # fmt: skip


@pytest.mark.parametrize(
    "better",
    [
        point("dynamic", 0.9, 9, 0.7),
        point("dynamic", 0.9, 10, 0.71),
        point("dynamic", 0.9, 10, 0.7, peak=49),
        point("dynamic", 0.4, 11, 0.6),
    ],
    ids=["size", "accuracy", "peak", "latency"],
)
def test_better_in_one_thing_is_enough_to_stay(better: Point) -> None:
    assert standing(point("int8", 0.5, 10, 0.7), better)["dynamic"] == (None, None)


def test_equal_points_do_not_stand_behind_each_other() -> None:
    assert standing(point("a", 1.0, 10, 0.7), point("b", 1.0, 10, 0.7)) == {"a": (None, None), "b": (None, None)}


def test_a_figure_that_a_case_lacks_counts_for_nobody() -> None:
    points = (point("int8", 0.5, 10, None, peak=60), point("dynamic", 0.9, 10, 0.7, peak=None))
    found = front_of(points)
    assert (found.with_peak, found.with_accuracy) == (False, False)
    assert standing(*points)["dynamic"] == ("int8", None)
