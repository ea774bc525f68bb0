"""What whoever keeps a child process needs, be it the controller or a keeper."""

from __future__ import annotations

import contextlib
import os
import signal
from typing import IO

#: How often the memory of a worker is looked at while it may grow.
WATCH_S = 0.015
_TAIL_BYTES = 4000


def kill_group(pid: int) -> None:
    """Kill what is left of a child's own process group: a delegate may have started programs of its own."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)


def last_words(stderr: IO[bytes]) -> str:
    """Return the end of what was written to a file."""
    size = stderr.seek(0, os.SEEK_END)
    stderr.seek(max(0, size - _TAIL_BYTES))
    return stderr.read().decode("utf-8", "replace")
