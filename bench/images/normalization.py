"""How pixels 0..255 become the real numbers a model expects."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ..errors import UsageError

_FORMS = '"-1..1", "0..1", "0..255" (or "none"), "imagenet", or MEAN/STD in pixels such as "127.5/127.5"'
_TOLERANCE = 0.02
# int16 inputs are always symmetric in TFLite, so their range is -1..1 for data of 0..1 as well: it tells
# nothing.
_QUANTIZED_RANGES = {"int8": (-128, 127), "uint8": (0, 255)}


@dataclass(frozen=True)
class Normalization:
    """real = (pixel - mean) / std, with pixel in 0..255; one value for all channels or three.

    Raises UsageError for other numbers of values, values that are not finite, or std not above 0.
    """

    name: str
    mean: tuple[float, ...]
    std: tuple[float, ...]

    def __post_init__(self) -> None:
        """Check the numbers."""
        if len(self.mean) not in (1, 3) or len(self.std) != len(self.mean):
            raise UsageError(f"normalization {self.name!r}: give mean and std for all channels at once or for three")
        if not all(math.isfinite(value) for value in self.mean + self.std) or min(self.std) <= 0:
            raise UsageError(f"normalization {self.name!r}: mean must be finite and std above 0")

    def float_table(self) -> npt.NDArray[np.float32]:
        """The float32 input for each of the 256 pixel values, [1 or channels, 256].

        Where mean equals std this is pixel / std - 1 in float32, Keras's own ``preprocess_input`` for "-1..1", else
        (pixel - mean) / std. The two differ in the last bit for some pixels, and that is enough to change answers of
        a dynamic-range model, which rounds its activations: training and every device use this one table.
        """
        pixels = np.arange(256, dtype=np.float32)
        rows = []
        for mean, std in zip(self.mean, self.std, strict=True):
            if mean == std:
                rows.append(pixels / np.float32(std) - np.float32(1))
            else:
                rows.append((pixels - np.float32(mean)) / np.float32(std))
        return np.stack(rows)

    def exact_table(self) -> npt.NDArray[np.float64]:
        """The real value of each of the 256 pixel values in float64, [1 or channels, 256]: what gets quantized.

        With scale 2/255 and zero point -1 every pixel of "-1..1" lies within float32's rounding of a tie; float64
        decides them by the scale's true value, so that (but for one) no two pixel values become one.
        """
        pixels = np.arange(256, dtype=np.float64)
        return np.stack([(pixels - mean) / std for mean, std in zip(self.mean, self.std, strict=True)])

    def apply(self, pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        """float32 of the same shape [..., channels], from :meth:`float_table`."""
        table = self.float_table()
        if len(table) == 1:
            return np.asarray(table[0][pixels])
        return np.stack([row[pixels[..., channel]] for channel, row in enumerate(table)], axis=-1)


_NAMED = {
    "-1..1": Normalization("-1..1", (127.5,), (127.5,)),
    "0..1": Normalization("0..1", (0.0,), (255.0,)),
    "0..255": Normalization("0..255", (0.0,), (1.0,)),
    # The mean and standard deviation of the ImageNet training set that torchvision and Keras ("torch" mode)
    # use.
    "imagenet": Normalization(
        "imagenet",
        tuple(255.0 * value for value in (0.485, 0.456, 0.406)),
        tuple(255.0 * value for value in (0.229, 0.224, 0.225)),
    ),
}
_RANGES = {"-1..1": (-1.0, 1.0), "0..1": (0.0, 1.0), "0..255": (0.0, 255.0)}


def parse_normalization(text: str) -> Normalization:
    """The normalization that a flag or card names. Raises UsageError that lists the forms."""
    name = "".join(text.split()).lower()
    if name == "none":
        name = "0..255"
    if name in _NAMED:
        return _NAMED[name]
    mean_text, slash, std_text = name.partition("/")
    if not slash:
        raise UsageError(f"normalization {text!r} is not known; use {_FORMS}")
    try:
        mean = tuple(float(value) for value in mean_text.split(","))
        std = tuple(float(value) for value in std_text.split(","))
    except ValueError as error:
        raise UsageError(f"normalization {text!r} has something that is no number; use {_FORMS}") from error
    channels = max(len(mean), len(std))
    mean, std = (values * channels if len(values) == 1 else values for values in (mean, std))
    try:
        return Normalization(name, mean, std)
    except UsageError as error:
        raise UsageError(f"{error}; forms: {_FORMS}") from error


def normalization_from_quantization(dtype_name: str, scale: float, zero_point: int) -> Normalization | None:
    """What a quantized image input implies about its normalization, or None where it is none of the usual.

    The real range of the input, (qmin - zero_point) * scale .. (qmax - zero_point) * scale, is compared with
    -1..1, 0..1 and 0..255, each end within 2 % of the span. Only int8 and uint8 inputs tell.
    """
    if dtype_name not in _QUANTIZED_RANGES or not math.isfinite(scale) or scale <= 0:
        return None
    low, high = ((end - zero_point) * scale for end in _QUANTIZED_RANGES[dtype_name])
    for name, (lower, upper) in _RANGES.items():
        tolerance = _TOLERANCE * (upper - lower)
        if abs(low - lower) <= tolerance and abs(high - upper) <= tolerance:
            return _NAMED[name]
    return None
