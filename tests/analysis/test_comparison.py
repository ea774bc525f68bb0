from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pytest
from edgebench.analysis.comparison import (
    BURST_QUANTILE,
    MIN_BLOCKS,
    block_log_ratios,
    burst_value,
    compare,
    relative_half_width,
    t_interval,
)
from edgebench.records import Comparison, Difference
from scipy import stats

VALUES = (
    [0.1, 0.2, 0.3],
    [0.01, -0.02, 0.015, 0.0, -0.01, 0.02],
    list(np.random.default_rng(4).normal(0.05, 0.02, 12)),
)


def test_a_bursts_value_is_the_lower_quartile() -> None:
    assert BURST_QUANTILE == 0.25
    assert burst_value(np.arange(0, 50, 10)) == 10.0
    assert burst_value(np.array([7], np.int64)) == 7.0
    assert burst_value(np.array([30, 10], np.int64)) == 15.0  # between samples by linear interpolation


def test_disturbances_in_half_of_a_burst_do_not_reach_its_value() -> None:
    quiet = np.full(20, 1000, np.int64)
    disturbed = quiet.copy()
    disturbed[::2] = 50_000
    assert burst_value(disturbed) == burst_value(quiet) == 1000


def test_a_coarse_clocks_zero_has_a_logarithm() -> None:
    assert burst_value(np.zeros(5, np.int64)) == 1.0


def test_a_blocks_value_is_the_median_over_its_rounds() -> None:
    case = {(0, 0): 20.0, (0, 1): 40.0, (0, 2): 10.0, (1, 0): 10.0, (1, 1): 40.0}
    baseline = dict.fromkeys(case, 10.0)
    assert block_log_ratios(case, baseline) == pytest.approx([math.log(2), math.log(2)])


def test_only_bursts_of_the_same_block_and_round_are_paired() -> None:
    """Each round's speed cancels; a burst whose partner is missing (a worker died, a cap was reached) is left out."""
    speed = {(0, 0): 1.0, (0, 1): 5.0, (1, 0): 0.2, (2, 1): 9.0}
    case = {key: 300 * value for key, value in speed.items()} | {(0, 2): 1e9, (3, 0): 1e9}
    baseline = {key: 100 * value for key, value in speed.items()} | {(1, 1): 1.0, (4, 0): 1.0}
    assert block_log_ratios(case, baseline) == pytest.approx([math.log(3)] * 3)
    assert block_log_ratios(case, {}) == block_log_ratios({}, baseline) == []


def test_ratios_come_in_the_order_of_blocks_whatever_the_order_of_the_logs() -> None:
    case = {(11, 0): 4.0, (2, 0): 2.0, (0, 0): 1.0}
    assert block_log_ratios(case, dict.fromkeys(sorted(case), 1.0)) == pytest.approx([0, math.log(2), math.log(4)])


@pytest.mark.parametrize("values", VALUES, ids=len)
def test_the_interval_is_scipys(values: Sequence[float]) -> None:
    found = t_interval(values)
    expected = stats.ttest_1samp(values, 0.0).confidence_interval(0.95)
    assert found is not None
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high), rel=1e-12)
    assert found.mean == pytest.approx(np.mean(values))


@pytest.mark.parametrize("values", VALUES, ids=len)
def test_the_detectable_difference_is_found_four_times_in_five(values: Sequence[float]) -> None:
    """Against the exact power of the t test, which takes the noncentral distribution."""
    found = t_interval(values)
    assert found is not None
    freedom = len(values) - 1
    error = stats.sem(values)
    assert found.detectable == pytest.approx(error * (stats.t.ppf(0.975, freedom) + stats.t.ppf(0.8, freedom)))
    power = stats.nct.sf(stats.t.ppf(0.975, freedom), freedom, found.detectable / error)
    assert power == pytest.approx(0.8, abs=0.02 if len(values) >= 6 else 0.05)


