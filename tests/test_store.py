from __future__ import annotations

import copy
import dataclasses
import json
import os
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from edgebench import store
from edgebench.device_outputs import DeviceParity
from edgebench.errors import StoreError
from edgebench.findings import Code, Finding, Severity, Verdict
from edgebench.operators import Match, OperatorKey, OperatorProfile, OperatorTime, Resolution, TypeTime
from edgebench.records import (
    SCHEMA_VERSION,
    Accuracy,
    AccuracyComparison,
    AccuracyVerdict,
    Adapter,
    Agreement,
    CaseResult,
    ClassMetrics,
    Comparison,
    Coverage,
    DataInfo,
    Delegate,
    DelegateKind,
    Delegation,
    Difference,
    Engine,
    Environment,
    Failure,
    IdleGap,
    Latency,
    Memory,
    ModelFile,
    OperatingPoint,
    PairedDifference,
    Parity,
    Part,
    Preprocessing,
    RejectedModel,
    RunRecord,
    RuntimeInfo,
    Settings,
    SkippedImage,
    Status,
    TensorInfo,
    Throughput,
    Waits,
    WeightCache,
    Whole,
)
from edgebench.rule import Criterion, Measure, Rule
from edgebench.store import StoredRun, find_run, from_dict, load, new_run_id, prepare_out, save, to_json, write_page
from edgebench.sustained_records import HeatStart, Pace, Sustained, Trend, Windows

