from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest
from edgebench.worker import noise


class Clock:
    """Work takes what the list says, in turns; the clock itself takes no time."""

    def __init__(self, durations_ns: list[int]) -> None:
        self.now_ns = 0
        self._durations: Iterator[int] = iter(durations_ns * 1000)

    def __call__(self) -> int:
        return self.now_ns

    def work(self) -> None:
        self.now_ns += next(self._durations)


def test_even_work_has_no_spread() -> None:
    clock = Clock([1_000_000])
    found = noise.probe(100_000_000, clock, clock.work)
    assert found["count"] == 100
    assert found["median_ns"] == found["max_ns"] == 1_000_000
    assert found["spread"] == 0


def test_the_spread_is_that_of_the_middle_eight_tenths() -> None:
    clock = Clock([1_000_000] * 8 + [1_500_000] * 2)
    found = noise.probe(1_000_000_000, clock, clock.work)
    assert found["spread"] == pytest.approx(0.5)
    one_pause = Clock([1_000_000] * 99 + [90_000_000])
    assert noise.probe(180_000_000, one_pause, one_pause.work)["spread"] == 0


def test_slow_machines_get_enough_pieces() -> None:
    clock = Clock([10_000_000])
    assert noise.probe(1, clock, clock.work)["count"] == 20


def test_a_clock_that_stands_still_divides_by_nothing() -> None:
    clock = Clock([0] * 30 + [10])
    assert noise.probe(5, clock, clock.work)["spread"] == 0


def test_the_collector_is_switched_back_on_even_after_an_error() -> None:
    def fail() -> None:
        assert not gc.isenabled()
        raise RuntimeError

    with pytest.raises(RuntimeError):
        noise.probe(1, work=fail)
    assert gc.isenabled()


def test_the_real_work_takes_time() -> None:
    assert noise.probe(1)["p10_ns"] > 0
