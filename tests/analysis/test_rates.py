from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pytest
from edgebench.analysis.comparison import t_interval
from edgebench.analysis.rates import RateLog, Runs, shared_rate, throughput, typical_rate

S = 1_000_000_000


def runs(begin_ns: int, *latencies_ns: int, pause_ns: int = 0) -> Runs:
    """Runs one after the other with a pause between them."""
    latencies = np.array(latencies_ns, np.int64)
    starts = begin_ns + np.concatenate([[0], np.cumsum(latencies[:-1] + pause_ns)]).astype(np.int64)
    return starts, latencies


def test_a_process_rate_is_that_of_its_median_run() -> None:
    latency_ns = np.array([S, S // 2, S // 2, S // 2, 50 * S], np.int64)
    assert typical_rate(latency_ns, 4) == pytest.approx(8.0)
    assert math.isfinite(typical_rate(np.zeros(3, np.int64), 1))


def test_workers_count_together_only_while_all_run() -> None:
    first = runs(0, *[S] * 10)
    late = runs(4 * S, *[2 * S] * 2)
    # From 4 s to 8 s: four runs of the first, two of the other.
    assert shared_rate([first, late], 1) == pytest.approx(6 / 4)
    assert shared_rate([first, late], 3) == pytest.approx(3 * 6 / 4)


def test_a_run_across_an_edge_counts_by_its_share_inside() -> None:
    slow, other = runs(0, 10 * S), runs(4 * S, 10 * S)
    assert shared_rate([slow, other], 1) == pytest.approx(2 / 10)


def test_the_lead_is_left_out_but_never_more_than_half() -> None:
    fast = runs(0, *[S] * 4, *[S // 2] * 8)
    assert shared_rate([fast], 1) == pytest.approx(12 / 8)
    assert shared_rate([fast], 1, lead_ns=2 * S) == pytest.approx(10 / 6)
    assert shared_rate([fast], 1, lead_ns=100 * S) == pytest.approx(2.0)


def test_workers_that_never_ran_together_have_no_rate() -> None:
    assert shared_rate([runs(0, S), runs(2 * S, S)], 1) is None


def log(*rates: float, first_block: int = 0, noise: Sequence[float] = (1.0,)) -> RateLog:
    """Blocks with these rates, whose rounds are disturbed by the factors."""
    found = RateLog()
    for block, rate in enumerate(rates, first_block):
        found.blocks[block] = rate
        found.rounds.update({(block, turn): rate * factor for turn, factor in enumerate(noise)})
    return found


def test_a_rate_is_the_mean_of_logarithms_with_students_interval() -> None:
    rates = (90.0, 100.0, 112.0)
    own = log(*rates)
    row = throughput(4, 1, own, own)
    wanted = t_interval([math.log(value) for value in rates])
    assert wanted is not None
    assert (row.batch, row.workers, row.speedup, row.speedup_low) == (4, 1, 1.0, None)
    assert row.items_per_s == pytest.approx(math.exp(wanted.mean))
    assert row.low == pytest.approx(math.exp(wanted.low))
    assert row.high == pytest.approx(math.exp(wanted.high))
    assert not row.unavailable


def test_the_speedup_cancels_what_hit_a_block_or_a_round_as_a_whole() -> None:
    noise = (1.0, 0.2, 3.0)
    row = throughput(1, 2, log(19.0, 76.0, 38.0, noise=noise), log(10.0, 40.0, 20.0, noise=noise))
    assert row.speedup == pytest.approx(1.9)
    assert row.speedup_low == pytest.approx(1.9)
    assert row.speedup_high == pytest.approx(1.9)
    assert row.high is not None
    assert row.low is not None
    assert row.high / row.low > 10


def test_two_blocks_give_figures_but_no_interval() -> None:
    first = log(10.0, 10.0)
    row = throughput(2, 1, log(20.0, 20.0), first)
    assert row.items_per_s == pytest.approx(20.0)
    assert row.speedup == pytest.approx(2.0)
    assert (row.low, row.speedup_low) == (None, None)
    assert row.unavailable["low"] == "2 blocks, 3 needed for an interval"
    assert throughput(2, 1, log(20.0), first).unavailable["low"].startswith("1 block,")


@pytest.mark.parametrize(
    ("first", "reason"),
    [
        (None, "the first row was not measured"),
        (log(1.0, first_block=7), "no block in common with the first row"),
    ],
)
def test_without_a_first_row_there_is_no_speedup(first: RateLog | None, reason: str) -> None:
    row = throughput(2, 1, log(20.0), first)
    assert row.speedup is None
    assert row.unavailable["speedup"] == reason


def test_without_blocks_there_is_nothing() -> None:
    row = throughput(2, 1, RateLog(), log(1.0))
    assert row.items_per_s is None
    assert row.unavailable == {"items_per_s": "no block was measured"}
