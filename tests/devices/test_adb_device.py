"""A phone as a device over the real daemon: killed during a file and a burst, frozen, full, with and without Python.

Its Python is this machine's: the tests are about the way there.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from edgebench.devices.adb import AdbTransport
from edgebench.devices.adb_address import AdbAddress
from edgebench.devices.opening import PHONE_FOLDER
from edgebench.devices.remote import RemoteDevice, RemoteSettings
from edgebench.errors import DeviceLost, DeviceRefused, RuntimeRefused
from harness import model

from .adb_client import lead_to
from .phone import SMALL, Phone

pytestmark = pytest.mark.phone

StartPhone = Callable[..., Phone]
Open = Callable[..., RemoteDevice]


@pytest.fixture
def armed(start_phone: StartPhone) -> Phone:
    """A phone with a Python."""
    return start_phone(with_python=True)


@pytest.fixture
def open_device(monkeypatch: pytest.MonkeyPatch) -> Iterator[Open]:
    opened: list[RemoteDevice] = []

    def make(
        phone: Phone, folder: str = PHONE_FOLDER, purpose: str = "edgebench", python: str | None = None
    ) -> RemoteDevice:
        lead_to(phone.server, monkeypatch)
        settings = RemoteSettings(folder=folder, python=python or phone.host_python, purpose=purpose)
        device = RemoteDevice("phone", lambda: AdbTransport(AdbAddress(phone.serial)), settings)
        opened.append(device)
        return device

    yield make
    for device in opened:
        device.close()


def test_a_worker_over_adb(armed: Phone, open_device: Open) -> None:
    device = open_device(armed)
    with device.start_worker(str(armed.host_python)) as worker:
        assert worker.request("hello", 60)["python"]
        path = device.place(Path(model("int8")))
        assert Path(path).parent == Path(PHONE_FOLDER, "files")
        assert worker.request("load", 60, model_path=path, engine="interpreter", threads=1)["load_ns"] > 0
        assert worker.request("first", 60, seed=0)["latency_ns"] > 0
    assert device.address() == armed.serial
    assert device.environment().memory_total_bytes
    assert device.keeper.ask("clean")["removed_bytes"] > 0
    device.close()
    assert not armed.path(PHONE_FOLDER).exists()


def test_the_daemon_is_killed_while_a_file_goes_there(armed: Phone, open_device: Open, tmp_path: Path) -> None:
    path = tmp_path / "big.bin"
    path.write_bytes(os.urandom(16_000_000))
    device = open_device(armed)
    killed: list[int] = []

    def kill(_name: str, done: int, _total: int) -> None:
        if done > 4_000_000 and not killed:
            device.keeper.ask("ping")
            killed.append(done)
            armed.kill_daemon()

    device._on_sent = kill
    with pytest.raises(DeviceLost, match="the connection was lost"):
        device.push(path)
    armed.start_daemon()
    device.reconnect()
    before = device.transfers()
    there = device.push(path)
    after = device.transfers()
    assert armed.path(there).read_bytes() == path.read_bytes()
    assert after.bytes_reused - before.bytes_reused >= killed[0]
    assert after.bytes_sent - before.bytes_sent <= 16_000_000 - killed[0]


def test_the_daemon_is_killed_during_a_burst(armed: Phone, open_device: Open) -> None:
    device = open_device(armed)
    worker = device.start_worker(str(armed.host_python))
    worker.request("hello", 60)
    path = device.place(Path(model("float32")))
    worker.request("load", 60, model_path=path, engine="interpreter", threads=1)
    worker.request("first", 60, seed=0)
    threading.Timer(0.3, armed.kill_daemon).start()
    with pytest.raises(DeviceLost, match="the connection was lost during 'burst'"):
        worker.request("burst", 60, min_runs=1, max_runs=10**9, max_ns=30 * 10**9)
    worker.close()
    armed.start_daemon()
    device.reconnect()
    device.start_worker(str(armed.host_python)).close()


def test_the_phone_restarts_and_files_stay(armed: Phone, open_device: Open) -> None:
    device = open_device(armed)
    path = device.place(Path(model("int8")))
    armed.restart()
    with pytest.raises(DeviceLost):
        device.state()
    device.reconnect()
    sent = device.transfers().bytes_sent
    assert device.place(Path(model("int8"))) == path
    assert device.transfers().bytes_sent == sent


def test_its_disk_is_full(armed: Phone, open_device: Open, tmp_path: Path) -> None:
    path = tmp_path / "large.bin"
    path.write_bytes(b"x" * 30_000_000)
    device = open_device(armed, f"{SMALL}/edgebench")
    with pytest.raises(DeviceRefused, match=rf"its disk is full: 30\.0 MB more are needed in {SMALL}/edgebench and \d"):
        device.push(path)
    device.close()
    armed.fill_disk()
    with pytest.raises(DeviceRefused, match=r"(?i)no space|full"):
        open_device(armed, f"{SMALL}/other").connect()


def test_a_folder_that_a_shell_may_not_write(armed: Phone, open_device: Open) -> None:
    with pytest.raises(
        DeviceRefused, match=r"the worker cannot be written to /system/edgebench: .*(ermission|ead-only)"
    ):
        open_device(armed, "/system/edgebench").connect()


def test_two_runs_on_one_phone_and_two_phones_at_once(start_phone: StartPhone, armed: Phone, open_device: Open) -> None:
    first = open_device(armed, purpose="edgebench run models/sample")
    first.connect()
    with pytest.raises(DeviceRefused, match=r"in use by .+ \(edgebench run models/sample, process \d+\) since 20"):
        open_device(armed).connect()
    other = open_device(start_phone(with_python=True))
    for device in (first, other):
        with device.start_worker(str(armed.host_python)) as worker:
            assert worker.request("hello", 60)["python"]


def test_a_phone_without_python(start_phone: StartPhone, open_device: Open) -> None:
    with pytest.raises(DeviceRefused, match="has no Python"):
        open_device(start_phone()).connect()


def test_a_python_for_another_processor(start_phone: StartPhone, open_device: Open) -> None:
    """A program that begins like one, for a processor that nothing here can play."""
    phone = start_phone()
    wrong = "/data/local/tmp/python3"
    head = bytearray(Path("/proc/self/exe").read_bytes()[:4096])
    head[18] = 0xF3  # RISC-V
    phone.path(wrong).write_bytes(bytes(head))
    phone.path(wrong).chmod(0o755)
    with pytest.raises(DeviceRefused, match=rf"{wrong} is no Python 3\.8 or newer there"):
        open_device(phone, python=wrong).connect()


def test_a_worker_whose_python_has_no_numpy(armed: Phone, open_device: Open) -> None:
    bare = "/data/local/tmp/bare"
    armed.write(bare, f'#!/system/bin/sh\nexec {armed.host_python} -S -I "$@"\n')
    armed.path(bare).chmod(0o755)
    with open_device(armed).start_worker(bare) as worker, pytest.raises(RuntimeRefused, match="numpy") as caught:
        worker.request("hello", 60)
    assert caught.value.code == "no-numpy"


def test_a_daemon_that_does_not_answer_any_more_is_noticed(armed: Phone, open_device: Open) -> None:
    """Frozen: neither side is told. What is asked has its own time limit."""
    device = open_device(armed)
    device.connect()
    armed.freeze()
    begin = time.monotonic()
    with pytest.raises(DeviceLost, match="no answer to 'state' within 1 s"):
        device.keeper.ask("state", 1.0)
    assert time.monotonic() - begin < 30
    device.close()
    armed.thaw()
    device.reconnect()
    assert device.state()
