"""From one line of the listing to pixels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ...errors import DataError
from .canvas import Canvas, blank_canvas, lay_pigment
from .draws import Draws, Floats, Stream
from .fields import axis, smooth
from .painters import PAINTERS
from .profiles import Colour, Traits, draw_traits
from .skin import add_bubbles, add_hairs, add_ruler, light_field, skin, skin_tone
from .spec import PhantomImage, PhantomSpec, plan_phantom

#: Radius of the lesion over the half width of its own frame.
_FRAME = 0.72


@dataclass(frozen=True)
class Pose:
    """Where a view shows the lesion: rotation as a unit vector, mirrored or not, half width of the lesion's
    frame and its centre in picture coordinates."""

    along: tuple[float, float]
    mirrored: bool
    half_width: float
    centre: tuple[float, float]


def render_phantom(spec: PhantomSpec, item: PhantomImage | int) -> npt.NDArray[np.uint8]:
    """The picture of one image of the listing, given as such or by its position.

    Returns RGB uint8 [size, size, 3]. Raises DataError for an image that is not in the listing of `spec`.
    """
    index, image = _locate(spec, item)
    lesion = int(image.lesion_id.rpartition("_")[2])
    traits = draw_traits(spec, image.label, lesion)
    substance = Draws(spec.seed, Stream.LESION, lesion)
    view = Draws(spec.seed, Stream.VIEW, index)
    tone = skin_tone(substance)
    pose = _draw_pose(view, traits)
    layer = _paint_lesion(substance, traits, max(16, int(spec.size * pose.half_width + 0.5)))
    picture = skin(view, tone, spec.size)
    _place(picture, layer, pose)
    return _photograph(picture, view)


def _locate(spec: PhantomSpec, item: PhantomImage | int) -> tuple[int, PhantomImage]:
    listing = plan_phantom(spec)
    if isinstance(item, PhantomImage):
        digits = item.image_id.rpartition("_")[2]
        index = int(digits) if digits.isdecimal() else -1
    else:
        index = item
    if not 0 <= index < len(listing) or (isinstance(item, PhantomImage) and listing[index] != item):
        name = item.image_id if isinstance(item, PhantomImage) else f"number {item}"
        raise DataError(f"phantom: image {name} is not in the listing of {spec}; take one from plan_phantom")
    return index, listing[index]


def _draw_pose(view: Draws, traits: Traits) -> Pose:
    along, mirrored = view.direction(), view.chance(0.5)
    half_width = traits.radius * view.around(0.88, 1.12) / _FRAME
    free = max(0.06, 0.75 - traits.radius)
    return Pose(along, mirrored, half_width, (view.around(-free, free), view.around(-free, free)))


def _paint_lesion(draws: Draws, traits: Traits, n: int) -> Canvas:
    canvas = blank_canvas(draws, traits, n)
    lay_pigment(canvas, draws, traits)
    for name, paint in PAINTERS.items():
        if name in traits.structures:
            paint(canvas, draws, traits.structures[name])
    # Light spreads in skin: no structure of a living lesion is quite sharp.
    passes = int(0.3 * (n / 64.0) * (n / 64.0) + 0.5)
    canvas.through, canvas.over = smooth(canvas.through, passes), smooth(canvas.over, passes)
    return canvas


def _place(picture: Floats, layer: Canvas, pose: Pose) -> None:
    """Put the lesion on the skin, in place: rotated, mirrored, moved (bilinear interpolation)."""
    size, n = picture.shape[1], layer.n
    line = axis(size)
    dx, dy = (line - pose.centre[0])[None, :], (line - pose.centre[1])[:, None]
    c, s = pose.along
    u, v = (dx * c + dy * s) / pose.half_width, (dy * c - dx * s) / pose.half_width
    if pose.mirrored:
        u = -u
    rows, columns = np.nonzero((np.abs(u) < 1.0) & (np.abs(v) < 1.0))
    u = np.clip((u[rows, columns] + 1.0) * (0.5 * n) - 0.5, 0.0, n - 1.001)
    v = np.clip((v[rows, columns] + 1.0) * (0.5 * n) - 0.5, 0.0, n - 1.001)
    left, top = u.astype(np.int32), v.astype(np.int32)
    a, b = u - left.astype(np.float32), v - top.astype(np.float32)
    both = np.concatenate([layer.through, layer.over]).reshape(6, n * n)
    corner = top * n + left
    upper = both[:, corner] * (1.0 - a) + both[:, corner + 1] * a
    lower = both[:, corner + n] * (1.0 - a) + both[:, corner + n + 1] * a
    found = upper * (1.0 - b) + lower * b
    picture[:, rows, columns] = picture[:, rows, columns] * found[:3] + found[3:]


def _photograph(picture: Floats, view: Draws) -> npt.NDArray[np.uint8]:
    """Hairs, ruler and gel, then lens, sensor and compression; [3, n, n] in 0..1 to uint8 [n, n, 3]."""
    n = picture.shape[1]
    add_hairs(picture, view)
    add_ruler(picture, view)
    add_bubbles(picture, view)
    picture *= light_field(view, n)
    cast: Colour = (view.around(0.94, 1.06), view.around(0.92, 1.08), view.around(0.90, 1.10))
    exposure, contrast = view.around(0.88, 1.10), view.around(-0.15, 0.30)
    blur = view.uniform(0.0, 0.7) if view.chance(0.85) else view.uniform(0.7, 1.4)
    grain = view.uniform(0.004, 0.022)
    for k in range(3):
        picture[k] *= cast[k] * exposure
    np.clip(picture, 0.0, 1.0, out=picture)
    # A quadratic through 0 and 1 stands in for gamma: pow is not the same on every machine.
    picture += contrast * picture * (picture - 1.0) * (0.9 - picture)
    scale = n / 96.0
    picture = smooth(picture, int(2.0 * blur * blur * scale * scale + 0.5))
    picture += grain * (view.symmetric(n, n) + view.symmetric(n, n))
    picture = _soften_colour(picture)
    picture += 0.5 * grain * view.symmetric(3, n, n)
    pixels = np.clip(picture * 255.0 + 0.5, 0.0, 255.0).astype(np.uint8)
    return np.ascontiguousarray(pixels.transpose(1, 2, 0))


def _soften_colour(picture: Floats) -> Floats:
    """Colour at lower resolution than brightness, as JPEG stores it."""
    light: Floats = 0.299 * picture[0] + 0.587 * picture[1] + 0.114 * picture[2]
    return light + smooth(picture - light, 1)
