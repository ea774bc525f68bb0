"""Fetching a program from a real server, and each way in which that fails."""

from __future__ import annotations

import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from edgebench.errors import InputError
from edgebench.setup import download
from edgebench.setup.download import fetch_program

from .http_server import Server, serving

PROGRAM = b"\x7fELF" + bytes(range(256)) * 2000


@pytest.fixture
def server() -> Iterator[Server]:
    with serving(PROGRAM) as started:
        yield started


@pytest.mark.parametrize("path", ["tool", "unsized", "moved"])
def test_a_program_is_fetched_and_replaces_the_one_from_before(server: Server, tmp_path: Path, path: str) -> None:
    heard: list[tuple[int, int]] = []
    found = fetch_program(server.address(path), tmp_path, lambda done, of: heard.append((done, of)))
    assert found.read_bytes() == PROGRAM
    assert found.name == path
    assert heard[-1] == (len(PROGRAM), 0 if path == "unsized" else len(PROGRAM))
    assert len(heard) > 2
    server.program = PROGRAM + b"newer"
    assert fetch_program(server.address(path), tmp_path) == found
    assert found.read_bytes() == PROGRAM + b"newer"
    assert [item.name for item in found.parent.iterdir()] == [path]


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("nowhere", r"/nowhere: the server has no such file \(404 Not Found\); fetch it another way and name the file"),
        ("page", "/page: is no program for Linux or Android, it begins with '<!DOCTYPE html><html><bo'; fetch it"),
        ("cut", rf"/cut: only {len(PROGRAM) // 2} of {len(PROGRAM)} bytes arrived; run it again"),
        ("empty", "/empty: the server sent nothing; fetch it another way"),
    ],
)
def test_an_answer_that_is_none(server: Server, tmp_path: Path, path: str, words: str) -> None:
    with pytest.raises(InputError, match=words):
        fetch_program(server.address(path), tmp_path)
    assert [item for item in tmp_path.rglob("*") if item.is_file()] == []


def test_a_failure_leaves_what_was_fetched_before(server: Server, tmp_path: Path) -> None:
    found = fetch_program(server.address("tool"), tmp_path)
    server.program = b"<html>"
    with pytest.raises(InputError, match="is no program"):
        fetch_program(server.address("tool"), tmp_path)
    assert found.read_bytes() == PROGRAM


def test_no_network_and_no_answer(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ending = "; connect this machine to the network, or fetch it another way and name the file: --benchmark-model FILE"
    with socket.socket() as deaf:  # a port that is taken, and that nobody listens at
        deaf.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{deaf.getsockname()[1]}/tool"
        with pytest.raises(InputError) as refused:
            fetch_program(address, tmp_path)
    assert str(refused.value) == f"{address}: cannot be fetched: Connection refused{ending}"
    with pytest.raises(InputError, match=r"http://no-such-host\.invalid/tool: cannot be fetched: .*[Nn]ame"):
        fetch_program("http://no-such-host.invalid/tool", tmp_path)
    with pytest.raises(InputError, match="http://: cannot be fetched: "):
        fetch_program("http://", tmp_path)
    monkeypatch.setattr(download, "_PATIENCE_S", 0.1)
    with pytest.raises(InputError, match="/silent: cannot be fetched: timed out; connect this machine"):
        fetch_program(server.address("silent"), tmp_path)


def test_a_cache_folder_that_cannot_be(server: Server, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match=r"file/[0-9a-f]{16}: cannot be written to: "):
        fetch_program(server.address("tool"), tmp_path / "file")


def test_a_disk_without_room(server: Server, tmp_path: Path) -> None:
    """In namespaces of its own, the cache folder is a disk of 64 kB."""
    if shutil.which("unshare") is None:
        pytest.skip("no program unshare here")
    script = (
        "import sys; from pathlib import Path; from edgebench.setup.download import fetch_program\n"
        "from edgebench.errors import InputError\n"
        "try: fetch_program(sys.argv[1], Path(sys.argv[2]))\n"
        "except InputError as error: print(error, *Path(sys.argv[2]).rglob('*.part'))"
    )
    mounted = 'mount -t tmpfs -o size=64k small "$2" && exec "$3" -c "$4" "$1" "$2"'
    namespaces = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", mounted, "sh"]
    done = subprocess.run(
        [*namespaces, server.address("tool"), str(tmp_path), sys.executable, script],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    if "unshare" in done.stderr or "mount" in done.stderr:
        pytest.skip("this machine lets nobody mount a disk in a namespace")
    ending = f": has no room for {server.address('tool')}; make room there, or set EDGEBENCH_CACHE"
    assert done.stdout.strip().endswith(ending)
