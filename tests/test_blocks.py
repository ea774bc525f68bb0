from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from edgebench.analysis.comparison import compare
from edgebench.blocks import MAX_GROUP, memory_budget
from edgebench.devices.base import WorkerLink
from edgebench.devices.fake import FakeDevice, FakeModel
from edgebench.errors import RuntimeRefused, UsageError, WorkerDied
from edgebench.findings import Code
from edgebench.records import Comparison, Difference, Latency, Status
from edgebench.rounds import MIN_ROUNDS, log_ratios
from edgebench.spec import DEFAULT_SETTINGS
from fake_runs import MS, PLENTY, Models, build, outcomes, ran, results

#: Short blocks: five rounds of 20 ms each.
SETTINGS = replace(DEFAULT_SETTINGS, min_runs=1, min_time_ns=0, warmup_time_ns=20 * MS)
S = 1000 * MS


class Loading(FakeDevice):
    """Remembers which stem each timing worker loaded, and when each case was first asked to burst in a round."""

    def __init__(self, models: Models) -> None:
        super().__init__(models)
        self.stems: dict[int, str] = {}
        self.requests: list[tuple[str, str, int]] = []

    def start_worker(self, python: str) -> WorkerLink:
        return _LoadingLink(self, super().start_worker(python))

    def started(self) -> list[str]:
        """Stems in the order of their loading for timing: memory workers, which come first, are left out."""
        return [stem for stem, command, _ in self.requests if command == "load"][len(self.models) :]


class _LoadingLink(WorkerLink):
    def __init__(self, device: Loading, link: WorkerLink) -> None:
        self._device, self._link = device, link
        self._stem = ""

    def request(self, command: str, timeout_s: float, **fields: Any) -> dict[str, Any]:
        if command == "load":
            self._stem = Path(fields["model_path"]).stem
        self._device.requests.append((self._stem, command, self._device.open_workers))
        return self._link.request(command, timeout_s, **fields)

    def close(self) -> None:
        self._link.close()


def per_process(*latencies_ns: int) -> Callable[[int], int]:
    """A model whose every process has a speed of its own, the memory process's first."""
    speeds = itertools.chain(latencies_ns, itertools.cycle(latencies_ns[1:]))
    now = 0

    def latency(run: int) -> int:
        nonlocal now
        now = next(speeds) if run == 0 else now
        return now

    return latency


def latency_of(found: Any) -> Latency:
    assert found.latency is not None
    latency: Latency = found.latency
    return latency


def comparison_of(found: Any) -> Comparison:
    assert found.comparison is not None
    comparison: Comparison = found.comparison
    return comparison


IMPRECISE = (10 * MS, 4 * MS, 6 * MS)


def test_precise_comparisons_stop_after_the_least_number_of_blocks(tmp_path: Path) -> None:
    found, _ = ran(tmp_path, {"a": FakeModel(2 * MS), "b": FakeModel(MS)}, SETTINGS)
    assert [latency_of(found[stem]).blocks for stem in "ab"] == [6, 6]
    compared = comparison_of(found["b"])
    assert (compared.baseline, compared.blocks) == (found["a"].case_id, 6)
    assert [compared.ratio, compared.low, compared.high, compared.detectable] == pytest.approx([0.5, 0.5, 0.5, 0])
    assert compared.difference is Difference.FASTER
    assert found["a"].comparison is None


def test_precision_stops_as_soon_as_it_is_reached(tmp_path: Path) -> None:
    """The case's processes alternate by 2 % around the baseline: half a per cent needs more blocks than 3 %."""
    blocks = {}
    for precision in (0.005, 0.01, 0.03):
        models = {"a": FakeModel(1_000_000), "b": FakeModel(per_process(1_000_000, 990_000, 1_010_000))}
        found, _ = ran(tmp_path, models, replace(SETTINGS, precision=precision, max_blocks=60))
        compared = comparison_of(found["b"])
        assert compared.low is not None
        assert compared.high is not None
        assert math.sqrt(compared.high / compared.low) - 1 <= precision
        blocks[precision] = compared.blocks
    assert 6 == blocks[0.03] < blocks[0.01] < blocks[0.005] < 60


