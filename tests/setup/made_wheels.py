"""Wheels that the tests make: small ones with whatever files they need."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from edgebench.setup.steps import litert_here
from edgebench.setup.wheels import Pip

#: This Python's own interpreter, whatever environment the tests run in.
BASE_PYTHON = str(Path(getattr(sys, "_base_executable", None) or sys.executable).resolve())
PYTHON_TAG = f"cp{sys.version_info[0]}{sys.version_info[1]}"


def make_wheel(
    folder: Path,
    name: str,
    version: str,
    files: Mapping[str, bytes] | None = None,
    *,
    tag: str = "py3-none-any",
    needs: tuple[str, ...] = (),
) -> Path:
    """Write a wheel with some files into a folder and return its path."""
    folder.mkdir(parents=True, exist_ok=True)
    module = name.replace("-", "_")
    info = f"{module}-{version}.dist-info"
    requires = "".join(f"Requires-Dist: {need}\n" for need in needs)
    inside = {
        **(files if files is not None else {f"{module}/__init__.py": b"WHERE = __file__\n"}),
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{requires}".encode(),
        f"{info}/WHEEL": f"Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: {tag}\n".encode(),
    }
    path = folder / f"{module}-{version}-{tag}.whl"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for entry, content in inside.items():
            archive.writestr(entry, content)
    return path


def runtime_wheels(folder: Path) -> Path:
    """Write wheels that lead to this machine's own runtime and numpy, for real models in an environment."""
    here = Path(np.__file__).resolve().parent.parent
    path = f"{here}\n".encode()
    make_wheel(folder, "numpy", np.__version__, {"numpy_here.pth": path})
    make_wheel(folder, "ai-edge-litert", litert_here() or "0", {"litert_here.pth": path}, needs=("numpy",))
    return folder


def pip_of(folder: Path) -> Pip:
    """Return a pip that takes the wheels of a folder, whatever they are for. The real one needs seconds."""

    def pip(arguments: Sequence[str]) -> subprocess.CompletedProcess[str]:
        target = next(Path(word.removeprefix("--dest=")) for word in arguments if word.startswith("--dest="))
        target.mkdir(exist_ok=True)
        for requirement in [word for word in arguments[1:] if not word.startswith("--")]:
            name = re.split("[<>=]", requirement)[0].replace("-", "_")
            found = list(folder.glob(f"{name}-*.whl"))
            if not found:
                return subprocess.CompletedProcess([], 1, "", f"ERROR: No matching distribution found for {name}\n")
            shutil.copy(found[0], target)
        return subprocess.CompletedProcess([], 0, "", "")

    return pip
