"""A process that sets a governor for another one and puts the old one back when that one ends, however it ends.

``python3 worker.pyz guard NAME STATE ROOT``: it answers one line of JSON on its output, then waits for the end of its
input. It needs a Python 3.8 and nothing else.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
from typing import Any, Dict

from .governor import GovernorSwitch
from .refusal import Refusal

#: How often it looks whether the other process lives: another child of that one may hold the input open.
_LOOK_S = 1.0


def main(name: str, state_path: str, root: str) -> None:
    """Set the governor, say so, wait, put back, say so."""
    for number in (signal.SIGINT, signal.SIGHUP, signal.SIGTERM):
        # A Ctrl-C, a closed terminal: they are the other one's to end of, and to outlive it is what this one is for.
        signal.signal(number, signal.SIG_IGN)
    with contextlib.suppress(OSError):  # it may lead a group already
        os.setpgid(0, 0)  # nor is what is sent to the other one's group; the session stays, so that sudo knows the user
    parent = os.getppid()
    switch = GovernorSwitch(state_path, root)
    try:
        try:
            previous = switch.set(name)
        except Refusal as refusal:
            _say({"ok": False, "message": str(refusal)})
            return
        _say({"ok": True, "previous": previous})
        _wait_for_end(parent)
    finally:
        trouble = switch.restore()
    _say({"ok": not trouble, "message": "; ".join(trouble)})


def _wait_for_end(parent: int) -> None:
    while os.getppid() == parent:
        ready, _, _ = select.select([0], [], [], _LOOK_S)
        if ready and not os.read(0, 1):
            return


def _say(answer: Dict[str, Any]) -> None:
    with contextlib.suppress(OSError):  # nobody listens any more, and that is why this process is here
        os.write(1, json.dumps(answer).encode("utf-8") + b"\n")
