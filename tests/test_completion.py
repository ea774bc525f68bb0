"""Completion in real shells, as far as they are installed, and what it offers."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

SHELLS = ("bash", "zsh", "fish")


def _offered(line: str, folder: Path) -> list[str]:
    """Return what edgebench offers a shell at the end of a line."""
    answer = folder / "answer"
    asked = {"COMP_LINE": line, "COMP_POINT": str(len(line)), "_ARGCOMPLETE": "1", "_ARGCOMPLETE_IFS": "\n",
             "_ARGCOMPLETE_STDOUT_FILENAME": str(answer), "COMP_TYPE": "9"}  # fmt: skip
    subprocess.run(
        [sys.executable, "-m", "edgebench"], env={**os.environ, **asked}, cwd=folder, timeout=60, check=False
    )
    return [text.strip() for text in answer.read_text().splitlines()]


@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("edgebench comp", {"compare", "completion"}),
        ("edgebench run --keep", {"--keep-models"}),
        ("edgebench report latest --format ht", {"html"}),
        ("edgebench tra", {"train"}),
        ("edgebench report la", {"latest"}),
        ("edgebench compare 2026", {"20260102-000000-net", "20260101-000000-net"}),
    ],
)
def test_commands_flags_choices_and_runs(line: str, offered: set[str], tmp_path: Path) -> None:
    if line.endswith("tra"):
        pytest.importorskip("importlib.metadata").distribution("edgebench")
    for name in ("20260101-000000-net", "20260102-000000-net"):
        (tmp_path / "results" / name).mkdir(parents=True)
        (tmp_path / "results" / name / "run.json").write_text("{}")
    assert offered <= set(_offered(line, tmp_path))


@pytest.mark.parametrize("shell", SHELLS)
def test_the_script_is_one_that_the_shell_can_read(shell: str, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "edgebench", "completion", shell], capture_output=True, text=True, check=True
    )
    assert "edgebench" in done.stdout
    program = shutil.which(shell)
    if program is None:
        pytest.skip(f"{shell} is not installed")
    script = tmp_path / "script"
    script.write_text(done.stdout)
    subprocess.run([program, "-n", str(script)], check=True)


@pytest.mark.skipif(shutil.which("bash") is None, reason="bash is not installed")
def test_bash_completes_at_the_cursor(tmp_path: Path) -> None:
    program = tmp_path / "edgebench"
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -m edgebench "$@"\n')
    program.chmod(0o755)
    script = """
        source <(edgebench completion bash)
        COMP_WORDS=(edgebench dia); COMP_CWORD=1; COMP_LINE='edgebench dia'; COMP_POINT=13; COMP_TYPE=9
        _python_argcomplete edgebench dia edgebench
        printf '%s\\n' "${COMPREPLY[@]}"
    """
    done = subprocess.run(
        ["bash", "-c", script],
        env={**os.environ, "PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}"},
        capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    assert done.stdout.split() == ["diagnose"]


def test_completing_loads_nothing_heavy(tmp_path: Path) -> None:
    script = (
        "import sys\nfrom edgebench import cli\n"
        "cli._parser(['run'])\n"
        "print(sorted({'numpy', 'pandas', 'scipy', 'PIL', 'rich'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
