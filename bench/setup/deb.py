"""Reads Debian packages: what one is, and the files that it would install. Nothing of it is run."""

from __future__ import annotations

import hashlib
import io
import lzma
import shutil
import subprocess
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ..errors import InputError

_MAGIC = b"!<arch>\n"
_HEADER_BYTES = 60


@dataclass(frozen=True)
class Deb:
    """One package. ``architecture`` is Debian's name for it, ``all`` where it fits any."""

    name: str
    version: str
    architecture: str
    path: Path
    sha256: str
    size_bytes: int


def read_deb(path: Path) -> Deb:
    """Return what a package is.

    Raises:
        InputError: the file is none, or damaged.
    """
    content = _content(path)
    fields: dict[str, str] = {}
    with _tar(path, _part(path, content, "control.tar")) as archive:
        for member in archive:
            file = archive.extractfile(member) if member.name.removeprefix("./") == "control" else None
            if file is not None:
                fields = _fields(file.read().decode("utf-8", "replace"))
    try:
        name, version, architecture = fields["Package"], fields["Version"], fields["Architecture"]
    except KeyError as error:
        raise InputError(f"{path}: its control file has no {error.args[0]}") from error
    return Deb(name, version, architecture, path, hashlib.sha256(content).hexdigest(), len(content))


def files_of(deb: Deb) -> Iterator[tuple[str, bytes]]:
    """Yield the regular files of a package: their paths without a leading slash, and their content.

    Raises:
        InputError: it is damaged, or packed in a way that is unknown here.
    """
    yield from regular_files(deb.path, _part(deb.path, _content(deb.path), "data.tar"))


def regular_files(path: Path, packed: bytes) -> Iterator[tuple[str, bytes]]:
    """Yield the regular files of a tar archive, as :func:`files_of`; ``path`` is what errors name.

    Raises:
        InputError: it is damaged.
    """
    with _tar(path, packed) as archive:
        try:
            for member in archive:
                # Of two names for one file the second is a link to the first; tarfile follows it.
                file = archive.extractfile(member) if member.isreg() or member.islnk() else None
                if file is not None:
                    yield member.name.removeprefix("./").lstrip("/"), file.read()
        except (tarfile.TarError, lzma.LZMAError, OSError, EOFError, KeyError) as error:
            raise InputError(f"{path}: is damaged: {error}") from error


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror or error}") from error


def _fields(control: str) -> dict[str, str]:
    lines = [line.partition(":") for line in control.splitlines() if ":" in line and not line.startswith((" ", "\t"))]
    return {name: value.strip() for name, _, value in lines}


def _part(path: Path, content: bytes, wanted: str) -> bytes:
    """Return one of the archives that a package consists of, as a tar archive that can be read here."""
    if not content.startswith(_MAGIC):
        raise InputError(f"{path}: is no Debian package")
    place = len(_MAGIC)
    while place + _HEADER_BYTES <= len(content):
        name = content[place : place + 16].decode("ascii", "replace").strip().rstrip("/")
        size = content[place + 48 : place + 58].strip()
        if not size.isdigit():
            break
        begin = place + _HEADER_BYTES
        if name.startswith(wanted):
            part = content[begin : begin + int(size)]
            return _without_zstd(path, wanted) if name.endswith(".zst") else part
        place = begin + int(size) + int(size) % 2
    raise InputError(f"{path}: is a damaged Debian package: it has no {wanted}")


def _without_zstd(path: Path, wanted: str) -> bytes:
    """Return an archive that Ubuntu has packed in a way that Python learned in 3.14 only."""
    program = shutil.which("dpkg-deb")
    if program is None:
        raise InputError(f"{path}: is packed with zstd, and there is no dpkg-deb here to unpack it")
    flag = "--ctrl-tarfile" if wanted == "control.tar" else "--fsys-tarfile"
    done = subprocess.run([program, flag, str(path)], capture_output=True, check=False)
    if done.returncode != 0:
        raise InputError(f"{path}: is damaged: {done.stderr.decode('utf-8', 'replace').strip()[:200]}")
    return done.stdout


def _tar(path: Path, packed: bytes) -> tarfile.TarFile:
    try:
        return tarfile.open(fileobj=io.BytesIO(packed))
    except (tarfile.TarError, lzma.LZMAError, OSError, EOFError) as error:
        raise InputError(f"{path}: is damaged: {error}") from error
