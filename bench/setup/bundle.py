"""Makes a bundle: a portable Python with numpy and a TFLite runtime, with its own loader and C library.

It is for a device without Python, or with another C library than the runtime's wheels need, as every phone has. Its
parts come from Debian's packages or a Python archive, and from the same wheels as a board's.
"""

from __future__ import annotations

import hashlib
import os
import tarfile
import time
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import DeviceRefused, InputError, UsageError
from .apt_packages import ROOTS, fetch_packages, read_packages
from .bundle_file import FORMAT, LAUNCHER, Bundle, default_folder, file_name, read_bundle, write_bundle
from .bundle_layout import (
    ARCHITECTURES,
    LIBRARIES,
    PROGRAM,
    Architecture,
    Found,
    Layout,
    as_board,
    extra_libraries,
    find_python,
    lay_out,
    missing_libraries,
)
from .choice import Choice, choose
from .deb import Deb, files_of, regular_files
from .listener import Listener
from .steps import litert_here
from .wheels import Pip, WheelSet, fetch, run_pip

#: Of the manuals in a package the licence alone is kept.
_MANUALS, _LICENCE = "usr/share/", "copyright"
_SKIPPED_FOLDERS = frozenset(("tests", "include", "_pyinstaller", "__pycache__"))
_SKIPPED_KINDS = (".pyi", ".pyx", ".pxd", ".c", ".h", ".hpp", ".a", ".lib", ".dll", ".exe", ".1")
_PACKAGED = ("purelib", "platlib")
_LAUNCHER = """\
#!/bin/sh
# Starts the Python of this folder, wherever that lies, under the loader and the C library that it brings.
self=$0
case $self in */*) ;; *) self=./$self ;; esac
while [ -L "$self" ]; do
    target=$(readlink "$self") || exit 127
    case $target in /*) self=$target ;; *) self=${self%/*}/$target ;; esac
done
home=$(CDPATH='' cd "${self%/*}/.." && pwd -P) || exit 127
unset LD_LIBRARY_PATH LD_PRELOAD PYTHONHOME
export PYTHONNOUSERSITE=1
exec "$home/lib/LOADER" --library-path "$home/lib" --argv0 "$home/bin/python3" "$home/PROGRAM" "$@"
"""
_SITE = """\
\"\"\"Adds the packages of this folder, whatever the system that this Python was made for calls their place.\"\"\"

import os
import site
import sys

_packages = os.path.join(os.path.dirname(os.__file__), "site-packages")
if _packages not in sys.path:
    site.addsitedir(_packages)
"""


@dataclass(frozen=True)
class Wanted:
    """What a bundle is made of. ``suite`` is a release of Debian, None for this machine's.

    ``packages`` is a folder of Debian packages instead of those that apt fetches, ``python_archive`` a tar or zip
    archive with a Python instead of Debian's, ``wheels`` a folder of wheels, then the only place to look.
    """

    architecture: str = "aarch64"
    suite: str | None = None
    packages: Path | None = None
    python_archive: Path | None = None
    wheels: Path | None = None


