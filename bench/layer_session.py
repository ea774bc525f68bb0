"""A session that compares two models layer by layer: the protocol's field names of that."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from .layer_data import Array, ChannelRange, LayerFormat, LayerSums, WeightSums
from .session import Session
from .worker.layer_sums import ALONE_COLUMNS, COLUMNS
from .worker.protocol import decode_array, encode_array


@dataclass(frozen=True)
class WeightPlace:
    """Where a layer's weights are stored: tensors by index, and the axis of output channels.

    ``scales`` counts the variant's in its file.
    """

    layer: int
    reference: int
    variant: int
    axis: int
    scales: int


@dataclass(frozen=True)
class LayersRequest:
    """What a worker shall compare. Paths are on the device; tables give each pixel value's real value.

    ``slots`` are (reference's tensor, variant's tensor, place in the reference's copy, place in the variant's copy) of
    every input of a layer that stands alone; without copies no layer is run alone.
    """

    reference_path: str
    variant_path: str
    pixels_path: str
    reference_table: Array
    variant_table: Array
    pairs: tuple[tuple[int, int], ...]
    weights: tuple[WeightPlace, ...]
    reference_alone: str | None = None
    variant_alone: str | None = None
    alone_layers: tuple[int, ...] = ()
    slots: tuple[tuple[int, int, int, int], ...] = ()


@dataclass(frozen=True)
class OpenedLayers:
    """Two models that are open: each pair's format, and the weights' sums.

    ``delegated`` tells whether the layers are those that the default delegate computes, not the runtime's own kernels.
    """

    delegated: bool
    formats: tuple[LayerFormat, ...]
    weights: tuple[WeightSums, ...]
    unavailable: Mapping[str, str]


@dataclass(frozen=True)
class ComparedRows:
    """Some images' sums [images, layers, columns] and scores [images, classes]."""

    sums: Array
    reference_scores: Array
    variant_scores: Array
    unavailable: Mapping[str, str]


class LayerSession(Session):
    """Adds the comparison of two models to a session."""

    def __enter__(self) -> LayerSession:
        return self

    def open_layers(self, request: LayersRequest) -> OpenedLayers:
        """Open both models there. Raises RuntimeRefused where the runtime shows nothing between layers."""
        fields = {**vars(request), "weights": [vars(place) for place in request.weights]}
        for name in ("reference_table", "variant_table"):
            fields[name] = encode_array(fields[name])
        return self._read(_opened, self._ask("open_layers", **fields))

    def layers(self, start: int, stop: int, max_ns: int) -> ComparedRows:
        """Compare images from ``start``: at least one, until ``max_ns`` have passed, never over ``stop``."""
        return self._read(_rows, self._ask("layers", start=start, stop=stop, max_ns=max_ns))

    def layer_channels(self) -> tuple[ChannelRange | None, ...]:
        """Return each layer's channel ranges over all images compared so far."""
        return self._read(
            lambda answer: tuple(_channels(item) for item in answer["channels"]), self._ask("layer_channels")
        )


def layer_sums(rows: Sequence[Array]) -> LayerSums:
    """Return the parts' sums as one table a column."""
    table = np.concatenate(rows)
    columns = (*COLUMNS, *ALONE_COLUMNS)
    return LayerSums(**{name: table[:, :, place] for place, name in enumerate(columns)})


def _opened(answer: dict[str, Any]) -> OpenedLayers:
    formats = tuple(
        LayerFormat(
            dtype=str(item["dtype"]),
            elements=int(item["elements"]),
            scale=None if item["scale"] is None else float(item["scale"]),
            zero_point=None if item["zero_point"] is None else int(item["zero_point"]),
        )
        for item in answer["layers"]
    )
    unavailable = {str(name): str(reason) for name, reason in answer["unavailable"].items()}
    weights = []
    for item in answer["weights"]:
        if "unavailable" in item:
            unavailable[f"weights:{int(item['layer'])}"] = str(item["unavailable"])
            continue
        weights.append(
            WeightSums(
                layer=int(item["layer"]),
                dtype=str(item["dtype"]),
                scales=int(item["scales"]),
                signal=decode_array(item["signal"]),
                error=decode_array(item["error"]),
                per_channel_error=decode_array(item["per_channel_error"]),
            )
        )
    return OpenedLayers(answer["kernels"] == "default", formats, tuple(weights), unavailable)


def _rows(answer: dict[str, Any]) -> ComparedRows:
    sums = decode_array(answer["sums"])
    theirs, own = decode_array(answer["reference_scores"]), decode_array(answer["variant_scores"])
    if sums.ndim != 3 or not len(sums) or sums.shape[2] != len(COLUMNS) + len(ALONE_COLUMNS):
        raise ValueError(f"sums of shape {sums.shape}")
    if theirs.shape != own.shape or theirs.ndim != 2 or len(theirs) != len(sums):
        raise ValueError(f"scores of shapes {theirs.shape} and {own.shape} for {len(sums)} images")
    return ComparedRows(sums, theirs, own, {str(name): str(reason) for name, reason in answer["unavailable"].items()})


def _channels(item: dict[str, Any] | None) -> ChannelRange | None:
    if item is None:
        return None
    found = ChannelRange(
        *(decode_array(item[f"{side}_{end}"]) for side in ("reference", "variant") for end in ("low", "high"))
    )
    if len({array.shape for array in vars(found).values()}) != 1 or not math.prod(found.variant_low.shape):
        raise ValueError("channel ranges of unequal shapes")
    return found
