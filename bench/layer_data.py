"""What a diagnosis is made of, as frozen dataclasses."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

import numpy as np

from .profile_data import GraphNode
from .records import Failure, ModelFile, RuntimeInfo

Array = np.ndarray[Any, Any]


#: What the model's input is called where layers are listed by operator.
INPUT = "INPUT"
#: Nodes that only change how numbers are written down.
CONVERSIONS = frozenset({"QUANTIZE", "DEQUANTIZE"})
_FLOATS, _INTEGERS = frozenset({"float16", "float32", "float64"}), frozenset({"int8", "uint8", "int16"})
#: Weighted operators: the input that holds the weights, and the weights' axis of output channels.
WEIGHTS = {"CONV_2D": (1, 0), "DEPTHWISE_CONV_2D": (1, 3), "FULLY_CONNECTED": (1, 0), "TRANSPOSE_CONV": (1, 0)}


@dataclass(frozen=True)
class NetworkTensor:
    """A tensor's name, shape and type as the file has them; the type is lower case, such as ``int8``.

    ``scales`` counts its quantization scales: 0 in floating point, 1 for the whole tensor, else one a channel.
    """

    name: str
    shape: tuple[int, ...]
    type: str
    scales: int = 0

    @property
    def tells_values(self) -> bool:
        """True where it holds real values that can be compared: floating point, or integers with one scale."""
        return self.type in _FLOATS or (self.type in _INTEGERS and self.scales == 1)


@dataclass(frozen=True)
class Network:
    """A graph: nodes in the file's order, tensors by index, and the indices of its inputs and outputs.

    ``activations`` are the tensors that depend on the graph's inputs.
    """

    name: str
    nodes: tuple[GraphNode, ...]
    tensors: tuple[NetworkTensor, ...]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    activations: frozenset[int]

    def producers(self) -> dict[int, int]:
        """Return, by tensor, the index of the node that makes it."""
        return {tensor: number for number, node in enumerate(self.nodes) for tensor in node.outputs}

    def source(self, tensor: int, producers: dict[int, int]) -> int:
        """Return the tensor that ``tensor`` was before any conversion of its numbers."""
        while tensor in producers and self.nodes[producers[tensor]].operator in CONVERSIONS:
            tensor = self.nodes[producers[tensor]].inputs[0]
        return tensor


class Match(str, Enum):
    """How a layer of one graph is known to be that of the other."""

    NAME = "name"
    """Its output has the same name, its operator and its output's shape are the same."""
    ORDER = "order"
    """Between two matched neighbours both graphs have the same operators with the same shapes in the same order."""


@dataclass(frozen=True)
class LayerPair:
    """One output of a node of the variant's graph, and the same of the reference's: nodes and tensors by index.

    The model's input is a pair as well: its operator is :data:`INPUT`, its nodes are -1.
    ``inputs_match`` says that each activation this node reads comes from the layer that the other one reads there.
    """

    operator: str
    reference_node: int
    variant_node: int
    reference_tensor: int
    variant_tensor: int
    match: Match
    inputs_match: bool


@dataclass(frozen=True)
class Unmatched:
    """A layer that the other graph has no sure counterpart of."""

    side: str
    node: int
    operator: str
    name: str
    reason: str


@dataclass(frozen=True)
class Matched:
    """All pairs in the variant's order, and what was left over on both sides."""

    pairs: tuple[LayerPair, ...]
    unmatched: tuple[Unmatched, ...]


@dataclass(frozen=True)
class LayerFormat:
    """How the variant writes a layer's output down. ``scale`` is None where it stays in floating point."""

    dtype: str
    elements: int
    scale: float | None = None
    zero_point: int | None = None

    @property
    def steps(self) -> int | None:
        """How many steps the type's range has, None for floating point."""
        return None if self.scale is None else int(np.iinfo(self.dtype).max) - int(np.iinfo(self.dtype).min)


@dataclass(frozen=True)
class LayerSums:
    """Sums over the elements of each layer's output, float64 [images, layers]; f the reference's value, v the other.

    ``signal`` f^2, ``error`` (f - v)^2, ``dot`` f v, ``power`` v^2; ``clipped`` counts f beyond the variant's range by
    more than half a step, ``clip_error`` (f - nearest end of the range)^2, ``at_low`` and ``at_high`` count v at the
    type's ends. ``alone_signal`` and ``alone_error`` are signal and error of the layer alone. NaN where unknown.
    """

    signal: Array
    error: Array
    dot: Array
    power: Array
    clipped: Array
    clip_error: Array
    at_low: Array
    at_high: Array
    alone_signal: Array
    alone_error: Array


@dataclass(frozen=True)
class ChannelRange:
    """Least and greatest value of each channel (last axis) of one layer over all images: reference, then variant.

    The variant's are as stored, in steps where it is quantized.
    """

    reference_low: Array
    reference_high: Array
    variant_low: Array
    variant_high: Array


@dataclass(frozen=True)
class WeightSums:
    """A layer's weights: per output channel the sums of w^2 and of (w - w')^2, w the reference's.

    ``scales`` counts the variant's scales, 0 for floating point. ``per_channel_error`` is what 8 bits with a scale for
    each channel would leave of w: empty where that says nothing new.
    """

    layer: int
    dtype: str
    scales: int
    signal: Array
    error: Array
    per_channel_error: Array


