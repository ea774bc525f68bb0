"""The commands of docs/devices-ssh.md, one after the other, on an emulated board that is bare when they begin."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from test_docs import ROOT, run_script

from .board import Board

PAGE = ROOT / "docs" / "devices-ssh.md"
COMMANDS = re.findall(r"<!-- board -->\n```bash\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)

pytestmark = pytest.mark.board


def test_the_page_from_a_bare_board_to_a_report_and_back(fresh_board: Board, tmp_path: Path) -> None:
    shutil.copytree(ROOT / "models", tmp_path / "models")
    (tmp_path / "edgebench.toml").write_text(
        f'[devices.pi]\nssh = "{fresh_board.user}@{fresh_board.host}:{fresh_board.port}"\n'
        f'identity = "{fresh_board.key}"\nknown_hosts = "{fresh_board.known_hosts}"\n',
        encoding="utf-8",
    )
    said = [_run(command, tmp_path) for command in COMMANDS]
    setup, run, several, cleaned = said
    assert re.search(r"ai-edge-litert \S+ for CPython 3\.13\.\d+ on aarch64", setup.stdout)
    assert "linux,dummy-virt" in setup.stdout
    assert "emulated" in run.stdout
    assert "INVALID" in run.stdout
    assert re.search(r"sample/int8@pi\b|@pi|\bpi\b", several.stdout)
    assert re.search(r"removed \d", cleaned.stdout)
    assert fresh_board.run("ls -A ~/.cache 2>/dev/null").stdout == ""


def _run(command: str, folder: Path) -> subprocess.CompletedProcess[str]:
    done = run_script(command, folder, timeout_s=1800)
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    assert "Traceback" not in done.stderr
    return done
