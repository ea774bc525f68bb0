from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from edgebench.devices.fake import FakeDevice, FakeModel
from edgebench.records import Delegate, DelegateKind, Engine, Settings
from edgebench.rounds import (
    BURST_NS,
    MIN_ROUNDS,
    WARM_LIMIT,
    Decision,
    SampleLog,
    at_cap,
    block_is_full,
    log_ratios,
    per_block,
    room,
    rotated,
    take_burst,
    warm_up,
)
from edgebench.session import LoadRequest, Samples, Session

#: In each of four blocks at least 50 runs and 0.25 ms, at most 500 runs and 2.5 ms.
SETTINGS = Settings(
    seed=0,
    min_runs=200,
    max_runs=4000,
    min_time_ns=1_000_000,
    max_time_ns=10_000_000,
    warmup_time_ns=200_000,
    warmup_min_runs=3,
    timeout_s=10.0,
    min_blocks=4,
    max_blocks=8,
)


def samples(count: int, latency_ns: int = 10) -> Samples:
    return Samples(np.arange(count, dtype=np.int64), np.full(count, latency_ns, np.int64))


def log_of(count: int, latency_ns: int, *, warmup: bool = False, block: int = 0) -> SampleLog:
    log = SampleLog()
    log.add(block, 0, warmup, samples(count, latency_ns))
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
    places = [(burst.block, burst.round_index, burst.warmup) for burst in log.bursts]
    assert places == [(0, 0, True), (0, 0, False), (1, 4, False)]


def test_the_log_keeps_blocks_apart() -> None:
    log = SampleLog()
    log.add(2, 0, True, samples(9, 100))
    log.add(2, 0, False, samples(3, 10))
    log.add(5, 0, False, samples(1, 7))
    log.add(2, 1, False, samples(2, 20))
    assert [log.count(warmup=False, block=block) for block in (0, 2, 5)] == [0, 5, 1]
    assert (log.total_ns(warmup=False, block=2), log.total_ns(warmup=True, block=2)) == (70, 900)
    assert [block.tolist() for block in log.by_block()] == [[10, 10, 10, 20, 20], [7]]
    assert log.burst_values() == {(2, 0): 10.0, (2, 1): 20.0, (5, 0): 7.0}


def test_an_empty_log() -> None:
    log = SampleLog()
    assert (log.count(warmup=False), log.total_ns(warmup=True)) == (0, 0)
    assert log.latencies(warmup=False).dtype == np.int64
    assert log.latencies(warmup=False).size == 0
    assert (log.by_block(), log.burst_values()) == ([], {})


def test_two_logs_share_nothing() -> None:
    log = log_of(3, 10)
    log.unsettled_blocks.add(1)
    assert (SampleLog().bursts, SampleLog().unsettled_blocks) == ([], set())


def test_warm_up_is_in_no_ratio() -> None:
    case, baseline = log_of(3, 20), log_of(3, 10)
    for block in (1, 2):
        case.add(block, 0, True, samples(3, 999))
        baseline.add(block, 0, False, samples(3, 10))
    assert log_ratios(case, baseline) == [pytest.approx(np.log(2))]


@pytest.mark.parametrize(
    ("count", "latency_ns", "rounds", "full"),
    [
        (49, 30_000, MIN_ROUNDS, False),  # enough time, one run short of a quarter
        (50, 4_999, MIN_ROUNDS, False),  # enough runs, short of time
        (50, 5_000, MIN_ROUNDS, True),  # both, exactly
        (50, 5_000, MIN_ROUNDS - 1, False),  # the block's value is a median over rounds: there must be some
        (499, 1, 99, False),  # short of time, one below the cap on runs
        (500, 1, 1, True),  # the cap on runs
        (1, 1_250_000, 99, False),  # short of runs; another one would just reach the cap on time
        (1, 1_250_001, 1, True),  # another one would go beyond it, which goes before the rounds
        (1, 99_000_000, 1, True),
    ],
)
def test_when_a_case_has_its_share_of_a_block(count: int, latency_ns: int, rounds: int, full: bool) -> None:
    assert block_is_full(log_of(count, latency_ns, block=3), SETTINGS, 3, rounds) is full


def test_warm_up_samples_and_other_blocks_fill_nothing() -> None:
    log = log_of(500, 2_000, warmup=True, block=1)
    log.add(0, 0, False, samples(500, 2_000))
    assert not block_is_full(log, SETTINGS, 1, 99)
    assert block_is_full(log, SETTINGS, 0, MIN_ROUNDS)


def test_nothing_measured_is_not_full() -> None:
    assert not block_is_full(SampleLog(), SETTINGS, 0, 99)