def test_a_great_difference_that_is_not_precise_goes_on_to_the_end(tmp_path: Path) -> None:
    """Significance never stops a run: looked for after each block it is found in noise."""
    found, _ = ran(tmp_path, {"a": FakeModel(20 * MS), "b": FakeModel(per_process(*IMPRECISE))}, SETTINGS)
    compared = comparison_of(found["b"])
    assert compared.blocks == SETTINGS.max_blocks == 12
    assert compared.difference is Difference.FASTER
    assert compared.high is not None
    assert compared.high < 0.5


def test_the_record_says_what_the_samples_say(tmp_path: Path) -> None:
    models = {"a": FakeModel(20 * MS), "b": FakeModel(per_process(*IMPRECISE))}
    runner, _ = build(tmp_path, models, SETTINGS)
    runner.run()
    found = outcomes(runner)
    ratios = log_ratios(found["b"].log, found["a"].log)
    assert np.exp(ratios) == pytest.approx([0.2, 0.3] * 6)
    assert found["b"].result.comparison == compare(found["a"].case.case_id, ratios, SETTINGS.min_blocks)


@pytest.mark.parametrize("blocks", [1, 2, 3, 7])
def test_as_many_blocks_as_asked(tmp_path: Path, blocks: int) -> None:
    settings = replace(SETTINGS, min_blocks=blocks, max_blocks=blocks)
    found, device = ran(tmp_path, {"a": FakeModel(), "b": FakeModel(per_process(*IMPRECISE))}, settings)
    assert latency_of(found["b"]).blocks == blocks
    assert len({number for number, _ in device.log}) == 2 + 2 * blocks
    compared = comparison_of(found["b"])
    assert (compared.ratio is None) is (blocks < 3)
    said = {1: "1 block in common with the baseline, 3 needed", 2: "2 blocks in common with the baseline, 3 needed"}
    assert compared.unavailable == ({"ratio": said[blocks]} if blocks in said else {})


def test_each_block_has_fresh_workers_and_closes_them_before_the_next(tmp_path: Path) -> None:
    models = {"a": FakeModel(), "b": FakeModel(), "c": FakeModel()}
    device = Loading(models)
    ran(tmp_path, models, SETTINGS, device=device)
    numbers = [number for number, _ in device.log]
    workers = list(dict.fromkeys(numbers))
    assert workers == list(range(1, 3 + 6 * 3 + 1))
    for first in range(4, 3 + 6 * 3, 3):  # every worker of a block is done before any of the next begins
        block, later = range(first, first + 3), [i for i, number in enumerate(numbers) if number >= first + 3]
        assert max(i for i, number in enumerate(numbers) if number in block) < min(later, default=len(numbers))
    assert max(opened for _, _, opened in device.requests) == 3


def test_one_worker_is_active_at_a_time_and_rounds_are_whole(tmp_path: Path) -> None:
    """Each round holds each case once, and starts with the next case; blocks start it further on."""
    models = {"a": FakeModel(), "b": FakeModel(), "c": FakeModel()}
    runner, _ = build(tmp_path, models, SETTINGS)
    runner.run()
    steady = sorted(
        (int(burst.samples.start_ns[0]), burst.block, burst.round_index, stem)
        for stem, outcome in outcomes(runner).items()
        for burst in outcome.log.select(warmup=False)
    )
    rounds = [list(group) for _, group in itertools.groupby(steady, key=lambda item: item[1:3])]
    assert len(rounds) == 6 * MIN_ROUNDS
    order = ["".join(stem for *_, stem in group) for group in rounds]
    turned = ["abc", "bca", "cab"]
    assert order == [turned[(block + index) % 3] for block in range(6) for index in range(MIN_ROUNDS)]


def test_blocks_start_their_workers_in_rotated_order(tmp_path: Path) -> None:
    models = {"a": FakeModel(), "b": FakeModel(), "c": FakeModel()}
    device = Loading(models)
    ran(tmp_path, models, SETTINGS, device=device)
    assert "".join(device.started()) == "abcbcacab" * 2


def test_the_start_order_rotates_in_every_group(tmp_path: Path) -> None:
    """Two groups of two: had they one counter, each group would always start with the same case."""
    models = {name: FakeModel(peak_rss_bytes=300_000_000) for name in "abc"}
    device = Loading(models)
    ran(tmp_path, models, SETTINGS, device=device, available=1_000_000_000)
    assert "".join(device.started()) == "abac" + "baca" + "abac" + "baca" + "abac" + "baca"


