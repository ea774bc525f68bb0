"""Every command in the README and docs runs, except blocks marked ``<!-- not-run: reason -->``.

The README commands that install are run by ``.ci/run``, in fresh clones.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
from colours import write_folder

ROOT = Path(__file__).resolve().parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
_BLOCK = re.compile(r"(?:<!-- ([^\n]*?) -->\n)?```(\w*)\n(.*?)```", re.DOTALL)
_RUN_BY_CI = ("command: run", "command: test", "command: demo")
#: Run on an emulated board and phone, by tests/devices/test_board_docs.py and test_phone_docs.py.
_ELSEWHERE = ("board", "phone")


@dataclass(frozen=True)
class Block:
    """One fenced block with the comment before it."""

    page: str
    language: str
    text: str
    comment: str

    @property
    def name(self) -> str:
        return f"{self.page}: {self.text.splitlines()[0][:60]}"


def _blocks() -> list[Block]:
    return [
        Block(page.name, language, text, comment or "")
        for page in PAGES
        for comment, language, text in _BLOCK.findall(page.read_text(encoding="utf-8"))
    ]


RUNNABLE = [
    block
    for block in _blocks()
    if block.language in ("bash", "python") and not block.comment.startswith(("not-run:", *_RUN_BY_CI, *_ELSEWHERE))
]


@pytest.fixture(scope="module")
def workplace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder as a reader would have it: the sample, two models of their own, some photos, stored runs."""
    folder = tmp_path_factory.mktemp("reader")
    fixtures = ROOT / "tests" / "fixtures" / "models"
    shutil.copytree(ROOT / "models", folder / "models")
    for name, source in {"model": "float32", "a": "float32", "b": "int8"}.items():
        shutil.copy(fixtures / f"{source}.tflite", folder / f"{name}.tflite")
    write_photos(folder / "photos")
    run_script(f"edgebench run {fixtures / 'int8.tflite'} --min-time 10ms --blocks 1 --quiet", folder)
    for store in ("before", "after"):
        run_script(f"edgebench run models/sample/int8.tflite --min-time 10ms --blocks 1 --quiet --out {store}", folder)
    return folder


def write_photos(folder: Path) -> None:
    """Write a few pictures of each of the sample's classes."""
    write_folder(folder, per_class=3)
    labels = (ROOT / "models" / "sample" / "labels.txt").read_text(encoding="utf-8").split()
    for place, label in zip(sorted(folder.iterdir()), labels, strict=True):
        place.rename(folder / label)


def run_script(
    script: str, folder: Path, language: str = "bash", timeout_s: float = 300
) -> subprocess.CompletedProcess[str]:
    """Run a block as a reader would, with ``edgebench`` on the path, and return how it ended."""
    path = os.pathsep.join([str(folder / ".bin"), str(Path(sys.executable).parent), os.environ["PATH"]])
    command = ["bash", "-euo", "pipefail", "-c", script] if language == "bash" else [sys.executable, "-c", script]
    if language == "bash" and shutil.which("edgebench", path=path) is None:
        (folder / ".bin").mkdir(exist_ok=True)
        launcher = folder / ".bin" / "edgebench"
        launcher.write_text(f'#!/bin/sh\nexec {sys.executable} -m edgebench "$@"\n')
        launcher.chmod(0o755)
    # A reader's pytest does not run inside of another one.
    own = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    return subprocess.run(
        command, cwd=folder, env={**own, "PATH": path}, capture_output=True, text=True, timeout=timeout_s
    )


@pytest.mark.slow
@pytest.mark.parametrize("block", RUNNABLE, ids=lambda block: block.name)
def test_the_command_runs(block: Block, workplace: Path) -> None:
    done = run_script(block.text, workplace, block.language)
    assert done.returncode == 0, f"{block.text}\n{done.stdout}\n{done.stderr}"
    assert "Traceback" not in done.stderr


def test_there_is_something_to_run() -> None:
    assert {block.page for block in RUNNABLE} >= {"README.md"}


@pytest.mark.parametrize("block", [block for block in _blocks() if block.comment], ids=lambda block: block.name)
def test_a_block_that_is_not_run_gives_its_reason(block: Block) -> None:
    if block.comment not in _ELSEWHERE:
        assert block.comment.startswith(("not-run: ", *_RUN_BY_CI))
        assert len(block.comment) > len("not-run: ")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_between_pages_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", page.read_text(encoding="utf-8")):
        assert (page.parent / target).exists(), f"{page.name}: {target}"
