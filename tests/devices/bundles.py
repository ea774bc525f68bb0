"""The portable Python that tests put onto emulated devices. ``.ci/bundle`` builds it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

#: The file that ``.ci/bundle`` prints; without it, the place where that keeps it unasked.
BUNDLE_VARIABLE = "EDGEBENCH_BUNDLE"
# Now: tests have home folders of their own.
_CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")


def find_bundle() -> Path | None:
    """Return the file, None without it."""
    path = Path(os.environ.get(BUNDLE_VARIABLE) or _CACHE / "edgebench-ci" / "bundle" / "bundle.tar.gz")
    return path if path.is_file() else None


def require_bundle() -> Path:
    """Return the file; skip the test without it."""
    path = find_bundle()
    if path is None:
        pytest.skip(f"no portable Python here: set {BUNDLE_VARIABLE} to the file that .ci/bundle prints")
    return path
