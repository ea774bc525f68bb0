"""Export: what comes out is described, runs, and is the model that went in."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from edgebench.errors import ModelError, TrainingError, UsageError
from edgebench.images.normalization import parse_normalization
from edgebench.model_file import read_model_file
from edgebench.tflite_metadata import read_metadata
from edgebench_training import export as export_module
from edgebench_training.convert import ConversionError, Variant, convert
from edgebench_training.export import ALL_VARIANTS, ExportImages, ExportPlan, export_variants, parse_variants
from edgebench_training.reference import Reference, open_reference, reference_of

LABELS = ("blue", "green", "red")


@pytest.fixture(scope="module")
def model(tf: Any) -> Any:
    """A small convolutional classifier of 16 x 16 images."""
    keras = tf.keras
    keras.utils.set_random_seed(1)
    image = keras.Input((16, 16, 3))
    hidden = keras.layers.Conv2D(8, 3, strides=2, activation="relu")(image)
    pooled = keras.layers.GlobalAveragePooling2D()(hidden)
    return keras.Model(image, keras.layers.Dense(3, activation="softmax", name="scores")(pooled))


@pytest.fixture(scope="module")
def reference(model: Any) -> Reference:
    return reference_of(model, "small")


def plan(reference: Reference, **changes: Any) -> ExportPlan:
    pixels = np.random.default_rng(0).integers(0, 256, (12, 16, 16, 3), dtype=np.uint8)
    fields: dict[str, Any] = {
        "reference": reference,
        "name": "small",
        "labels": LABELS,
        "normalization": parse_normalization("-1..1"),
        "images": ExportImages(pixels, pixels),
    }
    return ExportPlan(**{**fields, **changes})


def test_every_variant_runs_and_says_what_it_is(reference: Reference, tmp_path: Path) -> None:
    reports = {report.variant: report for report in export_variants(plan(reference), tmp_path)}
    assert list(reports) == list(ALL_VARIANTS)
    for variant, report in reports.items():
        path = tmp_path / f"{variant.value}.tflite"
        assert report.problem is None
        assert report.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
        assert report.size_bytes == path.stat().st_size
        assert report.check is not None
        assert report.check.images == 12
        metadata = read_metadata(path)
        assert metadata is not None
        assert metadata.labels == LABELS
        assert (metadata.mean, metadata.std) == ((127.5,), (127.5,))
    schemes = {variant.value: read_model_file(tmp_path / f"{variant.value}.tflite").scheme for variant in ALL_VARIANTS}
    assert schemes["float32"] == "float32"
    assert schemes["int8"] == "int8"
    assert schemes["int16x8"] == "int16x8-float-io"
    exact = reports[Variant.FLOAT32].check
    assert exact is not None
    assert exact.max_abs_difference is not None
    assert exact.max_abs_difference < 1e-5
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(f"{v.value}.tflite" for v in ALL_VARIANTS)


def test_a_saved_model_and_a_keras_file_give_the_same_variants(model: Any, tmp_path: Path) -> None:
    model.save(str(tmp_path / "model.keras"))
    model.export(str(tmp_path / "saved"), verbose=False)
    scores = []
    images = np.random.default_rng(1).uniform(-1, 1, (3, 16, 16, 3)).astype(np.float32)
    for path in (tmp_path / "model.keras", tmp_path / "saved"):
        reference = open_reference(path)
        scores.append(reference.predict(images))
        (report,) = export_variants(plan(reference, variants=(Variant.FLOAT32,)), tmp_path / "out")
        assert report.problem is None
    np.testing.assert_allclose(scores[0], scores[1], atol=1e-6)


def test_what_does_not_convert_is_reported_in_the_converters_words(
    reference: Reference, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:

    def refusing(model: Reference, variant: Variant, calibration: Any) -> bytes:
        if variant is Variant.INT16X8:
            raise ConversionError("Quantization to 16x8-bit not yet supported for op: 'FOO'")
        return convert(model, variant, calibration)

    monkeypatch.setattr(export_module, "convert", refusing)
    (tmp_path / "int16x8.tflite").write_bytes(b"from an earlier export")
    wanted = (Variant.FLOAT32, Variant.INT16X8)
    good, bad = export_variants(plan(reference, variants=wanted), tmp_path)
    assert good.problem is None
    assert bad.problem == "does not convert: Quantization to 16x8-bit not yet supported for op: 'FOO'"
    assert bad.size_bytes is None
    assert not (tmp_path / "int16x8.tflite").exists()


def test_what_does_not_run_is_reported_in_the_runtimes_words(
    reference: Reference, tmp_path: Path, shared_data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    refused = (shared_data / "odd" / "custom_sinh.tflite").read_bytes()

    monkeypatch.setattr(
        export_module,
        "convert",
        lambda model, variant, images: refused if variant is Variant.INT8 else convert(model, variant, images),
    )
    monkeypatch.setattr(export_module, "write_metadata", lambda content, _: content)
    good, bad = export_variants(plan(reference, variants=(Variant.FLOAT32, Variant.INT8)), tmp_path)
    assert good.size_bytes is not None
    assert bad.problem is not None
    assert bad.problem.startswith("does not run: ")
    assert "Sinh" in bad.problem
    assert not (tmp_path / "int8.tflite").exists()


def test_a_float_variant_that_is_another_model_does_not_count(
    reference: Reference, model: Any, tf: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = tf.keras.models.clone_model(model)
    other.set_weights([np.roll(value, 1) + 0.3 for value in model.get_weights()])
    wrong = convert(reference_of(other, "other"), Variant.FLOAT32, None)
    monkeypatch.setattr(export_module, "convert", lambda *_: wrong)
    with pytest.raises(TrainingError, match="no variant could be made; the first: scores differ from the Keras model"):
        export_variants(plan(reference, variants=(Variant.FLOAT32,)), tmp_path)


def test_int8_without_images_is_refused_before_anything_is_made(reference: Reference, tmp_path: Path) -> None:
    noise = ExportImages(None, export_module.noise_images(reference, 3), real=False)
    with pytest.raises(UsageError, match=r"int8, int16x8: needs images.*--data SOURCE"):
        export_variants(plan(reference, images=noise), tmp_path)
    reports = export_variants(plan(reference, images=noise, variants=(Variant.DYNAMIC,)), tmp_path)
    assert reports[0].size_bytes is not None


def test_labels_must_fit(reference: Reference, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="answers 3 scores and there are 2 labels"):
        export_variants(plan(reference, labels=("a", "b")), tmp_path)


def test_a_full_disk_is_one_clear_line(reference: Reference, small_disk: Path) -> None:
    (small_disk / "filler").write_bytes(bytes(300_000))
    with pytest.raises(TrainingError, match=r"variants cannot be written.*No space left"):
        export_variants(plan(reference), small_disk / "out")
    assert not list((small_disk / "out").glob(".*"))


@pytest.mark.parametrize("text", ["float64", "float32,int4", "", ","])
def test_unknown_variants_are_named(text: str) -> None:
    with pytest.raises(UsageError, match="choose from float32, float16"):
        parse_variants(text)
    assert parse_variants("int8, float32,int8") == (Variant.INT8, Variant.FLOAT32)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"version https://git-lfs.github.com/spec/v1\n", "Git LFS pointer"),
        (b"\x1c\x00\x00\x00TFL3", "TFLite model already"),
        (b"hello", "no Keras model"),
        (b"\x89HDF\r\n\x1a\n", "Keras cannot load it"),
    ],
)
def test_files_that_are_no_model_are_one_line(tf: Any, tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "model.h5"
    path.write_bytes(content)
    with pytest.raises(ModelError, match=message) as caught:
        open_reference(path)
    assert "\n" not in str(caught.value)
    with pytest.raises(ModelError, match="folder without saved_model"):
        open_reference(tmp_path)


def test_models_that_are_no_image_classifiers_are_refused(tf: Any) -> None:
    keras = tf.keras
    vector = keras.Input((5,))
    with pytest.raises(ModelError, match="its input is"):
        reference_of(keras.Model(vector, keras.layers.Dense(3)(vector)), "m")
    image = keras.Input((8, 8, 3))
    with pytest.raises(ModelError, match="its output is"):
        reference_of(keras.Model(image, keras.layers.Conv2D(2, 1)(image)), "m")
    with pytest.raises(ModelError, match="2 inputs and 1 outputs"):
        reference_of(keras.Model([image, vector], keras.layers.Dense(2)(vector)), "m")
