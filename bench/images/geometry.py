"""Bringing an image to the size and channels of a model's input."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps

from ..errors import UsageError

_SIXTEEN_BIT_MODES = frozenset({"I", "I;16", "I;16L", "I;16B", "I;16N"})
_ALPHA_MODES = frozenset({"RGBA", "RGBa", "LA", "La", "PA"})
# 65535 = 257 * 255, so this maps the sixteen-bit range onto the eight-bit one exactly.
_SIXTEEN_TO_EIGHT_BIT = 257


class ResizeMode(str, Enum):
    """How an image of another aspect ratio is brought to the input's."""

    STRETCH = "stretch"
    CROP = "crop"
    PAD = "pad"


@dataclass(frozen=True)
class Geometry:
    """A model's image input: size in pixels, 1 or 3 channels, and how images are fitted.

    Raises UsageError for a size below 1 or another number of channels.
    """

    height: int
    width: int
    channels: int
    mode: ResizeMode

    def __post_init__(self) -> None:
        """Check the numbers."""
        if self.height < 1 or self.width < 1:
            raise UsageError(f"image size {self.height}x{self.width} is not possible; give 1 or more pixels")
        if self.channels not in (1, 3):
            raise UsageError(f"images have 1 or 3 channels, not {self.channels}; this input takes no images")

    def key(self) -> str:
        """Short text that tells geometries apart, such as ``224x224x3-stretch`` (height first)."""
        return f"{self.height}x{self.width}x{self.channels}-{self.mode.value}"


def fit(image: Image.Image, geometry: Geometry) -> npt.NDArray[np.uint8]:
    """The image as uint8 [height, width, channels], RGB or gray.

    Turned upright by its EXIF orientation; resized by Pillow's bilinear filter with antialias, so STRETCH
    equals ``image.convert("RGB").resize((width, height), BILINEAR)``. CROP takes the largest centred part of
    the wanted aspect ratio; PAD puts the whole image in the centre of black. Transparent parts become black
    too, as what is stored under transparency is arbitrary; 16-bit values are scaled to 8 bit; colour profiles
    are not applied. Raises ValueError for a colour mode Pillow cannot convert, and Pillow's own errors for a
    damaged file.
    """
    upright = _to_channels(ImageOps.exif_transpose(image), geometry.channels)
    size = (geometry.width, geometry.height)
    if geometry.mode is ResizeMode.PAD:
        fitted = _pad(upright, size)
    elif geometry.mode is ResizeMode.CROP:
        fitted = upright.crop(_centre_box(upright.size, size)).resize(size, Image.Resampling.BILINEAR)
    else:
        fitted = upright.resize(size, Image.Resampling.BILINEAR)
    pixels = np.asarray(fitted, dtype=np.uint8)
    return pixels.reshape(geometry.height, geometry.width, geometry.channels)


def _to_channels(image: Image.Image, channels: int) -> Image.Image:
    wanted = "L" if channels == 1 else "RGB"
    if image.mode == "F":
        raise ValueError("floating-point pixels have no fixed range")
    if image.mode in _SIXTEEN_BIT_MODES:
        wide = np.asarray(image.convert("I")).clip(0, 65535)
        image = Image.fromarray((wide // _SIXTEEN_TO_EIGHT_BIT).astype(np.uint8))
    elif image.mode in _ALPHA_MODES or "transparency" in image.info:
        opaque = Image.new("RGBA", image.size, (0, 0, 0, 255))
        opaque.alpha_composite(image.convert("RGBA"))
        image = opaque.convert("RGB")
    return image if image.mode == wanted else image.convert(wanted)


def _centre_box(size: tuple[int, int], wanted: tuple[int, int]) -> tuple[int, int, int, int]:
    """The largest centred box (left, top, right, bottom) in ``size`` with the aspect ratio of ``wanted``."""
    width = min(size[0], max(1, round(size[1] * wanted[0] / wanted[1])))
    height = min(size[1], max(1, round(size[0] * wanted[1] / wanted[0])))
    left, top = (size[0] - width) // 2, (size[1] - height) // 2
    return left, top, left + width, top + height


def _pad(image: Image.Image, size: tuple[int, int]) -> Image.Image:
    scale = min(size[0] / image.width, size[1] / image.height)
    inner = (
        min(size[0], max(1, round(image.width * scale))),
        min(size[1], max(1, round(image.height * scale))),
    )
    canvas = Image.new(image.mode, size)
    canvas.paste(image.resize(inner, Image.Resampling.BILINEAR), ((size[0] - inner[0]) // 2, (size[1] - inner[1]) // 2))
    return canvas
