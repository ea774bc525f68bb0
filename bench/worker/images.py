"""From cached uint8 pixels to a model's input and from its output to one real score per class."""

from __future__ import annotations

from typing import Any, Dict, List, Sequence, Tuple

import numpy as np

from .engines import Engine
from .inputs import Tensor, dequantize, quantize
from .refusal import Refusal


class ImageClassifier:
    """Feeds a model with one image input and one score output from a memory-mapped pixel file.

    ``table`` holds the real value of each of the 256 pixel values, [1 or channels, 256], as the controller computed
    it; a quantized input is rounded here, with the model's own scale and zero point.
    """

    def __init__(self, engine: Engine, pixels_path: str, table: Any) -> None:
        self._engine = engine
        self._input = engine.input_tensor(0)
        self._pixels = np.load(pixels_path, mmap_mode="r")
        self._channels_first = is_channels_first(self._input.shape)
        self._check_pixels()
        tables = input_tables(self._input, table, self._pixels.shape[3])
        self.batch = self._input.shape[0]
        # One image after another goes through the same memory: to allocate it anew costs as much as a small model.
        self._table = np.concatenate(tables)
        self._places = _channel_places(len(tables), self._channels_first)
        self._values = np.empty(self._input.shape, self._table.dtype)
        self._index = None if self._places is None else np.empty(self._input.shape, np.intp)

    def scores(self, start: int, stop: int) -> "np.ndarray[Any, Any]":
        """Return float32 [stop - start, classes]: the dequantised first output for those rows of the pixel file."""
        rows: List[Any] = []
        for first in range(start, stop, self.batch):
            wanted = min(self.batch, stop - first)
            self.feed(first, wanted)
            self._engine.invoke()
            output = dequantize(self._engine.read_output(0), self._engine.output_tensor(0))
            rows.append(output.reshape(self.batch, -1)[:wanted])
        return np.concatenate(rows) if rows else np.empty((0, 0), np.float32)

    def feed(self, first: int, wanted: int = 1) -> None:
        """Set the model's input to ``wanted`` rows of the pixel file, the last one repeated up to the batch."""
        self._engine.set_inputs([self._prepare(first, wanted)])

    def _prepare(self, first: int, wanted: int) -> Any:
        pixels = np.asarray(self._pixels[first : first + wanted])
        if pixels.shape[0] < wanted:
            raise Refusal("input-refused", "the pixel file ends before row %d" % (first + wanted))
        if wanted < self.batch:  # a model with a fixed batch gets its last batch filled up with the last image
            pixels = np.concatenate([pixels, np.repeat(pixels[-1:], self.batch - wanted, axis=0)])
        index = pixels.transpose(0, 3, 1, 2) if self._channels_first else pixels
        if self._places is not None:
            index = np.add(index, self._places, out=self._index)
        # No index is out of range, and "clip" is the mode that writes to its target directly.
        return np.take(self._table, index, out=self._values, mode="clip")

    def _check_pixels(self) -> None:
        geometry = image_geometry(self._input.shape)
        if tuple(self._pixels.shape[1:]) != geometry:
            raise Refusal(
                "image-shape", "the model takes images of %s, the cache holds %s" % (geometry, self._pixels.shape[1:])
            )


def is_channels_first(shape: Sequence[int]) -> bool:
    """Return True for [N, C, H, W] with 1 or 3 channels; a shape that fits both ways counts as channels last."""
    return len(shape) == 4 and shape[3] not in (1, 3) and shape[1] in (1, 3)


def image_geometry(shape: Sequence[int]) -> Tuple[int, int, int]:
    """Return (height, width, channels) of an image input. Raises Refusal where the shape is no image."""
    if len(shape) != 4 or not (shape[3] in (1, 3) or shape[1] in (1, 3)):
        raise Refusal(
            "not-a-classifier", "the model's input %s is no image [N, height, width, 1 or 3]" % (list(shape),)
        )
    if is_channels_first(shape):
        return int(shape[2]), int(shape[3]), int(shape[1])
    return int(shape[1]), int(shape[2]), int(shape[3])


def input_tables(tensor: Tensor, table: Any, channels: int) -> List[Any]:
    """Return what the input holds for each pixel value: one array for all channels, or one a channel.

    Raises:
        Refusal: ``normalization``, when ``table`` has another shape.
    """
    if table.ndim != 2 or table.shape[0] not in (1, channels) or table.shape[1] != 256:
        raise Refusal("normalization", "a table of shape %s for %d channels" % (list(table.shape), channels))
    return [quantize(row, tensor) for row in table]


def _channel_places(tables: int, channels_first: bool) -> Any:
    """Return where each channel's table begins in a row of them, shaped for one image; None where one serves all."""
    if tables == 1:
        return None
    return (np.arange(tables, dtype=np.intp) * 256).reshape((tables, 1, 1) if channels_first else (tables,))


def model_input(pixels: Any, tables: Sequence[Any], channels_first: bool) -> Any:
    """Return uint8 pixels [n, height, width, channels] as the model takes them."""
    if len(tables) == 1:
        values = tables[0][pixels]
    else:
        values = np.stack([table[pixels[..., c]] for c, table in enumerate(tables)], axis=-1)
    return np.ascontiguousarray(values.transpose(0, 3, 1, 2)) if channels_first else values


def describe_images(engine: Engine) -> Dict[str, Any]:
    """Return the image geometry, the input's quantization and the number of scores, for the controller to plan with.

    Raises:
        Refusal: ``not-a-classifier``, when it is not one image in and one score per class out.
    """
    if len(engine.inputs) != 1:
        raise Refusal("not-a-classifier", "the model takes %d inputs, not one image" % len(engine.inputs))
    height, width, channels = image_geometry(engine.inputs[0].shape)
    output = engine.output_tensor(0)
    batch = engine.inputs[0].shape[0]
    if output.shape[:1] != (batch,) or sum(size > 1 for size in output.shape[1:]) > 1:
        raise Refusal("not-a-classifier", "the model's output %s is not one score per class" % (list(output.shape),))
    return {
        "height": height,
        "width": width,
        "channels": channels,
        "input": engine.input_tensor(0).describe(),
        "scores": int(np.prod(output.shape[1:])),
    }
