"""What a case's answers gained and lost from one run to another, image by image, as :mod:`.paired` has it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from ..changes import Basis, Change, ChangeVerdict, Metric
from ..frames import SCORE_PREFIX
from ..records import Accuracy, AccuracyVerdict, CaseResult, ClassMetrics, PairedDifference
from .agreement import answers
from .figures import figure_of, reason_of
from .paired import Paired, paired_differences
from .resampling import RESAMPLES
from .two_runs import SAME_WITHIN

if TYPE_CHECKING:
    import pandas as pd

Array = np.ndarray[Any, Any]

_OVERALL = (Metric.TOP1, Metric.TOP2, Metric.BALANCED, Metric.MACRO_F1)
_BY_CLASS = (Metric.RECALL, Metric.PRECISION, Metric.F1)
_VERDICTS = {AccuracyVerdict.BETTER: ChangeVerdict.BETTER, AccuracyVerdict.WORSE: ChangeVerdict.WORSE}
_NO_PAIRED = "no paired interval is computed for this figure; recall and top1 have one"
_OTHER_IMAGES = "the two runs classified other images: figures over different images are not set against each other"
_NO_PREDICTIONS = "the answers to single images are not stored in both runs (predictions.parquet)"


@dataclass(frozen=True)
class AnswerChanges:
    """Changes of accuracy, and what to know before believing them."""

    changes: tuple[Change, ...] = ()
    doubts: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Answered:
    """One side's answers to its labelled images, in the order of their ids."""

    labels: tuple[str, ...]
    ids: list[str]
    truth: list[str]
    lesions: list[str | None]
    answers: list[str]


@dataclass(frozen=True)
class _Common:
    """The images that both sides answered and whose label is the same in both."""

    truth: list[str]
    lesions: list[str | None]
    base: Array
    new: Array
    whole: bool


def answer_changes(
    base: CaseResult,
    new: CaseResult,
    base_predictions: pd.DataFrame | None,
    new_predictions: pd.DataFrame | None,
    *,
    resamples: int = RESAMPLES,
) -> AnswerChanges:
    """Return how accuracy changed, nothing where neither side has any.

    The predictions are those of a whole run each, or None. Only images that both answered, with the same label, are
    compared; where that is not all, a doubt says so.
    """
    if base.accuracy is None and new.accuracy is None:
        return AnswerChanges()
    if base.accuracy is None or new.accuracy is None:
        return AnswerChanges(tuple(_one_sided(base, new)))
    sides = _answered(base, base_predictions), _answered(new, new_predictions)
    if sides[0] is None or sides[1] is None:
        return AnswerChanges(tuple(_from_records(base, new, base.accuracy, new.accuracy, _NO_PREDICTIONS)))
    common, doubts = _common(sides[0], sides[1])
    if common is None:
        return AnswerChanges(tuple(_without_values(base.accuracy, new.accuracy)), doubts)
    labels = list(dict.fromkeys([*sides[1].labels, *sides[0].labels, *common.truth]))
    truth = np.array(common.truth, dtype=object)
    right, base_right = common.new == truth, common.base == truth
    paired = paired_differences(labels, common.truth, right, base_right, common.lesions, resamples=resamples)
    found = _paired_changes(paired, base_right, right, truth)
    if common.whole:
        found += _without_interval(base.accuracy, new.accuracy)
    if base.file.sha256 == new.file.sha256 and bool((common.base == common.new).all()):
        found = [_same_answers(change) for change in found]
    return AnswerChanges(tuple(found), doubts)


def _answered(case: CaseResult, predictions: pd.DataFrame | None) -> _Answered | None:
    if predictions is None or case.accuracy is None:
        return None
    rows = predictions[predictions["case"] == case.case_id]
    columns = [f"{SCORE_PREFIX}{label}" for label in case.accuracy.labels]
    if rows.empty or any(name not in rows.columns for name in columns):
        return None
    rows = rows[rows["label"].notna()].sort_values("image_id", kind="stable")
    scores = rows[columns].to_numpy(dtype=np.float64)
    if not len(rows) or not np.isfinite(scores).all():
        return None
    lesions = [value if isinstance(value, str) else None for value in rows["lesion_id"].tolist()]
    return _Answered(
        case.accuracy.labels,
        [str(value) for value in rows["image_id"]],
        [str(value) for value in rows["label"]],
        lesions,
        [str(value) for value in answers(case.accuracy.labels, scores)],
    )


def _common(base: _Answered, new: _Answered) -> tuple[_Common | None, tuple[str, ...]]:
    """Return the images in common, None where there are none, and doubts about those that are not."""
    places = {image_id: place for place, image_id in enumerate(base.ids)}
    both = [(places[image_id], place) for place, image_id in enumerate(new.ids) if image_id in places]
    alike = [(one, other) for one, other in both if base.truth[one] == new.truth[other]]
    doubts = []
    if len(both) < max(len(base.ids), len(new.ids)):
        doubts.append(
            f"accuracy: other images in the two runs ({len(base.ids):,} and {len(new.ids):,}); compared on the "
            f"{len(both):,} in common"
        )
    if len(alike) < len(both):
        apart = len(both) - len(alike)
        images = "1 image has another label" if apart == 1 else f"{apart:,} images have other labels"
        doubts.append(f"accuracy: {images} in the other run; left out")
    if not alike:
        return None, tuple(doubts)
    rows, new_rows = [one for one, _ in alike], [other for _, other in alike]
    common = _Common(
        truth=[new.truth[row] for row in new_rows],
        lesions=[new.lesions[row] for row in new_rows],
        base=np.array([base.answers[row] for row in rows], dtype=object),
        new=np.array([new.answers[row] for row in new_rows], dtype=object),
        whole=not doubts,
    )
    return common, tuple(doubts)


