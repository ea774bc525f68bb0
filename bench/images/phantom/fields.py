"""Scalar fields over a square picture: smooth noise, cells, strokes, blur. All float32 [n, n].

Coordinates run from -1 to 1 over the picture, x to the right and y down, whatever its size in pixels.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from .draws import Draws, Floats

Point = tuple[float, float]
Indices = npt.NDArray[np.intp]


class Cells(NamedTuple):
    """Cellular noise: distance to the nearest and to the second nearest site in units of the cell, and the
    nearest site's own value in [0, 1)."""

    nearest: Floats
    second: Floats
    value: Floats


class Strokes(NamedTuple):
    """Points along curves: position, half width (both in picture coordinates) and opacity. All [k]."""

    x: Floats
    y: Floats
    half_width: Floats
    opacity: Floats


@lru_cache(maxsize=64)
def axis(n: int) -> Floats:
    """Coordinates of n pixel centres, [n]."""
    return ((np.arange(n, dtype=np.float32) + 0.5) * 2.0 / n) - 1.0


def step(field: Floats, low: float, high: float) -> Floats:
    """Smooth step from 0 (at low) to 1 (at high); falls where low > high."""
    t = np.clip((field - low) * (1.0 / (high - low)), 0.0, 1.0).astype(np.float32, copy=False)
    smoothed: Floats = t * t * (3.0 - 2.0 * t)
    return smoothed


@lru_cache(maxsize=256)
def _spline(n: int, cells: int) -> tuple[Indices, tuple[Floats, Floats, Floats, Floats]]:
    position = (np.arange(n, dtype=np.float32) + 0.5) * cells / n
    first = np.floor(position).astype(np.intp)
    t = (position - first).astype(np.float32)
    sixth = 1.0 / 6.0
    u = 1.0 - t
    return first, (
        u * u * u * sixth,
        (4.0 - 6.0 * t * t + 3.0 * t * t * t) * sixth,
        (4.0 - 6.0 * u * u + 3.0 * u * u * u) * sixth,
        t * t * t * sixth,
    )


def noise(draws: Draws, n: int, cells: int) -> Floats:
    """Smooth noise with features of 2/cells: cubic B-spline over random values; mean 0, deviation near 1."""
    return _interpolate(draws.symmetric(cells + 3, cells + 3), n, cells)


def fractal(draws: Draws, n: int, cells: int, octaves: int, gain: float = 0.5) -> Floats:
    """Sum of noises, each twice as fine and `gain` times as strong as the one before."""
    out = noise(draws, n, cells)
    strength = 1.0
    for _ in range(1, octaves):
        strength *= gain
        cells *= 2
        # Drawn even where too fine for this size, so that later draws do not depend on the size.
        grid = draws.symmetric(cells + 3, cells + 3)
        if 2 * cells <= 3 * n:
            out += _interpolate(grid, n, cells) * strength
    return out


def _interpolate(grid: Floats, n: int, cells: int) -> Floats:
    first, (a, b, c, d) = _spline(n, cells)
    rows = grid[:, first] * a + grid[:, first + 1] * b + grid[:, first + 2] * c + grid[:, first + 3] * d
    rows *= 3.6
    out: Floats = rows[first] * a[:, None]
    for k, weight in ((1, b), (2, c), (3, d)):
        out += rows[first + k] * weight[:, None]
    return out


