"""From scores to what quantization costs: each case against its float model, and recalls at operating points."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from .analysis.agreement import agreement, answers
from .analysis.operating import JudgedImages, operating_point
from .analysis.paired import Paired, paired_differences
from .evaluation import Scored
from .images.items import ImageItem
from .outcome import Outcome
from .records import AccuracyComparison, OperatingPoint
from .spec import OperatingTarget

_COMPARED = ("agreement", "top1", "balanced_accuracy", "classes")
_JUDGED = _COMPARED[1:]


def judge_accuracy(outcomes: Sequence[Outcome], targets: Sequence[OperatingTarget] = ()) -> None:
    """Put comparisons with the float model, and operating points, into the results of all cases that were scored."""
    for outcome in outcomes:
        if outcome.scored is None:
            continue
        against = accuracy_baseline(outcome, outcomes)
        if against is not None:
            outcome.update(accuracy_comparison=_compared(outcome.scored, against))
        if targets:
            outcome.update(operating_points=_operating_points(outcome.scored, targets))


def accuracy_baseline(outcome: Outcome, outcomes: Sequence[Outcome]) -> Outcome | None:
    """Return the case that an outcome's answers are compared with, None for the baseline itself.

    It is the baseline's variant (float32, where none was named) run by the same engine and runtime, if it can be with
    the same delegate and threads; else, or where that one has no scores, the plan's baseline.
    """
    baseline = outcome.baseline
    if baseline is None:
        return None
    wanted = baseline.case.variant
    if outcome.case.variant.file.path == wanted.file.path:
        return baseline
    alike = [
        other
        for other in outcomes
        if other.scored is not None and other.case.variant == wanted and _how(other)[:3] == _how(outcome)[:3]
    ]
    return max(alike, key=lambda other: _matches(other, outcome), default=baseline)


def _how(outcome: Outcome) -> tuple[Any, ...]:
    case = outcome.case
    return case.engine, case.python, case.runtime, case.delegate, case.threads, case.cpus


def _matches(one: Outcome, other: Outcome) -> int:
    return sum(mine == theirs for mine, theirs in zip(_how(one), _how(other), strict=True))


@dataclass(frozen=True)
class _Common:
    """The images that both cases answered, and the rows of their scores."""

    items: tuple[ImageItem, ...]
    rows: np.ndarray[Any, Any]
    other_rows: np.ndarray[Any, Any]

    @property
    def lesions(self) -> list[str | None]:
        return [item.lesion_id for item in self.items]


def _compared(mine: Scored, against: Outcome) -> AccuracyComparison:
    name, other = against.case.case_id, against.scored
    if other is None:
        reason = f"{name} has no scores to compare with"
        return AccuracyComparison(name, unavailable=dict.fromkeys(_COMPARED, reason))
    common = _common(mine, other)
    if not common.items:
        reason = f"no image was answered by both this case and {name}"
        return AccuracyComparison(name, unavailable=dict.fromkeys(_COMPARED, reason))
    scores, other_scores = mine.scores[common.rows], other.scores[common.other_rows]
    alike = agreement(mine.labels, scores, other.labels, other_scores, common.lesions)
    paired, unavailable = _paired(mine, other, common)
    return AccuracyComparison(
        against=name,
        images=len(common.items),
        lesions=paired.top1.lesions if paired else None,
        agreement=alike,
        top1=paired.top1 if paired else None,
        balanced_accuracy=paired.balanced_accuracy if paired else None,
        classes=paired.classes if paired else (),
        notes=_notes(mine, against, len(common.items)),
        unavailable=unavailable,
    )


def _common(mine: Scored, other: Scored) -> _Common:
    rows = {item.image_id: row for row, item in enumerate(mine.images.items)}
    other_rows = {item.image_id: row for row, item in enumerate(other.images.items)}
    both = [image_id for image_id in rows if image_id in other_rows]
    return _Common(
        tuple(mine.images.items[rows[image_id]] for image_id in both),
        np.array([rows[image_id] for image_id in both], dtype=np.int64),
        np.array([other_rows[image_id] for image_id in both], dtype=np.int64),
    )


def _paired(mine: Scored, other: Scored, common: _Common) -> tuple[Paired | None, dict[str, str]]:
    """Return the differences of right answers, or why there are none."""
    truth = [item.label for item in common.items if item.label is not None]
    if len(truth) < len(common.items):
        return None, dict.fromkeys(_JUDGED, "the images have no labels")
    names = np.array(truth, dtype=object)
    right = answers(mine.labels, mine.scores[common.rows]) == names
    other_right = answers(other.labels, other.scores[common.other_rows]) == names
    return paired_differences(mine.labels, truth, right, other_right, common.lesions), {}


def _notes(mine: Scored, against: Outcome, images: int) -> tuple[str, ...]:
    notes = []
    file = against.case.variant.file
    if file.scheme != "float32":
        known = file.scheme or "of an unknown kind"
        notes.append(f"{against.case.variant.variant} is {known}: this is what changed against it, not against float32")
    counts = [len(mine.images.items), len(against.scored.images.items) if against.scored else 0]
    if images < max(counts):
        notes.append(f"{images} images were answered by both, {counts[0]} by this case and {counts[1]} by the other")
    return tuple(notes)


def _operating_points(scored: Scored, targets: Sequence[OperatingTarget]) -> tuple[OperatingPoint, ...]:
    if scored.validation is None:
        return ()
    items = scored.images.items
    evaluated = JudgedImages(scored.scores, [item.label or "" for item in items], [item.lesion_id for item in items])
    return tuple(
        operating_point(scored.labels, target.label, target.specificity, scored.validation, evaluated)
        for target in targets
    )
