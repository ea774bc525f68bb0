from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import edgebench
import numpy as np
import pandas as pd
import pytest
from colours import COLOURS, write_folder
from edgebench.api import run_spec
from edgebench.devices.fake import FakeDevice, FakeModel
from edgebench.errors import DataError, ModelError, RuntimeRefused, StoreError, UsageError
from edgebench.findings import Code
from edgebench.progress import Progress
from edgebench.records import Coverage, Delegate, DelegateKind, Engine, Status, Wait
from edgebench.spec import DataSpec, Spec, WaitSpec
from edgebench.store import StoredRun, to_json
from fake_runs import Recording
from harness import MODELS, SHORT, copies, model
from PIL import Image
from sklearn.metrics import balanced_accuracy_score, confusion_matrix, precision_recall_fscore_support

LABELS = list(COLOURS)
NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=timezone.utc)
#: Two runs each: the tests that need the model's scores, not its speed.
SCORES_ONLY = replace(SHORT, min_runs=2, max_runs=2)


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_folder(tmp_path_factory.mktemp("images"), per_class=4)


@pytest.fixture(scope="module")
def judged(images: Path, tmp_path_factory: pytest.TempPathFactory) -> StoredRun:
    """All variants of the classifier with images, stored."""
    return edgebench.run(
        *(model(name) for name in ("float32", "float16", "dynamic", "int8", "uint8", "int8_float_io")),
        data=f"folder:{images}",
        normalize="-1..1",
        settings=SCORES_ONLY,
        out=tmp_path_factory.mktemp("results"),
    )


def independent_scores(path: str, images: Path, ids: list[str]) -> np.ndarray[Any, Any]:
    """The plain loop that anybody would write: one image at a time through the runtime's own Interpreter."""
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(path, num_threads=1)
    interpreter.allocate_tensors()
    source, target = interpreter.get_input_details()[0], interpreter.get_output_details()[0]
    rows = []
    for image_id in ids:
        picture = Image.open(images / f"{image_id}.png").convert("RGB").resize((32, 32), Image.Resampling.BILINEAR)
        pixels = np.asarray(picture, np.float32)
        if source["dtype"] == np.float32:
            values = pixels / np.float32(127.5) - np.float32(1)
        else:
            scale, zero = source["quantization"]
            info = np.iinfo(source["dtype"])
            exact = (pixels.astype(np.float64) - 127.5) / 127.5 / np.float64(np.float32(scale))
            values = np.clip(np.rint(exact) + zero, info.min, info.max).astype(source["dtype"])
        interpreter.set_tensor(source["index"], values[None])
        interpreter.invoke()
        output = interpreter.get_tensor(target["index"])[0]
        scale, zero = target["quantization"]
        if output.dtype != np.float32:
            output = (output.astype(np.int32) - zero) * np.float32(scale)
        rows.append(output)
    return np.array(rows, np.float32)


def scores_of(run: StoredRun, name: str) -> tuple[list[str], np.ndarray[Any, Any]]:
    case = next(case for case in run.record.cases if case.model == name)
    assert run.predictions is not None
    rows = run.predictions[run.predictions["case"] == case.case_id]
    return rows["image_id"].tolist(), rows[[f"score:{label}" for label in LABELS]].to_numpy()


@pytest.mark.parametrize("name", ["float32", "float16", "dynamic", "int8", "uint8", "int8_float_io"])
def test_scores_equal_an_independent_loop_image_by_image(judged: StoredRun, images: Path, name: str) -> None:
    ids, scores = scores_of(judged, name)
    assert len(ids) == 28
    assert scores.dtype == np.float32
    np.testing.assert_array_equal(scores, independent_scores(model(name), images, ids))