def build(
    wanted: Wanted,
    listener: Listener | None = None,
    *,
    folder: Path | None = None,
    cache: Path | None = None,
    pip: Pip = run_pip,
) -> Bundle:
    """Make a bundle in ``folder`` (None: in the user's cache), unless one of the same content is there.

    ``cache`` and ``pip`` are :func:`.wheels.fetch`'s.

    Raises:
        UsageError: no such architecture, folder or archive; or this machine has no apt, or no pip.
        InputError: an archive or package is damaged, or no whole Python is in them.
        DeviceRefused: no network, no such packages, or no wheels for that Python.
        OSError: the cache cannot be written to.
    """
    said, began = listener or Listener(), time.monotonic()
    architecture = _architecture(wanted.architecture)
    said.begins("fetching packages")
    found, packages, layout = _python_of(wanted, architecture)
    said.said(_python_line(layout, time.monotonic() - began))
    said.begins("fetching wheels")
    began = time.monotonic()
    choice = choose(as_board(layout), litert_here())
    wheels = fetch(choice, wanted.wheels, cache=cache, pip=pip)
    said.said(choice.sentence(wheels.runtime.version, litert_here()))
    said.said(f"wheels: {len(wheels.wheels)}, {wheels.size_bytes / 1e6:.1f} MB, {time.monotonic() - began:.1f} s")
    for name, reason in wheels.left_out.items():
        said.said(f"without {name}: {reason}")
    files, lacking = _files(layout, found, wheels, architecture)
    manifest = _manifest(choice, layout, packages, wheels, files, lacking)
    target = (folder or default_folder()) / file_name(manifest)
    if target.exists():
        bundle = read_bundle(target)
        os.utime(target)  # the newest is the one that is used
        said.said(f"built before: {target}")
        return bundle
    said.begins("packing")
    began = time.monotonic()
    target.parent.mkdir(parents=True, exist_ok=True)
    programs = frozenset((LAUNCHER, PROGRAM, f"{LIBRARIES}/{architecture.loader}"))
    write_bundle(target, manifest, {path: one.content for path, one in files.items()}, programs)
    bundle = read_bundle(target)
    sizes = f"{bundle.size_bytes / 1e6:.1f} MB, {bundle.unpacked_bytes / 1e6:.1f} MB unpacked"
    said.said(f"bundle: {sizes}, packed in {time.monotonic() - began:.1f} s")
    return bundle


def _architecture(name: str) -> Architecture:
    if name not in ARCHITECTURES:
        raise UsageError(f"--arch {name}: bundles can be made for {' and '.join(ARCHITECTURES)}")
    return ARCHITECTURES[name]


def _python_of(wanted: Wanted, architecture: Architecture) -> tuple[dict[str, Found], tuple[Deb, ...], Layout]:
    """Return all files that were found, the packages that they are from, and the Python among them."""
    packages = read_packages(wanted.packages) if wanted.packages is not None else ()
    found = _unpacked(packages)
    if wanted.python_archive is None:
        if wanted.packages is None:
            packages = fetch_packages(architecture.debian, ROOTS, wanted.suite)
            found = _unpacked(packages)
        source = str(wanted.packages or f"the packages for {architecture.debian}")
        return found, packages, lay_out(found, architecture, source)
    own = _read_archive(wanted.python_archive)
    found = {**_libraries_of(found), **own}
    try:
        return found, packages, lay_out(found, architecture, str(wanted.python_archive))
    except InputError:
        # What is not in the archive is Debian's, where that can be had; else the reason stands.
        if wanted.packages is not None or find_python(own, architecture) is None:
            raise
        try:
            packages = fetch_packages(architecture.debian, ROOTS, wanted.suite)
        except (DeviceRefused, UsageError):
            packages = ()
        if not packages:
            raise
    found = {**_libraries_of(_unpacked(packages)), **own}
    return found, packages, lay_out(found, architecture, str(wanted.python_archive))


def _unpacked(packages: Sequence[Deb]) -> dict[str, Found]:
    found: dict[str, Found] = {}
    for package in packages:
        for path, content in files_of(package):
            if not path.startswith(_MANUALS) or path.endswith(f"/{_LICENCE}"):
                found[path] = Found(content, package.name)
    return found


def _libraries_of(found: Mapping[str, Found]) -> dict[str, Found]:
    """Return packages' files without the Python that is among them, where another one is wanted."""
    return {path: one for path, one in found.items() if ".so" in path.rpartition("/")[2] or path.startswith(_MANUALS)}


def _read_archive(path: Path) -> dict[str, Found]:
    try:
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                names = [entry.filename for entry in archive.infolist() if not entry.is_dir()]
                return {name.lstrip("/"): Found(archive.read(name), path.name) for name in names}
        content = path.read_bytes()
    except (OSError, zipfile.BadZipFile) as error:
        raise UsageError(f"--python-archive {path}: cannot be read: {error}") from error
    if not tarfile.is_tarfile(path):
        raise UsageError(f"--python-archive {path}: is no tar or zip archive that can be read here")
    return {name: Found(data, path.name) for name, data in regular_files(path, content)}


