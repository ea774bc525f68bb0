"""Packs :mod:`edgebench.worker` into one file that any Python 3.8 or newer can run."""

from __future__ import annotations

import hashlib
import io
import os
import tempfile
import zipfile
from pathlib import Path

from ..errors import StoreError
from ..images.pixel_store import default_cache_dir

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
    entry = zipfile.ZipInfo(name, date_time=(2020, 1, 1, 0, 0, 0))
    archive.writestr(entry, content, compress_type=zipfile.ZIP_DEFLATED)


def worker_file(folder: Path | None = None) -> Path:
    """Write the zipapp into ``folder`` (by default one in the user's cache) and return its path.

    The name carries its hash: an existing file of that name is reused, a new one appears in one step.

    Raises:
        StoreError: the folder cannot be written to.
    """
    content = worker_archive()
    digest = hashlib.sha256(content).hexdigest()[:16]
    # The user's own cache rather than the shared temporary folder, where others could put a file of this name.
    place = folder or default_cache_dir() / "worker"
    target = place / f"worker-{digest}.pyz"
    try:
        place.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not target.exists() or target.read_bytes() != content:
            _write(target, content)
    except OSError as error:
        raise StoreError(f"{place}: the worker cannot be written here: {error.strerror or error}") from error
    return target


def _write(target: Path, content: bytes) -> None:
    handle, scratch = tempfile.mkstemp(dir=target.parent, suffix=".part")
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(content)
        Path(scratch).replace(target)
    except OSError:
        Path(scratch).unlink(missing_ok=True)
        raise
