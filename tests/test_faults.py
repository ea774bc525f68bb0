"""What goes wrong in real workers with a real model: the case says why, the others finish, nothing is left running.

What each fault looks like to the link alone is in ``devices/test_process.py``; Ctrl-C is in ``test_cli.py``.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from devices.support import is_gone, wait_for
from edgebench.api import run_spec
from edgebench.devices.base import WorkerLink
from edgebench.devices.local import LocalDevice
from edgebench.devices.process import ProcessLink
from edgebench.devices.zipapp import worker_file
from edgebench.records import Failure, Status
from edgebench.run_cli import exit_code
from edgebench.spec import Spec, parse_delegates
from edgebench.store import StoredRun
from harness import SHORT, SHORT_FLAGS, command, model

FIXTURES = Path(__file__).resolve().parent / "fixtures"
FOREVER_NS = 600 * 10**9

#: A worker that misbehaves once it has loaded the int8 model, and is the real one for all others.
PATCHED = """
import sys
sys.path.insert(0, sys.argv[1])
from edgebench_worker import service
answer_to, write_answer = service.answer_to, service.write_answer
kept = []

def patched(own, request):
    if "/int8." in str(request.get("model_path")):
        kept.append(request)
    if kept:
        misbehave(request["cmd"])
    return answer_to(own, request)

def garbage(answers, answer):
    answers.write(b"\\xff\\xfeSegmentation fault\\n")
    answers.flush()

def misbehave(command):
    BODY

