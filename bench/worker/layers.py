"""What two graphs hold between their layers, image by image: whole, and with every layer alone.

Both run with all tensors kept. LiteRT then gives the default delegate each node by itself, so that what is between them
shows, and it computes the very scores that it does otherwise. A runtime whose delegate hides its inside is noticed, and
the runtime's own CPU kernels serve. Only sums leave this process; the tensors of one image are many times larger than
all answers together.
"""

from __future__ import annotations

from typing import Any, Dict, List, NamedTuple, Optional, Tuple

import numpy as np

from . import layer_sums
from .classic import ClassicEngine
from .engines import LoadRequest
from .images import ImageClassifier
from .inputs import dequantize, dtype_name
from .layer_sums import ChannelRanges, Grid
from .protocol import decode_array, encode_array
from .refusal import Refusal, one_line
from .runtimes import Runtime

#: Channel ranges of wider outputs would be most of an answer; nobody looks for dead channels among so many.
_MOST_CHANNELS = 8192
#: What computes the layers, in order of choice.
_KERNELS = ("default", "none")
#: Two runs of a layer on the same input differ by less than this part of the signal: 60 dB.
_SAME = 1e-6


class OpenEngine(ClassicEngine):
    """A model whose every tensor can be read after a run; ``kernels`` is ``default`` (delegate) or ``none``."""

    def __init__(self, runtime: Runtime, model_path: str, kernels: str) -> None:
        super().__init__(runtime, LoadRequest(model_path, "interpreter", kernels, 1, preserve=True))
        self.details: Dict[int, Dict[str, Any]] = {
            int(detail["index"]): detail for detail in self._interpreter.get_tensor_details()
        }

    def tensor(self, index: int) -> Any:
        """Return a copy of a tensor as it is stored."""
        try:
            return self._interpreter.get_tensor(index)
        except (ValueError, RuntimeError) as error:
            raise Refusal("tensor-unreadable", "tensor %d cannot be read: %s" % (index, one_line(error))) from error

    def feed(self, index: int, array: Any) -> None:
        """Set an input of the graph."""
        self._interpreter.set_tensor(index, array)

    def dtype(self, index: int) -> str:
        """Return a tensor's type by name."""
        return dtype_name(self.details[index]["dtype"])

    def grid(self, index: int) -> Optional[Grid]:
        """Return the values that a tensor can hold; None in floating point."""
        return layer_sums.grid_of(self.details[index], self.dtype(index))

    def real(self, index: int) -> Any:
        """Return a tensor's real values in float64."""
        return layer_sums.real_values(self.tensor(index), self.grid(index))


class Slot(NamedTuple):
    """One input of a layer that stands alone: what it reads in both models, and where it goes in both copies."""

    reference_source: int
    variant_source: int
    reference: int
    variant: int


