from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from edgebench.api import run_spec
from edgebench.cli import main
from edgebench.devices.fake import FakeDevice, FakeModel
from edgebench.dry_run import START, DryRun, dry_run
from edgebench.errors import UsageError
from edgebench.records import Wait
from edgebench.report.dry_run import dry_run_json, render_dry_run
from edgebench.spec import DEFAULT_SETTINGS, DataSpec, Spec, WaitSpec
from harness import copies, model

MS = 1_000_000
S = 1_000_000_000


@pytest.fixture
def device() -> FakeDevice:
    return FakeDevice({"a": FakeModel(10 * MS), "b": FakeModel(20 * MS)})


@pytest.fixture
def models(tmp_path: Path) -> tuple[str, ...]:
    a, b = copies(tmp_path / "models", "a", "b")
    return f"net/a={a}", f"net/b={b}"


def planned(models: tuple[str, ...], device: FakeDevice, out: Path = Path("nowhere"), **spec: Any) -> DryRun:
    return dry_run(Spec(models=models, **spec), out, device)


def test_nothing_is_loaded_and_nothing_is_written(models: tuple[str, ...], device: FakeDevice, tmp_path: Path) -> None:
    before = sorted(tmp_path.rglob("*"))
    planned(models, device, tmp_path / "results")
    assert {command for _, command in device.log} <= {"hello"}
    assert device.open_workers == 0
    assert sorted(tmp_path.rglob("*")) == before


def test_without_a_stored_run_the_settings_bound_the_time(models: tuple[str, ...], device: FakeDevice) -> None:
    """Two cases, six to twelve blocks: workers' starts at least; a worker's slowest start and all its share at most."""
    found = planned(models, device)
    share_s = 5.0 + 6 * 0.1 + 5.0  # of 30 s in six blocks, the longest warm-up, and loading
    assert found.parts["timing"].least_s == pytest.approx(2 * 6 * START.least_s)
    assert found.parts["timing"].most_s == pytest.approx(2 * 12 * (START.most_s + share_s))
    assert [case.known for case in found.cases] == [None, None]
    assert "no stored run has these cases" in render_dry_run(found)


def test_a_stored_run_of_the_same_files_gives_the_time(
    models: tuple[str, ...], device: FakeDevice, tmp_path: Path
) -> None:
    out = tmp_path / "results"
    stored = run_spec(Spec(models=models), out=out, device=device)
    found = planned(models, device, out)
    assert [case.p50_ns for case in found.cases] == [10 * MS, 20 * MS]
    assert {case.known_from for case in found.cases} == {stored.record.run_id}
    timing = found.parts["timing"]
    # One block of both: starts, warm-up of 100 ms each, 1 s / 6 of samples of the one and 64 / 6 runs of the other.
    block_s = 2 * START.least_s + 2 * 0.1 + 1 / 6 + 11 * 0.02
    assert timing.least_s == pytest.approx(6 * block_s, rel=0.05)
    assert timing.most_s == pytest.approx(2 * timing.least_s)
    text = render_dry_run(found)
    assert f"p50 20.0 ms in {stored.record.run_id}" in text
    assert "times are from stored runs of the same files" in text


def test_the_estimate_holds_for_the_run_that_it_is_about(
    models: tuple[str, ...], device: FakeDevice, tmp_path: Path
) -> None:
    """On a device whose clock counts the models' own time alone, so without the starts of workers."""
    out = tmp_path / "results"
    run_spec(Spec(models=models), out=out, device=device)
    began_ns = device.now_ns
    stored = run_spec(Spec(models=models), out=out, device=device)
    blocks = max(case.latency.blocks for case in stored.record.cases if case.latency)
    starts_s = 2 * (blocks + 1) * START.least_s
    found = planned(models, device, out).time.least_s * blocks / 6 - starts_s
    assert (device.now_ns - began_ns) / S == pytest.approx(found, rel=0.3)


def test_a_file_that_has_changed_is_not_the_one_that_was_measured(
    models: tuple[str, ...], device: FakeDevice, tmp_path: Path
) -> None:
    run_spec(Spec(models=models), out=tmp_path / "results", device=device)
    (tmp_path / "models" / "b.tflite").write_bytes(Path(model("int8")).read_bytes())
    found = planned(models, device, tmp_path / "results")
    assert [case.known is None for case in found.cases] == [False, True]
    assert "1 of 2 cases are known from stored runs" in render_dry_run(found)


