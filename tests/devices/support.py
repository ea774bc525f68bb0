"""Real child processes for the tests of devices."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
from edgebench.devices.process import ProcessLink

MODELS = Path(__file__).resolve().parent.parent / "fixtures" / "models"
#: Long enough for a busy machine; every wait ends as soon as what it waits for is there.
PATIENCE_S = 30.0

PREAMBLE = """
import json, os, signal, subprocess, sys, time

def read():
    return json.loads(sys.stdin.readline())

def say(**fields):
    sys.stdout.write(json.dumps(fields) + "\\n")
    sys.stdout.flush()

"""


def child(folder: Path, body: str, *, close_wait_s: float = 2.0) -> ProcessLink:
    """Start a Python child that runs ``body`` after a preamble with ``read()`` and ``say(**fields)``."""
    script = folder / "child.py"
    script.write_text(PREAMBLE + body)
    return ProcessLink([sys.executable, "-S", "-E", str(script)], close_wait_s=close_wait_s)


def is_gone(pid: int) -> bool:
    """Return True if the process ended; a zombie that nobody has reaped yet has ended too."""
    try:
        return bool(psutil.Process(pid).status() == psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return True


def wait_for(condition: Callable[[], bool], patience_s: float = PATIENCE_S) -> bool:
    """Return True as soon as the condition holds, False when patience ran out."""
    deadline = time.monotonic() + patience_s
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True
