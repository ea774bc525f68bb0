"""The ``phantom`` source: generated lesions as a data set, drawn straight into the pixel cache."""

from __future__ import annotations

import dataclasses
import hashlib
import io
import json
from functools import lru_cache
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from ..errors import UsageError
from .geometry import Geometry, fit
from .items import Dataset, ImageItem
from .phantom import LABELS, PhantomSpec, plan_phantom, render_phantom

DEFAULT_COUNT = 4000
_FORM = "phantom or phantom:count=4000,size=96,seed=0"
_DIGITS = 6
#: Where generated images have to be files: about that of a camera.
JPEG_QUALITY = 95


def open_phantom(source: str, options: str) -> Dataset:
    """The generated data set that ``options`` describe (``count=400,size=96,seed=0``); nothing is drawn yet.

    Ids carry a digest of all that decides which lesions there are (not count and size), so that images of two
    phantom data sets are never taken for each other. Raises UsageError for an option or value that is not
    known.
    """
    spec = parse_phantom(options)
    family = _family(spec)
    items = tuple(
        ImageItem(
            image_id=f"{family}-{image.image_id}",
            path=Path(f"{image.image_id}.generated"),
            label=image.label,
            lesion_id=f"{family}-{image.lesion_id}",
            recipe=json.dumps([dataclasses.asdict(spec), number]),
        )
        for number, image in enumerate(plan_phantom(spec))
    )
    return Dataset(source, items, tuple(sorted(LABELS)), generated=True)


def parse_phantom(options: str) -> PhantomSpec:
    """The specification in ``count=400,seed=3``. Raises UsageError naming the options."""
    kinds = {"count": int, "size": int, "seed": int, "balance": float, "multi_view": float, "overlap": float}
    values: dict[str, int | float] = {"count": DEFAULT_COUNT}
    for option in filter(None, (text.strip() for text in options.split(","))):
        name, _, text = (part.strip() for part in option.partition("="))
        if name not in kinds:
            raise UsageError(f"phantom: option {name!r} is not known; use {', '.join(kinds)}, as in {_FORM}")
        try:
            values[name] = kinds[name](text)
        except ValueError:
            raise UsageError(f"phantom: {option!r} has no number; write {_FORM}") from None
    return PhantomSpec(**values)  # type: ignore[arg-type]  # each value was converted to its own type above


def draw(recipe: str, geometry: Geometry) -> npt.NDArray[np.uint8]:
    """The image behind an item's ``recipe``, as uint8 [height, width, channels], fitted as a file would be."""
    return fit(_drawn(recipe), geometry)


@lru_cache(maxsize=64)
def drawn_jpeg(recipe: str) -> bytes:
    """The image behind an item's ``recipe`` at its own size as the content of a JPEG file."""
    buffer = io.BytesIO()
    _drawn(recipe).save(buffer, "JPEG", quality=JPEG_QUALITY)
    return buffer.getvalue()


def _drawn(recipe: str) -> Image.Image:
    fields, number = json.loads(recipe)
    return Image.fromarray(render_phantom(PhantomSpec(**fields), number))


@lru_cache(maxsize=1)
def generator_digest() -> str:
    """A digest of the drawing program, so that pixels of an older one are not taken for its own."""
    digest = hashlib.sha256()
    for path in sorted((Path(__file__).parent / "phantom").glob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()


def _family(spec: PhantomSpec) -> str:
    deciding = [spec.seed, spec.balance, spec.multi_view, spec.overlap]
    return "P" + hashlib.sha256(json.dumps(deciding).encode()).hexdigest()[:_DIGITS]
