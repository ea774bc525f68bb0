from __future__ import annotations

import os
import platform
import sys
import tempfile
from pathlib import Path

import edgebench
import psutil
import pytest
from edgebench.devices import local
from edgebench.devices.local import LocalDevice, resolve_python
from edgebench.errors import UsageError

from .support import PATIENCE_S


@pytest.fixture
def device(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> LocalDevice:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return LocalDevice()


@pytest.fixture
def interpreter(tmp_path: Path) -> Path:
    """A virtual environment's python: a link to the one that made it."""
    link = tmp_path / "venv" / "bin" / "python"
    link.parent.mkdir(parents=True)
    link.symlink_to(sys.executable)
    return link


def test_a_virtual_environments_python_stays_the_link_it_is(interpreter: Path) -> None:
    assert resolve_python(str(interpreter)) == str(interpreter)


def test_a_relative_path_becomes_absolute(interpreter: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(interpreter.parent.parent)
    assert resolve_python("bin/python") == str(interpreter)


def test_a_command_is_looked_up_on_the_path(interpreter: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(interpreter.parent))
    assert resolve_python("python") == str(interpreter)


def test_a_home_folder_is_expanded(interpreter: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(interpreter.parent))
    assert resolve_python("~/python") == str(interpreter)


@pytest.mark.parametrize("kind", ["absent", "folder", "plain-file", "dangling"])
def test_what_is_no_program_is_refused_as_given(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "python"
    if kind == "folder":
        path.mkdir()
    if kind == "plain-file":
        path.write_text("not executable")
    if kind == "dangling":
        path.symlink_to(tmp_path / "gone")
    with pytest.raises(UsageError, match=r"--python .*/python: no such program"):
        resolve_python(str(path))


def test_the_environment_is_this_machines(device: LocalDevice) -> None:
    found = device.environment()
    assert found.hostname == platform.node()
    assert found.machine == platform.machine()
    assert found.kernel == f"{platform.system()} {platform.release()}"
    assert found.python == platform.python_version()
    assert found.edgebench == edgebench.__version__
    assert found.cpus_logical == os.cpu_count()
    assert found.memory_total_bytes == psutil.virtual_memory().total
    assert found.system
    if hasattr(os, "sched_getaffinity"):
        assert found.cpus_allowed == len(os.sched_getaffinity(0))
    for name in found.unavailable:
        assert getattr(found, name) is None


def test_what_cannot_be_told_is_absent_with_a_reason(device: LocalDevice, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local, "cpu_model", lambda _tree: None)
    monkeypatch.setattr(platform, "processor", lambda: "")
    monkeypatch.setitem(sys.modules, "psutil", None)
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    found = device.environment()
    assert (found.cpu_model, found.memory_total_bytes, found.cpus_allowed) == (None, None, None)
    assert set(found.unavailable) == {"cpu_model", "memory_total_bytes", "cpus_allowed"}


def test_files_are_where_they_are(device: LocalDevice, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Absolute, because workers run in another folder."""
    (tmp_path / "m.tflite").write_bytes(b"")
    monkeypatch.chdir(tmp_path)
    assert device.place(Path("m.tflite")) == str((tmp_path / "m.tflite").resolve())


def test_each_worker_is_a_fresh_process(device: LocalDevice) -> None:
    with device.start_worker(device.default_python()) as one, device.start_worker(sys.executable) as other:
        pids = {link.request("hello", PATIENCE_S)["pid"] for link in (one, other)}
    assert len(pids) == 2
    assert os.getpid() not in pids


def test_it_tells_its_own_state(device: LocalDevice) -> None:
    assert device.machine()["uname_machine"] == platform.machine()
    assert device.state()["memory_available_bytes"] > 0
    assert ("firmware_throttling" in device.firmware()) != ("firmware_throttling" in device.firmware()["unavailable"])
    assert device.address() is None
    assert device.transfers() is None