@dataclass(frozen=True)
class Compared:
    """What a worker found on all images. Scores are float32 [images, classes], the ``default`` ones of the runtime's
    default delegate. ``delegated`` tells whether the layers are that delegate's, too, or the runtime's own kernels'.
    ``unavailable`` says what could not be found, and why.
    """

    delegated: bool
    formats: tuple[LayerFormat, ...]
    sums: LayerSums
    channels: tuple[ChannelRange | None, ...]
    weights: tuple[WeightSums, ...]
    reference_scores: Array
    variant_scores: Array
    reference_default: Array
    variant_default: Array
    unavailable: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Ratio:
    """A signal-to-quantization-noise ratio. ``db`` is infinite where nothing differs, None where there is no signal."""

    db: float | None
    rmse: float | None = None
    steps: float | None = None


@dataclass(frozen=True)
class Channel:
    """One output channel of a layer's weights and its ratio in dB."""

    index: int
    db: float


@dataclass(frozen=True)
class Weights:
    """How well the variant's weights hold the reference's, in dB, over all channels and the ``worst`` ones.

    ``gain_db`` is what a scale for each channel would add to one scale for all, by calculation; None where unknown.
    """

    dtype: str
    scales: int
    channels: int
    db: float | None
    worst: tuple[Channel, ...]
    gain_db: float | None


@dataclass(frozen=True)
class Layer:
    """One layer's figures. Shares are from 0 to 1; None is unknown or makes no sense for this layer.

    ``total`` is the error with all that came in, ``alone`` the error the layer makes itself: both graphs' layers get
    one and the same input there. ``by_class`` are ratios in dB over the images of each class. ``dead`` counts channels
    that never change here and do in the reference. ``clip_share`` is the part of the squared error that comes of the
    range, at most 1. ``time_low`` and ``time_high`` enclose the layer's share of the time, see the profile.
    """

    number: int
    node: int
    reference_node: int
    operator: str
    name: str
    output: str
    match: Match
    format: LayerFormat
    total: Ratio
    alone: Ratio
    cosine: float | None
    range_used: float | None
    clipped: float | None
    clip_share: float | None
    at_ends: float | None
    dead: int | None
    dead_in_both: int | None
    channels: int | None
    weights: Weights | None
    by_class: tuple[float | None, ...]
    flipped_db: float | None
    kept_db: float | None
    time_share: float | None = None
    time_low: float | None = None
    time_high: float | None = None


@dataclass(frozen=True)
class ClassAnswers:
    """One class: its images, right answers of both models, and answers that flipped."""

    label: str
    images: int
    reference_right: int
    variant_right: int
    flipped: int


@dataclass(frozen=True)
class Contrast:
    """The layer at which one group of images differs most from the others, of all groups and layers.

    ``difference_db`` is the mean ratio of the group less that of the others. ``p_value`` is the share of random
    divisions of the same sizes in which any layer of any group differs as much (Westfall and Young's max-T).
    """

    layer: int
    group: str
    images: int
    difference_db: float
    p_value: float


@dataclass(frozen=True)
class Answers:
    """How the two models answer in the run that the layers come from, and how far the default delegate's run is.

    ``kernel_difference`` is the greatest difference of a score between those runs, ``kernel_flips`` how many of the
    variant's answers differ, ``here_db`` and ``default_db`` the ratios of the scores in both. Margins are medians of
    the reference's best score less its second, over images whose answer flips and over the others.
    """

    images: int
    classes: tuple[ClassAnswers, ...]
    flipped: int
    flipped_ids: tuple[str, ...]
    flipped_margin: float | None
    kept_margin: float | None
    reference_kernel_difference: float
    variant_kernel_difference: float
    kernel_flips: int
    here_db: float | None
    default_db: float | None
    flip_contrast: Contrast | None
    class_contrast: Contrast | None


@dataclass(frozen=True)
class Diagnosis:
    """Why one variant answers otherwise than its reference: layers in the variant's order."""

    model: str
    variant: str
    reference: str
    file: ModelFile
    reference_file: ModelFile
    runtime: RuntimeInfo
    source: str
    generated: bool
    labels: tuple[str, ...]
    graph_name: str
    layers: tuple[Layer, ...]
    unmatched: tuple[Unmatched, ...]
    answers: Answers
    delegated: bool
    preprocessing: str
    notes: tuple[str, ...] = ()
    unavailable: Mapping[str, str] = field(default_factory=dict)

    def ranked(self) -> list[Layer]:
        """Return the layers with the greatest error first: by their own where it is known, else by the total."""
        alone = any(layer.alone.db is not None for layer in self.layers)
        return sorted(self.layers, key=lambda layer: _rank(layer.alone if alone else layer.total))


def _rank(ratio: Ratio) -> float:
    return float("inf") if ratio.db is None else ratio.db


@dataclass(frozen=True)
class FailedDiagnosis:
    """A variant that could not be diagnosed, and why."""

    model: str
    variant: str
    failure: Failure
