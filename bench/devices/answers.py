"""What a worker's answer says, and what its end does, whichever way they came."""

from __future__ import annotations

import json
import signal
from typing import Any

from ..errors import ProtocolError, RuntimeRefused, WorkerDied


def parse_answer(line: bytes) -> dict[str, Any]:
    """Return the fields of an answer.

    Raises:
        ProtocolError: it is none.
    """
    try:
        answer = json.loads(line)
    except ValueError:
        answer = None
    if not isinstance(answer, dict):
        raise ProtocolError(f"the worker wrote garbage instead of an answer: {line[:80]!r}")
    return answer


def accepted(answer: dict[str, Any]) -> dict[str, Any]:
    """Return an answer that says yes.

    Raises:
        RuntimeRefused: it says no.
    """
    if not answer.get("ok"):
        raise RuntimeRefused(str(answer.get("message", "no reason given")), str(answer.get("code", "refused")))
    return answer


def death(command: str, status: int | None, words: str) -> WorkerDied:
    """Return the error for a worker that ended while it owed an answer.

    ``status`` is as of ``Popen``, None where it was killed; ``words`` is what it wrote on its standard error.
    """
    line = telling_line(words)
    tail = f": {line}" if line else ""
    return WorkerDied(f"the worker {how_it_ended(status)} during '{command}'{tail}")


def telling_line(text: str) -> str:
    """Return the last line that a worker wrote on its standard error which is no mere information."""
    lines = ["".join(letter for letter in line if letter.isprintable()).strip() for line in text.splitlines()]
    telling = [line for line in lines if line and not line.startswith(("INFO:", "VERBOSE:", "WARNING:"))]
    return telling[-1][:200] if telling else ""


def how_it_ended(status: int | None) -> str:
    """Return how a process ended, for people; ``status`` is as of ``Popen``, None where it was killed."""
    if status is None:
        return "closed its output and was killed"
    if status >= 0:
        return f"ended with exit code {status}"
    try:
        name = signal.Signals(-status).name
    except ValueError:
        name = f"signal {-status}"
    hint = " (out of memory?)" if name == "SIGKILL" else ""
    return f"was ended by {name}{hint}"
