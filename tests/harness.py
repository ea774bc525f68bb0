"""What the tests of plans, runs and commands share: the tiny models, short settings, a way to start the command."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from edgebench.plan import Plan, make_plan
from edgebench.records import RuntimeInfo, Settings
from edgebench.spec import PythonTarget, Spec

MODELS = Path(__file__).resolve().parent / "fixtures" / "models"

#: As few runs as fill every field, in one block: tests of blocks say how many they want.
SHORT = Settings(
    seed=0,
    min_runs=12,
    max_runs=40,
    min_time_ns=0,
    max_time_ns=2_000_000_000,
    warmup_time_ns=0,
    warmup_min_runs=3,
    timeout_s=60.0,
    min_blocks=1,
    max_blocks=1,
)
SHORT_FLAGS = (
    "--min-runs", "12", "--max-runs", "40", "--min-time", "0ms", "--max-time", "2s", "--warmup-time", "0ms",
    "--timeout", "60s", "--blocks", "1",
)  # fmt: skip
RUNTIME = RuntimeInfo("litert", "ai-edge-litert", "2.0", "3.11", "2.0", "x86_64")


def model(name: str) -> str:
    """Return the path of a fixture model."""
    return str(MODELS / f"{name}.tflite")


def copies(folder: Path, *stems: str) -> list[str]:
    """Write the float32 model under other names and return the paths."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"{stem}.tflite" for stem in stems]
    for path in paths:
        shutil.copy(MODELS / "float32.tflite", path)
    return [str(path) for path in paths]


def plan_of(spec: Spec, runtimes: Mapping[str, str] | None = None) -> Plan:
    """Return the plan on a device called local; ``runtimes`` maps a Python's path to its runtime's short name."""

    def probe(python: PythonTarget) -> RuntimeInfo:
        name = (runtimes or {}).get(python.path, "litert")
        return RuntimeInfo(name, name, "1", "3.11", "2", "x86_64")

    return make_plan(spec, "local", "python3", probe)


def command(
    *arguments: str | Path, cwd: Path | None = None, env: Mapping[str, str] | None = None, timeout_s: float = 120
) -> subprocess.CompletedProcess[str]:
    """Run ``python -m edgebench`` and return how it ended."""
    return subprocess.run(
        [sys.executable, "-m", "edgebench", *map(str, arguments)],
        cwd=cwd,
        env={**os.environ, **(env or {})},
        capture_output=True,
        text=True,
        timeout=timeout_s,
        check=False,
    )
