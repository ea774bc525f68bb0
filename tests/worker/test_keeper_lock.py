"""The lock of a device: one at a time, named, and free again whichever way its holder ends."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from edgebench.worker.keeper_lock import DeviceLock
from edgebench.worker.refusal import Refusal

HOLDER = {"who": "ada@laptop", "what": "edgebench run", "since_utc": "2026-11-25 10:00 UTC"}


def test_one_at_a_time(tmp_path: Path) -> None:
    first, second = DeviceLock(str(tmp_path)), DeviceLock(str(tmp_path))
    assert second.holder() is None
    first.take(HOLDER)
    first.take(HOLDER)  # it has it already
    assert second.holder() == {**HOLDER, "pid": os.getpid()}
    with pytest.raises(Refusal, match=r"in use by ada@laptop \(edgebench run\) since 2026-11-25 10:00 UTC"):
        second.take({})
    first.release()
    first.release()
    assert list(tmp_path.iterdir()) == []
    second.take({})
    assert first.holder() == {"pid": os.getpid()}
    with pytest.raises(Refusal, match="in use by somebody who left no name"):
        first.take(HOLDER)
    second.release()


def test_a_lock_whose_holder_was_killed_is_free(tmp_path: Path) -> None:
    script = (
        "import os, signal, sys\n"
        "from edgebench.worker.keeper_lock import DeviceLock\n"
        "DeviceLock(sys.argv[1]).take({'who': 'x'})\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    subprocess.run([sys.executable, "-c", script, str(tmp_path)], check=False)
    assert [path.name for path in tmp_path.iterdir()] == ["edgebench.lock"]
    lock = DeviceLock(str(tmp_path))
    lock.take(HOLDER)
    assert lock.held
    lock.release()


def test_what_a_lost_connection_of_the_same_run_has_left_is_ended(tmp_path: Path) -> None:
    script = (
        "import sys, time\n"
        "from edgebench.worker.keeper_lock import DeviceLock\n"
        "DeviceLock(sys.argv[1]).take({'who': 'x', 'token': 'mine'})\n"
        "print('taken', flush=True)\n"
        "time.sleep(60)\n"
    )
    command = [sys.executable, "-c", script, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "taken\n"
        lock = DeviceLock(str(tmp_path))
        with pytest.raises(Refusal, match="in use by x"):
            lock.take({"who": "y", "token": "another"})
        lock.take({"who": "x", "token": "mine"})
        assert process.wait(60) < 0
    lock.release()


def test_a_lock_file_of_somebody_else(tmp_path: Path) -> None:
    """In a shared temporary folder the file may belong to another user; it locks all the same."""
    path = tmp_path / "edgebench.lock"
    path.write_bytes(b"")
    path.chmod(0o444)
    lock = DeviceLock(str(tmp_path))
    lock.take(HOLDER)
    with pytest.raises(Refusal, match="in use"):
        DeviceLock(str(tmp_path)).take(HOLDER)
    lock.release()


def test_a_folder_where_nothing_can_be_locked(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(Refusal, match=r"edgebench\.lock: cannot be opened: Not a directory"):
        DeviceLock(os.fspath(tmp_path / "file")).take(HOLDER)


def test_a_link_that_somebody_has_put_there_is_not_followed(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("mine", encoding="utf-8")
    victim.chmod(0o600)
    (tmp_path / "edgebench.lock").symlink_to(victim)
    with pytest.raises(Refusal, match=r"edgebench\.lock: cannot be opened"):
        DeviceLock(str(tmp_path)).take(HOLDER)
    assert victim.read_text(encoding="utf-8") == "mine"
    assert victim.stat().st_mode & 0o777 == 0o600


def test_a_pipe_that_somebody_has_put_there_keeps_nobody_waiting(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "edgebench.lock")
    assert DeviceLock(str(tmp_path)).holder() is None
