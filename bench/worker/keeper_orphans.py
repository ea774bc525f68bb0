"""Workers whose keeper was killed, so that it could not end them; one that is busy or hangs does not notice."""

from __future__ import annotations

import contextlib
import os
import signal
from typing import List


def end_orphans(folder: str) -> int:
    """Kill the workers that run a program of this folder for no keeper any more, and return how many they were."""
    found = [int(name) for name in _processes() if name.isdecimal() and _is_orphan(int(name), folder)]
    for pid in found:
        with contextlib.suppress(OSError):  # it has ended, or is another user's
            os.killpg(pid, signal.SIGKILL)  # each was started in a group of its own
    return len(found)


def _processes() -> List[str]:
    try:
        return os.listdir("/proc")
    except OSError:
        return []


def _is_orphan(pid: int, folder: str) -> bool:
    words = _words(pid)
    if not words or os.path.dirname(words[-1]) != folder or not os.path.basename(words[-1]).startswith("worker-"):
        return False
    with contextlib.suppress(OSError, ValueError, IndexError):
        with open("/proc/%d/stat" % pid, encoding="utf-8", errors="replace") as file:
            parent = int(file.read().rpartition(")")[2].split()[1])
        return "keep" not in _words(parent)
    return False


def _words(pid: int) -> List[str]:
    """Return the words of a process's command line, none where it has ended."""
    try:
        with open("/proc/%d/cmdline" % pid, "rb") as file:
            return os.fsdecode(file.read()).rstrip("\0").split("\0")
    except OSError:
        return []
