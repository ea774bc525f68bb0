from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from edgebench.analysis.comparison import burst_value
from edgebench.analysis.samples import CaseSamples, sample_findings
from edgebench.findings import Code, Finding, Severity

Array = np.ndarray[Any, Any]
MS = 1_000_000


def samples_from(
    draw: Callable[[int, int], Array], blocks: int = 6, rounds: int = 5, unsettled: int = 0
) -> CaseSamples:
    """Samples whose burst of a block and round is ``draw(block, round)``, in ns."""
    bursts = {(block, turn): draw(block, turn).astype(np.int64) for block in range(blocks) for turn in range(rounds)}
    by_block = [np.concatenate([bursts[block, turn] for turn in range(rounds)]) for block in range(blocks)]
    return CaseSamples(by_block, {key: burst_value(burst) for key, burst in bursts.items()}, unsettled)


def noisy(rng: np.random.Generator, noise: float = 0.03, runs: int = 20) -> Callable[[int, int], Array]:
    """Ordinary noise around 8 ms: of samples, bursts and processes, and pauses of some ms in every thirtieth run."""
    offsets = rng.normal(0, noise / 3, 100)

    def draw(block: int, _turn: int) -> Array:
        level = offsets[block] + rng.normal(0, noise / 3)
        latency = 8 * MS * np.exp(level + rng.normal(0, noise, runs))
        paused: Array = np.where(rng.random(runs) < 1 / 30, latency + rng.exponential(4 * MS, runs), latency)
        return paused

    return draw


def found(samples: CaseSamples) -> dict[Code, Finding]:
    findings = {finding.code: finding for finding in sample_findings(samples)}
    for finding in findings.values():
        assert finding.severity is Severity.SUSPECT
        assert finding.reason
        assert finding.hint
        assert "\n" not in finding.reason + finding.hint
    return findings


def quiet(_block: int, _turn: int) -> Array:
    return np.full(20, 8 * MS)


def test_equal_samples_have_no_findings() -> None:
    assert found(samples_from(quiet)) == {}
    assert sample_findings(CaseSamples([], {})) == []


@pytest.mark.parametrize(
    ("runs", "blocks", "noise"), [(20, 6, 0.03), (2, 6, 0.03), (200, 6, 0.03), (20, 12, 0.03), (20, 6, 0.08)]
)
def test_ordinary_noise_is_seldom_called_anything(runs: int, blocks: int, noise: float) -> None:
    """At most 2 % of 300 runs: whoever warns in every tenth is not believed in the one that matters."""
    rng = np.random.default_rng(7)
    seen: Counter[Code] = Counter()
    for _ in range(300):
        seen.update(found(samples_from(noisy(rng, noise, runs), blocks)).keys())
    assert sum(seen.values()) <= 6, seen


@pytest.mark.parametrize(("count", "named"), [(1, "1 sample,"), (10, "10 samples,"), (11, None)])
def test_fewer_than_eleven_samples_have_no_median(count: int, named: str | None) -> None:
    findings = found(CaseSamples([np.full(count, MS)], {(0, 0): float(MS)}))
    assert (Code.FEW_SAMPLES in findings) is (named is not None)
    if named:
        assert findings[Code.FEW_SAMPLES].reason.startswith(named)
        assert "--min-runs 11" in findings[Code.FEW_SAMPLES].hint


@pytest.mark.parametrize(("blocks", "named"), [(1, "1 block,"), (2, "2 blocks,"), (3, None)])
def test_fewer_than_three_blocks_have_no_interval(blocks: int, named: str | None) -> None:
    findings = found(samples_from(quiet, blocks))
    assert list(findings) == ([Code.FEW_BLOCKS] if named else [])
    if named:
        assert findings[Code.FEW_BLOCKS].reason.startswith(named)


@pytest.mark.parametrize(("unsettled", "named"), [(0, False), (1, False), (2, True), (6, True)])
def test_one_cold_block_of_six_is_absorbed(unsettled: int, named: bool) -> None:
    findings = found(samples_from(quiet, unsettled=unsettled))
    assert list(findings) == ([Code.NOT_WARM] if named else [])
    if named:
        assert f"in {unsettled} of 6 blocks" in findings[Code.NOT_WARM].reason