def test_every_group_has_the_baseline_and_blocks_of_its_own(tmp_path: Path) -> None:
    models = {f"m{i:02}": FakeModel((1 + i) * MS) for i in range(MAX_GROUP + 3)}
    runner, device = build(tmp_path, models, SETTINGS)
    runner.run()
    found = outcomes(runner)
    base = found.pop("m00")
    for index, outcome in enumerate(found.values(), start=1):
        compared = comparison_of(outcome.result)
        assert compared.baseline == base.case.case_id
        assert compared.blocks == 6
        assert compared.ratio == pytest.approx(1 + index)
    assert latency_of(base.result).blocks == 12  # fresh workers for each group
    seen = [{burst.block for burst in outcome.log.bursts} for outcome in found.values()]
    assert seen[0] == {0, 2, 4, 6, 8, 10}
    assert seen[-1] == {1, 3, 5, 7, 9, 11}
    assert device.open_workers == 0


def test_the_caps_of_a_baseline_hold_for_each_group(tmp_path: Path) -> None:
    """With half the samples left for each group the second would have nothing to compare with."""
    models = {name: FakeModel(10 * MS, peak_rss_bytes=300_000_000) for name in "abc"}
    settings = replace(SETTINGS, max_runs=60)
    found, _ = ran(tmp_path, models, settings, available=1_000_000_000)
    assert [latency_of(found[stem]).count for stem in "abc"] == [60, 30, 30]
    assert [comparison_of(found[stem]).blocks for stem in "bc"] == [6, 6]


@pytest.mark.parametrize(("budget_ns", "blocks"), [(1, 1), (S, 1), (2 * S, 2), (4 * S, 4), (60 * S, 6)])
def test_the_budget_ends_timing_before_it_is_spent(tmp_path: Path, budget_ns: int, blocks: int) -> None:
    """A block takes 0.96 s here; one there is in any case."""
    models = {"a": FakeModel(60 * MS), "b": FakeModel(60 * MS)}
    runner, device = build(tmp_path, models, replace(SETTINGS, budget_ns=budget_ns))
    starts = []
    runner._progress.advance = lambda: starts.append(device.now_ns)  # type: ignore[method-assign]
    runner.run()
    found = results(runner)
    assert {latency_of(case).blocks for case in found.values()} == {blocks}
    assert {case.status for case in found.values()} == {Status.OK}
    spent = device.now_ns - starts[1]  # two cases were checked
    assert spent <= budget_ns or blocks == 1


def test_a_budget_reaches_as_far_as_it_can(tmp_path: Path) -> None:
    models = {"a": FakeModel(20 * MS), "b": FakeModel(per_process(*IMPRECISE))}
    found, _ = ran(tmp_path, models, replace(SETTINGS, budget_ns=3 * S))
    assert 6 < comparison_of(found["b"]).blocks < 12


@pytest.mark.parametrize(
    ("changes", "latency_ns", "blocks", "count"),
    [
        ({}, 5 * S, 6, 6),  # 30 s inside the model at most: one run in each block
        ({}, 10 * S, 3, 3),
        ({}, 40 * S, 1, 1),
        ({}, 2 * S, 6, 12),  # a third run in each block would need 36 s
        ({}, 4990 * MS, 6, 6),
        ({"max_time_ns": 60 * S}, 5 * S, 6, 12),
        ({"max_runs": 1}, MS, 1, 1),
        ({"max_runs": 3}, MS, 3, 3),
        ({"max_runs": 70, "min_runs": 70}, MS, 6, 70),  # the minimum is reached in the least number of blocks
        ({"max_runs": 71, "min_runs": 50}, MS, 6, 54),  # nine in each block, though twelve blocks may have six only
        ({"max_runs": 240}, 2_000, 6, 120),  # twenty in each of the twelve blocks there may be
        ({"min_runs": 1200}, MS, 6, 1200),
        ({"min_time_ns": 6 * S}, MS, 6, 6000),
    ],
)
def test_how_many_samples_in_all(
    tmp_path: Path, changes: dict[str, Any], latency_ns: int, blocks: int, count: int
) -> None:
    models = {"a": FakeModel(latency_ns), "b": FakeModel(latency_ns)}
    found, _ = ran(tmp_path, models, replace(SETTINGS, **changes))
    for case in found.values():
        assert (latency_of(case).blocks, latency_of(case).count) == (blocks, count)


