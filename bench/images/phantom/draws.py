"""Random draws that are the same on every machine.

Only raw uniform draws are taken from numpy; everything else is built from + - * / and sqrt, which IEEE 754
rounds the same way everywhere. exp, sin, pow and matrix products are avoided in the whole package: their last
bit depends on the processor and on the library.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import IntEnum
from math import sqrt
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

#: float32 throughout; typed loosely because numpy's stubs widen float32 times a Python float.
Floats = npt.NDArray[np.floating[Any]]
T = TypeVar("T")


class Stream(IntEnum):
    """Independent sources of randomness under one seed."""

    PLAN = 0
    TRAITS = 1
    LESION = 2
    VIEW = 3


class Draws:
    """Draws from PCG64, seeded by (seed, stream, index)."""

    def __init__(self, seed: int, stream: Stream, index: int = 0) -> None:
        sequence = np.random.SeedSequence([seed, int(stream), index])
        self._generator = np.random.Generator(np.random.PCG64(sequence))

    def uniform(self, low: float = 0.0, high: float = 1.0) -> float:
        return low + (high - low) * float(self._generator.random())

    def around(self, low: float, high: float) -> float:
        """Triangular: the middle of the range is likelier than its ends."""
        return low + (high - low) * 0.5 * (float(self._generator.random()) + float(self._generator.random()))

    def chance(self, probability: float) -> bool:
        return float(self._generator.random()) < probability

    def count(self, low: int, high: int) -> int:
        """Uniform integer in low..high, both included."""
        return low + int(float(self._generator.random()) * (high - low + 1))

    def pick(self, options: Sequence[T]) -> T:
        return options[self.count(0, len(options) - 1)]

    def direction(self) -> tuple[float, float]:
        """A unit vector, uniform over the circle (by rejection: no sine or cosine)."""
        while True:
            x, y = self.uniform(-1.0, 1.0), self.uniform(-1.0, 1.0)
            square = x * x + y * y
            if 0.01 < square <= 1.0:
                norm = sqrt(square)
                return x / norm, y / norm

    def symmetric(self, *shape: int) -> Floats:
        """Array of float32, uniform in [-1, 1)."""
        return self._generator.random(shape, dtype=np.float32) * np.float32(2.0) - np.float32(1.0)

    def unit(self, *shape: int) -> Floats:
        """Array of float32, uniform in [0, 1)."""
        return self._generator.random(shape, dtype=np.float32)
