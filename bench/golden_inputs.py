"""Golden inputs: the few that a device and the host both run, so that their outputs can be compared."""

from __future__ import annotations

import tempfile
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from .devices.base import Device
from .evaluation import Evaluator, Reading
from .images.geometry import Geometry
from .images.items import ImageItem
from .session import Output, Session

#: One more than the classes of the usual task, and few enough for a slow board: less than a timed block runs.
GOLDEN_INPUTS = 8
#: Values of one output that travel for each input: all scores of a classifier, a sample of a segmentation's pixels.
VALUES_TOLD = 100_000


@dataclass(frozen=True)
class Golden:
    """Inputs for one case: rows of a pixel file on the host, with the table that makes them inputs, or seeds."""

    count: int
    seed: int
    pixels_path: Path | None = None
    table: np.ndarray[Any, Any] | None = None

    @property
    def images(self) -> bool:
        """True where the inputs are images of the data set."""
        return self.pixels_path is not None

    def run(self, device: Device, session: Session) -> list[tuple[Output, ...]]:
        """Run the loaded model on every input and return all of its outputs for each.

        Raises:
            RuntimeRefused: an output cannot be read.
            WorkerError: the worker failed.
        """
        if self.pixels_path is not None and self.table is not None:
            session.open_images(device.place(self.pixels_path), self.table)
        found = []
        for number in range(self.count):
            if self.images:
                session.run_row(number)
            else:
                session.first(self.seed + number)
            found.append(session.outputs(VALUES_TOLD))
        return found


class GoldenInputs:
    """Makes golden inputs. A context manager: at its end the pixel files are gone, each of a few images only."""

    def __init__(self, seed: int, evaluator: Evaluator | None = None) -> None:
        self._seed = seed
        self._evaluator = evaluator
        self._folder = tempfile.TemporaryDirectory(prefix="edgebench-golden-")
        self._files: dict[Geometry, tuple[Path, int]] = {}

    def __enter__(self) -> GoldenInputs:
        return self

    def __exit__(self, *_: object) -> None:
        self._folder.cleanup()

    def of(self, reading: Reading | None) -> Golden:
        """Return images of the data set, by the case's own preprocessing, or seeds where no images are evaluated."""
        if self._evaluator is None or reading is None:
            return Golden(GOLDEN_INPUTS, self._seed)
        cached = self._evaluator.images(reading.preprocessing)
        if cached.geometry not in self._files:
            rows = spread_rows(cached.items, GOLDEN_INPUTS)
            path = Path(self._folder.name) / f"{cached.geometry.key()}.npy"
            np.save(path, cached.pixels[rows])
            self._files[cached.geometry] = path, len(rows)
        path, count = self._files[cached.geometry]
        return Golden(count, self._seed, path, reading.table)


def spread_rows(items: Sequence[ImageItem], count: int) -> list[int]:
    """Return at most ``count`` rows in order: the classes take turns, and each gives images from all over its own."""
    rows: dict[str, list[int]] = defaultdict(list)
    for row, item in enumerate(items):
        rows[item.label or ""].append(row)
    wanted, shares = min(count, len(items)), dict.fromkeys(sorted(rows), 0)
    while sum(shares.values()) < wanted:
        for label in shares:
            if shares[label] < len(rows[label]) and sum(shares.values()) < wanted:
                shares[label] += 1
    return sorted(rows[label][number * len(rows[label]) // share] for label, share in shares.items()
                  for number in range(share))  # fmt: skip
