from __future__ import annotations

import pytest
from edgebench.waits.turns import turns


class Clock:
    now_ns = 0

    def __call__(self) -> int:
        return self.now_ns


@pytest.mark.parametrize(
    ("durations", "expected"),
    [
        ([10] * 5, [0, 1, 2, 3, 4]),
        ([40] * 5, [0, 1]),
        ([500], [0]),
        ([10, 60, 10, 10, 10], [0, 1]),  # a third could take as long as the second
        ([10, 45, 10, 10, 10], [0, 1, 2]),
        ([50, 50, 50], [0, 1]),
    ],
)
def test_another_turn_where_it_can_end_in_time(durations: list[int], expected: list[int]) -> None:
    clock = Clock()
    done = []
    for turn in turns(clock, 5, 100):
        clock.now_ns += durations[turn]
        done.append(turn)
    assert done == expected
