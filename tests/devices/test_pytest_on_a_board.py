"""pytest sessions that measure on a "board": this machine with another home, behind a real SSH server."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from edgebench.store import load
from pytest_sessions import SUITE, Folder

from .native_sshd import NativeSshd
from .test_turns_on_a_board import known_as

OWN = """
def test_own(edgebench):
    assert edgebench('net/int8.tflite', blocks=1, python={python!r}).case.device == 'pi'
"""


@pytest.fixture
def server(start_sshd: Callable[..., NativeSshd], ssh_home: Path) -> NativeSshd:
    return start_sshd()


def test_the_suite_and_own_tests_measure_there_over_one_connection(server: NativeSshd, tmp_path: Path) -> None:
    folder = Folder(tmp_path / "project")
    known_as("pi", server, folder.path)
    folder.test_file(OWN.format(python=sys.executable))
    done = folder.run(
        "-v", str(SUITE), "test_own.py", "--models", "net/int8.tflite", "--edgebench-device", "pi",
        "--python", sys.executable, "--blocks", "1", "--budget", "1s", "--edgebench-out", "runs",
        "--benchmark-save", "one",
    )  # fmt: skip
    assert "2 passed" in done.stdout, done.stdout + done.stderr
    assert "test_model[int8/int8@pi-default-t1] PASSED" in done.stdout

    runs = [load(path.parent).record for path in (folder.path / "runs").glob("*/run.json")]
    address = server.address.removeprefix("ssh://")
    assert [[(item.name, item.address) for item in run.devices] for run in runs] == [[("pi", address)]] * 2
    (saved,) = folder.path.glob(".benchmarks/*/0001_one.json")
    told = json.loads(saved.read_text())
    assert told["benchmarks"][0]["extra_info"]["device"] == "pi"
    assert told["machine_info"]["edgebench_devices"]["pi"]["kernel"] == runs[0].devices[0].environment.kernel

    assert server.log.count("Accepted publickey") == 1
    assert server._connections() == []


def test_a_board_that_says_no_is_one_line_before_any_test(server: NativeSshd, tmp_path: Path) -> None:
    folder = Folder(tmp_path / "project")
    known_as("pi", server, folder.path)
    server.known_hosts.write_text("")
    done = folder.run(str(SUITE), "--models", "net", "--device", "pi")
    said = done.stdout + done.stderr
    assert done.returncode == pytest.ExitCode.USAGE_ERROR
    assert said.count("host key") == 1, said
    assert "\nERROR: " in said
    assert "no tests ran" in said
    assert "Traceback" not in said
