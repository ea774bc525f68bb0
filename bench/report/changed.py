"""Which images got another answer than from the float32 case, from the scores of both."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from .recall import RecallRow
from .summary import reference


@dataclass(frozen=True)
class Changed:
    """Answers of ``name`` against those of ``base`` on the same images, counted."""

    name: str
    base: str
    images: int
    right_to_wrong: int
    wrong_to_right: int
    wrong_to_wrong: int

    @property
    def total(self) -> int:
        """All changed answers."""
        return self.right_to_wrong + self.wrong_to_right + self.wrong_to_wrong


def changed_answers(rows: Sequence[RecallRow], predictions: pd.DataFrame | None) -> list[Changed]:
    """Return one entry per result that has scores on images which the float32 result of its model has as well.

    ``predictions`` has the columns case, image_id, label and one ``score:<label>`` per class. Equal scores go to the
    earlier class, as ``argmax`` does. Empty without predictions or without a float32 result.
    """
    if predictions is None or predictions.empty:
        return []
    found = []
    by_model: dict[tuple[str, str], list[RecallRow]] = {}
    for row in rows:
        by_model.setdefault((row.cases[0].model, row.cases[0].device), []).append(row)
    for members in by_model.values():
        base = reference(members)
        if base is None:
            continue
        expected = _answers(base, predictions)
        compared = (_compare(row, base, _answers(row, predictions), expected) for row in members if row is not base)
        found += [entry for entry in compared if entry]
    return found


def _answers(row: RecallRow, predictions: pd.DataFrame) -> pd.DataFrame:
    """Return label and answer, indexed by image_id, for the first case that gave this result."""
    columns = [f"score:{label}" for label in row.accuracy.labels]
    mine = predictions[predictions["case"] == row.cases[0].case_id].drop_duplicates("image_id")
    if mine.empty or not set(columns) <= set(mine.columns):
        return pd.DataFrame({"label": [], "answer": []})
    mine = mine.dropna(subset=columns)
    scores = mine[columns].to_numpy(dtype="float64")
    return pd.DataFrame(
        {
            "label": mine["label"].to_numpy(),
            "answer": [row.accuracy.labels[i] for i in scores.argmax(axis=1)],
        },
        index=mine["image_id"].to_numpy(),
    )


def _compare(row: RecallRow, base: RecallRow, mine: pd.DataFrame, expected: pd.DataFrame) -> Changed | None:
    both = mine.join(expected[["answer"]].rename(columns={"answer": "before"}), how="inner")
    if both.empty:
        return None
    differs = both["answer"] != both["before"]
    right, was_right = both["answer"] == both["label"], both["before"] == both["label"]
    return Changed(
        name=row.name,
        base=base.name,
        images=len(both),
        right_to_wrong=int((differs & was_right).sum()),
        wrong_to_right=int((differs & right).sum()),
        wrong_to_wrong=int((differs & ~right & ~was_right).sum()),
    )
