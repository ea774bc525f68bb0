"""Simulated answers of a float model and of a variant, judged as ``edgebench run`` judges real ones."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from edgebench.evaluation import Scored
from edgebench.images.cache import CachedImages
from edgebench.images.geometry import Geometry, ResizeMode
from edgebench.images.items import ImageItem
from edgebench.judging_accuracy import judge_accuracy
from edgebench.outcome import Outcome
from edgebench.plan import Case, ModelVariant
from edgebench.records import AccuracyComparison, Delegate, DelegateKind, Engine, ModelFile, Status
from edgebench.spec import OperatingTarget, PythonTarget

Array = np.ndarray[Any, Any]

#: Images and lesions of the seven classes in the test part of ``docs/results-ham10000.md``.
HAM10000_TEST = {
    "akiec": (46, 34),
    "bcc": (79, 49),
    "bkl": (168, 109),
    "df": (18, 11),
    "mel": (154, 92),
    "nv": (988, 810),
    "vasc": (19, 15),
}


@dataclass(frozen=True)
class Images:
    """Simulated images: each one's class and lesion."""

    classes: tuple[str, ...]
    truth: Array
    lesions: Array

    @staticmethod
    def drawn(sizes: Mapping[str, tuple[int, int]], rng: np.random.Generator) -> Images:
        """Return images of classes with (images, lesions); images beyond one a lesion go to random lesions."""
        truth, lesions = [], []
        for name, (images, number) in sizes.items():
            extra = rng.integers(0, number, images - number)
            truth += [name] * images
            lesions += [f"{name}-{index}" for index in [*range(number), *extra]]
        return Images(tuple(sizes), np.array(truth, object), np.array(lesions, object))


def changes_by_chance(images: Images, churn: float, together: float, rng: np.random.Generator) -> Array:
    """Return +1 (gained), -1 (lost) or 0 for each image: ``churn`` of them change, as often for the better.

    In the share ``together`` of the lesions all images change alike.
    """
    _, codes = np.unique(images.lesions, return_inverse=True)
    draws = rng.random(len(codes))
    alike = (rng.random(codes.max() + 1) < together)[codes]
    draws = np.where(alike, rng.random(codes.max() + 1)[codes], draws)
    return np.where(draws < churn / 2, 1, np.where(draws < churn, -1, 0))


def placed(images: Images, name: str, lost: int, gained: int, together: float, rng: np.random.Generator) -> Array:
    """Return changes of one class alone: so many images lost and gained, at random.

    The share ``together`` of the changed images drags along the other images of its lesion, as far as the numbers go.
    """
    found = np.zeros(len(images.truth), np.int64)
    order = list(rng.permutation(np.flatnonzero(images.truth == name)))
    for value, count in ((1, gained), (-1, lost)):
        left = count
        while left:
            chosen = order[0]
            mates = [index for index in order if images.lesions[index] == images.lesions[chosen]]
            taken = mates[:left] if rng.random() < together else [chosen]
            found[taken] = value
            order = [index for index in order if index not in taken]
            left -= len(taken)
    return found


def judged(images: Images, changes: Array, rng: np.random.Generator) -> AccuracyComparison:
    """Return what is recorded of a variant whose answers change so, against a float model that is right in 70 %."""
    before = rng.random(len(changes)) < 0.7
    before = np.where(changes == 1, False, np.where(changes == -1, True, before))
    float_model = scored(images, before, images.classes, rng)
    variant = scored(images, before.astype(int) + changes == 1, images.classes[::-1], rng)
    outcomes = paired_outcomes(float_model, variant)
    judge_accuracy(outcomes)
    found = outcomes[1].result.accuracy_comparison
    if found is None:
        raise ValueError("the variant was not compared")
    return found


def scored(images: Images, right: Array, labels: tuple[str, ...], rng: np.random.Generator) -> Scored:
    """Return scores whose best column is the true class where ``right``, else another."""
    columns = np.array([labels.index(name) for name in images.truth])
    wrong = (columns + rng.integers(1, len(labels), len(columns))) % len(labels)
    scores = np.eye(len(labels), dtype=np.float32)[np.where(right, columns, wrong)]
    items = tuple(
        ImageItem(f"image-{index}", Path(f"{index}.jpg"), str(name), str(lesion))
        for index, (name, lesion) in enumerate(zip(images.truth, images.lesions, strict=True))
    )
    cached = CachedImages(Path("pixels"), items, (), Geometry(8, 8, 3, ResizeMode.STRETCH))
    return Scored(cached, labels, scores, None)


def outcome(variant: str, result: Scored | None, baseline: Outcome | None = None, **changes: Any) -> Outcome:
    """Return a case's outcome that has been scored; ``changes`` go to the case."""
    file = ModelFile(f"{variant}.tflite", "0", 1, variant)
    case = Case(
        case_id=f"net/{variant}",
        variant=ModelVariant("net", variant, file, None),
        device="fake",
        engine=Engine.INTERPRETER,
        delegate=Delegate(DelegateKind.DEFAULT),
        threads=1,
        signature=None,
        python=PythonTarget("python3"),
        runtime=None,
    )
    case = replace(case, **changes)
    return Outcome(case, case.result(Status.OK), baseline=baseline, scored=result)


def paired_outcomes(float_model: Scored | None, variant: Scored) -> list[Outcome]:
    """Return a float32 baseline and an int8 case of the same model."""
    baseline = outcome("float32", float_model)
    return [baseline, outcome("int8", variant, baseline)]


def operating_targets(*targets: tuple[str, float]) -> tuple[OperatingTarget, ...]:
    """Return operating points by class and specificity."""
    return tuple(OperatingTarget(label, specificity) for label, specificity in targets)
