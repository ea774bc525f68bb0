"""Figures of layers, against values computed by hand."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from edgebench.analysis.layers import (
    cosine,
    dead_channels,
    decibels,
    describe_answers,
    describe_layers,
    describe_weights,
    range_used,
    ratio,
    worst_contrast,
)
from edgebench.layer_data import (
    INPUT,
    ChannelRange,
    Compared,
    LayerFormat,
    LayerPair,
    LayerSums,
    Match,
    WeightSums,
)

NOTHING = np.empty(0)


def compared(error: Any, scores: Any = None, **changes: Any) -> Compared:
    """Return what a worker finds: two images, two layers of 4 values with signal 100, errors [images, layers]."""
    errors = np.array(error, float)
    full = {name: np.zeros_like(errors) for name in LayerSums.__dataclass_fields__}
    full.update(signal=np.full_like(errors, 100.0), error=errors, power=np.full_like(errors, 100.0))
    full.update(dot=np.full_like(errors, 80.0), alone_signal=np.full_like(errors, 100.0))
    full.update({name: np.array(value, float) for name, value in changes.items()})
    ours = np.array([[0.9, 0.1]] * len(errors), np.float32)
    theirs = ours if scores is None else np.array(scores, np.float32)
    formats = (LayerFormat("int8", 4, 0.5, -128), LayerFormat("float32", 4))
    return Compared(
        True, formats[: errors.shape[1]], LayerSums(**full), (None,) * errors.shape[1], (), ours, theirs, ours, theirs
    )


def pairs(*operators: str) -> list[LayerPair]:
    return [LayerPair(name, i, i, i, i, Match.NAME, True) for i, name in enumerate(operators)]


@pytest.mark.parametrize(
    ("signal", "error", "expected"),
    [(100, 1, 20.0), (1, 100, -20.0), (1, 0, math.inf), (0, 0, math.inf), (0, 1, None), (math.nan, 1, None)],
)
def test_decibels(signal: float, error: float, expected: float | None) -> None:
    assert decibels(signal, error) == expected


def test_a_ratio_has_its_error_in_steps() -> None:
    found = ratio(signal=100.0, error=4.0, count=16, scale=0.25)
    assert (found.rmse, found.steps) == (0.5, 2.0)
    assert found.db == pytest.approx(10 * math.log10(25))
    assert ratio(100.0, 4.0, 16, None).steps is None
    assert ratio(100.0, math.nan, 16, 0.25).rmse is None


def test_rounding_alone_is_0_289_steps() -> None:
    values = np.random.default_rng(0).uniform(-10, 10, 100_000)
    error = float(((values - np.rint(values / 0.1) * 0.1) ** 2).sum())
    assert ratio(float((values**2).sum()), error, len(values), 0.1).steps == pytest.approx(1 / math.sqrt(12), rel=0.01)


def test_cosine() -> None:
    assert cosine(80.0, 100.0, 100.0) == pytest.approx(0.8)
    assert cosine(0.0, 0.0, 1.0) is None
    assert cosine(101.0, 100.0, 100.0) == 1.0  # rounding never leads beyond


def test_sums_are_pooled_over_images_of_all_of_a_class_and_of_flips() -> None:
    found = compared([[1, 10], [3, 0]], scores=[[0.9, 0.1], [0.2, 0.8]])
    first, second = describe_layers(pairs("CONV_2D", "MEAN"), [("a", "A"), ("b", "B")], found, ["x", "y"], ["x", "y"])
    assert first.total.db == pytest.approx(10 * math.log10(200 / 4))
    assert first.total.rmse == pytest.approx(math.sqrt(4 / 8))
    assert first.total.steps == pytest.approx(math.sqrt(4 / 8) / 0.5)
    assert first.by_class == pytest.approx((20.0, 10 * math.log10(100 / 3)))
    assert first.flipped_db == pytest.approx(10 * math.log10(100 / 3))
    assert first.kept_db == pytest.approx(20.0)
    assert second.by_class == pytest.approx((10.0, math.inf))
    assert first.alone.db == math.inf
    assert second.total.steps is None


def test_clipping_is_a_share_of_values_and_of_the_squared_error() -> None:
    found = compared([[8], [8]], clipped=[[1], [0]], clip_error=[[4], [0]], at_low=[[1], [1]], at_high=[[0], [2]])
    (layer,) = describe_layers(pairs("CONV_2D"), [("a", "A")], found, ["x", "x"], ["x"])
    assert (layer.clipped, layer.clip_share, layer.at_ends) == (1 / 8, 0.25, 0.5)
    unknown = compared([[8], [8]], clipped=[[math.nan]] * 2, clip_error=[[math.nan]] * 2)
    (layer,) = describe_layers(pairs("CONV_2D"), [("a", "A")], unknown, ["x", "x"], ["x"])
    assert (layer.clipped, layer.clip_share) == (None, None)


def test_the_inputs_own_error_is_all_its_error() -> None:
    found = compared([[1], [1]], alone_error=[[math.nan]] * 2, alone_signal=[[math.nan]] * 2)
    (layer,) = describe_layers(pairs(INPUT), [("input", "A")], found, ["x", "x"], ["x"])
    assert layer.alone == layer.total
    (other,) = describe_layers(pairs("ADD"), [("a", "A")], found, ["x", "x"], ["x"])
    assert other.alone.db is None


def test_dead_channels_and_the_used_range() -> None:
    ranges = ChannelRange(
        np.array([0.0, 0, 5]), np.array([1.0, 9, 5]), np.array([-128.0, -128, 3]), np.array([-128.0, 127, 3])
    )
    assert dead_channels(ranges) == (1, 1)
    assert range_used(ranges, LayerFormat("int8", 3, 0.1, -128)) == 1.0
    assert range_used(ranges, LayerFormat("float32", 3)) is None


def test_weights_by_channel() -> None:
    sums = WeightSums(0, "int8", 1, np.array([100.0, 10, 1e-12]), np.array([1.0, 1, 1e-12]), np.array([0.5, 0.05, 0]))
    found = describe_weights(sums)
    assert [channel.index for channel in found.worst] == [1, 0]
    assert [channel.db for channel in found.worst] == pytest.approx([10, 20])
    assert found.db == pytest.approx(10 * math.log10(110 / 2))
    assert found.gain_db == pytest.approx(10 * math.log10(2 / 0.55))
    exact = describe_weights(WeightSums(0, "float32", 0, np.array([1.0]), np.array([0.0]), NOTHING))
    assert (exact.db, exact.worst, exact.gain_db) == (math.inf, (), None)


def test_answers_flips_and_leads() -> None:
    found = compared([[1], [1], [1]], scores=[[0.9, 0.1], [0.4, 0.6], [0.9, 0.1]])
    answers = describe_answers(found, ["i", "j", "k"], ["x", "x", "y"], ["x", "y", "z"][:2])
    assert (answers.flipped, answers.flipped_ids) == (1, ("j",))
    assert [
        (item.label, item.images, item.reference_right, item.variant_right, item.flipped) for item in answers.classes
    ] == [
        ("x", 2, 2, 1, 1),
        ("y", 1, 0, 0, 0),
    ]
    assert answers.flipped_margin == pytest.approx(0.8)
    assert (answers.kernel_flips, answers.variant_kernel_difference) == (0, 0.0)
    assert answers.flip_contrast is None  # one image is no group


def test_a_group_that_falls_below_the_others_is_found_where_it_does() -> None:
    rng = np.random.default_rng(1)
    values = rng.normal(30, 1, (40, 12))
    members = np.arange(40) < 10
    values[members, 7] -= 4
    found = worst_contrast(values, {"df": members, "nv": np.arange(40) >= 30})
    assert found is not None
    assert (found.layer, found.group, found.images) == (7, "df", 10)
    assert found.difference_db == pytest.approx(-4, abs=1.2)
    assert found.p_value < 0.01


def test_chance_is_called_a_difference_about_as_often_as_promised() -> None:
    rng = np.random.default_rng(2)
    groups = {name: np.arange(35) % 5 == name for name in range(5)}
    found = [worst_contrast(rng.normal(size=(35, 20)), {str(k): v for k, v in groups.items()}, 99) for _ in range(60)]
    alarms = [item for item in found if item is not None and item.p_value <= 0.05]
    assert len(alarms) <= 8  # 3 expected; 9 or more come once in 400


def test_layers_without_a_finite_ratio_and_tiny_groups_are_left_out() -> None:
    values = np.full((8, 1), np.inf)
    assert worst_contrast(values, {"a": np.arange(8) < 4}) is None
    assert worst_contrast(np.ones((8, 2)), {"a": np.arange(8) < 4}) is None
    assert worst_contrast(np.random.default_rng(0).normal(size=(8, 2)), {"a": np.arange(8) < 2}) is None
