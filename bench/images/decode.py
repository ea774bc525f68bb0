"""One image file -> its pixels, or the reason why not."""

from __future__ import annotations

import stat
from enum import Enum
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image, UnidentifiedImageError

from .files import is_lfs_pointer
from .geometry import Geometry, fit

_GRAYSCALE_MODES = frozenset({"1", "L", "LA", "La", "I", "I;16", "I;16L", "I;16B", "I;16N", "F"})
_START_BYTES = 64


class GrayscalePolicy(str, Enum):
    """What to do with a grayscale image where the model wants colour."""

    SKIP = "skip"
    CONVERT = "convert"


class UnusableImageError(Exception):
    """Why an image cannot be used; ``str(error)`` is an ImageProblem's reason."""


def decode(path: Path, geometry: Geometry, grayscale: GrayscalePolicy) -> npt.NDArray[np.uint8]:
    """The image as uint8 [height, width, channels].

    Raises UnusableImageError with the reason for any file that is not usable. Decompression bombs are refused
    where their warning is an error (see ``cache``), or at twice Pillow's limit.
    """
    _check_file(path)
    try:
        with Image.open(path) as image:
            if image.mode in _GRAYSCALE_MODES and geometry.channels == 3 and grayscale is GrayscalePolicy.SKIP:
                raise UnusableImageError(f"grayscale image: mode {image.mode}")
            return fit(image, geometry)
    except UnusableImageError:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise UnusableImageError(f"too many pixels: {_one_line(error)}") from error
    except UnidentifiedImageError as error:
        raise UnusableImageError("not an image Pillow can read") from error
    # A decoder fed a damaged file raises whatever its parser stumbled over (struct.error, KeyError,
    # SyntaxError ...).
    except Exception as error:
        raise UnusableImageError(f"damaged image: {_one_line(error)}") from error


def _check_file(path: Path) -> None:
    """Names the cheap cases exactly, and never opens a pipe or device, which could block for ever."""
    try:
        found = path.stat()
        if not stat.S_ISREG(found.st_mode):
            raise UnusableImageError("not a regular file")
        with path.open("rb") as file:
            start = file.read(_START_BYTES)
    except FileNotFoundError as error:
        raise UnusableImageError("missing file") from error
    except PermissionError as error:
        raise UnusableImageError("no permission to read") from error
    except OSError as error:
        raise UnusableImageError(f"cannot be read: {error.strerror}") from error
    if found.st_size == 0:
        raise UnusableImageError("empty file")
    if is_lfs_pointer(start):
        raise UnusableImageError("Git LFS pointer (run git lfs pull)")


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split()) or type(error).__name__
