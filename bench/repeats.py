"""Records of the runs in a store that may repeat each other, read without their samples."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .errors import StoreError
from .records import Environment, RunRecord
from .store import RUN_FILE, from_dict

#: The newest runs are enough to tell how far runs differ, and reading thousands would take longer than anyone waits.
MOST_RUNS = 200


@dataclass(frozen=True)
class StoredRepeats:
    """Records of some machines, newest first, and how many files could not be read."""

    records: tuple[RunRecord, ...]
    unreadable: int = 0


def stored_repeats(out: Path, *like: Environment, most: int = MOST_RUNS) -> StoredRepeats:
    """Return the newest runs below ``out`` that were measured on a machine of ``like``, at most ``most`` of them.

    A file that is damaged or of a newer schema is counted, never an error: it is not what was asked about.
    """
    found: list[RunRecord] = []
    unreadable = 0
    for path in _newest_first(out):
        if len(found) >= most:
            break
        try:
            data = json.loads(path.read_text(encoding="utf-8"))
            if any(_same_host(there, one) for there in _environments(data) for one in like):
                found.append(from_dict(data, str(path)))
        except (OSError, ValueError, RecursionError, StoreError):
            unreadable += 1
    return StoredRepeats(tuple(found), unreadable)


def _newest_first(out: Path) -> Iterator[Path]:
    """Yield the records of runs; their folders' names begin with the time."""
    try:
        folders = sorted((path for path in out.iterdir() if not path.name.startswith(".")), reverse=True)
    except OSError:
        return
    yield from (folder / RUN_FILE for folder in folders if (folder / RUN_FILE).is_file())


def _environments(data: Any) -> list[dict[str, Any]]:
    """Return those of plain JSON, because checking a whole record against the schema takes far longer."""
    there = data.get("environment") if isinstance(data, dict) else None
    if not isinstance(there, dict):
        raise ValueError("no environment")
    listed = data.get("devices")
    devices = listed if isinstance(listed, list) else []
    own = (device.get("environment") for device in devices if isinstance(device, dict))
    return [there, *(found for found in own if isinstance(found, dict))]


def _same_host(there: dict[str, Any], like: Environment) -> bool:
    return all(there.get(name) == getattr(like, name) for name in ("machine", "cpu_model", "hostname"))
