"""A bundle as a file: a portable Python with a runtime, packed so that the same content gives the same bytes."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import tarfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from ..errors import InputError
from ..images.pixel_store import default_cache_dir

FORMAT = 1
MANIFEST = "manifest.json"
#: What is started; everything else is run or loaded by it.
LAUNCHER = "bin/python3"
SUFFIX = ".tar.gz"
_NAME = "edgebench-python"
#: 2020-01-01; tar complains about files of 1970.
_TIME = 1_577_836_800
_LEVEL = 6
_COMMAND = "edgebench device bundle build"


@dataclass(frozen=True)
class Bundle:
    """A bundle that lies on this machine. ``manifest`` says what it consists of, ``sha256`` is the whole file's."""

    path: Path
    sha256: str
    size_bytes: int
    manifest: Mapping[str, Any]

    @property
    def architecture(self) -> str:
        return str(self.manifest["architecture"])

    @property
    def unpacked_bytes(self) -> int:
        return int(self.manifest["unpacked_bytes"])


def default_folder() -> Path:
    """Return where bundles are kept unless somebody names another place."""
    return default_cache_dir() / "bundles"


def file_name(manifest: Mapping[str, Any]) -> str:
    """Return the name that a bundle of that content has among others."""
    digest = hashlib.sha256(_text(manifest)).hexdigest()
    return f"{_NAME}-{manifest['architecture']}-{digest[:16]}{SUFFIX}"


def write_bundle(path: Path, manifest: Mapping[str, Any], files: Mapping[str, bytes], programs: frozenset[str]) -> None:
    """Write a bundle; ``programs`` are the files that may be run.

    Raises:
        OSError: it cannot be written there.
    """
    part = path.with_name(f"{path.name}.part")
    try:
        with part.open("wb") as stream:
            _pack(stream, {MANIFEST: _text(manifest), **{name: files[name] for name in sorted(files)}}, programs)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def read_bundle(path: Path) -> Bundle:
    """Return a bundle that was built before.

    Raises:
        InputError: the file is none, or of another version of edgebench.
    """
    try:
        with path.open("rb") as stream:
            digest = _sha(stream)
            size_bytes = stream.tell()
        with tarfile.open(path, "r:gz") as archive:
            first = archive.next()
            file = archive.extractfile(first) if first is not None and first.name == MANIFEST else None
            manifest = json.loads(file.read()) if file is not None else {}
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror or error}") from error
    except (tarfile.TarError, EOFError, zlib.error, ValueError) as error:
        raise InputError(f"{path}: is no bundle, or a damaged one; make it anew with: {_COMMAND}") from error
    if not isinstance(manifest, dict) or manifest.get("format") != FORMAT:
        raise InputError(f"{path}: is no bundle of this version of edgebench; make it anew with: {_COMMAND}")
    return Bundle(path, digest, size_bytes, manifest)


def newest_bundle(architecture: str, folder: Path | None = None) -> Bundle | None:
    """Return the bundle for a processor's kind that was built last, None where there is none."""
    found = list((folder or default_folder()).glob(f"{_NAME}-{architecture}-*{SUFFIX}"))
    return read_bundle(max(found, key=lambda path: path.stat().st_mtime_ns)) if found else None


def _text(manifest: Mapping[str, Any]) -> bytes:
    return json.dumps(manifest, indent=1, sort_keys=True).encode()


def _pack(stream: BinaryIO, files: Mapping[str, bytes], programs: frozenset[str]) -> None:
    with (
        gzip.GzipFile(filename="", mode="wb", compresslevel=_LEVEL, fileobj=stream, mtime=0) as packed,
        tarfile.open(fileobj=packed, mode="w", format=tarfile.GNU_FORMAT) as archive,
    ):
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            entry.mtime = _TIME
            entry.mode = 0o755 if name in programs else 0o644
            archive.addfile(entry, io.BytesIO(content))


def _sha(stream: BinaryIO) -> str:
    digest = hashlib.sha256()
    for data in iter(lambda: stream.read(1 << 20), b""):
        digest.update(data)
    return digest.hexdigest()
