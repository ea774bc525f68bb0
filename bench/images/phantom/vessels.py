"""Blood vessels, each kind a painter on a lesion's canvas (see painters.py)."""

from __future__ import annotations

from .canvas import Canvas
from .draws import Draws
from .fields import Point, Strokes, cells, curve, draw_strokes, noise, step

#: The share of red, green and blue light that a vessel leaves.
BLOOD = (0.80, 0.28, 0.30)


def tree_vessels(canvas: Canvas, draws: Draws, strength: float) -> None:
    """Arborising vessels: thick stems that branch into fine ones."""
    strokes: list[Strokes] = []
    for _ in range(draws.count(2, 4)):
        dx, dy = draws.direction()
        away = draws.uniform(0.45, 0.95)
        _branch(draws, strokes, (dx * away, dy * away), (-dx, -dy), draws.uniform(0.012, 0.020), 3)
    canvas.tint(draw_strokes(canvas.n, strokes) * canvas.frame * (0.6 + 0.4 * strength), BLOOD)


def _branch(draws: Draws, strokes: list[Strokes], start: Point, way: Point, width: float, depth: int) -> None:
    length = draws.uniform(0.25, 0.55) * (0.4 + 0.2 * depth)
    side = draws.uniform(-0.25, 0.25)
    end = (start[0] + way[0] * length - way[1] * side, start[1] + way[1] * length + way[0] * side)
    half = 0.5 * length
    bend = (start[0] + way[0] * half + way[1] * side, start[1] + way[1] * half - way[0] * side)
    strokes.append(curve(start, bend, end, (width, width * 0.6), 36))
    if depth == 0:
        return
    for _ in range(2):
        turn = draws.direction()
        x, y = way[0] + 0.75 * turn[0], way[1] + 0.75 * turn[1]
        norm = max(abs(x) + abs(y), 0.3)
        root = end if draws.chance(0.6) else bend
        _branch(draws, strokes, root, (x / norm, y / norm), width * 0.66, depth - 1)


def dot_vessels(canvas: Canvas, draws: Draws, strength: float) -> None:
    """Dotted (glomerular) vessels, in clusters."""
    spots = cells(draws, canvas.x, canvas.y, draws.count(17, 23), 0.9)
    cluster = step(noise(draws, canvas.n, 4), -0.4, 0.5)
    present = (spots.value < 0.7) * cluster * canvas.inside(0.95)
    canvas.tint(step(spots.nearest, 0.42, 0.18) * present * (0.5 + 0.4 * strength), BLOOD)


def hairpins(canvas: Canvas, draws: Draws, strength: float) -> None:
    """Hairpin vessels: short narrow loops."""
    strokes: list[Strokes] = []
    for _ in range(draws.count(6, 11)):
        x, y = draws.around(-0.55, 0.55), draws.around(-0.55, 0.55)
        dx, dy = draws.direction()
        for side in (-0.03, 0.03):
            start = (x - dy * side, y + dx * side)
            tip = (x + dx * 0.13, y + dy * 0.13)
            bend = (start[0] + dx * 0.10 - dy * side, start[1] + dy * 0.10 + dx * side)
            strokes.append(curve(start, bend, tip, (0.010, 0.013), 12))
    canvas.tint(draw_strokes(canvas.n, strokes) * canvas.inside(0.95) * (0.5 + 0.4 * strength), BLOOD)
