"""The wheel: what is in it, and that it works beside a user's own ``bench`` folder."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
pytestmark = pytest.mark.slow
FIXTURES = ROOT / "tests" / "fixtures" / "models"


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The project's wheel, built from a copy so that no build folder is left in the checkout."""
    folder = tmp_path_factory.mktemp("wheel")
    listing = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True
    )
    if listing.returncode:
        pytest.skip("not a git checkout, so the source files cannot be told from others")
    for name in listing.stdout.splitlines():
        if (ROOT / name).is_file() and not name.startswith("tests/"):
            target = folder / "source" / name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes((ROOT / name).read_bytes())
    command = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "-w", str(folder), str(folder / "source")]
    subprocess.run(command, check=True, timeout=300)
    return next(folder.glob("edgebench-*.whl"))


def test_the_wheel_holds_every_module_and_nothing_else(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    for source in (ROOT / "bench").rglob("*.py"):
        assert f"edgebench/{source.relative_to(ROOT / 'bench')}" in names
    assert "edgebench/py.typed" in names
    assert any(name.startswith("edgebench/report/templates/") for name in names)
    assert not [name for name in names if name.startswith(("bench/", "tests/", "training/", "conftest"))]


def test_it_runs_in_a_project_with_its_own_bench_folder(wheel: Path, tmp_path: Path) -> None:
    # Only the wheel and the dependencies: no editable install can answer for it.
    place = tmp_path / "site"
    pip = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--target", str(place), str(wheel)]
    subprocess.run(pip, check=True, timeout=300)
    project = tmp_path / "project"
    (project / "bench").mkdir(parents=True)
    (project / "bench" / "__init__.py").write_text("raise RuntimeError('the user has a bench of their own')\n")
    environment = {**os.environ, "PYTHONPATH": str(place)}
    where = "import edgebench; print(edgebench.__file__)"
    found = subprocess.run(
        [sys.executable, "-c", where], cwd=project, env=environment, capture_output=True, text=True, check=True
    )
    assert Path(found.stdout.strip()) == place / "edgebench" / "__init__.py"
    run = [sys.executable, "-m", "edgebench", "run", str(FIXTURES / "int8.tflite"), "--min-time", "10ms", "--json"]
    done = subprocess.run(run, cwd=project, env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["cases"][0]["status"] == "ok"
    assert (project / "results").is_dir()