GOLDEN = Path(__file__).resolve().parent / "fixtures" / "golden" / "run-v1.json"
SETTINGS = Settings(0, 1, 2, 3, 4, 5, 6, 7.5, 3, 9, 0.02, 10**9)
ENVIRONMENT = Environment("host", "Debian", "Linux", "x86_64", "CPU", 8, 2, 10**10, "3.11", "0.1", {})
SHORT = Latency(2, 1, 1.5)
FULL = CaseResult(
    case_id="m/int8@local/interpreter.litert+external-x/t1",
    model="m",
    variant="int8",
    device="local",
    engine=Engine.INTERPRETER,
    delegate=Delegate(DelegateKind.EXTERNAL, "/lib/libx.so", {"a": "b"}),
    threads=1,
    file=ModelFile("/m.tflite", "00" * 32, 123, "int8", {}),
    status=Status.FAILED,
    signature="serving_default",
    failure=Failure("worker-died", "one line — with “signs”"),
    runtime=RuntimeInfo("litert", "ai-edge-litert", "2.3.0", "3.11", "2.1", "x86_64"),
    python_path="/usr/bin/python3",
    python_name="old",
    inputs=(TensorInfo("in", (1, 8, 8, 3), "int8", 0.5, -1, True),),
    outputs=(TensorInfo("out", (1, 2), "float32"), TensorInfo("scalar", (), "float32")),
    runtime_import_ns=1,
    load_ns=2,
    first_inference_ns=2**53 + 1,
    latency=Latency(
        9,
        1,
        2.5,
        0.1,
        1.5,
        2.0,
        None,
        None,
        3,
        6,
        intervals={"p50_ns": (1.25, 1.75)},
        unavailable={"p95_ns": "n too small", "p99_ns": "n too small"},
    ),
    comparison=Comparison("m/float32", 0.5, 0.4, 0.625, 6, 0.3, Difference.FASTER, {"x": "y"}),
    memory=Memory(1, 2, 3, None, unavailable={"peak_rss_bytes": "no VmHWM here"}),
    delegation=Delegation(Coverage.PARTIAL, 6, 5, 1, {"SOFTMAX": 1}, {}),
    preprocessing=Preprocessing(8, 8, 3, "stretch", "-1..1", (127.5,), (127.5,), "card", "--labels l.txt"),
    accuracy=Accuracy(
        2,
        0.5,
        None,
        0.5,
        0.1,
        0.2,
        ("a", "b"),
        (ClassMetrics("a", 2, 1, 0.5, None, None, 0.75, 2, {"recall": (0.1, 0.9)}, {"f1": "x"}),),
        ((1, 1), (0, 0)),
        {"top2": "x"},
        0.3,
        0.4,
        0.05,
        0.6,
        2,
        {"top1": (0.1, 0.9)},
        2000,
    ),
    adapter=Adapter("llvmpipe", "cpu", True, "25.0", "1.4"),
    parity=Parity("the CPU", 0.001, 1.0, 0.02, True, 3),
    waits=Waits(
        Whole(SHORT, (Part("decode", 1.5, 1.0),)),
        Whole(SHORT, (Part("process", 2.5, 1.0),)),
        IdleGap(100, SHORT, 1.5, 1.25, 1.75),
        WeightCache(SHORT, SHORT, SHORT, 7),
        (Throughput(2, 1, 3.5, 3.0, 4.0, 1.5, 1.25, 1.75),),
        (Throughput(1, 2, unavailable={"items_per_s": "too few"}),),
        {"idle-gap": "no time"},
    ),
    cpus="big",
    cpu_numbers=(2, 3),
    sustained=Sustained(
        60_000_000_000,
        1,
        Windows((1,), (10,), (2.5,), (3.5,), (48.5,), (1_500_000_000,), (False,)),
        59,
        58,
        HeatStart(40.0, 39.0, 5, True, {"x": "y"}),
        Trend(Pace.SLOWS, 1.5, 2.5, 2, 3, (4,), 1.5, 1.25, 1.75, 7, 2.25, 40.0, 60.0, 1.5e9, 1.0e9, {"x": "y"}),
        (Finding(Code.THROTTLED, Severity.SUSPECT, "hot", "cool"),),
        "the worker died",
        {"celsius": "not told"},
    ),
    device_parity=DeviceParity(
        "x86_64, ai-edge-litert 2",
        8,
        True,
        56,
        False,
        0.25,
        0.01,
        0.9,
        0.02,
        "int8",
        True,
        2.0,
        1,
        3,
        ("n",),
        {"x": "y"},
    ),
    verdict=Verdict.SUSPECT,
    findings=(Finding(Code.STEAL, Severity.SUSPECT, "the host took 7 %", "wait", silenced=True),),
    unchecked={"throttled": "no sensor"},
    notes=("label order is assumed",),
    accuracy_comparison=AccuracyComparison(
        "m/float32",
        2,
        1,
        Agreement(2, 0.5, 0.1, 0.9, 0.01, 0.2, {}),
        PairedDifference(
            "top-1", 2, 1, 0, 1, -0.5, -0.9, 0.1, 1.0, None, AccuracyVerdict.NONE_SHOWN, None, "y", {}, -0.8, 0.0
        ),
        PairedDifference("balanced accuracy", 2, 1, 0, 1),
        (PairedDifference("a", 2, 1, 0, 1, -0.5, -0.9, 0.1, 0.01, 0.02, AccuracyVerdict.WORSE, 0.4),),
        ("n",),
        {"x": "y"},
    ),
    operating_points=(OperatingPoint("a", 0.9, 0.5, 4, 0.95, 0.8, 1, 1, 1.0, (0.2, 1.0), 0.0, (0.0, 0.8), {"x": "y"}),),
    operators=OperatorProfile(
        (
            OperatorTime(
                OperatorKey(0, True, 1, 2, "Add (ND, F32)"),
                7.5,
                1.0,
                1.0,
                1.0,
                0.1,
                0.9,
                1.0,
                Match.ORDER,
                3,
                "ADD",
                ("o",),
            ),
        ),
        (TypeTime("Add (ND, F32)", True, 1, 7.5, 1.0, 0.9, 1.0),),
        Resolution(60, 1, 1, 1.0, 1.0),
        9.5,
        7.5,
        8.5,
        ("n",),
    ),
    unavailable={"x": "y"},
)
EMPTY = CaseResult(
    "e", "m", "v", "local", Engine.COMPILED, Delegate(DelegateKind.NONE), 2, ModelFile("p", "s", 0), Status.INTERRUPTED
)
RECORD = RunRecord(
    schema_version=SCHEMA_VERSION,
    run_id="20260102-030405-m",
    created_utc="2026-01-02T03:04:05+00:00",
    command=("edgebench", "run", "ü\udcff"),
    settings=SETTINGS,
    environment=ENVIRONMENT,
    cases=(FULL, EMPTY),
    data=DataInfo("folder:x", 2, None, {"a": 2, "b": 0}, (SkippedImage("i", "gray"),), ("n",)),
    rejected=(RejectedModel("x", Failure("model", "is empty")),),
    interrupted=True,
    warnings=("w",),
    rule=Rule((Criterion(Measure.TOP1, 0.01), Criterion(Measure.RECALL, 0.02, "a")), no_class_worse=True),
)
BARE = RunRecord(
    SCHEMA_VERSION,
    "id",
    "now",
    (),
    SETTINGS,
    Environment("h", "s", "k", "m", None, None, None, None, "3", "0", {"cpu_model": "not named"}),
    (),
)


