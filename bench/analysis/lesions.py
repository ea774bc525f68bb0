"""Which images belong together: those of one lesion within one class, as they are right and wrong together."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]


def lesion_groups(lesions: Sequence[str | None] | None, classes: Sequence[Hashable]) -> Array:
    """Return a number for each image, equal for images of one lesion and class; an unknown lesion is one of its own.

    ``classes`` has the class of each image; groups are numbered in order of first appearance.
    """
    numbers: dict[Hashable, int] = {}
    known = lesions if lesions is not None else [None] * len(classes)
    keys = [
        (lesion, name) if lesion is not None else index
        for index, (lesion, name) in enumerate(zip(known, classes, strict=True))
    ]
    return np.array([numbers.setdefault(key, len(numbers)) for key in keys], dtype=np.int64)


def lesion_count(lesions: Sequence[str | None] | None, groups: Array) -> int | None:
    """Return how many groups there are, None where no lesion is known."""
    if lesions is None or not any(lesion is not None for lesion in lesions):
        return None
    return len(np.unique(groups))
