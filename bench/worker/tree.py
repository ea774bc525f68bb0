"""Reads the kernel's small text files below a root: every failure becomes one line that names the file.

The root is ``/`` on a real machine; tests give a recorded tree. Reasons name files as the machine knows them.
"""

from __future__ import annotations

import math
import os
import re
from typing import Any, Callable, Dict, List, Mapping

#: No file that is read here comes near this; a device node that never ends must not fill the memory.
_MAX_BYTES = 4 << 20
#: Larger reads are refused below /proc/sys ("Cannot allocate memory"): the kernel takes a buffer of the size asked for.
_CHUNK_BYTES = 1 << 16
_PARTS = re.compile(r"(\d+)")


class Unreadable(Exception):
    """A value cannot be had. The message is one line that says why."""


class Tree:
    """The files below ``root``. Each is read once: the values of one snapshot belong together."""

    def __init__(self, root: str = "/") -> None:
        self._root = root
        self._texts: Dict[str, str] = {}

    def text(self, path: str) -> str:
        """Return a file's text without the NULs and white space around it.

        Raises:
            Unreadable: the file is absent, may not be read, or the kernel has no value at the moment.
        """
        if path not in self._texts:
            try:
                raw = _read(self._place(path))
            except (OSError, ValueError) as error:
                raise Unreadable("%s: %s" % (path, _why(error))) from error
            self._texts[path] = raw.decode("utf-8", "replace").strip("\0 \t\r\n")
        return self._texts[path]

    def has(self, path: str) -> bool:
        """Return whether there is such a file."""
        return os.path.exists(self._place(path))

    def number(self, path: str, minimum: int = 0) -> int:
        """Return a file's only content, a whole number of at least ``minimum``. Raises Unreadable."""
        return whole(self.text(path), path, minimum)

    def names(self, folder: str, pattern: str) -> List[str]:
        """Return the entries of a folder that match a regular expression whole, ``cpu2`` before ``cpu10``.

        Raises:
            Unreadable: there is no such folder, or no entry matches.
        """
        try:
            entries = os.listdir(self._place(folder))
        except OSError as error:
            raise Unreadable("%s: %s" % (folder, _why(error))) from error
        found = [name for name in entries if re.fullmatch(pattern, name)]
        if not found:
            raise Unreadable("%s: holds nothing of the kind" % folder)
        return sorted(found, key=_by_number)

    def _place(self, path: str) -> str:
        return os.path.join(self._root, path.lstrip("/"))


def collect(readers: Mapping[str, Callable[[Tree], Any]], tree: Tree) -> Dict[str, Any]:
    """Return each reader's value by name; ``unavailable`` maps the names that have none to the reason."""
    found: Dict[str, Any] = {}
    unavailable: Dict[str, str] = {}
    for name, read in readers.items():
        try:
            found[name] = read(tree)
        except Unreadable as error:
            unavailable[name] = str(error)
    found["unavailable"] = unavailable
    return found


def whole(text: str, path: str, minimum: int = 0) -> int:
    """Return the whole number that ``text`` is. Raises Unreadable naming ``path``."""
    try:
        value = int(text)
    except ValueError:
        raise Unreadable("%s: not a number: %s" % (path, shown(text))) from None
    if value < minimum:
        raise Unreadable("%s: %d makes no sense here" % (path, value))
    return value


def decimal(text: str, path: str) -> float:
    """Return the finite number that ``text`` is. Raises Unreadable naming ``path``."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise Unreadable("%s: not a number: %s" % (path, shown(text)))
    return value


def shown(text: str) -> str:
    """Return the start of a text on one line, fit for a message."""
    return repr(text[:40])


def _read(place: str) -> bytes:
    content = b""
    with open(place, "rb", buffering=0) as stream:
        while len(content) < _MAX_BYTES:
            chunk = stream.read(_CHUNK_BYTES)
            if not chunk:
                break
            content += chunk
    return content


def _why(error: Exception) -> str:
    return str(getattr(error, "strerror", None) or error)


def _by_number(name: str) -> List[Any]:
    return [int(part) if part.isdecimal() else part for part in _PARTS.split(name)]