def samples() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "case": pd.Categorical(["a", "a"]),
            "block": np.array([0, 0], np.int32),
            "round": np.array([0, 1], np.int32),
            "start_ns": [1, 2],
            "latency_ns": [3, 4],
            "warmup": [True, False],
        }
    )


def predictions() -> pd.DataFrame:
    return pd.DataFrame(
        {"case": ["a"], "image_id": ["i"], "lesion_id": [None], "label": ["a"], "score:a": np.array([0.25], np.float32)}
    )


def run(record: RunRecord = RECORD) -> StoredRun:
    return StoredRun(record, samples(), predictions())


def every_field_is_set(value: Any) -> bool:
    if dataclasses.is_dataclass(value):
        return all(getattr(value, field.name) is not None for field in dataclasses.fields(value))
    return True


def test_the_records_of_these_tests_are_full_and_bare() -> None:
    assert every_field_is_set(RECORD)
    assert every_field_is_set(FULL)
    optional = [field.name for field in dataclasses.fields(CaseResult) if field.default is None]
    assert len(optional) >= 10
    assert all(getattr(EMPTY, name) is None for name in optional)


@pytest.mark.parametrize("record", [RECORD, BARE])
def test_a_record_comes_back_as_it_was(record: RunRecord) -> None:
    assert from_dict(json.loads(to_json(record)), "x") == record


def assert_kept(old: Any, new: Any, where: str = "$") -> None:
    """Later versions may add fields; what an old run said must still be there."""
    if isinstance(old, dict):
        for key, value in old.items():
            assert key in new, where
            assert_kept(value, new[key], f"{where}.{key}")
    elif isinstance(old, list):
        assert len(old) == len(new), where
        for index, (one, other) in enumerate(zip(old, new, strict=True)):
            assert_kept(one, other, f"{where}[{index}]")
    else:
        assert (old, type(old)) == (new, type(new)), where


def test_the_golden_run_of_schema_1_keeps_loading() -> None:
    data = json.loads(GOLDEN.read_text(encoding="utf-8"))
    record = store.read_record(GOLDEN)
    assert data["schema_version"] == 1
    assert {case.status for case in record.cases} == {Status.OK, Status.FAILED}
    assert_kept({**data, "schema_version": record.schema_version}, json.loads(to_json(record)))


def test_a_run_folder_round_trip(tmp_path: Path) -> None:
    folder = save(run(), tmp_path)
    write_page(run(), folder, "<html>\udcff</html>")
    assert folder == tmp_path / RECORD.run_id
    assert sorted(path.name for path in folder.iterdir()) == [
        "predictions.parquet",
        "report.html",
        "run.json",
        "samples.parquet",
    ]
    back = load(folder)
    assert (back.record, back.folder) == (RECORD, folder)
    pd.testing.assert_frame_equal(back.samples, samples())
    assert back.predictions is not None
    pd.testing.assert_frame_equal(back.predictions, predictions())


def test_without_images_there_are_no_predictions(tmp_path: Path) -> None:
    folder = save(StoredRun(BARE, samples(), None), tmp_path)
    assert sorted(path.name for path in folder.iterdir()) == ["run.json", "samples.parquet"]
    assert load(folder).predictions is None


def test_the_json_is_plain_ascii_and_holds_no_nan(tmp_path: Path) -> None:
    assert to_json(RECORD).isascii()
    broken = replace(
        RECORD, cases=(replace(FULL, latency=replace(FULL.latency or Latency(1, 1, 1, 1), mean_ns=float("nan"))),)
    )
    with pytest.raises(StoreError, match="could not be stored"):
        save(run(broken), tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("failing", ["to_parquet", "write_text", "rename"])
def test_a_failing_write_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failing: str) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(pd.DataFrame if failing == "to_parquet" else Path, failing, full)
    with pytest.raises(StoreError, match="the run could not be stored: No space left on device"):
        save(run(), tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_an_interrupt_while_writing_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(pd.DataFrame, "to_parquet", interrupted)
    with pytest.raises(KeyboardInterrupt):
        save(run(), tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    place = tmp_path / "disk"
    place.mkdir()
    mounted = (
        os.geteuid() == 0
        and not subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(place)], capture_output=True, check=False
        ).returncode
    )
    if not mounted:
        pytest.skip("needs the right to mount a small tmpfs")
    try:
        yield place
    finally:
        subprocess.run(["umount", str(place)], check=True)


