"""A bare emulated board as a device, and what may happen to it: cuts, reboots, full disks, wrong clocks."""

from __future__ import annotations

import functools
import os
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from edgebench.analysis.surroundings import standing_findings
from edgebench.devices.remote import RemoteDevice, RemoteSettings
from edgebench.devices.retry import Patience, connect
from edgebench.devices.ssh import SshTransport
from edgebench.errors import DeviceLost, DeviceRefused, RuntimeRefused
from edgebench.findings import Code, Severity

from .board import Board
from .ssh_client import settings

pytestmark = pytest.mark.board

#: An emulated board boots in 8 s on an idle machine, and in a minute on a busy one.
BOOT = Patience(total_s=300.0)

Open = Callable[..., RemoteDevice]


@pytest.fixture
def open_board(ssh_home: Path) -> Iterator[Open]:
    opened: list[RemoteDevice] = []

    def make(board: Board, remote: RemoteSettings | None = None) -> RemoteDevice:
        found = settings(board, keepalive_s=2.0, keepalive_count=2)
        reach = functools.partial(connect, patience=BOOT)
        opened.append(RemoteDevice("board", lambda: SshTransport(found), remote, reach=reach))
        return opened[-1]

    yield make
    for device in opened:
        device.close()


def test_an_emulated_board_shows_itself(board: Board, open_board: Open) -> None:
    device = open_board(board)
    environment, machine = device.environment(), device.machine()
    assert (environment.machine, environment.cpus_logical) == ("aarch64", 2)
    assert environment.system.startswith("Debian GNU/Linux")
    assert machine["board_model"] == "linux,dummy-virt"
    (found,) = [one for one in standing_findings(device.state(), machine) if one.code is Code.EMULATED]
    assert found.severity is Severity.INVALID
    assert "/proc/device-tree/model: linux,dummy-virt" in found.reason


def test_a_bare_board_says_what_it_lacks(board: Board, open_board: Open) -> None:
    device = open_board(board)
    with device.start_worker("/usr/bin/python3") as worker, pytest.raises(RuntimeRefused, match="numpy") as caught:
        worker.request("hello", 300)
    assert caught.value.code == "no-numpy"
    with pytest.raises(Exception, match="board has no environment for workers; make it with: edgebench device setup"):
        device.start_worker(device.default_python())


def test_the_cable_is_pulled_while_a_file_goes_there(board: Board, open_board: Open, tmp_path: Path) -> None:
    path = tmp_path / "big.bin"
    path.write_bytes(os.urandom(6_000_000))
    device = open_board(board)
    cut: list[int] = []

    def pull(_name: str, done: int, _total: int) -> None:
        if done > 2_000_000 and not cut:
            device.keeper.ask("ping")
            cut.append(done)
            board.cut()

    device._on_sent = pull
    try:
        with pytest.raises(DeviceLost, match="the connection was lost"):
            device.push(path)
    finally:
        board.mend()
    device.reconnect()
    before = device.transfers()
    assert device.push(path).startswith("/home/pi/.cache/edgebench/files/")
    after = device.transfers()
    assert after.bytes_reused - before.bytes_reused >= cut[0]
    assert after.bytes_sent - before.bytes_sent <= 6_000_000 - cut[0]


def test_the_board_reboots_meanwhile(board: Board, open_board: Open, tmp_path: Path) -> None:
    path = tmp_path / "small.bin"
    path.write_bytes(os.urandom(50_000))
    device = open_board(board)
    place = device.push(path)
    board.run("sync")
    threading.Timer(1.0, board.reset).start()
    with pytest.raises(DeviceLost, match="the connection was lost"):
        device.noise(120 * 10**9)
    device.reconnect()
    before = device.transfers().bytes_sent
    assert device.push(path) == place
    assert device.transfers().bytes_sent == before


def test_its_disk_is_full(board: Board, open_board: Open, tmp_path: Path) -> None:
    path = tmp_path / "large.bin"
    path.write_bytes(b"x" * 30_000_000)
    device = open_board(board, RemoteSettings(folder="/small/edgebench"))
    with pytest.raises(DeviceRefused, match=r"its disk is full: 30\.0 MB more are needed in /small/edgebench and \d"):
        device.push(path)
    # It fills up behind the look at how much is free.
    path.write_bytes(os.urandom(20_000_000))
    filler = board.run("head -c 12000000 /dev/zero > /small/other; stat -c %s /small/other")
    assert int(filler.stdout) == 12_000_000
    with pytest.raises(DeviceRefused, match="its disk is full"):
        device.push(path)
    board.run("rm /small/other")
    assert device.keeper.ask("clean")["removed_bytes"] > 0
    device.close()
    assert board.run("ls -A /small").stdout == ""


def test_two_runs_on_one_board(board: Board, open_board: Open) -> None:
    first = open_board(board, RemoteSettings(purpose="edgebench run models/sample"))
    first.connect()
    with pytest.raises(DeviceRefused, match=r"in use by .+ \(edgebench run models/sample, process \d+\) since 20"):
        open_board(board).connect()


def test_a_raspberry_pi_with_a_wrong_clock(raspberry_pi: Board, open_board: Open) -> None:
    """It has no battery and no network time: it thinks that it is 1970, and that harms nothing."""
    device = open_board(raspberry_pi)
    assert raspberry_pi.run("date", "+%Y").stdout.strip() == "1970"
    machine, state = device.machine(), device.state()
    assert machine["board_model"] == "Raspberry Pi 3 Model B"
    assert machine["emulated"]["found"]
    assert any("QEMU" in sign for sign in machine["emulated"]["signs"])
    (zone,) = state["temperatures"].values()
    assert zone["type"] == "cpu-thermal"
    assert 0 < zone["celsius"] < 100
    assert "vcgencmd is not installed" in device.firmware()["unavailable"]["firmware_throttling"]
    watcher = open_board(raspberry_pi)
    with pytest.raises(DeviceRefused, match=f"since {time.strftime('%Y')}"):
        watcher.connect()
