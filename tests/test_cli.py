from __future__ import annotations

import csv
import io
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas
import psutil
import pytest
from colours import write_folder
from edgebench.cli import main
from edgebench.rule import parse_rule
from edgebench.store import load
from harness import SHORT_FLAGS, command, copies, model


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_folder(tmp_path_factory.mktemp("images"), per_class=2)


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("results")


@pytest.fixture(scope="module")
def ran(results: Path, images: Path) -> subprocess.CompletedProcess[str]:
    """One ordinary run with images, as a person starts it."""
    return command(
        "run", model("float32"), model("int8"), "--data", f"folder:{images}", "--normalize", "-1..1",
        *SHORT_FLAGS, "--out", results,
    )  # fmt: skip


@pytest.fixture(scope="module")
def ran_json(tmp_path_factory: pytest.TempPathFactory) -> tuple[subprocess.CompletedProcess[str], Path]:
    """A run with a file whose name is no UTF-8, printed as JSON."""
    folder = tmp_path_factory.mktemp("json")
    odd = Path(os.fsdecode(os.fsencode(folder) + b"/\xff.tflite"))
    odd.write_bytes(b"x")
    return command("run", odd, *copies(folder, "ü"), *SHORT_FLAGS, "--out", folder / "results", "--json"), folder


#: As most people run Python: output waits in a buffer, and a failure to write it may come at exit only.
BUFFERED = {**os.environ, "PYTHONUNBUFFERED": ""}


def one_line(text: str) -> str:
    lines = text.strip().splitlines()
    assert len(lines) == 1, text
    assert "Traceback" not in text
    return lines[0]


def fails(capsys: pytest.CaptureFixture[str], *arguments: str | Path, code: int = 2) -> str:
    """Return the one line that a command which cannot work says."""
    assert main([str(argument) for argument in arguments]) == code
    said = capsys.readouterr()
    assert said.out == ""
    line = one_line(said.err)
    assert line.startswith("edgebench: error: ")
    return line


def test_the_table_is_on_stdout_and_progress_on_stderr(ran: subprocess.CompletedProcess[str]) -> None:
    assert ran.returncode == 0, ran.stderr
    assert re.search(r"float32 .*\d", ran.stdout)
    assert "stored in " in ran.stdout
    assert "checking" not in ran.stdout
    assert ran.stderr.splitlines() == [
        "checking, measuring memory (2)",
        "timing, in blocks of fresh workers (1)",
        "classifying images (2)",
    ]


def test_the_stored_run_is_where_the_table_says(ran: subprocess.CompletedProcess[str]) -> None:
    found = re.search(r"stored in (.+), page: (.+)", ran.stdout)
    assert found is not None
    stored = load(Path(found.group(1)))
    assert stored.record.command[:2] == ("edgebench", "run")
    assert "-1..1" in stored.record.command
    assert Path(found.group(2)).is_file()
    assert stored.predictions is not None
    assert len(stored.predictions) == 28
    assert [case.preprocessing.normalization_from for case in stored.record.cases if case.preprocessing] == [
        "--normalize"
    ] * 2


def test_json_is_alone_on_stdout_and_equal_to_the_file(
    ran_json: tuple[subprocess.CompletedProcess[str], Path],
) -> None:
    process, folder = ran_json
    assert process.returncode == 3
    (stored,) = (folder / "results").iterdir()
    assert process.stdout == (stored / "run.json").read_text(encoding="utf-8") + "\n"
    data = json.loads(process.stdout)
    assert process.stderr == ""
    assert [case["status"] for case in data["cases"]] == ["ok"]
    assert data["cases"][0]["case_id"].startswith("ü/float32@local/")
    assert [item["path"] for item in data["rejected"]] == [f"{folder}/\udcff.tflite"]
    assert load(stored).record.rejected[0].path == f"{folder}/\udcff.tflite"