def test_a_full_disk_is_one_line_and_leaves_nothing(small_disk: Path) -> None:
    filler = small_disk / "filler"
    filler.write_bytes(bytes(252 * 1024))
    with pytest.raises(StoreError, match="No space left on device"):
        save(run(), small_disk)
    assert list(small_disk.iterdir()) == [filler]


def test_runs_of_one_id_are_numbered(tmp_path: Path) -> None:
    folders = [save(run(), tmp_path) for _ in range(3)]
    names = [folder.name for folder in folders]
    assert names == [RECORD.run_id, f"{RECORD.run_id}-2", f"{RECORD.run_id}-3"]
    assert [load(folder).record.run_id for folder in folders] == names


def test_a_page_that_cannot_be_written_does_not_cost_the_data(small_disk: Path) -> None:
    folder = save(run(), small_disk)
    with pytest.raises(StoreError, match="the run is stored, but its page could not be written") as caught:
        write_page(run(), folder, "x" * 2_000_000)
    assert isinstance(caught.value.run, StoredRun)
    assert load(folder).record == RECORD
    assert not (folder / "report.html").exists()


def test_a_name_taken_at_the_last_moment_is_numbered_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two processes can both find the name free; the kernel lets only one have it."""
    save(run(), tmp_path)
    seen = Path.exists

    def blind(path: Path, **options: Any) -> bool:
        return False if path.name == RECORD.run_id else seen(path, **options)

    monkeypatch.setattr(Path, "exists", blind)
    assert save(run(), tmp_path).name == f"{RECORD.run_id}-2"
    assert sorted(path.name for path in tmp_path.iterdir()) == [RECORD.run_id, f"{RECORD.run_id}-2"]


def test_a_place_that_cannot_be_written_is_found_before_measuring(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for place in (tmp_path / "file", tmp_path / "file" / "deeper", Path("/proc/nowhere")):
        with pytest.raises(StoreError, match="cannot write results here: "):
            prepare_out(place)
    prepare_out(tmp_path / "new" / "deep")
    assert list((tmp_path / "new" / "deep").iterdir()) == []


def test_run_ids_sort_by_time_and_are_safe_names() -> None:
    moment = datetime(2026, 1, 2, 3, 4, 5, tzinfo=timezone.utc)
    assert new_run_id(["net", "net"], moment) == "20260102-030405-net"
    assert new_run_id(["a", "b", "a"], moment) == "20260102-030405-2-models"
    assert new_run_id(["../a b\n/ü"], moment) == "20260102-030405-a_b"
    assert new_run_id(["..."], moment) == "20260102-030405-run"
    assert len(new_run_id(["x" * 500], moment)) == 76


def test_a_run_is_found_by_path_id_and_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = save(run(), tmp_path)
    monkeypatch.chdir(tmp_path)
    for name in (str(folder), RECORD.run_id, str(folder / "run.json"), f"./{RECORD.run_id}"):
        assert find_run(name, tmp_path).resolve() == folder
    monkeypatch.chdir("/")
    assert find_run(RECORD.run_id, tmp_path) == folder


def test_a_folder_of_runs_is_no_run_and_the_error_shows_how_to_name_one(tmp_path: Path) -> None:
    save(run(), tmp_path)
    with pytest.raises(StoreError, match=f"no such run .*; it holds runs, the newest is {tmp_path}/latest"):
        find_run(str(tmp_path), tmp_path / "results")


@pytest.mark.parametrize("name", ["nothing", "", "run.json", "a" * 5000, "~nobody_has_this_name/run"])
def test_a_run_that_is_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(StoreError, match="no such run") as caught:
        find_run(name, tmp_path / "results")
    assert len(str(caught.value)) < 500


def test_latest_is_the_newest_run_whatever_lies_beside_it(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="holds no run yet; make one with: edgebench run MODEL"):
        find_run("latest", tmp_path)
    old = save(run(replace(RECORD, run_id="20260101-000000-z")), tmp_path)
    new = save(run(replace(RECORD, run_id="20260301-000000-a")), tmp_path)
    (tmp_path / "zz-not-a-run").mkdir()
    (tmp_path / "zz-renamed").mkdir()
    (tmp_path / "zz-renamed" / "run.json").write_text(to_json(RECORD))
    left_over = tmp_path / ".20270101-000000-x.partial-1"
    left_over.mkdir()
    (left_over / "run.json").write_text("{")
    assert find_run("latest", tmp_path) == new
    os.utime(old / "run.json")
    assert find_run("latest", tmp_path) == new


def test_latest_of_one_second_is_the_one_written_last(tmp_path: Path) -> None:
    folders = [save(run(), tmp_path) for _ in range(11)]
    for age, folder in enumerate(reversed(folders)):
        os.utime(folder / "run.json", (10**9 - age, 10**9 - age))
    assert find_run("latest", tmp_path) == folders[-1]


Change = Callable[[dict[str, Any]], object]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda d: d.pop("schema_version"), "is no edgebench run"),
        (lambda d: d.update(schema_version="1"), "is no edgebench run"),
        (lambda d: d.update(schema_version=True), "is no edgebench run"),
        (lambda d: d.update(schema_version=SCHEMA_VERSION + 1), "update edgebench"),
        (lambda d: d.pop("run_id"), r"run_id"),
        (lambda d: d["cases"][0].pop("case_id"), r"cases\[0\]\.case_id"),
        (lambda d: d["cases"][1].update(case_id=None), r"cases\[1\]\.case_id"),
        (lambda d: d["cases"][0].update(threads="1"), r"cases\[0\]\.threads"),
        (lambda d: d["cases"][0].update(threads=True), r"cases\[0\]\.threads"),
        (lambda d: d["cases"][0].update(engine="gpu"), r"cases\[0\]\.engine"),
        (lambda d: d["cases"][0].update(status="OK"), r"cases\[0\]\.status"),
        (lambda d: d["cases"][0]["latency"].update(p50_ns="x"), r"latency\.p50_ns"),
        (lambda d: d["cases"][0]["file"].pop("sha256"), r"file\.sha256"),
        (lambda d: d["cases"].append(7), r"cases\[2\]"),
        (lambda d: d.update(cases=None), r"cases"),
        (lambda d: d.update(cases=5), r"cases"),
        (lambda d: d.update(environment=[]), r"environment"),
        (lambda d: d.update(interrupted=0), r"interrupted"),
        (lambda d: d["settings"].update(timeout_s=None), r"settings\.timeout_s"),
    ],
)
def test_what_does_not_fit_the_schema_is_named(change: Change, said: str) -> None:
    data = copy.deepcopy(json.loads(to_json(RECORD)))
    change(data)
    with pytest.raises(StoreError, match=said) as caught:
        from_dict(data, "there/run.json")
    assert str(caught.value).startswith("there/run.json: ")
    assert "\n" not in str(caught.value)


def test_a_whole_number_is_fine_where_a_real_one_is_expected() -> None:
    data = json.loads(to_json(RECORD))
    data["cases"][0]["latency"]["mean_ns"] = 3
    mean = from_dict(data, "x").cases[0].latency
    assert mean is not None
    assert isinstance(mean.mean_ns, float)


@pytest.mark.parametrize("data", [None, [], 5, "text", {}])
def test_json_of_something_else_is_no_run(data: Any) -> None:
    with pytest.raises(StoreError, match="is no edgebench run"):
        from_dict(data, "x")


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe", b"[" * 100_000])
def test_damaged_json(tmp_path: Path, content: bytes) -> None:
    folder = save(run(), tmp_path)
    (folder / "run.json").write_bytes(content)
    with pytest.raises(StoreError, match=r"run\.json: cannot be read: ") as caught:
        load(folder)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["samples.parquet", "predictions.parquet"])
@pytest.mark.parametrize("damage", ["empty", "garbage", "half", "columns", "folder"])
def test_damaged_tables_name_the_run(tmp_path: Path, name: str, damage: str) -> None:
    folder = save(run(), tmp_path)
    path = folder / name
    content = path.read_bytes()
    path.unlink()
    if damage == "folder":
        path.mkdir()
        (path / "x").write_text("x")
    elif damage == "columns":
        pd.DataFrame({"other": [1]}).to_parquet(path)
    else:
        path.write_bytes({"empty": b"", "garbage": b"no parquet" * 20, "half": content[: len(content) // 2]}[damage])
    with pytest.raises(StoreError, match="its samples or predictions cannot be read: ") as caught:
        load(folder)
    assert str(folder) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_missing_samples(tmp_path: Path) -> None:
    folder = save(run(), tmp_path)
    (folder / "samples.parquet").unlink()
    with pytest.raises(StoreError, match="cannot be read"):
        load(folder)
    with pytest.raises(StoreError, match="no such file"):
        load(tmp_path)
