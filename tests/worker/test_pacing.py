from __future__ import annotations

from collections.abc import Callable

import pytest
from edgebench.worker.pacing import paced, run_window, sleep_until


class Clock:
    """Time that passes only while someone sleeps or runs."""

    def __init__(self, now_ns: int = 1_000) -> None:
        self.now_ns = now_ns
        self.naps: list[float] = []

    def __call__(self) -> int:
        return self.now_ns

    def sleep(self, seconds: float) -> None:
        self.naps.append(seconds)
        self.now_ns += round(seconds * 1e9)

    def work(self, *durations_ns: int) -> Callable[[], None]:
        left = iter(durations_ns)

        def invoke() -> None:
            self.now_ns += next(left)

        return invoke


def test_one_run_every_gap_the_first_one_gap_from_now() -> None:
    clock = Clock()
    starts, latencies = paced(clock.work(10, 99, 20), 100, 3, clock, clock.sleep)
    assert starts.tolist() == [1_100, 1_200, 1_300]
    assert latencies.tolist() == [10, 99, 20]


@pytest.mark.parametrize(("taken", "following"), [(99, 1_200), (100, 1_300), (101, 1_300), (250, 1_400)])
def test_a_run_that_overruns_drops_gaps_so_that_each_is_after_a_pause(taken: int, following: int) -> None:
    clock = Clock()
    starts, _ = paced(clock.work(taken, 10), 100, 2, clock, clock.sleep)
    assert starts.tolist() == [1_100, following]


def test_it_sleeps_again_where_a_sleep_ended_early() -> None:
    clock = Clock(0)

    def doze(seconds: float) -> None:
        clock.sleep(seconds if seconds < 10e-9 else seconds / 2)

    sleep_until(100, clock, doze)
    assert clock.now_ns == 100
    assert len(clock.naps) > 2
    sleep_until(50, clock, doze)
    assert clock.now_ns == 100


def test_a_gap_of_nothing_is_an_error() -> None:
    with pytest.raises(ValueError, match="gap"):
        paced(lambda: None, 0, 1)


def test_a_window_begins_and_ends_by_the_clock() -> None:
    clock = Clock()
    starts, latencies = run_window(clock.work(*[40] * 9), 1_500, 1_600, 100, clock, clock.sleep)
    assert starts.tolist() == [1_500, 1_540, 1_580]
    assert latencies.tolist() == [40, 40, 40]


@pytest.mark.parametrize(("now_ns", "max_runs", "runs"), [(5_000, 100, 1), (1_000, 2, 2)])
def test_a_window_that_has_passed_still_has_one_run_and_none_has_too_many(
    now_ns: int, max_runs: int, runs: int
) -> None:
    clock = Clock(now_ns)
    starts, _ = run_window(clock.work(*[10] * 50), 1_500, 1_600, max_runs, clock, clock.sleep)
    assert starts.size == runs
