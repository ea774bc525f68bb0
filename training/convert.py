"""The TFLite converter: the only module that knows it."""

from __future__ import annotations

import re
import tempfile
import warnings
from collections.abc import Callable, Iterator
from enum import Enum
from typing import Any, TypeVar

import numpy as np

from .backend import captured_output, tensorflow
from .reference import Reference

Array = np.ndarray[Any, Any]
Made = TypeVar("Made")
_NOISE = re.compile(
    r"^(\s*$|WARNING|INFO|I\d{4}|W\d{4}|E\d{4}|\d{4}-|\s*(at|File|from) |.*loc\(|.*see current operation)"
)


class Variant(str, Enum):
    """A form of the model. The value is the file's stem."""

    FLOAT32 = "float32"
    FLOAT16 = "float16"
    DYNAMIC = "dynamic"
    INT8 = "int8"
    INT16X8 = "int16x8"

    @property
    def needs_calibration(self) -> bool:
        """Whether activations are quantized, so that their ranges must be seen."""
        return self in (Variant.INT8, Variant.INT16X8)


class ConversionError(Exception):
    """The converter said no; ``str(error)`` is its own reason on one line."""


def convert(reference: Reference, variant: Variant, calibration: Array | None = None) -> bytes:
    """The ``.tflite`` file of a variant.

    ``calibration``: float32 [n, height, width, channels], normalised. int8 has int8 input and output; int16x8
    has float input and output. Raises ConversionError with the converter's reason.
    """
    return with_converter(reference, variant, calibration, lambda _, converter: bytes(converter.convert()))


def with_converter(
    reference: Reference, variant: Variant, calibration: Array | None, action: Callable[[Any, Any], Made]
) -> Made:
    """What ``action(tensorflow, converter)`` answers, given a converter that is set up for a variant.

    Raises ConversionError with the reason that the converter gave.
    """
    tf = tensorflow()

    def act() -> Made:
        with tempfile.TemporaryDirectory(prefix="edgebench-convert-") as folder:
            _save_frozen(tf, reference, folder)
            converter = tf.lite.TFLiteConverter.from_saved_model(folder)
            _configure(tf, converter, variant, calibration)
            return action(tf, converter)

    return quietly(act)


def quietly(action: Callable[[], Made]) -> Made:
    """What ``action`` answers, without what tools write meanwhile. Raises ConversionError with its reason."""
    with captured_output() as chatter:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                return action()
        # The converter raises ConverterError, ValueError, RuntimeError and whatever its passes raise.
        except Exception as error:
            failure = error
    raise ConversionError(_reason(failure, chatter.text)) from failure


def _save_frozen(tf: Any, reference: Reference, folder: str) -> None:
    """A SavedModel of one image, with the weights as constants.

    Straight from a Keras 3 model the converter leaves variables uninitialised where the batch is fixed (the
    scores are NaN); from a frozen function alone the file has no signature.
    """
    from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

    frozen = convert_variables_to_constants_v2(reference.concrete())
    shape = (1, reference.height, reference.width, reference.channels)

    def classify(image: Any) -> dict[str, Any]:
        return {"scores": frozen(image)[0]}

    module = tf.Module()
    module.classify = tf.function(classify, input_signature=[tf.TensorSpec(shape, tf.float32, name="image")])
    tf.saved_model.save(module, folder, signatures={"serving_default": module.classify})


def _configure(tf: Any, converter: Any, variant: Variant, calibration: Array | None) -> None:
    if variant is Variant.FLOAT32:
        return
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    if variant is Variant.FLOAT16:
        converter.target_spec.supported_types = [tf.float16]
    if not variant.needs_calibration:
        return
    if calibration is None:
        raise ConversionError(f"{variant.value} needs calibration images")

    def representative() -> Iterator[list[Array]]:
        for image in calibration:
            yield [image[None]]

    converter.representative_dataset = representative
    if variant is Variant.INT8:
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
        converter.inference_input_type = converter.inference_output_type = tf.int8
    else:
        mode = tf.lite.OpsSet.EXPERIMENTAL_TFLITE_BUILTINS_ACTIVATIONS_INT16_WEIGHTS_INT8
        converter.target_spec.supported_ops = [mode]


def _reason(error: Exception, chatter: str) -> str:
    lines = [line.strip() for text in (str(error), chatter) for line in text.splitlines()]
    useful = [line for line in lines if not _NOISE.match(line)]
    return (useful or lines or [type(error).__name__])[0][:300]
