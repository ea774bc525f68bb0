"""The hosts that ``~/.ssh/config`` has names for."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

#: ``Host`` patterns with these are about many hosts, and name none.
_PATTERN = re.compile(r"[*?!]")
_LINE = re.compile(r"\s*(\w+)\s*[=\s]\s*(.*)")
_DEEPEST = 16


def configured_hosts(path: Path | None = None) -> tuple[str, ...]:
    """Return the names that a person's ssh configuration gives to hosts, in order; none where there is no such file.

    ``path`` is another file than ``~/.ssh/config``. Files that it includes are read too; what they mean is asyncssh's
    business.
    """
    try:
        file = path or Path.home() / ".ssh" / "config"
    except RuntimeError:  # no home folder
        return ()
    return tuple(dict.fromkeys(_hosts(file, 0)))


def _hosts(file: Path, depth: int) -> Iterator[str]:
    try:
        lines = file.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return
    for line in lines:
        found = _LINE.match(line)
        if found is None:
            continue
        keyword, words = found.group(1).lower(), _words(found.group(2))
        if keyword == "host":
            yield from (word for word in words if not _PATTERN.search(word))
        elif keyword == "include" and depth < _DEEPEST:
            for word in words:
                for included in _included(file.parent, word):
                    yield from _hosts(included, depth + 1)


def _words(text: str) -> list[str]:
    try:
        return shlex.split(text, comments=True)
    except ValueError:  # a quote without its other half
        return text.split()


def _included(folder: Path, pattern: str) -> list[Path]:
    """Return the files that an ``Include`` names; relative ones begin beside the file, as ssh has it for ``~/.ssh``."""
    try:
        place = Path(pattern).expanduser()
    except RuntimeError:
        return []
    root = Path(place.anchor) if place.is_absolute() else folder
    relative = str(place.relative_to(place.anchor)) if place.is_absolute() else pattern
    try:
        return sorted(root.glob(relative))
    except (ValueError, NotImplementedError):
        return []