def test_figures_equal_scikit_learns_on_those_scores(judged: StoredRun) -> None:
    for case in judged.record.cases:
        ids, scores = scores_of(judged, case.model)
        truth = [LABELS.index(image_id.split("/")[0]) for image_id in ids]
        answers = scores.argmax(axis=1)
        accuracy = case.accuracy
        assert accuracy is not None
        assert accuracy.labels == tuple(LABELS)
        assert accuracy.top1 == np.mean(answers == truth)
        assert accuracy.balanced_accuracy == balanced_accuracy_score(truth, answers)
        assert accuracy.confusion == tuple(map(tuple, confusion_matrix(truth, answers, labels=range(7))))
        _, recall, _, _ = precision_recall_fscore_support(truth, answers, labels=range(7), zero_division=np.nan)
        assert [item.recall for item in accuracy.classes] == list(recall)
        assert accuracy.top1 > 0.5  # it was trained on these colours: labels and order are right


def test_the_stored_run_loads_as_it_was_returned(judged: StoredRun) -> None:
    assert judged.folder is not None
    back = edgebench.load(judged.folder)
    assert back.record == judged.record
    pd.testing.assert_frame_equal(back.samples, judged.samples)
    assert judged.predictions is not None
    assert back.predictions is not None
    pd.testing.assert_frame_equal(back.predictions, judged.predictions)
    assert json.loads((judged.folder / "run.json").read_text()) == json.loads(to_json(judged.record))
    assert (judged.folder / "report.html").read_text(encoding="utf-8").startswith("<!")


def test_samples_and_summary_agree(judged: StoredRun) -> None:
    for case in judged.record.cases:
        rows = judged.samples[judged.samples["case"] == case.case_id]
        steady = rows[~rows["warmup"]]["latency_ns"]
        assert case.latency is not None
        assert (case.latency.count, case.latency.min_ns) == (len(steady), steady.min())
        assert case.latency.warmup_count == rows["warmup"].sum()
        assert len(steady) == 2


def test_the_record_says_what_really_ran(judged: StoredRun) -> None:
    assert [case.status for case in judged.record.cases] == [Status.OK] * 6
    for case in judged.record.cases:
        assert case.runtime is not None
        assert case.runtime.package == "ai-edge-litert"
        assert case.delegation is not None
        assert case.delegation.coverage in (Coverage.FULL, Coverage.PARTIAL)
        assert case.memory is not None
        assert case.memory.peak_rss_bytes is not None
        assert case.memory.peak_rss_bytes > 10**7
        assert case.file.size_bytes == Path(case.file.path).stat().st_size
    assert judged.record.data is not None
    assert judged.record.data.images == 28
    assert judged.record.environment.cpus_allowed is not None


def fake_run(tmp_path: Path, device: FakeDevice | None = None, **options: Any) -> StoredRun:
    """A run on the fake device: no process is started."""
    models = copies(tmp_path / "models", "a", "b")
    spec = Spec(models=tuple(models), settings=SHORT, **options.pop("spec", {}))
    device = device or FakeDevice({"a": FakeModel(), "b": FakeModel()})
    return run_spec(spec, device=device, now=NOW, **options)


def test_without_out_nothing_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "cwd").mkdir()
    monkeypatch.chdir(tmp_path / "cwd")
    stored = fake_run(tmp_path)
    assert stored.folder is None
    assert list((tmp_path / "cwd").iterdir()) == []
    assert stored.record.run_id == "20260102-030405-2-models"
    assert stored.record.created_utc == "2026-01-02T03:04:05+00:00"


def test_a_wrong_model_leaves_no_results_folder_behind(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="no such file"):
        edgebench.run(tmp_path / "none.tflite", out=tmp_path / "results")
    assert not (tmp_path / "results").exists()


