"""A program and its arguments as one line for a phone's shell, and what came back as how the program ended.

The line goes to ``sh -c`` there, with nothing of a login around it. How much of the answer arrives depends on the way
(:class:`Way`): where the program's exit code does not, or cannot be told from the end of the connection, the shell
writes a mark before the program's output and another one with the exit code after it.
"""

from __future__ import annotations

import enum
from collections.abc import Sequence

from .ssh_command import quoted
from .transport import Finished

#: Android has no /tmp. Its newer versions say so themselves.
_PREPARED = "export TMPDIR=${TMPDIR:-/data/local/tmp}; "


class Way(enum.Enum):
    """What arrives of a program.

    ``FRAMED``: both outputs and the exit code (adb's shell protocol 2, Android 7 and newer).
    ``CLIENT``: both outputs; the exit code may be that of the adb program, which passes them on.
    ``MERGED``: one output without an end of the input (the protocol before, Android 6 and older).
    """

    FRAMED = "framed"
    CLIENT = "client"
    MERGED = "merged"


def run_line(way: Way, command: Sequence[str], mark: str, given_bytes: int = 0) -> str:
    """Return the line that runs a program to its end. Of a merged way its input is the next ``given_bytes``.

    Raises:
        ValueError: the command is empty, or has a NUL, which no argument of a program can hold.
    """
    words = quoted(command)
    if way is Way.FRAMED:
        return f"{_PREPARED}{words}"
    if way is Way.CLIENT:
        return f"{_PREPARED}echo {mark}; {words}; status=$?; echo; echo {mark} $status"
    fed = f"{{ {_read_line(given_bytes)}; }} | {words}" if given_bytes else f"{words} </dev/null"
    return (
        f"{_PREPARED}echo {mark}; {{ said=$( {{ {fed}; }} 2>&1 1>&3 ); status=$?; }} 3>&1; "
        f'echo; echo {mark} $status; printf %s "$said"'
    )


def open_line(way: Way, command: Sequence[str], mark: str) -> str:
    """Return the line that becomes a program. Where there is a mark in it, the program's output comes after that.

    Raises:
        ValueError: as :func:`run_line`.
    """
    words = quoted(command)
    if way is Way.FRAMED:
        return f"{_PREPARED}exec {words}"
    return f"{_PREPARED}echo {mark}; exec {words} 2>/dev/null"


def finished(way: Way, mark: str, status: int | None, stdout: bytes, stderr: bytes) -> Finished | None:
    """Return how a program ended whose line :func:`run_line` made, None where its end never arrived.

    ``status`` is what the way itself told.
    """
    if way is Way.FRAMED:
        return None if status is None else Finished(status, stdout, stderr)
    begin = f"{mark}\n".encode()
    start = stdout.find(begin)
    end = stdout.rfind(f"\n{mark} ".encode())
    if start < 0 or end < 0:
        return None
    told, newline, rest = stdout[end + len(mark) + 2 :].partition(b"\n")
    if not newline or not told.isdigit():
        return None
    output = stdout[start + len(begin) : end]
    return Finished(int(told), output, rest if way is Way.MERGED else stderr)


def _read_line(size: int) -> str:
    """Return what reads so many bytes and no more: the first toybox, of Android 6, has no ``head -c``."""
    return f"if head -c 1 </dev/null >/dev/null 2>&1; then head -c {size}; else dd bs=1 count={size} 2>/dev/null; fi"
