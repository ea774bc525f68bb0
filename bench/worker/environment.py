"""Makes a Python environment out of wheel files: no pip, no ensurepip, no venv module and no network are needed.

It is built beside its place and moved there in one step, so there is a whole one or none.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import shutil
import zipfile
from typing import Any, Dict, List, Optional, Tuple

from .keeper_files import tree_bytes
from .refusal import Refusal, one_line

NAME = "env"
MANIFEST = "edgebench.json"
_NEW, _OLD = "env.new", "env.old"
#: Parts of ``PACKAGE.data`` that modules are in; its programs, headers and manuals have no use here.
_MODULES = ("purelib", "platlib")
_MARGIN = 1.05

Manifest = Dict[str, Any]


def make_environment(root: str, request: Dict[str, Any]) -> Dict[str, Any]:
    """Make ``root``/env anew.

    ``python`` is the interpreter that it is for, ``version`` that one's (three numbers), ``own_packages`` whether it
    sees those that are installed there, ``wheels`` the files with ``path`` and ``unpacked_bytes``, and ``manifest``
    what :func:`read_environment` shall return from now on. The files are removed once all is well.

    Returns:
        ``env_bytes``, what it takes on the disk.

    Raises:
        Refusal: ``no-space``, ``disk``, ``bad-wheel`` or ``no-python``; what was there before is there still.
    """
    place, new, old = (os.path.join(root, name) for name in (NAME, _NEW, _OLD))
    python, wheels = str(request["python"]), list(request["wheels"])
    if not os.access(python, os.X_OK):
        raise Refusal("no-python", "%s: no such program there" % python)
    try:
        for left in (new, old):
            _remove(left)
        _check_space(root, sum(int(wheel["unpacked_bytes"]) for wheel in wheels))
        packages = _frame(new, python, request["version"], bool(request["own_packages"]))
        for wheel in wheels:
            _unpack(str(wheel["path"]), packages, new)
        with open(os.path.join(new, MANIFEST), "w", encoding="utf-8") as file:
            json.dump(request["manifest"], file, indent=1)
        os.sync()  # a loss of power must not leave a whole-looking one with empty files
        _swap(new, place, old)
    except OSError as error:
        raise _refused(error, root) from error
    finally:
        shutil.rmtree(new, ignore_errors=True)
    for wheel in wheels:
        with contextlib.suppress(OSError):  # it only takes room
            os.unlink(str(wheel["path"]))
    return {"env_bytes": tree_bytes(place)}


def read_environment(root: str) -> Dict[str, Any]:
    """Return ``manifest``, None where there is no environment, ``env_bytes``, and ``problem``: why it cannot be used.

    ``free_bytes`` is the room on its disk.
    """
    place = os.path.join(root, NAME)
    free = shutil.disk_usage(root).free
    if not os.path.isdir(place):
        return {"manifest": None, "env_bytes": 0, "problem": None, "free_bytes": free}
    problem = None
    manifest: Optional[Manifest] = None
    try:
        with open(os.path.join(place, MANIFEST), encoding="utf-8") as file:
            told = json.load(file)
    except (OSError, ValueError) as error:
        problem = "its %s cannot be read: %s" % (MANIFEST, one_line(error))
    else:
        if isinstance(told, dict) and "format" in told:
            manifest = told
        else:
            problem = "its %s holds something else" % MANIFEST
    python = os.path.join(place, "bin", "python3")
    if not os.access(python, os.X_OK):
        problem = "its Python, %s, is not there any more" % os.path.realpath(python)
    return {"manifest": manifest, "env_bytes": tree_bytes(place), "problem": problem, "free_bytes": free}


def _frame(folder: str, python: str, version: List[int], own_packages: bool) -> str:
    """Make an environment without packages, and return the folder for them."""
    major_minor = "%d.%d" % (int(version[0]), int(version[1]))
    packages = os.path.join(folder, "lib", "python" + major_minor, "site-packages")
    os.makedirs(packages, mode=0o700)
    os.mkdir(os.path.join(folder, "bin"), 0o700)
    for name in ("python3", "python"):
        os.symlink(python, os.path.join(folder, "bin", name))
    settings = (
        ("home", os.path.dirname(python)),
        ("include-system-site-packages", "true" if own_packages else "false"),
        ("version", ".".join(str(int(number)) for number in version)),
        ("executable", python),
    )
    with open(os.path.join(folder, "pyvenv.cfg"), "w", encoding="utf-8") as file:
        file.write("".join("%s = %s\n" % setting for setting in settings))
    return packages


def _unpack(wheel: str, packages: str, environment: str) -> None:
    try:
        with zipfile.ZipFile(wheel) as archive:
            for entry in archive.infolist():
                target = _target(entry.filename, packages, environment)
                if target is None or entry.is_dir():
                    continue
                os.makedirs(os.path.dirname(target), exist_ok=True)
                with archive.open(entry) as source, open(target, "wb") as file:
                    shutil.copyfileobj(source, file, 1 << 20)
    except (zipfile.BadZipFile, zipfile.LargeZipFile, EOFError, NotImplementedError, RuntimeError) as error:
        raise Refusal("bad-wheel", "a wheel cannot be unpacked: %s" % one_line(error)) from error


def _target(name: str, packages: str, environment: str) -> Optional[str]:
    """Return where a file of a wheel goes, None where it has no use.

    Raises:
        Refusal: ``bad-wheel``, where it would leave the environment.
    """
    parts = name.rstrip("/").split("/")
    if name.startswith("/") or "\\" in name or any(part in ("", ".", "..") for part in parts):
        raise Refusal("bad-wheel", "a wheel holds a file that leaves its folder: %s" % one_line(name, 100))
    folder, parts = _base(parts, packages, environment)
    return os.path.join(folder, *parts) if parts else None


def _base(parts: List[str], packages: str, environment: str) -> Tuple[str, List[str]]:
    """Return the folder that a file's place begins at, and its place; that is empty where the file has no use."""
    if not parts[0].endswith(".data"):
        return packages, parts
    kind, rest = (parts[1] if len(parts) > 1 else ""), parts[2:]
    if kind in _MODULES:
        return packages, rest
    return environment, rest if kind == "data" else []


def _swap(new: str, place: str, old: str) -> None:
    """Put the new one into its place; where that fails, the old one is back."""
    replaced = os.path.lexists(place)
    if replaced:
        os.rename(place, old)
    try:
        os.rename(new, place)
    except OSError:
        if replaced:
            os.rename(old, place)
        raise
    shutil.rmtree(old, ignore_errors=True)


def _remove(path: str) -> None:
    if os.path.islink(path) or os.path.isfile(path):
        os.unlink(path)
    elif os.path.isdir(path):
        shutil.rmtree(path)


def _check_space(root: str, needed_bytes: int) -> None:
    free = shutil.disk_usage(root).free
    if needed_bytes * _MARGIN > free:
        raise _no_space(root, needed_bytes * _MARGIN, free)


def _refused(error: OSError, root: str) -> Refusal:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return Refusal("no-space", "its disk became full while the environment was made in %s; make room there" % root)
    return Refusal("disk", "%s: the environment cannot be made: %s" % (root, error.strerror or one_line(error)))


def _no_space(root: str, needed_bytes: float, free_bytes: int) -> Refusal:
    return Refusal(
        "no-space",
        "the environment needs %.0f MB in %s and %.0f MB are free; make room there, or name another folder"
        % (needed_bytes / 1e6, root, free_bytes / 1e6),
    )
