"""One image -> uint8 pixels of a model's size: the controller fills its cache with this code, a device is timed by it.

Pillow is imported when an image comes: a worker needs it for nothing else.
"""

from __future__ import annotations

from typing import Any, Tuple

import numpy as np

_SIXTEEN_BIT_MODES = frozenset({"I", "I;16", "I;16L", "I;16B", "I;16N"})
_ALPHA_MODES = frozenset({"RGBA", "RGBa", "LA", "La", "PA"})
# 65535 = 257 * 255, so this maps the sixteen-bit range onto the eight-bit one exactly.
_SIXTEEN_TO_EIGHT_BIT = 257


def upright(image: Any, channels: int) -> Any:
    """Return a Pillow image decoded, turned upright by its EXIF orientation, and as RGB or gray.

    Transparent parts become black, as what is stored under transparency is arbitrary; 16-bit values are scaled to
    8 bit; colour profiles are not applied. Raises ValueError for a colour mode Pillow cannot convert, and Pillow's own
    errors for a damaged file.
    """
    from PIL import ImageOps

    return _to_channels(ImageOps.exif_transpose(image), channels)


def resized(image: Any, height: int, width: int, mode: str) -> "np.ndarray[Any, Any]":
    """Return an upright image as uint8 [height, width, channels].

    Resized by Pillow's bilinear filter with antialias: ``stretch`` equals ``image.resize((width, height), BILINEAR)``,
    ``crop`` takes the largest centred part of the wanted aspect ratio first, ``pad`` puts the whole image in the centre
    of black.
    """
    size = (width, height)
    if mode == "pad":
        fitted = _pad(image, size)
    elif mode == "crop":
        fitted = image.crop(_centre_box(image.size, size)).resize(size, _bilinear())
    else:
        fitted = image.resize(size, _bilinear())
    pixels = np.asarray(fitted, dtype=np.uint8)
    return pixels.reshape(height, width, -1)


def _bilinear() -> Any:
    from PIL import Image

    # Before Pillow 9.1 the filters stood in the module itself.
    return getattr(Image, "Resampling", Image).BILINEAR


def _to_channels(image: Any, channels: int) -> Any:
    from PIL import Image

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


def _centre_box(size: Tuple[int, int], wanted: Tuple[int, int]) -> Tuple[int, int, int, int]:
    """Return the largest centred box (left, top, right, bottom) in ``size`` with the aspect ratio of ``wanted``."""
    width = min(size[0], max(1, round(size[1] * wanted[0] / wanted[1])))
    height = min(size[1], max(1, round(size[0] * wanted[1] / wanted[0])))
    left, top = (size[0] - width) // 2, (size[1] - height) // 2
    return left, top, left + width, top + height


def _pad(image: Any, size: Tuple[int, int]) -> Any:
    from PIL import Image

    scale = min(size[0] / image.width, size[1] / image.height)
    inner = (
        min(size[0], max(1, round(image.width * scale))),
        min(size[1], max(1, round(image.height * scale))),
    )
    canvas = Image.new(image.mode, size)
    canvas.paste(image.resize(inner, _bilinear()), ((size[0] - inner[0]) // 2, (size[1] - inner[1]) // 2))
    return canvas
