"""What lies in a folder of results, and what of it would go, as plain text."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..housekeeping import Folder, Pruning
from .plain import grid
from .text import ABSENT, clean, count, megabytes, shortened

_NAME = 48


def render_folders(folders: Sequence[Folder], out: Path) -> str:
    """Return a line a folder, ending in a newline; what is never removed has its reason."""
    if not folders:
        return f"{out}: holds no run yet; make one with: edgebench run MODEL\n"
    total = megabytes(sum(folder.size_bytes for folder in folders))
    return f"{_grid(folders)}\n\n{count(len(folders), 'folder')}, {total} MB in {out}. Times are UTC.\n"


def _grid(folders: Sequence[Folder]) -> str:
    heads = ["run", "time\nUTC", "cases", "size\nMB", "host", "state", "note"]
    body = [_row(folder) for folder in folders]
    kept = [i for i in range(len(heads)) if i < len(heads) - 1 or any(row[i] for row in body)]
    align = ["left", "left", "right", "decimal", "left", "left", "left"]
    return grid([heads[i] for i in kept], [[row[i] for i in kept] for row in body], [align[i] for i in kept])


def _row(folder: Folder) -> list[str]:
    return [
        shortened(clean(folder.name), _NAME),
        f"{folder.created:%Y-%m-%d %H:%M}" if folder.created else ABSENT,
        str(len(folder.cases)) if folder.host else ABSENT,
        megabytes(folder.size_bytes),
        clean(folder.host.hostname) if folder.host else ABSENT,
        folder.state.value,
        shortened(clean(folder.trouble or ""), 80),
    ]


def folder_records(folders: Sequence[Folder]) -> list[dict[str, Any]]:
    """Return what is known of each folder, for JSON: sizes are bytes, times UTC."""
    return [
        {
            "name": folder.name,
            "run_id": folder.run_id,
            "state": folder.state.value,
            "created_utc": folder.created.isoformat() if folder.created else None,
            "size_bytes": folder.size_bytes,
            "hostname": folder.host.hostname if folder.host else None,
            "cases": list(folder.cases),
            "data": folder.data,
            "never_removed_because": folder.trouble,
        }
        for folder in folders
    ]


def render_pruning(pruning: Pruning, *, removing: bool) -> str:
    """Return what goes or would go, and why some stay that were asked for, ending in a newline."""
    lines = [f"stays: {clean(path.name)}: {clean(reason)}" for path, reason in pruning.stay.items()]
    if not pruning.remove:
        return "\n".join([*lines, "Nothing to remove."]) + "\n"
    size = f"{count(len(pruning.remove), 'folder')}, {megabytes(pruning.size_bytes)} MB"
    lines += [_grid(pruning.remove), ""]
    lines.append(f"Removing {size}." if removing else f"Would remove {size}. Nothing was removed: add --yes.")
    return "\n".join(lines) + "\n"
