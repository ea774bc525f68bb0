from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd
import pytest
from edgebench.analysis.flips import Answered, Change, find_flips

LABELS = ("mel", "nv", "df")
BASE, CASE = Answered("base", LABELS), Answered("case", LABELS)


def frame(case: str, truth: Sequence[str | None], scores: Mapping[str, tuple[float, ...]]) -> pd.DataFrame:
    found = pd.DataFrame({f"score:{label}": [row[i] for row in scores.values()] for i, label in enumerate(LABELS)})
    found.insert(0, "case", case)
    found.insert(1, "image_id", list(scores))
    found.insert(2, "lesion_id", [f"lesion of {image_id}" for image_id in scores])
    found.insert(3, "label", list(truth))
    return found


TRUTH = ("mel", "mel", "nv", "nv", "df")
BEFORE = frame("base", TRUTH, {
    "a": (0.9, 0.1, 0.0), "b": (0.6, 0.4, 0.0), "c": (0.6, 0.4, 0.0), "d": (0.1, 0.9, 0.0), "e": (0.7, 0.3, 0.0),
})  # fmt: skip
AFTER = frame("case", TRUTH, {
    "a": (0.45, 0.55, 0.0), "b": (0.1, 0.9, 0.0), "c": (0.2, 0.8, 0.0), "d": (0.2, 0.8, 0.0), "e": (0.1, 0.9, 0.0),
})  # fmt: skip
BOTH = pd.concat([BEFORE, AFTER], ignore_index=True)


def test_lost_answers_come_first_by_margin_then_other_wrong_ones_then_gained_ones() -> None:
    found = find_flips(BOTH, CASE, BASE)
    assert found.images == 5
    assert [(flip.image_id, flip.change) for flip in found.flips] == [
        ("b", Change.LOST),
        ("a", Change.LOST),
        ("e", Change.OTHER_WRONG),
        ("c", Change.GAINED),
    ]
    assert [found.count(kind) for kind in Change] == [2, 1, 1, 0]


def test_a_flip_has_both_answers_with_their_scores_and_the_lead_of_the_new_one() -> None:
    flip = find_flips(BOTH, CASE, BASE).flips[0]
    assert (flip.label, flip.base_answer, flip.base_score, flip.answer, flip.score) == ("mel", "mel", 0.6, "nv", 0.9)
    assert flip.lesion_id == "lesion of b"
    assert flip.margin == pytest.approx(0.8)


def test_only_images_that_both_have_answered_count() -> None:
    found = find_flips(BOTH.drop(index=[0, 6]), CASE, BASE)
    assert found.images == 3
    assert [flip.image_id for flip in found.flips] == ["e", "c"]


def test_images_without_labels_are_not_judged() -> None:
    flips = find_flips(BOTH.assign(label=None), CASE, BASE).flips
    assert {flip.change for flip in flips} == {Change.UNJUDGED}
    assert {flip.label for flip in flips} == {None}
    assert [flip.image_id for flip in flips] == ["b", "e", "c", "a"]


def test_equal_scores_go_to_the_earlier_label_in_the_models_own_order() -> None:
    tied = pd.concat([BEFORE, frame("case", TRUTH[:1], {"a": (0.5, 0.5, 0.0)})])
    assert find_flips(tied, CASE, BASE).flips == ()
    (flip,) = find_flips(tied, Answered("case", ("nv", "mel", "df")), BASE).flips
    assert (flip.answer, flip.margin) == ("nv", 0.0)


def test_a_model_with_other_labels_is_compared_by_name() -> None:
    other = AFTER.rename(columns={"score:df": "score:vasc"})
    both = pd.concat([BEFORE, other], ignore_index=True)
    found = find_flips(both, Answered("case", ("mel", "nv", "vasc")), BASE)
    assert [flip.image_id for flip in found.flips] == ["b", "a", "e", "c"]


def test_without_recorded_labels_the_columns_that_have_scores_are_the_labels() -> None:
    assert find_flips(BOTH.assign(**{"score:vasc": float("nan")}), Answered("case"), Answered("base")) == find_flips(
        BOTH, CASE, BASE
    )


@pytest.mark.parametrize("case_id", ["base", "nobody"])
def test_nothing_to_compare_with_is_no_image(case_id: str) -> None:
    found = find_flips(AFTER, CASE, Answered(case_id, LABELS))
    assert (found.images, found.flips) == (0, ())


def test_an_image_with_a_missing_score_is_left_out() -> None:
    holed = BOTH.copy()
    holed.loc[6, "score:nv"] = float("nan")
    assert [flip.image_id for flip in find_flips(holed, CASE, BASE).flips] == ["a", "e", "c"]
