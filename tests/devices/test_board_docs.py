"""The commands of docs/devices-ssh.md, one after the other, on an emulated board that is bare when they begin."""

from __future__ import annotations

import functools
import re
import shutil
import subprocess
import threading
from dataclasses import replace
from pathlib import Path

import edgebench
import pytest
from edgebench.api import run_spec
from edgebench.devices.remote import RemoteDevice
from edgebench.devices.retry import Patience, connect
from edgebench.devices.ssh import SshTransport
from edgebench.findings import Code, Verdict
from edgebench.progress import Progress
from edgebench.records import CaseResult
from edgebench.spec import Spec
from edgebench.store import StoredRun
from harness import SHORT, model
from test_docs import ROOT, run_script

from .board import Board
from .ssh_client import settings

pytestmark = pytest.mark.board

PAGE = ROOT / "docs" / "devices-ssh.md"
COMMANDS = re.findall(r"<!-- board -->\n```bash\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)


def run(command: str, folder: Path) -> str:
    done: subprocess.CompletedProcess[str] = run_script(command, folder, timeout_s=1800)
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    assert "Traceback" not in done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def desk(board: Board, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder as a reader would have it, whose edgebench.toml names the board."""
    folder = tmp_path_factory.mktemp("desk")
    shutil.copytree(ROOT / "models", folder / "models")
    (folder / "edgebench.toml").write_text(
        f'[devices.pi]\nssh = "{board.user}@{board.host}:{board.port}"\n'
        f'identity = "{board.key}"\nknown_hosts = "{board.known_hosts}"\n',
        encoding="utf-8",
    )
    return folder


def the(stored: StoredRun, variant: str) -> CaseResult:
    (case,) = [case for case in stored.record.cases if case.variant == variant]
    return case


def test_a_bare_board_is_set_up(board: Board, desk: Path) -> None:
    said = run(COMMANDS[0], desk)
    assert re.search(r"ai-edge-litert \S+ for CPython 3\.\d+\.\d+ on aarch64", said)
    assert "linux,dummy-virt" in said
    again = run("edgebench device setup pi", desk)
    assert "already set up" in again


def test_a_run_there_has_everything(board: Board, desk: Path) -> None:
    said = run(COMMANDS[1], desk)
    stored = edgebench.load("latest", desk / "results")
    for variant in ("float32", "float16", "int8"):
        case = the(stored, variant)
        assert case.case_id == f"sample/{variant}@pi/interpreter.litert+default/t1"
        assert case.runtime is not None
        assert case.runtime.machine == "aarch64"
        assert case.accuracy is not None
        assert case.accuracy.images == 21
        assert case.memory is not None
        assert case.memory.peak_rss_bytes is not None
        assert case.operators is not None
        assert case.device_parity is not None
        assert case.device_parity.agrees
        assert case.verdict is Verdict.INVALID
        assert Code.EMULATED in {finding.code for finding in case.findings}
    same = the(stored, "int8").device_parity
    assert same is not None
    assert same.bit_equal
    (device,) = stored.record.devices
    assert device.board_model == "linux,dummy-virt"
    assert device.bytes_sent is not None
    assert device.bytes_sent > 2_000_000
    assert device.ready_to_first_result_ns is not None
    assert "outputs equal the host's bit for bit" in said


def test_a_second_run_sends_nothing_that_is_there(desk: Path) -> None:
    run("edgebench run models/sample/int8.tflite --device pi --blocks 1 --max-time 1s --quiet", desk)
    (device,) = edgebench.load("latest", desk / "results").record.devices
    assert device.bytes_sent == 0
    assert device.bytes_reused is not None
    assert device.bytes_reused > 400_000


class _Trouble(Progress):
    """Pulls the cable after the first block, and presses the reset button after the second."""

    def __init__(self, board: Board) -> None:
        self._board = board
        self._timing = False
        self._steps = 0

    def phase(self, name: str, total: int) -> None:
        self._timing = name.startswith("timing")

    def advance(self) -> None:
        if not self._timing:
            return
        self._steps += 1
        if self._steps == 1:
            self._board.cut()
            threading.Timer(12.0, self._board.mend).start()
        elif self._steps == 2:
            self._board.run("sync")
            self._board.reset()


def test_a_run_survives_a_pulled_cable_and_a_reboot(board: Board, desk: Path, ssh_home: Path, tmp_path: Path) -> None:
    found = settings(board, keepalive_s=2.0, keepalive_count=1)
    reach = functools.partial(connect, patience=Patience(total_s=300.0))
    device = RemoteDevice("pi", lambda: SshTransport(found), reach=reach)
    spec = Spec(models=(model("int8"),), settings=replace(SHORT, timeout_s=300.0, min_blocks=3, max_blocks=3))
    try:
        stored = run_spec(spec, device=device, out=tmp_path, progress=_Trouble(board))
    finally:
        device.close()
    record = stored.record
    assert not record.interrupted
    lost = [line for line in record.warnings if "the connection was lost" in line]
    assert len(lost) == 2
    assert sorted(set(stored.samples["block"])) == [0, 1, 2]
    assert not stored.samples.duplicated(["case", "block", "round", "start_ns", "warmup"]).any()
    (case,) = record.cases
    assert case.device_parity is not None
    assert case.device_parity.bit_equal


def test_two_devices_and_one_report(desk: Path) -> None:
    said = run(COMMANDS[2], desk)
    devices = {case.device for case in edgebench.load("latest", desk / "results").record.cases}
    assert devices == {"local", "pi"}
    assert "pi" in said


def test_nothing_is_left_there(board: Board, desk: Path) -> None:
    assert re.search(r"removed \d", run(COMMANDS[3], desk))
    assert board.run("find ~/.cache /tmp -type f -name '*edgebench*' 2>/dev/null; ls -A ~/.cache").stdout == ""
