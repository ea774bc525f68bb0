from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from colours import COLOURS, patches
from edgebench.worker.engines import Engine
from edgebench.worker.images import ImageClassifier, describe_images, image_geometry, is_channels_first
from edgebench.worker.inputs import Tensor
from edgebench.worker.refusal import Refusal

from .support import COLOUR_TABLE, WEIGHTS, Array, engine, model, runtime, softmax_of_mean

PLAIN_TABLE = np.arange(256, dtype=np.float32)[None] / 255


class Recorder(Engine):
    """Passes each input on as its output, and keeps it."""

    def __init__(
        self, shape: tuple[int, ...], output: tuple[int, ...], dtype: str = "float32", scale: float = 0.0
    ) -> None:
        self.inputs = [Tensor("image", 0, shape, dtype, scale, -3 if scale else 0)]
        self.outputs = [Tensor("scores", 1, output, "float32", 0.0, 0)]
        self.seen: list[Array] = []
        self.invoke = lambda: None

    def set_inputs(self, arrays: Sequence[Any]) -> None:
        assert arrays[0].shape == self.inputs[0].shape
        assert arrays[0].dtype == np.dtype(self.inputs[0].dtype)
        assert arrays[0].flags.c_contiguous
        self.seen.append(np.array(arrays[0]))

    def read_output(self, position: int) -> Any:
        return np.full(self.outputs[position].shape, len(self.seen), np.float32)

    def delegation(self) -> dict[str, Any]:
        return {}


def pixel_file(folder: Path, shape: tuple[int, ...], seed: int = 0) -> tuple[str, Array]:
    pixels = np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)
    np.save(folder / "pixels.npy", pixels)
    return str(folder / "pixels.npy"), pixels


@pytest.fixture(scope="module")
def colours(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Array, Array]:
    """(pixel file, pixels, labels) of images that the colour models were trained to tell apart."""
    pixels, labels = patches(8, 32, seed=99)
    path = tmp_path_factory.mktemp("colours") / "pixels.npy"
    np.save(path, pixels)
    return str(path), pixels, labels


def test_channels_first_and_last_and_a_fixed_batch_give_the_same_scores(tmp_path: Path) -> None:
    """Both fixtures hold the same weights; 6 images leave a remainder of 2 for the batch of 4."""
    path, pixels = pixel_file(tmp_path, (6, 8, 8, 3))
    first = ImageClassifier(engine(model("channels_first")), path, PLAIN_TABLE).scores(0, 6)
    batched = ImageClassifier(engine(model("batch4")), path, PLAIN_TABLE).scores(0, 6)
    by_hand = softmax_of_mean(pixels / 255)
    assert first.shape == batched.shape == (6, 7)
    assert first.dtype == batched.dtype == np.float32
    np.testing.assert_allclose(first, by_hand, atol=1e-6)
    np.testing.assert_allclose(batched, by_hand, atol=1e-6)
    # Images differ, so rows that changed places would show.
    assert np.abs(np.diff(by_hand, axis=0)).max(axis=1).min() > 1e-3


@pytest.mark.parametrize(("start", "stop"), [(0, 1), (1, 5), (3, 6), (5, 6), (0, 4)])
@pytest.mark.parametrize("name", ["batch4", "channels_first"])
def test_any_slice_of_the_pixel_file(tmp_path: Path, name: str, start: int, stop: int) -> None:
    path, pixels = pixel_file(tmp_path, (6, 8, 8, 3))
    scores = ImageClassifier(engine(model(name)), path, PLAIN_TABLE).scores(start, stop)
    np.testing.assert_allclose(scores, softmax_of_mean(pixels[start:stop] / 255), atol=1e-6)


def test_no_rows_asked_for_no_scores(tmp_path: Path) -> None:
    path, _ = pixel_file(tmp_path, (2, 8, 8, 3))
    assert ImageClassifier(engine(model("channels_first")), path, PLAIN_TABLE).scores(1, 1).size == 0


@pytest.mark.parametrize("name", ["batch4", "channels_first"])
def test_rows_beyond_the_pixel_file_are_refused(tmp_path: Path, name: str) -> None:
    path, _ = pixel_file(tmp_path, (2, 8, 8, 3))
    classifier = ImageClassifier(engine(model(name)), path, PLAIN_TABLE)
    with pytest.raises(Refusal) as caught:
        classifier.scores(2, 3)
    assert caught.value.code == "input-refused"