@pytest.mark.parametrize("count", range(MIN_BLOCKS))
def test_too_few_blocks_have_no_interval_but_a_reason(count: int) -> None:
    ratios = [0.1] * count
    assert t_interval(ratios) is None
    assert relative_half_width(ratios) == math.inf
    reason = f"{count} blocks in common with the baseline, 3 needed".replace("1 blocks", "1 block")
    assert compare("base", ratios) == Comparison("base", blocks=count, unavailable={"ratio": reason})


def test_the_half_width_is_relative() -> None:
    ratios = [0.01, -0.02, 0.015, 0.0, -0.01, 0.02]
    found = compare("base", ratios)
    assert found.low is not None
    assert found.high is not None
    assert relative_half_width(ratios) == pytest.approx(math.sqrt(found.high / found.low) - 1)
    assert relative_half_width([0.5] * 6) == 0


def test_figures_are_taken_back_from_logarithms() -> None:
    ratios = [math.log(value) for value in (0.5, 0.6, 0.55, 0.52)]
    interval, found = t_interval(ratios), compare("base", ratios)
    assert interval is not None
    assert (found.baseline, found.blocks, found.unavailable) == ("base", 4, {})
    assert found.ratio == pytest.approx((0.5 * 0.6 * 0.55 * 0.52) ** 0.25)
    assert (found.low, found.high) == (math.exp(interval.low), math.exp(interval.high))
    assert found.detectable == math.expm1(interval.detectable)


def test_twice_as_slow_mirrors_twice_as_fast() -> None:
    ratios = [0.68, 0.70, 0.69, 0.71]
    slow, fast = compare("base", ratios), compare("base", [-value for value in ratios])
    assert slow.ratio is not None
    assert slow.low is not None
    assert fast.ratio == pytest.approx(1 / slow.ratio)
    assert fast.high == pytest.approx(1 / slow.low)
    assert (slow.difference, fast.difference) == (Difference.SLOWER, Difference.FASTER)


def test_a_difference_is_shown_only_where_the_interval_leaves_one_out() -> None:
    noise = np.array([-1.0, 0.0, 1.0])
    interval = t_interval(list(noise))
    assert interval is not None
    for shift, expected in (
        (interval.high * 1.001, Difference.SLOWER),
        (interval.high * 0.999, Difference.NONE_SHOWN),
        (0.0, Difference.NONE_SHOWN),
        (interval.low * 0.999, Difference.NONE_SHOWN),
        (interval.low * 1.001, Difference.FASTER),
    ):
        assert compare("base", list(noise + shift)).difference is expected
    assert compare("base", [0.0] * 6).difference is Difference.NONE_SHOWN


#: What a shared machine does to a latency of 1 ms: the standard deviation of the processes' own offsets, the mean of
#: the noise in a burst, how far speed wanders, and over how many bursts it does so.
PROCESS_OFFSET = 0.01
BURST_NOISE = 0.05
DRIFT = 0.2
DRIFT_BURSTS = 200
SAMPLES = 20

Bursts = dict[tuple[int, int], float]


def bursts(random: np.random.Generator, true_ratio: float, blocks: int, rounds: int) -> tuple[Bursts, Bursts]:
    """Return burst values of a case and its baseline that took turns.

    Every process has an offset of its own for as long as it lives. Every latency is pushed up by skewed noise. The
    machine's speed wanders, and has moved on from one burst of a round to the other.
    """
    offset = np.exp(random.normal(0, PROCESS_OFFSET, (blocks, 1, 2)))
    place = np.arange(rounds * 2).reshape(1, rounds, 2) / DRIFT_BURSTS + random.uniform(0, 1, (blocks, 1, 1))
    drift = 1 + DRIFT * np.sin(2 * np.pi * place)
    for block in range(blocks):  # each comes first in every other round, and in the first round of every other block
        drift[block, (block + 1) % 2 :: 2] = drift[block, (block + 1) % 2 :: 2, ::-1]
    speed = 1e6 * offset * drift * np.array([true_ratio, 1.0])
    latencies = speed[..., None] * (1 + random.exponential(BURST_NOISE, (blocks, rounds, 2, SAMPLES)))
    values = np.quantile(latencies, BURST_QUANTILE, axis=-1)
    case, baseline = (
        {(b, r): float(values[b, r, which]) for b in range(blocks) for r in range(rounds)} for which in (0, 1)
    )
    return case, baseline


