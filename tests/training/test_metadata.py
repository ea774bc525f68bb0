from __future__ import annotations

import io
import random
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as official
from ai_edge_litert.interpreter import Interpreter
from edgebench import tflite_schema as schema
from edgebench.errors import DataError, EdgebenchError, ModelError
from edgebench.flatbuffer import root_table
from edgebench.tflite_metadata import entry_buffer, parse_metadata
from edgebench_training.metadata import ClassifierMetadata, write_metadata

MODELS = Path(__file__).parent.parent / "fixtures" / "metadata"
VARIANTS = ["float32", "float16", "dynamic", "int8", "uint8", "external", "foreign"]
METADATA = ClassifierMetadata(
    labels=("akiec", "bcc", "bkl", "df", "mel", "nævus", "vasc"),
    mean=(127.5, 127.5, 127.5),
    std=(127.5, 127.5, 127.5),
    name="Skin lesions",
    description="Seven classes, não é um dispositivo médico",
    author="A. Nonymous",
    license="CC BY-NC 4.0",
    version="2",
)


def _model(variant: str) -> bytes:
    return (MODELS / f"classifier_{variant}.tflite").read_bytes()


def _scores(
    model: bytes, images: np.ndarray[Any, Any], mean: float = 127.5, std: float = 127.5
) -> np.ndarray[Any, Any]:
    """What the plain interpreter answers, in the model's own numbers."""
    interpreter = Interpreter(model_content=model)
    interpreter.allocate_tensors()
    image, scores = interpreter.get_input_details()[0], interpreter.get_output_details()[0]
    answers = []
    for pixels in images[:, : image["shape"][1], : image["shape"][2]]:
        real = (pixels.astype(np.float32) - np.float32(mean)) / np.float32(std)
        if image["dtype"] != np.float32:
            scale, zero = image["quantization"]
            limits = np.iinfo(image["dtype"])
            real = np.clip(np.round(real / scale + zero), limits.min, limits.max)
        interpreter.set_tensor(image["index"], real[None].astype(image["dtype"]))
        interpreter.invoke()
        answers.append(interpreter.get_tensor(scores["index"])[0].copy())
    return np.array(answers)


def _raw_scores(model: bytes, images: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    interpreter = Interpreter(model_content=model)
    interpreter.allocate_tensors()
    answers = []
    for pixels in images:
        interpreter.set_tensor(interpreter.get_input_details()[0]["index"], pixels[None])
        interpreter.invoke()
        answers.append(interpreter.get_tensor(interpreter.get_output_details()[0]["index"])[0].copy())
    return np.array(answers)


@pytest.fixture(scope="module")
def images() -> np.ndarray[Any, Any]:
    """Eight pictures of one noisy colour each, uint8 [8, 32, 32, 3]."""
    chance = np.random.default_rng(1)
    colours = chance.integers(20, 236, (8, 1, 1, 3))
    return np.clip(colours + chance.normal(0, 30, (8, 32, 32, 3)), 0, 255).astype(np.uint8)


@pytest.mark.parametrize("variant", VARIANTS)
def test_what_is_written_is_read(variant: str) -> None:
    found = parse_metadata(write_metadata(_model(variant), METADATA))
    assert found is not None
    assert found.min_runtime_version is not None
    for field in ("labels", "mean", "std", "name", "description", "author", "license", "version"):
        assert getattr(found, field) == getattr(METADATA, field)


@pytest.mark.parametrize("variant", VARIANTS)
def test_the_answers_are_the_same_bits(variant: str, images: np.ndarray[Any, Any]) -> None:
    before, after = (
        _scores(_model(variant), images),
        _scores(write_metadata(_model(variant), METADATA), images),
    )
    assert np.array_equal(before, after)
    assert len(np.unique(before, axis=0)) > 1


def test_the_delegate_takes_as_much_as_before() -> None:
    def operators(model: bytes) -> list[str]:
        interpreter = Interpreter(model_content=model)
        interpreter.allocate_tensors()
        return [operator["op_name"] for operator in interpreter._get_ops_details()]

    assert operators(write_metadata(_model("float32"), METADATA)) == operators(_model("float32"))


@pytest.mark.parametrize("variant", VARIANTS)
def test_writing_twice_leaves_one_entry_and_one_file(variant: str) -> None:
    once = write_metadata(_model(variant), METADATA)
    twice = write_metadata(write_metadata(_model(variant), replace(METADATA, name="Old" * 99)), METADATA)
    assert twice == once
    model = official.Model.GetRootAs(once, 0)
    names = [model.Metadata(index).Name() for index in range(model.MetadataLength())]
    assert names.count(b"TFLITE_METADATA") == 1
    assert b"min_runtime_version" in names
    with zipfile.ZipFile(io.BytesIO(once)) as archive:
        assert archive.namelist() == ["labels.txt"]
        assert archive.infolist()[0].compress_type == zipfile.ZIP_STORED
        assert archive.testzip() is None


def test_an_archive_without_metadata_is_replaced() -> None:
    stream = io.BytesIO(_model("float32"))
    with zipfile.ZipFile(stream, "a") as archive:
        archive.writestr("labels.txt", "wrong\n" * 500)
    assert write_metadata(stream.getvalue(), METADATA) == write_metadata(_model("float32"), METADATA)


@pytest.mark.parametrize(
    ("variant", "low", "high"),
    [
        ("float32", (-1.0, -1.0, -1.0), (1.0, 1.0, 1.0)),
        ("int8", (-128.0,), (127.0,)),
        ("uint8", (0.0,), (255.0,)),
    ],
)
def test_the_stated_range_is_that_of_the_stored_numbers(
    variant: str, low: tuple[float, ...], high: tuple[float, ...]
) -> None:
    buffer = entry_buffer(root_table(write_metadata(_model(variant), METADATA), b"TFL3"), "TFLITE_METADATA")
    assert buffer is not None
    graph = root_table(buffer.blob(0) or b"", b"M001").tables(schema.ModelInfo.SUBGRAPHS)[0]
    stats = graph.tables(schema.SubGraphInfo.INPUTS)[0].table(schema.TensorInfo.STATS)
    assert stats is not None
    assert (stats.numbers(schema.Stats.MIN, "f"), stats.numbers(schema.Stats.MAX, "f")) == (low, high)


def test_only_what_is_known_is_written() -> None:
    bare = ClassifierMetadata(labels=METADATA.labels, mean=(0.0,), std=(1.0,), name="Bare")
    found = parse_metadata(write_metadata(_model("int8"), bare))
    assert found is not None
    assert (found.description, found.author, found.license, found.version) == (None, None, None, None)
    assert (found.mean, found.std) == ((0.0,), (1.0,))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"labels": METADATA.labels[:6]}, "6 labels for a model with 7 classes"),
        ({"labels": ()}, "0 labels"),
        ({"labels": (*METADATA.labels[:6], "")}, "empty"),
        ({"labels": (*METADATA.labels[:6], "va\nsc")}, "line break"),
        ({"labels": (*METADATA.labels[:6], "vasc\r")}, "line break"),
        ({"mean": (127.5,)}, "1 means and 3 standard deviations"),
        ({"mean": (1.0, 2.0), "std": (1.0, 2.0)}, "for 3 channels"),
        ({"mean": (), "std": ()}, "0 means"),
        ({"std": (127.5, 0.0, 127.5)}, "must be positive"),
        ({"mean": (float("nan"),) * 3}, "not possible"),
    ],
)
def test_metadata_that_does_not_fit(change: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=message):
        write_metadata(_model("float32"), replace(METADATA, **change))


