"""What surrounds the lesion, whatever its class: skin, hairs, ruler, gel bubbles."""

from __future__ import annotations

import numpy as np

from .draws import Draws, Floats
from .fields import Strokes, axis, cells, curve, draw_strokes, fractal, noise, step
from .profiles import Colour

SKIN_TONES: tuple[Colour, ...] = (
    (0.86, 0.62, 0.65),
    (0.86, 0.72, 0.70),
    (0.77, 0.62, 0.68),
    (0.87, 0.62, 0.53),
    (0.76, 0.61, 0.52),
    (0.90, 0.68, 0.70),
    (0.82, 0.66, 0.66),
)


def skin_tone(draws: Draws) -> Colour:
    """A mixture of two of the usual tones; red, green, blue in 0..1."""
    a, b, t = draws.pick(SKIN_TONES), draws.pick(SKIN_TONES), draws.uniform()
    light = draws.around(0.90, 1.10)
    red, green, blue = (light * (p * (1.0 - t) + q * t) for p, q in zip(a, b, strict=True))
    return red, green, blue


def skin(draws: Draws, tone: Colour, n: int) -> Floats:
    """Bare skin, [3, n, n] in 0..1: uneven redness, skin lines, now and then freckles or a flush."""
    light = 1.0 + 0.02 * fractal(draws, n, 3, 2) + draws.uniform(0.006, 0.018) * fractal(draws, n, 22, 3, 0.9)
    flush = draws.uniform(0.0, 0.04) * fractal(draws, n, 3, 4, 0.7)
    out = np.empty((3, n, n), np.float32)
    out[0] = light * tone[0]
    out[1] = light * (1.0 - flush) * tone[1]
    out[2] = light * (1.0 - 0.8 * flush) * tone[2]
    if draws.chance(0.3):
        line = axis(n)
        x, y = np.broadcast_to(line[None, :], (n, n)), np.broadcast_to(line[:, None], (n, n))
        spots = cells(draws, x, y, draws.count(5, 11), 1.0)
        dark = step(spots.nearest, 0.5, 0.1) * (spots.value < draws.uniform(0.1, 0.5))
        dark *= draws.uniform(0.1, 0.45)
        for k, left in enumerate(draws.pick(((0.85, 0.66, 0.55), (0.95, 0.70, 0.70)))):
            out[k] *= 1.0 - dark * (1.0 - left)
    return out


def add_hairs(picture: Floats, draws: Draws) -> None:
    """Hairs over the whole picture [3, n, n], in place: none in half of the pictures."""
    if draws.chance(0.5):
        return
    n = picture.shape[1]
    way = draws.direction()
    dark = draws.uniform(0.35, 0.9)
    strokes: list[Strokes] = []
    for _ in range(draws.count(1, 4) if draws.chance(0.7) else draws.count(5, 12)):
        x, y = draws.uniform(-1.0, 1.0), draws.uniform(-1.0, 1.0)
        turn = draws.direction()
        dx, dy = way[0] + 0.5 * turn[0], way[1] + 0.5 * turn[1]
        half, bend = draws.uniform(0.2, 0.9), draws.uniform(-0.35, 0.35)
        width = draws.uniform(0.006, 0.014)
        strokes.append(
            curve(
                (x - dx * half, y - dy * half),
                (x - dy * bend, y + dx * bend),
                (x + dx * half, y + dy * half),
                (width, width * 0.5),
                200,
                dark,
            )
        )
    cover = draw_strokes(n, strokes)
    colour = draws.pick(((0.16, 0.11, 0.11), (0.24, 0.15, 0.12), (0.42, 0.30, 0.22)))
    picture *= 1.0 - cover
    for k in range(3):
        picture[k] += cover * colour[k]


def add_ruler(picture: Floats, draws: Draws) -> None:
    """The scale marks of the dermatoscope along one edge of [3, n, n], in place; in one picture of ten."""
    if not draws.chance(0.1):
        return
    n = picture.shape[1]
    edge = draws.uniform(0.80, 0.97) * draws.pick((-1.0, 1.0))
    upright = draws.chance(0.5)
    pitch, start = draws.uniform(0.10, 0.2), draws.uniform(-1.1, -0.9)
    strokes = []
    for k in range(int(2.0 / pitch) + 1):
        at = start + k * pitch
        inner = edge * (0.90 if k % 5 else 0.82)
        ends = ((at, edge), (at, inner)) if upright else ((edge, at), (inner, at))
        middle = (0.5 * (ends[0][0] + ends[1][0]), 0.5 * (ends[0][1] + ends[1][1]))
        strokes.append(curve(ends[0], middle, ends[1], (0.009, 0.009), 24, 0.75))
    picture *= 1.0 - 0.85 * draw_strokes(n, strokes)


def add_bubbles(picture: Floats, draws: Draws) -> None:
    """Air bubbles in the contact gel of [3, n, n], in place: bright rings; in one picture of five."""
    if not draws.chance(0.2):
        return
    n = picture.shape[1]
    line = axis(n)
    for _ in range(draws.count(1, 6)):
        cx, cy = draws.uniform(-1.0, 1.0), draws.uniform(-1.0, 1.0)
        radius, shine = draws.uniform(0.03, 0.12), draws.uniform(0.15, 0.45)
        gx, gy = draws.direction()
        dx, dy = (line - cx)[None, :], (line - cy)[:, None]
        away = np.sqrt(dx * dx + dy * dy)
        ring = step(np.abs(away - radius), 0.022, 0.0)
        lit = 0.55 + 0.45 * (dx * gx + dy * gy) / np.maximum(away, 0.01)
        amount = shine * ring * np.maximum(lit, 0.0)
        picture += (0.97 - picture) * amount


def light_field(draws: Draws, n: int) -> Floats:
    """Illumination [n, n] around 1: a slope, unevenness, in some pictures the lens's dark corners."""
    line = axis(n)
    x, y = line[None, :], line[:, None]
    dx, dy = draws.direction()
    light = 1.0 + draws.uniform(0.0, 0.12) * (x * dx + y * dy) + 0.02 * noise(draws, n, 2)
    cx, cy = draws.uniform(-0.15, 0.15), draws.uniform(-0.15, 0.15)
    square = (x - cx) * (x - cx) + (y - cy) * (y - cy)
    light *= 1.0 - draws.uniform(0.0, 0.10) * square
    edge, dark = draws.uniform(1.0, 1.6), draws.uniform(0.3, 0.95)
    if draws.chance(0.15):
        light *= 1.0 - dark * step(square, edge, edge + draws.uniform(0.25, 1.2))
    return light
