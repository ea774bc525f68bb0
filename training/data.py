"""Images for training, from the harness's own cache: what is learnt from is what is measured on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from edgebench.errors import DataError
from edgebench.images.cache import CachedImages, cached_images
from edgebench.images.cache import Progress as Advance
from edgebench.images.dataset import Dataset, open_dataset
from edgebench.images.geometry import Geometry
from edgebench.images.splits import Part, Split, make_split

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Subset:
    """Images of one part: ``rows`` int64 [n] in the pixel cache, ``labels`` int64 [n] as class numbers."""

    rows: Array
    labels: Array

    def counts(self, classes: int) -> Array:
        """Images of each class, int64 [classes]."""
        return np.bincount(self.labels, minlength=classes)


@dataclass(frozen=True)
class TrainingData:
    """Cached pixels and who may see which of them."""

    dataset: Dataset
    images: CachedImages
    classes: tuple[str, ...]
    split: Split
    parts: Mapping[Part, Subset]


def load_training_data(
    source: str,
    geometry: Geometry,
    fractions: tuple[float, float, float],
    seed: int,
    *,
    metadata: Path | None = None,
    on_decode: Advance | None = None,
) -> TrainingData:
    """Open a data set, decode it once and split it by lesion.

    Raises DataError, UsageError: the data set, its images or its classes do not allow it.
    """
    dataset = open_dataset(source, metadata=metadata)
    if len(dataset.classes) < 2:
        raise DataError(f"{source}: has one class only ({dataset.classes[0]}); a classifier needs two or more")
    images = cached_images(dataset, geometry, progress=on_decode)
    split = make_split(images.items, fractions, seed)
    return TrainingData(dataset, images, dataset.classes, split, subsets(images, dataset.classes, split))


def subsets(images: CachedImages, classes: tuple[str, ...], split: Split) -> dict[Part, Subset]:
    """The rows and class numbers of each part."""
    numbers = {label: number for number, label in enumerate(classes)}
    rows = {item.image_id: row for row, item in enumerate(images.items)}
    found = {}
    for part in Part:
        members = [row for row in split.part(part) if row.image_id in rows]
        found[part] = Subset(
            np.array([rows[row.image_id] for row in members], np.int64),
            np.array([numbers[row.label] for row in members], np.int64),
        )
    return found


def balanced_rows(subset: Subset, count: int, seed: int) -> Array:
    """Rows of about ``count`` images, as evenly over the classes as there are images, mixed; int64."""
    rng = np.random.default_rng([seed, 77])
    queues = [rng.permutation(subset.rows[subset.labels == label]) for label in np.unique(subset.labels)]
    chosen: list[int] = []
    for place in range(max((len(queue) for queue in queues), default=0)):
        chosen.extend(int(queue[place]) for queue in queues if place < len(queue))
        if len(chosen) >= count:
            break
    return np.array(chosen[:count], np.int64)


def epoch_order(subset: Subset, classes: int, power: float, rng: np.random.Generator) -> Array:
    """Places in ``subset`` for one epoch, int64 [n]: class c comes with probability ~ count(c) ** power.

    At 1 it is a permutation; below, rare classes repeat.
    """
    if power == 1.0:
        return rng.permutation(len(subset.rows))
    weights = class_prior(subset, classes, power) / np.maximum(subset.counts(classes), 1)
    chance = weights[subset.labels]
    return rng.choice(len(subset.rows), len(subset.rows), p=chance / chance.sum())


def class_prior(subset: Subset, classes: int, power: float) -> Array:
    """How often each class comes in an epoch, as shares, float64 [classes]."""
    shares = subset.counts(classes).astype(np.float64) ** power
    shares[subset.counts(classes) == 0] = 0.0
    return np.asarray(shares / shares.sum())
