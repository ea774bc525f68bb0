from __future__ import annotations

import gc

import numpy as np
import pytest
from edgebench.worker.timing import burst
from pytest_benchmark.fixture import BenchmarkFixture


class Clock:
    """A clock that only a run moves, by ``step_ns``."""

    def __init__(self, step_ns: int = 10) -> None:
        self.now_ns = 1_000
        self.step_ns = step_ns
        self.runs = 0

    def __call__(self) -> int:
        return self.now_ns

    def run(self) -> None:
        self.runs += 1
        self.now_ns += self.step_ns


@pytest.mark.parametrize(
    ("min_runs", "max_runs", "max_ns", "expected"),
    [
        (1, 5, 1_000_000, 5),  # the cap on runs ends it
        (1, 100, 35, 4),  # the run during which time is up still counts
        (1, 100, 30, 3),  # time is up exactly at a run's end
        (1, 100, 0, 1),
        (6, 100, 0, 6),  # the minimum outlasts the time
        (6, 100, 80, 8),  # the time outlasts the minimum
        (9, 4, 0, 4),  # never over the cap, whatever the minimum
        (0, 0, 100, 0),
    ],
)
def test_how_many_runs(min_runs: int, max_runs: int, max_ns: int, expected: int) -> None:
    clock = Clock()
    starts, latencies = burst(clock.run, min_runs, max_runs, max_ns, clock)
    assert clock.runs == starts.size == latencies.size == expected


def test_starts_and_latencies_are_on_the_clocks_own_scale() -> None:
    clock = Clock()
    steps = iter([5, 7, 11])

    def run() -> None:
        clock.now_ns += next(steps)

    starts, latencies = burst(run, 3, 3, 0, clock)
    assert starts.tolist() == [1000, 1005, 1012]
    assert latencies.tolist() == [5, 7, 11]
    assert starts.dtype == latencies.dtype == np.int64


def test_the_collector_is_off_inside_and_on_again_afterwards() -> None:
    seen: list[bool] = []
    assert gc.isenabled()
    burst(lambda: seen.append(gc.isenabled()), 2, 2, 0)
    assert seen == [False, False]
    assert gc.isenabled()


def test_the_collector_is_on_again_after_a_failing_run() -> None:
    def fail() -> None:
        raise RuntimeError("the model fails")

    with pytest.raises(RuntimeError, match="the model fails"):
        burst(fail, 1, 1, 0)
    assert gc.isenabled()


def test_a_collector_that_was_off_stays_off() -> None:
    gc.disable()
    try:
        burst(lambda: None, 1, 1, 0)
        assert not gc.isenabled()
    finally:
        gc.enable()


def test_the_real_clock_does_not_run_backwards() -> None:
    starts, latencies = burst(lambda: None, 50, 50, 0)
    assert (latencies >= 0).all()
    assert (np.diff(starts) >= latencies[:-1]).all()


def test_overhead_per_run(benchmark: BenchmarkFixture) -> None:
    """The loop's own cost: divide by the 1000 runs."""
    starts, _ = benchmark(burst, lambda: None, 1000, 1000, 0)
    assert starts.size == 1000
