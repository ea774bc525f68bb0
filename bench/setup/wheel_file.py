"""What a wheel file says of itself: its name and version, and the C library that its code needs."""

from __future__ import annotations

import hashlib
import re
import zipfile
from dataclasses import dataclass
from pathlib import Path

from ..errors import InputError

_GLIBC = re.compile(rb"GLIBC_2\.(\d{1,3})\0")


@dataclass(frozen=True)
class Wheel:
    """One wheel. ``glibc`` is the newest version that a library in it asks for, None where none asks."""

    name: str
    version: str
    path: Path
    sha256: str
    size_bytes: int
    unpacked_bytes: int
    glibc: tuple[int, int] | None = None


def read_wheel(path: Path) -> Wheel:
    """Return what is to be known of a wheel.

    Raises:
        InputError: it is none, or damaged.
    """
    parts = path.name.removesuffix(".whl").split("-")
    if len(parts) < 5:
        raise InputError(f"{path}: is not named as a wheel is")
    try:
        with zipfile.ZipFile(path) as archive:
            unpacked = sum(entry.file_size for entry in archive.infolist())
            libraries = [entry for entry in archive.namelist() if ".so" in Path(entry).name]
            minors = [int(found) for name in libraries for found in _GLIBC.findall(archive.read(name))]
        content = path.read_bytes()
    except (OSError, zipfile.BadZipFile, zipfile.LargeZipFile) as error:
        raise InputError(f"{path}: is no whole wheel: {error}") from error
    return Wheel(
        name=parts[0].replace("_", "-"),
        version=parts[1],
        path=path,
        sha256=hashlib.sha256(content).hexdigest(),
        size_bytes=len(content),
        unpacked_bytes=unpacked,
        glibc=(2, max(minors)) if minors else None,
    )
