"""Random changes to images while a whole network learns: geometry, light and colour."""

from __future__ import annotations

from typing import Any

import numpy as np

from .dihedral import apply_copies
from .recipe import Augmentation

Array = np.ndarray[Any, Any]


def augmented(pixels: Array, ranges: Augmentation, rng: np.random.Generator) -> Array:
    """uint8 [N, size, size, channels] changed at random, as float32 in 0..255.

    The same generator state gives the same images. Borders that come into view repeat the edge.
    """
    count, channels = pixels.shape[0], pixels.shape[3]
    copies = rng.integers(0, 8, count)
    if ranges.dihedral and pixels.shape[1] == pixels.shape[2]:
        pixels = apply_copies(pixels, copies)
    scale = 1.0 + rng.uniform(-ranges.zoom, ranges.zoom, count)
    moves = rng.uniform(-ranges.shift, ranges.shift, (2, count))
    light = 1.0 + rng.uniform(-ranges.brightness, ranges.brightness, (count, 1, 1, 1))
    contrast = 1.0 + rng.uniform(-ranges.contrast, ranges.contrast, (count, 1, 1, 1))
    colour = 1.0 + rng.uniform(-ranges.colour, ranges.colour, (count, 1, 1, channels))
    images = pixels.astype(np.float32)
    if ranges.zoom or ranges.shift:
        images = _resampled(images, scale, moves[0], axis=1)
        images = _resampled(images, scale, moves[1], axis=2)
    middle = images.mean(axis=(1, 2, 3), keepdims=True)
    images = (images - middle) * contrast.astype(np.float32) + middle
    images *= (light * colour).astype(np.float32)
    return np.asarray(np.clip(images, 0.0, 255.0))


def _resampled(images: Array, scale: Array, move: Array, axis: int) -> Array:
    """Scale about the centre and move along one axis, by linear interpolation."""
    size = images.shape[axis]
    centre = (size - 1) / 2
    line = np.arange(size) - centre
    places = np.clip(line[None, :] / scale[:, None] + centre + move[:, None] * size, 0, size - 1)
    low = np.minimum(places.astype(np.int64), size - 2)
    weight = (places - low).astype(np.float32)
    shape = (-1, size, 1, 1) if axis == 1 else (-1, 1, size, 1)
    low, weight = low.reshape(shape), weight.reshape(shape)
    first = np.take_along_axis(images, low, axis)
    second = np.take_along_axis(images, low + 1, axis)
    return np.asarray(first + (second - first) * weight)
