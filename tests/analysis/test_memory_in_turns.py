from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from edgebench.analysis.memory_in_turns import memory_in_turns
from edgebench.changes import ChangeVerdict, Metric
from edgebench.records import CaseResult, Delegate, DelegateKind, Engine, Memory, MemoryRepeat, ModelFile, Status

MB = 1_000_000


def case(peaks: Sequence[int | None], before: int = 40 * MB) -> CaseResult:
    first, *others = peaks
    repeats = tuple(MemoryRepeat(before, peak) for peak in others)
    return CaseResult(
        "net/a", "net", "a", "local", Engine.INTERPRETER, Delegate(DelegateKind.DEFAULT), 1,
        ModelFile("a.tflite", "0", 1, None), Status.OK,
        memory=Memory(rss_before_load_bytes=before, peak_rss_bytes=first, repeats=repeats),
    )  # fmt: skip


def test_the_interval_holds_the_true_ratio_as_often_as_it_promises() -> None:
    """Processes vary by 2 %, far more than the floor; the true ratio is 1.1."""
    rng = np.random.default_rng(1)
    held = beyond = 0
    for _ in range(1_000):
        base, new = ((size * np.exp(rng.normal(0, 0.02, 3))).astype(int).tolist() for size in (100 * MB, 110 * MB))
        found = memory_in_turns(Metric.PEAK_RSS, case(base), case(new))
        assert found is not None
        assert found.low is not None
        assert found.high is not None
        assert found.one_sided_low is not None
        held += found.low <= 1.1 <= found.high
        beyond += found.one_sided_low > 1.1
    assert 930 <= held <= 970
    assert 30 <= beyond <= 70


def test_what_the_model_adds_is_as_uncertain_as_the_whole_process() -> None:
    found = memory_in_turns(Metric.MODEL_ADDS, case([50 * MB] * 3), case([50 * MB] * 3))
    assert found is not None
    assert (found.base, found.value) == pytest.approx((10 * MB, 1.0))
    assert found.high == pytest.approx(1.025)
    assert found.verdict is ChangeVerdict.UNDECIDED


@pytest.mark.parametrize("peaks", [[50 * MB], [50 * MB, None, None], [None, 50 * MB]])
def test_one_process_gives_no_interval(peaks: list[int | None]) -> None:
    assert memory_in_turns(Metric.PEAK_RSS, case(peaks), case([50 * MB] * 3)) is None


def test_a_model_that_adds_nothing_gives_no_ratio() -> None:
    assert memory_in_turns(Metric.MODEL_ADDS, case([40 * MB] * 3), case([50 * MB] * 3)) is None
