"""Wiring shared by every suite of this repository."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent
#: Where the real data and models are; the fallback is a folder beside the checkout.
DATA_VARIABLE = "EDGEBENCH_DATA"
#: A Python with tflite-runtime, to compare runtimes with.
TFLITE_VARIABLE = "EDGEBENCH_TFLITE_PYTHON"
#: The path of a Vulkan driver's ICD description, for the GPU delegate: ``.ci/vulkan`` prints one that needs no GPU.
VULKAN_VARIABLE = "EDGEBENCH_VULKAN"
#: When set, a test that skips because one of these variables leads nowhere fails the session.
STRICT_VARIABLE = "EDGEBENCH_STRICT"


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


@pytest.fixture(scope="session")
def tflite_python() -> str:
    """A Python with tflite-runtime 2.14 and numpy 1, or a skip that says how to provide it."""
    path = os.environ.get(TFLITE_VARIABLE)
    if not path or not Path(path).exists():
        pytest.skip(f"no Python with tflite-runtime here: set {TFLITE_VARIABLE} to one")
    return path


@pytest.fixture(scope="session")
def vulkan() -> dict[str, str]:
    """What leads Vulkan to a driver that LiteRT's GPU delegate can use, or a skip that says how to provide one."""
    path = os.environ.get(VULKAN_VARIABLE)
    if not path or not Path(path).exists():
        pytest.skip(f"no Vulkan driver here: set {VULKAN_VARIABLE} to an ICD description (.ci/vulkan prints one)")
    return {"VK_DRIVER_FILES": path, "VK_ICD_FILENAMES": path}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the tests of boards first: pytest-xdist then gives them to one process, and one board is booted."""
    items.sort(key=lambda item: item.get_closest_marker("board") is None)


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Fail a strict session in which something skipped that the environment was meant to provide."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if not os.environ.get(STRICT_VARIABLE) or reporter is None:
        return
    lacking = {report.nodeid for report in reporter.stats.get("skipped", []) if "EDGEBENCH_" in str(report.longrepr)}
    if lacking:
        reporter.write_line(f"{STRICT_VARIABLE} is set, but skipped: {', '.join(sorted(lacking))}", red=True)
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


@pytest.fixture(scope="session", autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Keep decoded images of a test run out of the user's cache."""
    os.environ["EDGEBENCH_CACHE"] = str(tmp_path_factory.mktemp("cache"))
