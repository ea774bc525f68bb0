"""Operating points from the command to the record: thresholds come from the card's validation part."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import edgebench
import numpy as np
import pytest
from colours import COLOURS, write_folder
from edgebench.errors import DataError, UsageError
from edgebench.images.dataset import open_dataset
from edgebench.images.items import Dataset
from edgebench.images.splits import SPLIT_NAME, Part, Split, make_split, split_digest, split_text
from edgebench.images.unseen import ModelSplit, SplitChoice
from edgebench.records import CaseResult
from edgebench.spec import DataSpec, OperatingTarget, Spec, parse_operating_point
from edgebench.store import StoredRun
from edgebench.validation_part import check_targets, validation_part
from harness import MODELS, SHORT

SCORES_ONLY = replace(SHORT, min_runs=2, max_runs=2)
ASKED = DataSpec("folder:x", operating_points=(OperatingTarget("red", 0.9),))


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_folder(tmp_path_factory.mktemp("images"), per_class=12)


@pytest.fixture(scope="module")
def data(images: Path) -> Dataset:
    return open_dataset(f"folder:{images}")


@pytest.fixture(scope="module")
def split(data: Dataset) -> Split:
    return make_split(data.items, (0.4, 0.3, 0.3))


@pytest.fixture(scope="module")
def trained(split: Split, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The colour classifier as a folder with a card that names a split."""
    folder = tmp_path_factory.mktemp("models") / "colours"
    folder.mkdir()
    for variant in ("float32", "int8"):
        shutil.copy(MODELS / f"{variant}.tflite", folder)
    (folder / SPLIT_NAME).write_text(split_text(split))
    card = {
        "name": "colours",
        "labels": list(COLOURS),
        "split": {"file": SPLIT_NAME, "sha256": split_digest(split)},
        "preprocessing": {"normalization": {"name": "-1..1", "mean": [127.5], "std": [127.5]}},
    }
    (folder / "card.json").write_text(json.dumps(card))
    return folder


@pytest.fixture(scope="module")
def judged(trained: Path, images: Path) -> StoredRun:
    return edgebench.run(
        trained,
        data=f"folder:{images}",
        operating_points=["red:specificity=0.9", "pink:specificity=80%"],
        settings=SCORES_ONLY,
    )


def model_split(split: Split) -> ModelSplit:
    return ModelSplit("m", split, split_digest(split))


def test_it_is_the_validation_part_and_nothing_else(data: Dataset, split: Split) -> None:
    found = validation_part(data, [model_split(split)], [], ASKED)
    assert found is not None
    assert {item.image_id for item in found.items} == {row.image_id for row in split.part(Part.VALIDATION)}
    limited = validation_part(data, [model_split(split)], [], replace(ASKED, limit=7))
    assert limited is not None
    assert len(limited.items) == 7


def test_nothing_is_read_where_nothing_was_asked_for(data: Dataset) -> None:
    assert validation_part(data, [], ["m"], DataSpec("folder:x")) is None


def test_without_a_split_there_is_nothing_to_choose_on(data: Dataset, split: Split) -> None:
    with pytest.raises(UsageError, match="--operating-point red: no model here has a card with a split, so there"):
        validation_part(data, [], [], ASKED)
    with pytest.raises(UsageError, match="--operating-point red: other has no card with a split"):
        validation_part(data, [model_split(split)], ["other"], ASKED)


def test_images_without_labels_cannot_choose_a_threshold(data: Dataset, split: Split) -> None:
    with pytest.raises(UsageError, match="--operating-point red: the images of folder:x have no labels; give a SOURCE"):
        validation_part(replace(data, classes=()), [model_split(split)], [], ASKED)


def test_other_images_than_those_of_the_split(data: Dataset, split: Split) -> None:
    items = tuple(replace(item, image_id=f"new-{item.image_id}") for item in data.items)
    with pytest.raises(DataError, match=r"--operating-point red: folder:.*no image is left for --split validation"):
        validation_part(replace(data, items=items), [model_split(split)], [], ASKED)


def test_a_class_that_the_model_does_not_know() -> None:
    check_targets("m/v", ("red", "blue"), ASKED)
    with pytest.raises(UsageError, match=r"--operating-point red: m/v has no such label \(blue, green\)"):
        check_targets("m/v", ("blue", "green"), ASKED)


@pytest.mark.parametrize(
    ("text", "label", "share"),
    [
        ("mel:specificity=0.9", "mel", 0.9),
        ("mel:specificity=95%", "mel", 0.95),
        ("a:b:specificity=0.5", "a:b", 0.5),
        (" mel : specificity = 0.9", "mel", 0.9),
    ],
)
def test_how_an_operating_point_is_written(text: str, label: str, share: float) -> None:
    assert parse_operating_point(text) == OperatingTarget(label, share)


