"""The doctor end to end on this machine, and on machines and Pythons with something wrong."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from edgebench.cli import main
from edgebench.devices.base import WorkerLink
from edgebench.devices.fake import FakeDevice, FakeModel
from edgebench.devices.local import LocalDevice
from edgebench.doctor import Examination, Readers, examine, to_json
from edgebench.errors import RuntimeRefused
from edgebench.report.doctor import render_doctor
from edgebench.spec import PythonTarget
from edgebench.worker import truth
from machine_trees import lay_out

NOISE = {"count": 1000, "median_ns": 1e6, "p10_ns": 0.99e6, "p90_ns": 1.01e6, "max_ns": 2_000_000, "spread": 0.02}
COVERED = ["clock-low", "cpu-quota", "preempted", "steal", "swapping", "temperature-rise", "throttled"]


def _quiet(root: Path, machine: str = "aarch64") -> Readers:
    """Readers of a recorded machine that stays as it is."""
    return Readers(
        snapshot=lambda: truth.snapshot(str(root), 1234),
        machine=lambda: truth.machine(str(root), machine),
        firmware=lambda: {"unavailable": {"firmware_throttling": "no tool"}},
        noise=lambda _duration_ns: NOISE,
    )


def _fake(**changes: Any) -> FakeDevice:
    return FakeDevice({"smallest": FakeModel(**changes)})


@pytest.fixture
def program(tmp_path: Path) -> Callable[[str], str]:
    def write(script: str) -> str:
        path = tmp_path / "python-of-a-kind"
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)
        return str(path)

    return write


def _command(*arguments: str) -> subprocess.CompletedProcess[str]:
    command: Sequence[str] = [sys.executable, "-m", "edgebench", "doctor", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=120)


def test_this_machine(program: Callable[[str], str]) -> None:
    # As text it is run by the page about it; each run imports every runtime several times.
    done = _command("--json", "--python", sys.executable, "--python", f"odd={program('exit 3')}")
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    found = json.loads(done.stdout)
    python, odd = found["pythons"]
    assert "ended with exit code 3" in odd["problem"]
    assert python["path"] == sys.executable
    litert = python["runtimes"][0]
    assert litert["package"] == "ai-edge-litert"
    working = {(trial["engine"], trial["delegate"]) for trial in litert["trials"] if trial["works"]}
    assert working >= {("interpreter", "default"), ("interpreter", "xnnpack"), ("interpreter", "none")}
    assert found["noise"]["count"] >= 20
    assert bool(found["gpus"]["adapters"]) != bool(found["gpus"]["problem"])
    assert found["snapshot"]["memory_available_bytes"] > 0
    assert set(found["unchecked"]) <= set(COVERED)
    weights = [item["finding"]["severity"] for item in found["advice"]]
    assert weights == sorted(weights, key=["invalid", "suspect"].index)


def test_a_program_that_is_not_there_is_a_usage_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor", "--python", "/no/such/python"]) == 2
    assert capsys.readouterr().err == "edgebench: error: --python /no/such/python: no such program\n"


@pytest.fixture
def board(tmp_path: Path) -> Examination:
    return examine(_fake(), readers=_quiet(lay_out("raspberry-pi-4", tmp_path)))


def test_a_board_as_it_comes(board: Examination) -> None:
    text = render_doctor(board)
    first = text.splitlines()[:4]
    path = "/sys/devices/system/cpu/cpu*/cpufreq/scaling_governor"
    assert first[0] == "Would disturb a measurement here: 1 thing"
    assert first[1].startswith("  SUSPECT governor: the clock follows the load (governor ondemand on 4 CPUs) → ")
    assert first[2] == f"      run:  echo performance | sudo tee {path}"
    assert first[3] == f"      undo: echo ondemand | sudo tee {path}"
    assert "Machine: Raspberry Pi 4 Model B Rev 1.2, brcm,bcm2711, aarch64" in text
    assert list(board.unchecked) == ["cpu-quota", "throttled"]
    assert "  cpu-quota: /sys/fs/cgroup/user.slice/" in text


def test_the_worst_comes_first(tmp_path: Path) -> None:
    found = examine(_fake(), readers=_quiet(lay_out("laptop", tmp_path), machine="armv7l"))
    assert found.advice[0].finding.code.value == "emulated"
    text = render_doctor(found)
    assert "6 things, 1 of them enough to make it worthless" in text.splitlines()[0]
    assert text.index("INVALID") < text.index("SUSPECT")


def test_lines_keep_to_the_width_but_commands_stay_whole(board: Examination) -> None:
    for line in render_doctor(board, width=80).splitlines():
        assert len(line) <= 80 or line.lstrip().startswith(("run:", "undo:", "/"))


def test_nothing_to_say(tmp_path: Path) -> None:
    found = examine(_fake(), readers=_quiet(tmp_path))
    assert found.advice == ()
    assert render_doctor(found).startswith("Nothing was found that would disturb")


def test_a_delegate_that_takes_nothing_does_not_work(tmp_path: Path) -> None:
    found = examine(_fake(delegated_nodes=0), readers=_quiet(tmp_path))
    trials = found.pythons[0].runtimes[0].trials
    idle = {trial.delegate for trial in trials if not trial.works}
    assert idle == {"xnnpack", "gpu"}
    assert "not --engine interpreter --delegate xnnpack: took 0 of 3 nodes" in render_doctor(found)


def test_the_gpus_that_vulkan_shows(tmp_path: Path) -> None:
    found = examine(_fake(), readers=_quiet(tmp_path))
    assert "\nGPU: Fake GPU: discrete GPU.\n" in render_doctor(found)
    assert json.loads(to_json(found))["gpus"]["adapters"][0]["name"] == "Fake GPU"


def test_why_there_is_no_gpu(tmp_path: Path) -> None:
    class Without(FakeDevice):
        def start_worker(self, python: str) -> WorkerLink:
            link = super().start_worker(python)
            ask = link.request

            def request(command: str, timeout_s: float, **fields: Any) -> dict[str, Any]:
                if command == "adapters":
                    raise RuntimeRefused("Vulkan finds no driver", "no-gpu")
                return ask(command, timeout_s, **fields)

            link.request = request  # type: ignore[method-assign]
            return link

    found = examine(Without({"smallest": FakeModel()}), readers=_quiet(tmp_path))
    assert "\nGPU: none (Vulkan finds no driver).\n" in render_doctor(found)


def test_combinations_that_cannot_be_are_not_tried(tmp_path: Path) -> None:
    (python,) = examine(_fake(), readers=_quiet(tmp_path)).pythons
    tried = {(trial.engine, trial.delegate) for trial in python.runtimes[0].trials}
    assert ("compiled", "gpu") in tried
    assert ("interpreter", "gpu") not in tried


def test_every_worker_is_closed(tmp_path: Path) -> None:
    device = _fake()
    examine(device, readers=_quiet(tmp_path))
    assert device.open_workers == 0


@pytest.mark.parametrize(
    ("script", "words"),
    [
        ("exit 0", "ended with exit code 0"),
        ("kill -ABRT $$", "was ended by SIGABRT"),
        ("echo hello; sleep 60", "garbage instead of an answer"),
        (
            """read line; echo '{"ok": false, "code": "no-numpy", "message": "No module named numpy"}'""",
            "No module named numpy",
        ),
        ("echo 'bad \033[31minterpreter' >&2; exit 1", "bad [31minterpreter"),
    ],
)
def test_a_python_that_cannot_run_workers_says_why(program: Callable[[str], str], script: str, words: str) -> None:
    device = LocalDevice()
    device.default_python = lambda: program(script)  # type: ignore[method-assign]
    found = examine(device, readers=Readers(noise=lambda _duration_ns: NOISE))
    (python,) = found.pythons
    assert python.runtimes == ()
    text = render_doctor(found)
    assert "    nothing: " in text
    assert words in text
    json.loads(to_json(found))


def test_a_python_without_a_runtime_says_what_could_be_installed(program: Callable[[str], str]) -> None:
    answer = (
        """{"ok": false, "code": "no-runtime", "message": "no TFLite runtime in this Python: it is not installed"}"""
    )
    device = LocalDevice()
    device.default_python = lambda: program(f"read line; echo '{answer}'")  # type: ignore[method-assign]
    found = examine(device, readers=Readers(noise=lambda _duration_ns: NOISE))
    assert list(found.pythons[0].absent) == ["ai-edge-litert", "tflite-runtime", "tensorflow"]
    text = render_doctor(found)
    assert "nothing: no runtime can be used" in text
    assert "tflite-runtime: no TFLite runtime in this Python" in text


def test_the_same_python_is_tried_once(tmp_path: Path) -> None:
    device = _fake()
    found = examine(device, [PythonTarget("python3"), PythonTarget("python3", "old")], readers=_quiet(tmp_path))
    assert [python.name for python in found.pythons] == [None, "old"]
