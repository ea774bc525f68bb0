"""Which images a case answers otherwise than its baseline, the worst change first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any

import numpy as np
import pandas as pd

from ..frames import SCORE_PREFIX

Array = np.ndarray[Any, Any]


class Change(str, Enum):
    """What became of an answer, the worst first. ``UNJUDGED`` is that of an image whose class is not known."""

    LOST = "right to wrong"
    OTHER_WRONG = "wrong to another wrong"
    GAINED = "wrong to right"
    UNJUDGED = "changed"


_WORST_FIRST = tuple(Change)


@dataclass(frozen=True)
class Flip:
    """One image whose answer changed; each score is that of the model for its own answer.

    ``label`` is the true class, None where it is not known. ``margin`` is how far, in the case's own scores, its answer
    is ahead of the baseline's: near 0 the two were nearly equal, and rounding decides.
    """

    image_id: str
    lesion_id: str | None
    label: str | None
    base_answer: str
    base_score: float
    answer: str
    score: float
    margin: float
    change: Change


@dataclass(frozen=True)
class Answered:
    """Whose scores are meant: a case, and the model's labels in its own order, None where they are not recorded."""

    case_id: str
    labels: Sequence[str] | None = None


@dataclass(frozen=True)
class Flips:
    """The changed answers among ``images`` that both have answered, worst first."""

    images: int
    flips: tuple[Flip, ...]

    def count(self, change: Change) -> int:
        """Return how many images changed in this way."""
        return sum(flip.change is change for flip in self.flips)


def find_flips(predictions: pd.DataFrame, case: Answered, baseline: Answered) -> Flips:
    """Return the images that a case answers otherwise than its baseline: lost ones first, large margins first.

    ``predictions`` has the columns case, image_id, lesion_id, label and one ``score:<label>`` per class. Equal scores
    go to the earlier class, as ``argmax`` does. Images with a score missing are left out. Where one of the two has no
    scores, no image was answered by both.
    """
    mine, theirs = _scores(predictions, case), _scores(predictions, baseline)
    both = [image_id for image_id in mine.rows if image_id in theirs.rows]
    found = [flip for image_id in both if (flip := _flip(mine, theirs, image_id)) is not None]
    found.sort(key=lambda flip: (_WORST_FIRST.index(flip.change), -flip.margin, flip.image_id))
    return Flips(len(both), tuple(found))


@dataclass(frozen=True)
class _Scores:
    """One case's scores [images, labels]; ``rows`` maps an image's id to its row."""

    labels: tuple[str, ...]
    rows: Mapping[str, int]
    scores: Array
    truth: Sequence[str | None]
    lesions: Sequence[str | None]

    def answer(self, image_id: str) -> str:
        """Return the label with the best score."""
        return self.labels[int(self.scores[self.rows[image_id]].argmax())]

    def score(self, image_id: str, label: str) -> float:
        """Return the score of one class, 0 where this model does not know the class."""
        return float(self.scores[self.rows[image_id], self.labels.index(label)]) if label in self.labels else 0.0


def _scores(predictions: pd.DataFrame, of: Answered) -> _Scores:
    mine = predictions[predictions["case"] == of.case_id].drop_duplicates("image_id")
    known = [name for name in mine.columns if name.startswith(SCORE_PREFIX) and mine[name].notna().any()]
    labels = tuple(of.labels) if of.labels else tuple(name.removeprefix(SCORE_PREFIX) for name in known)
    columns = [SCORE_PREFIX + label for label in labels]
    if not columns or not set(columns) <= set(known):
        return _Scores((), {}, np.empty((0, 0)), (), ())
    mine = mine.dropna(subset=columns)
    image_ids = [str(image_id) for image_id in mine["image_id"].tolist()]
    return _Scores(
        labels,
        {image_id: row for row, image_id in enumerate(image_ids)},
        mine[columns].to_numpy(dtype="float64"),
        _texts(mine, "label"),
        _texts(mine, "lesion_id"),
    )


def _texts(rows: pd.DataFrame, column: str) -> list[str | None]:
    """Return a column's texts, None where an image has none."""
    if column not in rows.columns:
        return [None] * len(rows)
    # What is missing is None or a float that is no number, as it was stored.
    return [value if isinstance(value, str) else None for value in rows[column].tolist()]


def _flip(mine: _Scores, theirs: _Scores, image_id: str) -> Flip | None:
    answer, before = mine.answer(image_id), theirs.answer(image_id)
    if answer == before:
        return None
    row, score = mine.rows[image_id], mine.score(image_id, answer)
    return Flip(
        image_id=image_id,
        lesion_id=mine.lesions[row],
        label=mine.truth[row],
        base_answer=before,
        base_score=theirs.score(image_id, before),
        answer=answer,
        score=score,
        margin=score - mine.score(image_id, before),
        change=_change(mine.truth[row], answer, before),
    )


def _change(label: str | None, answer: str, before: str) -> Change:
    if label is None:
        return Change.UNJUDGED
    if before == label:
        return Change.LOST
    return Change.GAINED if answer == label else Change.OTHER_WRONG
