"""A folder of the worker's own in the temporary folder of its machine."""

from __future__ import annotations

import os
import shutil
import tempfile
from typing import Any, Dict, Optional

from .refusal import Refusal

#: What makes a folder ours: nothing else is ever removed.
_PREFIX = "edgebench-scratch-"


def make_scratch() -> str:
    """Make an empty folder that only this user can read, and return its path."""
    try:
        return tempfile.mkdtemp(prefix=_PREFIX)
    except OSError as error:
        raise Refusal("scratch", "no temporary folder can be made there: %s" % error.strerror) from error


def drop_scratch(path: str) -> None:
    """Remove such a folder with everything in it; one that is gone is fine.

    Raises:
        Refusal: ``scratch``, when it is not one of ours, or cannot be removed.
    """
    folder = os.path.abspath(path)
    if os.path.dirname(folder) != os.path.abspath(tempfile.gettempdir()) or not _is_ours(folder):
        raise Refusal("scratch", "%s is no temporary folder of edgebench" % path)
    shutil.rmtree(folder, ignore_errors=True)
    if os.path.lexists(folder):
        raise Refusal("scratch", "the temporary folder %s cannot be removed" % path)


def file_state(path: str) -> Optional[Dict[str, Any]]:
    """Return ``size_bytes``, ``modified_ns`` and ``inode`` of a file, or None where there is none."""
    try:
        found = os.stat(path)
    except FileNotFoundError:
        return None
    return {"size_bytes": found.st_size, "modified_ns": found.st_mtime_ns, "inode": found.st_ino}


def _is_ours(folder: str) -> bool:
    return os.path.basename(folder).startswith(_PREFIX) and not os.path.islink(folder)
