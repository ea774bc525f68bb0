"""What the commands do from beginning to end, for Python programs as well."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from edgebench.card import CARD_NAME, LABELS_NAME, Card, read_card, read_labels
from edgebench.errors import DataError, TrainingError, UsageError
from edgebench.images.cache import CachedImages, cached_images
from edgebench.images.dataset import Dataset, open_dataset
from edgebench.images.geometry import Geometry, ResizeMode
from edgebench.images.normalization import Normalization, parse_normalization
from edgebench.images.splits import SPLIT_NAME, Part, Split, read_split
from edgebench.progress import Progress

from .backend import tensorflow, versions
from .card import (
    CARD_FORMAT,
    HISTORY_NAME,
    MODEL_NAME,
    data_entry,
    preprocessing_entry,
    training_card,
    variant_entries,
    variant_limits,
    write_card,
    write_training,
)
from .convert import Variant
from .data import Subset, balanced_rows
from .export import ALL_VARIANTS, ExportImages, ExportPlan, VariantReport, export_variants, noise_images
from .recipe import Recipe
from .reference import open_reference, reference_of
from .train import NORMALIZATION, Trained, forget, train

Array = np.ndarray[Any, Any]
_CHECK_IMAGES = 105
_NOISE_IMAGES = 16


@dataclass(frozen=True)
class Pipeline:
    """A training with the variants made of it."""

    trained: Trained
    reports: tuple[VariantReport, ...]


def train_and_export(
    source: str,
    recipe: Recipe,
    out: Path,
    variants: tuple[Variant, ...] = ALL_VARIANTS,
    *,
    metadata: Path | None = None,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> Pipeline:
    """Train, keep the Keras model, export its variants and write the card: a whole ``models/<name>`` folder.

    Killed before it is whole, the same call goes on where it stopped. Raises UsageError, InputError,
    TrainingError: see ``train`` and ``export_variants``.
    """
    progress = progress or Progress()
    tensorflow()  # where it is not installed, nothing shall be touched
    prepare_folder(out, overwrite=overwrite)
    trained = train(source, recipe, out, metadata=metadata, progress=progress)
    _save_keras(trained.model, out)
    name = _name(out)
    pixels = trained.data.images.pixels
    learnt, judged = trained.data.parts[Part.TRAIN], trained.data.parts[Part.VALIDATION]
    images = ExportImages(
        np.asarray(pixels[balanced_rows(learnt, recipe.calibration_images, recipe.seed)]),
        np.asarray(pixels[balanced_rows(judged, recipe.check_images, recipe.seed)]),
    )
    plan = ExportPlan(
        reference=reference_of(trained.model, name),
        name=name,
        labels=trained.data.classes,
        normalization=parse_normalization(NORMALIZATION),
        images=images,
        variants=variants,
        description=_description(trained),
    )
    reports = export_variants(plan, out, progress=progress)
    write_training(out, training_card(name, trained, reports), trained)
    forget(out)
    return Pipeline(trained, reports)


@dataclass(frozen=True)
class ExportRequest:
    """What ``edgebench export`` was asked for. What is None is taken from a card beside the model."""

    model: Path
    out: Path
    variants: tuple[Variant, ...] = ALL_VARIANTS
    source: str | None = None
    metadata: Path | None = None
    labels: Path | None = None
    normalize: str | None = None
    resize: str | None = None
    calibration_images: int = 210
    seed: int = 0
    overwrite: bool = False

    @property
    def in_place(self) -> bool:
        """Whether the variants go beside the model they are made from."""
        return self.out.resolve() == self.model.resolve().parent


def export_model(request: ExportRequest, *, progress: Progress | None = None) -> tuple[VariantReport, ...]:
    """Make the variants of a Keras model or SavedModel and write their card.

    Raises UsageError, InputError, TrainingError: see ``open_reference`` and ``export_variants``.
    """
    progress = progress or Progress()
    if not request.in_place:
        prepare_folder(request.out, overwrite=request.overwrite)
    prepared = prepare_export(request, progress)
    reports = export_variants(prepared.plan, request.out, progress=progress)
    write_export_card(request, prepared, variant_entries(reports, real=prepared.plan.images.real), reports)
    return reports


@dataclass(frozen=True)
class Prepared:
    """What an export starts from. ``images``, ``learnt`` and ``judged`` are None where no data set was given:
    its cached pixels, and those of its images to calibrate and to compare with. ``note`` says who calibrates."""

    plan: ExportPlan
    geometry: Geometry
    note: str
    card: Card | None = None
    dataset: Dataset | None = None
    images: CachedImages | None = None
    learnt: Subset | None = None
    judged: Subset | None = None


def prepare_export(request: ExportRequest, progress: Progress) -> Prepared:
    """Read the model, its card and its images. Raises UsageError, InputError where they do not fit together."""
    own_card = read_card(request.model.resolve().parent)
    reference = open_reference(request.model)
    dataset = open_dataset(request.source, metadata=request.metadata) if request.source else None
    normalization = _normalization(request, own_card)
    resize = ResizeMode(request.resize) if request.resize else (own_card.resize if own_card else None)
    geometry = Geometry(reference.height, reference.width, reference.channels, resize or ResizeMode.STRETCH)
    plan = ExportPlan(
        reference=reference,
        name=_name(request.out),
        labels=_labels(request, own_card, dataset),
        normalization=normalization,
        images=ExportImages(None, noise_images(reference, _NOISE_IMAGES, request.seed), real=False),
        variants=request.variants,
    )
    if dataset is None:
        return Prepared(plan, geometry, "no images given", own_card)
    progress.phase("reading images", 1)
    images = cached_images(dataset, geometry, progress=progress.detail_count)
    split = read_split(own_card.split.path, own_card.split.sha256) if own_card is not None and own_card.split else None
    learnt, judged, note = _calibration_subsets(images, dataset, split)
    chosen = ExportImages(
        np.asarray(images.pixels[balanced_rows(learnt, request.calibration_images, request.seed)]),
        np.asarray(images.pixels[balanced_rows(judged, _CHECK_IMAGES, request.seed)]),
    )
    return Prepared(replace(plan, images=chosen), geometry, note, own_card, dataset, images, learnt, judged)


def write_export_card(
    request: ExportRequest,
    prepared: Prepared,
    entries: Sequence[Mapping[str, Any]],
    reports: Sequence[VariantReport] = (),
    gone: Collection[str] = (),
) -> None:
    """Write card, labels and what is known of the training. Raises TrainingError where they cannot be written.

    ``gone`` are variants that an earlier card has and that are no longer there.
    """
    card = _export_card(prepared, entries, reports)
    kept = _carried_over(request.model.resolve().parent) if prepared.card is not None else {}
    if kept:
        kept = {**kept, "variants": [one for one in kept.get("variants", []) if one.get("name") not in gone]}
    files = {} if request.in_place else _carried_files(request.model.resolve().parent, kept)
    write_card(request.out, _updated(kept, card, same_folder=request.in_place) if kept else card, files)


def prepare_folder(out: Path, *, overwrite: bool) -> None:
    """Refuse to mix two models in one folder; with ``overwrite`` the old one's files go."""
    try:
        finished = (out / CARD_NAME).exists() or any(out.glob("*.tflite"))
        if finished and not overwrite:
            raise UsageError(f"{out}: holds a model already; choose another --out, or replace it with --overwrite")
        if overwrite:
            forget(out)
            for name in (CARD_NAME, LABELS_NAME, SPLIT_NAME, HISTORY_NAME, MODEL_NAME):
                (out / name).unlink(missing_ok=True)
            for path in out.glob("*.tflite"):
                path.unlink()
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"--out {out}: cannot be written ({error.strerror or error})") from error


