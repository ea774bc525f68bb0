"""Wiring shared by every suite of this repository."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent
#: Where the real data and models are; the fallback is a folder beside the checkout.
DATA_VARIABLE = "EDGEBENCH_DATA"


def shared_data_folder() -> Path | None:
    """Return the folder with real data and models, or None where this machine has none."""
    folder = Path(os.environ.get(DATA_VARIABLE) or ROOT.parent / "shared" / "data")
    return folder if (folder / "models").is_dir() else None


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder with real data and models, or a skip that says how to provide it."""
    folder = shared_data_folder()
    if folder is None:
        pytest.skip(f"no real data here: set {DATA_VARIABLE} to a folder with models/ and ham10000/")
    return folder


@pytest.fixture(scope="session", autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Keep decoded images of a test run out of the user's cache."""
    os.environ["EDGEBENCH_CACHE"] = str(tmp_path_factory.mktemp("cache"))
