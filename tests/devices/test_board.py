from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from . import board as boards
from .board import BOARD_VARIABLE, Board, Kind, find_image
from .support import PATIENCE_S

pytestmark = pytest.mark.board


@pytest.fixture
def cat(board: Board) -> Iterator[subprocess.Popen[bytes]]:
    """A connection that gives back what it is sent, ready."""
    process = subprocess.Popen(board.ssh("cat"), stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    _send(process, b"ready\n")
    assert _received(process) == b"ready\n"
    yield process
    process.kill()
    process.communicate()


def _send(process: subprocess.Popen[bytes], line: bytes) -> None:
    assert process.stdin is not None
    process.stdin.write(line)
    process.stdin.flush()


def _received(process: subprocess.Popen[bytes]) -> bytes:
    assert process.stdout is not None
    return process.stdout.readline()


def test_the_board_is_a_bare_aarch64_debian(board: Board) -> None:
    facts = board.run(
        "uname -m; hostname; id -un; pwd; cat /proc/device-tree/model; echo; nproc; ls /sys/class/thermal"
    )
    absent = board.run("for name in pip numpy ensurepip ai_edge_litert; do python3 -m $name; done")
    year = board.run("date", "+%Y")

    assert facts.stdout.replace("\0", "").splitlines() == [
        "aarch64",
        "board",
        "pi",
        "/home/pi",
        "linux,dummy-virt",
        "2",
    ]
    assert absent.stderr.count("No module named") == 4
    assert int(year.stdout) > 2020


def test_a_small_file_system_can_be_filled(board: Board) -> None:
    filled = board.run("head -c 30000000 /dev/zero > /small/file; stat -c %s /small/file; rm /small/file")

    assert "No space left on device" in filled.stderr
    assert int(filled.stdout) == 24 * 2**20


def test_a_cut_link_is_silent_and_a_mended_one_goes_on(board: Board, cat: subprocess.Popen[bytes]) -> None:
    board.cut()
    try:
        refused = board.run("true", options=["ConnectTimeout=1"])
        _send(cat, b"sent into nothing\n")
    finally:
        board.mend()

    assert (refused.returncode, "timed out" in refused.stderr) == (255, True)
    assert _received(cat) == b"sent into nothing\n"


def test_killed_connections_end_and_the_board_stays(board: Board, cat: subprocess.Popen[bytes]) -> None:
    board.kill_connections()

    assert cat.wait(PATIENCE_S) == 255
    assert board.run("true").returncode == 0


def test_a_reboot_ends_everything_but_files(board: Board) -> None:
    first = board.run(
        "cat /proc/sys/kernel/random/boot_id; echo kept > file; sync; sleep 1000 >/dev/null 2>&1 & echo $!"
    )
    first_boot, sleeper = first.stdout.split()

    board.reboot()
    second = board.run(f"cat /proc/sys/kernel/random/boot_id file; rm file; cat /proc/{sleeper}/cmdline")

    assert second.stdout.split()[1] == "kept"
    assert second.stdout.split()[0] != first_boot
    assert "sleep" not in second.stdout


def test_a_raspberry_pi_tells_its_model_and_temperature(raspberry_pi: Board) -> None:
    facts = raspberry_pi.run("uname -m; hostname; cat /proc/device-tree/model; echo; nproc; date +%Y")
    zone = raspberry_pi.run("cd /sys/class/thermal/thermal_zone0; cat type temp")

    lines = facts.stdout.replace("\0", "").splitlines()
    assert [line.strip() for line in lines] == ["aarch64", "raspberrypi", "Raspberry Pi 3 Model B", "4", "1970"]
    assert zone.stdout.split()[0] == "cpu-thermal"
    assert int(zone.stdout.split()[1]) > 0


def test_root_logs_in_with_the_same_key(board: Board) -> None:
    assert board.login("root").run("id", "-un").stdout == "root\n"


def test_a_board_that_cannot_boot_tells_why_and_leaves_nothing(board: Board, monkeypatch: pytest.MonkeyPatch) -> None:
    image = find_image()
    assert image is not None
    broken = Board(image, Kind.VIRT)
    monkeypatch.setattr(broken, "port", board.port)
    monkeypatch.setattr(boards, "BOOT_PATIENCE_S", PATIENCE_S)

    with pytest.raises(RuntimeError, match="Could not set up host forwarding rule"):
        broken.start()
    broken.stop()

    assert not broken.folder.exists()


def test_no_board_where_the_folder_has_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(BOARD_VARIABLE, str(tmp_path))

    assert find_image() is None
