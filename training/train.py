"""Training: from a data set and a recipe to a Keras model, its history and its validation figures."""

from __future__ import annotations

import hashlib
import json
import shutil
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from edgebench.analysis.accuracy import measure_accuracy
from edgebench.images.geometry import Geometry
from edgebench.images.normalization import Normalization, parse_normalization
from edgebench.images.splits import Part, split_digest
from edgebench.progress import Progress
from edgebench.records import Accuracy

from .backend import tensorflow
from .checkpoint import FOLDER_NAME, Checkpoint, EpochRow, State, load_checkpoint, save_checkpoint
from .data import TrainingData, load_training_data
from .features import Computed, Pixels, Source, apply_model, cache_features
from .loop import PhaseLoop, Setup
from .model import Network, build_network, tunable, weights_digest
from .recipe import Recipe, recipe_dict

Array = np.ndarray[Any, Any]
#: Applied outside the model, as the card says.
NORMALIZATION = "-1..1"


@dataclass(frozen=True)
class Trained:
    """A finished training."""

    model: Any
    data: TrainingData
    recipe: Recipe
    history: tuple[EpochRow, ...]
    validation: Accuracy
    seconds: float


def train(
    source: str, recipe: Recipe, out: Path, *, metadata: Path | None = None, progress: Progress | None = None
) -> Trained:
    """Train a classifier; checkpoints go to ``out/.training`` and a killed training goes on from the last.

    The folder with checkpoints is left for the caller to remove when all is stored (``forget``).

    Raises:
        UsageError, InputError: nothing was trained.
        TrainingError: the training cannot go on; the line says why.
    """
    progress = progress or Progress()
    started = time.monotonic()
    tf = tensorflow()
    tf.config.experimental.enable_op_determinism()
    geometry = Geometry(recipe.size, recipe.size, 3, recipe.resize)
    progress.phase("reading images", 1)
    data = load_training_data(
        source, geometry, recipe.fractions, recipe.seed, metadata=metadata, on_decode=progress.detail_count
    )
    network = build_network(recipe, len(data.classes))
    training = _Training(network, data, recipe, out / FOLDER_NAME, progress)
    history = training.run()
    scores = training.scores(data.parts[Part.VALIDATION].rows)
    truth = [data.classes[label] for label in data.parts[Part.VALIDATION].labels]
    validation = measure_accuracy(data.classes, truth, scores)
    return Trained(network.whole, data, recipe, history, validation, time.monotonic() - started)


def forget(out: Path) -> None:
    """Remove what a training left to go on from."""
    shutil.rmtree(out / FOLDER_NAME, ignore_errors=True)


class _Training:
    def __init__(self, network: Network, data: TrainingData, recipe: Recipe, folder: Path, progress: Progress) -> None:
        self._network, self._data, self._recipe = network, data, recipe
        self._folder, self._progress = folder, progress
        self._pixels = data.images.pixels
        self._normalization: Normalization = parse_normalization(NORMALIZATION)
        self._fingerprint = self._make_fingerprint()
        self._entries: list[Path] = []

    def run(self) -> tuple[EpochRow, ...]:
        """Run the phases that are left and return the history; the network ends up trained."""
        resumed = load_checkpoint(self._folder, self._fingerprint)
        history: tuple[EpochRow, ...] = ()
        names = self._phases()
        first = names.index(resumed.state.phase) if resumed else 0
        for name in names[first:]:
            state = self._run_phase(name, resumed, history)
            history, resumed = state.history, None
        self._drop_features()
        return history

    def scores(self, rows: Array) -> Array:
        """float32 [images, classes] of the whole network, image by image as they are."""
        source = Pixels(self._pixels, rows, self._normalization)
        rng = np.random.default_rng(0)
        parts = []
        for start in range(0, len(rows), 64):
            places = np.arange(start, min(start + 64, len(rows)))
            batch = source.batch(places, np.zeros(len(places), np.int64), rng)
            parts.append(apply_model(self._network.whole, batch))
        return np.concatenate(parts)

    def _phases(self) -> list[str]:
        if self._recipe.weights == "none":
            return ["full"]
        return ["head"] if self._network.tail is None else ["head", "tail"]

    def _run_phase(self, name: str, resumed: Checkpoint | None, history: tuple[EpochRow, ...]) -> State:
        if resumed is not None:
            # Features of later phases belong to the starting weights, so those go in last.
            self._progress.phase(f"{name}: going on after epoch {resumed.state.epoch}", 1)
        setup = self._setup(name)
        loop = PhaseLoop(
            setup,
            self._recipe,
            self._data.parts[Part.TRAIN],
            self._data.parts[Part.VALIDATION],
            len(self._data.classes),
            self._progress,
            self._save,
        )
        return loop.run(resumed, history)

    def _save(self, checkpoint: Checkpoint) -> None:
        save_checkpoint(self._folder, self._fingerprint, checkpoint)

    def _setup(self, name: str) -> Setup:
        network, recipe = self._network, self._recipe
        phase = {"head": recipe.head, "tail": recipe.tail, "full": recipe.full}[name]
        body = {"head": None, "tail": network.tail, "full": network.base}[name]
        variables = list(network.head.trainable_variables)
        if body is not None:
            variables = tunable(body, freeze_norms=name == "tail") + variables
        train, validation = (self._source(name, part) for part in (Part.TRAIN, Part.VALIDATION))
        return Setup(name, phase, network.whole, body, network.head, variables, train, validation, name == "full")

    def _source(self, name: str, part: Part) -> Source:
        recipe, rows = self._recipe, self._data.parts[part].rows
        learning = part is Part.TRAIN
        if name == "full":
            return Pixels(self._pixels, rows, self._normalization, recipe.augment if learning else None)
        pixels = Pixels(self._pixels, rows, self._normalization, copies=recipe.copies if learning else 1)
        if self._network.trunk is None or not recipe.cache_features:
            frozen = self._network.base if name == "head" else self._network.trunk
            return self._cached(Computed(pixels, frozen), part, name)
        cut = self._cached(Computed(pixels, self._network.trunk), part, "tail")
        if name == "tail":
            return cut
        return self._cached(Computed(cut, self._network.tail), part, "head")

    def _cached(self, source: Computed, part: Part, name: str) -> Source:
        if not self._recipe.cache_features:
            return source
        rows = self._data.parts[part].rows
        digest = hashlib.sha256(rows.tobytes()).hexdigest()
        models = [self._network.trunk, source.model] if name == "head" and self._network.trunk else [source.model]
        key = [name, self._data.images.pixels_path.parent.name, digest, weights_digest(models), NORMALIZATION]
        total = len(rows) * source.copies
        self._progress.phase(f"{name}: computing features of {total} {part.value} images once", 1)
        cached, entry = cache_features(
            source, len(rows), list(key), self._recipe.feature_dtype, on_step=self._progress.detail_count
        )
        self._entries.append(entry)
        return cached

    def _drop_features(self) -> None:
        if not self._recipe.keep_features:
            for entry in self._entries:
                shutil.rmtree(entry, ignore_errors=True)

    def _make_fingerprint(self) -> str:
        fields = [
            recipe_dict(self._recipe),
            split_digest(self._data.split),
            self._data.images.pixels_path.parent.name,
            list(self._data.classes),
            weights_digest([self._network.whole]),
        ]
        return hashlib.sha256(json.dumps(fields).encode()).hexdigest()
