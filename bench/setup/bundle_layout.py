"""Which files a portable Python consists of: its program, its standard library, and every library they need. Pure.

They come from packages or an archive of any layout. What a measurement never uses is left out: tests, manuals,
graphics, installers, and the modules whose libraries are large.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from ..errors import InputError
from .board import Board, BoardPython
from .elf import Elf, read_elf

#: Where the Python itself lies; ``bin/python3`` starts it.
PROGRAM = "libexec/python3"
LIBRARIES = "lib"


@dataclass(frozen=True)
class Architecture:
    """A processor's kind, by the names that others give it. ``loader`` starts programs of glibc."""

    name: str
    debian: str
    machine: int
    loader: str


ARCHITECTURES = {
    one.name: one
    for one in (
        Architecture("aarch64", "arm64", 183, "ld-linux-aarch64.so.1"),
        Architecture("x86_64", "amd64", 62, "ld-linux-x86-64.so.2"),
    )
}

_SKIPPED_FOLDERS = frozenset((
    "test", "tests", "idlelib", "idle_test", "turtledemo", "tkinter", "ensurepip", "lib2to3", "pydoc_data", "venv",
    "dbm", "site-packages", "dist-packages", "__pycache__"
))  # fmt: skip
_SKIPPED_FILES = frozenset(("turtle.py", "sitecustomize.py"))
_SKIPPED_MODULES = frozenset((
    "_ssl", "_hashlib", "_sqlite3", "_dbm", "_gdbm", "_curses", "_curses_panel", "readline", "nis", "_crypt",
    "_tkinter", "ossaudiodev", "spwd", "_xxtestfuzz", "xxlimited", "xxlimited_35", "_xxinterpchannels",
    "_xxsubinterpreters"
))  # fmt: skip
#: Without these no worker starts: a Python that lacks what they need is none for us.
_NECESSARY_MODULES = frozenset((
    "_ctypes", "binascii", "fcntl", "math", "mmap", "select", "zlib", "_json", "_posixsubprocess", "_socket",
    "_struct"
))  # fmt: skip
_MODULES = "lib-dynload"
#: A folder of plug-ins that have the names of libraries, and one of other processors' libraries.
_NO_LIBRARIES = frozenset(("gconv", "audit", _MODULES))
_PYTHON = re.compile(r"(?:^|.*/)bin/python3\.(\d+)$")
_GLIBC = re.compile(rb"GNU C Library [^\n]{0,100}release version (\d+)\.(\d+)")
_GLIBCXX = re.compile(rb"GLIBCXX_3\.4\.(\d+)\0")


@dataclass(frozen=True)
class Found:
    """A file that was found: its content, and the package or archive that it is from."""

    content: bytes
    origin: str


@dataclass(frozen=True)
class Layout:
    """A Python's files by their place in the bundle, what it is, and why modules that it had are left out."""

    python: BoardPython
    files: Mapping[str, Found]
    left_out: Mapping[str, str]

    @property
    def standard_library(self) -> str:
        return f"{LIBRARIES}/python3.{self.python.version[1]}"


def lay_out(found: Mapping[str, Found], architecture: Architecture, source: str) -> Layout:
    """Return the bundle's files of those that were found. ``source`` is what errors name.

    Raises:
        InputError: there is no whole Python of that architecture among them; the line says what is missing.
    """
    libraries = _libraries(found, architecture)
    python = find_python(found, architecture)
    if python is None:
        raise InputError(
            f"{source}: holds no Python for {architecture.name}: there is no bin/python3.N of that processor with a "
            "lib/python3.N beside it"
        )
    program, standard_library, minor = python
    files = {PROGRAM: found[program]}
    left_out: dict[str, str] = {}
    roots = {program: found[program].content, architecture.loader: _library(architecture.loader, libraries, source)}
    for path, one in found.items():
        inside = _inside(path, standard_library)
        if inside is None or _is_skipped(inside):
            continue
        if _is_module(inside):
            needed = _closure({inside: one.content}, libraries)
            missing = sorted(name for name, library in needed.items() if library is None)
            module = _module(inside)
            if missing and module in _NECESSARY_MODULES:
                raise _missing(missing[0], source)
            if missing:
                left_out[module] = f"{source} has no {', '.join(missing)}"
                continue
            roots[inside] = one.content
        files[f"{LIBRARIES}/python3.{minor}/{inside}"] = one
    # Whoever loads packages into it needs this one, and numpy's needs this Python to have it or not at all.
    roots["libstdc++.so.6"] = _library("libstdc++.so.6", libraries, source)
    files |= _needed(roots, libraries, source)
    files[f"{LIBRARIES}/{architecture.loader}"] = libraries[architecture.loader]
    files[f"{LIBRARIES}/libstdc++.so.6"] = libraries["libstdc++.so.6"]
    return Layout(_facts(files, minor, architecture, source), files, left_out)


def missing_libraries(files: Iterable[str], libraries: Mapping[str, bytes]) -> dict[str, str]:
    """Return what packages' libraries need and is not among the ``files``, each with the name of one that needs it."""
    there = {path.rpartition("/")[2] for path in (*files, *libraries)}
    missing: dict[str, str] = {}
    for path, content in libraries.items():
        told = read_elf(content)
        for name in told.needed if told is not None else ():
            if name not in there:
                missing.setdefault(name, path.rpartition("/")[2])
    return missing


