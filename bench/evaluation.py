"""Accuracy of a case: which images, how they become inputs, which score means which class."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from .analysis.accuracy import check_scores, measure_accuracy
from .analysis.operating import JudgedImages
from .card import read_labels
from .embedded import SOURCE as EMBEDDED
from .embedded import Embedded, read_embedded
from .errors import DataError, UsageError
from .images.cache import CachedImages, cached_images
from .images.dataset import Dataset, balanced_limit, open_dataset, stratified_limit
from .images.geometry import Geometry, ResizeMode
from .images.identity import fingerprint
from .images.normalization import Normalization, normalization_from_quantization, parse_normalization
from .images.splits import read_split
from .images.unseen import ModelSplit, select_images
from .plan import ModelVariant
from .records import Accuracy, DataInfo, Preprocessing, SkippedImage, TensorInfo
from .session import ImageNeeds
from .spec import DataSpec, OperatingTarget
from .validation_part import check_targets, validation_part

NO_LABELS = "the images have no labels"

Array = np.ndarray[Any, Any]
Advance = Callable[[int, int], None]
Classify = Callable[[CachedImages], Array]


@dataclass(frozen=True)
class Reading:
    """How one variant's images are made and its scores are read. ``table`` [1 or channels, 256] maps a pixel value."""

    preprocessing: Preprocessing
    table: Array
    labels: tuple[str, ...]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Scored:
    """One case's scores, float32 [images, classes], with the images they belong to.

    ``accuracy`` is None for images without labels; ``validation`` is None where no operating point was asked for.
    """

    images: CachedImages
    labels: tuple[str, ...]
    scores: Array
    accuracy: Accuracy | None
    validation: JudgedImages | None = None


