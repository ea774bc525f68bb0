"""A search with the real tools: made, measured, chosen, written, told, and gone on with."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter
from edgebench import api
from edgebench.devices.local import LocalDevice
from edgebench.errors import UsageError
from edgebench.images.cache import cached_images
from edgebench.images.dataset import open_dataset
from edgebench.images.geometry import Geometry, ResizeMode
from edgebench.images.normalization import parse_normalization
from edgebench.images.splits import Part, make_split, split_text
from edgebench.model_file import read_model_file
from edgebench.progress import Progress
from edgebench.records import Settings, Status
from edgebench.spec import DataSpec
from edgebench_training import cli
from edgebench_training.card import preprocessing_entry, split_entry, write_card
from edgebench_training.convert import Variant, convert
from edgebench_training.data import Subset, balanced_rows, subsets
from edgebench_training.pipeline import ExportRequest, export_model, prepare_export
from edgebench_training.search.candidates import Candidate, Ranges, Ranking, candidates
from edgebench_training.search.journal import Journal
from edgebench_training.search.loop import OutOfTime
from edgebench_training.search.making import ToolMaker, natural_rows
from edgebench_training.search.measuring import HarnessMeasurer
from edgebench_training.search.quantizer import quantize, tool_version
from edgebench_training.search.report import SearchReport, render_search
from edgebench_training.search.run import SearchRequest, search_model
from edgebench_training.search.selective import SelectiveQuantizer
from small_training import write_classes

QUICK = Settings(
    seed=0,
    min_runs=6,
    max_runs=60,
    min_time_ns=0,
    max_time_ns=10**9,
    warmup_time_ns=0,
    warmup_min_runs=1,
    timeout_s=60.0,
    min_blocks=3,
    max_blocks=3,
)
TRIED = ("int8-depthwise-float", "int8-first4", "int8-float1", "int8-float12", "aeq-int8-p99")
STANDARD = (Variant.FLOAT32, Variant.INT8)


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_classes(tmp_path_factory.mktemp("photos"), {"blue": 40, "green": 30, "red": 20})


@pytest.fixture(scope="module")
def trained(tf: Any, photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small network that has learnt the colours, with a card and a split: what ``edgebench train`` leaves."""
    keras = tf.keras
    keras.utils.set_random_seed(1)
    image = keras.Input((16, 16, 3))
    hidden = keras.layers.Conv2D(8, 3, strides=2, activation="relu")(image)
    hidden = keras.layers.DepthwiseConv2D(3, activation="relu")(hidden)
    pooled = keras.layers.GlobalAveragePooling2D()(hidden)
    model = keras.Model(image, keras.layers.Dense(3, activation="softmax")(pooled))
    geometry, normalization = Geometry(16, 16, 3, ResizeMode.STRETCH), parse_normalization("-1..1")
    dataset = open_dataset(f"folder:{photos}")
    images = cached_images(dataset, geometry)
    split = make_split(images.items)
    learnt = subsets(images, dataset.classes, split)[Part.TRAIN]
    model.compile(keras.optimizers.Adam(0.02), "sparse_categorical_crossentropy")
    model.fit(normalization.apply(np.asarray(images.pixels[learnt.rows])), learnt.labels, epochs=15, verbose=0)
    folder = tmp_path_factory.mktemp("models") / "colours"
    card = {
        "format": 1,
        "name": "colours",
        "split": split_entry(split, (0.7, 0.15, 0.15), 0),
        "preprocessing": preprocessing_entry(geometry, normalization),
        "labels": list(dataset.classes),
        "recipe": {"arch": "small"},
        "known_limits": ["For measuring and research; not a medical device"],
    }
    write_card(folder, card, {"split.csv": split_text(split)})
    model.save(str(folder / "model.keras"))
    return folder


def request(trained: Path, photos: Path, out: Path, **changes: Any) -> SearchRequest:
    only: Callable[[Candidate], bool] = lambda candidate: candidate.name in TRIED  # noqa: E731
    export = ExportRequest(trained / "model.keras", out, STANDARD, source=f"folder:{photos}", calibration_images=12)
    return replace(SearchRequest(export, timed=QUICK, timed_together=QUICK, only=only), **changes)


@pytest.fixture(scope="module")
def searched(trained: Path, photos: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, SearchReport]:
    out = tmp_path_factory.mktemp("searched") / "best"
    report, new = search_model(request(trained, photos, out))
    assert new == len(STANDARD) + len(TRIED)
    return out, report


def test_every_candidate_has_figures_or_a_reason(searched: tuple[Path, SearchReport]) -> None:
    out, report = searched
    found = report.by_name()
    assert set(found) == {*(variant.value for variant in STANDARD), *TRIED}
    assert found["int8-float12"].problem is not None
    assert found["int8-float12"].problem.startswith("not made: the model has 5 such layers only")
    for name in ("float32", "int8", "int8-float1"):
        result = found[name]
        assert result.problem is None
        assert result.accuracy is not None
        assert result.accuracy.images == 13, "the validation part"
        assert result.size_bytes == (out / ".search" / f"{name}.tflite").stat().st_size
        assert result.measured is not None
        assert (result.measured.comparison is None) == (name == "float32")