def extra_libraries(
    layout: Layout, found: Mapping[str, Found], architecture: Architecture, names: Iterable[str]
) -> dict[str, Found]:
    """Return those of further libraries by their names that were found, with all that they need."""
    libraries = _libraries(found, architecture)
    there = {name: libraries[name] for name in names if name in libraries}
    needed = _closure({name: one.content for name, one in there.items()}, libraries)
    both = {**there, **{name: library for name, library in needed.items() if library is not None}}
    files = {f"{LIBRARIES}/{name}": library for name, library in sorted(both.items())}
    return {path: one for path, one in files.items() if path not in layout.files}


def as_board(layout: Layout) -> Board:
    """Return the bundle as a board that packages are chosen for."""
    return Board(address="the bundle", system="Linux", machine=layout.python.architecture, pythons=(layout.python,))


def find_python(found: Mapping[str, Found], architecture: Architecture) -> tuple[str, str, int] | None:
    """Return a Python's program, the folder of its standard library and its minor version, None where there is none."""
    for path in sorted(found):
        match = _PYTHON.match(path)
        told = read_elf(found[path].content) if match else None
        if match is None or told is None or told.machine != architecture.machine:
            continue
        minor = int(match.group(1))
        standard_library = f"{path[: path.rindex('bin/')]}lib/python3.{minor}"
        if f"{standard_library}/os.py" in found:
            return path, standard_library, minor
    return None


def _libraries(found: Mapping[str, Found], architecture: Architecture) -> dict[str, Found]:
    """Return all libraries by the names that others need them by."""
    libraries: dict[str, Found] = {}
    for path in sorted(found):
        *folders, name = path.split("/")
        if ".so" not in name or not _NO_LIBRARIES.isdisjoint(folders):
            continue
        told = read_elf(found[path].content)
        if told is not None and told.machine == architecture.machine:
            libraries.setdefault(told.soname or name, found[path])
    return libraries


def _closure(roots: Mapping[str, bytes], libraries: Mapping[str, Found]) -> dict[str, Found | None]:
    """Return all libraries that programs and libraries need, and those need in turn; None where one is missing."""
    needed: dict[str, Found | None] = {}
    waiting = list(roots.values())
    while waiting:
        told = read_elf(waiting.pop())
        for name in (told or Elf(0)).needed:
            if name not in needed:
                needed[name] = libraries.get(name)
                library = needed[name]
                if library is not None:
                    waiting.append(library.content)
    return needed


def _needed(roots: Mapping[str, bytes], libraries: Mapping[str, Found], source: str) -> dict[str, Found]:
    files = {}
    for name, library in sorted(_closure(roots, libraries).items()):
        if library is None:
            raise _missing(name, source)
        files[f"{LIBRARIES}/{name}"] = library
    return files


def _library(name: str, libraries: Mapping[str, Found], source: str) -> bytes:
    library = libraries.get(name)
    if library is None:
        raise _missing(name, source)
    return library.content


def _missing(name: str, source: str) -> InputError:
    return InputError(
        f"{source}: has no {name}, which a portable Python needs; name a folder with the packages that hold it with "
        "--packages"
    )


def _inside(path: str, folder: str) -> str | None:
    return path[len(folder) + 1 :] if path.startswith(f"{folder}/") else None


def _is_skipped(inside: str) -> bool:
    *folders, name = inside.split("/")
    if not _SKIPPED_FOLDERS.isdisjoint(folders) or any(folder.startswith("config-") for folder in folders):
        return True
    if name in _SKIPPED_FILES or not name.endswith((".py", ".so", ".txt", ".cfg")):
        return True
    module = _module(inside)
    return _is_module(inside) and (module in _SKIPPED_MODULES or "_test" in module)


def _is_module(inside: str) -> bool:
    return inside.startswith(f"{_MODULES}/")


def _module(inside: str) -> str:
    return inside.rpartition("/")[2].partition(".")[0]


def _facts(files: Mapping[str, Found], minor: int, architecture: Architecture, source: str) -> BoardPython:
    libc = files.get(f"{LIBRARIES}/libc.so.6")
    release = _GLIBC.search(libc.content) if libc is not None else None
    if release is None:
        raise InputError(f"{source}: its libc.so.6 is no GNU C library")
    programs = [one.content for path, one in files.items() if path == PROGRAM or f"libpython3.{minor}" in path]
    version = re.compile(rb"(?<![0-9.])3\.%d\.(\d+)\+?\x00" % minor)
    micro = max((int(last) for program in programs for last in version.findall(program)), default=0)
    return BoardPython(
        path="bin/python3",
        version=(3, minor, micro),
        architecture=architecture.name,
        glibc=(int(release.group(1)), int(release.group(2))),
        libstdcxx=max(int(last) for last in [b"0", *_GLIBCXX.findall(files[f"{LIBRARIES}/libstdc++.so.6"].content)]),
    )
