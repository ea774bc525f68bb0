"""Sums over one layer's output in two graphs, and over a layer's weights: pure functions on numpy arrays."""

from __future__ import annotations

from typing import Any, Dict, NamedTuple, Optional, Tuple

import numpy as np

_QUANTIZED = ("int8", "uint8", "int16")
#: The columns of :func:`layer_sums`, in their order; ``alone_`` ones come from the layers that stand alone.
COLUMNS = ("signal", "error", "dot", "power", "clipped", "clip_error", "at_low", "at_high")
ALONE_COLUMNS = ("alone_signal", "alone_error")


class Grid(NamedTuple):
    """The real values that a quantized tensor can hold: (q - zero_point) * scale for q from ``low`` to ``high``."""

    scale: float
    zero_point: int
    low: int
    high: int
    dtype: str

    def real(self, stored: Any) -> "np.ndarray[Any, Any]":
        """Return float64 real values."""
        return np.asarray((stored.astype(np.float64) - self.zero_point) * self.scale)

    def nearest(self, real: Any) -> "np.ndarray[Any, Any]":
        """Return the integers nearest to real values, halves to even, clipped to the range."""
        steps = np.rint(np.asarray(real, np.float64) / self.scale) + self.zero_point
        return np.asarray(np.clip(steps, self.low, self.high).astype(self.dtype))

    def ends(self) -> Tuple[float, float]:
        """Return the least and the greatest real value."""
        return (self.low - self.zero_point) * self.scale, (self.high - self.zero_point) * self.scale


def grid_of(detail: Dict[str, Any], dtype: str) -> Optional[Grid]:
    """Return the grid of a tensor that has one scale, by the runtime's description of it; None for any other."""
    scales = np.asarray(detail.get("quantization_parameters", {}).get("scales", ()), np.float64)
    if dtype not in _QUANTIZED or len(scales) != 1 or not scales[0]:
        return None
    limits = np.iinfo(dtype)
    zero_point = int(np.asarray(detail["quantization_parameters"]["zero_points"]).ravel()[0])
    return Grid(float(scales[0]), zero_point, int(limits.min), int(limits.max), dtype)


def real_values(stored: Any, grid: Optional[Grid]) -> "np.ndarray[Any, Any]":
    """Return float64 real values of a quantized tensor or of one in floating point."""
    return grid.real(stored) if grid is not None else np.asarray(stored, np.float64)


def layer_sums(reference: Any, stored: Any, grid: Optional[Grid]) -> Tuple[float, ...]:
    """Return the columns :data:`COLUMNS` for one layer: ``reference`` real, ``stored`` as the variant stores it.

    What is about a range is NaN in floating point.
    """
    real = np.asarray(reference, np.float64).ravel()
    mine = real_values(stored, grid).ravel()
    plain = (*errors(real, mine), float(real @ mine), float(mine @ mine))
    if grid is None:
        return (*plain, *(float("nan"),) * 4)
    least, greatest = grid.ends()
    beyond = real - np.clip(real, least, greatest)
    return (
        *plain,
        float(np.count_nonzero(np.abs(beyond) > grid.scale / 2)),
        float(beyond @ beyond),
        float(np.count_nonzero(stored == grid.low)),
        float(np.count_nonzero(stored == grid.high)),
    )


def errors(reference: Any, mine: Any) -> Tuple[float, float]:
    """Return the sums of f^2 and of (f - v)^2."""
    real = np.asarray(reference, np.float64).ravel()
    difference = real - np.asarray(mine, np.float64).ravel()
    return float(real @ real), float(difference @ difference)


class ChannelRanges:
    """Least and greatest value of each channel, the last axis, over all arrays it was shown."""

    def __init__(self) -> None:
        self.low: Any = None
        self.high: Any = None

    def show(self, values: Any) -> None:
        """Take one more array into account; its last axis must be as long as before."""
        rows = np.asarray(values, np.float64).reshape(-1, values.shape[-1])
        low, high = rows.min(axis=0), rows.max(axis=0)
        self.low = low if self.low is None else np.minimum(self.low, low)
        self.high = high if self.high is None else np.maximum(self.high, high)


def weight_sums(reference: Any, mine: Any, axis: int) -> Tuple[Any, Any]:
    """Return, per output channel, the sums of w^2 and of (w - w')^2: float64 [channels]."""
    first, second = _by_channel(reference, axis), _by_channel(mine, axis)
    return (first**2).sum(axis=1), ((first - second) ** 2).sum(axis=1)


def real_weights(stored: Any, detail: Dict[str, Any]) -> "np.ndarray[Any, Any]":
    """Return float64 weights, dequantized with one scale or with one for each index of the quantized dimension."""
    parameters = detail.get("quantization_parameters", {})
    scales = np.asarray(parameters.get("scales", ()), np.float64)
    if not len(scales) or np.asarray(stored).dtype.kind == "f":
        return np.asarray(stored, np.float64)
    # Preparing a fully connected layer, XNNPACK repeats a single scale for each channel, but not its zero point.
    zero_points = np.broadcast_to(np.asarray(parameters["zero_points"], np.float64).ravel(), scales.shape)
    shape = [1] * np.ndim(stored)
    if len(scales) > 1:
        shape[int(parameters["quantized_dimension"])] = len(scales)
    return (np.asarray(stored, np.float64) - zero_points.reshape(shape)) * scales.reshape(shape)


def per_channel_error(weights: Any, axis: int) -> "np.ndarray[Any, Any]":
    """Return what symmetric 8 bits (-127 to 127) with a scale for each channel leave: (w - w')^2 summed, [channels]."""
    rows = _by_channel(weights, axis)
    largest = np.abs(rows).max(axis=1, keepdims=True)
    scales = np.where(largest > 0, largest / 127, 1.0)
    return np.asarray(((rows - np.rint(rows / scales) * scales) ** 2).sum(axis=1))


def _by_channel(weights: Any, axis: int) -> "np.ndarray[Any, Any]":
    moved = np.moveaxis(np.asarray(weights, np.float64), axis, 0)
    return np.asarray(moved.reshape(moved.shape[0], -1))
