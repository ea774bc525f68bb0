"""What a bare board has: its Pythons, its C library, room on its disk. Found by one POSIX shell command."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..devices.remote_start import after_mark
from ..devices.transport import Transport
from ..errors import DeviceRefused

#: Each Python tells of itself; old ones must be able to read this, too, or they could not be named as too old.
_PROBE = r"""
import sys
told = {"path": sys.executable, "version": list(sys.version_info[:3])}
try:
    import glob, json, os, platform, re, struct, sysconfig, zipfile, zlib
except ImportError as error:
    name = getattr(error, "name", None) or "?"
    print('python={"path": "%s", "version": %s, "incomplete": "%s"}' % (sys.executable, told["version"], name))
    sys.exit()

def glibc():
    try:
        name, _, version = os.confstr("CS_GNU_LIBC_VERSION").partition(" ")
    except (AttributeError, OSError, ValueError):
        return None
    return version if name == "glibc" else None

def libstdcxx():
    try:
        import ctypes
    except ImportError:
        return None
    try:
        ctypes.CDLL("libstdc++.so.6")
    except OSError:
        return 0
    with open("/proc/self/maps") as maps:
        paths = re.findall(r"(/\S*libstdc\+\+\.so\S*)$", maps.read(), re.M)
    if not paths:
        return None
    with open(paths[0], "rb") as file:
        return max([int(found) for found in re.findall(rb"GLIBCXX_3\.4\.(\d+)\0", file.read())] or [0]) or None

def numpy():
    try:
        if struct.calcsize("P") == 4:
            import numpy
            return numpy.__version__
        from importlib import metadata
        return metadata.version("numpy")
    except Exception:
        return None

def nearest(folder):
    while not os.path.isdir(folder) and folder != os.path.dirname(folder):
        folder = os.path.dirname(folder)
    return folder

base = os.path.realpath(getattr(sys, "_base_executable", None) or sys.executable)
root = os.path.join(os.path.expanduser("~"), sys.argv[1])
disk = os.statvfs(nearest(root))
told.update({
    "path": base,
    "implementation": platform.python_implementation(),
    "threaded": bool(sysconfig.get_config_var("Py_GIL_DISABLED")),
    "system": platform.system(),
    "machine": platform.machine(),
    "bits": 8 * struct.calcsize("P"),
    "abi": str(sysconfig.get_config_var("SOABI") or ""),
    "glibc": glibc(),
    "musl": bool(glob.glob("/lib/ld-musl-*")),
    "libstdcxx": libstdcxx(),
    "numpy": numpy(),
    "root": root,
    "free_bytes": disk.f_bavail * disk.f_frsize,
    "noexec": bool(disk.f_flag & getattr(os, "ST_NOEXEC", 8)),
})
print("python=" + json.dumps(told))
"""
_MARK = "edgebench-begins-here"
_SEARCH = (
    r"""
probe=$1 folder=$2 named=$3 seen=:
echo; echo """
    + _MARK
    + r"""
uname -s 2>/dev/null | sed 's/^/system=/'
uname -m 2>/dev/null | sed 's/^/machine=/'
if command -v getprop >/dev/null 2>&1; then
  echo "name=$(getprop ro.product.model), Android $(getprop ro.build.version.release)"
fi
sed -n 's/^PRETTY_NAME="\{0,1\}\([^"]*\)"\{0,1\}$/name=\1/p' /etc/os-release 2>/dev/null
try() {
  [ -f "$1" ] && [ -x "$1" ] || return
  real=$(readlink -f "$1" 2>/dev/null) || real=$1
  case $seen in *":$real:"*) return ;; esac
  seen=$seen$real:
  "$1" -I -c "$probe" "$folder" < /dev/null 2>/dev/null || echo "failed=$1"
}
if [ -n "$named" ]; then
  try "$(command -v "$named" 2>/dev/null || echo "$named")"