def test_a_run_that_cannot_be_read_is_passed_over(models: tuple[str, ...], device: FakeDevice, tmp_path: Path) -> None:
    (tmp_path / "results" / "30000101-000000-x").mkdir(parents=True)
    (tmp_path / "results" / "30000101-000000-x" / "run.json").write_text("{")
    run_spec(Spec(models=models), out=tmp_path / "results", device=device)
    assert all(case.known for case in planned(models, device, tmp_path / "results").cases)


def test_a_budget_bounds_the_time(models: tuple[str, ...], device: FakeDevice) -> None:
    budget = replace(DEFAULT_SETTINGS, budget_ns=60 * S)
    assert planned(models, device, settings=budget).parts["timing"].most_s == 60.0


def test_one_case_has_nothing_to_be_precise_about(models: tuple[str, ...], device: FakeDevice) -> None:
    found = planned(models[:1], device)
    assert found.parts["timing"].most_s == pytest.approx(6 * (START.most_s + 5.0 + 0.6 + 5.0))
    assert "one case, compared with nothing" in render_dry_run(found)


def test_groups_are_those_of_the_timer(tmp_path: Path) -> None:
    names = [f"m{number}" for number in range(10)]
    files = copies(tmp_path, *names)
    device = FakeDevice({name: FakeModel() for name in names})
    found = planned(tuple(f"net/{name}={path}" for name, path in zip(names, files, strict=True)), device)
    assert [len(group) for group in found.groups] == [8, 3]
    assert found.groups[0][0] == found.groups[1][0] == found.cases[0].case.case_id


def test_images_and_waits_are_told(models: tuple[str, ...], device: FakeDevice, tmp_path: Path) -> None:
    spec: dict[str, Any] = {"data": DataSpec("phantom:count=40"), "waits": WaitSpec((Wait.COLD_START,))}
    found = planned(models, device, **spec)
    text = render_dry_run(found)
    assert "images: 40 images a case" in text
    assert "waits: cold-start" in text
    assert "not in this time: classifying images: no stored run" in text
    run_spec(Spec(models=models), out=tmp_path, device=device)
    found = planned(models, device, tmp_path, **spec)
    classifying = found.parts["classifying images"]
    assert classifying.most_s == pytest.approx(40 * 0.03 + 2 * START.least_s, rel=0.1)


def test_a_bad_model_shows_up_beside_the_others(
    models: tuple[str, ...], device: FakeDevice, capsys: pytest.CaptureFixture[str]
) -> None:
    found = planned((*models, "gone.tflite"), device)
    assert "not measurable: gone.tflite: no such file" in render_dry_run(found)
    assert json.loads(dry_run_json(found))["rejected"] == [
        {"path": "gone.tflite", "message": "gone.tflite: no such file"}
    ]
    with pytest.raises(UsageError, match="no such variant"):
        planned(models, device, baseline="zzz")


def test_the_command_exits_with_0_and_leaves_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["run", model("float32"), model("int8"), "--dry-run", "--json"]) == 0
    data = json.loads(capsys.readouterr().out)
    assert [case["path"] for case in data["cases"]] == [model("float32"), model("int8")]
    assert data["cases"][0]["p50_ns"] is None
    assert data["total_s"]["least"] < data["total_s"]["most"]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["run", "--dry-run"], "arguments are required: MODEL"),
        (["run", "gone.tflite", "--dry-run"], "gone.tflite: no such file"),
        (["run", "--dry-run", "--resume", "latest"], "--dry-run: --resume goes on with a run as it was asked for"),
    ],
)
def test_what_could_not_run_is_an_error(capsys: pytest.CaptureFixture[str], arguments: list[str], said: str) -> None:
    assert main(arguments) == 2
    assert said in capsys.readouterr().err


def test_sustained_load_is_in_the_time_whatever_the_budget(models: tuple[str, ...], device: FakeDevice) -> None:
    """Two cases of ten minutes, with no rest between them at least and the longest one at most."""
    budget = replace(DEFAULT_SETTINGS, budget_ns=60 * S)
    found = planned(models, device, settings=budget, sustain_ns=600 * S)
    load = found.parts["under load, with rests"]
    assert load.least_s == pytest.approx(1200 + 2 * START.least_s)
    assert load.most_s == pytest.approx(1500 + 2 * (START.most_s + 5.0))
    assert "load: each case alone for 10 min, which no --budget bounds" in render_dry_run(found)
    assert json.loads(dry_run_json(found))["sustain_s"] == 600
