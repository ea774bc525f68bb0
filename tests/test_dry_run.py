"""What a dry run tells, and that it leaves nothing behind."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from edgebench.cli import main
from edgebench.devices.fake import FakeDevice, FakeModel
from edgebench.dry_run import plan_lines, plan_run
from edgebench.spec import Spec

MODELS = Path(__file__).parent / "fixtures" / "models"
PAIR = [f"net/{name}={MODELS / name}.tflite" for name in ("float32", "int8")]


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_cases_files_and_baselines_are_listed_and_nothing_is_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["run", *PAIR, "--threads", "1,2", "--dry-run"]) == 0
    said = capsys.readouterr().out
    assert said.startswith("4 cases would be measured, nothing has been:")
    assert "net/int8@local/interpreter.litert+default/t2" in said
    assert "against net/float32@local/interpreter.litert+default/t1" in said
    assert "a guess from the settings." in said
    assert list(tmp_path.iterdir()) == []


def test_as_json_with_what_could_not_be_read(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", *PAIR, "none.tflite", "--dry-run", "--json", "--budget", "30s"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [case["case_id"].split("@")[0] for case in found["cases"]] == ["net/float32", "net/int8"]
    assert found["cases"][1]["baseline"] == found["cases"][0]["case_id"]
    assert found["rejected"] == [{"path": "none.tflite", "message": "none.tflite: no such file"}]
    assert 0 < found["least_s"] <= found["most_s"] < 60


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["none.tflite"], "none.tflite: no such file"),
        ([], "the following arguments are required: MODEL"),
        (["--resume", "latest"], "--dry-run: --resume goes on with a run as it was asked for"),
    ],
)
def test_what_a_run_would_refuse_is_refused(
    arguments: list[str], line: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["run", *arguments, "--dry-run"]) == 2
    assert line in capsys.readouterr().err


def test_a_stored_run_of_the_same_files_narrows_the_guess(tmp_path: Path) -> None:
    assert main(["run", *PAIR, "--blocks", "1", "--min-time", "10ms", "--quiet", "--out", "results"]) == 0
    spec = Spec(models=tuple(PAIR))
    from edgebench.devices.local import LocalDevice

    known = plan_run(spec, LocalDevice(), tmp_path / "results")
    unknown = plan_run(spec, LocalDevice(), tmp_path / "nowhere")
    assert set(known.known) == {case.case_id for case in known.plan.cases}
    assert known.time.most_s < unknown.time.most_s
    assert plan_lines(known)[-1].endswith("as stored runs of these files took.")


def test_a_budget_bounds_timing() -> None:
    device = FakeDevice({"float32": FakeModel(), "int8": FakeModel()})
    settings = Spec(models=tuple(PAIR)).settings
    free = plan_run(Spec(models=tuple(PAIR)), device, Path("nowhere")).time
    from dataclasses import replace

    bound = plan_run(
        Spec(models=tuple(PAIR), settings=replace(settings, budget_ns=10**9)), device, Path("nowhere")
    ).time
    assert bound.most_s < free.most_s
