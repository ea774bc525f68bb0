"""The tool that tests run on the emulated phone in the place of the official one. ``.ci/runner`` builds it."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from .phone import Phone

#: The folder that ``.ci/runner`` prints; without it, the place where that keeps it unasked.
RUNNER_VARIABLE = "EDGEBENCH_RUNNER"
#: Where the tool looks for its runtime there.
_LIBRARY_FOLDER = "/data/local/tmp/edgebench-runner"
_LIBRARY = "libLiteRt.so"
# Now: tests have home folders of their own.
_CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")


def require_runner() -> Path:
    """Return the folder with the tool and its runtime's library; skip the test without it."""
    folder = Path(os.environ.get(RUNNER_VARIABLE) or _CACHE / "edgebench-ci" / "runner")
    if not (folder / "stamp").is_file():
        pytest.skip(f"no tool for the phone here: set {RUNNER_VARIABLE} to the folder that .ci/runner prints")
    return folder


def give_library(phone: Phone) -> None:
    """Put the runtime's library where the tool looks for it; the official tool has its runtime within."""
    folder = phone.path(_LIBRARY_FOLDER)
    if not (folder / _LIBRARY).is_file():
        folder.mkdir()
        shutil.copy(require_runner() / _LIBRARY, folder / _LIBRARY)
        folder.chmod(0o755)