def _paired_changes(paired: Paired, base_right: Array, right: Array, truth: Array) -> list[Change]:
    classes = {name: truth == name for name in sorted(set(truth.tolist()))}
    recalls = [(float(base_right[rows].mean()), float(right[rows].mean())) for rows in classes.values()]
    balanced = tuple(float(np.mean([pair[side] for pair in recalls])) for side in (0, 1))
    overall = (
        _paired_change(Metric.TOP1, None, paired.top1, float(base_right.mean()), float(right.mean())),
        _paired_change(Metric.BALANCED, None, paired.balanced_accuracy, balanced[0], balanced[1]),
    )
    by_class = [
        _paired_change(Metric.RECALL, item.name, item, float(base_right[rows].mean()), float(right[rows].mean()))
        for item in paired.classes
        if (rows := classes.get(item.name)) is not None
    ]
    return [*overall, *by_class]


def _paired_change(metric: Metric, label: str | None, item: PairedDifference, base: float, new: float) -> Change:
    return Change(
        metric=metric,
        label=label,
        base=base,
        new=new,
        value=item.difference,
        low=item.low,
        high=item.high,
        one_sided_low=item.one_sided_low,
        one_sided_high=item.one_sided_high,
        verdict=_paired_verdict(item),
        basis=Basis.SAME_IMAGES,
        explanation=_told(item),
        images=item.images,
        unavailable=item.unavailable,
        lost=item.lost,
        gained=item.gained,
    )


def _paired_verdict(item: PairedDifference) -> ChangeVerdict | None:
    if item.verdict is None or item.low is None or item.high is None:
        return None
    if item.verdict in _VERDICTS:
        return _VERDICTS[item.verdict]
    inside = item.low >= -SAME_WITHIN and item.high <= SAME_WITHIN
    return ChangeVerdict.SAME if inside else ChangeVerdict.UNDECIDED


def _told(item: PairedDifference) -> str:
    images = f"{item.images:,} {'image' if item.images == 1 else 'images'}"
    images += f" of {item.lesions:,} lesions" if item.lesions is not None else ""
    said = f"{item.lost:,} lost and {item.gained:,} gained of {images}"
    if item.detectable is not None:
        said += f"; a difference of {100 * item.detectable:.1f} points would have been shown 4 times in 5"
    return f"{said}; {item.explanation}" if item.explanation else said


def _same_answers(change: Change) -> Change:
    """Return the change of a file that is the same and answered every image as before: nothing is left to chance."""
    if change.value is None:
        return change
    return replace(
        change,
        value=0.0,
        low=0.0,
        high=0.0,
        one_sided_low=0.0,
        one_sided_high=0.0,
        verdict=ChangeVerdict.SAME,
        basis=Basis.EXACT,
        explanation="the same file gave the same answer to every image",
        unavailable={},
    )


def _without_interval(base: Accuracy, new: Accuracy) -> list[Change]:
    """Return the figures that have no paired interval, from the records of two runs on the same images."""
    found = [
        _difference(Metric.TOP2, None, base.top2, new.top2, _NO_PAIRED),
        _difference(Metric.MACRO_F1, None, base.macro_f1, new.macro_f1, _NO_PAIRED),
    ]
    found += [
        _difference(metric, label, getattr(before, metric.value), getattr(after, metric.value), _NO_PAIRED)
        for metric in (Metric.PRECISION, Metric.F1)
        for label, before, after in _classes(base, new)
    ]
    return [change for change in found if change.base is not None or change.new is not None]


def _classes(base: Accuracy, new: Accuracy) -> list[tuple[str, ClassMetrics | None, ClassMetrics | None]]:
    before, after = ({item.label: item for item in side.classes} for side in (base, new))
    return [(label, before.get(label), after.get(label)) for label in dict.fromkeys([*after, *before])]


def _from_records(base: CaseResult, new: CaseResult, before: Accuracy, after: Accuracy, reason: str) -> list[Change]:
    """Return differences of the recorded figures; without intervals, for there is nothing to pair."""
    if _support(before) != _support(after):
        return _without_values(before, after)
    found = [_difference(metric, None, figure_of(base, metric), figure_of(new, metric), reason) for metric in _OVERALL]
    found += [
        _difference(metric, label, getattr(one, metric.value, None), getattr(other, metric.value, None), reason)
        for metric in _BY_CLASS
        for label, one, other in _classes(before, after)
    ]
    return [change for change in found if change.base is not None or change.new is not None]


def _support(accuracy: Accuracy) -> dict[str, int]:
    return {item.label: item.support for item in accuracy.classes if item.support}


def _difference(metric: Metric, label: str | None, base: float | None, new: float | None, reason: str) -> Change:
    if base is None or new is None:
        return Change(metric, label, base, new, unavailable={"value": "one of the runs has no such figure"})
    return Change(metric, label, base, new, new - base, unavailable={"interval": reason})


def _without_values(base: Accuracy, new: Accuracy) -> list[Change]:
    sides = ((Metric.TOP1, base.top1, new.top1), (Metric.BALANCED, base.balanced_accuracy, new.balanced_accuracy))
    return [
        Change(metric, None, before, after, unavailable={"value": _OTHER_IMAGES}) for metric, before, after in sides
    ]


def _one_sided(base: CaseResult, new: CaseResult) -> Sequence[Change]:
    found = []
    for metric in (Metric.TOP1, Metric.BALANCED):
        before, after = figure_of(base, metric), figure_of(new, metric)
        side, case = ("base", base) if before is None else ("new", new)
        reason = f"{side}: {reason_of(case, metric)}"
        found.append(Change(metric, None, before, after, unavailable={"value": reason}))
    return found
