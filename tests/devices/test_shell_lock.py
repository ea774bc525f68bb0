"""The lock of a device without a keeper, under the shells that boards and phones have."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from edgebench.devices.shell_lock import ShellLock
from edgebench.errors import DeviceRefused

from .local_transport import LocalTransport

SHELLS = [shell for name in ("dash", "bash", "mksh") if (shell := shutil.which(name))]
HOLDER = {"who": "ada@laptop", "what": "edgebench run", "since_utc": "2026-11-25 10:00 UTC"}


@pytest.fixture(params=SHELLS, ids=[Path(shell).name for shell in SHELLS])
def device(request: pytest.FixtureRequest, tmp_path: Path) -> LocalTransport:
    """A device whose ``sh`` is one of these, and whose programs a test can replace in the folder ``programs``."""
    programs = tmp_path / "programs"
    programs.mkdir()
    (programs / "sh").symlink_to(request.param)
    variables = {"PATH": f"{programs}:{os.environ['PATH']}", "TMPDIR": str(tmp_path)}
    return LocalTransport(tmp_path, variables)


def test_one_has_it_until_he_lets_go(device: LocalTransport, tmp_path: Path) -> None:
    first, second = ShellLock(), ShellLock()
    first.take(device, HOLDER)
    with pytest.raises(DeviceRefused, match=r"in use by ada@laptop \(edgebench run\) since .* UTC; try again when"):
        second.take(device, {})
    first.release()
    assert not (tmp_path / "edgebench.lock").exists()
    second.take(device, {})
    second.release()


def test_a_file_that_its_last_holder_removes_meanwhile_locks_nothing(device: LocalTransport, tmp_path: Path) -> None:
    lock = tmp_path / "edgebench.lock"
    flock = tmp_path / "programs" / "flock"
    flock.write_text(f'#!/bin/sh\nrm -f "$0" "{lock}"\nexec {shutil.which("flock")} "$@"\n')
    flock.chmod(0o755)
    first, second = ShellLock(), ShellLock()
    first.take(device, HOLDER)
    assert not flock.exists()
    with pytest.raises(DeviceRefused, match="in use by ada@laptop"):
        second.take(device, {})
    first.release()


def test_a_link_that_somebody_laid_there_is_not_followed(device: LocalTransport, tmp_path: Path) -> None:
    target = tmp_path / "theirs"
    target.write_text("something of theirs")
    (tmp_path / "edgebench.lock").symlink_to(target)
    lock = ShellLock()
    lock.take(device, HOLDER)
    assert not lock.held
    assert target.read_text() == "something of theirs"
