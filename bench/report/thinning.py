"""Fewer values that still show how all of them lie."""

from __future__ import annotations

from typing import Any

import numpy as np

_Values = np.ndarray[Any, np.dtype[np.float64]]


def thinned(values: _Values, limit: int) -> _Values:
    """Return at most ``limit`` of the values at even ranks, sorted, smallest and largest among them."""
    ordered = np.sort(values)
    if ordered.size <= limit:
        return ordered
    return ordered[np.linspace(0, ordered.size - 1, limit).round().astype(np.int64)]