def simulated(random: np.random.Generator, true_ratio: float, blocks: int = 6, rounds: int = 5) -> list[float]:
    """Return log ratios by block."""
    return block_log_ratios(*bursts(random, true_ratio, blocks, rounds))


def share_called_different(true_ratio: float, runs: int, seed: int) -> float:
    random = np.random.default_rng(seed)
    found = [compare("base", simulated(random, true_ratio)) for _ in range(runs)]
    return sum(item.difference is not Difference.NONE_SHOWN for item in found) / runs


def test_identical_cases_are_called_different_as_often_as_promised() -> None:
    """One time in twenty; the bounds hold 99 % of what 400 comparisons at that rate give."""
    low, high = stats.binom.interval(0.99, 400, 0.05)
    assert low <= 400 * share_called_different(1.0, 400, seed=1) <= high


@pytest.mark.parametrize("true_ratio", [1.05, 1 / 1.05])
def test_a_difference_of_five_per_cent_is_found(true_ratio: float) -> None:
    assert share_called_different(true_ratio, 200, seed=2) > 0.95


def test_estimates_are_centred_on_the_truth() -> None:
    random = np.random.default_rng(3)
    ratios = [compare("base", simulated(random, 1.05)).ratio or 0.0 for _ in range(200)]
    assert float(np.mean(ratios)) == pytest.approx(1.05, abs=0.002)


@pytest.mark.parametrize("precision", [0.01, 0.015, 0.02])
def test_stopping_at_precision_costs_little_of_the_promise(precision: float) -> None:
    """Six to twelve blocks, until the ratio is known well enough.

    Runs whose blocks agree by chance stop early with an interval that is too narrow: of 12,000 comparisons simulated
    like these, at the worst precision for the noise, 6.9 % were called different, not 5 %. To stop at the first block
    after which a difference shows would call 13 % different.
    """
    random = np.random.default_rng(5)
    different = 0
    for _ in range(400):
        ratios = simulated(random, 1.0, blocks=12)
        blocks = next((n for n in range(6, 12) if relative_half_width(ratios[:n]) <= precision), 12)
        different += compare("base", ratios[:blocks]).difference is not Difference.NONE_SHOWN
    assert different <= stats.binom.ppf(0.995, 400, 0.069)


def test_rounds_of_one_pair_of_processes_as_the_unit_would_call_most_copies_different() -> None:
    """Why there are blocks: 30 rounds of one pair share its offset, and more rounds only make that offset surer."""
    random = np.random.default_rng(6)
    different = {"rounds": 0, "blocks": 0}
    for _ in range(200):
        case, baseline = bursts(random, 1.0, blocks=1, rounds=30)
        rounds = [math.log(case[key] / baseline[key]) for key in case]
        different["rounds"] += compare("base", rounds).difference is not Difference.NONE_SHOWN
        different["blocks"] += compare("base", simulated(random, 1.0)).difference is not Difference.NONE_SHOWN
    assert different["rounds"] > 0.5 * 200
    assert different["blocks"] < 0.1 * 200


def test_stopping_early_does_not_narrow_the_interval() -> None:
    wild, calm = [0.02, -0.03, 0.025, -0.01, 0.03, -0.02], [0.002, -0.001, 0.001, -0.002, 0.0, 0.001]
    plain, staged = t_interval(wild + calm), t_interval(wild + calm, first_stage=6)
    assert plain is not None
    assert staged is not None
    first = t_interval(wild)
    assert first is not None
    # Stein: the first stage's spread with its degrees of freedom, over the square root of all blocks.
    assert staged.high - staged.mean == pytest.approx((first.high - first.mean) / 2**0.5)
    assert staged.high - staged.low > plain.high - plain.low
    assert staged.detectable > plain.detectable


def test_first_stage_never_narrows_what_all_blocks_say() -> None:
    calm, wild = [0.002, -0.001, 0.001, -0.002, 0.0, 0.001], [0.02, -0.03, 0.025, -0.01, 0.03, -0.02]
    assert t_interval(calm + wild, first_stage=6) == t_interval(calm + wild)
