"""Sums over layers and weights, against values computed by hand."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from edgebench.worker.layer_sums import (
    COLUMNS,
    ChannelRanges,
    Grid,
    errors,
    grid_of,
    layer_sums,
    per_channel_error,
    real_weights,
    weight_sums,
)

GRID = Grid(scale=0.5, zero_point=-2, low=-128, high=127, dtype="int8")


def _detail(scales: list[float], zero_points: list[int], axis: int = 0) -> dict[str, Any]:
    return {"quantization_parameters": {"scales": scales, "zero_points": zero_points, "quantized_dimension": axis}}


def test_a_grids_values() -> None:
    assert GRID.real(np.array([-2, 0, 127], np.int8)).tolist() == [0.0, 1.0, 64.5]
    assert GRID.nearest([0.0, 0.25, 0.75, 1e9, -1e9]).tolist() == [-2, -2, 0, 127, -128]  # halves to even
    assert GRID.ends() == (-63.0, 64.5)


def test_sums_of_a_quantized_layer() -> None:
    reference = np.array([[1.0, 2.0], [100.0, -3.0]], np.float32)
    stored = np.array([[0, 3], [127, -8]], np.int8)  # 1.0, 2.5, 64.5, -3.0
    found = dict(zip(COLUMNS, layer_sums(reference, stored, GRID), strict=True))
    assert found["signal"] == 1 + 4 + 10000 + 9
    assert found["error"] == 0.25 + 35.5**2
    assert found["dot"] == 1 + 5 + 6450 + 9
    assert found["power"] == 1 + 6.25 + 64.5**2 + 9
    assert (found["clipped"], found["clip_error"]) == (1, 35.5**2)
    assert (found["at_low"], found["at_high"]) == (0, 1)


def test_half_a_step_beyond_the_range_is_rounding_not_clipping() -> None:
    found = dict(zip(COLUMNS, layer_sums(np.array([64.75, 64.76]), np.array([127, 127], np.int8), GRID), strict=True))
    assert found["clipped"] == 1


def test_floating_point_has_no_range() -> None:
    found = dict(zip(COLUMNS, layer_sums(np.array([3.0]), np.array([4.0], np.float32), None), strict=True))
    assert (found["signal"], found["error"], found["dot"], found["power"]) == (9, 1, 12, 16)
    assert all(math.isnan(found[name]) for name in ("clipped", "clip_error", "at_low", "at_high"))


def test_float16_sums_do_not_overflow() -> None:
    signal, error = errors(np.array([60000.0], np.float16), np.array([0.0], np.float16))
    assert signal == error == float(np.float16(60000.0)) ** 2


def test_only_a_tensor_with_one_scale_has_a_grid() -> None:
    assert grid_of(_detail([0.5], [-2]), "int8") == GRID
    assert grid_of(_detail([0.5, 0.25], [0, 0]), "int8") is None
    assert grid_of(_detail([], []), "float32") is None
    assert grid_of({}, "int8") is None


def test_channel_ranges_grow() -> None:
    ranges = ChannelRanges()
    ranges.show(np.array([[1, 5], [2, 5]]))
    ranges.show(np.array([[0, 5]]))
    assert (ranges.low.tolist(), ranges.high.tolist()) == ([0, 5], [2, 5])


@pytest.mark.parametrize(("axis", "signal"), [(0, [5.0, 25.0]), (1, [10.0, 20.0])])
def test_weights_by_output_channel(axis: int, signal: list[float]) -> None:
    found, error = weight_sums(np.array([[1.0, 2.0], [3.0, 4.0]]), np.array([[1.0, 2.0], [3.0, 3.0]]), axis)
    assert found.tolist() == signal
    assert error.tolist() == [0.0, 1.0]


def test_weights_are_dequantized_with_their_own_scales() -> None:
    stored = np.array([[10, 20], [10, 20]], np.int8)
    assert real_weights(stored, _detail([0.5], [0])).tolist() == [[5, 10], [5, 10]]
    assert real_weights(stored, _detail([0.5, 1.0], [0, 10], axis=1)).tolist() == [[5, 10], [5, 10]]
    assert real_weights(stored, _detail([0.5, 1.0], [0, 0], axis=0)).tolist() == [[5, 10], [10, 20]]
    assert real_weights(stored, _detail([0.5, 0.5], [10], axis=0)).tolist() == [[0, 5], [0, 5]]
    assert real_weights(np.array([1.5], np.float16), _detail([], [])).tolist() == [1.5]


def test_a_scale_for_each_channel_leaves_less() -> None:
    weights = np.array([[127.0, 63.4], [0.0127, 0.00634]])
    found = per_channel_error(weights, 0)
    assert found[0] == pytest.approx(0.16)
    assert found[1] == pytest.approx(0.16e-8)
    assert per_channel_error(np.zeros((1, 3)), 0).tolist() == [0.0]
