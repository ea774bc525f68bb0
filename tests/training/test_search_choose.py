"""What is on the front, what the rules pick, and what may be chance."""

from __future__ import annotations

import numpy as np
import pytest
from edgebench.errors import UsageError
from edgebench_training.search.choose import Point, dominates, front, parse_metric, picks, worst_class
from edgebench_training.search.judging import value_of
from edgebench_training.search.noise import balanced_half_width, paired_interval
from search_fakes import LABELS, accuracy

METRIC = parse_metric("balanced_accuracy", LABELS)


def point(name: str, metric: float, ratio: float, size_bytes: int = 1_000_000, spread: float = 0.01) -> Point:
    return Point(name, metric, ratio, ratio * (1 - spread), ratio * (1 + spread), size_bytes)


def test_latencies_that_cannot_be_told_apart_count_as_equal() -> None:
    quick, same, slow = point("quick", 0.70, 0.50), point("same", 0.71, 0.505), point("slow", 0.71, 0.80)
    assert dominates(same, quick)
    assert not dominates(quick, same)
    assert dominates(same, slow)
    assert front([quick, same, slow]) == ("same",)


def test_sizes_that_read_the_same_count_as_equal() -> None:
    one, other = point("one", 0.70, 0.5, 1_000_100), point("other", 0.70, 0.5, 1_000_900)
    assert front([one, other]) == ("one", "other")
    assert front([one, point("small", 0.70, 0.5, 900_000)]) == ("small",)


def test_each_objective_alone_keeps_a_candidate_on_the_front() -> None:
    points = [
        point("accurate", 0.80, 1.0, 4_000_000),
        point("quick", 0.70, 0.4, 2_000_000),
        point("small", 0.70, 0.9, 1_000_000),
        point("none of them", 0.69, 1.0, 4_000_000),
    ]
    assert front(points) == ("accurate", "quick", "small")


def test_the_fastest_must_be_within_a_point_of_float32() -> None:
    points = [
        point("float32", 0.700, 1.0, 4_000_000),
        point("too bad", 0.689, 0.3, 500_000),
        point("just", 0.690, 0.5, 1_000_000),
        point("better", 0.695, 0.505, 1_100_000),
        point("small", 0.700, 0.9, 800_000),
    ]
    fastest, smallest, faster = picks(points, METRIC)
    assert fastest.name == "better", "as fast as the fastest as far as can be told, and more accurate"
    assert smallest.name == "small"
    assert faster.name == "small", "as accurate as float32 and shown to be faster"
    assert fastest.rule == "fastest with balanced accuracy at most 1 point below float32's"


def test_where_nothing_is_good_enough_the_next_best_are_still_named() -> None:
    points = [
        point("float32", 0.70, 1.0, 4_000_000),
        point("int8", 0.60, 0.50),
        point("as fast", 0.65, 0.505, 1_100_000),
        point("slower", 0.68, 0.70, 1_100_000),
    ]
    fastest, smallest, faster, instead = picks(points, METRIC)
    assert (fastest.name, smallest.name) == ("float32", "float32")
    assert faster.name == "slower"
    assert instead.name == "as fast"
    assert instead.rule == "highest balanced accuracy of those not shown to be slower than int8"
    assert picks(points[:1], METRIC)[2].name is None


def test_metrics_are_told_by_name() -> None:
    figures = accuracy(90, 60)
    assert parse_metric("recall[b]", LABELS).of(figures) == pytest.approx(0.6)
    assert METRIC.of(figures) == pytest.approx(0.75)
    assert parse_metric("top1", LABELS).of(figures) == pytest.approx(0.75)
    for wrong in ("recall[c]", "f1", "recall", ""):
        with pytest.raises(UsageError, match=r"choose balanced_accuracy, top1, macro_f1 or recall\[CLASS\].*a, b"):
            parse_metric(wrong, LABELS)


@pytest.mark.parametrize("name", ["balanced_accuracy", "top1", "macro_f1", "recall[b]"])
def test_the_quick_value_is_the_metrics(name: str) -> None:
    metric = parse_metric(name, LABELS)
    truth = np.repeat([0, 1], 100)
    answers = np.array([0] * 90 + [1] * 10 + [1] * 60 + [0] * 40)
    assert value_of(metric, LABELS)(truth, answers) == pytest.approx(metric.of(accuracy(90, 60)))


def test_the_worst_class_is_the_one_that_loses_most() -> None:
    worst = worst_class(accuracy(95, 55), accuracy(90, 60))
    assert worst is not None
    assert (worst.label, worst.images) == ("b", 100)
    assert worst.difference == pytest.approx(-0.05)


def test_the_noise_of_balanced_accuracy_follows_from_each_classs_images() -> None:
    """Two classes of 100 images at 0.5: 1.96 * sqrt(2 * 0.25 / 100) / 2."""
    assert balanced_half_width(accuracy(50, 50)) == pytest.approx(1.96 * 0.0707107 / 2, rel=1e-4)
    assert (balanced_half_width(accuracy(100, 100)) or 0) > 0


def test_intervals_of_differences_resample_lesions_not_images() -> None:
    truth = np.repeat([0, 1], 60)
    one, other = truth.copy(), truth.copy()
    other[:20] = 1  # 20 of 60 images of the first class are lost
    value = value_of(METRIC, LABELS)
    single = [str(number) for number in range(120)]
    low, high = paired_interval(truth, single, one, other, value)
    assert low < 20 / 60 / 2 < high
    assert low > 0
    tied = [str(number // 20) for number in range(120)]  # the lost ones are one lesion of three
    wide_low, wide_high = paired_interval(truth, tied, one, other, value)
    assert wide_high - wide_low > 2 * (high - low)
    assert paired_interval(truth, single, one, one, value) == (0.0, 0.0)