def test_a_place_that_cannot_be_written_stops_before_measuring(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    device = FakeDevice({"a": FakeModel(), "b": FakeModel()})
    with pytest.raises(StoreError, match="cannot write results here"):
        fake_run(tmp_path, device, out=tmp_path / "file")
    assert [command for _, command in device.log] == ["hello"]  # asked for its runtime, nothing more


def test_a_data_set_that_is_not_there_stops_before_measuring(tmp_path: Path) -> None:
    device = FakeDevice({"a": FakeModel(), "b": FakeModel()})
    with pytest.raises(DataError):
        fake_run(tmp_path, device, spec={"data": DataSpec(f"folder:{tmp_path / 'none'}")}, out=tmp_path / "results")
    assert [command for _, command in device.log] == ["hello"]
    assert not (tmp_path / "results").exists()


class InterruptedAt(Progress):
    """Ctrl-C as a phase begins."""

    def __init__(self, name: str) -> None:
        self._name = name

    def phase(self, name: str, total: int) -> None:
        if name == self._name:
            raise KeyboardInterrupt


def test_an_interrupt_stores_what_was_measured(tmp_path: Path, images: Path) -> None:
    data = DataSpec(f"folder:{images}", normalize="-1..1")
    stored = fake_run(
        tmp_path, spec={"data": data}, out=tmp_path / "results", progress=InterruptedAt("classifying images")
    )
    assert stored.record.interrupted
    assert stored.folder is not None
    back = edgebench.load(stored.folder)
    assert [case.status for case in back.record.cases] == [Status.INTERRUPTED] * 2
    assert all(case.latency is not None for case in back.record.cases)
    assert len(back.samples) > 0
    assert back.predictions is None


def test_an_interrupt_before_anything_was_measured_is_stored_too(tmp_path: Path) -> None:
    stored = fake_run(tmp_path, out=tmp_path / "results", progress=InterruptedAt("checking, measuring memory"))
    assert stored.folder is not None
    assert edgebench.load(stored.folder).record.interrupted
    assert len(stored.samples) == 0


def test_more_threads_than_cores_are_said_of_their_case_alone(tmp_path: Path) -> None:
    record = fake_run(tmp_path, spec={"threads": (1, 6)}).record
    assert record.warnings == ()
    named = {case.threads for case in record.cases for finding in case.findings if finding.code is Code.MORE_THREADS}
    assert named == {6}


def test_rejected_files_are_in_the_record(tmp_path: Path) -> None:
    (tmp_path / "broken.tflite").write_bytes(b"x")
    good = copies(tmp_path, "a")[0]
    stored = run_spec(
        Spec((good, str(tmp_path / "broken.tflite")), settings=SHORT), device=FakeDevice({"a": FakeModel()})
    )
    (rejected,) = stored.record.rejected
    assert (rejected.path, rejected.failure.code) == (str(tmp_path / "broken.tflite"), "model")
    assert "no TFL3 identifier" in rejected.failure.message


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"engine": "fast"}, "engine fast: choose interpreter, compiled"),
        ({"delegate": "npu"}, "--delegate npu: choose"),
        ({"delegate": "gpu"}, "engine interpreter has no GPU delegate; use --engine compiled"),
        ({"delegate_options": ["a=b"]}, "goes with --delegate external"),
        ({"threads": 0}, "--threads 0"),
        ({"threads": []}, "no threads given"),
        ({"python": "/nowhere/python"}, "no such program"),
        ({"data": "folder:x", "resize": "zoom"}, "resize zoom: choose"),
        ({"data": "folder:x", "grayscale": "zoom"}, "grayscale zoom: choose"),
        ({"data": "folder:x", "limit": 0}, "--limit 0"),
        ({"data": "folder:x", "max_bad": 2}, "--max-bad 2"),
    ],
)
def test_wrong_arguments_are_usage_errors(arguments: dict[str, Any], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        edgebench.run(model("float32"), **arguments)


def test_no_model_is_a_usage_error() -> None:
    with pytest.raises(UsageError, match="no model given"):
        edgebench.run()


def test_lists_and_single_values_mean_the_same() -> None:
    stored = edgebench.run(
        MODELS / "int8.tflite", engine=["interpreter", "compiled"], delegate=("none", "xnnpack"), settings=SCORES_ONLY
    )
    ids = [case.case_id for case in stored.record.cases]
    assert ids == [
        f"int8/int8@local/{engine}.litert+{kind}/t1"
        for engine in ("interpreter", "compiled")
        for kind in ("none", "xnnpack")
    ]
    none = stored.record.cases[0]
    assert none.delegate.kind is DelegateKind.NONE
    assert none.delegation is not None
    assert none.delegation.coverage is Coverage.NOTHING
    assert stored.record.command == ()


def test_several_and_boolean_inputs_have_a_latency() -> None:
    for case in edgebench.run(model("two_inputs"), model("bool_input"), settings=SCORES_ONLY).record.cases:
        assert case.failure is None
        assert len(case.inputs) == 2
        assert case.latency is not None


def test_two_sizes_in_one_run_get_their_own_pixels(images: Path) -> None:
    """32x32 and 8x8 inputs, gray and channels first: each must see the images as it needs them."""
    run = edgebench.run(
        *map(model, ("float32", "gray", "channels_first", "batch4")),
        data=f"folder:{images}",
        normalize="-1..1",
        settings=SCORES_ONLY,
    )
    shapes = {
        case.model: (case.preprocessing.height, case.preprocessing.channels)
        for case in run.record.cases
        if case.preprocessing
    }
    assert shapes == {"float32": (32, 3), "gray": (8, 1), "channels_first": (8, 3), "batch4": (8, 3)}
    # The same weights over the same pixels, once in another layout and once four at a time (28 images fill 7 batches).
    np.testing.assert_allclose(scores_of(run, "channels_first")[1], scores_of(run, "batch4")[1], rtol=1e-5)
    assert run.record.data is not None
    assert run.record.data.images == 28


def test_scores_that_are_nan_fail_the_case_and_keep_its_latency(images: Path) -> None:
    run = edgebench.run(model("nan"), data=f"folder:{images}", normalize="-1..1", settings=SCORES_ONLY)
    (case,) = run.record.cases
    assert case.failure is not None
    assert case.failure.code == "bad-scores"
    assert "28 of 28 images got scores that are not finite" in case.failure.message
    assert case.latency is not None
    assert run.predictions is None


def test_a_model_that_never_ends_is_killed_and_the_next_one_measured() -> None:
    run = edgebench.run(model("endless"), model("float32"), settings=replace(SCORES_ONLY, timeout_s=3.0))
    endless, fine = run.record.cases
    assert endless.failure is not None
    assert (endless.failure.code, endless.failure.message) == (
        "timeout",
        "no answer to 'first' within 3 s: the worker was killed",
    )
    assert fine.status is Status.OK


def test_two_pythons_in_one_run(tflite_python: str) -> None:
    run = edgebench.run(model("int8"), python=(sys.executable, f"old={tflite_python}"), settings=SCORES_ONLY)
    new, old = run.record.cases
    assert old.case_id == "int8/int8@local/interpreter.tflite~old+default/t1"
    assert (old.status, new.status) == (Status.OK, Status.OK)
    assert old.runtime is not None
    assert (old.runtime.name, old.runtime.version[:4], old.python_path) == ("tflite", "2.14", tflite_python)
    assert new.runtime is not None
    assert new.runtime.name == "litert"
    assert old.delegation is not None
    assert new.delegation is not None
    # Why the old one is slower: its wheel hands quantized operators to no delegate.
    assert old.delegation.coverage is Coverage.NOTHING
    assert new.delegation.coverage is Coverage.PARTIAL


def test_the_baseline_can_be_chosen_and_settings_say_how_precisely(tmp_path: Path) -> None:
    settings = replace(SCORES_ONLY, min_blocks=3, max_blocks=3, min_runs=15, max_runs=15, precision=0.9)
    names = (f"net/full={model('float32')}", f"net/eight={model('int8')}")
    run = edgebench.run(*names, baseline="eight", settings=settings, out=tmp_path)
    full, eight = run.record.cases
    assert eight.comparison is None
    assert full.comparison is not None
    assert (full.comparison.baseline, full.comparison.blocks) == (eight.case_id, 3)
    assert full.comparison.low is not None
    assert full.comparison.ratio is not None
    assert full.comparison.high is not None
    assert 0 < full.comparison.low <= full.comparison.ratio <= full.comparison.high
    steady = run.samples[~run.samples["warmup"]]
    assert steady.groupby(["case", "block"], observed=True).size().tolist() == [5] * 6
    assert run.folder is not None
    assert edgebench.load(run.folder).record == run.record
    with pytest.raises(UsageError, match=r"--baseline half: no such variant \(there are: full, eight\)"):
        edgebench.run(*names, baseline="half")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("metadata", "m.csv"), ("labels", "l.txt"), ("limit", 3), ("normalize", "-1..1"), ("resize", "crop"),
        ("grayscale", "convert"), ("max_bad", 0.5), ("split", "test"), ("operating_points", "mel:specificity=0.9"),
        ("eval_workers", 2), ("recommend", "balanced=-1pt"),
    ],
)  # fmt: skip
def test_what_is_about_images_needs_images(name: str, value: Any) -> None:
    with pytest.raises(UsageError, match=f"^{name}= is about images: it needs data=$"):
        edgebench.run(model("float32"), **{name: value})


