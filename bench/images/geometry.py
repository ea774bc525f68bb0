"""Bringing an image to the size and channels of a model's input."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

import numpy as np
import numpy.typing as npt
from PIL import Image

from ..errors import UsageError
from ..worker.photo import resized, upright


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

    See :func:`edgebench.worker.photo.upright` and :func:`edgebench.worker.photo.resized`, which a device's worker has
    too: there and here the same file gives the same pixels. Raises what ``upright`` raises.
    """
    fitted = resized(upright(image, geometry.channels), geometry.height, geometry.width, geometry.mode.value)
    return fitted.reshape(geometry.height, geometry.width, geometry.channels)
