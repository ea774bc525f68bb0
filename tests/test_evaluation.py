from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from colours import COLOURS, write_folder
from edgebench.card import Card
from edgebench.errors import DataError, ModelError, ScoreError, UsageError
from edgebench.evaluation import Evaluator, Reading
from edgebench.images.cache import CachedImages
from edgebench.images.geometry import ResizeMode
from edgebench.images.normalization import Normalization
from edgebench.plan import ModelVariant
from edgebench.records import ModelFile, Preprocessing, TensorInfo
from edgebench.session import ImageNeeds
from edgebench.spec import DataSpec
from PIL import Image

#: A real file without embedded metadata.
MODEL = Path(__file__).resolve().parent / "fixtures" / "models" / "float32.tflite"
LABELS = tuple(COLOURS)
HALVES = Normalization("halves", (127.5,), (127.5,))
FLOAT = TensorInfo("image", (1, 8, 8, 3), "float32")


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_folder(tmp_path_factory.mktemp("images"), per_class=2, size=12)


def variant(tmp_path: Path = Path(), **card: Any) -> ModelVariant:
    return ModelVariant("m", "v", ModelFile(str(MODEL), "0", 1), Card(tmp_path, **card) if card else None)


def needs(tensor: TensorInfo = FLOAT, scores: int = 7, size: int = 8, channels: int = 3) -> ImageNeeds:
    return ImageNeeds(size, size, channels, tensor, scores)


def evaluator(images: Path, **changes: Any) -> Evaluator:
    return Evaluator(replace(DataSpec(f"folder:{images}", normalize="-1..1"), **changes))


def written(folder: Path, labels: tuple[str, ...]) -> Path:
    path = folder / "chosen.txt"
    path.write_text("\n".join(labels))
    return path


def test_labels_from_the_flag_win_over_the_card(images: Path, tmp_path: Path) -> None:
    backwards = LABELS[::-1]
    path = written(tmp_path, backwards)
    reading = evaluator(images, labels=path).read(variant(labels=LABELS), needs())
    assert reading.labels == backwards
    assert reading.preprocessing.labels_from == f"--labels {path}"
    assert reading.notes == ()


def test_labels_from_the_card_win_over_the_folders(images: Path) -> None:
    reading = evaluator(images).read(variant(labels=LABELS[::-1]), needs())
    assert (reading.labels, reading.preprocessing.labels_from) == (LABELS[::-1], "card")


def test_assumed_labels_are_said_aloud(images: Path) -> None:
    reading = evaluator(images).read(variant(), needs())
    assert reading.labels == LABELS
    assert "assumed" in reading.preprocessing.labels_from
    assert reading.notes == ("label order is assumed (alphabetical); check it, or give --labels FILE",)


def test_a_count_that_does_not_fit_names_both_counts_and_the_source(images: Path, tmp_path: Path) -> None:
    line = (
        r"m/v: the model answers 1001 scores but there are 7 labels \(assumed: .*\); give --labels FILE with one label"
    )
    with pytest.raises(DataError, match=line):
        evaluator(images).read(variant(), needs(scores=1001))
    with pytest.raises(DataError, match=r"answers 7 scores but there are 2 labels \(card\)"):
        evaluator(images).read(variant(labels=("a", "b")), needs())
    path = written(tmp_path, ("a", "b", "c"))
    with pytest.raises(DataError, match=r"answers 7 scores but there are 3 labels \(--labels .*chosen\.txt\)"):
        evaluator(images, labels=path).read(variant(labels=LABELS), needs())


def test_a_class_that_the_model_does_not_know_is_named(images: Path) -> None:
    with pytest.raises(DataError, match="m/v: the data set has class 'red', which is not among the model's labels"):
        evaluator(images).read(variant(labels=("blue", "brown", "gray", "green", "pink", "RED", "yellow")), needs())


def test_a_model_may_know_more_classes_than_the_data_has(images: Path) -> None:
    labels = (*LABELS, "violet")
    assert evaluator(images).read(variant(labels=labels), needs(scores=8)).labels == labels


def test_without_any_labels_outputs_are_numbered(images: Path) -> None:
    judge = evaluator(images / "red", source=f"images:{images / 'red'}")
    reading = judge.read(variant(), needs(scores=3))
    assert reading.labels == ("output 0", "output 1", "output 2")
    assert (reading.preprocessing.labels_from, reading.notes) == ("none: outputs are numbered", ())
    assert judge.read(variant(labels=LABELS), needs()).labels == LABELS
    assert judge.info().class_counts == {}