@pytest.mark.parametrize(
    ("file", "message"),
    [
        ("odd/multi_add.tflite", "this model 4 and 2"),
        ("odd/0_subgraphs.tflite", "no graph"),
        ("odd/softplus_flex.tflite", "shape"),
        ("odd/invalid_model.tflite", "identifier"),
    ],
)
def test_models_that_are_no_image_classifiers(shared_data: Path, file: str, message: str) -> None:
    with pytest.raises(ModelError, match=message):
        write_metadata((shared_data / file).read_bytes(), METADATA)


def test_a_published_model_gets_new_labels(shared_data: Path) -> None:
    model = (shared_data / "models" / "coral_mobilenet_v1_0.25_128_quant.tflite").read_bytes()
    metadata = replace(METADATA, labels=tuple(f"class {index}" for index in range(1001)))
    found = parse_metadata(write_metadata(model, metadata))
    assert found is not None
    assert (found.labels, found.name) == (metadata.labels, METADATA.name)


def test_damaged_models_raise_nothing_else() -> None:
    chance = random.Random(3)
    pristine = write_metadata(_model("foreign"), METADATA)
    refused = []
    for _ in range(600):
        model = bytearray(pristine)
        for _ in range(chance.randint(1, 8)):
            model[chance.randrange(len(model))] ^= 1 << chance.randrange(8)
        try:
            write_metadata(bytes(model[: chance.choice([len(model), chance.randrange(len(model))])]), METADATA)
        except EdgebenchError as error:
            refused.append(str(error))
    assert 50 < len(refused) < 600
    assert not any("\n" in message for message in refused)


@pytest.mark.parametrize("variant", ["float32", "uint8"])
def test_mediapipe_gives_the_same_labels_and_scores(variant: str, images: np.ndarray[Any, Any]) -> None:
    mediapipe = pytest.importorskip("mediapipe", reason="mediapipe is not installed")
    tasks = pytest.importorskip("mediapipe.tasks.python", reason="this mediapipe has no tasks")
    model = write_metadata(_model(variant), METADATA)
    # MediaPipe hands a uint8 input the pixels as they are, whatever the normalisation says.
    scores = _raw_scores(model, images) / 256 if variant == "uint8" else _scores(model, images)
    options = tasks.vision.ImageClassifierOptions(base_options=tasks.BaseOptions(model_asset_buffer=model))
    with tasks.vision.ImageClassifier.create_from_options(options) as classifier:
        for pixels, expected in zip(images, scores, strict=True):
            image = mediapipe.Image(image_format=mediapipe.ImageFormat.SRGB, data=np.ascontiguousarray(pixels))
            categories = classifier.classify(image).classifications[0].categories
            found = {category.category_name: category.score for category in categories}
            # A label at the wrong place moves a score.
            assert [found[label] for label in METADATA.labels] == pytest.approx(list(expected), abs=1e-5)