def test_waits_by_name_and_numbers() -> None:
    run = edgebench.run(model("float32"), waits=["batches", "workers"], batches=(1, 2), workers=1, settings=SCORES_ONLY)
    (case,) = run.record.cases
    assert case.waits is not None
    assert [row.batch for row in case.waits.batches] == [1, 2]
    assert [row.workers for row in case.waits.workers] == [1]
    assert case.waits.idle_gap is None
    with pytest.raises(UsageError, match="--gap 1s: goes with --waits idle-gap"):
        edgebench.run(model("float32"), waits="batches", gap="1s")


def test_waits_of_a_case_that_failed_are_not_looked_for(tmp_path: Path) -> None:
    models = {
        "fine": FakeModel(),
        "broken": FakeModel(fails={"load": RuntimeRefused("no such operator")}),
    }
    spec = Spec(models=tuple(copies(tmp_path, *models)), waits=WaitSpec((Wait.BATCHES,)), settings=SHORT)
    run = run_spec(spec, device=FakeDevice(models))
    fine, broken = run.record.cases
    assert fine.waits is not None
    assert [row.batch for row in fine.waits.batches] == [1, 2, 4, 8]
    assert broken.waits is None


def test_a_combination_that_cannot_be_is_a_warning(tmp_path: Path) -> None:
    device = FakeDevice({"float32": FakeModel()})
    spec = Spec(
        models=(model("float32"),),
        engines=(Engine.INTERPRETER, Engine.COMPILED),
        delegates=(Delegate(DelegateKind.GPU),),
        settings=SHORT,
    )
    record = run_spec(spec, device=device).record
    assert [case.case_id for case in record.cases] == ["float32/float32@fake/compiled.litert+gpu/t1"]
    assert record.warnings == ("engine interpreter has no GPU delegate: that combination was left out",)