def test_a_layer_in_float_is_in_float(searched: tuple[Path, SearchReport]) -> None:
    out, report = searched
    result = report.by_name()["int8-float1"]
    assert len(result.layers) == 1
    depthwise = report.by_name()["int8-depthwise-float"].layers
    assert len(depthwise) == 1
    assert "depthwise" in depthwise[0]
    first = report.by_name()["int8-first4"].layers
    assert len(first) == 4
    assert depthwise[0] == first[1]
    assert read_model_file(out / ".search" / "int8-float1.tflite").scheme == "int8+float32"
    assert read_model_file(out / ".search" / "int8.tflite").scheme == "int8"


@pytest.mark.skipif(tool_version("ai-edge-quantizer") is not None, reason="ai-edge-quantizer is installed here")
def test_without_the_second_tool_its_candidates_say_how_to_install_it(searched: tuple[Path, SearchReport]) -> None:
    problem = searched[1].by_name()["aeq-int8-p99"].problem
    assert problem is not None
    assert problem.endswith('install it with: pip install "edgebench[search]"')


@pytest.mark.skipif(
    tool_version("ai-edge-quantizer") is None, reason='no ai-edge-quantizer: pip install "edgebench[search]"'
)
def test_the_second_tool_makes_what_its_recipes_say(searched: tuple[Path, SearchReport]) -> None:
    out, _ = searched
    assert read_model_file(out / ".search" / "aeq-int8-p99.tflite").scheme == "int8"


@pytest.mark.skipif(
    tool_version("ai-edge-quantizer") is None, reason='no ai-edge-quantizer: pip install "edgebench[search]"'
)
def test_the_ways_to_find_ranges_differ_as_they_say(trained: Path, photos: Path, tmp_path: Path) -> None:
    """One image is ten times as bright: min-max takes it, the percentile and the moving average hardly do."""
    prepared = prepare_export(request(trained, photos, tmp_path).export, Progress())
    images = np.full((150, 16, 16, 3), 0.5, np.float32)
    images[0], images[75] = 0.0, 5.0
    model = convert(prepared.plan.reference, Variant.FLOAT32)
    spans = {}
    for ranges in Ranges:
        path = tmp_path / f"{ranges.name}.tflite"
        path.write_bytes(quantize(model, "static_wi8_ai8", ranges, images))
        (tensor,) = Interpreter(model_path=str(path)).get_input_details()
        spans[ranges] = 255 * tensor["quantization"][0]
    assert spans[Ranges.MIN_MAX] == pytest.approx(5.0, rel=0.01)
    assert spans[Ranges.PERCENTILE] < 1.0
    assert spans[Ranges.MOVING] < 1.0


def test_the_folder_is_a_model_with_recipes_in_its_card(
    searched: tuple[Path, SearchReport], trained: Path, photos: Path
) -> None:
    out, report = searched
    card = json.loads((out / "card.json").read_text())
    entries = {entry["name"]: entry for entry in card["variants"]}
    assert set(entries) == {*(variant.value for variant in STANDARD), *report.chosen}
    assert card["recipe"] == {"arch": "small"}
    assert {path.stem for path in out.glob("*.tflite")} == set(entries)
    for name in report.chosen:
        assert entries[name]["recipe"]["tool"] in ("TFLiteConverter", "ai-edge-quantizer")
        assert entries[name]["validation"]["images"] == 13
    assert str(photos) not in (out / "card.json").read_text() + (out / "search.json").read_text()
    record = api.run(out, data=f"folder:{photos}", settings=QUICK).record
    assert all(case.status is Status.OK for case in record.cases)
    assert {case.variant for case in record.cases} == set(entries)


def test_the_test_images_judge_what_validation_chose(searched: tuple[Path, SearchReport]) -> None:
    _, report = searched
    assert report.look is not None
    assert report.look.number == 1
    assert report.look.note.startswith("test split of the card: ")
    assert {one.name for one in report.look.figures} == {*(variant.value for variant in STANDARD), *report.chosen}
    told = render_search(report)
    assert told.index("Chosen on validation, before any test image was looked at") < told.index("Test images")
    assert "No figures: int8-float12: not made" in told


