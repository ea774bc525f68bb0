"""Which images a case answers otherwise than its baseline, the worst change first."""

from __future__ import annotations

from collections.abc import Sequence
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
    both = mine.rows.index.intersection(theirs.rows.index, sort=False)
    answers, before = mine.answers(both), theirs.answers(both)
    changed = [place for place, image_id in enumerate(both) if answers[place] != before[place]]
    found = [_flip(mine, theirs, both[place], answers[place], before[place]) for place in changed]
    found.sort(key=lambda flip: (_WORST_FIRST.index(flip.change), -flip.margin, flip.image_id))
    return Flips(len(both), tuple(found))


@dataclass(frozen=True)
class _Scores:
    """One case's rows by image_id, and its labels in the order of its outputs."""

    rows: pd.DataFrame
    labels: tuple[str, ...]

    def answers(self, image_ids: Sequence[str]) -> list[str]:
        """Return the label with the best score of each image."""
        if not len(image_ids):
            return []
        scores = self.rows.loc[image_ids, [SCORE_PREFIX + label for label in self.labels]].to_numpy(dtype="float64")
        return [self.labels[column] for column in scores.argmax(axis=1)]

    def score(self, image_id: str, label: str) -> float | None:
        """Return the score of one class, None where this model does not know the class."""
        return float(self.rows.at[image_id, SCORE_PREFIX + label]) if label in self.labels else None

    def text(self, image_id: str, column: str) -> str | None:
        """Return a text of one image, None where it has none."""
        if column not in self.rows.columns:
            return None
        value = self.rows.at[image_id, column]
        return None if pd.isna(value) else str(value)


def _scores(predictions: pd.DataFrame, of: Answered) -> _Scores:
    rows = predictions[predictions["case"] == of.case_id].drop_duplicates("image_id")
    known = [name for name in rows.columns if name.startswith(SCORE_PREFIX) and rows[name].notna().any()]
    labels = tuple(of.labels) if of.labels else tuple(name.removeprefix(SCORE_PREFIX) for name in known)
    columns = [SCORE_PREFIX + label for label in labels]
    if not columns or not set(columns) <= set(known):
        return _Scores(rows.iloc[:0].set_index("image_id"), ())
    return _Scores(rows.dropna(subset=columns).set_index("image_id"), labels)


def _flip(mine: _Scores, theirs: _Scores, image_id: str, answer: str, before: str) -> Flip:
    label = mine.text(image_id, "label")
    score = mine.score(image_id, answer) or 0.0
    return Flip(
        image_id=image_id,
        lesion_id=mine.text(image_id, "lesion_id"),
        label=label,
        base_answer=before,
        base_score=theirs.score(image_id, before) or 0.0,
        answer=answer,
        score=score,
        margin=score - (mine.score(image_id, before) or 0.0),
        change=_change(label, answer, before),
    )


def _change(label: str | None, answer: str, before: str) -> Change:
    if label is None:
        return Change.UNJUDGED
    if before == label:
        return Change.LOST
    return Change.GAINED if answer == label else Change.OTHER_WRONG