def test_never_more_than_the_cap_however_many_blocks(tmp_path: Path) -> None:
    models = {"a": FakeModel(20 * MS), "b": FakeModel(per_process(*IMPRECISE))}
    found, _ = ran(tmp_path, models, replace(SETTINGS, max_runs=65))
    assert [latency_of(found[stem]).count for stem in "ab"] == [55, 65]


def test_a_slow_case_keeps_its_cap_beside_a_quick_one(tmp_path: Path) -> None:
    """One run of 5 s in a block is its share; the others' five rounds must not make it five runs."""
    models = {"quick": FakeModel(MS), "slow": FakeModel(5 * S), "slower": FakeModel(10 * S)}
    found, _ = ran(tmp_path, models, SETTINGS)
    assert {stem: latency_of(case).count for stem, case in found.items()} == {"quick": 600, "slow": 6, "slower": 3}
    assert comparison_of(found["slow"]).blocks == 6
    assert comparison_of(found["slow"]).ratio == pytest.approx(5000)
    assert comparison_of(found["slower"]).blocks == 3


def test_a_slow_baseline_keeps_its_cap_too(tmp_path: Path) -> None:
    models = {"base": FakeModel(10 * S), "quick": FakeModel(per_process(*IMPRECISE))}
    found, _ = ran(tmp_path, models, SETTINGS)
    assert latency_of(found["base"]).count == 3
    assert latency_of(found["quick"]).blocks == 6  # and no further block, which would have no pair
    assert comparison_of(found["quick"]).blocks == 3


def test_a_slow_model_is_warmed_up_by_one_run(tmp_path: Path) -> None:
    found, _ = ran(tmp_path, {"a": FakeModel(5 * S)}, SETTINGS)
    assert latency_of(found["a"]).warmup_count == 6
    assert found["a"].notes == ()


def test_a_clock_too_coarse_for_the_model_breaks_nothing(tmp_path: Path) -> None:
    found, _ = ran(tmp_path, {"a": FakeModel(0), "b": FakeModel(0)}, replace(SETTINGS, max_runs=240))
    assert {case.status for case in found.values()} == {Status.OK}
    assert comparison_of(found["b"]).ratio == 1


def test_a_warm_up_that_never_settles_is_a_finding_with_the_number_of_blocks(tmp_path: Path) -> None:
    wild = FakeModel(lambda run: 15 * MS if run % 2 else 30 * MS)
    found, _ = ran(tmp_path, {"a": FakeModel(), "wild": wild}, SETTINGS)
    blocks = latency_of(found["wild"]).blocks
    reasons = {finding.code: finding.reason for finding in found["wild"].findings}
    assert reasons[Code.NOT_WARM].endswith(f"was cut off, in {blocks} of {blocks} blocks")
    assert (found["wild"].notes, found["a"].notes, found["a"].findings) == ((), (), ())
    single, _ = ran(tmp_path, {"wild": wild}, replace(SETTINGS, min_blocks=1, max_blocks=1))
    reasons = {finding.code: finding.reason for finding in single["wild"].findings}
    assert reasons[Code.NOT_WARM].endswith("was cut off, in 1 of 1 block")


def test_start_up_times_are_the_medians_of_the_blocks_workers(tmp_path: Path) -> None:
    speeds = per_process(9 * MS, 1 * MS, 7 * MS, 2 * MS, 3 * MS, 4 * MS, 5 * MS)
    found, _ = ran(tmp_path, {"a": FakeModel(speeds)}, SETTINGS)
    assert found["a"].first_inference_ns == 3.5 * MS
    assert found["a"].load_ns == 5 * MS


@pytest.mark.parametrize(("wanted", "baseline"), [(None, "a"), ("b", "b"), ("c", "c")])
def test_the_baseline_can_be_chosen(tmp_path: Path, wanted: str | None, baseline: str) -> None:
    models = {name: FakeModel((1 + i) * MS) for i, name in enumerate("abc")}
    found, _ = ran(tmp_path, models, SETTINGS, baseline=wanted)
    assert found[baseline].comparison is None
    for stem in set("abc") - {baseline}:
        compared = comparison_of(found[stem])
        assert compared.baseline == found[baseline].case_id
        assert compared.ratio == pytest.approx((1 + "abc".index(stem)) / (1 + "abc".index(baseline)))


