"""What a search has finished, line by line on disk: a search that is killed goes on where it stopped."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from edgebench.errors import TrainingError, UsageError

FOLDER_NAME = ".search"
_JOURNAL_NAME = "journal.jsonl"
_LOCK_NAME = "lock"


def key_of(**facts: Any) -> str:
    """A short digest of everything that decides a result."""
    return hashlib.sha256(json.dumps(facts, sort_keys=True, default=str).encode()).hexdigest()[:24]


class Journal:
    """Finished work by key. Each line is on disk before the next piece of work begins."""

    def __init__(self, folder: Path) -> None:
        """Read what is there. A last line that was cut off by a kill is left out. Raises TrainingError."""
        self._path = folder / _JOURNAL_NAME
        self._done: dict[str, Mapping[str, Any]] = {}
        self._started: Counter[str] = Counter()
        try:
            text = self._path.read_text(encoding="utf-8") if self._path.exists() else ""
        except (OSError, UnicodeDecodeError) as error:
            raise TrainingError(f"{self._path}: cannot be read ({error}); remove it to search anew") from error
        for line in text.splitlines():
            with contextlib.suppress(ValueError, KeyError, TypeError):
                self._take(json.loads(line))
        self._cut = bool(text) and not text.endswith("\n")

    def _take(self, entry: Mapping[str, Any]) -> None:
        if "started" in entry:
            self._started[str(entry["key"])] += 1 if entry["started"] else -1
        else:
            self._done[str(entry["key"])] = entry["value"]
            self._started.pop(str(entry["key"]), None)

    def find(self, key: str) -> Any:
        """What was finished under a key, None where nothing was."""
        return self._done.get(key)

    def starts(self, key: str) -> int:
        """How often work under a key was begun since it was last finished."""
        return self._started[key]

    def start(self, key: str) -> None:
        """Note that work begins, so that work which kills the process is not begun for ever."""
        self._append({"key": key, "started": True})

    def stop(self, key: str) -> None:
        """Note that work was given up in good order, so that it may begin again."""
        self._append({"key": key, "started": False})

    def finish(self, key: str, value: Any) -> None:
        """Keep what came of it."""
        self._append({"key": key, "value": value})

    def _append(self, entry: Mapping[str, Any]) -> None:
        try:
            with self._path.open("a", encoding="utf-8") as file:
                file.write("\n" if self._cut else "")
                self._cut = False
                file.write(json.dumps(entry, allow_nan=False) + "\n")
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise TrainingError(f"{self._path}: cannot be written ({error.strerror or error}); make room") from error
        self._take(entry)


@contextlib.contextmanager
def working_folder(out: Path) -> Iterator[Path]:
    """``out/.search``, for this process alone. Raises UsageError where it cannot be written or another one has it."""
    folder = out / FOLDER_NAME
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = (folder / _LOCK_NAME).open("w")
    except OSError as error:
        raise UsageError(f"--out {out}: cannot be written ({error.strerror or error})") from error
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise UsageError(f"--out {out}: another search is at work there; wait for it, or end it") from None
        yield folder