class Board(FakeDevice):
    """Files go there in two pieces."""

    def hear_sent(self, hear: Callable[[int, int], None]) -> None:
        self.hear = hear

    def place(self, path: Path) -> str:
        self.hear(1, 2)
        return super().place(path)


class Watching(Recording):
    def __init__(self) -> None:
        super().__init__()
        self.sent: list[tuple[int, int]] = []

    def sending(self, done_bytes: int, total_bytes: int) -> None:
        self.sent.append((done_bytes, total_bytes))


def test_the_way_to_a_device_that_is_elsewhere_is_shown() -> None:
    progress, here = Watching(), Watching()
    board = Board({"float32": FakeModel()}, elsewhere=True)
    run_spec(Spec(models=(model("float32"),), settings=SHORT), device=board, progress=progress)
    assert progress.phases[0] == ["connecting", 1, 0]
    assert set(progress.sent) == {(1, 2)}
    run_spec(
        Spec(models=(model("float32"),), settings=SHORT), device=FakeDevice({"float32": FakeModel()}), progress=here
    )
    assert here.phases[0][0] != "connecting"


def test_blocks_and_budget_change_only_that() -> None:
    run = edgebench.run(model("float32"), blocks=2, budget="30s", settings=SCORES_ONLY)
    assert run.record.settings == replace(SCORES_ONLY, min_blocks=2, max_blocks=2, budget_ns=30_000_000_000)
    assert set(run.samples.block) == {0, 1}
    with pytest.raises(UsageError, match="budget soon: not a duration"):
        edgebench.run(model("float32"), budget="soon")
    with pytest.raises(UsageError, match="--blocks 0: must be at least 1"):
        edgebench.run(model("float32"), blocks=0)
