"""Debian packages, ELF files and bundles that the tests make: small ones with whatever files they need."""

from __future__ import annotations

import gzip
import hashlib
import io
import lzma
import random
import struct
import sys
import tarfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from edgebench.setup.bundle_file import FORMAT, LAUNCHER, Bundle, read_bundle, write_bundle
from edgebench.setup.bundle_layout import ARCHITECTURES

ARM = ARCHITECTURES["aarch64"]
LIBC = b"GNU C Library (Debian GLIBC 2.36-9) stable release version 2.36.\n"
LIBSTDCXX = b"\0GLIBCXX_3.4\0GLIBCXX_3.4.9\0GLIBCXX_3.4.30\0"


def make_elf(
    needed: Sequence[str] = (), soname: str | None = None, tail: bytes = b"", machine: int = ARM.machine
) -> bytes:
    """Return a library or program that says what it needs, and does nothing."""
    names = [*needed, *([soname] if soname else [])]
    strings, places = b"\0", []
    for name in names:
        places.append(len(strings))
        strings += name.encode() + b"\0"
    begin = 64 + 2 * 56
    tags = [(1, place) for place in places[: len(needed)]] + [(14, place) for place in places[len(needed) :]]
    dynamic = b"".join(struct.pack("<QQ", *entry) for entry in [*tags, (5, begin + 16 * (len(tags) + 2)), (0, 0)])
    body = dynamic + strings
    head = b"\x7fELF\2\1\1" + bytes(9) + struct.pack("<HHIQQQIHHHHHH", 3, machine, 1, 0, 64, 0, 0, 64, 56, 2, 0, 0, 0)
    load = struct.pack("<IIQQQQQQ", 1, 5, 0, 0, 0, begin + len(body), begin + len(body), 4096)
    where = struct.pack("<IIQQQQQQ", 2, 6, begin, begin, begin, len(dynamic), len(dynamic), 8)
    return head + load + where + body + tail


def make_deb(folder: Path, name: str, files: Mapping[str, bytes], version: str = "1-1", arch: str = "arm64") -> Path:
    """Write a package with some files into a folder and return its path."""
    folder.mkdir(parents=True, exist_ok=True)
    control = f"Package: {name}\nVersion: {version}\nArchitecture: {arch}\nDescription: made\n up: it is\n".encode()
    parts = {
        "debian-binary": b"2.0\n",
        "control.tar.gz": gzip.compress(make_tar({"./control": control})),
        "data.tar.xz": lzma.compress(make_tar({f"./{path}": content for path, content in files.items()})),
    }
    path = folder / f"{name}_{version}_{arch}.deb"
    with path.open("wb") as file:
        file.write(b"!<arch>\n")
        for part, content in parts.items():
            file.write(f"{part:<16}{0:<12}{0:<6}{0:<6}{100644:<8}{len(content):<10}`\n".encode())
            file.write(content + b"\n" * (len(content) % 2))
    return path


def make_tar(files: Mapping[str, bytes]) -> bytes:
    """Return a tar archive."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()


def python_files(prefix: str = "usr") -> dict[str, bytes]:
    """Return the files of a Python that cannot run, with some that are of no use."""
    place = f"{prefix}/lib/python3.11"
    module = f"{place}/lib-dynload/{{}}.cpython-311-aarch64-linux-gnu.so"
    return {
        f"{prefix}/bin/python3.11": make_elf(["libc.so.6", "libz.so.1"], tail=b"\0003.11.2\0"),
        f"{place}/os.py": b"",
        f"{place}/json/__init__.py": b"",
        f"{place}/test/test_os.py": b"",
        f"{place}/idlelib/idle.py": b"",
        f"{place}/sitecustomize.py": b"raise OSError",
        module.format("_ctypes"): make_elf(["libc.so.6", "libffi.so.8"]),
        module.format("_bz2"): make_elf(["libbz2.so.1.0"]),
        module.format("_ssl"): make_elf(["libssl.so.3"]),
    }


def library_files() -> dict[str, bytes]:
    """Return the libraries that a Python needs, and some that it does not."""
    place = "usr/lib/aarch64-linux-gnu"
    return {
        f"lib/{ARM.loader}": make_elf(soname=ARM.loader),
        f"{place}/libc.so.6": make_elf([ARM.loader], "libc.so.6", LIBC),
        f"{place}/libm.so.6": make_elf(["libc.so.6"], "libm.so.6"),
        f"{place}/libz.so.1.2.13": make_elf(["libc.so.6"], "libz.so.1"),
        f"{place}/libffi.so.8.1.0": make_elf(["libc.so.6"], "libffi.so.8"),
        f"{place}/libstdc++.so.6.0.30": make_elf(["libm.so.6", "libgcc_s.so.1"], "libstdc++.so.6", LIBSTDCXX),
        f"{place}/libgcc_s.so.1": make_elf(["libc.so.6"], "libgcc_s.so.1"),
        f"{place}/libssl.so.3": make_elf(["libc.so.6"], "libssl.so.3"),
        f"{place}/gconv/UTF-7.so": make_elf(["libc.so.6"]),
        "usr/share/doc/libc6/copyright": b"LGPL",
        "usr/share/doc/libc6/changelog.gz": b"",
    }


def runnable_bundle(
    folder: Path, architecture: str, *, version: str = "3.11.2", python: str = sys.executable
) -> Bundle:
    """Write a bundle whose Python is this machine's, and return it."""
    files = {
        LAUNCHER: f'#!/bin/sh\nexec {python} "$@"\n'.encode(),
        "lib/large": random.Random(0).randbytes(8000),
        "lib/python3.11/empty.py": b"",
    }
    manifest: dict[str, Any] = {
        "format": FORMAT,
        "architecture": architecture,
        "python": version,
        "glibc": "2.36",
        "runtime": {"package": "ai-edge-litert", "version": "2.3.0"},
        "packages": [],
        "wheels": [],
        "left_out": {},
        "unpacked_bytes": sum(map(len, files.values())),
        "files": {name: hashlib.sha256(content).hexdigest() for name, content in files.items()},
    }
    path = folder / f"edgebench-python-{architecture}-{version}.tar.gz"
    write_bundle(path, manifest, files, frozenset((LAUNCHER,)))
    return read_bundle(path)
