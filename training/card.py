"""Writing ``models/<name>/``: card.json, labels.txt, split.csv, history.csv. ``edgebench.card`` reads it."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from edgebench.card import CARD_NAME, LABELS_NAME
from edgebench.errors import TrainingError
from edgebench.images.dataset import Dataset
from edgebench.images.geometry import Geometry
from edgebench.images.normalization import Normalization
from edgebench.images.splits import SPLIT_NAME, Part, Split, lesion_of, split_digest, split_text
from edgebench.records import Accuracy

from .backend import versions
from .checkpoint import history_text
from .export import VariantReport
from .recipe import Recipe, recipe_dict
from .search.candidates import Candidate
from .search.results import Result
from .train import Trained

HISTORY_NAME = "history.csv"
MODEL_NAME = "model.keras"
CARD_FORMAT = 1
_EQUAL_PRIORS = (
    "Scores are for classes that are equally frequent: where one class is much more frequent than the others, "
    "it is answered less often than its share"
)
_GENERATED = "Trained with generated images: it knows nothing of photographs and must not be used on people"
_RESEARCH = "For measuring and research; not a medical device"


def training_card(name: str, trained: Trained, reports: Sequence[VariantReport]) -> dict[str, Any]:
    """The card of a finished training, as plain JSON values without machine paths."""
    data, recipe = trained.data, trained.recipe
    from edgebench.images.normalization import parse_normalization

    from .train import NORMALIZATION

    generated = data.dataset.generated
    limits = [_RESEARCH]
    limits += [_GENERATED] if generated else []
    limits += [_EQUAL_PRIORS] if recipe.logit_adjustment else []
    return {
        "format": CARD_FORMAT,
        "name": name,
        "created_utc": _now(),
        "generated": generated,
        "data": data_entry(data.dataset, data.split),
        "split": split_entry(data.split, recipe.fractions, recipe.seed),
        "preprocessing": preprocessing_entry(data.images.geometry, parse_normalization(NORMALIZATION)),
        "labels": list(data.classes),
        "recipe": _portable(recipe),
        "training": {
            "epochs": dict(Counter(row.phase for row in trained.history)),
            "seconds": round(trained.seconds, 1),
            "history": HISTORY_NAME,
        },
        "validation": accuracy_entry(trained.validation),
        "variants": variant_entries(reports),
        "tools": versions(),
        "known_limits": limits + variant_limits(reports),
    }


def data_entry(dataset: Dataset, split: Split | None = None) -> dict[str, Any]:
    """What the images are, without saying where they lie."""
    kind = dataset.source.partition(":")[0].strip().lower()
    rows = split.rows if split else ()
    lesions = {row.lesion_id for row in rows} if split else {lesion_of(item) for item in dataset.items}
    return {
        "kind": kind,
        "source": dataset.source if dataset.generated else kind,
        "images": len(rows) if split else len(dataset.items),
        "lesions": len(lesions),
        "class_counts": dict(sorted(Counter(row.label for row in rows).items())) if split else dataset.counts(),
    }


def split_entry(split: Split, fractions: tuple[float, float, float], seed: int) -> dict[str, Any]:
    """The split as the card names it; ``split.csv`` itself lies beside the card."""
    shares = {part.value: share for part, share in zip(Part, fractions, strict=True)}
    return {
        "file": SPLIT_NAME,
        "sha256": split_digest(split),
        "by": "lesion",
        "fractions": shares,
        "seed": seed,
        "counts": split.counts(),
    }


def preprocessing_entry(geometry: Geometry, normalization: Normalization) -> dict[str, Any]:
    """How an image becomes the model's input; all of it happens outside the model."""
    return {
        "height": geometry.height,
        "width": geometry.width,
        "channels": geometry.channels,
        "resize": geometry.mode.value,
        "normalization": {
            "name": normalization.name,
            "mean": list(normalization.mean),
            "std": list(normalization.std),
            "applied": "outside the model: (pixel - mean) / std with pixel in 0..255",
        },
    }


