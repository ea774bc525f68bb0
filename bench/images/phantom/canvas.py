"""The lesion layer under construction: what it does to the light of the skin below."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from .draws import Draws, Floats
from .fields import axis, fractal, noise, step
from .profiles import Colour, Traits


@dataclass
class Canvas:
    """A lesion in its own frame: centred, long axis horizontal, border near 0.72 of the half width.

    The picture is skin * through + over (both [3, n, n]).
    distance: [n, n], 0 in the middle and 1 on the border.
    mask: [n, n], 1 inside, 0 outside.
    frame: [n, n], 1 but for a fall to 0 at the edges of the layer.
    x, y: [n, n] coordinates, a little warped, so that nothing drawn with them is quite straight.
    worn: [n, n], the unevenness of everything that is painted.
    """

    n: int
    x: Floats
    y: Floats
    distance: Floats
    mask: Floats
    frame: Floats
    worn: Floats
    through: Floats = field(init=False)
    over: Floats = field(init=False)

    def __post_init__(self) -> None:
        self.through = np.ones((3, self.n, self.n), np.float32)
        self.over = np.zeros((3, self.n, self.n), np.float32)

    def inside(self, border: float = 1.0) -> Floats:
        """1 up to `border` (a distance), 0 beyond, [n, n]; sharper than the mask."""
        return step(self.distance, border + 0.12, border - 0.12) * self.frame

    def tint(self, amount: Floats, tone: Colour) -> None:
        """Filter the light: where amount is 1 the share `tone` of it is left."""
        amount = amount * self.worn
        for k in range(3):
            left = np.maximum(1.0 - amount * (1.0 - tone[k]), 0.05)
            self.through[k] *= left
            self.over[k] *= left

    def cover(self, amount: Floats, colour: Colour) -> None:
        """Paint over with an opaque colour (0..1 each) where amount is 1."""
        amount = amount * self.worn
        keep = 1.0 - amount
        for k in range(3):
            self.through[k] *= keep
            self.over[k] *= keep
            self.over[k] += amount * colour[k]


def blank_canvas(draws: Draws, traits: Traits, n: int) -> Canvas:
    """A canvas of n x n pixels with the lesion's outline on it, not yet any colour."""
    line = axis(n)
    x, y = np.broadcast_to(line[None, :], (n, n)), np.broadcast_to(line[:, None], (n, n))
    warp = traits.warp
    wx = x + warp * 0.62 * noise(draws, n, 3) + 0.3 * warp * fractal(draws, n, 8, 2)
    wy = y + warp * 0.62 * noise(draws, n, 3) + 0.3 * warp * fractal(draws, n, 8, 2)
    u, v = wx / 0.72, wy / (0.72 * traits.aspect)
    distance = np.sqrt(u * u + v * v)
    for _ in range(2):
        dx, dy = draws.direction()
        reach, small = draws.uniform(0.3, 0.75) * traits.lobes, draws.uniform(0.45, 0.75)
        a, b = (u - dx * reach) / small, (v - dy * reach) / small
        distance = _smooth_min(distance * (1.0 + 0.35 * traits.lobes), np.sqrt(a * a + b * b), 0.25)
    distance += 0.55 * warp * fractal(draws, n, 12, 3, 0.8)
    frame = np.clip((1.0 - np.maximum(np.abs(x), np.abs(y))) * 9.0, 0.0, 1.0)
    mask = step(distance, 1.0 + 0.35 * traits.softness, 1.0 - traits.softness) * frame
    worn = np.clip(0.82 + 0.17 * fractal(draws, n, 8, 4, 0.85), 0.25, 1.0)
    bent_x, bent_y = x + 0.022 * fractal(draws, n, 7, 2, 0.8), y + 0.022 * fractal(draws, n, 7, 2, 0.8)
    return Canvas(n, bent_x, bent_y, distance, mask, frame, worn)


def lay_pigment(canvas: Canvas, draws: Draws, traits: Traits) -> None:
    """The ground of the lesion: mottled main tone, regions in the accent tone, pale or dark centre."""
    n = canvas.n
    texture = fractal(draws, n, 5, 5, 0.75)
    centre = traits.ring * (0.6 - np.minimum(canvas.distance, 1.2))
    amount = canvas.mask * np.clip(traits.depth * (1.0 + centre + 0.40 * traits.mottle * texture), 0.0, 1.35)
    region = fractal(draws, n, 3, 4, 0.6)
    share = step(region, 0.8 - 2.2 * traits.variety, 2.2 - 2.2 * traits.variety)
    canvas.tint(amount * (1.0 - share), traits.tone)
    canvas.tint(amount * share, traits.accent)


def _smooth_min(a: Floats, b: Floats, width: float) -> Floats:
    near = np.maximum(width - np.abs(a - b), 0.0)
    joined: Floats = np.minimum(a, b) - near * near * (0.25 / width)
    return joined