class Evaluator:
    """Holds the data set and its caches for all cases of a run, on however many devices: threads may share it."""

    def __init__(
        self,
        spec: DataSpec,
        *,
        variants: Sequence[ModelVariant] = (),
        on_decode: Advance | None = None,
        turn: AbstractContextManager[object] | None = None,
    ) -> None:
        """``variants`` are the models to be judged: images that their cards' splits trained with are left out.

        ``turn`` is a lock that a thread may take twice, held while images are decoded and judged.

        Raises UsageError, DataError: the images, labels or splits do not fit.
        """
        self._spec = spec
        self._on_decode = on_decode
        self._labels = read_labels(spec.labels) if spec.labels else None
        self._normalization = parse_normalization(spec.normalize) if spec.normalize else None
        dataset = open_dataset(spec.source, metadata=spec.metadata)
        for name in dataset.classes:
            if name.encode("utf-8", "ignore").decode() != name:  # columns of the stored scores carry these names
                raise DataError(f"{spec.source}: the class folder {name!a} has bytes that are no UTF-8; rename it")
        splits = _model_splits(variants)
        unsplit = sorted({item.model for item in variants if not (item.card and item.card.split)})
        self._validation = validation_part(dataset, splits, unsplit, spec)
        self._validation_caches: dict[Geometry, CachedImages] = {}
        selection = select_images(dataset, splits, spec.split, unsplit)
        dataset = selection.dataset
        self._split_notes = selection.notes
        draw = balanced_limit if spec.balanced else stratified_limit
        self._dataset = draw(dataset, spec.limit, seed=0) if spec.limit else dataset
        self._caches: dict[Geometry, CachedImages] = {}
        self._turn = turn if turn is not None else threading.RLock()

    @property
    def dataset(self) -> Dataset:
        """The images in use, after ``limit``."""
        return self._dataset

    @property
    def listed(self) -> int:
        """How many images there are to classify before any is decoded, those of the validation part included."""
        return len(self._dataset.items) + (0 if self._validation is None else len(self._validation.items))

    def fingerprint(self) -> str:
        """Return a hash that changes with the images in use and their labels, and with the labels of ``--labels``."""
        parts = [self._dataset, *([self._validation] if self._validation is not None else [])]
        return "-".join([*(fingerprint(part.items) for part in parts), *(self._labels or ())])

    @property
    def decoded(self) -> tuple[CachedImages, ...]:
        """The images as they were given to models so far, one entry for each geometry."""
        return tuple(self._caches.values())

    @property
    def workers(self) -> int | None:
        """The processes a case that were asked for, None for as many as the cores allow."""
        return self._spec.eval_workers

    @property
    def operating_points(self) -> tuple[OperatingTarget, ...]:
        """The operating points that were asked for."""
        return self._spec.operating_points

    def read(self, variant: ModelVariant, needs: ImageNeeds) -> Reading:
        """Decide geometry, normalisation and labels for a variant.

        Raises:
            UsageError, DataError: something is missing or does not fit; the line says which flag helps.
        """
        name = f"{variant.model}/{variant.variant}"
        embedded = read_embedded(Path(variant.file.path))
        labels, labels_from, notes = self._choose_labels(name, variant, embedded, needs)
        check_targets(name, labels, self._spec)
        normalization, normalization_from = self._choose_normalization(name, variant, embedded, needs)
        notes += _disagreements(embedded, normalization, labels, needs)
        card_resize = variant.card.resize if variant.card else None
        preprocessing = Preprocessing(
            height=needs.height,
            width=needs.width,
            channels=needs.channels,
            resize=(self._spec.resize or card_resize or ResizeMode.STRETCH).value,
            normalization=normalization.name,
            mean=normalization.mean,
            std=normalization.std,
            normalization_from=normalization_from,
            labels_from=labels_from,
        )
        table = normalization.exact_table() if needs.input.scale else normalization.float_table()
        return Reading(preprocessing, table, labels, notes)

    def images(self, preprocessing: Preprocessing) -> CachedImages:
        """Return the decoded images for a geometry, decoding them (and those of validation) at the first call."""
        if self._validation is not None:
            self._decoded(self._validation, self._validation_caches, preprocessing)
        return self._decoded(self._dataset, self._caches, preprocessing)

    def _decoded(
        self, dataset: Dataset, caches: dict[Geometry, CachedImages], preprocessing: Preprocessing
    ) -> CachedImages:
        geometry = Geometry(
            preprocessing.height, preprocessing.width, preprocessing.channels, ResizeMode(preprocessing.resize)
        )
        with self._turn:
            if geometry not in caches:
                caches[geometry] = cached_images(
                    dataset,
                    geometry,
                    grayscale=self._spec.grayscale,
                    max_bad_fraction=self._spec.max_bad_fraction,
                    progress=self._on_decode,
                )
            return caches[geometry]

    def evaluate(self, reading: Reading, classify: Classify) -> Scored:
        """Classify every image and return scores and accuracy, those of the validation part if needed.

        ``classify`` returns the scores [images, labels] of all images given to it.
        """
        scores = classify(self.images(reading.preprocessing))
        chosen_on = self._validation_images(reading)
        validation = None if chosen_on is None else classify(chosen_on)
        return self.scored(reading, scores, validation)

    def image_count(self, reading: Reading) -> int:
        """Return how many images :meth:`evaluate` has classified, those of the validation part included."""
        chosen_on = self._validation_images(reading)
        return len(self.images(reading.preprocessing).items) + (0 if chosen_on is None else len(chosen_on.items))

    def scored(self, reading: Reading, scores: Array, validation: Array | None = None) -> Scored:
        """Return scores with the images they belong to and their accuracy.

        ``scores`` float32 [images, classes] are of the images, ``validation`` of those of the validation part.

        Raises:
            ScoreError, DataError: they cannot be judged, or are not as many as the images.
        """
        images, chosen_on = self.images(reading.preprocessing), self._validation_images(reading)
        for some, found in ((images, scores), (chosen_on, validation)):
            if some is not None and (found is None or len(found) != len(some.items)):
                raise DataError(
                    f"{0 if found is None else len(found)} scores for {len(some.items)} images: not of the same"
                )
        judged = None if chosen_on is None or validation is None else _judged(chosen_on, validation)
        with self._turn:
            accuracy = _accuracy(reading.labels, _judged(images, scores))
        return Scored(images, reading.labels, scores, accuracy, judged)

    def _validation_images(self, reading: Reading) -> CachedImages | None:
        if self._validation is None:
            return None
        return self._decoded(self._validation, self._validation_caches, reading.preprocessing)

    def info(self) -> DataInfo:
        """Describe what was evaluated; call it after the caches were made."""
        cached = next(iter(self._caches.values()), None)
        items = cached.items if cached else self._dataset.items
        lesions = {item.lesion_id for item in items if item.lesion_id}
        skipped = {problem.image_id: problem.reason for problem in self._dataset.problems}
        for other in self._caches.values():
            skipped.update({problem.image_id: problem.reason for problem in other.skipped})
        return DataInfo(
            source=self._dataset.source,
            images=len(items),
            lesions=len(lesions) or None,
            class_counts=dict(sorted(Counter(item.label for item in items if item.label).items())),
            skipped=tuple(SkippedImage(image_id, reason) for image_id, reason in sorted(skipped.items())),
            notes=self._notes(len(items)),
            generated=self._dataset.generated,
        )

    def _notes(self, images: int) -> tuple[str, ...]:
        notes = list(self._split_notes)
        if self._dataset.generated:
            notes.append("generated images: drawn by a program, they say nothing about photographs")
        notes += [
            f"models that take {geometry.key()} images had {len(cached.items)} of them"
            for geometry, cached in self._caches.items()
            if len(cached.items) != images
        ]
        if self._dataset.rows_without_image:
            notes.append(f"{self._dataset.rows_without_image} metadata rows have no image here and were left out")
        if self._dataset.images_without_row:
            notes.append(f"{self._dataset.images_without_row} images have no metadata row and were left out")
        if not self._dataset.classes:
            notes.append(f"{NO_LABELS}: accuracy is unknown, only how far variants agree can be told")
        if self._validation is not None:
            notes.append(
                f"thresholds of operating points were chosen on {len(self._validation.items)} images of the "
                "validation part, which are not among those judged"
            )
        if self._spec.limit:
            by_class = "as many of each class as there are" if self._spec.balanced else "drawn by class"
            how = by_class if self._dataset.classes else "drawn"
            notes.append(f"limited to {self._spec.limit} images, {how} with seed 0")
        return tuple(notes)

    def _choose_labels(
        self, name: str, variant: ModelVariant, embedded: Embedded, needs: ImageNeeds
    ) -> tuple[tuple[str, ...], str, tuple[str, ...]]:
        notes: tuple[str, ...] = ()
        if self._labels is not None:
            labels, source = self._labels, f"--labels {self._spec.labels}"
        elif variant.card is not None and variant.card.labels is not None:
            labels, source = variant.card.labels, "card"
        elif embedded.labels is not None:
            labels, source = embedded.labels, EMBEDDED
        elif not self._dataset.classes:
            labels, source = tuple(f"output {i}" for i in range(needs.scores)), "none: outputs are numbered"
        else:
            labels, source = self._dataset.classes, "assumed: the data set's classes in alphabetical order"
            notes = ("label order is assumed (alphabetical); check it, or give --labels FILE",)
        if len(labels) != needs.scores:
            raise DataError(
                f"{name}: the model answers {needs.scores} scores but there are {len(labels)} labels "
                f"({source}); give --labels FILE with one label a line in the model's output order"
            )
        unknown = [label for label in self._dataset.classes if label not in labels]
        if unknown:
            raise DataError(
                f"{name}: the data set has class {unknown[0]!r}, which is not among the model's labels "
                f"{', '.join(labels[:12])} ({source})"
            )
        return labels, source, notes

    def _choose_normalization(
        self, name: str, variant: ModelVariant, embedded: Embedded, needs: ImageNeeds
    ) -> tuple[Normalization, str]:
        if self._normalization is not None:
            return self._fitting(name, self._normalization, needs), "--normalize"
        if variant.card is not None and variant.card.normalization is not None:
            return self._fitting(name, variant.card.normalization, needs), "card"
        if embedded.normalization is not None:
            return self._fitting(name, embedded.normalization, needs), EMBEDDED
        tensor = needs.input
        if tensor.dtype == "uint8" and tensor.scale == 0.0:
            return parse_normalization("0..255"), "the input is plain uint8"
        implied = _implied(tensor)
        if implied is not None:
            return implied, "the input's own scale and zero point"
        raise UsageError(
            f"{name}: nothing says how the {tensor.dtype} input is normalised; "
            "add --normalize -1..1, 0..1, 0..255, imagenet or MEAN/STD"
        )

    @staticmethod
    def _fitting(name: str, normalization: Normalization, needs: ImageNeeds) -> Normalization:
        for values in (normalization.mean, normalization.std):
            if len(values) not in (1, needs.channels):
                raise UsageError(
                    f"{name}: normalisation {normalization.name} is for {len(values)} channels, "
                    f"the model takes {needs.channels}"
                )
        return normalization