def test_a_labels_file_that_is_wrong_is_found_at_once(images: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="cannot be read"):
        evaluator(images, labels=tmp_path / "none.txt")
    with pytest.raises(ModelError, match="stands there twice"):
        evaluator(images, labels=written(tmp_path, ("a", "a")))


@pytest.mark.parametrize(
    ("flag", "card", "tensor", "name", "source"),
    [
        ("0..1", {"normalization": HALVES}, FLOAT, "0..1", "--normalize"),
        (None, {"normalization": HALVES}, FLOAT, "halves", "card"),
        (None, {"normalization": HALVES}, replace(FLOAT, dtype="uint8"), "halves", "card"),
        (None, {}, replace(FLOAT, dtype="uint8"), "0..255", "the input is plain uint8"),
        (
            None,
            {},
            replace(FLOAT, dtype="int8", scale=2 / 255, zero_point=-1),
            "-1..1",
            "the input's own scale and zero point",
        ),
        (None, {}, replace(FLOAT, dtype="uint8", scale=1 / 255), "0..1", "the input's own scale and zero point"),
        ("imagenet", {}, replace(FLOAT, dtype="uint8", scale=1 / 255), "imagenet", "--normalize"),
    ],
)
def test_who_decides_the_normalization(
    images: Path, flag: str | None, card: dict[str, Any], tensor: TensorInfo, name: str, source: str
) -> None:
    reading = evaluator(images, normalize=flag).read(variant(**card), needs(tensor))
    assert (reading.preprocessing.normalization, reading.preprocessing.normalization_from) == (name, source)


@pytest.mark.parametrize(
    "tensor",
    [
        FLOAT,
        replace(FLOAT, dtype="int8"),
        replace(FLOAT, dtype="int8", scale=0.037, zero_point=3),
        replace(FLOAT, dtype="int16", scale=1 / 32768),
    ],
)
def test_nothing_says_how_to_normalize(images: Path, tensor: TensorInfo) -> None:
    line = f"m/v: nothing says how the {tensor.dtype} input is normalised; add --normalize -1..1, 0..1"
    with pytest.raises(UsageError, match=line):
        evaluator(images, normalize=None).read(variant(), needs(tensor))


def test_a_class_whose_name_is_no_text_is_found_before_measuring(tmp_path: Path) -> None:
    folder = write_folder(tmp_path, per_class=1, size=4)
    (folder / "red").rename(os.fsdecode(os.fsencode(folder) + b"/r\xffd"))
    with pytest.raises(DataError, match="has bytes that are no UTF-8; rename it"):
        evaluator(folder)


def test_a_normalization_for_three_channels_does_not_fit_one(images: Path) -> None:
    line = "m/v: normalisation imagenet is for 3 channels, the model takes 1"
    with pytest.raises(UsageError, match=line):
        evaluator(images, normalize="imagenet").read(variant(), needs(channels=1))
    card = variant(normalization=Normalization("imagenet", (1.0, 2.0, 3.0), (1.0, 2.0, 3.0)))
    with pytest.raises(UsageError, match=line):
        evaluator(images, normalize=None).read(card, needs(channels=1))


def test_a_normalization_that_cannot_be_read(images: Path) -> None:
    with pytest.raises(UsageError, match="normalization 'caffe' is not known"):
        evaluator(images, normalize="caffe")


def test_quantized_inputs_get_exact_values_and_float_inputs_kerass(images: Path) -> None:
    floats = evaluator(images).read(variant(), needs())
    quantized = evaluator(images).read(variant(), needs(replace(FLOAT, dtype="int8", scale=2 / 255, zero_point=-1)))
    assert floats.table.dtype == np.float32
    assert np.array_equal(floats.table[0], np.arange(256, dtype=np.float32) / np.float32(127.5) - np.float32(1))
    assert quantized.table.dtype == np.float64
    assert floats.table.shape == quantized.table.shape == (1, 256)


@pytest.mark.parametrize(
    ("flag", "card", "used"),
    [
        (ResizeMode.PAD, {"resize": ResizeMode.CROP}, "pad"),
        (None, {"resize": ResizeMode.CROP}, "crop"),
        (None, {}, "stretch"),
    ],
)
def test_who_decides_the_fit(images: Path, flag: ResizeMode | None, card: dict[str, Any], used: str) -> None:
    preprocessing = evaluator(images, resize=flag).read(variant(**card), needs()).preprocessing
    assert (preprocessing.resize, preprocessing.height, preprocessing.width, preprocessing.channels) == (used, 8, 8, 3)


