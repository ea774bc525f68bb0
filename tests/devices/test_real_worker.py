"""The real worker behind ProcessLink: noise, missing numpy, and a controller that is killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
from edgebench.devices.process import ProcessLink
from edgebench.devices.zipapp import worker_file
from edgebench.errors import RuntimeRefused, WorkerDied, WorkerTimeout
from edgebench.session import Session

from .support import MODELS, PATIENCE_S, is_gone, wait_for

NOISY = """
import ctypes, os, sys
sys.path.insert(0, sys.argv[1])
from edgebench_worker import service
original = service.Service.first

def first(self, request):
    os.write(1, b'{"ok": true, "latency_ns": 666}\\n')
    print("print", flush=True)
    ctypes.CDLL(None).puts(b"puts"); ctypes.CDLL(None).fflush(None)
    subject = os.read(0, 100)
    os.write(2, b"read %r\\n" % subject)
    return original(self, request)

service.Service.first = first
if len(sys.argv) > 2:
    service.Service.memory = lambda self, request: os.abort()
service.main()
"""

CONTROLLER = """
import sys
from edgebench.devices.process import ProcessLink
link = ProcessLink([sys.executable, "-u", sys.argv[1]])
link.request("hello", 60)
link.request("load", 60, model_path=sys.argv[2], engine="interpreter", delegate="default", threads=1)
print(link.pid, flush=True)
link.request("first", 600, seed=0)
"""


def load(link: ProcessLink, name: str) -> None:
    link.request("hello", PATIENCE_S)
    path = str(MODELS / f"{name}.tflite")
    link.request("load", PATIENCE_S, model_path=path, engine="interpreter", delegate="default", threads=1)


def test_nothing_a_library_prints_can_look_like_an_answer(tmp_path: Path) -> None:
    script = tmp_path / "noisy.py"
    script.write_text(NOISY)
    with ProcessLink([sys.executable, str(script), str(worker_file(tmp_path)), "abort"]) as link:
        load(link, "float32")
        answer = link.request("first", PATIENCE_S, seed=0)
        assert answer["latency_ns"] != 666
        assert answer["start_ns"] > 0
        assert link.request("burst", PATIENCE_S, min_runs=1, max_runs=1, max_ns=0)["ok"]
        # The noise went to stderr; a library that reads standard input got nothing of ours.
        with pytest.raises(WorkerDied, match=r"SIGABRT during 'memory': read b''"):
            link.request("memory", PATIENCE_S)


def test_an_endless_model_ends_at_the_time_limit(tmp_path: Path) -> None:
    with ProcessLink([sys.executable, "-u", str(worker_file(tmp_path))]) as link:
        load(link, "endless")
        with pytest.raises(WorkerTimeout):
            link.request("first", 0.3, seed=0)
        assert is_gone(link.pid)


def test_a_python_without_numpy_says_so(tmp_path: Path) -> None:
    # -S leaves site-packages out, wherever this Python has its numpy.
    with ProcessLink([sys.executable, "-S", "-E", str(worker_file(tmp_path))]) as link:
        with pytest.raises(RuntimeRefused, match="the worker's Python cannot start: No module named 'numpy'") as caught:
            Session(link, PATIENCE_S).hello()
        assert caught.value.code == "no-numpy"


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="asks the Linux kernel to end an orphan")
def test_a_controller_that_is_killed_leaves_no_orphan(tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    command = [sys.executable, "-c", CONTROLLER, str(worker_file(tmp_path)), str(MODELS / "endless.tflite")]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as controller:
        assert controller.stdout is not None
        pid = int(controller.stdout.readline())
        worker = psutil.Process(pid)
        try:
            idle_s = worker.cpu_times().user
            # Busy inside the model: it does not look at its pipes any more.
            assert wait_for(lambda: worker.cpu_times().user > idle_s + 0.1)
            os.kill(controller.pid, signal.SIGKILL)
            controller.wait()
            assert wait_for(lambda: is_gone(pid), 10)
        finally:
            controller.kill()
            if not is_gone(pid):
                worker.kill()


def test_a_real_worker_tells_its_own_state(tmp_path: Path) -> None:
    link = ProcessLink([sys.executable, "-u", str(worker_file(tmp_path))])
    with Session(link, PATIENCE_S) as session:
        before = session.state()
        machine = session.machine()
        after = session.state()
    assert before["pid"] == after["pid"] == link.pid != os.getpid()
    assert before["taken_ns"] < after["taken_ns"]
    assert "threads" in after or "threads" in after["unavailable"]
    assert "uname_machine" in machine
    assert "ok" not in machine