def test_gray_images(tmp_path: Path) -> None:
    path, pixels = pixel_file(tmp_path, (3, 8, 8, 1))
    scores = ImageClassifier(engine(model("gray")), path, PLAIN_TABLE).scores(0, 3)
    np.testing.assert_allclose(scores, softmax_of_mean(pixels / 255, WEIGHTS[:1]), atol=1e-6)


@pytest.mark.parametrize("name", ["channels_first", "batch4"])
def test_each_channel_has_its_own_table(tmp_path: Path, name: str) -> None:
    path, pixels = pixel_file(tmp_path, (4, 8, 8, 3))
    table = np.random.default_rng(1).normal(size=(3, 256)).astype(np.float32)
    real = np.stack([table[channel][pixels[..., channel]] for channel in range(3)], axis=-1)
    scores = ImageClassifier(engine(model(name)), path, table).scores(0, 4)
    np.testing.assert_allclose(scores, softmax_of_mean(real), atol=1e-6)


@pytest.mark.parametrize(
    ("shape", "batches"),
    [((1, 4, 5, 3), [1, 1, 1, 1, 1]), ((2, 4, 5, 3), [2, 2, 1]), ((3, 4, 5, 3), [3, 2]), ((2, 3, 4, 5), [2, 2, 1])],
)
def test_what_the_model_is_fed(tmp_path: Path, shape: tuple[int, ...], batches: list[int]) -> None:
    """Every image once, in order; the last batch is filled up with the last image."""
    path, pixels = pixel_file(tmp_path, (5, 4, 5, 3))
    recorder = Recorder(shape, (shape[0], 2))
    scores = ImageClassifier(recorder, path, PLAIN_TABLE).scores(0, 5)
    assert scores[:, 0].tolist() == [number + 1 for number, size in enumerate(batches) for _ in range(size)]
    fed = np.concatenate(recorder.seen)
    if shape[1] == 3:
        fed = fed.transpose(0, 2, 3, 1)
    expected = PLAIN_TABLE[0][pixels[[0, 1, 2, 3, 4, 4][: len(fed)]]]
    assert np.array_equal(fed, expected)


def test_a_quantized_input_is_rounded_by_the_models_own_scale(tmp_path: Path) -> None:
    path, pixels = pixel_file(tmp_path, (2, 4, 5, 3))
    recorder = Recorder((1, 4, 5, 3), (1, 2), dtype="int8", scale=0.007)
    ImageClassifier(recorder, path, PLAIN_TABLE).scores(0, 2)
    real = PLAIN_TABLE[0][pixels]
    by_hand = np.clip(np.round(real / np.float32(0.007)) - 3, -128, 127).astype(np.int8)
    assert by_hand.max() == 127  # some are clipped
    assert np.array_equal(np.concatenate(recorder.seen), by_hand)


@pytest.mark.parametrize("name", ["int8", "uint8"])
def test_quantized_scores_equal_those_worked_out_by_hand(name: str, colours: tuple[str, Array, Array]) -> None:
    path, pixels, _ = colours
    scores = ImageClassifier(engine(model(name)), path, COLOUR_TABLE).scores(0, 10)
    interpreter = runtime().module.Interpreter(model_path=model(name))
    interpreter.allocate_tensors()
    source, target = interpreter.get_input_details()[0], interpreter.get_output_details()[0]
    (scale, zero), (out_scale, out_zero) = source["quantization"], target["quantization"]
    for row in range(10):
        real = pixels[row].astype(np.float32) / np.float32(127.5) - 1
        limits = np.iinfo(source["dtype"])
        quantized = np.clip(np.round(real / np.float32(scale)) + zero, limits.min, limits.max)
        interpreter.set_tensor(source["index"], quantized.astype(source["dtype"])[None])
        interpreter.invoke()
        expected = (interpreter.get_tensor(target["index"])[0].astype(np.int32) - out_zero) * np.float32(out_scale)
        assert scores[row].tolist() == expected.tolist()


@pytest.mark.parametrize("engine_name", ["interpreter", "compiled"])
@pytest.mark.parametrize("name", ["float32", "float16", "dynamic", "int8", "uint8", "int8_float_io"])
def test_every_variant_tells_the_colours_apart(name: str, engine_name: str, colours: tuple[str, Array, Array]) -> None:
    path, pixels, labels = colours
    classifier = ImageClassifier(engine(model(name), engine=engine_name), path, COLOUR_TABLE)
    scores = classifier.scores(0, len(pixels))
    assert (scores.argmax(axis=1) == labels).mean() > 0.7  # guessing: 0.14
    plain = ImageClassifier(engine(model("float32")), path, COLOUR_TABLE).scores(0, len(pixels))
    np.testing.assert_allclose(scores, plain, atol=0.12)
    np.testing.assert_allclose(scores.sum(axis=1), 1, atol=0.02)


