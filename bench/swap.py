"""Putting a folder into the place of another in one step."""

from __future__ import annotations

import ctypes
import os
from pathlib import Path

_AT_FDCWD = -100
_RENAME_EXCHANGE = 2


def swap_folders(one: Path, other: Path) -> None:
    """Exchange two folders' names, so that at no moment either name leads nowhere.

    By renameat2(2). Where the system or its file system lacks that, by renames: a crash between these leaves ``other``
    beside its place under ``one``'s name with ``.old`` behind it.

    Raises:
        OSError: nothing has changed.
    """
    if _exchange(one, other):
        return
    aside = one.with_name(f"{one.name}.old")
    other.rename(aside)
    try:
        one.rename(other)
    except OSError:
        aside.rename(other)
        raise
    aside.rename(one)


def _exchange(one: Path, other: Path) -> bool:
    call = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
    if call is None:
        return False
    failed: int = call(_AT_FDCWD, os.fsencode(one), _AT_FDCWD, os.fsencode(other), _RENAME_EXCHANGE)
    return failed == 0


def sync(*paths: Path) -> None:
    """Wait until files are on the disk, and for a folder, the names in it.

    Raises:
        OSError: a file cannot be written. Not every file system can wait for folders.
    """
    for path in paths:
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        except OSError:
            if not path.is_dir():
                raise
        finally:
            os.close(descriptor)