def _save_keras(model: Any, out: Path) -> None:
    partial = out / f".partial-{MODEL_NAME}"
    try:
        model.save(str(partial))
        partial.replace(out / MODEL_NAME)
    except OSError as error:
        raise TrainingError(
            f"{out}: the Keras model cannot be written ({error.strerror or error}); make room"
        ) from error
    finally:
        partial.unlink(missing_ok=True)


def _name(out: Path) -> str:
    return out.resolve().name


def _description(trained: Trained) -> str:
    kind = data_entry(trained.data.dataset)["kind"]
    what = "generated images" if trained.data.dataset.generated else f"{kind} images"
    return f"MobileNetV2 (alpha {trained.recipe.alpha:g}) trained on {what}"


def _labels(request: ExportRequest, card: Card | None, dataset: Dataset | None) -> tuple[str, ...]:
    if request.labels is not None:
        return read_labels(request.labels)
    if card is not None and card.labels is not None:
        return card.labels
    if dataset is not None:
        return dataset.classes
    raise UsageError("nothing says what the classes are called; add --labels FILE with one label a line")


def _normalization(request: ExportRequest, card: Card | None) -> Normalization:
    if request.normalize is not None:
        return parse_normalization(request.normalize)
    if card is not None and card.normalization is not None:
        return card.normalization
    raise UsageError(
        f"nothing says how the input of {request.model} is normalised; add --normalize -1..1, 0..1, 0..255, "
        "imagenet or MEAN/STD"
    )


