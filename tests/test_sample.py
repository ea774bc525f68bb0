"""The sample in ``models/sample``: what its card says, and that standard tools understand it."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import edgebench
import numpy as np
import pytest
from edgebench.card import read_card
from edgebench.images.dataset import open_dataset
from edgebench.images.generated import parse_phantom
from edgebench.images.phantom import render_phantom
from edgebench.images.splits import Part, read_split
from edgebench.tflite_metadata import read_metadata
from harness import SHORT

SAMPLE = Path(__file__).resolve().parent.parent / "models" / "sample"
CARD: dict[str, Any] = json.loads((SAMPLE / "card.json").read_text(encoding="utf-8"))
VARIANTS = ("float16", "float32", "int8")


def test_the_files_are_those_of_the_card_and_small() -> None:
    files = {path.stem: path for path in SAMPLE.glob("*.tflite")}
    assert sorted(files) == sorted(VARIANTS)
    for entry in CARD["variants"]:
        content = files[entry["name"]].read_bytes()
        assert (entry["sha256"], entry["size_bytes"]) == (hashlib.sha256(content).hexdigest(), len(content))
    assert sum(path.stat().st_size for path in SAMPLE.iterdir()) < 4_000_000


def test_nothing_in_it_comes_from_a_download() -> None:
    assert CARD["generated"] is True
    assert CARD["data"]["kind"] == "phantom"
    assert CARD["recipe"]["weights"] == "none"


@pytest.mark.parametrize("variant", VARIANTS)
def test_labels_and_normalisation_are_embedded(variant: str) -> None:
    card, found = read_card(SAMPLE), read_metadata(SAMPLE / f"{variant}.tflite")
    assert card is not None
    assert found is not None
    assert found.labels == card.labels == tuple(CARD["labels"])
    assert (found.mean, found.std) == ((127.5,), (127.5,))


def test_the_split_covers_its_data_and_keeps_lesions_together() -> None:
    split = read_split(SAMPLE / "split.csv")
    dataset = open_dataset(CARD["data"]["source"])
    assert {entry.image_id for entry in split.rows} == {item.image_id for item in dataset.items}
    parts: dict[str, set[Part]] = {}
    for entry in split.rows:
        parts.setdefault(entry.lesion_id, set()).add(entry.part)
    assert {len(found) for found in parts.values()} == {1}


def test_it_is_evaluated_on_unseen_generated_lesions() -> None:
    run = edgebench.run(SAMPLE, data=CARD["data"]["source"], limit=70, settings=SHORT)
    assert run.record.data is not None
    assert run.record.data.generated
    assert any("none of them among the" in note for note in run.record.data.notes)
    for case in run.record.cases:
        assert case.accuracy is not None
        assert case.accuracy.top1 > 0.6


@pytest.mark.parametrize("variant", ["float32", "float16"])
def test_mediapipe_reads_it_and_gives_the_same_scores(variant: str) -> None:
    mediapipe = pytest.importorskip("mediapipe", reason="mediapipe is not installed")
    tasks = pytest.importorskip("mediapipe.tasks.python", reason="this mediapipe has no tasks")
    from ai_edge_litert.interpreter import Interpreter

    model = SAMPLE / f"{variant}.tflite"
    interpreter = Interpreter(str(model))
    interpreter.allocate_tensors()
    source, target = interpreter.get_input_details()[0]["index"], interpreter.get_output_details()[0]["index"]
    spec = parse_phantom("count=5,size=96,seed=9")
    options = tasks.vision.ImageClassifierOptions(base_options=tasks.BaseOptions(model_asset_path=str(model)))
    with tasks.vision.ImageClassifier.create_from_options(options) as classifier:
        for row in range(5):
            pixels = np.ascontiguousarray(render_phantom(spec, row))
            interpreter.set_tensor(source, (pixels[None].astype(np.float32) / np.float32(127.5) - 1).astype(np.float32))
            interpreter.invoke()
            image = mediapipe.Image(image_format=mediapipe.ImageFormat.SRGB, data=pixels)
            categories = classifier.classify(image).classifications[0].categories
            found = {category.category_name: category.score for category in categories}
            expected = interpreter.get_tensor(target)[0]
            assert [found[label] for label in CARD["labels"]] == pytest.approx(list(expected), abs=1e-4)
