"""What a board tells of itself: real Pythons through a real shell, and answers that only other boards give."""

from __future__ import annotations

import json
import os
import platform
import struct
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
from devices.local_transport import LocalTransport
from edgebench.devices.transport import Finished, OnOutput, Stream, Transport
from edgebench.errors import DeviceLost, DeviceRefused
from edgebench.setup.board import look_at

from .made_wheels import BASE_PYTHON


class Says(Transport):
    """A board that answers every command with the same text."""

    address = "pi@board"

    def __init__(self, stdout: str, status: int = 0, stderr: str = "") -> None:
        self._answer = Finished(status, stdout.encode(), stderr.encode())

    def run(self, command: Sequence[str], *, given: bytes = b"", timeout_s: float = 60.0) -> Finished:
        return self._answer

    def open(self, command: Sequence[str], on_output: OnOutput) -> Stream:
        raise DeviceLost("not needed")

    def close(self) -> None:
        pass


def program(path: Path, text: str) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return str(path)


def test_this_machine_s_own_python(tmp_path: Path) -> None:
    found = look_at(LocalTransport(tmp_path), "place", BASE_PYTHON)
    (python,) = found.pythons
    assert python.path == BASE_PYTHON
    assert python.version == sys.version_info[:3]
    assert python.architecture == {64: platform.machine(), 32: "armv7l"}[8 * struct.calcsize("P")]
    assert python.glibc_text == os.confstr("CS_GNU_LIBC_VERSION").removeprefix("glibc ")  # type: ignore[union-attr]
    assert python.implementation == "CPython"
    assert python.incomplete is None
    assert python.libstdcxx is None or python.libstdcxx > 0
    assert (found.root, found.noexec) == (str(tmp_path / "place"), False)
    assert found.free_bytes is not None
    assert found.free_bytes > 0
    assert found.system == platform.system()


def test_an_environment_leads_to_the_interpreter_that_it_was_made_of(tmp_path: Path) -> None:
    (tmp_path / "env" / "bin").mkdir(parents=True)
    (tmp_path / "env" / "bin" / "python3").symlink_to(BASE_PYTHON)
    (tmp_path / "env" / "pyvenv.cfg").write_text(f"home = {Path(BASE_PYTHON).parent}\n")
    found = look_at(LocalTransport(tmp_path), "place", str(tmp_path / "env" / "bin" / "python3"))
    assert [python.path for python in found.pythons] == [BASE_PYTHON]


def test_all_pythons_are_found_once_and_broken_ones_do_no_harm(tmp_path: Path) -> None:
    """Folders with spaces and signs of the shell's own are on its PATH."""
    odd = tmp_path / "a b;$(touch pwned)'\""
    program(odd / "python3", "exit 3")
    program(odd / "python3.9", "echo nonsense; kill -SEGV $$")
    other = program(odd / "python3.11", f'exec {BASE_PYTHON} "$@"')
    (odd / "python3.12").symlink_to(other)
    (odd / "python3.13").mkdir()
    transport = LocalTransport(tmp_path, {"PATH": f"{odd}:/usr/bin:/bin"}, "echo Welcome; echo python=bad")
    found = look_at(transport, "place")
    assert found.pythons[0].path == BASE_PYTHON
    paths = [python.path for python in found.pythons]
    assert len(set(paths)) == len(paths)
    assert not list(tmp_path.rglob("pwned"))


def test_a_python_that_is_named_but_is_none(tmp_path: Path) -> None:
    assert look_at(LocalTransport(tmp_path), "place", "no-such-python").pythons == ()
    assert look_at(LocalTransport(tmp_path), "place", str(tmp_path)).pythons == ()


def test_a_folder_of_one_s_own(tmp_path: Path) -> None:
    folder = str(tmp_path / "elsewhere" / "deep")
    assert look_at(LocalTransport(tmp_path), folder, BASE_PYTHON).root == folder


def test_boards_without_a_python_or_a_whole_one() -> None:
    bare = look_at(Says("hello\nedgebench-begins-here\nsystem=Linux\nmachine=armv7l\nname=Tiny\n"), "place")
    assert (bare.name, bare.machine, bare.pythons, bare.root, bare.free_bytes) == ("Tiny", "armv7l", (), None, None)
    told = json.dumps({"path": "/usr/bin/python3", "version": [3, 11, 2], "incomplete": "zipfile"})
    minimal = look_at(Says(f"edgebench-begins-here\nsystem=Linux\nmachine=armv7l\npython={told}\n"), "place")
    assert minimal.pythons[0].incomplete == "zipfile"


def test_a_32_bit_system_on_a_64_bit_kernel() -> None:
    told = {
        "path": "/usr/bin/python3.11",
        "version": [3, 11, 2],
        "implementation": "CPython",
        "threaded": False,
        "system": "Linux",
        "machine": "aarch64",
        "bits": 32,
        "abi": "cpython-311-arm-linux-gnueabihf",
        "glibc": "2.36",
        "musl": False,
        "libstdcxx": None,
        "numpy": "1.24.2",
        "root": "/home/pi/place",
        "free_bytes": 5_000_000,
        "noexec": False,
    }
    lines = f"edgebench-begins-here\nsystem=Linux\nmachine=aarch64\npython={json.dumps(told)}\n"
    found = look_at(Says(lines), "place")
    assert found.machine == "aarch64"
    assert found.pythons[0].architecture == "armv7l"
    assert (found.pythons[0].glibc, found.pythons[0].numpy, found.free_bytes) == ((2, 36), "1.24.2", 5_000_000)


def test_where_commands_cannot_be_run() -> None:
    with pytest.raises(DeviceRefused, match="pi@board: commands cannot be run there: This account is not available"):
        look_at(Says("", 1, "This account is not available\n"), "place")