def preprocessing(size: int, channels: int = 3) -> Preprocessing:
    return Preprocessing(size, size, channels, "stretch", "-1..1", (127.5,), (127.5,), "x", "x")


def test_each_size_is_decoded_once(images: Path) -> None:
    decoded: list[tuple[int, int]] = []
    judge = Evaluator(DataSpec(f"folder:{images}"), on_decode=lambda done, total: decoded.append((done, total)))
    small, large = judge.images(preprocessing(5)), judge.images(preprocessing(9))
    assert (small.pixels.shape, large.pixels.shape) == ((14, 5, 5, 3), (14, 9, 9, 3))
    assert decoded == [(i + 1, 14) for i in range(14)] * 2
    assert judge.images(preprocessing(5)) is small
    assert len(decoded) == 28
    assert judge.info().images == 14
    assert judge.info().notes == ()


def test_info_counts_what_was_used(images: Path) -> None:
    judge = evaluator(images, limit=9)
    judge.images(preprocessing(6))
    info = judge.info()
    assert (info.source, info.images, info.lesions) == (f"folder:{images}", 9, None)
    assert sum(info.class_counts.values()) == 9
    assert list(info.class_counts) == sorted(LABELS)
    assert info.notes == ("limited to 9 images, drawn by class with seed 0",)


def test_info_names_skipped_images_and_sizes_that_had_others(tmp_path: Path) -> None:
    """A gray image serves a gray model and not a colour one."""
    folder = write_folder(tmp_path / "data", per_class=3, size=12)
    Image.new("L", (12, 12)).save(folder / "red" / "gray.png")
    (folder / "blue" / "broken.png").write_bytes(b"\x89PNG")
    judge = evaluator(folder, max_bad_fraction=0.5)
    judge.images(preprocessing(7, 3))
    judge.images(preprocessing(7, 1))
    info = judge.info()
    assert info.images == 21
    assert [image.image_id for image in info.skipped] == ["blue/broken", "red/gray"]
    assert info.notes == ("models that take 7x7x1-stretch images had 22 of them",)


def test_info_before_any_decoding_counts_the_data_set(images: Path) -> None:
    info = evaluator(images).info()
    assert (info.images, info.class_counts["red"]) == (14, 2)


def test_metadata_that_does_not_match_the_images_is_noted(tmp_path: Path) -> None:
    for name in ("ISIC_1", "ISIC_2", "ISIC_9"):
        Image.new("RGB", (8, 8)).save(tmp_path / f"{name}.jpg")
    (tmp_path / "m.csv").write_text("lesion_id,image_id,dx\nL1,ISIC_1,nv\nL1,ISIC_2,mel\nL2,ISIC_3,mel\n")
    info = Evaluator(DataSpec(f"ham10000:{tmp_path}", metadata=tmp_path / "m.csv")).info()
    assert (info.images, info.lesions, dict(info.class_counts)) == (2, 1, {"mel": 1, "nv": 1})
    assert info.notes == (
        "1 metadata rows have no image here and were left out",
        "1 images have no metadata row and were left out",
    )


def scores(rows: int, classes: int = 7) -> np.ndarray[Any, Any]:
    return np.tile(np.eye(classes, dtype=np.float32)[0], (rows, 1))


@pytest.fixture
def reading(images: Path) -> tuple[Evaluator, Reading]:
    judge = evaluator(images)
    return judge, judge.read(variant(), needs())


def test_scores_of_all_images_become_accuracy(reading: tuple[Evaluator, Reading]) -> None:
    judge, how = reading
    asked: list[int] = []

    def classify(images: CachedImages) -> np.ndarray[Any, Any]:
        asked.append(len(images.items))
        return scores(14)

    result = judge.evaluate(how, classify)
    assert asked == [14] == [judge.image_count(how)]
    assert result.scores.shape == (14, 7)
    assert result.accuracy is not None
    assert result.accuracy.top1 == pytest.approx(1 / 7)  # everything answered as blue
    assert result.accuracy.confusion[LABELS.index("red")][0] == 2


def test_scores_that_cannot_be_judged_are_the_cases_failure(images: Path, reading: tuple[Evaluator, Reading]) -> None:
    judge, how = reading
    bad = scores(14)
    bad[3, 2] = np.nan
    with pytest.raises(ScoreError, match="1 of 14 images got scores that are not finite"):
        judge.evaluate(how, lambda _: bad)
    unlabelled = evaluator(images, source=f"images:{images / 'red'}")
    with pytest.raises(ScoreError, match="1 of 2 images got scores that are not finite"):
        unlabelled.evaluate(unlabelled.read(variant(), needs()), lambda _: bad[3:5])
