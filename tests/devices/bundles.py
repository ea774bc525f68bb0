"""The portable Python that tests put onto emulated devices. ``.ci/bundle`` builds it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

#: The file that ``.ci/bundle`` prints; without it, the place where that keeps it unasked.
BUNDLE_VARIABLE = "EDGEBENCH_BUNDLE"


def require_bundle() -> Path:
    """Return the file; skip the test without it."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    path = Path(os.environ.get(BUNDLE_VARIABLE) or cache / "edgebench-ci" / "bundle" / "bundle.tar.gz")
    if not path.is_file():
        pytest.skip(f"no portable Python here: set {BUNDLE_VARIABLE} to the file that .ci/bundle prints")
    return path
