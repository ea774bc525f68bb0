"""A program and its arguments as one line for a login shell, whichever that is, and however much it chatters.

The line is read by the user's login shell, which may be any: bash, dash, busybox, zsh, fish, csh. It only starts ``sh``
with one quoted word, which they all quote alike unless it holds a backslash, a line break, ``!`` or what is not ASCII;
such a word goes in octal. ``sh`` writes a mark on both outputs and becomes the program. What was written before the
mark came from the shell's own start (``echo`` in .bashrc, a motd) and is dropped.
"""

from __future__ import annotations

import re
import secrets
import shlex
from collections.abc import Sequence

#: What one of the login shells would not take as it stands between single quotes.
_UNALIKE = re.compile(r"[^\x20-\x7e]|[\\!]")


def new_mark() -> str:
    """Return a word that nothing writes by chance."""
    return f"edgebench-{secrets.token_hex(8)}"


def quoted(command: Sequence[str]) -> str:
    """Return a command as a shell's words, which may stand behind ``exec``.

    Raises:
        ValueError: it is empty, or has a NUL, which no argument of a program can hold.
    """
    if not command:
        raise ValueError("no command was given")
    if any("\0" in word for word in command):
        raise ValueError("an argument of a program cannot hold a NUL")
    program, *arguments = command
    if program.startswith("-"):
        program = f"./{program}"  # else exec would take it for an option
    return " ".join(shlex.quote(word) for word in (program, *arguments))


def shell_line(command: Sequence[str], mark: str) -> str:
    """Return the line that writes ``mark`` on both outputs and becomes the program.

    Raises:
        ValueError: the command is empty, or has a NUL, which no argument of a program can hold.
    """
    script = f"echo {mark}; echo {mark} >&2; exec {quoted(command)}"
    if _UNALIKE.search(script):
        octal = "".join(f"\\0{byte:03o}" for byte in script.encode("utf-8", "surrogateescape"))
        return f"exec sh -c 'eval \"$(printf %b \"$0\")\"' '{octal}'"
    return f"exec sh -c {shlex.quote(script)}"


class AfterMark:
    """Passes on what comes after the mark's line."""

    def __init__(self, mark: str) -> None:
        self._mark = f"{mark}\n".encode()
        self._before = bytearray()
        self.found = False

    def feed(self, data: bytes) -> bytes:
        """Return what of ``data`` comes after the mark."""
        if self.found:
            return data
        self._before += data
        place = self._before.find(self._mark)
        if place < 0:
            # Only the end may hold a part of the mark; of the rest, what could say why a shell refuses is enough.
            del self._before[:-_KEPT_BYTES]
            return b""
        self.found = True
        after = bytes(self._before[place + len(self._mark) :])
        del self._before[place:]
        return after

    @property
    def noise(self) -> bytes:
        """The end of what came before the mark."""
        return bytes(self._before)


_KEPT_BYTES = 4096