def accuracy_entry(accuracy: Accuracy) -> dict[str, Any]:
    """Figures of the Keras model over the validation images."""
    return {
        "images": accuracy.images,
        "top1": accuracy.top1,
        "balanced_accuracy": accuracy.balanced_accuracy,
        "macro_f1": accuracy.macro_f1,
        "recall": {item.label: item.recall for item in accuracy.classes},
        "precision": {item.label: item.precision for item in accuracy.classes},
    }


def variant_entries(reports: Sequence[VariantReport], *, real: bool = True) -> list[dict[str, Any]]:
    """One entry a variant, also for those that could not be made."""
    entries = []
    for report in reports:
        made = report.size_bytes is not None
        entry: dict[str, Any] = {"name": report.variant.value, "made": made}
        if made:
            entry |= {
                "file": f"{report.variant.value}.tflite",
                "sha256": report.sha256,
                "size_bytes": report.size_bytes,
            }
        if report.check is not None and report.check.agreement is not None:
            entry["check"] = {
                "images": report.check.images,
                "of": "real images" if real else "noise",
                "max_abs_difference": report.check.max_abs_difference,
                "agreement": report.check.agreement,
            }
        if report.problem:
            entry["problem"] = report.problem
        entries.append(entry)
    return entries


def searched_entry(candidate: Candidate, result: Result) -> dict[str, Any]:
    """The entry of a variant that a search chose: how it was made, and its figures on the validation images."""
    measured = result.measured
    entry: dict[str, Any] = {
        "name": candidate.name,
        "made": measured is not None,
        "file": f"{candidate.name}.tflite",
        "sha256": result.sha256,
        "size_bytes": result.size_bytes,
        "searched": True,
        "recipe": candidate.recipe_entry(),
    }
    if result.layers:
        entry["recipe"]["layers_in_float32"] = list(result.layers)
    if measured is not None:
        entry["validation"] = accuracy_entry(measured.accuracy)
        entry["agreement_with_float32"] = measured.agreement
    return entry


def variant_limits(reports: Sequence[VariantReport]) -> list[str]:
    """What is to be known about variants that are not as expected."""
    return [f"{report.variant.value}: {report.problem}" for report in reports if report.problem]


def write_training(out: Path, card: Mapping[str, Any], trained: Trained) -> None:
    """Write card, labels, split and history of a training. Raises TrainingError where it cannot be written."""
    files = {
        SPLIT_NAME: split_text(trained.data.split),
        HISTORY_NAME: history_text(trained.history),
    }
    write_card(out, card, files)


def write_card(out: Path, card: Mapping[str, Any], files: Mapping[str, str] | None = None) -> None:
    """Write ``card.json`` last, after labels.txt and ``files``; each appears whole or not at all."""
    texts = {**(files or {}), LABELS_NAME: "".join(f"{label}\n" for label in card["labels"])}
    texts[CARD_NAME] = json.dumps(card, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
    try:
        out.mkdir(parents=True, exist_ok=True)
        for name, text in texts.items():
            partial = out / f".{name}.partial"
            partial.write_text(text, encoding="utf-8", newline="\n")
            partial.replace(out / name)
    except OSError as error:
        raise TrainingError(f"{out}: the card cannot be written ({error.strerror or error}); make room") from error


def _portable(recipe: Recipe) -> dict[str, Any]:
    """The recipe with a weights file named by its content, not by its place on this machine."""
    fields = recipe_dict(recipe)
    if recipe.weights not in ("imagenet", "none"):
        path = Path(recipe.weights).expanduser()
        fields["weights"] = path.name
        fields["weights_sha256"] = hashlib.sha256(path.read_bytes()).hexdigest()
    return fields


def _now() -> str:
    return datetime.now(timezone.utc).isoformat(timespec="seconds")
