"""This machine."""

from __future__ import annotations

import os
import platform
import shutil
import sys
import time
from collections.abc import Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from .. import __version__
from ..errors import UsageError
from ..images.pixel_store import default_cache_dir
from ..records import Environment, GovernorChange
from ..worker import truth
from ..worker.governor import GovernorSwitch
from ..worker.programs import ask_program
from ..worker.refusal import Refusal
from ..worker.system import cpu_model, system_name
from ..worker.tree import Tree
from .base import Device, WorkerLink
from .governor import guarded_governor, left_note
from .process import ProcessLink
from .zipapp import worker_file


class LocalDevice(Device):
    """Runs workers as children of this process."""

    name = "local"

    def __init__(self) -> None:
        self._worker = worker_file()

    def start_worker(self, python: str) -> WorkerLink:
        return ProcessLink([python, "-u", str(self._worker)], environment=_environment(python))

    def resolve_python(self, text: str) -> str:
        try:
            return resolve_python(text)
        except RuntimeError:
            raise UsageError(f"--python {text}: no such user's home folder; write the path in full") from None

    def place(self, path: Path) -> str:
        return str(path.resolve())

    def default_python(self) -> str:
        return sys.executable

    def clock_ns(self) -> int:
        return time.monotonic_ns()

    def machine(self) -> Mapping[str, Any]:
        return truth.machine()

    def state(self) -> Mapping[str, Any]:
        return truth.snapshot()

    def firmware(self) -> Mapping[str, Any]:
        return truth.firmware()

    def set_governor(self, name: str) -> AbstractContextManager[GovernorChange]:
        return guarded_governor([sys.executable, str(self._worker), "guard", name, _governor_state(), "/"], name)

    def recover(self) -> tuple[str, ...]:
        try:
            left = GovernorSwitch(_governor_state()).recover()
        except Refusal as refusal:
            return (str(refusal),)
        return () if left is None else (left_note(left.name),)

    def environment(self) -> Environment:
        return this_machine()


def this_machine() -> Environment:
    """Describe this machine. What cannot be read is None, with the reason."""
    unavailable: dict[str, str] = {}
    tree = Tree()
    cpu = cpu_model(tree) or platform.processor() or None
    if cpu is None:
        unavailable["cpu_model"] = "the system does not name its processor"
    total = _memory_total_bytes()
    if total is None:
        unavailable["memory_total_bytes"] = "psutil cannot tell"
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else None
    if allowed is None:
        unavailable["cpus_allowed"] = "this system has no CPU affinity call"
    return Environment(
        hostname=platform.node(),
        system=system_name(tree, ask_program) or platform.platform(terse=True),
        kernel=f"{platform.system()} {platform.release()}",
        machine=platform.machine(),
        cpu_model=cpu,
        cpus_logical=os.cpu_count(),
        cpus_allowed=allowed,
        memory_total_bytes=total,
        python=platform.python_version(),
        edgebench=__version__,
        unavailable=unavailable,
    )


def _governor_state() -> str:
    return str(default_cache_dir() / "governor.json")


def _environment(python: str) -> dict[str, str]:
    """Return the worker's environment: another Python must not be led to this one's packages."""
    if python == sys.executable:
        return dict(os.environ)
    return {key: value for key, value in os.environ.items() if key not in ("PYTHONPATH", "PYTHONHOME")}


def resolve_python(text: str) -> str:
    """Return the path of an interpreter named by path or by a command on PATH.

    Raises:
        UsageError: no such program.
    """
    found = shutil.which(Path(text).expanduser())
    if found is None:
        raise UsageError(f"--python {text}: no such program")
    # Not resolve(): a virtual environment's python is a link, and its own place is what makes it that environment.
    return str(Path(found).absolute())


def _memory_total_bytes() -> int | None:
    try:
        import psutil
    except ImportError:
        return None
    return int(psutil.virtual_memory().total)
