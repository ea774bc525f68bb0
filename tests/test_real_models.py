"""Models made by others, and inputs that break tools: what each one must come to."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import edgebench
import numpy as np
import pandas as pd
import pytest
from edgebench.records import CaseResult, RunRecord, Status
from edgebench.report.terminal import render_table
from edgebench.store import StoredRun
from harness import SHORT, command
from PIL import Image
from sklearn.metrics import balanced_accuracy_score, confusion_matrix, f1_score, recall_score

NUMBERS = (
    "add_unknown_dimensions",
    "int64",
    "mixed_input_model",
    "multi_add",
    "multi_signature_model",
    "simple_add_dynamic_shape",
    "split_concat",
    "string",
)
#: What the interpreter says of each other file: code and key words.
REASONS = {
    "0_subgraphs": ("model", "has no subgraph"),
    "invalid_model": ("model", "is not a TFLite flatbuffer"),
    "test_model_broken": ("model", "is not a TFLite flatbuffer"),
    "transpose": ("model", "has TFLite schema version 2, runtimes read version 3"),
    "custom_sinh": ("custom-operator", "custom operator Sinh"),
    "mobilenet_v1_0.25_128_quant_edgetpu": ("custom-operator", "compiled for an Edge TPU"),
    "double_flex": ("flex-operator", "TensorFlow (flex) operators"),
    "multi_add_flex": ("flex-operator", "TensorFlow (flex) operators"),
    "softplus_flex": ("flex-operator", "TensorFlow (flex) operators"),
    "while_op_with_forwarding_input": ("output-unreadable", "the graph leaves it inconsistent"),
}


def figures(case: CaseResult) -> tuple[bool, bool]:
    return case.latency is not None and case.latency.min_ns > 0, bool(case.memory and case.memory.peak_rss_bytes)


@pytest.mark.parametrize("engine", ["interpreter", "compiled"])
def test_every_model_has_latency_and_memory(shared_data: Path, engine: str) -> None:
    record = edgebench.run(shared_data / "models", engine=engine, settings=SHORT).record
    assert {case.variant: figures(case) for case in record.cases} == {
        path.stem: (True, True) for path in (shared_data / "models").glob("*.tflite")
    }
    assert {case.variant: case.failure for case in record.cases if case.failure} == {}
    assert record.rejected == ()


@pytest.fixture(scope="module")
def odd(shared_data: Path) -> RunRecord:
    return edgebench.run(*sorted((shared_data / "odd").glob("*.tflite")), settings=SHORT).record


def test_every_odd_file_is_accounted_for(odd: RunRecord, shared_data: Path) -> None:
    seen = [case.model for case in odd.cases] + [Path(item.path).stem for item in odd.rejected]
    assert sorted(seen) == sorted(path.stem for path in (shared_data / "odd").glob("*.tflite"))
    assert sorted(seen) == sorted((*NUMBERS, *REASONS))


@pytest.mark.parametrize("name", NUMBERS)
def test_an_unusual_model_yields_numbers(odd: RunRecord, name: str) -> None:
    case = next(case for case in odd.cases if case.model == name)
    assert case.failure is None
    assert figures(case) == (True, True)


@pytest.mark.parametrize("name", REASONS)
def test_a_file_that_cannot_run_ends_in_one_true_line(odd: RunRecord, name: str) -> None:
    failures = {case.model: case.failure for case in odd.cases if case.failure}
    failures.update({Path(item.path).stem: item.failure for item in odd.rejected})
    failure = failures[name]
    code, words = REASONS[name]
    assert failure.code == code
    assert words in failure.message
    assert "\n" not in failure.message
    # A table may break a long line; the words must all be there.
    assert words in " ".join(render_table(odd).split())


def test_odd_files_beside_each_other_are_exit_code_3_and_alone_2_or_3(shared_data: Path, tmp_path: Path) -> None:
    folder = shared_data / "odd"
    rejected = command("run", folder / "0_subgraphs.tflite", "--out", tmp_path)
    assert rejected.returncode == 2
    assert rejected.stderr == f"edgebench: error: {folder / '0_subgraphs.tflite'}: has no subgraph\n"
    refused = command(
        "run", folder / "softplus_flex.tflite", folder / "invalid_model.tflite", "--out", tmp_path, "--json"
    )
    assert refused.returncode == 3
    assert [case["failure"]["code"] for case in json.loads(refused.stdout)["cases"]] == ["flex-operator"]


def test_every_signature_of_a_model_can_be_measured(shared_data: Path) -> None:
    path = shared_data / "odd" / "multi_signature_model.tflite"
    for name in ("add", "mul", "sub"):
        (case,) = edgebench.run(path, signature=name, settings=SHORT).record.cases
        assert case.failure is None
        assert case.case_id.startswith(f"multi_signature_model/float32:{name}@")
    (case,) = edgebench.run(path, signature="bogus", settings=SHORT).record.cases
    assert case.failure is not None
    assert case.failure.code == "no-signature"
    assert "(it has: add, mul, sub)" in case.failure.message


LABELS = ("akiec", "bcc", "bkl", "df", "mel", "nv", "vasc")


@pytest.fixture(scope="module")
def lesions(shared_data: Path) -> StoredRun:
    """The weak public classifier on about 70 of the larger images."""
    return edgebench.run(
        shared_data / "models" / "ham7_mobilenetv2_224_dynrange.tflite",
        data=f"ham10000:{shared_data / 'ham10000-600x450'}",
        metadata=shared_data / "ham10000" / "HAM10000_metadata.csv",
        limit=70,
        normalize="-1..1",
        settings=SHORT,
    )


def test_the_lesion_classifier_equals_an_independent_script(lesions: StoredRun, shared_data: Path) -> None:
    from ai_edge_litert.interpreter import Interpreter

    assert lesions.predictions is not None
    interpreter = Interpreter(str(shared_data / "models" / "ham7_mobilenetv2_224_dynrange.tflite"), num_threads=1)
    interpreter.allocate_tensors()
    source, target = interpreter.get_input_details()[0]["index"], interpreter.get_output_details()[0]["index"]
    rows: list[Any] = []
    for image_id in lesions.predictions["image_id"]:
        picture = Image.open(shared_data / "ham10000-600x450" / f"{image_id}.jpg").convert("RGB")
        pixels = np.asarray(picture.resize((224, 224), Image.Resampling.BILINEAR), np.float32)
        interpreter.set_tensor(source, (pixels / np.float32(127.5) - np.float32(1))[None])
        interpreter.invoke()
        rows.append(interpreter.get_tensor(target)[0].copy())
    scores = np.array(rows)
    table = pd.read_csv(shared_data / "ham10000" / "HAM10000_metadata.csv").set_index("image_id")
    truth = table["dx"].loc[lesions.predictions["image_id"]].to_numpy()
    answers = np.array(LABELS)[scores.argmax(axis=1)]

    np.testing.assert_array_equal(lesions.predictions[[f"score:{label}" for label in LABELS]].to_numpy(), scores)
    assert lesions.predictions["label"].tolist() == truth.tolist()
    lesion_ids = table["lesion_id"].loc[lesions.predictions["image_id"]].tolist()
    assert lesions.predictions["lesion_id"].tolist() == lesion_ids
    accuracy = lesions.record.cases[0].accuracy
    assert accuracy is not None
    assert (accuracy.images, accuracy.top1) == (len(truth), np.mean(answers == truth))
    assert accuracy.balanced_accuracy == balanced_accuracy_score(truth, answers)
    assert accuracy.macro_f1 == pytest.approx(f1_score(truth, answers, labels=LABELS, average="macro"), rel=1e-12)
    assert [item.recall for item in accuracy.classes] == list(recall_score(truth, answers, labels=LABELS, average=None))
    assert accuracy.confusion == tuple(map(tuple, confusion_matrix(truth, answers, labels=LABELS)))


def test_the_lesion_images_are_drawn_by_class_and_described(lesions: StoredRun) -> None:
    data = lesions.record.data
    assert data is not None
    assert (data.images, set(data.class_counts)) == (70, set(LABELS))
    assert min(data.class_counts.values()) >= 5
    assert data.lesions is not None
    assert any("metadata rows have no image here" in note for note in data.notes)
    assert lesions.record.cases[0].status is Status.OK


#: Pairs and families that nobody here trained: files, how pixels are normalised, least agreement that was seen.
FAMILIES = {
    "vww": (("mlperf_vww_96_float", "mlperf_vww_96_int8"), "0..1", 0.9),
    "resnet": (("mlperf_pretrainedResnet", "mlperf_pretrainedResnet_quant"), "0..255", 0.8),
    "mnist": (("mnist4_model_base", "mnist4_model_float16", "mnist4_model", "mnist4_model_int8"), "0..1", 0.9),
}


@pytest.mark.parametrize("family", list(FAMILIES))
def test_pairs_made_by_others_agree_on_images_without_labels(shared_data: Path, family: str) -> None:
    stems, normalize, least = FAMILIES[family]
    run = edgebench.run(
        *(f"{family}/{stem}={shared_data / 'models' / stem}.tflite" for stem in stems),
        data=f"images:{shared_data / 'ham10000-600x450'}",
        limit=60,
        normalize=normalize,
        grayscale="convert",
        baseline=stems[0],
        settings=SHORT,
    )
    assert run.predictions is not None
    names = [name for name in run.predictions.columns if name.startswith("score:")]
    answers = {
        str(case_id): dict(zip(rows.image_id, rows[names].to_numpy().argmax(axis=1), strict=True))
        for case_id, rows in run.predictions.groupby("case", observed=True)
    }
    base, *others = run.record.cases
    for case in others:
        found = case.accuracy_comparison
        assert found is not None
        assert found.agreement is not None
        alike = [answers[case.case_id][image] == answer for image, answer in answers[base.case_id].items()]
        assert found.agreement.images == 60
        assert found.agreement.top1 == pytest.approx(np.mean(alike))
        assert found.agreement.top1 >= least
        assert found.classes == ()
        assert set(found.unavailable) == {"top1", "balanced_accuracy", "classes"}