def _files(
    layout: Layout, found: Mapping[str, Found], wheels: WheelSet, architecture: Architecture
) -> tuple[dict[str, Found], dict[str, str]]:
    """Return everything that is in the bundle but its manifest, and why libraries are not in it.

    Those may be another vendor's, for a processor that the device has not; trying the runtime tells.
    """
    packages = f"{layout.standard_library}/site-packages"
    installed: dict[str, Found] = {}
    for wheel in wheels.wheels:
        for inside, content in _wheel_files(wheel.path):
            installed[f"{packages}/{inside}"] = Found(content, wheel.name)
    libraries = {path: one.content for path, one in installed.items() if ".so" in path.rpartition("/")[2]}
    extra = extra_libraries(layout, found, architecture, missing_libraries(layout.files, libraries))
    missing = missing_libraries([*layout.files, *extra], libraries)
    launcher = _LAUNCHER.replace("LOADER", architecture.loader).replace("PROGRAM", PROGRAM)
    own = {
        LAUNCHER: Found(launcher.encode(), "edgebench"),
        f"{layout.standard_library}/sitecustomize.py": Found(_SITE.encode(), "edgebench"),
    }
    files = {**layout.files, **extra, **installed, **own}
    used = {one.origin for one in files.values()}
    licences = {
        f"licences/{path.split('/')[3]}": one
        for path, one in found.items()
        if path.startswith(_MANUALS) and one.origin in used
    }
    lacking = {name: f"{needer} needs it, and no package here has it" for name, needer in missing.items()}
    return {**files, **licences}, lacking


def _wheel_files(path: Path) -> list[tuple[str, bytes]]:
    """Return what a wheel would install that a measurement may use."""
    files = []
    with zipfile.ZipFile(path) as archive:
        for entry in archive.infolist():
            parts = entry.filename.split("/")
            if entry.is_dir() or entry.filename.endswith(_SKIPPED_KINDS) or not _SKIPPED_FOLDERS.isdisjoint(parts[:-1]):
                continue
            if any(part in ("", ".", "..") for part in parts):
                raise InputError(f"{path}: holds a file that leaves its folder: {entry.filename}")
            if parts[0].endswith(".data"):
                if parts[1] not in _PACKAGED:
                    continue
                parts = parts[2:]
            files.append(("/".join(parts), archive.read(entry)))
    return files


def _manifest(
    choice: Choice,
    layout: Layout,
    packages: Sequence[Deb],
    wheels: WheelSet,
    files: Mapping[str, Found],
    lacking: Mapping[str, str],
) -> dict[str, Any]:
    """Return what a bundle says of itself: nothing in it depends on when or where it was built."""
    used = {one.origin for one in files.values()}
    python = layout.python
    return {
        "format": FORMAT,
        "architecture": python.architecture,
        "python": python.version_text,
        "glibc": python.glibc_text,
        "runtime": {"package": choice.package, "version": wheels.runtime.version},
        "packages": [
            {"name": deb.name, "version": deb.version, "sha256": deb.sha256, "size_bytes": deb.size_bytes}
            for deb in packages
            if deb.name in used
        ],
        "wheels": [
            {"name": wheel.name, "version": wheel.version, "sha256": wheel.sha256, "size_bytes": wheel.size_bytes}
            for wheel in wheels.wheels
        ],
        "left_out": {**wheels.left_out, **layout.left_out, **lacking},
        "unpacked_bytes": sum(len(one.content) for one in files.values()),
        "files": {path: hashlib.sha256(one.content).hexdigest() for path, one in sorted(files.items())},
    }


def _python_line(layout: Layout, seconds: float) -> str:
    size_bytes = sum(len(one.content) for one in layout.files.values())
    python = layout.python
    text = f"Python {python.version_text} for {python.architecture} with glibc {python.glibc_text}"
    return f"{text}: {size_bytes / 1e6:.1f} MB, {seconds:.1f} s"