@pytest.mark.parametrize(
    ("least", "most", "share", "bursts"),
    [
        (200, 4000, 500, [100] * 5),  # the cap, over all the blocks there may be
        (1, 4001, 501, [101, 100, 100, 100, 100]),  # rounded up: eight shares reach the cap
        (200, 200, 50, [10] * 5),  # never so few that four blocks would miss the minimum
        (1, 48, 6, [2, 1, 1, 1, 1]),
        (1, 16, 2, [1, 1]),
        (1, 1, 1, [1]),
    ],
)
def test_the_cap_on_runs_is_shared_out_to_blocks_and_bursts(
    least: int, most: int, share: int, bursts: list[int]
) -> None:
    settings = replace(SETTINGS, min_runs=least, max_runs=most)
    assert per_block(settings) == share
    session, log = fake_session(10), SampleLog()
    while room(log, settings, 0):
        take_burst(session, log, settings, len(log.bursts), 0)
    assert [burst.samples.latency_ns.size for burst in log.bursts] == bursts


def test_room_is_what_both_the_block_and_the_whole_leave() -> None:
    assert room(SampleLog(), SETTINGS, 0) == 500
    log = log_of(120, 1)
    assert (room(log, SETTINGS, 0), room(log, SETTINGS, 1)) == (380, 500)
    log = log_of(3900, 1)
    assert (room(log, SETTINGS, 0), room(log, SETTINGS, 1)) == (0, 100)
    log = log_of(1, 2_500_000)
    assert (room(log, SETTINGS, 0), room(log, SETTINGS, 1)) == (0, 500)
    log = log_of(4, 2_500_000)
    assert room(log, SETTINGS, 9) == 0


def test_caps_count_all_blocks_and_each_group() -> None:
    assert not at_cap(log_of(3999, 1), SETTINGS)
    assert at_cap(log_of(4000, 1), SETTINGS)
    assert not at_cap(log_of(1, 9_999_999), SETTINGS)
    assert at_cap(log_of(1, 10_000_000), SETTINGS)
    assert not at_cap(log_of(9000, 1, warmup=True), SETTINGS)
    baseline = log_of(4000, 1)
    baseline.groups = 2  # it serves two groups: twice the samples are no more for each
    assert not at_cap(baseline, SETTINGS)
    assert room(baseline, SETTINGS, 1) == 500


@pytest.mark.parametrize(
    ("latency_ns", "expected"),
    [
        (10_000, 20),  # the time decides: two windows of 10 x 10 us
        (80_000, 4),  # two windows of two runs
        (400_000, 3),  # the count decides
        (1_300_000, 1),  # more than six times the asked time in one run
        (1, 4000),  # the cap on runs
    ],
)
def test_warm_up_is_bounded_by_time_and_count(latency_ns: int, expected: int) -> None:
    log = SampleLog()
    warm_up(fake_session(latency_ns), log, SETTINGS, 0)
    assert log.count(warmup=True) == expected
    assert log.count(warmup=False) == 0
    assert log.unsettled_blocks == set()


def test_warm_up_goes_on_until_two_windows_agree() -> None:
    """The first window is slow, the second in part."""
    log = SampleLog()
    warm_up(fake_session(lambda run: 20_000 if run < 7 else 10_000), log, SETTINGS, 2)
    medians = [float(np.median(burst.samples.latency_ns)) for burst in log.bursts]
    assert medians == [20_000, 10_000, 10_000]
    assert {(burst.block, burst.warmup) for burst in log.bursts} == {(2, True)}
    assert [burst.round_index for burst in log.bursts] == list(range(len(medians)))
    assert log.unsettled_blocks == set()


@pytest.mark.parametrize(("step", "settled"), [(1.04, True), (1.06, False)])
def test_windows_agree_within_five_per_cent(step: float, settled: bool) -> None:
    log = SampleLog()
    warm_up(fake_session(lambda run: int(100_000 * step**run)), log, SETTINGS, 1)
    assert log.unsettled_blocks == (set() if settled else {1})


def test_a_latency_that_never_settles_is_given_up_and_noted() -> None:
    log = SampleLog()
    warm_up(fake_session(lambda run: 100_000 * (1 + run % 2)), log, SETTINGS, 3)
    assert log.unsettled_blocks == {3}
    spent = log.total_ns(warmup=True)
    assert WARM_LIMIT * SETTINGS.warmup_time_ns <= spent <= (WARM_LIMIT + 1) * SETTINGS.warmup_time_ns


def test_each_block_is_warmed_up_for_itself() -> None:
    log = log_of(4000, 10_000, warmup=True, block=0)
    warm_up(fake_session(10_000), log, SETTINGS, 1)
    assert log.count(warmup=True, block=1) == 20


def test_warm_up_ends_even_if_no_time_seems_to_pass() -> None:
    """A clock too coarse for a tiny model answers zeros."""
    log = SampleLog()
    warm_up(fake_session(0), log, SETTINGS, 0)
    assert log.count(warmup=True) == SETTINGS.max_runs


def test_no_warm_up_wanted_still_means_one_run() -> None:
    for least in (0, 3):
        log = SampleLog()
        warm_up(fake_session(10_000), log, replace(SETTINGS, warmup_time_ns=0, warmup_min_runs=least), 0)
        assert log.count(warmup=True) == 1


