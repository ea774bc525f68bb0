"""Small JPEG pictures of a few images, as the model sees them."""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterable
from typing import Any

import numpy as np
from PIL import Image

from .cache import CachedImages
from .decode import GrayscalePolicy, UnusableImageError, decode
from .generated import draw
from .geometry import Geometry
from .items import Dataset, ImageItem

#: Neither side is larger.
LARGEST_PX = 96
_QUALITY = 70


def cached_thumbnails(cached: CachedImages, image_ids: Iterable[str]) -> dict[str, bytes]:
    """Return a JPEG file's bytes for each id that is among the decoded images.

    Raises DataError where the cache was removed since.
    """
    wanted = set(image_ids)
    pixels = cached.pixels
    return {item.image_id: jpeg(pixels[row]) for row, item in enumerate(cached.items) if item.image_id in wanted}


def file_thumbnails(dataset: Dataset, image_ids: Iterable[str], geometry: Geometry) -> dict[str, bytes]:
    """Return a JPEG file's bytes for each id whose image can be read (or drawn) now; others are left out."""
    wanted = set(image_ids)
    found = {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        for item in dataset.items:
            pixels = _pixels(item, geometry) if item.image_id in wanted else None
            if pixels is not None:
                found[item.image_id] = jpeg(pixels)
    return found


def jpeg(pixels: np.ndarray[Any, Any]) -> bytes:
    """Return uint8 [height, width, channels] as a JPEG of at most LARGEST_PX pixels a side, without metadata."""
    image = Image.fromarray(pixels[..., 0] if pixels.shape[-1] == 1 else pixels)
    image.thumbnail((LARGEST_PX, LARGEST_PX))
    out = io.BytesIO()
    image.save(out, "JPEG", quality=_QUALITY, optimize=True)
    return out.getvalue()


def _pixels(item: ImageItem, geometry: Geometry) -> np.ndarray[Any, Any] | None:
    if item.recipe is not None:
        return draw(item.recipe, geometry)
    try:
        return decode(item.path, geometry, GrayscalePolicy.CONVERT)
    except UnusableImageError:
        return None
