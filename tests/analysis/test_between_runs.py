"""Two runs with known truth: what is called different, and what must not be."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from edgebench.analysis.between_runs import SAME_RUN, compare_runs
from edgebench.changes import Basis, CaseChange, Change, ChangeVerdict, Metric
from edgebench.errors import UsageError
from edgebench.findings import Code, Finding, Severity, Verdict
from edgebench.records import CaseResult, Coverage, Delegation, Failure, Memory, Status
from edgebench.store import StoredRun
from simulated_runs import HOST, LITERT, SETTINGS, Truth, case_id, simulated_run

ONE = {"float32": Truth()}
TWO = {"float32": Truth(), "int8": Truth(2.0, "b" * 64)}
DIFFERENT = (ChangeVerdict.BETTER, ChangeVerdict.WORSE)


def run(number: int, cases: Mapping[str, Truth] = ONE, seed: int = 0, **noise: Any) -> StoredRun:
    return simulated_run(number, cases, np.random.default_rng(seed + number), **noise)


def changed(case: CaseChange, metric: Metric) -> Change:
    found = case.find(metric)
    assert found is not None
    return found


def edited(stored: StoredRun, variant: str, **fields: Any) -> StoredRun:
    """Return the run with fields of one case replaced."""
    cases = tuple(replace(case, **fields) if case.variant == variant else case for case in stored.record.cases)
    return replace(stored, record=replace(stored.record, cases=cases))


def share_different(
    count: int,
    new: Mapping[str, Truth],
    *,
    repeats: int,
    base: Mapping[str, Truth] = ONE,
    seed: int = 1,
    **noise: Any,
) -> float:
    """Return how often the last case is called different; comparisons draw from half as many runs of each kind."""
    rng = np.random.default_rng(seed)
    olds = [simulated_run(i, base, rng, **noise) for i in range(count // 2)]
    news = [simulated_run(1000 + i, new, rng, **noise) for i in range(count // 2)]
    called = 0
    for number in range(count):
        one, *known = (olds[i] for i in rng.choice(len(olds), 1 + repeats, replace=False))
        other = news[number % len(news)]
        found = compare_runs(one, other, repeats=[run.record for run in known])
        called += changed(found.cases[-1], Metric.P50).verdict in DIFFERENT
    return called / count


def test_with_repeats_identical_models_are_called_different_once_in_twenty() -> None:
    # 5 % of 400 are 20; more than 32 would be a chance of 1 in 200.
    assert share_different(400, {"float32": Truth(sha256="f" * 64)}, repeats=5, between_sd=0.08) <= 0.08


def test_with_the_default_identical_models_are_hardly_ever_called_different() -> None:
    assert share_different(200, ONE, repeats=0, between_sd=0.08) <= 0.05


def test_a_model_that_is_30_percent_slower_is_found_more_often_on_a_calmer_machine() -> None:
    slower = {"float32": Truth(6.5, "f" * 64)}
    calm = share_different(60, slower, repeats=5, between_sd=0.03)
    busy = share_different(60, slower, repeats=5, between_sd=0.08)
    assert calm >= 0.95
    assert 0.2 <= busy < calm


def test_an_unchanged_case_cancels_what_hit_the_whole_machine() -> None:
    slower = {"float32": Truth(), "int8": Truth(2.3, "f" * 64)}
    noise: dict[str, Any] = {"between_sd": 0.15, "alone_sd": 0.01}
    assert share_different(60, slower, repeats=5, base=TWO, **noise) >= 0.9
    same = {"float32": Truth(), "int8": Truth(2.0, "f" * 64)}
    assert share_different(200, same, repeats=5, base=TWO, **noise) <= 0.09


def test_latency_is_a_ratio_with_an_interval_that_says_what_it_is_made_of() -> None:
    found = compare_runs(run(1), run(2, {"float32": Truth(5.2)}))
    change = changed(found.cases[0], Metric.P50)
    assert change.value == pytest.approx(1.04, rel=0.02)
    assert change.low == pytest.approx(1.04 / 1.32, rel=0.03)
    assert change.verdict is ChangeVerdict.UNDECIDED
    assert change.basis is Basis.BETWEEN_RUNS
    assert change.effort_ns is None
    assert "between-run sd 10 % (assumed: the store holds no repeats)" in change.explanation
    assert "--interleave" in change.explanation


def test_told_noise_is_used_and_named() -> None:
    change = changed(compare_runs(run(1), run(2, {"float32": Truth(5.5)}), noise=0.01).cases[0], Metric.P50)
    assert change.verdict is ChangeVerdict.WORSE
    assert "1 % (as told)" in change.explanation


def test_the_yardstick_is_named_and_the_baseline_has_none_when_all_else_changed() -> None:
    new = run(2, {"float32": Truth(), "int8": Truth(2.0, "f" * 64)})
    float32, int8 = compare_runs(run(1, TWO), new).cases
    assert "ratio to float32, which is unchanged" in changed(int8, Metric.P50).explanation
    assert "sd of such ratios 3 % (assumed" in changed(int8, Metric.P50).explanation
    assert "two runs" in changed(float32, Metric.P50).explanation


def test_an_unchanged_variant_is_the_yardstick_of_a_changed_baseline() -> None:
    base = run(1, TWO, between_sd=0.3)
    new = run(2, {"float32": Truth(6.0, "f" * 64), "int8": Truth(2.0, "b" * 64)}, between_sd=0.3)
    change = changed(compare_runs(base, new).cases[0], Metric.P50)
    assert "ratio to int8" in change.explanation
    assert change.value == pytest.approx(1.2, rel=0.03)
    assert change.verdict is ChangeVerdict.WORSE


@pytest.mark.parametrize(
    "fields",
    [
        {"file": replace(run(1, TWO).record.cases[0].file, sha256="9" * 64)},
        {"runtime": replace(LITERT, version="9.9")},
        {"verdict": Verdict.INVALID},
    ],
    ids=["file", "runtime", "invalid"],
)
def test_a_case_that_is_not_the_same_is_no_yardstick(fields: dict[str, Any]) -> None:
    new = edited(run(2, {"float32": Truth(), "int8": Truth(2.0, "f" * 64)}), "float32", **fields)
    assert "ratio to" not in changed(compare_runs(run(1, TWO), new).cases[1], Metric.P50).explanation


def test_percentiles_load_and_first_have_intervals_too() -> None:
    case = compare_runs(run(1), run(2)).cases[0]
    assert {change.metric for change in case.changes} == {
        Metric.SIZE, Metric.LOAD, Metric.FIRST, Metric.P50, Metric.PEAK_RSS, Metric.MODEL_ADDS
    }  # fmt: skip
    assert changed(case, Metric.LOAD).verdict is ChangeVerdict.UNDECIDED
    assert [change.metric for change in case.changes] == sorted(
        (change.metric for change in case.changes), key=list(Metric).index
    )


def with_p90(stored: StoredRun, p90_ns: float) -> StoredRun:
    latency = stored.record.cases[0].latency
    assert latency is not None
    return edited(stored, "float32", latency=replace(latency, p90_ns=p90_ns))


def test_a_percentile_that_blocks_cannot_place_has_the_interval_of_runs_alone() -> None:
    found = compare_runs(with_p90(run(1), 6e6), with_p90(run(2), 7e6))
    change = changed(found.cases[0], Metric.P90)
    assert change.value == pytest.approx(7 / 6)
    assert change.low == pytest.approx(7 / 6 / math.exp(1.96 * 0.1 * math.sqrt(2)), rel=0.001)


def test_findings_about_the_machine_are_part_of_the_environment() -> None:
    finding = Finding(Code.GOVERNOR, Severity.SUSPECT, "the clock follows the load (governor powersave on 2 CPUs)", "")
    found = compare_runs(run(1), edited(run(2), "float32", findings=(finding,)))
    assert found.environment == ("governor: nothing found → the clock follows the load (governor powersave on 2 CPUs)",)


def test_size_is_exact() -> None:
    base = run(1)
    new = edited(run(2), "float32", file=replace(base.record.cases[0].file, size_bytes=1_000_001))
    assert changed(compare_runs(base, run(2)).cases[0], Metric.SIZE).verdict is ChangeVerdict.SAME
    larger = changed(compare_runs(base, new).cases[0], Metric.SIZE)
    assert (larger.verdict, larger.basis, larger.low) == (ChangeVerdict.WORSE, Basis.EXACT, larger.high)


def test_memory_that_grew_is_worse_and_the_models_share_is_known_less_well() -> None:
    new = edited(run(2), "float32", memory=Memory(40_000_000, 42_000_000, 44_000_000, 53_000_000))
    case = compare_runs(run(1), new).cases[0]
    peak, adds = changed(case, Metric.PEAK_RSS), changed(case, Metric.MODEL_ADDS)
    assert peak.verdict is ChangeVerdict.WORSE
    assert peak.value == pytest.approx(53 / 50)
    assert peak.low == pytest.approx(1.06 * 0.973, rel=0.002)
    assert adds.low is not None
    assert adds.value == pytest.approx(13 / 10)
    assert adds.low < 1.17
    assert "of the whole process's peak" in adds.explanation


def test_an_invalid_measurement_decides_nothing_but_sizes() -> None:
    new = edited(run(2, {"float32": Truth(50.0)}), "float32", verdict=Verdict.INVALID)
    case = compare_runs(run(1), new).cases[0]
    verdicts = {change.metric: change.verdict for change in case.changes}
    assert verdicts.pop(Metric.SIZE) is ChangeVerdict.SAME
    assert set(verdicts.values()) == {ChangeVerdict.UNDECIDED}
    assert any("new is INVALID" in doubt for doubt in case.doubts)
    assert "INVALID" in changed(case, Metric.P50).explanation


@pytest.mark.parametrize(
    ("code", "verdict"), [(Code.PREEMPTED, ChangeVerdict.WORSE), (Code.EMULATED, ChangeVerdict.UNDECIDED)]
)
def test_what_speaks_against_times_alone_leaves_memory_as_it_is(code: Code, verdict: ChangeVerdict) -> None:
    finding = Finding(code, Severity.INVALID, "so", "do")
    memory = Memory(40_000_000, 42_000_000, 44_000_000, 60_000_000)
    new = edited(run(2), "float32", verdict=Verdict.INVALID, findings=(finding,), memory=memory)
    case = compare_runs(run(1), new).cases[0]
    assert changed(case, Metric.PEAK_RSS).verdict is verdict
    assert changed(case, Metric.P50).verdict is ChangeVerdict.UNDECIDED


def test_figures_without_samples_are_shown_and_not_judged() -> None:
    base = run(1)
    empty = replace(base, samples=base.samples.iloc[:0])
    change = changed(compare_runs(empty, run(2)).cases[0], Metric.P50)
    assert change.value is not None
    assert (change.verdict, change.low) == (None, None)
    assert "no samples" in change.unavailable["interval"]


def test_a_case_that_failed_has_its_reason_and_no_figures() -> None:
    failed = edited(
        run(2), "float32", status=Status.FAILED, failure=Failure("timeout", "no answer"), latency=None, memory=None
    )
    case = compare_runs(run(1), failed).cases[0]
    change = changed(case, Metric.P50)
    assert (change.new, change.value, change.verdict) == (None, None, None)
    assert change.unavailable["value"] == "new: failed: no answer"
    assert case.doubts == ("new: FAILED timeout: no answer",)


def test_a_run_against_itself_is_the_same_in_everything() -> None:
    base = run(1, TWO)
    found = compare_runs(base, base)
    assert found.notes == (SAME_RUN,)
    assert {change.verdict for case in found.cases for change in case.changes} == {ChangeVerdict.SAME}


def test_missing_and_new_cases_are_listed() -> None:
    found = compare_runs(run(1, TWO), run(2, {"float32": Truth(), "float16": Truth(5.0, "c" * 64)}))
    assert (found.missing, found.added) == ((case_id("int8"),), (case_id("float16"),))
    assert [case.case_id for case in found.cases] == [case_id("float32")]


def test_nothing_in_common_names_near_ids() -> None:
    with pytest.raises(
        UsageError, match=r"no case in common; near ones are net/float32@\S+ and nets/float32@"
    ) as error:
        compare_runs(run(1), run(2, model="nets"))
    assert "\n" not in str(error.value)
    with pytest.raises(UsageError, match="no case in common"):
        compare_runs(run(1), run(2, {"q": Truth()}, model="entirely-other-thing"))


@pytest.mark.parametrize("field", ["hostname", "machine", "cpu_model"])
def test_other_machines_need_a_flag(field: str) -> None:
    other: dict[str, Any] = {field: "other"}
    new = run(2, environment=replace(HOST, **other))
    with pytest.raises(UsageError, match=r"unlike devices \(.*other.*--cross-device"):
        compare_runs(run(1), new)
    found = compare_runs(run(1), new, cross_device=True)
    assert "unlike devices" in found.cases[0].doubts[0]
    assert any("other" in line for line in found.environment)


def test_other_devices_are_matched_without_their_names_when_asked_to() -> None:
    base, new = run(1, TWO), run(2, TWO, device="ssh://pi@board")
    with pytest.raises(UsageError, match="devices local and ssh://pi@board"):
        compare_runs(base, new)
    found = compare_runs(base, new, cross_device=True)
    assert [case.case_id for case in found.cases] == [case_id("float32"), case_id("int8")]
    assert found.missing == found.added == ()
    assert "ratio to" not in changed(found.cases[1], Metric.P50).explanation


def test_all_that_is_not_the_same_is_said() -> None:
    base, new = run(1), run(2, environment=replace(HOST, kernel="6.5.0", edgebench="0.2.0", cpu_model="AMD EPYC"))
    new = edited(
        new,
        "float32",
        runtime=replace(LITERT, version="2.4.0", numpy="2.5"),
        delegation=Delegation(Coverage.PARTIAL, 66, 60, 2),
        file=replace(base.record.cases[0].file, sha256="f" * 64),
    )
    new = replace(new, record=replace(new.record, settings=replace(SETTINGS, min_time_ns=1)))
    found = compare_runs(base, new)
    assert "kernel: 6.1.0 → 6.5.0" in found.environment
    assert "edgebench: 0.1.0 → 0.2.0" in found.environment
    assert "runtime: ai-edge-litert 2.3.0 → ai-edge-litert 2.4.0" in found.environment
    assert "numpy of the workers: 2.4.6 → 2.5" in found.environment
    assert "setting min_time_ns: 1000000000 → 1" in found.environment
    doubts = " | ".join(found.cases[0].doubts)
    assert "other settings" in doubts
    assert "runtime changed: ai-edge-litert 2.3.0 → ai-edge-litert 2.4.0" in doubts
    assert "delegated nodes: 66 of 66 → 60 of 66" in doubts
    assert any("the model file changed: aaaaaaaa → ffffffff" in note for note in found.notes)


def test_equal_runs_have_nothing_around_them_to_tell() -> None:
    found = compare_runs(run(1), run(2))
    assert (found.environment, found.notes, found.cases[0].doubts) == ((), (), ())


def test_warm_up_does_not_count() -> None:
    base = run(1)
    warm = base.samples.assign(warmup=True, latency_ns=10**12)
    padded = replace(base, samples=pd.concat([base.samples, warm], ignore_index=True))
    expected = compare_runs(base, run(2))
    assert changed(compare_runs(padded, run(2)).cases[0], Metric.P50) == changed(expected.cases[0], Metric.P50)


def test_a_latency_of_nothing_has_no_ratio() -> None:
    case: CaseResult = run(1).record.cases[0]
    assert case.latency is not None
    zero = edited(run(2), "float32", load_ns=0)
    change = changed(compare_runs(run(1), zero).cases[0], Metric.LOAD)
    assert (change.value, change.unavailable["value"]) == (
        None,
        "one of the figures is not above 0, so there is no ratio",
    )