def _calibration_subsets(images: CachedImages, dataset: Dataset, split: Split | None) -> tuple[Subset, Subset, str]:
    """Images to calibrate and to check with: never the test part of a split."""
    numbers = {label: number for number, label in enumerate(dataset.classes)}
    labels = np.array([numbers[item.label or ""] for item in images.items], np.int64)
    rows = np.arange(len(images.items))
    if split is None:
        everything = Subset(rows, labels)
        return everything, everything, "calibrated with class-balanced images of the given source; it has no split"
    parts = {row.image_id: row.part for row in split.rows}
    found = [parts.get(item.image_id) for item in images.items]
    masks = {part: np.array([other is part for other in found]) for part in (Part.TRAIN, Part.VALIDATION)}
    if not all(mask.any() for mask in masks.values()):
        raise DataError(
            f"{dataset.source}: has no images of the card's training and validation parts; give its data set"
        )
    learnt, judged = (Subset(rows[mask], labels[mask]) for mask in masks.values())
    return learnt, judged, "calibrated with class-balanced images of the training part"


def _export_card(
    prepared: Prepared, entries: Sequence[Mapping[str, Any]], reports: Sequence[VariantReport]
) -> dict[str, Any]:
    plan, dataset = prepared.plan, prepared.dataset
    return {
        "format": CARD_FORMAT,
        "name": plan.name,
        "generated": dataset.generated if dataset is not None else False,
        "data": data_entry(dataset) if dataset is not None else None,
        "calibration": prepared.note,
        "preprocessing": preprocessing_entry(prepared.geometry, plan.normalization),
        "labels": list(plan.labels),
        "variants": [dict(entry) for entry in entries],
        "tools": versions(),
        "known_limits": variant_limits(reports),
    }


def _carried_over(folder: Path) -> dict[str, Any]:
    """The card beside the model, which knows of its training."""
    path = folder / CARD_NAME
    return dict(json.loads(path.read_text(encoding="utf-8"))) if path.exists() else {}


def _updated(old: dict[str, Any], new: dict[str, Any], *, same_folder: bool) -> dict[str, Any]:
    """The training's card with the variants of now; its data, split and validation stay what they were, and in
    the same folder the variants that were not made again too."""
    if same_folder:
        made = {entry["name"] for entry in new["variants"]}
        left = [entry for entry in old.get("variants", []) if entry.get("name") not in made]
        new = {**new, "variants": left + new["variants"]}
    updated = {**new, **{key: old[key] for key in old if key not in ("name", "variants", "tools", "known_limits")}}
    stated = [text for text in old.get("known_limits", []) if text.partition(":")[0] not in set(Variant)]
    return {**updated, "calibration": new["calibration"], "known_limits": [*stated, *new["known_limits"]]}


def _carried_files(folder: Path, card: dict[str, Any]) -> dict[str, str]:
    if not card:
        return {}
    names = [name for name in (SPLIT_NAME, HISTORY_NAME) if (folder / name).exists()]
    return {name: (folder / name).read_text(encoding="utf-8") for name in names}