class Layers:
    """Two open models and, where the controller made them, their copies with every layer alone."""

    def __init__(self, runtime: Runtime, request: Dict[str, Any]) -> None:
        self._pairs = [(int(a), int(b)) for a, b in request["pairs"]]
        self._slots = [Slot(*map(int, item)) for item in request["slots"]]
        self._alone_layers = {int(number) for number in request["alone_layers"]}
        for kernels in _KERNELS:
            self.unavailable: Dict[str, str] = {}
            self._open(runtime, request, kernels)
            if self._shows_truth(unproven=kernels == _KERNELS[-1]):
                break
        else:
            raise Refusal(
                "tensors-overwritten",
                "%s %s lets one layer overwrite another's output, so what is between layers cannot be read; "
                "use ai-edge-litert" % (runtime.package, runtime.version),
            )
        self._kernels = kernels
        self._grids = [self._variant.grid(own) for _, own in self._pairs]
        self._ranges = [self._make_ranges(pair) for pair in self._pairs]
        self._weights = [self._weigh(item) for item in request["weights"]]

    def describe(self) -> Dict[str, Any]:
        """Return each layer's format and its weights' sums."""
        return {
            "kernels": self._kernels,
            "layers": [self._format(pair, grid) for pair, grid in zip(self._pairs, self._grids)],
            "weights": self._weights,
            "unavailable": self.unavailable,
        }

    def run(self, row: int) -> Tuple[Any, Any, Any]:
        """Return one image's sums [layers, columns] and both models' scores [classes]."""
        self._forward(row)
        alone = self._run_alone()
        sums = np.array([self._sums(number) + alone[number] for number in range(len(self._pairs))], np.float64)
        return sums, self._scores(self._reference), self._scores(self._variant)

    def _forward(self, row: int) -> None:
        for feeder, engine in zip(self._feeders, (self._reference, self._variant)):
            feeder.feed(row)
            engine.invoke()

    def channels(self) -> List[Optional[Dict[str, Any]]]:
        """Return each layer's channel ranges over all images run so far; None where its output has no channels."""
        return [
            None
            if ranges is None or ranges[0].low is None
            else {
                "reference_low": encode_array(ranges[0].low),
                "reference_high": encode_array(ranges[0].high),
                "variant_low": encode_array(ranges[1].low),
                "variant_high": encode_array(ranges[1].high),
            }
            for ranges in self._ranges
        ]

    def _make_ranges(self, pair: Tuple[int, int]) -> Optional[Tuple[ChannelRanges, ChannelRanges]]:
        shape = self._variant.details[pair[1]]["shape"]
        fits = len(shape) >= 2 and 1 < int(shape[-1]) <= _MOST_CHANNELS
        return (ChannelRanges(), ChannelRanges()) if fits else None

    def _format(self, pair: Tuple[int, int], grid: Optional[Grid]) -> Dict[str, Any]:
        shape = self._variant.details[pair[1]]["shape"]
        return {
            "dtype": self._variant.dtype(pair[1]),
            "elements": int(np.prod(shape, dtype=np.int64)),
            "scale": None if grid is None else grid.scale,
            "zero_point": None if grid is None else grid.zero_point,
        }

    def _sums(self, number: int) -> Tuple[float, ...]:
        theirs, own = self._pairs[number]
        real, stored = self._reference.real(theirs), self._variant.tensor(own)
        ranges = self._ranges[number]
        if ranges is not None:
            ranges[0].show(real)
            ranges[1].show(stored)
        return layer_sums.layer_sums(real, stored, self._grids[number])

    @staticmethod
    def _scores(engine: OpenEngine) -> Any:
        # Rows of a batch hold the same image, so the first one tells all.
        return dequantize(engine.read_output(0), engine.output_tensor(0))[:1].ravel()

    def _weigh(self, item: Dict[str, Any]) -> Dict[str, Any]:
        """Return a layer's weight sums, of the weights as they are stored, before any conversion in the graph."""
        axis, theirs, stored = int(item["axis"]), int(item["reference"]), int(item["variant"])
        detail = self._variant.details[stored]
        told: Dict[str, Any] = {"layer": int(item["layer"]), "dtype": self._variant.dtype(stored)}
        try:
            mine, real = self._variant.tensor(stored), self._reference.tensor(theirs)
        except Refusal as refusal:
            return {**told, "unavailable": str(refusal)}
        if real.dtype.kind != "f" or real.shape != mine.shape:
            return {**told, "unavailable": "the reference's weights are not of the same form"}
        scales = int(item["scales"])  # the file's: the runtime may have repeated one for each channel
        signal, error = layer_sums.weight_sums(real, layer_sums.real_weights(mine, detail), axis)
        ideal = layer_sums.per_channel_error(real, axis) if scales == 1 and len(signal) > 1 else np.empty(0)
        return {
            **told,
            "scales": scales,
            "signal": encode_array(signal),
            "error": encode_array(error),
            "per_channel_error": encode_array(ideal),
        }

    def _open(self, runtime: Runtime, request: Dict[str, Any], kernels: str) -> None:
        self._reference = OpenEngine(runtime, request["reference_path"], kernels)
        self._variant = OpenEngine(runtime, request["variant_path"], kernels)
        tables = (request["reference_table"], request["variant_table"])
        self._feeders = [
            ImageClassifier(engine, request["pixels_path"], decode_array(table))
            for engine, table in zip((self._reference, self._variant), tables)
        ]
        self._alone: Optional[Tuple[OpenEngine, OpenEngine]] = None
        if request.get("reference_alone"):
            try:
                self._alone = (
                    OpenEngine(runtime, request["reference_alone"], kernels),
                    OpenEngine(runtime, request["variant_alone"], kernels),
                )
            except Refusal as refusal:
                self.unavailable["alone"] = "the runtime does not take the layers one by one: %s" % refusal

    def _shows_truth(self, unproven: bool) -> bool:
        """Return whether the tensors that are kept are what the layers put out; ``unproven`` where nothing can tell.

        Every layer alone is given what the whole graph shows before it: what the graph shows after it must come out. A
        delegate that hides its inside fails this, and so does tflite-runtime 2.14, which adds in place even where it is
        told to keep all tensors.
        """
        self._forward(0)
        if self._alone is None:
            return unproven
        try:
            for slot in self._slots:
                self._alone[0].feed(slot.reference, self._reference.tensor(slot.reference_source))
                self._alone[1].feed(slot.variant, self._variant.tensor(slot.variant_source))
            for engine in self._alone:
                engine.invoke()
        except (ValueError, RuntimeError) as error:
            self._give_up(error)
            return unproven
        except Refusal:  # a tensor that cannot be read is not kept
            return False
        sides = zip((self._reference, self._variant), self._alone)
        return all(self._agree(whole, copy, side) for side, (whole, copy) in enumerate(sides))

    def _agree(self, whole: OpenEngine, copy: OpenEngine, side: int) -> bool:
        for number in self._alone_layers:
            tensor = self._pairs[number][side]
            signal, error = layer_sums.errors(whole.real(tensor), copy.real(tensor))
            if error > _SAME * signal:
                return False
        return True

    def _give_up(self, error: Exception) -> None:
        self._alone = None
        self.unavailable["alone"] = "the layers cannot be run one by one: %s" % one_line(error)

    def _run_alone(self) -> List[Tuple[float, float]]:
        """Give each pair of layers one and the same input, one that the variant can hold, and return their errors."""
        unknown = (float("nan"), float("nan"))
        if self._alone is None:
            return [unknown] * len(self._pairs)
        theirs, own = self._alone
        try:
            for slot in self._slots:
                values = self._reference.tensor(slot.reference_source)
                grid = own.grid(slot.variant)
                if grid is not None:
                    stored = grid.nearest(layer_sums.real_values(values, self._reference.grid(slot.reference_source)))
                    own.feed(slot.variant, stored)
                    values = grid.real(stored).astype(values.dtype)
                else:
                    own.feed(slot.variant, values)
                theirs.feed(slot.reference, values)
            theirs.invoke()
            own.invoke()
        except (ValueError, RuntimeError) as error:
            self._give_up(error)
            return [unknown] * len(self._pairs)
        return [
            layer_sums.errors(theirs.real(pair[0]), own.real(pair[1]).astype(np.float32))
            if number in self._alone_layers
            else unknown
            for number, pair in enumerate(self._pairs)
        ]


def open_layers(runtime: Optional[Runtime], request: Dict[str, Any]) -> Layers:
    """Open both models.

    Raises:
        Refusal: no runtime was loaded yet, or it does not take a model or does not keep tensors.
    """
    if runtime is None:
        raise Refusal("protocol", "open_layers before hello")
    return Layers(runtime, request)


def compare_rows(layers: Layers, start: int, stop: int, deadline_passed: Any) -> Dict[str, Any]:
    """Return sums and scores for rows from ``start``: at least one, then until the deadline has passed."""
    parts: List[Tuple[Any, Any, Any]] = []
    for row in range(start, stop):
        parts.append(layers.run(row))
        if deadline_passed():
            break
    sums, theirs, own = (np.stack(column) for column in zip(*parts))
    return {
        "sums": encode_array(sums),
        "reference_scores": encode_array(theirs),
        "variant_scores": encode_array(own),
        "unavailable": layers.unavailable,
    }
