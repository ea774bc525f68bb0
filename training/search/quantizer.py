"""ai-edge-quantizer, the other tool: an optional extra. The only module that knows it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ..convert import ConversionError, quietly
from .candidates import Ranges

Array = np.ndarray[Any, Any]
INSTALL_HINT = 'pip install "edgebench[search]"'
#: Share of the images whose extremes are left out at either end.
_LEFT_OUT_PERCENT = 1.0


def tool_version(package: str) -> str | None:
    """The installed version of a package, None where it is not installed."""
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version(package)
    except PackageNotFoundError:
        return None


def quantize(float_model: bytes, recipe: str, ranges: Ranges | None, images: Array | None) -> bytes:
    """The file that a recipe makes of a float32 ``.tflite`` model.

    ``recipe`` is a function of ``ai_edge_quantizer.recipe``, with the algorithm for weights after a slash;
    ``images`` float32 [n, height, width, channels]. Raises ConversionError where the tool is missing or says no.
    """
    return quietly(lambda: _quantize(float_model, recipe, ranges, images))


def _quantize(float_model: bytes, recipe: str, ranges: Ranges | None, images: Array | None) -> bytes:
    try:
        from ai_edge_quantizer import quantizer
        from ai_edge_quantizer import recipe as recipes
    except ImportError as error:
        raise ConversionError(f"needs ai-edge-quantizer ({error}); install it with: {INSTALL_HINT}") from error
    name, _, algorithm = recipe.partition("/")
    made = getattr(recipes, name)
    tool = quantizer.Quantizer(float_model)
    tool.load_quantization_recipe(made(recipes.AlgorithmName[algorithm]) if algorithm else made())
    seen = None
    if images is not None and ranges is not None:
        inputs = [{_input_name(float_model): image[None]} for image in images]
        seen = _calibrate(tool, inputs) if ranges is Ranges.MOVING else _merged(tool, inputs, ranges)
    return bytes(tool.quantize(seen, enable_progress_report=False).quantized_model)


def _input_name(float_model: bytes) -> str:
    from ai_edge_litert.interpreter import Interpreter

    signatures = Interpreter(model_content=float_model, num_threads=1).get_signature_list()
    return str(signatures["serving_default"]["inputs"][0])


def _calibrate(tool: Any, inputs: Sequence[Mapping[str, Array]]) -> dict[str, Any]:
    return dict(tool.calibrate({"serving_default": list(inputs)}, num_threads=1))


def _merged(tool: Any, inputs: Sequence[Mapping[str, Array]], ranges: Ranges) -> dict[str, Any]:
    """Ranges over all images from each image's own extremes: the tool itself only has its moving average."""
    each = [_calibrate(tool, [given]) for given in inputs]
    percent = _LEFT_OUT_PERCENT if ranges is Ranges.PERCENTILE else 0.0
    merged: dict[str, Any] = {}
    for name, seen in each[0].items():
        merged[name] = dict(seen)
        if seen:
            lows, highs = (np.stack([np.asarray(one[name][end]) for one in each]) for end in ("min", "max"))
            merged[name] |= {
                "min": np.percentile(lows, percent, axis=0).astype(np.float32),
                "max": np.percentile(highs, 100.0 - percent, axis=0).astype(np.float32),
            }
    return merged
