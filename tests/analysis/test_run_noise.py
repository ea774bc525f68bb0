from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from edgebench.analysis.run_noise import (
    DEFAULT_MEMORY_SD,
    DEFAULT_RATIO_SD,
    DEFAULT_TIME_SD,
    metric_noise,
    ratio_noise,
    usable_repeats,
)
from edgebench.changes import Metric
from edgebench.findings import Verdict
from edgebench.records import RunRecord
from simulated_runs import HOST, SETTINGS, Truth, simulated_run


def records(count: int, cases: dict[str, Truth] | None = None, **noise: Any) -> list[RunRecord]:
    rng = np.random.default_rng(5)
    return [simulated_run(i, cases or {"float32": Truth()}, rng, **noise).record for i in range(count)]


def with_loads(loads_ms: list[float], verdict: Verdict = Verdict.VALID) -> list[RunRecord]:
    found = []
    for record, load in zip(records(len(loads_ms)), loads_ms, strict=True):
        case = replace(record.cases[0], load_ns=int(load * 1e6), verdict=verdict)
        found.append(replace(record, cases=(case,)))
    return found


def test_without_repeats_the_defaults_are_named_as_assumed() -> None:
    for metric, sd in ((Metric.P50, DEFAULT_TIME_SD), (Metric.LOAD, DEFAULT_TIME_SD),
                       (Metric.PEAK_RSS, DEFAULT_MEMORY_SD)):  # fmt: skip
        found = metric_noise(metric, records(1))
        assert (found.sd, found.freedom) == (sd, None)
        assert f"{100 * sd:.2g} %" in found.words
        assert "assumed" in found.words
    assert ratio_noise([]).sd == DEFAULT_RATIO_SD


def test_the_standard_deviation_of_repeats_is_pooled_over_logarithms() -> None:
    found = metric_noise(Metric.LOAD, with_loads([1.0, 1.1, 1.2, 1.3]))
    assert found.sd == pytest.approx(np.std(np.log([1.0, 1.1, 1.2, 1.3]), ddof=1))
    assert found.freedom == 3
    assert found.words == "between-run sd 11 % from 4 repeats of 1 case"


def test_cases_of_the_same_runs_add_no_degrees_of_freedom() -> None:
    two = {"float32": Truth(), "int8": Truth(2.0, "b" * 64)}
    found = metric_noise(Metric.P50, records(5, two, between_sd=0.05))
    assert found.freedom == 4
    assert "5 repeats of 2 cases" in found.words


def test_other_files_are_no_repeats() -> None:
    first, second = records(2, between_sd=0.1)
    other = replace(second.cases[0], file=replace(second.cases[0].file, sha256="f" * 64))
    assert "holds no repeats" in metric_noise(Metric.P50, [first, replace(second, cases=(other,))]).words


def test_few_repeats_do_not_make_the_noise_less_than_assumed_but_may_make_it_more() -> None:
    calm, wild = with_loads([1.0, 1.01]), with_loads([1.0, 2.0])
    assert metric_noise(Metric.LOAD, calm).sd == DEFAULT_TIME_SD
    assert "too few" in metric_noise(Metric.LOAD, calm).words
    assert metric_noise(Metric.LOAD, wild).sd == pytest.approx(math.log(2) / math.sqrt(2))


def test_invalid_measurements_tell_nothing() -> None:
    assert "no repeats" in metric_noise(Metric.LOAD, with_loads([1.0, 9.0, 1.0, 9.0], Verdict.INVALID)).words


def test_what_a_person_says_of_times_goes_before_all_else() -> None:
    known = with_loads([1.0, 1.1, 1.2, 1.3])
    assert metric_noise(Metric.LOAD, known, 0.02).sd == 0.02
    assert metric_noise(Metric.PEAK_RSS, [], 0.02).sd == DEFAULT_MEMORY_SD


def test_ratios_to_a_baseline_vary_by_what_is_left_when_the_day_cancels() -> None:
    two = {"float32": Truth(), "int8": Truth(2.0, "b" * 64)}
    known = records(12, two, between_sd=0.2, block_sd=0.001)
    assert ratio_noise(known).sd < 0.01 < 0.1 < metric_noise(Metric.P50, known).sd


def test_repeats_are_of_the_same_host_and_settings_finished_and_not_the_runs_in_question() -> None:
    base, new, like, elsewhere, quick, cut_off = records(6)
    elsewhere = replace(elsewhere, environment=replace(HOST, hostname="other"))
    quick = replace(quick, settings=replace(SETTINGS, min_blocks=1, max_blocks=1))
    cut_off = replace(cut_off, interrupted=True)
    other_seed = replace(like, run_id="seeded", settings=replace(SETTINGS, seed=4))
    found = usable_repeats([base, new, like, like, elsewhere, quick, cut_off, other_seed], base, new)
    assert [record.run_id for record in found] == [like.run_id, "seeded"]
