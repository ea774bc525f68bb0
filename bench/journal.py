"""The journal of a run: one line an entry, appended while the run is under way, so that a crash loses little.

A line is ``{"crc32": C, "entry": {...}}``; C is the checksum of the entry's own JSON text. What the entries mean is
known to :mod:`.entries`.
"""

from __future__ import annotations

import fcntl
import json
import os
import threading
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .errors import StoreError

JOURNAL_FILE = "journal.jsonl"

Entry = Mapping[str, Any]


@dataclass(frozen=True)
class Content:
    """A journal's whole entries, and how many bytes they take: a last line that was cut short comes after these."""

    entries: tuple[dict[str, Any], ...]
    size_bytes: int


class Journal:
    """A journal that this process writes; no other may, until it is closed or the process is gone.

    ``trouble`` is the reason from the first write that failed on: nothing is written after it, and nothing raised,
    because a measurement is worth more than its journal. ``empty`` is True while it has no whole entry.
    """

    def __init__(self, path: Path, descriptor: int, trouble: str | None = None) -> None:
        self.path = path
        self.trouble = trouble
        self.empty = True
        self._descriptor = descriptor
        self._writing = threading.Lock()

    @classmethod
    def create(cls, path: Path) -> Journal:
        """Make a new journal."""
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o644)
        except OSError as error:
            return cls(path, -1, error.strerror or str(error))
        _lock(descriptor)
        return cls(path, descriptor)

    @classmethod
    def reopen(cls, path: Path) -> tuple[Journal, Content]:
        """Open a journal to go on with it, and return it with its content; a last line cut short is taken off.

        Raises:
            StoreError: another process has it, it is damaged, or it cannot be read or written.
        """
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_APPEND)
        except OSError as error:
            raise StoreError(f"{path}: cannot be continued: {error.strerror}") from error
        journal = cls(path, descriptor)
        try:
            if not _lock(descriptor) or not _still_there(path, descriptor):
                raise StoreError(
                    f"{path.parent}: another process is measuring this run right now; let it finish, or end it"
                )
            content = read(path)
            os.ftruncate(descriptor, content.size_bytes)
            journal.empty = not content.entries
        except StoreError:
            journal.close()
            raise
        except OSError as error:
            journal.close()
            raise StoreError(f"{path}: cannot be continued: {error.strerror}") from error
        return journal, content

    def append(self, entry: Entry) -> None:
        """Write one entry and wait until it is on the disk. Never while a burst is running: that takes milliseconds.

        Several threads may write; a device whose burst is running does not wait for another's entry.
        """
        line = _line(entry)
        with self._writing:
            if self.trouble is not None:
                return
            rest = memoryview(line)
            try:
                while rest:
                    rest = rest[os.write(self._descriptor, rest) :]
                os.fsync(self._descriptor)
                self.empty = False
            except OSError as error:
                self.trouble = error.strerror or str(error)

    def close(self) -> None:
        """Let others have it. May be called twice."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


def read(path: Path) -> Content:
    """Return what a journal holds. A last line that is no whole entry is left out: the crash came while it was written.

    Raises:
        StoreError: it cannot be read, or is damaged elsewhere.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise StoreError(f"{path}: cannot be read: {error.strerror}") from error
    entries: list[dict[str, Any]] = []
    size_bytes = 0
    lines = data.splitlines(keepends=True)
    for number, line in enumerate(lines, start=1):
        entry = _entry(line)
        if entry is not None:
            entries.append(entry)
            size_bytes += len(line)
        elif number < len(lines):
            raise StoreError(f"{path}: line {number} is damaged, so this run cannot be continued")
    return Content(tuple(entries), size_bytes)


def in_use(path: Path) -> bool:
    """Return True while a process is writing the journal."""
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except OSError:
        return False
    try:
        return not _lock(descriptor)
    finally:
        os.close(descriptor)


def _line(entry: Entry) -> bytes:
    text = entry_text(entry)
    return f'{{"crc32":{zlib.crc32(text.encode())},"entry":{text}}}\n'.encode()


def entry_text(entry: Entry) -> str:
    """Return an entry's JSON text."""
    # ASCII, so that file names which are no UTF-8 pass; paths are the only values that JSON does not know.
    return json.dumps(entry, separators=(",", ":"), default=os.fspath)


def _entry(line: bytes) -> dict[str, Any] | None:
    """Return the entry of a whole line, else None. JSON that we wrote is written the same again."""
    try:
        found: Any = json.loads(line) if line.endswith(b"\n") else {}
        entry: dict[str, Any] = found["entry"]
        return entry if zlib.crc32(entry_text(entry).encode()) == found["crc32"] else None
    except (ValueError, KeyError, TypeError, RecursionError):
        return None


def _lock(descriptor: int) -> bool:
    """Take the lock, which ends with the process; return False where another has it."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return True  # a file system without locks: two processes at once are not noticed there
    return True


def _still_there(path: Path, descriptor: int) -> bool:
    """Return False where the process that had the lock has put another folder in this one's place since."""
    try:
        return os.path.samestat(path.stat(), os.fstat(descriptor))
    except FileNotFoundError:
        return False