def test_quiet_says_nothing_on_stderr(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", model("float32"), *SHORT_FLAGS, "--out", str(tmp_path), "--quiet"]) == 0
    said = capsys.readouterr()
    assert said.err == ""
    assert "float32" in said.out


def test_blocks_precision_budget_and_baseline_reach_the_record(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    names = [f"net/full={model('float32')}", f"net/eight={model('int8')}"]
    flags = ["--blocks", "3", "--precision", "2.5%", "--budget", "2m", "--baseline", "eight"]
    assert main(["run", *names, *SHORT_FLAGS, *flags, "--out", str(tmp_path), "--quiet"]) == 0
    record = load(next(tmp_path.iterdir())).record
    used = record.settings
    assert (used.min_blocks, used.max_blocks, used.precision, used.budget_ns) == (3, 3, 0.025, 120 * 10**9)
    assert [case.comparison.baseline if case.comparison else None for case in record.cases] == [
        record.cases[1].case_id,
        None,
    ]
    shown = capsys.readouterr().out
    assert re.search(r"^full .* \d+\.\d+ ±\d", shown, re.MULTILINE)
    assert re.search(r"^eight .* base ", shown, re.MULTILINE)
    assert "over 3 blocks of fresh workers" in shown


def test_waits_are_measured_shown_and_stored(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    flags = ["--waits", "batches,idle-gap", "--waits", "workers", "--gap", "2ms", "--batches", "1,3", "--workers", "1"]
    names = [model("float32"), model("fixed_reshape")]
    assert main(["run", *names, *SHORT_FLAGS, *flags, "--out", str(tmp_path), "--quiet"]) == 0
    waits = [case.waits for case in load(next(tmp_path.iterdir())).record.cases]
    for found in waits:
        assert found is not None
        assert found.idle_gap is not None
        assert found.idle_gap.gap_ns == 2_000_000
        assert [row.batch for row in found.batches] == [1, 3]
        assert [row.workers for row in found.workers] == [1]
        assert found.workers[0].items_per_s is not None
        assert not found.unavailable
    shown = capsys.readouterr().out
    assert "What a user waits for" in shown
    assert "batch 3 items/s: a batch of 3 is refused (the model's batch is fixed at 1" in " ".join(shown.split())


def test_a_budget_shorter_than_a_block_gives_one_block(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    flags = ["--min-time", "50ms", "--warmup-time", "10ms", "--budget", "1ms"]
    assert main(["run", model("float32"), model("int8"), *flags, "--out", str(tmp_path), "--quiet"]) == 0
    cases = load(next(tmp_path.iterdir())).record.cases
    assert [case.latency.blocks for case in cases if case.latency] == [1, 1]


def test_a_baseline_that_is_no_variant_is_one_line(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    line = fails(capsys, "run", model("float32"), "--baseline", "int8", "--out", tmp_path / "r")
    assert line == "edgebench: error: --baseline int8: no such variant (there are: float32)"
    assert not (tmp_path / "r").exists()


def test_a_failing_case_is_exit_code_3_and_the_others_are_shown(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code = main(
        [
            "run",
            model("float32"),
            model("int8"),
            "--signature",
            "bogus",
            *SHORT_FLAGS,
            "--out",
            str(tmp_path),
            "--quiet",
        ]
    )
    said = capsys.readouterr()
    assert code == 3
    assert "no signature 'bogus'" in said.out
    assert load(next(tmp_path.iterdir())).record.cases[0].failure is not None


@pytest.mark.parametrize("form", ["table", "md", "html", "csv", "json"])
def test_report_has_every_format(
    ran: subprocess.CompletedProcess[str], results: Path, capsys: pytest.CaptureFixture[str], form: str
) -> None:
    assert main(["report", "latest", "--out", str(results), "--format", form]) == 0
    said = capsys.readouterr()
    assert said.err == ""
    if form == "json":
        assert len(json.loads(said.out)["cases"]) == 2
    elif form == "csv":
        rows = list(csv.reader(io.StringIO(said.out)))
        assert len({len(row) for row in rows}) == 1
        assert len(rows) == 3
    elif form == "html":
        assert said.out.startswith("<!")
        assert said.out == (next(results.iterdir()) / "report.html").read_text(encoding="utf-8") + "\n"
    else:
        assert "float32" in said.out
        assert said.out.strip() in ran.stdout or form == "md"


def test_a_stored_run_can_be_asked_with_another_rule(
    ran: subprocess.CompletedProcess[str], results: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "What to ship" not in ran.stdout  # two models of one case each: nothing to choose
    for form in ("table", "md", "html"):
        asked = ["--recommend", "top1=-3pt", "--recommend", "no-class-worse", "--format", form]
        assert main(["report", "latest", "--out", str(results), *asked]) == 0
        assert "by more than 3 points of top-1 accuracy (one-sided 95 %), with no class shown worse" in " ".join(
            capsys.readouterr().out.replace("\\", "").split()
        )
    here = ("report", "latest", "--out", results, "--recommend")
    line = fails(capsys, *here, "recall:zebra=-1pt")
    assert "--recommend recall:zebra: no model of this run has such a label (" in line
    assert "--recommend recall:zebra=-1: write by how many points" in fails(capsys, *here, "recall:zebra=-1")
    assert "--format csv has figures only" in fails(capsys, *here, "top1=-1pt", "--format", "csv")


def test_a_run_keeps_its_rule_and_refuses_a_class_that_it_has_not(
    images: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = ["run", str(model("float32")), "--data", f"folder:{images}", "--normalize", "-1..1", *SHORT_FLAGS]
    assert main([*run, "--out", str(tmp_path), "--quiet", "--recommend", "balanced=-3pt"]) == 0
    assert "Rule: the smallest latency" in capsys.readouterr().out
    assert load(next(tmp_path.iterdir())).record.rule == parse_rule(["balanced=-3pt"])
    assert "by more than 3 points of balanced accuracy" in next(tmp_path.iterdir()).joinpath("report.html").read_text()
    main([*run, "--out", str(tmp_path / "other"), "--quiet", "--recommend", "recall:zebra=-1pt"])
    said = capsys.readouterr()
    assert "--recommend recall:zebra: float32/float32 has no such label" in said.out + said.err
    assert "--recommend is about images: it needs --data SOURCE" in fails(
        capsys, "run", model("float32"), "--recommend", "top1=-1pt"
    )


def test_report_takes_a_path_or_an_id(
    ran: subprocess.CompletedProcess[str], results: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = next(results.iterdir())
    outputs = []
    for name in (str(folder), folder.name, str(folder / "run.json")):
        assert main(["report", name, "--out", str(results)]) == 0
        outputs.append(capsys.readouterr().out)
    assert len(set(outputs)) == 1


def test_a_damaged_run_is_one_line(
    ran: subprocess.CompletedProcess[str], results: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "copy"
    folder.mkdir()
    for path in next(results.iterdir()).iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    (folder / "samples.parquet").write_bytes(b"PAR1")
    assert "its samples or predictions cannot be read" in fails(capsys, "report", folder)
    (folder / "run.json").write_text('{"schema_version": 99}')
    assert "update edgebench" in fails(capsys, "report", folder)
    assert "holds no run yet" in fails(capsys, "report", "latest", "--out", tmp_path / "none")


USAGE: list[tuple[list[str], str]] = [
    (["bogus"], "unknown command 'bogus'"),
    (["run"], "arguments are required: MODEL"),
    (["run", "m", "--bogus"], "unrecognized arguments: --bogus"),
    (["run", "m", "--threads", "x"], "--threads x"),
    (["run", "m", "--threads", "0"], "--threads 0"),
    (["run", "m", "--engine", "fast"], "--engine fast: choose interpreter, compiled"),
    (["run", "m", "--delegate", "default,npu"], "--delegate npu: choose"),
    (["run", "m", "--delegate", "xnnpack", "--delegate-option", "a=b"], "goes with --delegate external:PATH only"),
    (["run", "m", "--runtime", "onnx"], "invalid choice: 'onnx'"),
    (["run", "m", "--python", "/nowhere/python"], "--python /nowhere/python: no such program"),
    (["run", "m", "--min-time", "1 day"], "--min-time 1 day: not a duration"),
    (["run", "m", "--min-runs", "x"], "invalid int value: 'x'"),
    (["run", "m", "--min-runs", "0"], "--min-runs 0"),
    (["run", "m", "--max-runs", "3", "--min-runs", "4"], "--max-runs 3: must not be below --min-runs 4"),
    (["run", "m", "--max-time", "1ms", "--min-time", "1s"], "--max-time must not be below --min-time"),
    (["run", "m", "--max-runs", "3"], "m: no such file"),  # a bound that was not given makes room
    (["run", "m", "--max-time", "1ms"], "m: no such file"),
    (["run", "m", "--min-time", "60s"], "m: no such file"),
    (["run", "m", "--precision", "fast"], "--precision fast: not a share; write 1% or 0.01"),
    (["run", "m", "--precision", "0%"], "--precision 0%: must be above 0 and below 100%"),
    (["run", "m", "--budget", "soon"], "--budget soon: not a duration"),
    (["run", "m", "--budget", ""], "--budget : not a duration"),
    (["run", "m", "--budget", "0s"], "--budget: must be above 0"),
    (["run", "m", "--blocks", "0"], "--blocks 0: must be at least 1"),
    (["run", "m", "--blocks", "x"], "invalid int value: 'x'"),
    (["run", "m", "--timeout", "0s"], "--timeout 0s: must be above 0"),
    (["run", "m", "--timeout", "1000h"], "at most 24h"),
    (["run", "m", "--seed", "-1"], "--seed -1: must not be negative"),
    (["run", "m", "--waits", "idle"], "--waits idle: choose"),
    (["run", "m", "--waits", ","], "--waits: names nothing"),
    (["run", "m", "--waits", "end-to-end"], "--waits end-to-end: begins with an image file, so it needs --data"),
    (["run", "m", "--gap", "1s"], "--gap 1s: goes with --waits idle-gap"),
    (["run", "m", "--waits", "idle-gap", "--batches", "2"], "--batches 2: goes with --waits batches"),
    (["run", "m", "--waits", "batches", "--batches", "0"], "--batches 0: must be between 1 and 4096"),
    (["run", "m", "--waits", "workers", "--workers", "x"], "--workers x: write whole numbers such as 1 or 1,2,4"),
    (["run", "m", "--waits", "idle-gap", "--gap", "1m"], "--gap 60000ms: must be above 0 and at most 10s"),
    (["run", "m", "--metadata", "x"], "--metadata is about images: it needs --data SOURCE"),
    (["run", "m", "--labels", "x"], "--labels is about images"),
    (["run", "m", "--limit", "3"], "--limit is about images"),
    (["run", "m", "--normalize", "-1..1"], "--normalize is about images"),
    (["run", "m", "--normalize=-1..1"], "--normalize is about images"),
    (["run", "m", "--resize", "crop"], "--resize is about images"),
    (["run", "m", "--grayscale", "convert"], "--grayscale is about images"),
    (["run", "m", "--max-bad", "0.5"], "--max-bad is about images"),
    (["run", "m", "--operating-point", "mel:specificity=0.9"], "--operating-point is about images"),
    (["run", "m", "--data", "folder:x", "--operating-point", "mel"], "--operating-point mel: write LABEL:specificity"),
    (["run", "m", "--data", "folder:x", "--resize", "zoom"], "--resize zoom: choose stretch, crop, pad"),
    (["run", "m", "--data", "folder:x", "--limit", "0"], "--limit 0: must be at least 1"),
    (["run", "m", "--data", "folder:x", "--max-bad", "nan"], "--max-bad nan"),
    (["run", "m", "--data", "folder:x", "--normalize"], "--normalize: expected one argument"),
    (["report"], "arguments are required: RUN"),
    (["report", "x", "--format", "pdf"], "invalid choice: 'pdf'"),
    (["report", "nothing-here"], "nothing-here: no such run"),
    (["report", "a" * 5000], "no such run"),
]


@pytest.mark.parametrize(("arguments", "said"), USAGE, ids=[" ".join(item[0])[:40] for item in USAGE])
def test_a_wrong_command_line_is_one_line_and_exit_code_2(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], said: str
) -> None:
    monkeypatch.chdir(tmp_path)
    assert said in fails(capsys, *arguments)
    assert list(tmp_path.iterdir()) == []  # no results/ folder for nothing


@pytest.mark.parametrize("form", [["--normalize", "-1..1"], ["--normalize=-1..1"], ["--normalize", "127.5/127.5"]])
def test_a_normalization_with_a_minus_is_no_flag(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, images: Path, form: list[str]
) -> None:
    """It gets as far as the model, which is not there: the flag itself was understood."""
    line = fails(capsys, "run", "none.tflite", "--data", f"folder:{images}", *form, "--out", tmp_path / "r")
    assert line == "edgebench: error: none.tflite: no such file"


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--data", "folder:/nowhere"], "/nowhere does not exist"),
        (["--data", "/nowhere"], "write folder:/nowhere or ham10000:/nowhere"),
        (["--data", "folder:{images}", "--labels", "/nowhere.txt"], "/nowhere.txt: cannot be read"),
        (["--data", "folder:{images}", "--metadata", "x.csv"], "--metadata does not go with folder:"),
        (["--data", "folder:{images}", "--normalize", "caffe"], "normalization 'caffe' is not known"),
        (
            ["--data", "folder:{images}"],
            "float32/float32: nothing says how the float32 input is normalised; add --normalize",
        ),
    ],
)
def test_data_that_cannot_be_used_is_one_line(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, images: Path, flags: Sequence[str], said: str
) -> None:
    given = [flag.format(images=images) for flag in flags]
    assert said in fails(capsys, "run", model("float32"), "--out", tmp_path, *SHORT_FLAGS, *given, "--quiet")


def test_a_model_that_takes_no_images_names_the_way_out(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, images: Path
) -> None:
    line = fails(
        capsys, "run", model("two_inputs"), "--data", f"folder:{images}", *SHORT_FLAGS, "--out", tmp_path, "--quiet"
    )
    assert "the model takes 2 inputs, not one image" in line
    assert "leave --data out" in line


def test_a_place_that_cannot_be_written_fails_before_measuring(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    assert "cannot write results here" in fails(capsys, "run", model("float32"), "--out", tmp_path / "file")


def test_debug_shows_the_trace() -> None:
    process = command("run", "none.tflite", "--debug")
    assert process.returncode != 0
    assert "Traceback" in process.stderr
    assert "ModelError: none.tflite: no such file" in process.stderr


def test_version_and_help(capsys: pytest.CaptureFixture[str]) -> None:
    for arguments, said in (
        (["--version"], "edgebench 0."),
        (["--help"], "COMMAND"),
        (["run", "--help"], "--delegate"),
    ):
        with pytest.raises(SystemExit) as caught:
            main(arguments)
        assert caught.value.code == 0
        assert said in capsys.readouterr().out


# One that fits into Python's buffer, whose error would come only at exit, and one that does not.
@pytest.mark.parametrize("form", ["csv", "html"])
def test_a_reader_that_goes_away_is_no_error(ran: subprocess.CompletedProcess[str], results: Path, form: str) -> None:
    """As in ``edgebench report latest | head -1``."""
    reader, writer = os.pipe()
    os.close(reader)
    process = subprocess.run(
        [sys.executable, "-m", "edgebench", "report", "latest", "--out", str(results), "--format", form],
        stdout=writer, stderr=subprocess.PIPE, text=True, check=False, env=BUFFERED,
    )  # fmt: skip
    os.close(writer)
    assert (process.returncode, process.stderr) == (0, "")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
def test_output_that_cannot_be_written_is_one_line(ran: subprocess.CompletedProcess[str], results: Path) -> None:
    with Path("/dev/full").open("w") as full:
        process = subprocess.run(
            [sys.executable, "-m", "edgebench", "report", "latest", "--out", str(results), "--format", "csv"],
            stdout=full, stderr=subprocess.PIPE, text=True, check=False, env=BUFFERED,
        )  # fmt: skip
    assert process.returncode == 2
    assert one_line(process.stderr) == "edgebench: error: No space left on device"


def test_a_terminal_that_cannot_show_a_sign_gets_a_question_mark(
    ran: subprocess.CompletedProcess[str], results: Path
) -> None:
    process = command("report", "latest", "--out", results, env={"PYTHONIOENCODING": "ascii"})
    assert (process.returncode, process.stderr) == (0, "")
    assert process.stdout.isascii()
    assert "?" in process.stdout


def interrupt(process: subprocess.Popen[str], phase: str) -> list[psutil.Process]:
    """Wait until a phase begins, send Ctrl-C, and return the workers there were."""
    assert process.stderr is not None
    for line in process.stderr:
        if line.startswith(phase):
            break
    workers: list[psutil.Process] = psutil.Process(process.pid).children(recursive=True)
    process.send_signal(signal.SIGINT)
    return workers


def started(*arguments: str | Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "edgebench", "run", *map(str, arguments)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        # A shell starts its background jobs with Ctrl-C ignored, and children inherit that: CI may be such a job.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )  # fmt: skip


def none_left(workers: list[psutil.Process], process: subprocess.Popen[Any]) -> bool:
    _, alive = psutil.wait_procs(workers, timeout=10)
    return not alive and process.poll() is not None


def test_ctrl_c_while_classifying_stores_the_samples(tmp_path: Path, images: Path) -> None:
    process = started(
        model("float32"),
        model("int8"),
        "--data",
        f"folder:{images}",
        "--normalize=-1..1",
        *SHORT_FLAGS,
        "--out",
        tmp_path,
    )
    workers = interrupt(process, "classifying")
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 130
    assert none_left(workers, process)
    (folder,) = tmp_path.iterdir()
    stored = load(folder)
    assert stored.record.interrupted
    assert all(case.latency is not None and case.latency.count >= 12 for case in stored.record.cases)
    assert len(stored.samples) >= 24
    assert "stored in" in output


def test_ctrl_c_while_timing_leaves_no_worker_and_stores_the_memory(tmp_path: Path) -> None:
    process = started(
        model("float32"), "--min-time", "60s", "--max-time", "60s", "--warmup-time", "60s", "--out", tmp_path
    )
    workers = interrupt(process, "timing")
    process.communicate(timeout=60)
    assert process.returncode == 130
    assert none_left(workers, process)
    (folder,) = tmp_path.iterdir()
    (case,) = load(folder).record.cases
    assert case.memory is not None
    assert case.status.value == "interrupted"


def test_ctrl_c_before_the_measurement_stores_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("edgebench.planning.make_plan", interrupted)
    assert main(["run", model("float32"), "--out", str(tmp_path), "--quiet"]) == 130
    assert capsys.readouterr().err == "edgebench: interrupted, nothing was stored\n"
    assert list(tmp_path.iterdir()) == []


def test_a_worker_that_hangs_is_killed_after_the_time_limit(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = psutil.Process().children(recursive=True)  # pytest's own, and what other tests keep
    code = main(["run", model("endless"), "--timeout", "2s", "--out", str(tmp_path), "--quiet"])
    said = capsys.readouterr()
    assert code == 3
    assert "no answer to 'first' within 2 s: the worker was killed" in said.out
    assert set(psutil.Process().children(recursive=True)) <= set(before)


def test_several_pythons_stand_in_one_table(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], tflite_python: str
) -> None:
    code = main(
        [
            "run", model("int8"), "--python", f"new={sys.executable}", "--python", f"old={tflite_python}",
            *SHORT_FLAGS, "--out", str(tmp_path), "--json",
        ]
    )  # fmt: skip
    assert code == 0
    cases = json.loads(capsys.readouterr().out)["cases"]
    assert [case["case_id"].split("/")[2] for case in cases] == [
        "interpreter.litert~new+default",
        "interpreter.tflite~old+default",
    ]


def shape(value: Any) -> Any:
    """Return the structure of JSON data without its figures."""
    if isinstance(value, dict):
        return {key: shape(item) for key, item in value.items()}
    if isinstance(value, list):
        return [shape(item) for item in value]
    return "number" if isinstance(value, int | float) else type(value).__name__


def test_the_command_and_the_function_give_the_same_record(
    ran: subprocess.CompletedProcess[str], results: Path, images: Path
) -> None:
    import edgebench
    from edgebench.store import to_json
    from harness import SHORT

    stored = edgebench.run(model("float32"), model("int8"), data=f"folder:{images}", normalize="-1..1", settings=SHORT)
    by_command = json.loads((next(results.iterdir()) / "run.json").read_text())
    by_function = json.loads(to_json(stored.record))
    for data in (by_command, by_function):
        data["command"] = []
        for case in data["cases"]:
            # Which percentiles there are depends on the number of samples, the others on what disturbed this machine.
            for name in ("latency", "verdict", "findings", "unchecked"):
                case[name] = None
    assert shape(by_command) == shape(by_function)
    assert [case["accuracy"] for case in by_command["cases"]] == [case["accuracy"] for case in by_function["cases"]]
    assert by_command["settings"] == by_function["settings"]


def test_a_run_that_cannot_be_stored_is_shown_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(pandas.DataFrame, "to_parquet", full)
    model = Path(__file__).resolve().parent / "fixtures" / "models" / "int8.tflite"
    code = main(["run", str(model), "--min-time", "1ms", "--quiet", "--out", str(tmp_path)])
    shown = capsys.readouterr()
    assert code == 2
    assert "p50" in shown.out
    assert shown.err.count("\n") == 1
    assert "could not be stored: No space left on device" in shown.err
