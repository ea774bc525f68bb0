from __future__ import annotations

import io
import json
import stat
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from edgebench.devices import zipapp
from edgebench.devices.zipapp import worker_archive, worker_file
from edgebench.errors import StoreError

SOURCES = Path(zipapp.__file__).resolve().parent.parent / "worker"


def test_the_same_sources_give_the_same_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever order a file system lists them in."""
    first = worker_archive()
    assert worker_archive() == first
    glob = Path.glob
    monkeypatch.setattr(Path, "glob", lambda folder, pattern: reversed(list(glob(folder, pattern))))
    assert worker_archive() == first


def test_no_clock_goes_into_the_archive() -> None:
    with zipfile.ZipFile(io.BytesIO(worker_archive())) as archive:
        assert {entry.date_time for entry in archive.infolist()} == {(2020, 1, 1, 0, 0, 0)}


def test_bytes_do_not_depend_on_the_files_times(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Two checkouts of one version must name their worker alike."""
    first = worker_archive()
    copy = tmp_path / "bench"
    (copy / "worker").mkdir(parents=True)
    (copy / "devices").mkdir()
    for source in sorted(SOURCES.glob("*.py"), reverse=True):
        (copy / "worker" / source.name).write_bytes(source.read_bytes())
    monkeypatch.setattr(zipapp, "__file__", str(copy / "devices" / "zipapp.py"))
    assert worker_archive() == first
    (copy / "worker" / "timing.py").write_text("")
    assert worker_archive() != first


def test_only_the_workers_files_are_shipped() -> None:
    with zipfile.ZipFile(io.BytesIO(worker_archive())) as archive:
        assert archive.testzip() is None
        names = set(archive.namelist())
        assert names == {"__main__.py"} | {f"edgebench_worker/{path.name}" for path in SOURCES.glob("*.py")}
        for path in SOURCES.glob("*.py"):
            assert archive.read(f"edgebench_worker/{path.name}") == path.read_bytes()


def test_an_existing_file_is_reused(tmp_path: Path) -> None:
    first = worker_file(tmp_path)
    before = first.stat()
    assert worker_file(tmp_path) == first
    after = first.stat()
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
    assert [path.name for path in tmp_path.iterdir()] == [first.name]


@pytest.mark.parametrize("content", [b"", b"import os", worker_archive()[:-1]])
def test_a_tampered_file_is_replaced(tmp_path: Path, content: bytes) -> None:
    path = worker_file(tmp_path)
    path.write_bytes(content)
    assert worker_file(tmp_path) == path
    assert path.read_bytes() == worker_archive()


def test_the_default_place_is_the_users_own_and_private(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EDGEBENCH_CACHE", str(tmp_path / "cache"))
    path = worker_file()
    assert path.parent.parent == tmp_path / "cache"
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_a_place_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StoreError, match="cannot be written") as caught:
        worker_file(tmp_path / "file" / "worker")
    assert "\n" not in str(caught.value)


def test_runs_as_one_file_in_an_empty_environment(tmp_path: Path) -> None:
    requests = b'{"cmd": "hello"}\n{"cmd": "memory"}\n'
    done = subprocess.run(
        [sys.executable, str(worker_file(tmp_path))], input=requests, capture_output=True, env={}, cwd="/", timeout=60
    )
    assert done.returncode == 0, done.stderr
    hello, memory = (json.loads(line) for line in done.stdout.splitlines())
    assert hello["ok"] is True
    assert hello["runtime"]["name"] == "litert"
    assert memory["rss_bytes"] > 0
