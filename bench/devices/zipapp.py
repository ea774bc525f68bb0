"""Packs :mod:`edgebench.worker` into one file that any Python 3.8 or newer can run."""

from __future__ import annotations

import hashlib
import io
import os
import tempfile
import zipfile
from pathlib import Path

_PACKAGE = "edgebench_worker"
_MAIN = f"import runpy\nrunpy.run_module({_PACKAGE!r}, run_name='__main__', alter_sys=True)\n"


def worker_archive() -> bytes:
    """Return the zipapp's bytes: the same sources give the same bytes, so its hash can name it."""
    source = Path(__file__).resolve().parent.parent / "worker"
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        _add(archive, "__main__.py", _MAIN.encode())
        for path in sorted(source.glob("*.py")):
            _add(archive, f"{_PACKAGE}/{path.name}", path.read_bytes())
    return buffer.getvalue()


def _add(archive: zipfile.ZipFile, name: str, content: bytes) -> None:
    archive.writestr(zipfile.ZipInfo(name, date_time=(2020, 1, 1, 0, 0, 0)), content)


def worker_file(folder: Path | None = None) -> Path:
    """Write the zipapp into ``folder`` (by default a private folder below the temporary one) and return its path.

    The name carries its hash: an existing file of that name is reused, a new one appears in one step.
    """
    content = worker_archive()
    digest = hashlib.sha256(content).hexdigest()[:16]
    place = folder or Path(tempfile.gettempdir()) / f"edgebench-{os.getuid() if hasattr(os, 'getuid') else 'user'}"
    place.mkdir(mode=0o700, parents=True, exist_ok=True)
    target = place / f"worker-{digest}.pyz"
    # Never trust what lies in a shared temporary folder: the bytes must be ours.
    if not target.exists() or target.read_bytes() != content:
        handle, scratch = tempfile.mkstemp(dir=place, suffix=".part")
        with os.fdopen(handle, "wb") as stream:
            stream.write(content)
        Path(scratch).replace(target)
    return target