def test_the_same_call_again_measures_nothing(
    searched: tuple[Path, SearchReport], trained: Path, photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, report = searched

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("measured again")

    monkeypatch.setattr("edgebench_training.search.measuring.run_spec", refuse)
    before = {path.name: path.read_bytes() for path in out.glob("*.tflite")}
    again, new = search_model(request(trained, photos, out))
    assert new == 0
    assert again.look == report.look
    assert again.results == report.results
    assert {path.name: path.read_bytes() for path in out.glob("*.tflite")} == before


def test_a_ranking_goes_on_with_the_layers_that_were_not_measured(
    trained: Path, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The budget ends after two layers; the next call measures the others only, and the order follows the errors."""
    prepared = prepare_export(request(trained, photos, tmp_path).export, Progress())
    assert prepared.images is not None
    assert prepared.learnt is not None
    pixels, learnt = prepared.images.pixels, prepared.learnt
    wanted = next(
        one for one in candidates(STANDARD, 3, 12) if one.name == "int8-float2" and one.ranking is Ranking.MEASURED
    )
    errors = iter([0.3, 0.1, 0.2, 0.5, 0.4])
    measured: list[float] = []

    def scores(_device: object, _model: Path, _pixels: Path, _how: object, count: int) -> np.ndarray[Any, Any]:
        measured.append(next(errors))
        images = prepared.plan.normalization.apply(np.load(_pixels))
        return prepared.plan.reference.predict(images) + np.float32(measured[-1])

    monkeypatch.setattr("edgebench_training.search.making.run_scores", scores)

    def maker(has_time: Callable[[], bool]) -> ToolMaker:
        return ToolMaker(
            prepared, pixels, learnt, 0, device=LocalDevice(), journal=Journal(tmp_path), facts={}, has_time=has_time
        )

    with pytest.raises(OutOfTime):
        maker(lambda: len(measured) < 2).prepare(wanted)
    assert len(measured) == 2
    second = maker(lambda: True)
    second.prepare(wanted)
    layers = len(measured)
    assert layers == 5, "convolution, depthwise, mean, dense and softmax"
    made = second.make(wanted)
    rows = balanced_rows(learnt, 12, 0)
    images = prepared.plan.normalization.apply(np.asarray(pixels[rows]))
    order = [layer.name for layer in SelectiveQuantizer(prepared.plan.reference, images).layers(12)]
    assert made.layers == (order[1], order[2]), "the second and third had the smallest errors"


def test_natural_images_are_as_frequent_as_their_classes() -> None:
    subset = Subset(np.arange(1000), np.repeat([0, 1], [900, 100]))
    rows = natural_rows(subset, 300, 0)
    assert len(set(rows.tolist())) == 300
    assert 0.05 < np.mean(subset.labels[rows]) < 0.15
    assert (natural_rows(subset, 300, 0) == rows).all()


def test_a_plain_export_in_place_leaves_searched_variants_alone(
    searched: tuple[Path, SearchReport], photos: Path, trained: Path
) -> None:
    out, report = searched
    (out / "model.keras").write_bytes((trained / "model.keras").read_bytes())
    export_model(ExportRequest(out / "model.keras", out, (Variant.FLOAT32,), source=f"folder:{photos}"))
    names = {entry["name"] for entry in json.loads((out / "card.json").read_text())["variants"]}
    assert names == {*(variant.value for variant in STANDARD), *report.chosen}


def test_a_stopped_measurement_stops_the_search(
    trained: Path, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run keeps Ctrl-C to itself; its half-measured candidate must not be remembered as one that does not run."""
    prepared = prepare_export(request(trained, photos, tmp_path).export, Progress())
    measurer = HarnessMeasurer(
        tmp_path,
        prepared.plan,
        DataSpec(f"folder:{photos}"),
        device=LocalDevice(),
        pixels_path=tmp_path / "check.npy",
        expected=np.zeros((1, 3)),
    )

    def stopped(*_: object, **__: object) -> Any:
        return SimpleNamespace(record=SimpleNamespace(interrupted=True))

    monkeypatch.setattr("edgebench_training.search.measuring.run_spec", stopped)
    one = next(one for one in candidates(STANDARD, 3, 12) if not one.standard)
    with pytest.raises(KeyboardInterrupt):
        measurer.measure(one, tmp_path / "one.tflite")


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ("--search", "--search: needs --data SOURCE"),
        ("--search --data folder:{photos} --metric recall[mel]", "with one of blue, green, red"),
        ("--budget 5m --data folder:{photos}", "--budget 5m: goes with --search"),
        ("--metric top1", "--metric top1: goes with --search"),
        ("--search --data folder:{photos} --budget soon", "--budget soon: not a duration"),
    ],
)
def test_wrong_flags_are_one_line(
    tf: Any, trained: Path, photos: Path, tmp_path: Path, flags: str, message: str
) -> None:
    parser = argparse.ArgumentParser()
    cli.export.configure(parser)
    given = [str(trained / "model.keras"), "--out", str(tmp_path / "o"), "--quiet"]
    options = parser.parse_args([*given, *flags.format(photos=photos).split()])
    with pytest.raises(UsageError) as caught:
        cli.export.run(options, [])
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_model_without_a_split_cannot_be_searched(trained: Path, photos: Path, tmp_path: Path) -> None:
    lonely = tmp_path / "lonely"
    lonely.mkdir()
    (lonely / "model.keras").write_bytes((trained / "model.keras").read_bytes())
    wanted = request(lonely, photos, tmp_path / "o")
    with pytest.raises(UsageError, match="has no card with a split beside it, so no validation images"):
        search_model(replace(wanted, export=replace(wanted.export, normalize="-1..1")))


def test_a_folder_with_another_model_is_not_searched_into(trained: Path, photos: Path, tmp_path: Path) -> None:
    (tmp_path / "float32.tflite").write_bytes(b"")
    (tmp_path / "search.json").write_text('{"model_sha256": "of another model"}')
    with pytest.raises(UsageError, match="holds a model already"):
        search_model(request(trained, photos, tmp_path))
