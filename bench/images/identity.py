"""Telling whether images are still the same, without reading them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable

from .generated import generator_digest
from .items import ImageItem


def fingerprint(items: Iterable[ImageItem]) -> str:
    """Return a SHA-256 of all images in order: ids, labels, lesions, and sizes and times of files, or recipes."""
    digest = hashlib.sha256()
    for item in items:
        state = [item.recipe, generator_digest()] if item.recipe is not None else _file_state(item)
        digest.update(json.dumps([item.image_id, item.label, item.lesion_id, *state]).encode())
    return digest.hexdigest()


def _file_state(item: ImageItem) -> list[int]:
    try:
        found = item.path.stat()
    except OSError:
        return []
    return [found.st_size, found.st_mtime_ns]
