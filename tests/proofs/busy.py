"""A core that is kept busy while a proof measures."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from collections.abc import Iterator


@contextlib.contextmanager
def busy_core(wanted: bool) -> Iterator[None]:
    """Keep one core busy meanwhile, where ``wanted``."""
    if not wanted:
        yield
        return
    hog = subprocess.Popen([sys.executable, "-c", "while True: pass"])
    try:
        yield
    finally:
        hog.kill()
        hog.wait()
