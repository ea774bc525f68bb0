"""``edgebench run --resume`` on real processes that are killed or interrupted."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pandas as pd
import psutil
import pytest
from edgebench.cli import main
from edgebench.journal import Journal
from edgebench.store import load
from harness import SHORT_FLAGS, command, model

#: So many blocks that the first is finished long before the end.
PLAN = (*SHORT_FLAGS, "--blocks", "4")
PATIENCE_S = 120.0


def started(out: Path, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "edgebench", "run", *arguments, "--out", str(out)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        # A shell starts its background jobs with Ctrl-C ignored, and children inherit that: CI may be such a job.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )  # fmt: skip


def blocks_in(out: Path) -> int:
    """Return how many blocks the journals below a folder have."""
    return sum(path.read_bytes().count(b'"kind":"block"') for path in out.glob("*/journal.jsonl"))


def workers_in_second_block(process: subprocess.Popen[str], out: Path) -> list[psutil.Process]:
    """Wait until a block is in the journal and workers of the next one run, and return these."""
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline and process.poll() is None:
        workers: list[psutil.Process] = psutil.Process(process.pid).children(recursive=True)
        if blocks_in(out) and workers:
            return workers
        time.sleep(0.01)
    raise AssertionError(process.communicate()[1])


def gone(workers: Sequence[psutil.Process]) -> bool:
    """Return True once no worker runs: one that has ended may wait for the system to take note (a zombie)."""
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        if not any(worker.is_running() and worker.status() != psutil.STATUS_ZOMBIE for worker in workers):
            return True
        time.sleep(0.01)
    return False


def keys(samples: pd.DataFrame) -> set[tuple[str, int, int]]:
    return set(zip(samples["case"].astype(str), samples["block"], samples["start_ns"], strict=True))


def journalled(out: Path) -> set[tuple[str, int, int]]:
    """Return case, block and start of every sample in the journal."""
    from edgebench.journal import read
    from edgebench.worker.protocol import decode_array

    (path,) = out.glob("*/journal.jsonl")
    return {
        (case_id, entry["block"], int(start_ns))
        for entry in read(path).entries
        if entry["kind"] == "block"
        for case_id, part in entry["cases"].items()
        for burst in part["bursts"]
        for start_ns in decode_array(burst["start_ns"])
    }


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT, signal.SIGTERM])
def test_a_run_that_is_ended_goes_on_where_it_stopped(tmp_path: Path, number: signal.Signals) -> None:
    process = started(tmp_path, model("float32"), *PLAN)
    workers = workers_in_second_block(process, tmp_path)
    process.send_signal(number)
    shown, _ = process.communicate(timeout=PATIENCE_S)
    assert gone(workers)
    (folder,) = tmp_path.iterdir()
    if number is signal.SIGKILL:
        assert process.returncode == -signal.SIGKILL
        assert [path.name for path in folder.iterdir()] == ["journal.jsonl"]
    else:
        assert process.returncode == 130
        assert shown.splitlines()[-1] == f"continue with: edgebench run --resume {folder}"
        assert load(folder).record.interrupted
    before, blocks = journalled(tmp_path), blocks_in(tmp_path)
    assert 1 <= blocks < 4

    done = command("run", "--resume", "latest", "--out", tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stderr.splitlines()[-1] == f"timing, in blocks of fresh workers, {blocks} measured before (4)"
    (stored,) = tmp_path.iterdir()
    assert f"stored in {stored}" in done.stdout
    run = load(stored)
    assert f"{run.record.run_id}{'.unfinished' if number is signal.SIGKILL else ''}" == folder.name
    assert before
    assert before < keys(run.samples)
    assert not run.samples.duplicated(["case", "start_ns"]).any()
    assert set(run.samples["block"]) == set(range(4))
    assert [case.latency.blocks for case in run.record.cases if case.latency] == [4]
    (said,) = run.record.warnings
    assert re.fullmatch(r"continued on \S+: blocks? \d.* of samples.parquet w\w+ measured then", said)

    again = command("run", "--resume", stored)
    assert (again.returncode, again.stdout) == (2, "")
    assert again.stderr.startswith(f"edgebench: error: {stored.name}: is finished, there is nothing to continue")
    assert again.stderr.count("\n") == 1


def test_a_second_process_is_refused_while_the_first_measures(tmp_path: Path) -> None:
    process = started(tmp_path, model("float32"), *SHORT_FLAGS, "--blocks", "200")
    workers = workers_in_second_block(process, tmp_path)
    second = command("run", "--resume", "latest", "--out", tmp_path)
    report = command("report", "latest", "--out", tmp_path)
    process.kill()
    process.communicate()
    assert gone(workers)
    assert (second.returncode, report.returncode) == (2, 2)
    assert "another process is measuring this run right now; let it finish, or end it" in second.stderr
    assert "is being measured right now; wait until it is stored" in report.stderr
    assert command("report", "latest", "--out", tmp_path).stderr.startswith("edgebench: error: ")


@pytest.mark.parametrize(
    ("arguments", "what"),
    [
        (["m.tflite"], "m.tflite"),
        (["--threads", "1"], "--threads"),
        (["--thr", "1"], "--threads"),
        (["--normalize", "-1..1"], "--normalize"),
        (["--require-full"], "--require-full"),
        (["--delegate-option", "a=b"], "--delegate-option"),
        (["--max-runs=20000"], "--max-runs"),
        (["--seed", "0"], "--seed"),
        (["--silence", "drift"], "--silence"),
        (["--quiet", "--budget", "1s"], "--budget"),
    ],
)
def test_resume_takes_nothing_that_was_decided_before(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], what: str
) -> None:
    assert main(["run", "--resume", "latest", *arguments, "--out", str(tmp_path)]) == 2
    said = f"edgebench: error: {what}: --resume goes on with a run as it was asked for; leave {what} out\n"
    assert capsys.readouterr().err == said


def test_flags_about_output_go_with_resume(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", "--resume", "latest", "--out", str(tmp_path), "--quiet", "--json"]) == 2
    assert "holds no run yet" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_report_says_that_a_later_run_was_cut_off(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", model("float32"), *SHORT_FLAGS, "--out", str(tmp_path), "--quiet"]) == 0
    capsys.readouterr()
    for stamp, said in (("20000101-000000", ""), ("29990101-000000", "continue with: edgebench run --resume")):
        folder = tmp_path / f"{stamp}-m.unfinished"
        folder.mkdir()
        Journal.create(folder / "journal.jsonl").close()
        assert main(["report", "latest", "--out", str(tmp_path)]) == 0
        shown = capsys.readouterr()
        assert said in shown.err
        assert shown.err.count("\n") == (1 if said else 0)
        assert "float32" in shown.out