service.answer_to = patched
service.main()
"""


class Watched(LocalDevice):
    """The local device, which remembers the processes that it started; with ``body`` its workers misbehave."""

    def __init__(self, folder: Path, body: str | None = None) -> None:
        super().__init__()
        self.pids: list[int] = []
        self._script = folder / "worker.py"
        self._archive = str(worker_file(folder))
        if body is not None:
            self._script.write_text(PATCHED.replace("BODY", body))

    def start_worker(self, python: str) -> WorkerLink:
        if self._script.exists():
            link: WorkerLink = ProcessLink([python, "-u", str(self._script), self._archive])
        else:
            link = super().start_worker(python)
        assert isinstance(link, ProcessLink)
        self.pids.append(link.pid)
        return link


class Signalling(Watched):
    """Sends a signal to the worker of the int8 model in the midst of a burst that would take minutes."""

    def __init__(self, folder: Path, number: signal.Signals, timeout_s: float) -> None:
        super().__init__(folder)
        self.number, self.timeout_s = number, timeout_s

    def start_worker(self, python: str) -> WorkerLink:
        link = super().start_worker(python)
        return _SignallingLink(self, link, self.pids[-1])


class _SignallingLink(WorkerLink):
    def __init__(self, device: Signalling, link: WorkerLink, pid: int) -> None:
        self._device, self._link, self._pid = device, link, pid
        self._victim = False
        self._snapshots = 0

    def request(self, command: str, timeout_s: float, **fields: Any) -> dict[str, Any]:
        self._snapshots += command == "memory"
        self._victim = self._victim or "/int8." in str(fields.get("model_path"))
        if not self._victim or self._snapshots or command != "burst":  # a worker that is asked for memory is not timed
            return self._link.request(command, timeout_s, **fields)
        timer = threading.Timer(0.1, os.kill, (self._pid, self._device.number))
        timer.start()
        try:
            fields = {**fields, "max_runs": 10**9, "min_runs": 10**9, "max_ns": FOREVER_NS}
            return self._link.request(command, self._device.timeout_s, **fields)
        finally:
            timer.join()

    def close(self) -> None:
        self._link.close()


def measured(device: Watched, names: Sequence[str] = ("float32", "int8", "uint8"), **settings: Any) -> StoredRun:
    """Measure models of one name, which take turns in the same blocks."""
    models = tuple(f"net/{name}={model(name)}" for name in names)
    return run_spec(Spec(models=models, settings=replace(SHORT, **settings)), device=device)


def only_int8_failed(run: StoredRun, device: Watched) -> Failure:
    """Return why int8 failed; the other cases are whole and no process is left."""
    failed = [case for case in run.record.cases if case.status is not Status.OK]
    assert [case.variant for case in failed] == ["int8"]
    assert all(case.latency is not None for case in run.record.cases if case not in failed)
    assert exit_code(run) == 3
    assert device.pids
    assert wait_for(lambda: all(is_gone(pid) for pid in device.pids))
    assert failed[0].failure is not None
    return failed[0].failure


def test_a_worker_that_is_killed_during_a_burst(tmp_path: Path) -> None:
    device = Signalling(tmp_path, signal.SIGKILL, timeout_s=120)
    failure = only_int8_failed(measured(device), device)
    assert failure.code == "worker-died"
    assert failure.message.startswith("the worker was ended by SIGKILL (out of memory?) during 'burst'")


def test_a_worker_that_is_stopped_during_a_burst_ends_at_the_time_limit(tmp_path: Path) -> None:
    device = Signalling(tmp_path, signal.SIGSTOP, timeout_s=1)
    run = measured(device)
    failure = only_int8_failed(run, device)
    assert (failure.code, failure.message) == ("timeout", "no answer to 'burst' within 1 s: the worker was killed")
    case = next(case for case in run.record.cases if case.variant == "int8")
    assert case.memory is not None  # what was measured before is kept


def test_a_worker_that_writes_garbage(tmp_path: Path) -> None:
    device = Watched(tmp_path, 'service.write_answer = garbage if command == "first" else write_answer')
    failure = only_int8_failed(measured(device), device)
    assert failure.code == "protocol"
    assert "garbage instead of an answer" in failure.message


def test_a_delegate_that_aborts(tmp_path: Path) -> None:
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        pytest.skip("no C compiler here to build a delegate with")
    library, source = tmp_path / "libfatal.so", FIXTURES / "delegates" / "idle.c"
    subprocess.run([compiler, "-shared", "-fPIC", "-Wall", "-Werror", "-o", str(library), str(source)], check=True)
    device = Watched(tmp_path)
    delegates = parse_delegates((f"external:{library}", "default"), ("abort=now",))
    run = run_spec(Spec(models=(model("int8"),), delegates=delegates, settings=SHORT), device=device)
    failures = [case.failure for case in run.record.cases if case.delegate.library]
    assert [failure.code for failure in failures if failure] == ["worker-died"]
    assert failures[0] is not None
    assert failures[0].message.startswith("the worker was ended by SIGABRT during 'load'")
    assert [case.status for case in run.record.cases if not case.delegate.library] == [Status.OK]
    assert exit_code(run) == 3
    assert wait_for(lambda: all(is_gone(pid) for pid in device.pids))


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_a_model_that_takes_more_memory_than_allowed(tmp_path: Path) -> None:
    first = measured(Watched(tmp_path / "plain"), names=("float32",)).record.cases[0].memory
    assert first is not None
    assert first.peak_rss_bytes is not None
    limit = first.peak_rss_bytes + 100_000_000
    device = Watched(tmp_path, 'kept.append(bytearray(b"x") * 300_000_000)')
    failure = only_int8_failed(measured(device, memory_limit_bytes=limit), device)
    assert failure.code == "memory-limit"
    assert f"more than --memory-limit {limit / 1e6:.10g} MB, during 'load'; the worker was killed" in failure.message


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_a_limit_below_what_python_needs_is_told_for_each_case(tmp_path: Path) -> None:
    done = command("run", model("int8"), *SHORT_FLAGS, "--memory-limit", "21MB", "--out", tmp_path, "--quiet")
    assert (done.returncode, done.stderr) == (3, "")
    assert "more than --memory-limit 21 MB, during 'hello'; the worker was killed" in done.stdout
