"""Which images are evaluated, given the splits in the models' cards."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from edgebench.errors import DataError, UsageError
from edgebench.images.dataset import Dataset, ImageItem
from edgebench.images.splits import Part, Split, make_split, split_digest
from edgebench.images.unseen import ModelSplit, SplitChoice, select_images


@pytest.fixture
def data(tmp_path: Path) -> Dataset:
    """Two classes of 20 lesions with two images each."""
    items = []
    for label in ("a", "b"):
        for lesion in range(20):
            for view in range(2):
                path = tmp_path / f"{label}_{lesion}_{view}.jpg"
                path.write_bytes(f"{label} {lesion} {view}".encode())
                items.append(ImageItem(path.stem, path, label, f"L_{label}_{lesion}"))
    return Dataset("folder:x", tuple(items), ("a", "b"))


def model_split(split: Split, model: str = "m") -> ModelSplit:
    return ModelSplit(model, split, split_digest(split))


def test_by_default_the_test_part_is_evaluated_and_proved_unseen(data: Dataset) -> None:
    split = make_split(data.items)
    chosen = select_images(data, [model_split(split)], None)
    assert {item.image_id for item in chosen.dataset.items} == {row.image_id for row in split.part(Part.TEST)}
    (note,) = chosen.notes
    digest = split_digest(split)[:8]
    assert note == (
        "test split of the card: 12 images of 6 lesions, none of them among the 34 lesions of training and "
        f"validation (split.csv sha256 {digest}…)"
    )


def test_without_a_split_everything_is_evaluated_and_the_flag_is_refused(data: Dataset) -> None:
    assert select_images(data, [], None).dataset is data
    assert select_images(data, [], SplitChoice.ALL).notes == ()
    with pytest.raises(UsageError, match="--split train: no model here has a card with a split"):
        select_images(data, [], SplitChoice.TRAIN)


def test_all_warns_loudly(data: Dataset) -> None:
    chosen = select_images(data, [model_split(make_split(data.items))], SplitChoice.ALL)
    assert chosen.dataset is data
    assert chosen.notes[0].startswith("WARNING: 68 of these images are of lesions that m was trained or chosen with")


def test_other_parts_say_that_they_are_no_estimate(data: Dataset) -> None:
    split = make_split(data.items)
    chosen = select_images(data, [model_split(split)], SplitChoice.TRAIN)
    assert len(chosen.dataset.items) == len(split.part(Part.TRAIN))
    assert "not an estimate for new images" in chosen.notes[0]


def test_other_images_are_compared_by_lesion_and_by_content(data: Dataset, tmp_path: Path) -> None:
    split = make_split(data.items)
    trained = split.part(Part.TRAIN)
    renamed = tmp_path / "new_name.jpg"
    shutil.copy(tmp_path / f"{trained[0].image_id}.jpg", renamed)
    unknown = tmp_path / "unknown.jpg"
    unknown.write_bytes(b"something else")
    items = (
        ImageItem("renamed", renamed, "a"),
        ImageItem("same_lesion", unknown, "a", trained[1].lesion_id),
        ImageItem("new", unknown, "b", "another lesion"),
    )
    chosen = select_images(Dataset("folder:y", items, ("a", "b")), [model_split(split)], None)
    assert [item.image_id for item in chosen.dataset.items] == ["new"]
    assert "2 more were among them and were left out" in chosen.notes[0]


def test_an_image_of_the_same_name_but_another_lesion_is_another_image(data: Dataset) -> None:
    split = make_split(data.items)
    item = next(item for item in data.items if item.image_id == split.part(Part.TRAIN)[0].image_id)
    item.path.write_bytes(b"quite another picture")
    other = replace(data, items=(replace(item, lesion_id="elsewhere"),))
    assert len(select_images(other, [model_split(split)], None).dataset.items) == 1


def test_two_models_are_judged_on_what_neither_has_seen(data: Dataset) -> None:
    first, second = (make_split(data.items, (0.4, 0.2, 0.4), seed) for seed in (1, 2))
    chosen = select_images(data, [model_split(first, "one"), model_split(second, "two")], None)
    both = {row.image_id for row in first.part(Part.TEST)} & {row.image_id for row in second.part(Part.TEST)}
    assert both
    assert {item.image_id for item in chosen.dataset.items} == both
    assert "of one" in chosen.notes[0]
    assert "of two" in chosen.notes[1]


def test_models_without_a_split_are_said_to_be_unknown(data: Dataset) -> None:
    chosen = select_images(data, [model_split(make_split(data.items))], None, ["foreign"])
    assert chosen.notes[-1] == "whether foreign saw these images in training is not known (no split)"


def test_nothing_left_is_one_line(data: Dataset) -> None:
    split = make_split(data.items)
    trained = {row.image_id for row in split.part(Part.TRAIN)}
    only = replace(data, items=tuple(item for item in data.items if item.image_id in trained))
    with pytest.raises(DataError, match="no image is left for --split test"):
        select_images(only, [model_split(split)], None)