def drifting(total: float, blocks: int, rounds: int) -> CaseSamples:
    rng = np.random.default_rng(3)
    steps = blocks * rounds - 1

    def draw(block: int, turn: int) -> Array:
        level: Array = 8 * MS * (1 + total) ** ((block * rounds + turn) / steps) * np.exp(rng.normal(0, 0.004, 20))
        return level

    return samples_from(draw, blocks, rounds)


@pytest.mark.parametrize(("total", "way"), [(0.2, "slower"), (-0.2, "faster")])
@pytest.mark.parametrize(("blocks", "rounds", "unit"), [(6, 5, "blocks"), (12, 5, "blocks"), (1, 20, "bursts")])
def test_a_drift_is_found_over_blocks_or_bursts(total: float, way: str, blocks: int, rounds: int, unit: str) -> None:
    reason = found(drifting(total, blocks, rounds))[Code.DRIFT].reason
    assert way in reason
    assert reason.endswith(unit)


def test_a_small_drift_is_no_finding_however_sure() -> None:
    assert Code.DRIFT not in found(drifting(0.04, 12, 20))


def test_a_step_in_one_block_is_no_drift() -> None:
    assert found(samples_from(lambda block, _: np.full(20, (12 if block == 3 else 8) * MS))) == {}


def grouped(share: float, distance: float, noise: float = 0.01) -> CaseSamples:
    rng = np.random.default_rng(5)

    def draw(_block: int, _turn: int) -> Array:
        latency: Array = 8 * MS * np.exp(rng.normal(0, noise, 40)) * np.where(rng.random(40) < share, 1 + distance, 1)
        return latency

    return samples_from(draw)


@pytest.mark.parametrize(
    ("share", "distance", "named"),
    [(0.3, 0.2, True), (0.5, 1.0, True), (0.7, 0.3, True), (0.1, 0.5, False), (0.5, 0.05, False)],
)
def test_two_groups_need_size_and_distance(share: float, distance: float, named: bool) -> None:
    findings = found(grouped(share, distance))
    assert (Code.TWO_MODES in findings) is named
    if named:
        assert "around 8" in findings[Code.TWO_MODES].reason


@pytest.mark.parametrize("shape", ["normal", "uniform", "exponential"])
def test_one_wide_hump_is_not_parted(shape: str) -> None:
    rng = np.random.default_rng(11)
    draws: dict[str, Callable[[], Array]] = {
        "normal": lambda: np.exp(rng.normal(0, 0.3, 40)),
        "uniform": lambda: rng.uniform(1, 3, 40),
        "exponential": lambda: 1 + rng.exponential(1, 40),
    }
    for _ in range(50):
        assert Code.TWO_MODES not in found(samples_from(lambda *_: 8 * MS * draws[shape]()))


def test_a_few_long_pauses_are_no_group() -> None:
    def draw(_block: int, turn: int) -> Array:
        latency = np.full(20, 8 * MS)
        latency[turn] = 900 * MS
        return latency

    assert found(samples_from(draw)) == {}


@pytest.mark.parametrize(("size", "named"), [(0.04, False), (0.20, True)])
def test_bursts_far_apart_are_named(size: float, named: bool) -> None:
    """Speeds that change from burst to burst, evenly over the range: neither a trend nor two groups."""
    levels = np.random.default_rng(2).permutation(np.linspace(1, 1 + 2 * size, 30)).reshape(6, 5)
    findings = found(samples_from(lambda block, turn: np.full(20, 8 * MS * levels[block, turn])))
    assert list(findings) == ([Code.SPREAD] if named else [])


def test_disturbed_bursts_below_a_quarter_do_not_spread() -> None:
    assert found(samples_from(lambda _, turn: np.full(20, (40 if turn == 0 else 8) * MS), rounds=6)) == {}


def test_a_clock_that_answers_zeros_breaks_nothing() -> None:
    assert found(samples_from(lambda *_: np.zeros(20))) == {}