else
  IFS=:
  for place in $PATH /usr/local/bin /usr/bin /bin /opt/*/bin; do
    for python in "$place"/python3 "$place"/python3.[0-9] "$place"/python3.[0-9][0-9]; do try "$python"; done
  done
fi
exit 0
"""
)
#: A dozen Pythons of an emulated board.
_SEARCH_S = 180.0


@dataclass(frozen=True)
class BoardPython:
    """One interpreter there. ``architecture`` is that of its programs, whatever the kernel's.

    ``glibc`` is None for another C library, ``libstdcxx`` the last number of its newest GLIBCXX_3.4 version: 0 where
    the library is missing, None where that is unknown. ``numpy`` is its version, ``incomplete`` a module of the
    standard library that is missing.
    """

    path: str
    version: tuple[int, int, int]
    architecture: str = ""
    implementation: str = "CPython"
    threaded: bool = False
    glibc: tuple[int, int] | None = None
    musl: bool = False
    libstdcxx: int | None = None
    numpy: str | None = None
    incomplete: str | None = None

    @property
    def version_text(self) -> str:
        return ".".join(map(str, self.version))

    @property
    def glibc_text(self) -> str:
        return ".".join(map(str, self.glibc)) if self.glibc else "unknown"


@dataclass(frozen=True)
class Board:
    """A device before anything of ours is on it. ``pythons`` are in the order in which they were found.

    ``free_bytes`` and ``noexec`` (no libraries can be loaded from there) are about the disk that ``root`` is on; both
    are None, as ``root``, where no Python could tell. ``name`` is its system's.
    """

    address: str
    system: str
    machine: str
    name: str | None = None
    root: str | None = None
    free_bytes: int | None = None
    noexec: bool | None = None
    pythons: tuple[BoardPython, ...] = ()


def look_at(transport: Transport, folder: str, python: str | None = None) -> Board:
    """Return what a board has. ``folder`` is where our files shall lie there, relative to its home folder.

    ``python`` is the only interpreter to look at, by path or by name.

    Raises:
        DeviceRefused: commands cannot be run there.
        DeviceLost: the connection went.
    """
    done = transport.run(["sh", "-c", _SEARCH, "sh", _PROBE, folder, python or ""], timeout_s=_SEARCH_S)
    lines = [line.partition("=") for line in after_mark(done.stdout)]
    told = {key: value for key, _, value in reversed(lines) if key in ("system", "machine", "name")}
    if done.status != 0 or "system" not in told:
        raise DeviceRefused(
            f"{transport.address}: commands cannot be run there: {done.last_words or 'it said nothing'}"
        )
    facts = [found for found in (_facts(value) for key, _, value in lines if key == "python") if found]
    able = next((found for found in facts if "root" in found), {})
    return Board(
        address=transport.address,
        system=told["system"],
        machine=told.get("machine", "unknown"),
        name=told.get("name"),
        root=able.get("root"),
        free_bytes=able.get("free_bytes"),
        noexec=able.get("noexec"),
        pythons=_distinct([_python(found) for found in facts]),
    )


def architecture_of(machine: str, bits: int, abi: str = "") -> str:
    """Return the architecture that wheels for a Python have: a 64-bit kernel often runs 32-bit programs.

    ``machine`` is the kernel's own name for it, ``bits`` the size of a pointer, ``abi`` the Python's SOABI.
    """
    if bits == 64:
        return {"arm64": "aarch64", "amd64": "x86_64"}.get(machine.lower(), machine)
    if machine in ("x86_64", "amd64", "i386", "i486", "i586", "i686"):
        return "i686"
    if machine in ("aarch64", "arm64", "armv8l", "armv8b", "armv7l", "armv7"):
        # Without its own word on it, a Python is taken for one with hardware floating point, as every current one is.
        return "armel" if abi.endswith("gnueabi") else "armv7l"
    return machine


def _facts(text: str) -> dict[str, Any] | None:
    try:
        found = json.loads(text)
    except ValueError:
        return None
    return found if isinstance(found, dict) and "version" in found else None


def _python(told: Mapping[str, Any]) -> BoardPython:
    major, minor, micro = (int(number) for number in told["version"])
    if "incomplete" in told:
        return BoardPython(str(told["path"]), (major, minor, micro), incomplete=str(told["incomplete"]))
    return BoardPython(
        path=str(told["path"]),
        version=(major, minor, micro),
        architecture=architecture_of(str(told["machine"]), int(told["bits"]), str(told["abi"])),
        implementation=str(told["implementation"]),
        threaded=bool(told["threaded"]),
        glibc=_pair(told["glibc"]),
        musl=bool(told["musl"]),
        libstdcxx=told["libstdcxx"],
        numpy=told["numpy"],
    )


def _pair(text: str | None) -> tuple[int, int] | None:
    parts = (text or "").split(".")
    return (int(parts[0]), int(parts[1])) if len(parts) >= 2 and all(part.isdecimal() for part in parts[:2]) else None


def _distinct(pythons: list[BoardPython]) -> tuple[BoardPython, ...]:
    """Return each once: wrappers and environments lead to the same interpreter."""
    return tuple({python.path: python for python in reversed(pythons)}.values())[::-1]
