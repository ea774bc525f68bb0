"""How much of a difference between two variants may be chance."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from edgebench.records import Accuracy

Array = np.ndarray[Any, Any]
_RESAMPLES = 1000


def balanced_half_width(accuracy: Accuracy) -> float | None:
    """Half the width of a 95 % interval of balanced accuracy, from each class's binomial variance.

    The classes with few images decide it. A class that is always or never right counts as half an image off: no
    image showed its spread.
    """
    present = [item for item in accuracy.classes if item.support and item.recall is not None]
    if not present:
        return None
    variance = 0.0
    for item in present:
        margin = 0.5 / item.support
        recall = min(max(item.recall or 0.0, margin), 1 - margin)
        variance += recall * (1 - recall) / item.support
    return 1.96 * math.sqrt(variance) / len(present)


def paired_interval(
    truth: Array,
    lesions: Sequence[str],
    one: Array,
    other: Array,
    value: Callable[[Array, Array], float],
    seed: int = 0,
) -> tuple[float, float]:
    """95 % interval of ``value(truth, one) - value(truth, other)`` over the same images.

    Bootstrap of lesions within classes: images of one lesion are no independent witnesses.
    """
    groups = _groups(truth, lesions)
    rng = np.random.default_rng(seed)
    found = []
    for _ in range(_RESAMPLES):
        rows = np.concatenate(
            [np.concatenate([group[i] for i in rng.integers(0, len(group), len(group))]) for group in groups]
        )
        found.append(value(truth[rows], one[rows]) - value(truth[rows], other[rows]))
    low, high = np.quantile(found, [0.025, 0.975])
    return float(low), float(high)


def _groups(truth: Array, lesions: Sequence[str]) -> list[list[Array]]:
    """Rows of each lesion, by class."""
    rows: dict[tuple[int, str], list[int]] = {}
    for row, (label, lesion) in enumerate(zip(truth.tolist(), lesions, strict=True)):
        rows.setdefault((label, lesion), []).append(row)
    labels = sorted({label for label, _ in rows})
    return [[np.array(found) for (label, _), found in rows.items() if label == wanted] for wanted in labels]
