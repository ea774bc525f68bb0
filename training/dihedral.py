"""The eight symmetries of the square: copies of an image that keep what a skin lesion is."""

from __future__ import annotations

from typing import Any

import numpy as np

#: How many copies make a group: identity; with left-right flip; with both flips; with quarter turns too.
COPIES = (1, 2, 4, 8)


def dihedral(images: np.ndarray[Any, Any], copy: int) -> np.ndarray[Any, Any]:
    """Copy number ``copy`` (0 = the image itself) of square images [N, size, size, channels], as a view.

    Bit 0 flips left-right, bit 1 up-down, bit 2 swaps rows and columns: the first 1, 2, 4 and 8 numbers are
    groups.
    """
    if copy & 4:
        images = images.swapaxes(1, 2)
    if copy & 2:
        images = images[:, ::-1]
    if copy & 1:
        images = images[:, :, ::-1]
    return images


def apply_copies(images: np.ndarray[Any, Any], copies: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Image i as its copy number ``copies[i]``, in a new array of the same shape."""
    result = np.empty_like(images)
    for copy in np.unique(copies):
        chosen = copies == copy
        result[chosen] = dihedral(images[chosen], int(copy))
    return result
