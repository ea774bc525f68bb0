"""int8 with chosen layers left in float32, through TensorFlow's QuantizationDebugger."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..backend import tensorflow
from ..convert import ConversionError, Variant, quietly, with_converter
from ..reference import Reference

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Layer:
    """A quantized layer: the name of its output tensor, by which it can be left in float32, and its operator.

    ``rmse_per_scale`` is the root mean square error of its output, given the same input, over the output's scale:
    rounding alone gives 1 / sqrt(12) = 0.29.
    """

    name: str
    operator: str
    rmse_per_scale: float


class SelectiveQuantizer:
    """A model calibrated once, from which int8 files with any layers in float32 are made."""

    def __init__(self, reference: Reference, calibration: Array) -> None:
        """``calibration``: float32 [n, height, width, channels], normalised. Raises ConversionError."""
        self._images = calibration
        self._used = len(calibration)
        self._debugger = with_converter(reference, Variant.INT8, calibration, self._open)

    def _open(self, tf: Any, converter: Any) -> Any:
        # Not fully quantized: the debugger feeds float images to an int8 input where the zero point is 0.
        options = tf.lite.experimental.QuantizationDebugOptions(fully_quantize=False)
        return tf.lite.experimental.QuantizationDebugger(
            converter=converter, debug_dataset=self._dataset, debug_options=options
        )

    def _dataset(self) -> Iterator[list[Array]]:
        for image in self._images[: self._used]:
            yield [image[None]]

    def layers(self, images: int) -> tuple[Layer, ...]:
        """The layers in the model's order, with the errors that the debugger measures on the first ``images``.

        Raises ConversionError with the debugger's reason.
        """
        self._used = images

        def measure() -> str:
            self._debugger.run()
            text = io.StringIO()
            self._debugger.layer_statistics_dump(text)
            return text.getvalue()

        rows = list(csv.DictReader(io.StringIO(quietly(measure))))
        if not rows:
            raise ConversionError("the debugger found no quantized layer")
        return tuple(
            Layer(
                row["tensor_name"],
                row["op_name"],
                math.sqrt(float(row["mean_squared_error"])) / float(row["scale"]),
            )
            for row in rows
        )

    def quantized(self, in_float: Sequence[str]) -> bytes:
        """The int8 file with the named layers in float32. Raises ConversionError with the tool's reason."""
        options = tensorflow().lite.experimental.QuantizationDebugOptions(
            fully_quantize=True, denylisted_nodes=list(in_float)
        )

        def make() -> bytes:
            self._debugger.options = options
            return bytes(self._debugger.get_nondebug_quantized_model())

        return quietly(make)