def test_a_burst_is_marked_with_its_round_and_block_and_is_short() -> None:
    log = SampleLog()
    settings = replace(SETTINGS, max_time_ns=100 * BURST_NS)
    take_burst(fake_session(BURST_NS // 4), log, settings, round_index=3, block=1)
    (burst,) = log.bursts
    assert (burst.block, burst.round_index, burst.warmup) == (1, 3, False)
    assert burst.samples.latency_ns.sum() == BURST_NS


def test_bursts_stop_exactly_at_the_cap_on_runs() -> None:
    session, log = fake_session(1000), SampleLog()
    settings = replace(SETTINGS, min_runs=1, max_runs=560)
    log.add(0, 0, False, samples(550))
    log.add(0, 0, True, samples(60))
    take_burst(session, log, settings, round_index=4, block=1)
    assert log.count(warmup=False) == 560
    assert at_cap(log, settings)
    assert block_is_full(log, settings, 1, 1)


def test_bursts_stop_exactly_at_the_blocks_share_of_the_cap() -> None:
    session, log = fake_session(1000), SampleLog()
    log.add(0, 0, False, samples(460))
    take_burst(session, log, SETTINGS, round_index=7, block=0)
    assert log.count(warmup=False, block=0) == 500


def test_a_model_slower_than_a_burst_gets_one_run() -> None:
    log = SampleLog()
    take_burst(fake_session(10 * BURST_NS), log, SETTINGS, round_index=0, block=0)
    assert log.count(warmup=False) == 1


class Clock:
    """Time as a test says."""

    def __init__(self) -> None:
        self.now_ns = 10**15

    def __call__(self) -> int:
        return self.now_ns


def pair(*ratios: float, count: int = 1) -> tuple[SampleLog, SampleLog]:
    """Logs of a case and its baseline with this ratio in each block."""
    case, baseline = SampleLog(), SampleLog()
    for block, ratio in enumerate(ratios):
        case.add(block, 0, False, samples(count, round(1000 * ratio)))
        baseline.add(block, 0, False, samples(count, 1000))
    return case, baseline


SURE = (0.5,) * 4
UNSURE = (0.4, 0.6, 0.5, 0.45)
WIDE = replace(SETTINGS, max_time_ns=10**12)


def another(done: int, *pairs: tuple[SampleLog, SampleLog], settings: Settings = WIDE) -> bool:
    return Decision(settings, Clock()).another(done, [log for both in pairs for log in both], pairs)


def test_at_least_the_least_number_of_blocks() -> None:
    assert [another(done, pair(*SURE[:done])) for done in range(5)] == [True, True, True, True, False]


def test_at_most_the_greatest_number_of_blocks() -> None:
    assert [another(done, pair(*UNSURE)) for done in (4, 7, 8, 9)] == [True, True, False, False]


def test_only_precision_counts_not_significance() -> None:
    """Twice as fast without any doubt, but how much faster is not known well enough."""
    assert another(4, pair(*UNSURE))
    assert not another(4, pair(*UNSURE), settings=replace(WIDE, precision=0.5))
    # And the reverse: nothing shown to differ, but known precisely.
    assert not another(4, pair(1.0, 1.001, 0.999, 1.0))


def test_one_comparison_that_is_not_precise_goes_on_for_all() -> None:
    assert another(4, pair(*SURE), pair(*UNSURE))


def test_with_nothing_to_compare_the_least_number_of_blocks_is_enough() -> None:
    decision = Decision(WIDE, Clock())
    log = pair(*UNSURE)[0]
    assert decision.another(3, [log], [])
    assert not decision.another(4, [log], [])


def test_no_case_left_is_the_end() -> None:
    assert not Decision(WIDE, Clock()).another(0, [], [])


def test_caps_of_all_cases_end_it_before_the_least_number_of_blocks() -> None:
    full, open_case = log_of(4000, 1), log_of(1, 1)
    assert not Decision(WIDE, Clock()).another(1, [full, full], [])
    assert Decision(WIDE, Clock()).another(1, [full, open_case], [])


def test_a_pair_of_which_one_is_at_its_cap_asks_for_no_more() -> None:
    case, baseline = pair(*UNSURE)
    baseline.add(3, 1, False, samples(4000, 1))
    assert not another(4, (case, baseline))
    assert another(4, (case, baseline), pair(*UNSURE))


def test_the_budget_counts_the_slowest_block_so_far() -> None:
    clock = Clock()
    decision = Decision(replace(WIDE, budget_ns=1000), clock)
    log = pair(*UNSURE)[0]
    assert decision.another(0, [log], [])
    clock.now_ns += 300
    assert decision.another(1, [log], [])
    clock.now_ns += 100
    assert decision.another(2, [log], [])  # 400 gone, another 300 would do
    clock.now_ns += 300
    assert decision.another(3, [log], [])  # 700 gone, exactly
    clock.now_ns += 1
    assert not decision.another(3, [log], [])


def test_a_budget_that_is_too_short_for_anything_gives_one_block() -> None:
    clock = Clock()
    decision = Decision(replace(WIDE, budget_ns=1), clock)
    clock.now_ns += 50
    assert decision.another(0, [SampleLog()], [])
    assert not decision.another(1, [SampleLog()], [])