def _judged(images: CachedImages, scores: Array) -> JudgedImages:
    return JudgedImages(scores, [item.label or "" for item in images.items], [item.lesion_id for item in images.items])


def _accuracy(labels: tuple[str, ...], judged: JudgedImages) -> Accuracy | None:
    """Return accuracy, None for images without labels. Raises ScoreError for scores that cannot be judged."""
    if not any(judged.truth):
        check_scores(labels, len(judged.truth), judged.scores)
        return None
    return measure_accuracy(labels, judged.truth, judged.scores, judged.lesions)


def _implied(tensor: TensorInfo) -> Normalization | None:
    """Return the normalisation that an integer input's own range implies, if it is one of the usual."""
    if not tensor.scale or tensor.zero_point is None:
        return None
    return normalization_from_quantization(tensor.dtype, tensor.scale, tensor.zero_point)


def _disagreements(
    embedded: Embedded, normalization: Normalization, labels: tuple[str, ...], needs: ImageNeeds
) -> tuple[str, ...]:
    """Where a model file says otherwise than what is used: worth a line, as one of the two is wrong."""
    notes = [embedded.note] if embedded.note else []
    if embedded.labels is not None and embedded.labels != labels:
        notes.append("the model's own metadata has other labels, or another order, than those used here")
    said = embedded.normalization
    if said is not None and not (said.float_table() == normalization.float_table()).all():
        notes.append("the model's own metadata has another normalisation than the one used here")
    implied = _implied(needs.input)
    if said is not None and said is normalization and implied is not None:
        real, wanted = said.float_table(), implied.float_table()
        if abs(real[:, [0, -1]] - wanted[:, [0, -1]]).max() > 0.1 * float(wanted[0, -1] - wanted[0, 0]):
            notes.append(
                f"the input's scale and zero point imply {implied.name}, the model's own metadata says otherwise"
            )
    return tuple(notes)


def _model_splits(variants: Sequence[ModelVariant]) -> list[ModelSplit]:
    cards = {item.card.split.path: item for item in variants if item.card and item.card.split}
    return [
        ModelSplit(item.model, read_split(split.path, split.sha256), split.sha256)
        for item in cards.values()
        if item.card and (split := item.card.split)
    ]