def test_a_model_that_answers_nan_passes_it_on(tmp_path: Path) -> None:
    path, _ = pixel_file(tmp_path, (1, 8, 8, 3))
    assert np.isnan(ImageClassifier(engine(model("nan")), path, PLAIN_TABLE).scores(0, 1)).all()


@pytest.mark.parametrize("shape", [(2, 9, 8, 3), (2, 8, 9, 3), (2, 8, 8, 1), (2, 8, 8)])
def test_pixels_of_another_geometry_are_refused(tmp_path: Path, shape: tuple[int, ...]) -> None:
    path, _ = pixel_file(tmp_path, shape)
    with pytest.raises(Refusal, match=r"takes images of \(8, 8, 3\), the cache holds") as caught:
        ImageClassifier(engine(model("channels_first")), path, PLAIN_TABLE)
    assert caught.value.code == "image-shape"


@pytest.mark.parametrize("shape", [(2, 256), (4, 256), (1, 255), (256,)])
def test_a_table_of_another_shape_is_refused(tmp_path: Path, shape: tuple[int, ...]) -> None:
    path, _ = pixel_file(tmp_path, (2, 8, 8, 3))
    with pytest.raises(Refusal, match="a table of shape") as caught:
        ImageClassifier(engine(model("channels_first")), path, np.zeros(shape, np.float32))
    assert caught.value.code == "normalization"


@pytest.mark.parametrize(
    ("name", "geometry", "dtype"),
    [
        ("channels_first", (8, 8, 3), "float32"),
        ("batch4", (8, 8, 3), "float32"),
        ("gray", (8, 8, 1), "float32"),
        ("int8", (32, 32, 3), "int8"),
    ],
)
@pytest.mark.parametrize("engine_name", ["interpreter", "compiled"])
def test_what_a_classifier_needs(name: str, geometry: tuple[int, ...], dtype: str, engine_name: str) -> None:
    needs = describe_images(engine(model(name), engine=engine_name))
    assert (needs["height"], needs["width"], needs["channels"]) == geometry
    assert needs["scores"] == len(COLOURS)
    assert needs["input"]["dtype"] == dtype
    assert (needs["input"]["scale"] > 0) is (dtype == "int8")


@pytest.mark.parametrize("name", ["two_inputs", "bool_input", "endless"])
def test_a_model_that_classifies_no_images_is_refused(name: str) -> None:
    with pytest.raises(Refusal) as caught:
        describe_images(engine(model(name)))
    assert caught.value.code == "not-a-classifier"


@pytest.mark.parametrize(
    ("output", "accepted"),
    [((2, 7), True), ((2, 1, 1, 7), True), ((2,), True), ((1, 7), False), ((2, 4, 4, 7), False), ((), False)],
)
def test_outputs_that_are_one_score_per_class(output: tuple[int, ...], accepted: bool) -> None:
    candidate = Recorder((2, 4, 4, 3), output)
    if accepted:
        assert describe_images(candidate)["scores"] == int(np.prod(output[1:]))
        return
    with pytest.raises(Refusal, match="is not one score per class"):
        describe_images(candidate)


@pytest.mark.parametrize(
    ("shape", "first", "geometry"),
    [
        ((1, 224, 160, 3), False, (224, 160, 3)),
        ((1, 3, 224, 160), True, (224, 160, 3)),
        ((1, 1, 28, 20), True, (28, 20, 1)),
        ((1, 28, 20, 1), False, (28, 20, 1)),
        ((1, 3, 8, 3), False, (3, 8, 3)),  # fits both ways
    ],
)
def test_geometry(shape: tuple[int, ...], first: bool, geometry: tuple[int, ...]) -> None:
    assert is_channels_first(shape) is first
    assert image_geometry(shape) == geometry


@pytest.mark.parametrize("shape", [(1, 224, 224), (1, 224, 224, 4), (1, 10), (), (1, 2, 8, 8, 3)])
def test_shapes_that_are_no_image(shape: tuple[int, ...]) -> None:
    assert not is_channels_first(shape)
    with pytest.raises(Refusal, match="is no image"):
        image_geometry(shape)
