"""A device over a real SSH server whose connections are killed, frozen and refused while something goes on."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from benchmark_model.official import write_tool
from edgebench.api import run_spec
from edgebench.devices.remote import RemoteDevice, RemoteSettings
from edgebench.devices.ssh import SshTransport
from edgebench.errors import DeviceLost, DeviceRefused, RuntimeRefused
from edgebench.records import Engine
from edgebench.spec import Spec
from harness import SHORT, model

from .native_sshd import NativeSshd, path_without
from .ssh_client import settings

StartSshd = Callable[..., NativeSshd]
Open = Callable[..., RemoteDevice]


@pytest.fixture
def server(start_sshd: StartSshd, ssh_home: Path) -> NativeSshd:
    return start_sshd()


@pytest.fixture
def open_device() -> Iterator[Open]:
    opened: list[RemoteDevice] = []

    def make(server: NativeSshd, remote: RemoteSettings | None = None, **changed: object) -> RemoteDevice:
        found = settings(server, **changed)
        device = RemoteDevice("board", lambda: SshTransport(found), remote)
        opened.append(device)
        return device

    yield make
    for device in opened:
        device.close()


def test_a_worker_over_ssh(server: NativeSshd, open_device: Open) -> None:
    device = open_device(server)
    with device.start_worker(sys.executable) as worker:
        assert worker.request("hello", 60)["machine"] == os.uname().machine
        path = device.place(Path(model("int8")))
        assert Path(path).parent == server.home / ".cache" / "edgebench" / "files"
        assert worker.request("load", 60, model_path=path, engine="interpreter", threads=1)["load_ns"] > 0
        assert worker.request("first", 60, seed=0)["latency_ns"] > 0
    assert device.address() == f"{server.user}@{server.host}:{server.port}"


def test_the_connection_is_killed_while_a_file_goes_there(
    server: NativeSshd, open_device: Open, tmp_path: Path
) -> None:
    path = tmp_path / "big.bin"
    path.write_bytes(os.urandom(20_000_000))
    device = open_device(server)
    killed: list[int] = []

    def kill(_name: str, done: int, _total: int) -> None:
        if done > 8_000_000 and not killed:
            device.keeper.ask("ping")
            killed.append(server.kill_connections())

    device._on_sent = kill
    with pytest.raises(DeviceLost, match="the connection was lost"):
        device.push(path)
    assert killed
    assert killed[0] > 0
    device.reconnect()
    sent = device.transfers().bytes_sent
    assert Path(device.push(path)).read_bytes() == path.read_bytes()
    assert device.transfers().bytes_reused >= 8_000_000
    assert device.transfers().bytes_sent - sent <= 12_000_000


def test_the_connection_is_killed_during_a_burst(server: NativeSshd, open_device: Open) -> None:
    device = open_device(server)
    worker = device.start_worker(sys.executable)
    worker.request("hello", 60)
    path = device.place(Path(model("float32")))
    worker.request("load", 60, model_path=path, engine="interpreter", threads=1)
    worker.request("first", 60, seed=0)
    threading.Timer(0.3, server.kill_connections).start()
    with pytest.raises(DeviceLost, match="the connection was lost during 'burst'"):
        worker.request("burst", 60, min_runs=1, max_runs=10**9, max_ns=30 * 10**9)
    worker.close()
    device.reconnect()
    device.start_worker(sys.executable).close()


def test_a_link_that_drops_everything_is_noticed_and_taken_up_again(server: NativeSshd, open_device: Open) -> None:
    """Frozen: neither side is told. The run ends what its lost connection has left there, and has its device back."""
    device = open_device(server, keepalive_s=0.5, keepalive_count=2)
    worker = device.start_worker(sys.executable)
    worker.request("hello", 60)
    server.freeze_connections()
    begin = time.monotonic()
    with pytest.raises(DeviceLost, match=r"the connection was lost"):
        worker.request("memory", 60)
    assert time.monotonic() - begin < 30
    worker.close()
    device.reconnect()
    with device.start_worker(sys.executable) as again:
        assert again.request("memory", 60)["rss_bytes"] > 0
    server.thaw_connections()


def test_two_runs_on_one_board(server: NativeSshd, open_device: Open) -> None:
    first = open_device(server, RemoteSettings(purpose="edgebench run"))
    first.connect()
    with pytest.raises(DeviceRefused, match=r"in use by .+ \(edgebench run, process \d+\) since 20"):
        open_device(server).connect()


def test_a_board_without_python(start_sshd: StartSshd, ssh_home: Path, open_device: Open, tmp_path: Path) -> None:
    server = start_sshd(path=path_without("python", tmp_path / "bin"))
    with pytest.raises(DeviceRefused, match="has no Python; install it there"):
        open_device(server).connect()


def test_a_worker_whose_python_has_no_numpy(server: NativeSshd, open_device: Open, tmp_path: Path) -> None:
    bare = tmp_path / "python"
    bare.write_text(f'#!/bin/sh\nexec {sys.executable} -S -I "$@"\n', encoding="utf-8")
    bare.chmod(0o755)
    with open_device(server).start_worker(str(bare)) as worker, pytest.raises(RuntimeRefused, match="numpy") as caught:
        worker.request("hello", 60)
    assert caught.value.code == "no-numpy"


def test_the_official_tool_on_a_board_without_python(
    start_sshd: StartSshd, ssh_home: Path, open_device: Open, tmp_path: Path
) -> None:
    """Over a real server, whose shell has no Python: files, lock, the tool itself and its result."""
    server = start_sshd(path=path_without("python", tmp_path / "programs"))
    device = open_device(server)
    tool = write_tool(tmp_path / "tool")
    spec = Spec((model("int8"),), engines=(Engine.BENCHMARK_MODEL,), settings=SHORT, benchmark_model=str(tool))
    (case,) = run_spec(spec, device=device).record.cases
    assert case.failure is None
    assert case.latency is not None
    assert case.latency.summary_of == "benchmark_model"
    left = [path.parent.name for path in (server.home / ".cache" / "edgebench").rglob("*") if path.is_file()]
    assert sorted(left) == ["edgebench", "files", "files"]  # what says that the folder is ours, the tool and the model
