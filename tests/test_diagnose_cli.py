"""``edgebench diagnose`` end to end: real workers, every format, and everything that can go wrong."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from colours import write_folder
from edgebench.cli import main
from edgebench.devices.local import LocalDevice
from edgebench.diagnose import DEFAULT_IMAGES, DiagnoseSpec, diagnose_models
from edgebench.errors import RuntimeRefused, UsageError
from edgebench.graph import read_graph
from edgebench.layer_data import INPUT, Diagnosis, FailedDiagnosis
from edgebench.spec import DataSpec
from rewritten import renamed, rescaled

MODELS = Path(__file__).resolve().parent / "fixtures" / "models"
FLOAT32, INT8 = (f"net/{name}={MODELS / name}.tflite" for name in ("float32", "int8"))


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> str:
    return f"folder:{write_folder(tmp_path_factory.mktemp('photos'), per_class=3)}"


@pytest.fixture(autouse=True)
def _no_profile(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    """Profiling takes seconds and has tests of its own; those that ask for ``real_profile`` keep it."""
    if "real_profile" in request.fixturenames:
        return

    def refuse(*_: object) -> None:
        raise RuntimeRefused("profile unavailable: not in this test", "no-profile")

    monkeypatch.setattr("edgebench.diagnose.profile_variant", refuse)


def _diagnose(photos: str, *models: str, **changes: Any) -> list[Diagnosis]:
    data = DataSpec(photos, limit=14, normalize="-1..1", balanced=True)
    found = list(diagnose_models(replace(DiagnoseSpec(models, data), **changes), LocalDevice()))
    assert all(isinstance(item, Diagnosis) for item in found), found
    return [item for item in found if isinstance(item, Diagnosis)]


def _command(photos: str, *arguments: str) -> int:
    return main(["diagnose", *arguments, "--data", photos, "--normalize", "-1..1", "--limit", "14", "--quiet"])


def test_help_tells_how_many_images_by_default(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["diagnose", "--help"])
    assert f"drawn by class ({DEFAULT_IMAGES})" in capsys.readouterr().out


def test_the_table_on_the_real_thing(photos: str, capfd: pytest.CaptureFixture[str]) -> None:
    assert _command(photos, FLOAT32, INT8) == 0
    out, err = capfd.readouterr()
    assert out.startswith("Where net/int8 parts from float32\n7 layers on 14 images of folder:")
    assert "By itself int8 loses most at " in out
    assert "4 of 4 layers in int8 with a scale for each channel" in out
    assert "Share of the time unknown: profile unavailable: not in this test." in out
    assert err == ""


def test_a_layer_with_a_bad_scale_is_the_worst(photos: str, tmp_path: Path) -> None:
    bad = rescaled(MODELS / "int8.tflite", tmp_path / "bad.tflite", node=2, factor=1 / 8)
    good, spoilt = _diagnose(photos, FLOAT32, INT8, f"net/bad={bad}")
    assert good.ranked()[0].alone.db > 30  # type: ignore[operator]
    worst = spoilt.ranked()[0]
    assert (worst.node, worst.operator) == (2, "CONV_2D")
    assert worst.alone.db is not None
    assert worst.alone.db < 10
    assert worst.clip_share == pytest.approx(1, abs=0.01)
    assert worst.range_used == 1.0
    after = [layer.alone.db for layer in spoilt.layers if layer.node > 2]
    # What comes after inherits it, and does nothing wrong itself.
    assert all(value is not None and value > 30 for value in after)
    assert all(layer.total.db < 12 for layer in spoilt.layers if layer.node > 2)  # type: ignore[operator]


def test_a_scale_that_is_too_wide_is_no_clipping(photos: str, tmp_path: Path) -> None:
    wide = rescaled(MODELS / "int8.tflite", tmp_path / "wide.tflite", node=2, factor=8)
    (found,) = _diagnose(photos, FLOAT32, f"net/wide={wide}")
    worst = found.ranked()[0]
    assert worst.node == 2
    assert worst.clipped == 0
    assert worst.range_used is not None
    assert worst.range_used < 0.15


@pytest.mark.parametrize("scheme", ["int8", "int8_float_io", "uint8", "float16", "dynamic"])
def test_every_scheme_is_matched_whole(scheme: str, photos: str) -> None:
    (found,) = _diagnose(photos, FLOAT32, f"net/{scheme}={MODELS / scheme}.tflite")
    assert [layer.operator for layer in found.layers] == [
        INPUT,
        "CONV_2D",
        "DEPTHWISE_CONV_2D",
        "CONV_2D",
        "MEAN",
        "FULLY_CONNECTED",
        "SOFTMAX",
    ]
    assert found.unmatched == ()
    assert all(layer.alone.db is not None for layer in found.layers)
    assert all(layer.total.db is not None and layer.total.db > 30 for layer in found.layers)
    weights = {layer.weights.dtype for layer in found.layers if layer.weights}
    assert weights == {"float16": {"float16"}, "dynamic": {"int8", "float32"}}.get(scheme, {"int8"})
    steps = [layer.total.steps for layer in found.layers]
    assert all(step is None for step in steps) == (scheme in ("float16", "dynamic"))


def test_a_model_against_itself_is_equal(photos: str) -> None:
    (found,) = _diagnose(photos, FLOAT32, f"net/copy={MODELS / 'float32.tflite'}", against="float32")
    assert {layer.total.db for layer in found.layers} == {float("inf")}
    assert {layer.alone.db for layer in found.layers} == {float("inf")}
    assert found.answers.flipped == 0


def test_layers_without_common_names_are_matched_by_order(photos: str, tmp_path: Path) -> None:
    other = renamed(MODELS / "int8.tflite", tmp_path / "other.tflite")
    (found,) = _diagnose(photos, FLOAT32, f"net/other={other}")
    assert {layer.match.value for layer in found.layers if layer.operator != INPUT} == {"order"}


def test_answers_are_told_by_class(photos: str) -> None:
    (found,) = _diagnose(photos, FLOAT32, INT8)
    assert [(item.label, item.images) for item in found.answers.classes] == [(label, 2) for label in found.labels]
    assert len(found.labels) == 7
    assert all(len(layer.by_class) == 7 for layer in found.layers)
    assert found.answers.reference_kernel_difference < 1e-4


@pytest.fixture
def real_profile() -> None:
    """Keeps the profiler: see ``_no_profile``."""


@pytest.mark.usefixtures("real_profile")
def test_time_is_joined_to_the_layers(photos: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from edgebench import diagnose
    from edgebench.profile import profile_variant
    from edgebench.records import DelegateKind

    def on_the_cpu(spec: Any, *others: Any) -> Any:
        return profile_variant(replace(spec, delegate=DelegateKind.NONE, runs=5), *others)

    monkeypatch.setattr(diagnose, "profile_variant", on_the_cpu)  # without XNNPACK even tiny models have shares
    (found,) = _diagnose(photos, FLOAT32, INT8)
    shares = [layer.time_share for layer in found.layers if layer.operator != INPUT]
    assert sum(share or 0 for share in shares) == pytest.approx(1)
    assert "time_share" not in found.unavailable
    assert all(layer.time_low <= layer.time_share <= layer.time_high for layer in found.layers if layer.time_share)  # type: ignore[operator]


def test_csv_has_a_line_per_layer_and_a_column_per_class(photos: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert _command(photos, FLOAT32, INT8, f"net/half={MODELS / 'float16.tflite'}", "--format", "csv") == 0
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert len(rows) == 14
    assert {row["variant"] for row in rows} == {"int8", "half"}
    assert float(rows[1]["sqnr_db"]) > 30
    assert float(rows[1]["class_db:red"]) > 30


def test_json_has_no_infinity(photos: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert _command(photos, FLOAT32, f"net/dynamic={MODELS / 'dynamic.tflite'}", "--format", "json") == 0
    (found,) = json.loads(capsys.readouterr().out)["diagnoses"]
    assert found["layers"][0]["total"]["db"] == "equal"
    assert found["conclusions"]


def test_files_for_each_variant(photos: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    both = (FLOAT32, INT8, f"net/half={MODELS / 'float16.tflite'}")
    assert _command(photos, *both, "--format", "html", "--out", str(tmp_path / "pages")) == 0
    pages = [Path(line) for line in capsys.readouterr().out.splitlines()]
    assert [page.name for page in pages] == ["net-int8.html", "net-half.html"]
    assert "Where net/int8 parts from float32" in pages[0].read_text(encoding="utf-8")


def test_the_overlays_keys_are_output_tensors_of_the_file(photos: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert _command(photos, FLOAT32, INT8, "--format", "model-explorer") == 0
    (graph,) = read_graph(MODELS / "int8.tflite") or ()
    overlay = json.loads(capsys.readouterr().out)
    assert set(overlay) == {graph.name}
    assert {node.output_names[0] for node in graph.nodes} <= set(overlay[graph.name]["results"])


def test_a_variant_that_cannot_be_diagnosed_does_not_stop_the_others(
    photos: str, capsys: pytest.CaptureFixture[str]
) -> None:
    others = (f"net/{name}={MODELS / name}.tflite" for name in ("loop", "two_inputs", "gray", "string_input"))
    assert _command(photos, FLOAT32, INT8, *others, "/no/model.tflite", "--against", "float32") == 3
    out, err = capsys.readouterr()
    assert "Where net/int8 parts from float32" in out
    lines = err.splitlines()
    assert len(lines) == 5
    assert "/no/model.tflite: no such file" in lines[0]
    assert "net/loop: " in lines[1]
    assert "has 3 subgraphs (control flow or several signatures); only models of one graph" in lines[1]
    assert all("net/" in line and "no layer is known to be one of net/float32's" in line for line in lines[2:])


def test_a_model_that_takes_no_image(photos: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    models = (f"a={MODELS / 'two_inputs.tflite'}", f"b={renamed(MODELS / 'two_inputs.tflite', tmp_path / 'b.tflite')}")
    assert _command(photos, *models, "--against", "a/float32") == 3
    assert "b/float32: the model takes 2 inputs, not one image" in capsys.readouterr().err


def test_scores_that_are_no_numbers(photos: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    models = (f"a={MODELS / 'nan.tflite'}", f"b={renamed(MODELS / 'nan.tflite', tmp_path / 'b.tflite')}")
    assert _command(photos, *models, "--against", "a/float32") == 3
    assert "b/float32: 14 of 14 images got scores that are not finite" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((FLOAT32,), "only one variant (net/float32): nothing to compare it with"),
        ((INT8,), "no float32 model among net/int8"),
        ((FLOAT32, FLOAT32.replace("net", "other"), INT8), "several float models: net/float32, other/float32"),
        ((FLOAT32, INT8, "--variant", "int9"), "--variant int9: no such variant (there are: net/float32, net/int8)"),
        ((FLOAT32, INT8, "--against", "int8"), "--against int8: is int8, not a float model"),
        ((FLOAT32, INT8, "--against", "x"), "--against x: no such variant"),
        ((FLOAT32, INT8, "--top", "0"), "--top 0: must be at least 1"),
        ((FLOAT32, INT8, "--limit", "0"), "--limit 0: must be at least 1"),
        ((FLOAT32, INT8, "--timeout", "0s"), "--timeout 0s: must be above 0"),
        ((FLOAT32, INT8, "--python", "/no/python"), "--python /no/python: no such program"),
        ((FLOAT32, INT8, INT8.replace("int8=", "b="), "--format", "html"), "one file is about one variant"),
        ((FLOAT32, INT8, "--out", f"{MODELS / 'int8.tflite'}/x"), "cannot be made a folder"),
        (("/no/model.tflite",), "/no/model.tflite: no such file"),
        ((FLOAT32, INT8, "--data", "folder:/nowhere"), "folder /nowhere does not exist"),
    ],
)
def test_usage_errors(arguments: tuple[str, ...], words: str, photos: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["diagnose", "--data", photos, "--normalize", "-1..1", *arguments]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert words in err
    assert err.count("\n") == 1


def test_images_are_needed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["diagnose", FLOAT32, INT8]) == 2
    assert "diagnose needs images: --data folder:DIR" in capsys.readouterr().err


def test_models_that_would_see_different_images_are_refused(photos: str) -> None:
    spec = DiagnoseSpec((str(MODELS / "int8.tflite"), str(MODELS / "float32.tflite")), DataSpec(photos, limit=7))
    with pytest.raises(UsageError, match="nothing says how the float32 input is normalised"):
        list(diagnose_models(spec, LocalDevice()))


def test_an_old_runtime_serves_where_no_layer_overwrites_another(photos: str, tflite_python: str) -> None:
    (found,) = _diagnose(photos, FLOAT32, INT8, python=tflite_python)
    assert found.runtime.package == "tflite-runtime"
    assert all(layer.total.db is not None and layer.total.db > 30 for layer in found.layers)


def test_an_old_runtime_that_adds_in_place_is_refused(tflite_python: str) -> None:
    sample = Path(__file__).resolve().parent.parent / "models" / "sample"
    spec = DiagnoseSpec((str(sample),), DataSpec("phantom", limit=7), variants=("int8",), python=tflite_python)
    (found,) = diagnose_models(spec, LocalDevice())
    assert isinstance(found, FailedDiagnosis)
    assert found.failure.code == "tensors-overwritten"
    assert "lets one layer overwrite another's output" in found.failure.message


PAIRS = {
    "vww": ("mlperf_vww_96_float", "mlperf_vww_96_int8", "0..1", 2, 31),
    "resnet": ("mlperf_pretrainedResnet", "mlperf_pretrainedResnet_quant", "0..255", 10, 16),
    "mnist-f16": ("mnist4_model_base", "mnist4_model_float16", "0..1", 10, 8),
    "mnist-dynamic": ("mnist4_model_base", "mnist4_model", "0..1", 10, 8),
    "mnist-int8": ("mnist4_model_base", "mnist4_model_int8", "0..1", 10, 8),
}


@pytest.mark.parametrize("name", PAIRS)
def test_pairs_made_by_others_are_matched_whole(name: str, shared_data: Path, photos: str, tmp_path: Path) -> None:
    reference, variant, normalize, classes, layers = PAIRS[name]
    folder = Path(photos.removeprefix("folder:"))
    labels = [place.name for place in sorted(folder.iterdir())][: min(classes, 7)]
    for label in labels:
        (tmp_path / "few" / label).mkdir(parents=True)
        for image in (folder / label).iterdir():
            (tmp_path / "few" / label / image.name).write_bytes(image.read_bytes())
    (tmp_path / "labels.txt").write_text("\n".join([*labels, *(f"x{i}" for i in range(classes - len(labels)))]))
    models = [f"net/{part}={shared_data / 'models' / part}.tflite" for part in (reference, variant)]
    data = DataSpec(f"folder:{tmp_path / 'few'}", limit=6, normalize=normalize, labels=tmp_path / "labels.txt")
    (found,) = diagnose_models(DiagnoseSpec(tuple(models), data), LocalDevice())
    assert isinstance(found, Diagnosis)
    assert len(found.layers) == layers + 1
    assert found.unmatched == ()
    assert all(layer.alone.db is not None for layer in found.layers)
    assert all(layer.total.db is not None and layer.total.db > 5 for layer in found.layers)