@pytest.mark.parametrize("text", ["mel", "mel:0.9", "mel:recall=0.9", ":specificity=0.9", "specificity=0.9", ""])
def test_what_is_no_operating_point(text: str) -> None:
    with pytest.raises(UsageError, match=r"write LABEL:specificity=SHARE, for instance mel:specificity=0\.9"):
        parse_operating_point(text)


@pytest.mark.parametrize("share", ["1", "0", "101%", "x"])
def test_a_specificity_that_is_none(share: str) -> None:
    with pytest.raises(UsageError, match="--operating-point mel:specificity"):
        parse_operating_point(f"mel:specificity={share}")


def test_another_part_than_test_cannot_be_judged() -> None:
    data = replace(ASKED, split=SplitChoice.VALIDATION)
    with pytest.raises(UsageError, match="judged on the test part: leave out --split validation"):
        Spec(models=("m",), data=data)


def test_a_run_reports_recall_on_test_at_a_threshold_from_validation(judged: StoredRun, split: Split) -> None:
    """By hand, from the scores that are stored for the test part."""
    assert judged.predictions is not None
    validation = len(split.part(Part.VALIDATION))
    for case in judged.record.cases:
        rows = judged.predictions[judged.predictions["case"] == case.case_id]
        assert set(rows["image_id"]) == {row.image_id for row in split.part(Part.TEST)}
        assert [point.label for point in case.operating_points] == ["red", "pink"]
        for point in case.operating_points:
            of_class = (rows["label"] == point.label).to_numpy()
            answered = rows[f"score:{point.label}"].to_numpy(float) >= point.threshold
            assert point.validation_images == validation
            assert point.recall == pytest.approx(answered[of_class].mean())
            assert point.specificity == pytest.approx((~answered[~of_class]).mean())
            assert point.validation_specificity is not None
            assert point.validation_specificity >= point.wanted_specificity


def test_the_threshold_is_that_of_a_run_on_the_validation_part(judged: StoredRun, trained: Path, images: Path) -> None:
    other = edgebench.run(trained, data=f"folder:{images}", split="validation", settings=SCORES_ONLY)
    assert other.predictions is not None
    for case in judged.record.cases:
        rows = other.predictions[other.predictions["case"] == case.case_id]
        for point in case.operating_points:
            scores = rows[f"score:{point.label}"].to_numpy(float)
            others = scores[(rows["label"] != point.label).to_numpy()]
            enough = [value for value in np.unique(scores) if (others < value).mean() >= point.wanted_specificity]
            assert point.threshold == enough[0]


def test_the_run_says_where_thresholds_come_from(judged: StoredRun, split: Split) -> None:
    assert judged.record.data is not None
    count = len(split.part(Part.VALIDATION))
    assert any(
        note.startswith(f"thresholds of operating points were chosen on {count}") for note in judged.record.data.notes
    )


def test_int8_is_compared_with_float32(judged: StoredRun) -> None:
    cases = {case.variant: case for case in judged.record.cases}
    assert cases["float32"].accuracy_comparison is None
    found = cases["int8"].accuracy_comparison
    assert found is not None
    assert found.against == cases["float32"].case_id
    assert judged.predictions is not None
    assert found.top1 is not None
    before, after = (right_answers(judged, cases[name]) for name in ("float32", "int8"))
    assert (found.top1.lost, found.top1.gained) == ((before & ~after).sum(), (~before & after).sum())
    assert [item.name for item in found.classes] == list(COLOURS)


def right_answers(run: StoredRun, case: CaseResult) -> np.ndarray:
    assert run.predictions is not None
    rows = run.predictions[run.predictions["case"] == case.case_id].sort_values("image_id")
    answers = rows[[f"score:{label}" for label in COLOURS]].to_numpy().argmax(axis=1)
    found: np.ndarray = np.array(list(COLOURS))[answers] == rows["label"].to_numpy()
    return found


def test_images_without_labels_show_how_far_variants_agree(trained: Path, images: Path, tmp_path: Path) -> None:
    for path in sorted(images.glob("*/*.png"))[::3]:
        shutil.copy(path, tmp_path)
    run = edgebench.run(trained, data=f"images:{tmp_path}", settings=SCORES_ONLY)
    assert run.record.data is not None
    assert dict(run.record.data.class_counts) == {}
    assert any("the images have no labels: accuracy is unknown" in note for note in run.record.data.notes)
    float32, int8 = (next(case for case in run.record.cases if case.variant == name) for name in ("float32", "int8"))
    assert (int8.accuracy, dict(int8.unavailable)) == (None, {"accuracy": "the images have no labels"})
    found = int8.accuracy_comparison
    assert found is not None
    assert found.against == float32.case_id
    assert found.agreement is not None
    assert found.agreement.top1 > 0.7
    assert found.agreement.max_score_difference is not None
    assert 0 < found.agreement.max_score_difference < 0.5
    assert found.unavailable == dict.fromkeys(("top1", "balanced_accuracy", "classes"), "the images have no labels")