def test_a_baseline_that_is_no_variant_stops_before_anything_runs(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"--baseline x: no such variant \(there are: a, b\)"):
        build(tmp_path, {"a": FakeModel(), "b": FakeModel()}, baseline="x")


def dies_in_process(number: int, latency_ns: int = MS, runs: int = 60) -> Callable[[int], int]:
    """A model whose n-th process dies after so many runs; the memory process is number 0."""
    process = -1

    def latency(run: int) -> int:
        nonlocal process
        process += run == 0
        if process == number and run >= runs:
            raise WorkerDied("gone")
        return latency_ns

    return latency


@pytest.mark.parametrize(("dies", "blocks"), [(2, 2), (3, 3), (5, 5)])
def test_a_baseline_that_dies_on_the_way_leaves_the_blocks_in_common(tmp_path: Path, dies: int, blocks: int) -> None:
    models = {"base": FakeModel(dies_in_process(dies)), "b": FakeModel(2 * MS), "c": FakeModel(3 * MS)}
    found, device = ran(tmp_path, models, SETTINGS)
    assert [found[stem].status for stem in ("base", "b", "c")] == [Status.FAILED, Status.OK, Status.OK]
    assert device.open_workers == 0
    assert latency_of(found["base"]).blocks == blocks
    for ratio, stem in ((2, "b"), (3, "c")):
        assert latency_of(found[stem]).blocks == 6
        compared = comparison_of(found[stem])
        assert compared.blocks == blocks
        if blocks < 3:
            assert compared.unavailable == {
                "ratio": f"the baseline did not finish: {blocks} blocks in common with the baseline, 3 needed"
            }
        else:
            assert compared.ratio == pytest.approx(ratio)


def test_a_baseline_that_cannot_load_leaves_the_others_without_comparison(tmp_path: Path) -> None:
    models = {"base": FakeModel(fails={"load": RuntimeRefused("no")}), "b": FakeModel(), "c": FakeModel()}
    found, _ = ran(tmp_path, models, SETTINGS)
    for stem in "bc":
        assert found[stem].status is Status.OK
        reason = "the baseline did not finish: 0 blocks in common with the baseline, 3 needed"
        assert comparison_of(found[stem]).unavailable == {"ratio": reason}
    assert found["base"].comparison is None


def test_a_case_that_dies_on_the_way_keeps_its_samples_and_the_others_take_turns(tmp_path: Path) -> None:
    models = {"base": FakeModel(), "b": FakeModel(dies_in_process(4)), "c": FakeModel()}
    device = Loading(models)
    found, _ = ran(tmp_path, models, SETTINGS, device=device)
    assert found["b"].status is Status.FAILED
    assert (latency_of(found["b"]).blocks, comparison_of(found["b"]).blocks) == (4, 4)
    assert comparison_of(found["c"]).blocks == 6
    assert device.started().count("b") == 4  # not started again


def test_nobody_left_is_the_end(tmp_path: Path) -> None:
    models = {"a": FakeModel(dies_in_process(1)), "b": FakeModel(dies_in_process(1))}
    device = Loading(models)
    found, _ = ran(tmp_path, models, SETTINGS, device=device, available=PLENTY)
    assert {case.status for case in found.values()} == {Status.FAILED}
    assert len(device.started()) == 2


def test_cases_of_other_models_are_measured_in_the_same_blocks_of_time(tmp_path: Path) -> None:
    """Each model takes its turn in every block: none has the quiet first minute to itself."""
    models = {"a": FakeModel(), "b": FakeModel()}
    device = Loading(models)
    found, _ = ran(tmp_path, models, SETTINGS, device=device, apart=True)
    assert "".join(device.started()) == "ab" * 6
    assert [latency_of(found[stem]).blocks for stem in "ab"] == [6, 6]


def test_a_share_of_the_free_memory_is_for_workers() -> None:
    assert memory_budget(1_000) == 600
    assert memory_budget(None) is None
