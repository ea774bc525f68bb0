"""The images that operating points are chosen on: the validation part of the cards' split, never the test part."""

from __future__ import annotations

from collections.abc import Sequence

from .errors import DataError, UsageError
from .images.dataset import stratified_limit
from .images.items import Dataset
from .images.unseen import ModelSplit, SplitChoice, select_images
from .spec import DataSpec


def validation_part(
    dataset: Dataset, splits: Sequence[ModelSplit], unsplit_models: Sequence[str], spec: DataSpec
) -> Dataset | None:
    """Return the images to choose thresholds on, None where no operating point was asked for.

    Raises:
        UsageError: the images have no labels, or a model has no card with a split.
        DataError: no image of the validation part is in ``dataset``.
    """
    if not spec.operating_points:
        return None
    asked = f"--operating-point {spec.operating_points[0].label}"
    if not dataset.classes:
        raise UsageError(f"{asked}: the images of {spec.source} have no labels; give a SOURCE that has them")
    if unsplit_models or not splits:
        named = unsplit_models[0] if unsplit_models else "no model"
        lacks = "has no card with a split" if unsplit_models else "here has a card with a split"
        raise UsageError(
            f"{asked}: {named} {lacks}, so there is no validation part to choose a threshold on; leave it out"
        )
    try:
        part = select_images(dataset, splits, SplitChoice.VALIDATION).dataset
    except DataError as error:
        raise DataError(f"{asked}: {error}") from error
    return stratified_limit(part, spec.limit, seed=0) if spec.limit else part


def check_targets(name: str, labels: Sequence[str], spec: DataSpec) -> None:
    """Check that a variant knows the classes of operating points and rule. Raises UsageError with its labels."""
    asked = [("--operating-point ", target.label) for target in spec.operating_points]
    asked += [("--recommend recall:", item.label) for item in (spec.rule.criteria if spec.rule else ()) if item.label]
    for flag, label in asked:
        if label not in labels:
            raise UsageError(f"{flag}{label}: {name} has no such label ({', '.join(labels[:12])})")
