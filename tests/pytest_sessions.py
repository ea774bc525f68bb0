"""Projects with pytest sessions of their own, as users have them."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from importlib.metadata import entry_points
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
MODELS = ROOT / "tests" / "fixtures" / "models"
SUITE = ROOT / "bench" / "suite"
#: Installed, the entry point loads the plugin; to name it as well would register it twice.
PLUGIN = [] if list(entry_points(group="pytest11", name="edgebench")) else ["-p", "edgebench.pytest_plugin"]


class Folder:
    """A user's project with models and tests of its own."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.mkdir()
        (path / "pytest.ini").write_text("[pytest]\n")
        models = path / "net"
        models.mkdir()
        for name in ("float32", "int8"):
            shutil.copy(MODELS / f"{name}.tflite", models)

    def test_file(self, text: str) -> None:
        (self.path / "test_own.py").write_text(f"import pytest\n{text}")

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        command: Sequence[str] = [
            sys.executable,
            "-m",
            "pytest",
            "-p",
            "no:cacheprovider",
            "-c",
            "pytest.ini",
            "--rootdir",
            ".",
            *PLUGIN,
        ]
        command = [*command, *arguments]
        own = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
        return subprocess.run(command, cwd=self.path, capture_output=True, text=True, timeout=120, env=own)

    def quick(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return self.run("--benchmark-disable", *arguments)
