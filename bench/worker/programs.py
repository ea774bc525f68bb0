"""Asks small programs of the system for what no file tells."""

from __future__ import annotations

import shutil
import subprocess
from typing import Callable

from .tree import Unreadable, shown

#: Asks a program, the first word, with arguments, the others; returns what it says. Raises Unreadable.
Ask = Callable[..., str]

_TIMEOUT_S = 5.0
_TOLD_BYTES = 2 << 20


class NotInstalled(Unreadable):
    """There is no such program."""


def ask_program(*words: str) -> str:
    """Return what a program says, without the white space around it.

    Raises:
        NotInstalled: there is no such program.
        Unreadable: it fails, or does not end.
    """
    program = shutil.which(words[0])
    if program is None:
        raise NotInstalled("%s is not installed" % words[0])
    said = "%s: " % " ".join(words)
    try:
        done = subprocess.run(
            [program, *words[1:]],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=_TIMEOUT_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise Unreadable(said + "no answer within %g s" % _TIMEOUT_S) from None
    except OSError as error:
        raise Unreadable(said + str(error.strerror or error)) from error
    text = done.stdout[:_TOLD_BYTES].decode("utf-8", "replace").strip()
    if done.returncode != 0:
        raise Unreadable(said + "ended with %d: %s" % (done.returncode, shown(text)))
    return text
