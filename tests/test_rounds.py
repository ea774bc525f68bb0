from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from edgebench.devices.fake import FakeDevice, FakeModel
from edgebench.records import Delegate, DelegateKind, Engine, Settings
from edgebench.rounds import BURST_NS, SampleLog, is_finished, rotated, take_burst, warm_up
from edgebench.session import LoadRequest, Samples, Session

SETTINGS = Settings(
    seed=0,
    min_runs=50,
    max_runs=1000,
    min_time_ns=1_000_000,
    max_time_ns=10_000_000,
    warmup_time_ns=200_000,
    warmup_min_runs=3,
    timeout_s=10.0,
)


def samples(count: int, latency_ns: int = 10) -> Samples:
    return Samples(np.arange(count, dtype=np.int64), np.full(count, latency_ns, np.int64))


def log_of(count: int, latency_ns: int, *, warmup: bool = False) -> SampleLog:
    log = SampleLog()
    log.add(0, 0, warmup, samples(count, latency_ns))
    return log


def fake_session(latency_ns: int | Callable[[int], int]) -> Session:
    session = Session(FakeDevice({"m": FakeModel(latency_ns=latency_ns)}).start_worker("python3"), 10.0)
    session.load(LoadRequest("m.tflite", Engine.INTERPRETER, Delegate(DelegateKind.DEFAULT), 1, None))
    return session


def test_each_round_starts_with_the_next_and_keeps_the_order() -> None:
    assert [rotated("abc", index) for index in range(4)] == [list("abc"), list("bca"), list("cab"), list("abc")]


@pytest.mark.parametrize("size", [1, 2, 5])
def test_over_the_rounds_each_item_has_each_place_equally_often(size: int) -> None:
    places = Counter(
        (item, place) for index in range(3 * size) for place, item in enumerate(rotated(range(size), index))
    )
    assert set(places.values()) == {3}
    assert len(places) == size * size


def test_nothing_to_rotate() -> None:
    assert rotated([], 3) == []


def test_rotating_leaves_the_sequence_alone() -> None:
    items = [1, 2, 3]
    rotated(items, 1)
    assert items == [1, 2, 3]


def test_the_log_keeps_warm_up_apart() -> None:
    log = SampleLog()
    log.add(0, 0, True, samples(2, 100))
    log.add(0, 0, False, samples(3, 10))
    log.add(1, 4, False, samples(1, 7))
    assert (log.count(warmup=True), log.count(warmup=False)) == (2, 4)
    assert (log.total_ns(warmup=True), log.total_ns(warmup=False)) == (200, 37)
    assert log.latencies(warmup=False).tolist() == [10, 10, 10, 7]
    assert log.latencies(warmup=True).tolist() == [100, 100]
    assert [burst[:3] for burst in log.bursts] == [(0, 0, True), (0, 0, False), (1, 4, False)]


def test_an_empty_log() -> None:
    log = SampleLog()
    assert (log.count(warmup=False), log.total_ns(warmup=True)) == (0, 0)
    assert log.latencies(warmup=False).dtype == np.int64
    assert log.latencies(warmup=False).size == 0


def test_two_logs_share_nothing() -> None:
    log_of(3, 10)
    assert SampleLog().bursts == []


@pytest.mark.parametrize(
    ("count", "latency_ns", "finished"),
    [
        (49, 30_000, False),  # enough time, one run short
        (50, 19_999, False),  # enough runs, short of time
        (50, 20_000, True),  # both, exactly
        (999, 1, False),  # short of time, one below the cap on runs
        (1000, 1, True),  # the cap on runs
        (3, 3_333_333, False),  # short of runs, just below the cap on time
        (2, 5_000_000, True),  # the cap on time
        (1, 99_000_000, True),
    ],
)
def test_when_a_case_is_finished(count: int, latency_ns: int, finished: bool) -> None:
    assert is_finished(log_of(count, latency_ns), SETTINGS) is finished


def test_warm_up_samples_finish_nothing() -> None:
    assert not is_finished(log_of(5000, 1_000_000, warmup=True), SETTINGS)


def test_nothing_measured_is_not_finished() -> None:
    assert not is_finished(SampleLog(), SETTINGS)


@pytest.mark.parametrize(
    ("latency_ns", "expected"),
    [
        (10_000, 20),  # the time decides: 20 x 10 us
        (400_000, 3),  # the count decides
        (9_000_000, 2),  # the cap on time ends it before the count is met
        (1, 1000),  # the cap on runs
    ],
)
def test_warm_up_is_bounded_by_time_and_count(latency_ns: int, expected: int) -> None:
    log = SampleLog()
    warm_up(fake_session(latency_ns), log, SETTINGS)
    assert log.count(warmup=True) == expected
    assert log.count(warmup=False) == 0


def test_warm_up_ends_even_if_no_time_seems_to_pass() -> None:
    """A clock too coarse for a tiny model answers zeros."""
    log = SampleLog()
    warm_up(fake_session(0), log, SETTINGS)
    assert log.count(warmup=True) == SETTINGS.max_runs


def test_no_warm_up_wanted_still_means_one_run() -> None:
    log = SampleLog()
    warm_up(fake_session(10_000), log, replace(SETTINGS, warmup_time_ns=0, warmup_min_runs=0))
    assert log.count(warmup=True) == 1


def test_a_long_warm_up_is_taken_in_bursts_of_the_usual_length() -> None:
    log = SampleLog()
    settings = replace(SETTINGS, warmup_time_ns=3 * BURST_NS, max_time_ns=100 * BURST_NS)
    warm_up(fake_session(BURST_NS // 10), log, settings, block=2)
    assert [burst.latency_ns.size for *_, burst in log.bursts] == [10, 10, 10]
    assert {(block, round_index, warm) for block, round_index, warm, _ in log.bursts} == {(2, 0, True)}


def test_a_burst_is_marked_with_its_round_and_block_and_is_short() -> None:
    log = SampleLog()
    take_burst(fake_session(BURST_NS // 4), log, SETTINGS, round_index=3, block=1)
    ((block, round_index, warm, burst),) = log.bursts
    assert (block, round_index, warm) == (1, 3, False)
    assert burst.latency_ns.sum() == BURST_NS


def test_bursts_stop_exactly_at_the_cap_on_runs() -> None:
    session, log = fake_session(1000), SampleLog()
    settings = replace(SETTINGS, max_runs=70)
    log.add(0, 0, False, samples(60))
    log.add(0, 0, True, samples(60))
    take_burst(session, log, settings, round_index=1)
    assert log.count(warmup=False) == 70
    assert is_finished(log, settings)


def test_a_model_slower_than_a_burst_gets_one_run() -> None:
    log = SampleLog()
    take_burst(fake_session(10 * BURST_NS), log, SETTINGS, round_index=0)
    assert log.count(warmup=False) == 1