def cells(draws: Draws, x: Floats, y: Floats, per_side: int, jitter: float = 0.8) -> Cells:
    """Cellular noise (after Worley 1996): one site per square of a grid, moved at random by `jitter`."""
    side = per_side + 4
    sites = draws.symmetric(2, side * side) * 0.5 * jitter + 0.5
    values = draws.unit(side * side)
    scale = 0.5 * per_side
    limit = per_side + 0.999
    u = np.clip((x + 1.0) * scale, -1.0, limit).astype(np.float32, copy=False) + 2.0
    v = np.clip((y + 1.0) * scale, -1.0, limit).astype(np.float32, copy=False) + 2.0
    column, row = u.astype(np.int32), v.astype(np.int32)
    du, dv = u - column.astype(np.float32), v - row.astype(np.float32)
    base = row * side + column
    nearest = np.full(u.shape, 9.0, np.float32)
    second = nearest.copy()
    owner = base.copy()
    for j in (-1, 0, 1):
        for i in (-1, 0, 1):
            index = base + (j * side + i)
            a = sites[0].take(index) + (i - du)
            b = sites[1].take(index) + (j - dv)
            distance = a * a + b * b
            np.minimum(second, np.maximum(distance, nearest), out=second)
            closer = distance < nearest
            np.copyto(nearest, distance, where=closer)
            np.copyto(owner, index, where=closer)
    return Cells(np.sqrt(nearest), np.sqrt(second), values.take(owner))


def curve(
    start: Point, bend: Point, end: Point, widths: tuple[float, float], points: int, opacity: float = 1.0
) -> Strokes:
    """A quadratic Bezier curve as points, its half width going linearly from widths[0] to widths[1]."""
    t = np.arange(points, dtype=np.float32) / max(points - 1, 1)
    u = 1.0 - t
    a, b, c = u * u, 2.0 * u * t, t * t
    return Strokes(
        a * start[0] + b * bend[0] + c * end[0],
        a * start[1] + b * bend[1] + c * end[1],
        u * widths[0] + t * widths[1],
        np.full(points, opacity, np.float32),
    )


def draw_strokes(n: int, strokes: list[Strokes]) -> Floats:
    """Coverage 0..1 of all strokes, with soft edges of about one pixel. Zero where there are none."""
    out = np.zeros(n * n, np.float32)
    if not strokes:
        return out.reshape(n, n)
    half = 0.5 * n
    px = (np.concatenate([s.x for s in strokes]) + 1.0) * half
    py = (np.concatenate([s.y for s in strokes]) + 1.0) * half
    width = np.concatenate([s.half_width for s in strokes]) * half
    opacity = np.concatenate([s.opacity for s in strokes])
    # A stroke thinner than a pixel covers only a part of it.
    opacity = opacity * np.minimum(1.0, width * 2.0)
    width = np.maximum(width, 0.5)
    reach = int(width.max()) + 1
    offset = np.arange(-reach, reach + 1, dtype=np.int32)
    column = np.floor(px).astype(np.int32)[:, None, None] + offset[None, None, :]
    row = np.floor(py).astype(np.int32)[:, None, None] + offset[None, :, None]
    dx = (column + 0.5).astype(np.float32) - px[:, None, None]
    dy = (row + 0.5).astype(np.float32) - py[:, None, None]
    distance = np.sqrt(dx * dx + dy * dy)
    cover = np.clip(width[:, None, None] + 0.5 - distance, 0.0, 1.0) * opacity[:, None, None]
    inside = (column >= 0) & (column < n) & (row >= 0) & (row < n) & (cover > 0.0)
    index = (row * n + column)[inside]
    np.maximum.at(out, index, cover[inside].astype(np.float32, copy=False))
    return out.reshape(n, n)


def smooth(planes: Floats, passes: int) -> Floats:
    """Binomial blur (1 2 1)/4 along both axes of [k, n, n]; a pass adds half a square pixel of variance."""
    quarter, half = 0.25, 0.5
    for _ in range(passes):
        padded = np.pad(planes, ((0, 0), (1, 1), (0, 0)), mode="edge")
        planes = padded[:, 1:-1] * half + (padded[:, :-2] + padded[:, 2:]) * quarter
        padded = np.pad(planes, ((0, 0), (0, 0), (1, 1)), mode="edge")
        planes = padded[:, :, 1:-1] * half + (padded[:, :, :-2] + padded[:, :, 2:]) * quarter
    return planes
