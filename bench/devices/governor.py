"""The governor of this machine: a small process of its own sets it, and puts the old one back when we end."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import PurePosixPath
from typing import Any

from ..errors import DeviceRefused
from ..records import GovernorChange

#: sudo, and a few files.
_END_S = 30.0


@contextmanager
def guarded_governor(command: Sequence[str], name: str) -> Iterator[GovernorChange]:
    """Set a governor through a guardian (:mod:`edgebench.worker.guardian`), which ``command`` starts, meanwhile.

    Raises:
        DeviceRefused: it cannot be set, or, at the end, not be put back.
    """
    with subprocess.Popen(list(command), stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0) as guardian:
        told = _answer(guardian)
        if not told.get("ok"):
            raise DeviceRefused(str(told.get("message")))
        try:
            yield change_of(name, told["previous"])
        finally:
            if guardian.stdin is not None:
                with suppress(OSError):
                    guardian.stdin.close()
            ended = _answer(guardian)
            guardian.wait(_END_S)
    refuse_trouble([str(ended.get("message"))] if not ended.get("ok") else [])


def change_of(name: str, previous: Mapping[str, str]) -> GovernorChange:
    """Return what was changed, where ``previous`` maps the kernel's files to what they held."""
    return GovernorChange(name, {_policy(path): old for path, old in previous.items()})


def refuse_trouble(trouble: Sequence[str]) -> None:
    """Raise DeviceRefused where something could not be put back."""
    if trouble:
        raise DeviceRefused(f"the governor could not be put back: {'; '.join(trouble)}")


def left_note(name: str) -> str:
    """Return what a person should know where an earlier run had left something behind."""
    return f"an earlier run was killed and had left the governor {name}: it was put back before this one"


def _policy(path: str) -> str:
    """``.../cpufreq/policy0/scaling_governor`` is policy0, ``.../cpu0/cpufreq/scaling_governor`` is cpu0."""
    folder = PurePosixPath(path).parent
    return folder.parent.name if folder.name == "cpufreq" else folder.name


def _answer(guardian: subprocess.Popen[bytes]) -> dict[str, Any]:
    line = guardian.stdout.readline() if guardian.stdout is not None else b""
    with suppress(ValueError):
        found = json.loads(line)
        if isinstance(found, dict):
            return found
    return {"ok": False, "message": "the process that sets it ended without a word"}
