"""The structures of dermatoscopy, each a painter on a lesion's canvas.

A painter draws the same numbers at every size. strength (0..1) rules contrast and, where it fits, extent.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

import numpy as np

from .canvas import Canvas
from .draws import Draws, Floats
from .fields import Strokes, cells, curve, draw_strokes, fractal, noise, step
from .profiles import TONES, Range
from .vessels import dot_vessels, hairpins, tree_vessels

Painter = Callable[[Canvas, Draws, float], None]


def _blobs(canvas: Canvas, draws: Draws, count: int, ring: Range, radius: Range) -> Floats:
    """Ragged ovals, their centres at a distance within `ring` of the middle; 0..1."""
    out = np.zeros((canvas.n, canvas.n), np.float32)
    ragged = fractal(draws, canvas.n, 8, 3, 0.7) * 0.20
    for _ in range(count):
        dx, dy = draws.direction()
        away = draws.uniform(*ring) * 0.72
        size, slim = draws.uniform(*radius), draws.uniform(0.5, 1.0)
        a, b = canvas.x - dx * away, canvas.y - dy * away
        along, across = a * dx + b * dy, (b * dx - a * dy) / slim
        near = np.sqrt(along * along + across * across) / size + ragged
        np.maximum(out, step(near, 1.35, 0.60), out=out)
    return out


def _mesh(canvas: Canvas, draws: Draws, per_side: int, jitter: float, thin: float, thick: float) -> Floats:
    mesh = cells(draws, canvas.x, canvas.y, per_side, jitter)
    return step(mesh.second - mesh.nearest, thick, thin)


def network(canvas: Canvas, draws: Draws, strength: float) -> None:
    mesh = _mesh(canvas, draws, draws.count(17, 24), 0.7, 0.02, 0.40)
    fade = 0.6 + 0.4 * step(noise(draws, canvas.n, 4), -0.8, 0.6)
    canvas.tint(mesh * canvas.mask * fade * (0.35 + 0.45 * strength), TONES["dark_brown"])


def atypical_network(canvas: Canvas, draws: Draws, strength: float) -> None:
    mesh = _mesh(canvas, draws, draws.count(12, 17), 1.0, 0.02, 0.55)
    patch = step(fractal(draws, canvas.n, 3, 2), -0.3, 0.5)
    canvas.tint(mesh * patch * canvas.inside(0.98) * (0.35 + 0.45 * strength), TONES["black"])


def rim_network(canvas: Canvas, draws: Draws, strength: float) -> None:
    mesh = _mesh(canvas, draws, draws.count(17, 24), 0.7, 0.02, 0.36)
    rim = step(canvas.distance, 0.3, 0.6) * step(canvas.distance, 1.2, 0.85) * canvas.frame
    canvas.tint(mesh * rim * (0.25 + 0.4 * strength), TONES["brown"])


def globules(canvas: Canvas, draws: Draws, strength: float) -> None:
    spots = cells(draws, canvas.x, canvas.y, draws.count(14, 21), 0.8)
    rim = step(canvas.distance, 0.4, 0.8) if draws.chance(0.35) else np.float32(1.0)
    present = (spots.value < 0.35 + 0.4 * strength) * canvas.inside(0.95) * rim
    canvas.tint(step(spots.nearest, 0.55, 0.12) * present * 0.65, TONES["dark_brown"])


def clods(canvas: Canvas, draws: Draws, strength: float) -> None:
    spots = cells(draws, canvas.x, canvas.y, draws.count(10, 17), 1.0)
    size = 0.15 + 0.3 * spots.value
    patch = step(fractal(draws, canvas.n, 2, 2), 0.0, 0.4)
    present = (spots.value < 0.7) * patch * canvas.inside(1.02)
    canvas.tint(step(spots.nearest - size, 0.16, -0.16) * present * (0.6 + 0.4 * strength), TONES["black"])


def streaks(canvas: Canvas, draws: Draws, strength: float) -> None:
    """Radial lines over a part of the border (pseudopods)."""
    ax, ay = draws.direction()
    strokes: list[Strokes] = []
    for _ in range(48):
        dx, dy = draws.direction()
        length, bend = draws.uniform(0.08, 0.26), draws.uniform(-0.05, 0.05)
        width = draws.uniform(0.007, 0.020)
        if dx * ax + dy * ay < 0.2 - 0.5 * strength:
            continue
        start = _border(canvas, dx, dy) - 0.10
        end = start + length
        middle = 0.5 * (start + end)
        turn = (dx * middle - dy * bend, dy * middle + dx * bend)
        widths = (width * 1.5, width * 0.5)
        strokes.append(curve((dx * start, dy * start), turn, (dx * end, dy * end), widths, 20))
    canvas.tint(draw_strokes(canvas.n, strokes) * canvas.frame * (0.5 + 0.3 * strength), TONES["black"])


def _border(canvas: Canvas, dx: float, dy: float) -> float:
    """How far from the middle the outline is met in a direction."""
    for k in range(30, 4, -1):
        away = k * 0.03
        column = min(int((dx * away + 1.0) * 0.5 * canvas.n), canvas.n - 1)
        row = min(int((dy * away + 1.0) * 0.5 * canvas.n), canvas.n - 1)
        if canvas.distance[row, column] < 1.0:
            return away
    return 0.3


def veil(canvas: Canvas, draws: Draws, strength: float) -> None:
    """Blue-white veil: structureless haze off the middle."""
    patch = _blobs(canvas, draws, draws.count(1, 2), (0.0, 0.55), (0.25, 0.30 + 0.2 * strength))
    haze = step(fractal(draws, canvas.n, 5, 3), -1.6, 0.8)
    light = draws.uniform(-0.06, 0.08)
    canvas.cover(
        patch * haze * canvas.inside(0.95) * (0.30 + 0.45 * strength), (0.44 + light, 0.47 + light, 0.60 + light)
    )


def regression(canvas: Canvas, draws: Draws, strength: float) -> None:
    """Scar-like pale areas, with grey peppering."""
    patch = step(fractal(draws, canvas.n, 3, 3), 0.25, 0.9) * canvas.inside(0.9)
    canvas.cover(patch * (0.25 + 0.35 * strength), (0.84, 0.72, 0.73))
    pepper = cells(draws, canvas.x, canvas.y, 26, 1.0)
    dots = step(pepper.nearest, 0.35, 0.15) * (pepper.value < 0.5)
    canvas.tint(dots * patch * 0.6 * strength, TONES["blue_grey"])


def scar(canvas: Canvas, draws: Draws, strength: float) -> None:
    """Central white patch."""
    patch = _blobs(canvas, draws, 1, (0.0, 0.15), (0.20, 0.36))
    light = draws.uniform(-0.05, 0.05)
    web = step(fractal(draws, canvas.n, 10, 2), -2.0, 0.6)
    canvas.cover(patch * web * (0.35 + 0.45 * strength), (0.92 + light, 0.80 + light, 0.80 + light))


def crust(canvas: Canvas, draws: Draws, strength: float) -> None:
    """Yellow-white scale with brown scabs."""
    ground = fractal(draws, canvas.n, 9, 4, 0.75)
    scale = step(ground, 0.3 - 0.6 * strength, 2.0) * canvas.inside(0.95)
    canvas.cover(scale * (0.45 + 0.4 * strength), (0.90, 0.81, 0.74))
    scab = step(ground, -1.0 + 0.2 * strength, -2.0) * canvas.inside(0.85)
    canvas.tint(scab * 0.8, (0.55, 0.32, 0.20))


def follicles(canvas: Canvas, draws: Draws, strength: float) -> None:
    """Strawberry pattern: red between pale follicle openings."""
    spots = cells(draws, canvas.x, canvas.y, draws.count(11, 16), 0.9)
    between = step(spots.nearest, 0.20, 0.7) * canvas.inside()
    canvas.tint(between * (0.35 + 0.4 * strength), (0.88, 0.56, 0.56))
    openings = step(spots.nearest, 0.42, 0.08) * canvas.inside(0.95) * (spots.value < 0.7)
    canvas.cover(openings * (0.2 + 0.35 * strength), (0.93, 0.80, 0.74))


def cysts(canvas: Canvas, draws: Draws, strength: float) -> None:
    """Milia-like cysts: small bright dots."""
    spots = cells(draws, canvas.x, canvas.y, draws.count(11, 17), 1.0)
    present = spots.value < 0.12 + 0.3 * strength
    canvas.cover(
        step(spots.nearest, 0.38, 0.06) * present * canvas.inside(0.92) * (0.5 + 0.35 * strength), (0.96, 0.88, 0.80)
    )


def plugs(canvas: Canvas, draws: Draws, strength: float) -> None:
    """Comedo-like openings: round dark brown plugs."""
    spots = cells(draws, canvas.x, canvas.y, draws.count(9, 14), 1.0)
    present = spots.value < 0.12 + 0.25 * strength
    canvas.tint(step(spots.nearest, 0.46, 0.12) * present * canvas.inside(0.9) * 0.85, (0.34, 0.22, 0.14))


def ridges(canvas: Canvas, draws: Draws, strength: float) -> None:
    """Fissures and ridges: winding bands."""
    dx, dy = draws.direction()
    bend = fractal(draws, canvas.n, 5, 2)
    phase = (canvas.x * dx + canvas.y * dy) * 5.5 + bend * 0.8
    saw = phase - np.floor(phase)
    band = np.abs(saw - 0.5) * 2.0
    canvas.tint(step(band, 0.45, 0.05) * canvas.inside(0.95) * (0.3 + 0.4 * strength), TONES["brown"])


def lacunae(canvas: Canvas, draws: Draws, strength: float) -> None:
    """Round red to blue-black lakes, separated by paler septa."""
    blur = fractal(draws, canvas.n, 6, 2) * 0.03
    lakes = cells(draws, canvas.x + blur, canvas.y - blur, draws.count(5, 10), 1.0)
    gap = lakes.second - lakes.nearest
    body = step(gap, 0.0, 0.45) * canvas.inside(0.95)
    deep = step(lakes.value, 0.55, 0.75)
    canvas.tint(body * (1.0 - deep) * (0.4 + 0.4 * strength), TONES["crimson"])
    canvas.tint(body * deep * (0.5 + 0.4 * strength), TONES["purple"])
    canvas.cover(step(gap, 0.25, 0.0) * canvas.inside(0.9) * 0.25 * strength, (0.88, 0.62, 0.68))


def halo(canvas: Canvas, draws: Draws, strength: float) -> None:
    """Reddish or livid surroundings."""
    around = step(canvas.distance, 1.5, 0.9) * canvas.frame
    tone = draws.pick(((0.90, 0.70, 0.72), (0.80, 0.72, 0.70), (0.82, 0.64, 0.76)))
    canvas.tint(around * 0.5 * strength, tone)


def ulcer(canvas: Canvas, draws: Draws, strength: float) -> None:
    """A raw red spot with an orange-brown crust."""
    spot = _blobs(canvas, draws, draws.count(1, 2), (0.0, 0.6), (0.10, 0.12 + 0.14 * strength))
    canvas.tint(spot * 0.9, (0.80, 0.36, 0.30))
    core = step(fractal(draws, canvas.n, 10, 2), 0.2, 0.9)
    canvas.cover(spot * core * 0.75, (0.50, 0.22, 0.12))


def nests(canvas: Canvas, draws: Draws, strength: float) -> None:
    """Blue-grey ovoid nests and dots."""
    blobs = _blobs(canvas, draws, draws.count(2, 5), (0.1, 0.85), (0.06, 0.10 + 0.10 * strength))
    canvas.tint(blobs * (0.6 + 0.4 * strength), (0.46, 0.44, 0.56))


def leaves(canvas: Canvas, draws: Draws, strength: float) -> None:
    """Leaf-like areas: brown lobes at the border."""
    blobs = _blobs(canvas, draws, draws.count(3, 6), (0.75, 1.0), (0.09, 0.13 + 0.08 * strength))
    canvas.tint(blobs * canvas.frame * (0.45 + 0.35 * strength), TONES["brown"])


def glints(canvas: Canvas, draws: Draws, strength: float) -> None:
    """Shiny white streaks, short and at right angles (seen in polarised light)."""
    dx, dy = draws.direction()
    strokes: list[Strokes] = []
    for k in range(draws.count(8, 14)):
        x, y = draws.around(-0.5, 0.5), draws.around(-0.5, 0.5)
        length = draws.uniform(0.05, 0.12)
        a, b = (dx, dy) if k % 2 else (-dy, dx)
        end = (x + a * length, y + b * length)
        strokes.append(curve((x, y), (0.5 * (x + end[0]), 0.5 * (y + end[1])), end, (0.012, 0.012), 10))
    lines = draw_strokes(canvas.n, strokes) * canvas.inside(0.9)
    canvas.cover(lines * (0.35 + 0.35 * strength), (0.95, 0.88, 0.87))


#: In the order of painting, from the depth to the surface.
PAINTERS: Mapping[str, Painter] = MappingProxyType(
    {
        painter.__name__: painter
        for painter in (
            halo,
            follicles,
            lacunae,
            ridges,
            nests,
            leaves,
            rim_network,
            network,
            atypical_network,
            globules,
            clods,
            streaks,
            plugs,
            regression,
            scar,
            veil,
            tree_vessels,
            dot_vessels,
            hairpins,
            ulcer,
            cysts,
            crust,
            glints,
        )
    }
)
