from __future__ import annotations

import numpy as np
import pytest
from edgebench.analysis.waits import cut_short, whole_of


def test_the_whole_is_the_sum_of_its_steps_and_shares_are_of_the_medians() -> None:
    steps = np.tile([[30, 10, 60]], (20, 1)).astype(np.int64)
    steps[0] = [3000, 10, 60]
    whole = whole_of(("a", "b", "c"), [steps], warmup_count=4)
    assert whole is not None
    assert (whole.total.count, whole.total.p50_ns, whole.total.warmup_count) == (20, 100.0, 4)
    assert whole.total.mean_ns == pytest.approx(100 + 2970 / 20)
    assert [(part.name, part.p50_ns, part.share) for part in whole.parts] == [
        ("a", 30.0, 0.3),
        ("b", 10.0, 0.1),
        ("c", 60.0, 0.6),
    ]


def test_blocks_give_an_interval() -> None:
    blocks = [np.full((20, 2), 50 + number, np.int64) for number in range(4)]
    whole = whole_of(("a", "b"), blocks)
    assert whole is not None
    assert (whole.total.count, whole.total.blocks) == (80, 4)
    low, high = whole.total.intervals["p50_ns"]
    assert low < whole.total.p50_ns < high  # type: ignore[operator]
    assert sum(part.share for part in whole.parts) == pytest.approx(1)


def test_too_few_for_a_median_have_no_parts_either() -> None:
    whole = whole_of(("a",), [np.full((10, 1), 7, np.int64)])
    assert whole is not None
    assert (whole.total.p50_ns, whole.parts) == (None, ())
    short = cut_short(whole.total, "more would take an hour")
    assert short.unavailable["p50_ns"] == "n too small: 10 samples, 11 needed; more would take an hour"
    assert short.unavailable["p90_ns"] == whole.total.unavailable["p90_ns"]


def test_enough_for_a_median_is_not_cut_short() -> None:
    whole = whole_of(("a",), [np.full((11, 1), 7, np.int64)])
    assert whole is not None
    assert cut_short(whole.total, "more would take an hour") == whole.total


def test_nothing_gives_nothing() -> None:
    assert whole_of(("a",), []) is None
    assert whole_of(("a",), [np.empty((0, 1), np.int64)]) is None


def test_steps_too_short_for_the_clock_have_no_share() -> None:
    whole = whole_of(("a", "b"), [np.zeros((12, 2), np.int64)])
    assert whole is not None
    assert [part.share for part in whole.parts] == [0.0, 0.0]
